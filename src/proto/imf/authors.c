/* Who wrote a letter, for deciding rights: what the known ways to show different readers different authors
 * ("Composition Kills", espoofer) have in common is refused, whichever reader would fall for it. Also writing
 * mailboxes. */
#include "base/utf8.h"
#include "proto/imf/address_list.h"
#include "proto/imf/encoded_word.h"
#include "proto/imf/field.h"

static bool name_is_clean(struct arena *a, const struct imf_address *m)
{
    struct str name = imf_display_name(a, m);
    return str_find_char(name, '<') == name.n && str_find_char(name, '>') == name.n;
}

/* Adds the field's mailboxes to v. */
static int add_authors(struct arena *a, const struct imf_field *f, struct imf_authors *out, struct error *e)
{
    struct imf_address_list list = imf_addresses(a, f->body);
    if (list.mailboxes == 0) return error_set(e, ERR_SYNTAX, "%.*s has no address", STR_FMT(f->name));
    if (!list.strict || list.n != list.mailboxes)
        return error_set(e, ERR_SYNTAX, "%.*s cannot be read without doubt", STR_FMT(f->name));
    struct address *v = arena_array(a, out->n + list.n, sizeof *v);
    if (out->n) memcpy(v, out->v, out->n * sizeof *v);
    out->v = v;
    for (size_t i = 0; i < list.n; i++) {
        if (!name_is_clean(a, &list.v[i]))
            return error_set(e, ERR_SYNTAX, "%.*s has angle brackets in a name", STR_FMT(f->name));
        v[out->n++] = (struct address){list.v[i].local, list.v[i].domain};
    }
    return 0;
}

/* Finds the only field of that name. 1 found, 0 absent, or an error. */
static int only_field(struct str header, struct str name, struct imf_field *out, struct error *e)
{
    struct imf_field field;
    size_t from = 0;
    int found = 0;
    while (imf_find_field(header, name, &from, &field)) {
        if (found++) return error_set(e, ERR_SYNTAX, "several %.*s fields", STR_FMT(name));
        if (header.p[field.at + field.name.n] != ':')
            return error_set(e, ERR_SYNTAX, "white space after %.*s", STR_FMT(name));
        *out = field;
    }
    return found;
}

static bool has_bare_cr(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *cr = memchr(s.p + i, '\r', s.n - i);
        if (!cr) return false;
        i = (size_t)(cr - s.p);
        if (i + 1 >= s.n || s.p[i + 1] != '\n') return true;
    }
    return false;
}

int imf_authors(struct arena *a, struct str header, struct imf_authors *out, struct error *e)
{
    struct imf_header h = imf_header_of(header);
    struct str fields = str_head(header, h.size);
    struct imf_field from, sender;
    *out = (struct imf_authors){0};
    if (h.junk) return error_set(e, ERR_SYNTAX, "the header has a line that is no field");
    if (has_bare_cr(fields) || str_find_char(fields, '\0') < fields.n)
        return error_set(e, ERR_SYNTAX, "the header has control characters");

    int froms = only_field(fields, S("From"), &from, e);
    if (froms < 0) return froms;
    if (froms == 0) return error_set(e, ERR_SYNTAX, "no From field"); /* RFC 5322 §3.6 */
    int senders = only_field(fields, S("Sender"), &sender, e);
    if (senders < 0) return senders;

    int bad = add_authors(a, &from, out, e);
    out->from = out->n;
    if (bad) return bad;
    /* RFC 5322 §3.6.2 */
    if (out->n > 1 && senders == 0) return error_set(e, ERR_SYNTAX, "several authors and no Sender");
    if (senders == 0) return 0;
    bad = add_authors(a, &sender, out, e);
    if (bad) return bad;
    if (out->n != out->from + 1) return error_set(e, ERR_SYNTAX, "several addresses in Sender");
    return 0;
}

/* --- writing --- */

static bool is_atom_phrase(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!ch_alnum(c) && c != ' ' && (c == 0 || !strchr("!#$%&'*+-/=?^_`{|}~", c))) return false;
    }
    return str_find(s, S("=?")) == s.n && str_find(s, S("  ")) == s.n;
}

static bool is_printable_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] == 127) return false;
    return str_find(s, S("=?")) == s.n && str_is_ascii(s);
}

static size_t put_name(struct buf *b, size_t column, struct str name)
{
    if (is_atom_phrase(name) || !is_printable_ascii(name) || name.n > 500)
        return imf_encode_words(b, column, name, IMF_PHRASE);
    size_t before = b->n;
    if (column > 20 && column + name.n + 2 > 78) { /* inside quotes a line should not be folded */
        buf_lit(b, "\r\n ");
        before = b->n - 1;
        column = 0;
    }
    buf_char(b, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"' || name.p[i] == '\\') buf_char(b, '\\');
        buf_char(b, name.p[i]);
    }
    buf_char(b, '"');
    return column + b->n - before;
}

size_t imf_put_mailbox(struct buf *b, size_t column, struct str name, struct address addr)
{
    struct buf spec = BUF(4096);
    address_put(&spec, addr);
    name = str_trim(name);
    if (name.n) {
        column = put_name(b, column, name);
        if (column + spec.n + 3 > 78) {
            buf_lit(b, "\r\n");
            column = 0;
        }
        buf_lit(b, " <");
        column += 2;
    } else if (column > 20 && column + spec.n > 78) {
        buf_lit(b, "\r\n ");
        column = 1;
    }
    buf_add(b, buf_str(&spec));
    if (name.n) buf_char(b, '>');
    column += spec.n + (name.n > 0);
    buf_free(&spec);
    return column;
}
