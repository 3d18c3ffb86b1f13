/* An IMAP client's session (RFC 9051, RFC 3501), straight-line: greeting, STARTTLS, log-in, commands and their
 * responses, for who takes letters from another server or brings them there.
 *
 * The server may say anything at any time: every response is bounded, every wait has its deadline, and what was not
 * asked for is passed over, but not for ever. Errors of the connection are sticky; a refusal is no error but an answer.
 */
#ifndef WIRE_IMAP_CLIENT_H
#define WIRE_IMAP_CLIENT_H

#include "io/stream.h"
#include "mail/limits.h"
#include "proto/imap/response.h"

enum imap_offers { /* capabilities, a set; those that IMAP4rev2 contains are there with it (RFC 9051 §E) */
    IMAP_OFFERS_STARTTLS = 1 << 0, IMAP_OFFERS_LOGINDISABLED = 1 << 1, IMAP_OFFERS_SCRAM = 1 << 2,
    IMAP_OFFERS_PLAIN = 1 << 3, IMAP_OFFERS_SASL_IR = 1 << 4, IMAP_OFFERS_LITERAL_PLUS = 1 << 5,
    IMAP_OFFERS_LITERAL_MINUS = 1 << 6, IMAP_OFFERS_ENABLE = 1 << 7, IMAP_OFFERS_UTF8 = 1 << 8,
    IMAP_OFFERS_UIDPLUS = 1 << 9, IMAP_OFFERS_MULTIAPPEND = 1 << 10, IMAP_OFFERS_NAMESPACE = 1 << 11,
    IMAP_OFFERS_LIST_EXTENDED = 1 << 12, IMAP_OFFERS_SPECIAL_USE = 1 << 13, IMAP_OFFERS_CREATE_USE = 1 << 14,
    IMAP_OFFERS_OBJECTID = 1 << 15, IMAP_OFFERS_GMAIL = 1 << 16,
};

struct imap_client {
    struct world *world;
    struct arena *arena; /* of the connection */
    struct stream *io;
    bool tls;
    bool utf8;             /* UTF8=ACCEPT is enabled (RFC 6855) */
    unsigned offers;       /* enum imap_offers */
    uint64_t append_limit; /* RFC 7889; 0: none said */

    /* The last response read, until the next: */
    struct imap_response said;
    /* A FETCH's BODY[] that came as a literal; in `said` an empty string stands for it. */
    bool has_body;
    uint64_t body_size;    /* as announced; over body_max it was read and dropped, and body is empty */
    struct buf body;

    /* The caller's. */
    uint64_t body_max;     /* bytes of a body that are kept; 0 at first */
    /* Untagged responses of the commands that are waited for. False: it was not asked for. May be NULL. */
    FIBER bool (*heard)(void *arg, const struct imap_client *c);
    void *arg;
    void *inside;          /* the session's own */
};

/* io: connected; closed by imap_client_close(). Set `tls` if it is under TLS already. */
void imap_client_init(struct imap_client *c, struct world *w, struct arena *a, struct stream *io);

/* All below: 0, or a stream's error (sticky), ERR_SYNTAX (it does not speak IMAP), ERR_TOO_LONG, with words in *e. */

/* The greeting, and what the server offers. *preauth: the connection is logged in already. ERR_UNAVAILABLE: BYE. */
FIBER int imap_client_greeting(struct imap_client *c, bool *preauth, struct error *e);
/* ERR_TLS: not offered, refused, or the handshake failed: the connection is of no more use. What was offered before is
 * forgotten and asked for again (RFC 9051 §6.2.1). */
FIBER int imap_client_starttls(struct imap_client *c, struct tls_context *tls, struct str server_name, struct error *e);
/* Logs in by SCRAM-SHA-256, PLAIN, or LOGIN, whichever is offered first in this order; the last two only under TLS or
 * where `bare` allows them. ERR_DENIED: wrong name or password; ERR_BUSY: not now; ERR_UNSUPPORTED: no way that both
 * know or that may be used. Then asks what is offered to who is logged in, and enables UTF8=ACCEPT. */
FIBER int imap_client_login(struct imap_client *c, struct str user, struct str password, bool bare, struct error *e);
/* Is the connection of no more use? */
bool imap_client_broken(const struct imap_client *c);
/* LOGOUT when the connection still works, then closes the stream. */
FIBER void imap_client_close(struct imap_client *c);

/* ---- commands ---- */

/* Begins a command; its words go into the buffer that is returned, and by the functions below. Returned by
 * imap_client_end() is its tag's number. Several may be under way where the server must answer them in order (RFC 9051
 * §5.5: APPENDs, not FETCHes). */
struct buf *imap_client_begin(struct imap_client *c);
struct buf *imap_client_line(struct imap_client *c); /* the same buffer again */
/* A string: quoted, or as a literal if it must be. 0, an error, or 1: refused in the middle, which ends the command:
 * the tagged response is in c->said. */
FIBER int imap_client_string(struct imap_client *c, struct str s, struct error *e);
/* The head of a literal of so many bytes (`binary`: literal8), sent with what was gathered; the bytes are then written
 * by imap_client_bytes(). Returns as above: 1, the server does not want them. */
FIBER int imap_client_literal(struct imap_client *c, uint64_t size, bool binary, struct error *e);
FIBER int imap_client_bytes(struct imap_client *c, struct str bytes, struct error *e);
FIBER int imap_client_end(struct imap_client *c, unsigned *tag, struct error *e);

/* Reads to the tagged response of the command, which is then c->said: OK, NO or BAD is its condition. */
FIBER int imap_client_wait(struct imap_client *c, unsigned tag, struct error *e);
/* A whole command, waited for; anything but OK is `code`, with "WHAT; the server says: …". */
FIBER int imap_client_ask(struct imap_client *c, struct str command, int code, const char *what, struct error *e);
/* Of a command of imap_client_begin() that needs no more words. */
FIBER int imap_client_finish(struct imap_client *c, int code, const char *what, struct error *e);
/* The last response as an error; ERR_BUSY where its code says so. */
int imap_client_refused(const struct imap_client *c, int code, const char *what, struct error *e);

#endif
