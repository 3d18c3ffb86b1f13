/* Inside wire/: the parts of an IMAP client's session. */
#ifndef WIRE_IMAP_CLIENT_CORE_H
#define WIRE_IMAP_CLIENT_CORE_H

#include "wire/imap_client.h"

struct imap_client_inside {
    struct arena *arena;  /* of the last response */
    struct buf whole;     /* its bytes */
    struct buf line;      /* of the command that is being written */
    struct error why;     /* the sticky error, code 0: none */
    char bye[160];        /* what the server said when it went */
    unsigned tag;         /* of the last command begun */
    int64_t unasked;      /* responses since the last that was asked for */
};

/* Makes the error sticky. e: may be NULL. */
int imap_client_fail(struct imap_client *c, int code, struct error *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int imap_client_sticky(const struct imap_client *c, struct error *e); /* the sticky error again, or 0 */

/* Reads a response into c->said. */
FIBER int imap_client_next(struct imap_client *c, struct error *e);
/* Reads to the command's tagged response (1) or a continuation (0); or an error. */
FIBER int imap_client_until(struct imap_client *c, unsigned tag, struct error *e);
/* The capabilities in the last response, as a response or as a code; false: there are none. */
bool imap_client_capabilities(struct imap_client *c);
FIBER int imap_client_ask_offers(struct imap_client *c, struct error *e);

#endif
