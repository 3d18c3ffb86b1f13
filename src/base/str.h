/* Slices: a pointer and a length, never owning, never NUL-terminated, may hold any byte.
 *
 * Every text that comes from a peer, a letter or the store travels as `struct str`. C strings
 * appear only at the operating system's border. "ASCII case" means A-Z and nothing else. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p; /* may be NULL when n is 0 */
    size_t n;      /* bytes */
};

#define S(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define S_INIT(literal) {"" literal, sizeof(literal) - 1} /* for static tables */
#define STR_NONE ((struct str){NULL, 0})                  /* absent, as opposed to empty: str_is_none() */
#define STR_FMT(s) (int)(s).n, (s).p ? (s).p : ""         /* for "%.*s" */

static inline struct str str_of(const void *p, size_t n) { return (struct str){p, n}; }
static inline struct str str_c(const char *c) { return (struct str){c, c ? strlen(c) : 0}; }
static inline bool str_is_none(struct str s) { return s.p == NULL; }

static inline bool str_eq(struct str a, struct str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
bool str_ieq(struct str a, struct str b);          /* equal, ASCII case ignored */
int str_cmp(struct str a, struct str b);           /* bytewise order, as memcmp, the shorter first */
bool str_eq_secret(struct str a, struct str b);    /* in a time that depends on a.n and b.n only */
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix); /* ASCII case ignored */
bool str_ends(struct str s, struct str suffix);

/* Positions: s.n when there is none. */
size_t str_find_char(struct str s, char c);
size_t str_rfind_char(struct str s, char c);
size_t str_find(struct str s, struct str needle); /* linear time */
size_t str_ifind(struct str s, struct str needle); /* ASCII case ignored; needle at most 256 bytes, else none */

/* Parts: indexes beyond the end are clamped. */
static inline struct str str_skip(struct str s, size_t n)
{
    n = n < s.n ? n : s.n;
    return n ? (struct str){s.p + n, s.n - n} : s;
}
static inline struct str str_head(struct str s, size_t n) { return (struct str){s.p, n < s.n ? n : s.n}; }
static inline struct str str_sub(struct str s, size_t from, size_t to) { return str_skip(str_head(s, to), from); }
struct str str_trim(struct str s); /* without space, tab, CR, LF at both ends */

/* Cuts s at the first `c`: *before and *after never include it. False (and *before = s, *after empty) if there is none.
 */
bool str_cut(struct str s, char c, struct str *before, struct str *after);

/* Takes the next word (separated by any run of space or tab) off *s; empty when none is left. */
struct str str_word(struct str *s);

/* Levenshtein's distance, ASCII case ignored, for "did you mean"; SIZE_MAX when one is longer than STR_DISTANCE_MAX
 * bytes. */
enum { STR_DISTANCE_MAX = 48 };
size_t str_distance(struct str a, struct str b);

/* Decimal digits only, at least one, value <= max, no sign; else false and *out untouched. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *out);

/* Classes, ASCII only. */
static inline bool ch_digit(int c) { return c >= '0' && c <= '9'; }
static inline bool ch_alpha(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static inline bool ch_alnum(int c) { return ch_digit(c) || ch_alpha(c); }
static inline bool ch_space(int c) { return c == ' ' || c == '\t'; }
static inline char ch_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static inline char ch_upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 32) : c; }

#endif
