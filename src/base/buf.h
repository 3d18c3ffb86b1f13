/* Bytes that grow up to a maximum set when the buffer is made.
 *
 * Writing is sticky: the first write that would pass the maximum (or finds no memory) sets `failed` and
 * changes nothing more, so that a writer checks once, at the end. The memory is the heap's: buf_free(),
 * or buf_in() which ties it to an arena. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/arena.h"
#include "base/str.h"

struct buf {
    char *p;
    size_t n, cap, max;
    int failed; /* 0 or ERR_TOO_LONG */
};

#define BUF(maximum) ((struct buf){.max = (maximum)})

/* Over an array of the caller's, which it fills at most; never buf_free()d. */
#define BUF_OVER(array) ((struct buf){.p = (array), .cap = sizeof(array), .max = sizeof(array)})

struct buf *buf_in(struct arena *a, size_t max); /* freed with the arena; not charged to its budget (max is) */
void buf_free(struct buf *b);
void buf_clear(struct buf *b); /* empties it, forgets `failed`, keeps the memory */

void buf_add(struct buf *b, struct str s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_u64(struct buf *b, uint64_t v); /* decimal, without printf */
#define buf_lit(b, literal) buf_add((b), S(literal))

/* Room for n more bytes, contiguous, at b->p + b->n (add to b->n what was used); NULL and failed if that passes max. */
char *buf_reserve(struct buf *b, size_t n);
void buf_drop(struct buf *b, size_t n); /* removes the first n bytes */

static inline struct str buf_str(const struct buf *b) { return (struct str){b->p ? b->p : "", b->n}; }

/* Wipes its memory before clearing. A buffer for secrets gets its whole size by one buf_reserve() first: growing
 * leaves a copy behind. */
void buf_wipe(struct buf *b);

#endif
