/* Unicode for names and passwords, over libunistring: NFC, canonical caseless keys, RFC 8265's OpaqueString.
 *
 * What a name may look like is for the nouns (address, mailbox name) to say. */
#include "mail/unicode.h"

#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>
#include <unictype.h>

#include "base/utf8.h"
#include "mail/limits.h"

enum { U_C1_FIRST = 0x80, U_C1_LAST = 0x9f, U_LINE_SEPARATOR = 0x2028, U_PARAGRAPH_SEPARATOR = 0x2029 };

static bool is_control(uint32_t cp)
{
    return cp < ' ' || cp == 0x7f || (cp >= U_C1_FIRST && cp <= U_C1_LAST) || cp == U_LINE_SEPARATOR ||
           cp == U_PARAGRAPH_SEPARATOR;
}

/* 0 and whether it is ASCII alone, or ERR_SYNTAX. */
static int look_at(struct str s, bool *ascii)
{
    *ascii = true;
    uint32_t cp;
    for (int n; s.n; s = str_skip(s, (size_t)n)) {
        n = utf8_next(s, &cp);
        if (n <= 0 || is_control(cp)) return ERR_SYNTAX;
        if (cp >= 0x80) *ascii = false;
    }
    return 0;
}

/* Moves a result of the library into the arena: it lies in `mine` already if that was large enough. */
static int keep(struct arena *a, uint8_t *made, const uint8_t *mine, size_t n, struct str *out)
{
    if (!made) return ERR_SYNTAX;
    *out = str_of(made, n);
    if (made != mine) {
        *out = arena_str(a, *out);
        free(made);
    }
    return 0;
}

static int normalize(struct arena *a, uninorm_t form, struct str s, struct str *out)
{
    size_t n = s.n * 3 + 16; /* most often enough; the library takes its own memory otherwise */
    uint8_t *mine = arena_alloc(a, n);
    uint8_t *made = u8_normalize(form, (const uint8_t *)s.p, s.n, mine, &n);
    return keep(a, made, mine, n, out);
}

int unicode_nfc(struct arena *a, struct str s, struct str *out)
{
    bool ascii;
    if (look_at(s, &ascii)) return ERR_SYNTAX;
    if (!ascii) return normalize(a, UNINORM_NFC, s, out);
    *out = arena_str(a, s);
    return 0;
}

static struct str lower_ascii(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n);
    for (size_t i = 0; i < s.n; i++) p[i] = ch_lower(s.p[i]);
    return str_of(p, s.n);
}

int unicode_caseless(struct arena *a, struct str s, struct str *out)
{
    bool ascii;
    if (look_at(s, &ascii)) return ERR_SYNTAX;
    if (ascii) {
        *out = lower_ascii(a, s);
        return 0;
    }
    struct str decomposed;
    if (normalize(a, UNINORM_NFD, s, &decomposed)) return ERR_SYNTAX;
    size_t n = decomposed.n * 3 + 16;
    uint8_t *mine = arena_alloc(a, n);
    uint8_t *made = u8_casefold((const uint8_t *)decomposed.p, decomposed.n, NULL, UNINORM_NFC, mine, &n);
    return keep(a, made, mine, n, out);
}

int password_prepare(struct arena *a, struct str typed, struct str *out) /* RFC 8265 §4.2 */
{
    if (typed.n > LIMIT_PASSWORD) return ERR_TOO_LONG;
    bool ascii;
    if (typed.n == 0 || look_at(typed, &ascii)) return ERR_SYNTAX;
    if (ascii) {
        *out = arena_str(a, typed);
        return 0;
    }
    struct buf *spaced = buf_in(a, LIMIT_PASSWORD);
    uint32_t cp;
    for (int n; typed.n; typed = str_skip(typed, (size_t)n)) {
        n = utf8_next(typed, &cp);
        utf8_put(spaced, uc_is_general_category(cp, UC_SPACE_SEPARATOR) ? ' ' : cp);
    }
    return normalize(a, UNINORM_NFC, buf_str(spaced), out);
}
