/* Growing bytes, doubling up to a maximum. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void free_buf(void *b) { buf_free(b); }

struct buf *buf_in(struct arena *a, size_t max)
{
    struct buf *b = arena_new_of(a, struct buf);
    b->max = max;
    arena_defer(a, free_buf, b);
    return b;
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = 0;
}

void buf_wipe(struct buf *b)
{
    if (b->p) explicit_bzero(b->p, b->cap);
    buf_clear(b);
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed) return NULL;
    if (n > b->max - b->n) goto fail;
    if (b->cap - b->n < n || !b->p) {
        size_t cap = b->cap ? b->cap * 2 : 256;
        if (cap < b->n + n) cap = b->n + n;
        if (cap > b->max) cap = b->max;
        char *p = realloc(b->p, cap);
        if (!p) goto fail;
        b->p = p;
        b->cap = cap;
    }
    return b->p + b->n;
fail:
    b->failed = ERR_TOO_LONG;
    return NULL;
}

void buf_add(struct buf *b, struct str s)
{
    if (s.n == 0) return;
    char *at = buf_reserve(b, s.n);
    if (!at) return;
    memcpy(at, s.p, s.n);
    b->n += s.n;
}

void buf_char(struct buf *b, char c)
{
    char *at = buf_reserve(b, 1);
    if (!at) return;
    *at = c;
    b->n++;
}

void buf_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t i = sizeof digits;
    do digits[--i] = (char)('0' + v % 10);
    while (v /= 10);
    buf_add(b, str_of(digits + i, sizeof digits - i));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    char little[256], *text = little;
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(little, sizeof little, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof little) {
        text = malloc((size_t)n + 1);
        if (text) vsnprintf(text, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    if (n < 0 || !text) b->failed = ERR_TOO_LONG;
    else buf_add(b, str_of(text, (size_t)n));
    if (text != little) free(text);
}

void buf_drop(struct buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}
