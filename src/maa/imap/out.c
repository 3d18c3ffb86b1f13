/* Responses put together (out.h). */
#include "maa/imap/out.h"

#include <stdlib.h>

#include "mail/limits.h"

enum {
    COPIED = 512, /* bytes: what is shorter is not worth a piece of its own */
    SENT = 64,    /* pieces at once */
};

struct imap_out_piece {
    const char *p; /* NULL: the next n bytes of text */
    size_t n;
};

void imap_out_begin(struct imap_out *o, struct imap_session *s)
{
    *o = (struct imap_out){.s = s, .text = BUF(SIZE_MAX / 2)};
}

void imap_out_end(struct imap_out *o)
{
    buf_free(&o->text);
    free(o->v);
}

static void add_piece(struct imap_out *o, const char *p, size_t n)
{
    if (o->n == o->cap) {
        o->cap = o->cap ? o->cap * 2 : 64;
        o->v = realloc(o->v, o->cap * sizeof *o->v);
        if (!o->v) abort();
    }
    o->v[o->n++] = (struct imap_out_piece){p, n};
}

static void place_text(struct imap_out *o)
{
    if (o->text.n > o->placed) add_piece(o, NULL, o->text.n - o->placed);
    o->placed = o->text.n;
}

void imap_out_bytes(struct imap_out *o, struct str bytes)
{
    if (bytes.n < COPIED) {
        buf_add(&o->text, bytes);
        return;
    }
    place_text(o);
    add_piece(o, bytes.p, bytes.n);
}

static FIBER int send_pieces(struct imap_out *o)
{
    struct iovec v[SENT];
    int n = 0, e = 0;
    char *text = o->text.p;
    for (size_t i = 0; i < o->n && !e; i++) {
        const struct imap_out_piece *p = &o->v[i];
        v[n++] = (struct iovec){p->p ? (void *)(uintptr_t)p->p : text, p->n};
        if (!p->p) text += p->n;
        if (n < SENT && i + 1 < o->n) continue;
        stream_deadline(o->s->io, loop_now() + imap_patience(o->s));
        e = stream_writev(o->s->io, v, n);
        n = 0;
    }
    return e;
}

FIBER int imap_out_send(struct imap_out *o)
{
    int e = 0;
    o->sent++;
    if (o->n) {
        place_text(o);
        e = send_pieces(o);
    } else if (o->text.n) {
        e = imap_put(o->s, buf_str(&o->text));
    }
    buf_clear(&o->text);
    o->n = o->placed = 0;
    return e;
}

struct imap_out_mark imap_out_mark(const struct imap_out *o)
{
    return (struct imap_out_mark){o->text.n, o->n, o->placed, o->sent};
}

bool imap_out_back(struct imap_out *o, struct imap_out_mark m)
{
    if (o->sent != m.sent) return false;
    o->text.n = m.text;
    o->n = m.n;
    o->placed = m.placed;
    return true;
}
