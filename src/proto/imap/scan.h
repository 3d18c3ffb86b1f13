/* The words an IMAP command is made of (RFC 9051 §9): atoms, quoted strings, literals, numbers, blanks.
 *
 * Internal to proto/imap. A reader goes over a whole command (framing.h) from front to back; each function takes one
 * thing and returns true, or returns false with `error` in words. The first error stays. */
#ifndef PROTO_IMAP_SCAN_H
#define PROTO_IMAP_SCAN_H

#include "mail/limits.h"
#include "proto/imap/command.h"

struct imap_scan {
    struct arena *a; /* NULL: texts are skipped, their escapes left as they are */
    struct str rest;
    const char *error;
};

static inline bool scan_fail(struct imap_scan *s, const char *why)
{
    if (!s->error) s->error = why;
    return false;
}
static inline bool scan_is(const struct imap_scan *s, char c) { return s->rest.n && s->rest.p[0] == c; }
static inline bool scan_if(struct imap_scan *s, char c) /* takes c if it is next */
{
    bool is = scan_is(s, c);
    if (is) s->rest = str_skip(s->rest, 1);
    return is;
}
bool scan_char(struct imap_scan *s, char c);  /* an error if c is not next */
bool scan_space(struct imap_scan *s);         /* one blank or more, and something behind */
bool scan_end(struct imap_scan *s);           /* nothing more; blanks do not count */
/* no error if there is none: like scan_space() if one is next, else false */
bool scan_more(struct imap_scan *s);

bool imap_atom_char(char c);                  /* ATOM-CHAR; bytes from 0x80 on are not */
struct str scan_word(struct imap_scan *s);    /* the longest run of letters, digits, '-', '_' and '.'; may be empty */
bool scan_word_is(struct imap_scan *s, struct str word); /* takes the word if it is next, in any case; else no error */

bool scan_atom(struct imap_scan *s, struct str *out);
bool scan_string(struct imap_scan *s, struct str *out);       /* quoted or literal, without NUL */
bool scan_octets(struct imap_scan *s, struct str *out);       /* a quoted string or any literal, NUL or not */
bool scan_astring(struct imap_scan *s, struct str *out);      /* unquoted bytes from 0x80 on are taken too */
bool scan_nstring(struct imap_scan *s, struct str *out);      /* NIL: STR_NONE; an atom is taken as a string */
bool scan_list_mailbox(struct imap_scan *s, struct str *out); /* list-mailbox: wildcards need no quotes */
bool scan_value(struct imap_scan *s, struct str *out);        /* nstring or literal8, which may hold NUL */

bool scan_number(struct imap_scan *s, uint64_t least, uint64_t most, uint64_t *out);
bool scan_u32(struct imap_scan *s, uint32_t least, uint32_t *out);
bool scan_modseq(struct imap_scan *s, uint64_t *out);         /* 63 bits (RFC 7162 §7) */
bool scan_set(struct imap_scan *s, struct imap_set *out);
bool scan_partial(struct imap_scan *s, struct imap_partial *out);
bool scan_date(struct imap_scan *s, utc_us *day);             /* date, quoted or not */
bool scan_date_time(struct imap_scan *s, utc_us *at, int *offset);
bool scan_flags(struct imap_scan *s, bool parentheses, struct imap_flags *out); /* flag-list, or flags with blanks */

/* Lists: "(" has been taken; "x y)" is read by calling one() until ")", which is taken. */
bool scan_list(struct imap_scan *s, bool may_be_empty, bool (*one)(struct imap_scan *, void *), void *arg);
/* One of a table's words, in any case; -1 and no error when it is none. */
struct imap_word {
    struct str name;
    int value;
};
int imap_word_find(const struct imap_word *table, size_t n, struct str name);
#define IMAP_WORD(table, name) imap_word_find((table), sizeof(table) / sizeof *(table), (name))

/* Sets that are filled in any order: adds r behind the others, or makes it part of the last one when it touches it;
 * then once, O(n log n), brings them in order. */
void imap_ranges_add(struct arena *a, struct uid_set *s, struct uid_range r);
void imap_ranges_sort(struct arena *a, struct uid_set *s);

void imap_strings_add(struct arena *a, struct imap_strings *l, struct str s);
flag_set imap_flag_bit(struct str name); /* of one with a fixed bit, in any case; 0: another */

#endif
