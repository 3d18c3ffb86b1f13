/* Responses being put together: text, and between it bytes of letters, which are written from where they lie. Inside
 * maa/imap/. */
#ifndef MAA_IMAP_OUT_H
#define MAA_IMAP_OUT_H

#include "maa/imap/session.h"

enum { IMAP_OUT_MUCH = 256 << 10 }; /* bytes of text that should be sent */

struct imap_out {
    struct imap_session *s;
    struct buf text;
    struct imap_out_piece *v; /* in order; what of the text is in none comes last */
    size_t n, cap;
    size_t placed;            /* bytes of text that are in pieces */
    uint64_t sent;            /* times */
};
struct imap_out_mark {
    size_t text, n, placed;
    uint64_t sent;
};

void imap_out_begin(struct imap_out *o, struct imap_session *s);
void imap_out_end(struct imap_out *o); /* forgets what has not been sent */

/* `bytes` stay where they are until they are sent. Few are copied. */
void imap_out_bytes(struct imap_out *o, struct str bytes);
FIBER int imap_out_send(struct imap_out *o); /* the stream's sticky error */

/* Taking back what was put since; false: some of it has been sent. */
struct imap_out_mark imap_out_mark(const struct imap_out *o);
bool imap_out_back(struct imap_out *o, struct imap_out_mark m);

#endif
