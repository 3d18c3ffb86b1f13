/* What sendmail(1) makes of its input. Programs write letters as their authors have for decades: LF lines, "From: root
 * (Cron Daemon)", no From at all, sometimes no header either. Here they become what submission takes (RFC 5322, RFC
 * 6409); Date, Message-ID and the removal of Bcc are the MSA's. */
#include "cmd/sendmail_letter.h"

#include "base/utf8.h"
#include "mail/limits.h"
#include "proto/imf/address_list.h"
#include "proto/imf/field.h"

/* ---- addresses without a domain ---- */

struct scan { /* of an address list: where the address at hand ends, if it has no domain */
    struct str list;
    size_t end;    /* after the address's last byte */
    bool begun, gap, several, has_at;
    bool in_angle, after_angle;
};

static void forget(struct scan *s)
{
    s->begun = s->gap = s->several = s->has_at = s->in_angle = s->after_angle = false;
}

/* After the comment or quoted string at i; 0 when it is never closed. */
static size_t skip_span(struct str list, size_t i)
{
    bool quoted = list.p[i] == '"';
    size_t depth = 0;
    for (; i < list.n; i++) {
        char c = list.p[i];
        if (c == '\\') i++;
        else if (quoted && c == '"' && ++depth == 2) return i + 1;
        else if (!quoted && c == '(') depth++;
        else if (!quoted && c == ')' && --depth == 0) return i + 1;
    }
    return 0;
}

/* The byte at i is part of an address, or of a name before "<". */
static void take(struct scan *s, size_t i)
{
    if (s->after_angle) return;
    s->several |= s->begun && s->gap;
    s->begun = true;
    s->gap = false;
    s->end = i + 1;
}

static bool lacks_domain(const struct scan *s) { return s->begun && !s->has_at && !s->several; }

static void complete_to(struct buf *b, struct scan *s, size_t *written, struct str domain)
{
    if (!lacks_domain(s)) return;
    buf_add(b, str_sub(s->list, *written, s->end));
    buf_char(b, '@');
    buf_add(b, domain);
    *written = s->end;
}

void sendmail_complete(struct buf *b, struct str list, struct str domain)
{
    struct scan s = {.list = list};
    size_t written = 0;
    for (size_t i = 0; i < list.n; i++) {
        char c = list.p[i];
        if (c == '(' || c == '"') {
            size_t end = skip_span(list, i);
            if (end == 0) { /* nobody can say what the rest means */
                forget(&s);
                break;
            }
            i = end - 1;
            if (c == '"') take(&s, i);
        } else if (c == '<' && !s.after_angle) { /* what stood before was a name */
            forget(&s);
            s.in_angle = true;
        } else if (c == '>' && s.in_angle) {
            s.in_angle = false;
            s.after_angle = true;
        } else if ((c == ',' || c == ';') && !s.in_angle) {
            complete_to(b, &s, &written, domain);
            forget(&s);
        } else if (c == ':' && !s.in_angle) { /* a group's name */
            forget(&s);
        } else if (c == '@') {
            s.has_at = true;
            take(&s, i);
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            s.gap = true;
        } else {
            take(&s, i);
        }
    }
    complete_to(b, &s, &written, domain);
    buf_add(b, str_skip(list, written));
}

static struct str completed(struct arena *a, struct str list, struct str domain)
{
    struct buf *b = buf_in(a, list.n * (domain.n + 2) + domain.n + 2);
    sendmail_complete(b, list, domain);
    return buf_str(b);
}

/* ---- recipients ---- */

static bool is_known(const struct sendmail_letter *l, struct arena *a, struct address address)
{
    struct address key, other;
    if (address_key(a, address, &key) != 0) return false;
    for (size_t i = 0; i < l->n_to; i++)
        if (address_key(a, l->to[i], &other) == 0 && address_key_eq(key, other)) return true;
    return false;
}

static int check(struct arena *a, struct address address, struct str where, struct error *e)
{
    struct address key;
    if (address.local.n && address.domain.n && address.local.n + address.domain.n < LIMIT_PATH &&
        address_key(a, address, &key) == 0)
        return 0;
    return error_set(e, ERR_SYNTAX, "\"%.*s\" is no address", STR_FMT(str_head(str_trim(where), 100)));
}

int sendmail_add(struct arena *a, struct str word, struct str domain, struct sendmail_letter *out, struct error *e)
{
    struct imf_address_list list = imf_addresses(a, completed(a, word, domain));
    if (list.cut) return error_set(e, ERR_TOO_LONG, "more than %d addresses in one field", LIMIT_ADDRESSES);
    for (size_t i = 0; i < list.n; i++) {
        const struct imf_address *m = &list.v[i];
        const struct address address = {m->local, m->domain};
        if (m->kind != IMF_MAILBOX) continue;
        int error = check(a, address, list.mailboxes > 1 && m->local.n ? m->local : word, e);
        if (error) return error;
        if (is_known(out, a, address)) continue;
        out->to = arena_grow(a, out->to, out->n_to, &out->cap_to, sizeof *out->to);
        out->to[out->n_to++] = address;
    }
    return 0;
}

int sendmail_sender(struct arena *a, struct str word, struct str domain, struct address *out, struct error *e)
{
    struct sendmail_letter one = {0};
    struct str inside = str_trim(word);
    *out = (struct address){0};
    if (inside.n == 0 || str_eq(inside, S("<>"))) return 0;
    int error = sendmail_add(a, word, domain, &one, e);
    if (!error && one.n_to != 1) error = error_set(e, ERR_SYNTAX, "one sender, not \"%.*s\"", STR_FMT(word));
    if (!error) *out = one.to[0];
    return error;
}

/* ---- lines ---- */

/* CRLF lines, each with its end. */
static struct buf *lines_of(struct arena *a, struct str text, bool dot_ends)
{
    struct buf *b = buf_in(a, 2 * text.n + 2);
    struct str line;
    while (text.n) {
        str_cut(text, '\n', &line, &text);
        if (str_ends(line, S("\r"))) line.n--;
        if (dot_ends && str_eq(line, S("."))) break;
        buf_add(b, line);
        buf_lit(b, "\r\n");
    }
    return b;
}

/* An mbox file's "From " line before the header is no part of it. */
static struct str without_mbox_line(struct str letter)
{
    struct str line, rest;
    if (!imf_is_mbox_line(letter) || !str_cut(letter, '\n', &line, &rest)) return letter;
    return imf_header_of(rest).size ? rest : letter;
}

/* ---- the header ---- */

static const struct field_kind {
    const char *name;
    bool names_recipients, resent;
} address_fields[] = {
    {"From", false, false},       {"Sender", false, false},        {"Reply-To", false, false},
    {"To", true, false},          {"Cc", true, false},             {"Bcc", true, false},
    {"Resent-From", false, true}, {"Resent-Sender", false, true},  {"Resent-To", true, true},
    {"Resent-Cc", true, true},    {"Resent-Bcc", true, true},
};

static const struct field_kind *kind_of(struct str name)
{
    for (size_t i = 0; i < sizeof address_fields / sizeof *address_fields; i++)
        if (str_ieq(name, str_c(address_fields[i].name))) return &address_fields[i];
    return NULL;
}

/* Is it a letter that somebody sends on (RFC 5322 §3.6.6)? Then the first recipients have it already. */
static bool is_resent(struct str header)
{
    struct imf_fields fields = {.text = header};
    for (struct imf_field f; imf_next_field(&fields, &f);) {
        const struct field_kind *kind = kind_of(f.name);
        if (kind && kind->resent && kind->names_recipients) return true;
    }
    return false;
}

static void put_from(struct buf *b, const struct sendmail_wishes *w)
{
    buf_lit(b, "From: ");
    imf_put_mailbox(b, 6, utf8_valid(w->name) ? w->name : S(""), w->author);
    buf_lit(b, "\r\n");
}

static int put_header(struct arena *a, struct str header, const struct sendmail_wishes *w, struct sendmail_letter *out,
                      struct error *e)
{
    struct imf_fields fields = {.text = header};
    bool resent = is_resent(header), has_from = false;
    for (struct imf_field f; imf_next_field(&fields, &f);) {
        const struct field_kind *kind = kind_of(f.name);
        if (!kind) {
            buf_add(out->bytes, str_sub(header, f.at, f.end));
            continue;
        }
        struct str body = completed(a, f.body, w->domain);
        has_from |= str_ieq(f.name, S("From"));
        buf_add(out->bytes, f.name);
        buf_char(out->bytes, ':');
        buf_add(out->bytes, body);
        buf_lit(out->bytes, "\r\n");
        if (!w->from_header || !kind->names_recipients || kind->resent != resent) continue;
        int error = sendmail_add(a, body, w->domain, out, e);
        if (error) return error;
    }
    if (!has_from) put_from(out->bytes, w);
    return 0;
}

int sendmail_letter(struct arena *a, struct str text, const struct sendmail_wishes *w, struct sendmail_letter *out,
                    struct error *e)
{
    struct str letter = without_mbox_line(buf_str(lines_of(a, text, w->dot_ends)));
    struct imf_header header = {0}; /* text that begins with "From " and goes on without fields has none */
    if (!imf_is_mbox_line(letter)) header = imf_header_of(letter);
    out->bytes = buf_in(a, letter.n + 2 * header.size * (w->domain.n + 2) + (64 << 10));
    int error = put_header(a, str_head(letter, header.size), w, out, e);
    buf_lit(out->bytes, "\r\n"); /* one is there, or the body began without */
    buf_add(out->bytes, str_skip(letter, header.body));
    return error;
}
