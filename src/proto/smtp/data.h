/* The letter between DATA and CRLF.CRLF (RFC 5321 §4.5.2), in bytes as they arrive, and back again for those who send.
 *
 * Only CRLF "." CRLF ends it. CR and LF that do not stand together are noted and either passed or made CRLF; a dot
 * after them is a dot. So whatever a peer sends, one message comes out ("SMTP smuggling" is what happens elsewhere). */
#ifndef PROTO_SMTP_DATA_H
#define PROTO_SMTP_DATA_H

#include "base/buf.h"

struct smtp_data {
    /* behind: text, CR, CRLF, ".", ".CR" */
    enum { DATA_LINE, DATA_LINE_CR, DATA_BEGIN, DATA_DOT, DATA_DOT_CR, DATA_ENDED } state;
    /* DATA: leading dots are undone and the lone one ends. False for BDAT (RFC 3030), which counts bytes */
    bool dots;
    bool normalise;     /* a bare CR or LF becomes CRLF; else it is passed on as it came */
    bool bare_newlines; /* one was seen */
};

static inline struct smtp_data smtp_data_new(bool dots, bool normalise)
{
    return (struct smtp_data){.state = DATA_BEGIN, .dots = dots, .normalise = normalise};
}
static inline bool smtp_data_ended(const struct smtp_data *d) { return d->state == DATA_ENDED; }

/* Takes bytes off the front of `in` and returns how many; *piece is what they mean: borrowed from `in` or constant,
 * maybe empty. It may take none to give a CR it had held back. Call until all is taken or smtp_data_ended(). */
size_t smtp_data_take(struct smtp_data *d, struct str in, struct str *piece);

/* BDAT: after the last chunk. What is still to come of the letter: a held-back CR, the CRLF its last line lacks. */
struct str smtp_data_finish(struct smtp_data *d);

/* ---- sending ---- */

/* Puts a letter's bytes into out with dots stuffed and bare CR and LF made CRLF, at any cuts; end closes it with
 * CRLF.CRLF. For BDAT (RFC 3030), which counts bytes, dots stay and the end is only the CRLF that the last line lacks.
 * Start with zeroes, but for `counted`. */
struct smtp_stuffer {
    enum { STUFF_BEGIN, STUFF_LINE, STUFF_CR } state; /* at the start of a line, inside, behind a CR */
    bool counted; /* BDAT */
};
void smtp_stuff(struct smtp_stuffer *w, struct str bytes, struct buf *out);
void smtp_stuff_end(struct smtp_stuffer *w, struct buf *out);

/* Would smtp_stuff() put these very bytes? Then they count as put, and can be sent without a copy; else nothing has
 * changed. */
bool smtp_stuff_needless(struct smtp_stuffer *w, struct str bytes);

#endif
