/* APPEND (RFC 9051 §6.3.12) with several messages (RFC 3502) and UTF8 (RFC 6855 §4), REPLACE (RFC 8508): piece by
 * piece, for the messages are streamed. */
#include "proto/imap/parse.h"

/* append-message = [SP flag-list] [SP date-time] SP literal, or SP "UTF8" SP "(" literal8; the blank before it has been
 * taken */
static bool read_message(struct imap_scan *s, struct imap_append_message *m)
{
    struct imap_literal l = m->literal;
    *m = (struct imap_append_message){.literal = l};
    if (scan_is(s, '(') && (!scan_flags(s, true, &m->flags) || !scan_space(s))) return false;
    if (scan_is(s, '"')) {
        if (!scan_date_time(s, &m->date, &m->offset) || !scan_space(s)) return false;
        m->has_date = true;
    }
    m->utf8 = scan_word_is(s, S("UTF8"));
    if (m->utf8 && (!scan_space(s) || !scan_char(s, '('))) return false;
    size_t head = str_rfind_char(s->rest, '{');
    if (head != (l.binary ? 1 : 0)) return scan_fail(s, "a message as a literal is missing");
    if (m->utf8 && !l.binary) return scan_fail(s, "a message in UTF8 is a binary literal");
    if (l.size == UINT64_MAX) return scan_fail(s, "a number is too large");
    s->rest = STR_NONE;
    return true;
}

/* "REPLACE" SP seq-number SP mailbox append-message (RFC 8508 §6) */
static bool read_replaced(struct imap_scan *s, struct imap_append *append)
{
    append->replaces_last = scan_if(s, '*');
    return (append->replaces_last || scan_u32(s, 1, &append->replaces)) && scan_space(s);
}

static bool read_begin(struct imap_scan *s, struct imap_command *c)
{
    if (!imap_read_verb(s, c)) return false;
    if (c->verb != IMAP_APPEND && c->verb != IMAP_REPLACE) return scan_fail(s, "a literal that is not wanted");
    return scan_space(s) && (c->verb != IMAP_REPLACE || read_replaced(s, &c->append)) &&
           scan_astring(s, &c->append.mailbox) && scan_space(s);
}

int imap_parse_append_begin(struct arena *a, struct str so_far, struct imap_command *out)
{
    struct imap_scan s = {.a = a, .rest = so_far};
    struct imap_literal l;
    bool has_literal = imap_literal_at_end(so_far, &l);
    bool right = read_begin(&s, out);
    out->append.message.literal = l;
    if (right && !has_literal) right = scan_fail(&s, "a message as a literal is missing");
    if (right && read_message(&s, &out->append.message)) return 0;
    out->error = s.error;
    return ERR_SYNTAX;
}

int imap_parse_append_more(struct arena *a, struct str text, struct imap_append_message *m, const char **error)
{
    struct imap_scan s = {.a = a, .rest = text};
    struct imap_literal l;
    bool has_literal = imap_literal_at_end(text, &l);
    bool right = !m->utf8 || scan_char(&s, ')');
    m->literal = l;
    if (right && !has_literal && scan_end(&s)) return IMAP_APPEND_END;
    if (right && has_literal && scan_space(&s) && read_message(&s, m)) return IMAP_APPEND_NEXT;
    *error = s.error;
    return ERR_SYNTAX;
}
