/* Literals at the ends of lines (RFC 9051 §4.3), and which of them is a message. */
#include "proto/imap/framing.h"

#include "proto/imap/scan.h"

bool imap_literal_at_end(struct str line, struct imap_literal *out)
{
    *out = (struct imap_literal){0};
    if (!str_ends(line, S("}"))) return false;
    size_t end = line.n - 1;
    bool plus = end && line.p[end - 1] == '+';
    if (plus) end--;
    size_t from = end;
    while (from && ch_digit(line.p[from - 1])) from--;
    if (from == end || from == 0 || line.p[from - 1] != '{') return false;
    out->non_sync = plus;
    if (!str_to_u64(str_sub(line, from, end), UINT64_MAX - 1, &out->size)) out->size = UINT64_MAX;
    out->binary = from >= 2 && line.p[from - 2] == '~';
    return true;
}

/* Only as far as needed: wrong arguments are left to the parser, which says what is wrong with them. */
bool imap_takes_message(struct str so_far)
{
    struct imap_literal l;
    if (!imap_literal_at_end(so_far, &l)) return false;
    struct imap_scan s = {.rest = so_far};
    struct str word;
    if (!scan_astring(&s, &word) || !scan_space(&s)) return false;
    word = scan_word(&s);
    bool by_uid = str_ieq(word, S("UID"));
    if (by_uid && !scan_space(&s)) return false;
    if (by_uid) word = scan_word(&s);
    if (str_ieq(word, S("REPLACE"))) {
        if (!scan_space(&s)) return false;
        while (s.rest.n && s.rest.p[0] != ' ') s.rest = str_skip(s.rest, 1); /* the number */
    } else if (by_uid || !str_ieq(word, S("APPEND"))) {
        return false;
    }
    return scan_space(&s) && scan_astring(&s, &word) && scan_is(&s, ' ');
}
