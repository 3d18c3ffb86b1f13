/* Folding text for comparison, over libunistring's tables. ASCII, which is most of all mail, costs one look-up a byte.
 */
#include "proto/mime/fold.h"

#include <unicase.h>
#include <uninorm.h>
#include <unictype.h>

#include "base/utf8.h"

enum { GONE = 1 }; /* in the table: no part of the normal form; 0: not ASCII */

static const uint8_t ascii[256] = {
    GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, ' ',  ' ',  ' ',  ' ',  ' ',  GONE, GONE,
    GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE,
    ' ',  '!',  '"',  '#',  '$',  '%',  '&',  '\'', '(',  ')',  '*',  '+',  ',',  '-',  '.',  '/',
    '0',  '1',  '2',  '3',  '4',  '5',  '6',  '7',  '8',  '9',  ':',  ';',  '<',  '=',  '>',  '?',
    '@',  'a',  'b',  'c',  'd',  'e',  'f',  'g',  'h',  'i',  'j',  'k',  'l',  'm',  'n',  'o',
    'p',  'q',  'r',  's',  't',  'u',  'v',  'w',  'x',  'y',  'z',  '[',  '\\', ']',  '^',  '_',
    '`',  'a',  'b',  'c',  'd',  'e',  'f',  'g',  'h',  'i',  'j',  'k',  'l',  'm',  'n',  'o',
    'p',  'q',  'r',  's',  't',  'u',  'v',  'w',  'x',  'y',  'z',  '{',  '|',  '}',  '~',  GONE,
};

static bool is_unseen(uint32_t cp)
{
    return (cp >= 0x7F && cp < 0xA0 && cp != 0x85) || cp == 0xAD || (cp >= 0x200B && cp <= 0x200F) ||
           (cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2060 && cp <= 0x2064) || cp == 0xFEFF;
}

static bool is_space(uint32_t cp)
{
    return cp == 0x85 || cp == 0x2028 || cp == 0x2029 || uc_is_general_category(cp, UC_SPACE_SEPARATOR);
}

/* RFC 5051 §2: a character's decomposition, and that of its pieces; then their case goes. */
static void decompose(uint32_t cp, struct buf *out)
{
    ucs4_t left[UC_DECOMPOSITION_MAX_LENGTH * 4], piece[UC_DECOMPOSITION_MAX_LENGTH];
    size_t n = 0;
    left[n++] = cp;
    while (n > 0) {
        int tag, more;
        ucs4_t c = left[--n];
        if (c < 0x80) more = -1;
        else more = uc_decomposition(c, &tag, piece);
        if (more > 0 && n + (size_t)more <= sizeof left / sizeof *left) {
            for (int i = more; i-- > 0;) left[n++] = piece[i];
            continue;
        }
        if (is_space(c) || c == ' ') c = ' ';
        else if (!is_unseen(c)) c = uc_tolower(uc_toupper(c));
        else continue;
        utf8_put(out, c);
    }
}

/* What a character that is not ASCII becomes; `mine` has room for the longest. */
static struct str folded(struct fold *f, uint32_t cp, struct buf *mine)
{
    struct fold_kept *k = &f->kept[cp % FOLD_KEPT];
    if (k->cp == cp) return str_of(k->bytes, k->n);
    buf_clear(mine);
    decompose(cp, mine);
    if (mine->n <= sizeof k->bytes) {
        *k = (struct fold_kept){.cp = cp, .n = (uint8_t)mine->n};
        memcpy(k->bytes, mine->p, mine->n);
    }
    return buf_str(mine);
}

static void put(struct fold *f, struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        bool space = s.p[i] == ' ';
        if (space && f->after_space) continue;
        buf_char(out, s.p[i]);
        f->after_space = space;
    }
}

/* Takes the ASCII at the beginning; returns how many bytes. */
static size_t fold_ascii(struct fold *f, struct str text, struct buf *out)
{
    size_t room = out->max - out->n, end = text.n < room ? text.n : room, i = 0;
    char *from = buf_reserve(out, end), *to = from;
    if (!from) return text.n;
    bool after_space = f->after_space;
    for (; i < end; i++) {
        uint8_t c = ascii[(unsigned char)text.p[i]];
        if (c == 0) break;
        if (c > ' ') {
            *to++ = (char)c;
            after_space = false;
        } else if (c == ' ' && !after_space) {
            *to++ = ' ';
            after_space = true;
        }
    }
    f->after_space = after_space;
    out->n += (size_t)(to - from);
    return i;
}

void fold_text(struct fold *f, struct str text, struct buf *out)
{
    char room[256];
    struct buf mine = BUF_OVER(room);
    while (text.n && out->n < out->max && !out->failed) {
        text = str_skip(text, fold_ascii(f, text, out));
        while (text.n && (unsigned char)text.p[0] >= 0x80 && !out->failed) {
            uint32_t cp;
            int n = utf8_next(text, &cp);
            if (n > 0) put(f, folded(f, cp, &mine), out);
            text = str_skip(text, n > 0 ? (size_t)n : 1);
        }
    }
}

void fold_line(struct fold *f, struct buf *out)
{
    f->after_space = false;
    buf_char(out, '\n');
}

void fold_strip(struct str text, struct buf *out)
{
    while (text.n) {
        size_t plain = 0;
        while (plain < text.n && (unsigned char)text.p[plain] < 0x80) plain++;
        buf_add(out, str_head(text, plain));
        text = str_skip(text, plain);
        if (text.n == 0) return;
        uint32_t cp;
        int n = utf8_next(text, &cp);
        size_t took = n > 0 ? (size_t)n : 1;
        if (n > 0 && uc_combining_class(cp) == UC_CCC_NR) buf_add(out, str_head(text, took));
        text = str_skip(text, took);
    }
}
