/* The letter of `penny send` (RFC 5322, RFC 2045); the writing itself is proto/mime's. */
#include "cmd/send_letter.h"

#include <stdio.h>
#include <time.h>

#include "base/codec.h"
#include "base/utf8.h"
#include "io/process.h"
#include "proto/imf/address_list.h"
#include "proto/mime/write.h"

enum { LETTER_MAX = 1 << 30, TEXT_MAX = 64 << 20, FILE_MAX = 512 << 20 };

struct writing {
    struct program *p;
    struct letter *letter;
    struct mime_compose m;
    struct buf *extra;
    size_t to_cap;
};

struct str letter_media_type(struct str file_name)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {"txt", "text/plain"},
        {"csv", "text/csv"},
        {"html", "text/html"},
        {"ics", "text/calendar"},
        {"md", "text/markdown"},
        {"vcf", "text/vcard"},
        {"xml", "application/xml"},
        {"json", "application/json"},
        {"pdf", "application/pdf"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"svg", "image/svg+xml"},
        {"webp", "image/webp"},
        {"mp3", "audio/mpeg"},
        {"mp4", "video/mp4"},
        {"eml", "message/rfc822"},
        {"odt", "application/vnd.oasis.opendocument.text"},
        {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
        {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    };
    struct str ending = str_skip(file_name, str_rfind_char(file_name, '.') + 1);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_ieq(ending, str_c(types[i].ending))) return str_c(types[i].type);
    return S("application/octet-stream");
}

/* ---- addresses ---- */

/* A domain beyond ASCII travels as A-labels when the local part allows it: then nobody needs SMTPUTF8 (RFC 6531 §3.2).
 */
static void make_plain(struct arena *a, struct address *address)
{
    struct str key;
    if (str_is_ascii(address->local) && !str_is_ascii(address->domain) && domain_key(a, address->domain, &key) == 0)
        address->domain = key;
}

static void add_recipient(struct writing *w, struct address to)
{
    struct letter *l = w->letter;
    for (size_t i = 0; i < l->n_to; i++)
        if (str_eq(l->to[i].local, to.local) && str_ieq(l->to[i].domain, to.domain)) return;
    if (l->n_to == w->to_cap) {
        w->to_cap = w->to_cap ? 2 * w->to_cap : 16;
        struct address *more = arena_array(w->p->arena, w->to_cap, sizeof *more);
        if (l->n_to) memcpy(more, l->to, l->n_to * sizeof *more);
        l->to = more;
    }
    l->to[l->n_to++] = to;
}

/* Every mailbox of "Name <a@b>, c@d"; `most` of them. 0 or the exit code. */
static int take_mailboxes(struct writing *w, struct str text, size_t most, struct mime_mailbox *out, size_t *n)
{
    struct arena *a = w->p->arena;
    struct imf_address_list list = imf_addresses(a, text);
    bool good = list.strict && list.mailboxes == list.n && list.n > 0 && utf8_valid(text);
    for (size_t i = 0; good && i < list.n && *n < most; i++) {
        struct address address = {list.v[i].local, list.v[i].domain}, key;
        good = address.local.n && address.domain.n && address_key(a, address, &key) == 0;
        make_plain(a, &address);
        out[(*n)++] = (struct mime_mailbox){imf_display_name(a, &list.v[i]), address};
    }
    return good ? 0 : program_fail(w->p, EX_DATAERR, "\"%.*s\" is no address", STR_FMT(str_head(text, 100)));
}

static int take_list(struct writing *w, const struct words *words, const struct mime_mailbox **out, size_t *n,
                     bool shown)
{
    enum { MOST = 2000 };
    struct mime_mailbox *v = arena_array(w->p->arena, words->n ? MOST : 0, sizeof *v);
    size_t count = 0;
    for (size_t i = 0; i < words->n; i++) {
        int code = take_mailboxes(w, str_c(words->v[i]), MOST, v, &count);
        if (code) return code;
    }
    for (size_t i = 0; i < count; i++) add_recipient(w, v[i].address);
    *out = v;
    *n = shown ? count : 0; /* Bcc is not written: a server that forgot to remove it would tell everybody */
    return 0;
}

static int take_addresses(struct writing *w, const struct letter_wishes *wishes)
{
    const struct mime_mailbox *nobody;
    size_t none, n = 0;
    struct mime_mailbox *from = arena_array(w->p->arena, 1, sizeof *from);
    int code = take_mailboxes(w, str_c(wishes->from), 1, from, &n);
    if (!code) code = take_list(w, &wishes->to, &w->m.to, &w->m.n_to, true);
    if (!code) code = take_list(w, &wishes->cc, &w->m.cc, &w->m.n_cc, true);
    if (!code) code = take_list(w, &wishes->bcc, &nobody, &none, false);
    if (code) return code;
    w->m.from = from;
    w->m.n_from = 1;
    w->letter->from = from->address;
    return w->letter->n_to ? 0 : program_usage(w->p, &(struct error){.text = "a letter needs a recipient (--to)"});
}

/* ---- contents ---- */

static int read_file(struct writing *w, const char *path, size_t max, struct str *out)
{
    struct error e = {0};
    struct buf *b = buf_in(w->p->arena, max + 1);
    int error = process_read(path, max, b, &e);
    *out = buf_str(b);
    if (!error) return 0;
    return program_fail(w->p, error == ERR_NOT_FOUND || error == ERR_DENIED ? EX_NOINPUT : EX_IOERR, "%s", e.text);
}

static int take_attachments(struct writing *w, const struct words *files)
{
    struct mime_attachment *v = arena_array(w->p->arena, files->n, sizeof *v);
    for (size_t i = 0; i < files->n; i++) {
        struct str path = str_c(files->v[i]), name = path;
        if (str_find_char(path, '/') < path.n) name = str_skip(path, str_rfind_char(path, '/') + 1);
        v[i] = (struct mime_attachment){.name = name, .type = letter_media_type(name)};
        if (!utf8_valid(name))
            return program_fail(w->p, EX_DATAERR, "the file name of attachment %zu is no UTF-8", i + 1);
        int code = read_file(w, files->v[i], FILE_MAX, &v[i].bytes);
        if (code) return code;
    }
    w->m.attachments = v;
    w->m.n_attachments = files->n;
    return 0;
}

/* field-name = 1*ftext, printable ASCII but ":" (RFC 5322 §2.2) */
static int take_header(struct writing *w, const struct words *fields)
{
    w->extra = buf_in(w->p->arena, 256 << 10);
    for (size_t i = 0; i < fields->n; i++) {
        struct str name, text;
        bool good = str_cut(str_c(fields->v[i]), ':', &name, &text) && name.n > 0 && utf8_valid(text);
        for (size_t k = 0; k < name.n; k++) good &= name.p[k] > ' ' && name.p[k] < 0x7f;
        if (!good) return program_fail(w->p, EX_USAGE, "--header %s: it looks like 'X-Color: blue'", fields->v[i]);
        mime_put_field(w->extra, name, str_trim(text));
    }
    w->m.extra = buf_str(w->extra);
    return 0;
}

static void take_moment(struct writing *w)
{
    struct world *world = world_real(1);
    unsigned char random[12];
    char room[64];
    struct buf left = BUF_OVER(room);
    w->m.date = clock_utc(world);
    world_random(world, &w->m.seed, sizeof w->m.seed);
    world_random(world, random, sizeof random);
    world_free(world);
    time_t now = (time_t)(w->m.date / US_PER_S);
    struct tm local;
    if (localtime_r(&now, &local)) w->m.offset = (int)(local.tm_gmtoff / 60);
    hex_put(&left, str_of(random, sizeof random));
    struct str domain = w->letter->from.domain, key;
    if (domain_key(w->p->arena, domain, &key) == 0 && !domain_is_literal(domain)) /* RFC 5322 §3.6.4 */
        w->m.message_id = arena_printf(w->p->arena, "%.*s@%.*s", STR_FMT(buf_str(&left)), STR_FMT(key));
}

int letter_write(struct program *p, const struct letter_wishes *wishes, struct letter *out)
{
    struct writing w = {.p = p, .letter = out};
    *out = (struct letter){.bytes = buf_in(p->arena, LETTER_MAX)};
    int code = take_addresses(&w, wishes);
    if (!code && wishes->subject && !utf8_valid(str_c(wishes->subject)))
        code = program_fail(p, EX_DATAERR, "the subject is no UTF-8");
    if (!code) code = take_header(&w, &wishes->header);
    if (!code) code = take_attachments(&w, &wishes->attach);
    if (!code && wishes->html) code = read_file(&w, wishes->html, TEXT_MAX, &w.m.html);
    if (!code) code = read_file(&w, "-", TEXT_MAX, &w.m.text);
    if (code) return code;
    w.m.subject = str_c(wishes->subject);
    w.m.charset = str_c(wishes->charset);
    take_moment(&w);
    int error = mime_compose(out->bytes, &w.m);
    if (error == ERR_UNSUPPORTED) return program_fail(p, EX_USAGE, "the charset \"%s\" is not known", wishes->charset);
    if (error) return program_fail(p, EX_DATAERR, "the letter cannot be written: %s", err_name(error));
    return 0;
}
