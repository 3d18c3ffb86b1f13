/* xtext (RFC 3461 §4): xchar stands for itself, "+" and two capital hexadecimal digits for any byte. */
#include "proto/smtp/xtext.h"

static const char digits[] = "0123456789ABCDEF";

static bool is_xchar(char c) { return c >= '!' && c <= '~' && c != '+' && c != '='; }

static int digit(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

int xtext_decode(struct arena *a, struct str text, struct str *out)
{
    char *decoded = str_find_char(text, '+') < text.n ? arena_alloc(a, text.n) : NULL;
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '+') { /* hexchar = "+" 2(%x30-39 / %x41-46) */
            int high = i + 1 < text.n ? digit(text.p[i + 1]) : -1;
            int low = i + 2 < text.n ? digit(text.p[i + 2]) : -1;
            if (high < 0 || low < 0) return ERR_SYNTAX;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (!is_xchar(c)) {
            return ERR_SYNTAX;
        }
        if (decoded) decoded[n] = c;
        n++;
    }
    *out = decoded ? str_of(decoded, n) : text;
    return 0;
}

void xtext_put(struct buf *b, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (is_xchar(text.p[i])) {
            buf_char(b, text.p[i]);
        } else {
            buf_char(b, '+');
            buf_char(b, digits[c >> 4]);
            buf_char(b, digits[c & 15]);
        }
    }
}
