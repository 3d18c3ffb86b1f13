/* An SMTP or LMTP client's session (RFC 5321, RFC 2033), straight-line: greeting, TLS, log-in, and one transaction
 * after the other, for the relay and for mail programs alike.
 *
 * The server may say anything at any time: every reply is bounded, every wait has its deadline of RFC 5321 §4.5.3.2.
 * Errors of the connection are sticky; a refusal is no error but an answer. What the client writes has no bare CR or
 * LF, and one letter in is one letter out for any bytes. */
#ifndef WIRE_SMTP_CLIENT_H
#define WIRE_SMTP_CLIENT_H

#include "io/stream.h"
#include "mail/envelope.h"
#include "mail/limits.h"
#include "proto/smtp/reply.h"

enum smtp_offers { /* what the server's last EHLO or LHLO offered, a set */
    SMTP_OFFERS_PIPELINING = 1, SMTP_OFFERS_SIZE = 2, SMTP_OFFERS_8BITMIME = 4, SMTP_OFFERS_SMTPUTF8 = 8,
    SMTP_OFFERS_DSN = 16, SMTP_OFFERS_STARTTLS = 32, SMTP_OFFERS_CHUNKING = 64, SMTP_OFFERS_AUTH = 128,
    SMTP_OFFERS_REQUIRETLS = 256, SMTP_OFFERS_STATUS = 512 /* ENHANCEDSTATUSCODES */,
};

struct smtp_client {
    struct world *world;
    struct arena *arena; /* of the connection */
    struct stream *io;
    bool lmtp, tls;
    bool ehlo_only;          /* no HELO for who does not take EHLO: submission servers all do */
    struct str helo;         /* our name: a domain or an address literal */
    struct smtp_reply reply; /* the last one read */
    unsigned offers;         /* enum smtp_offers */
    uint64_t size_max;       /* 0: none said */
    int rcpt_max;            /* of one transaction (RFC 9422); 0: none said */
    int mail_max;            /* transactions of one connection (RFC 9422); 0: none said */
    struct str mechanisms;   /* of AUTH; in arena */
    int transactions;        /* begun */
    bool began_next;         /* MAIL … DATA of the next transaction went out with the last dot */
    void *inside;            /* the session's own */
};

/* io: connected; not closed by the client's functions but by smtp_client_quit(). Set `tls` if it is under TLS already.
 * *c must live as long as `a`, best in it. */
void smtp_client_init(struct smtp_client *c, struct world *w, struct arena *a, struct stream *io, struct str helo,
                      bool lmtp);

/* All below: 0, or a stream's error (sticky), ERR_SYNTAX (it does not speak SMTP), ERR_TOO_LONG with words in *e. A
 * reply that refuses is in c->reply: look at its code; after an error there is none (code 0). */

/* Reads the banner; a code other than 220 is the answer. */
FIBER int smtp_client_banner(struct smtp_client *c, struct error *e);
/* EHLO, after 5yz HELO (not for LMTP: LHLO alone). reply.code 250: welcome. */
FIBER int smtp_client_hello(struct smtp_client *c, struct error *e);
/* STARTTLS, the handshake, EHLO again. reply.code 220 and 0: under TLS, c->offers is what is offered there. Another
 * code: refused, still in the clear. ERR_TLS, sticky: the handshake failed, the connection is of no more use.
 * ERR_UNAVAILABLE, sticky: under TLS it does not take EHLO any more. */
FIBER int smtp_client_starttls(struct smtp_client *c, struct tls_context *tls, struct str server_name, struct error *e);
/* Logs in (RFC 4954) by the best mechanism both know, bare passwords only under TLS or where `bare` allows them; then
 * EHLO again. 0; ERR_DENIED (refused for good) or ERR_BUSY (for now), the reply has the words; ERR_UNSUPPORTED: no way
 * that both know or that may be used; ERR_SYNTAX, ERR_TOO_LONG: user or password cannot be said, or the server does it
 * wrong. The session goes on unless the error is sticky. */
FIBER int smtp_client_auth(struct smtp_client *c, struct str user, struct str password, bool bare, struct error *e);

/* ---- transactions ---- */

/* Broken off at SMTP_STEP_DATA (before the end of the letter was written) nobody has got it; at SMTP_STEP_FINAL it is
 * not known. What is refused in the middle of the letter is refused at SMTP_STEP_FINAL. */
enum smtp_step { SMTP_STEP_MAIL, SMTP_STEP_RCPT, SMTP_STEP_DATA, SMTP_STEP_FINAL };

struct smtp_verdict { /* on one recipient */
    enum smtp_step step; /* at which it was spoken; without one, where the dialogue broke off */
    /* 2yz (only at SMTP_STEP_FINAL): delivered; 4yz, 5yz: refused; 421: with the connection; 0: none was spoken */
    int code;
    struct status status;
    struct str text;     /* in the transaction's arena */
    bool unsaid;         /* the verdict is the session's own: the address could not be said to this server */
};

struct smtp_outgoing { /* one transaction */
    struct arena *arena; /* for the texts */
    struct reverse_path from; /* address; ret, envid go out where the peer has DSN; auth never */
    const struct forward_path *to; /* address; notify, orcpt likewise */
    size_t n;
    int64_t size; /* bytes of the letter, told with SIZE */
    bool eightbit, utf8; /* of the letter and its addresses; the caller has seen to it that the peer can */
    bool all_or_none;    /* if one recipient is refused nothing is sent, and the others have no verdict */
    /* The letter from `offset` on, as much as is at hand (at least a byte), up to `size`; borrowed until the next call.
     * All of it at once is quickest. May be called from 0 again. 0 or an error, which breaks the connection off before
     * the letter is whole. */
    FIBER int (*read)(void *arg, int64_t offset, struct str *piece, struct error *e);
    void *arg;
    struct smtp_verdict *verdicts; /* n of them, filled */
    bool broken; /* out: the connection ended or was given up; verdicts with a code are good all the same */
};

/* Runs the transaction to its last reply (of LMTP: replies, one a recipient). With PIPELINING all of MAIL, RCPT, DATA
 * go out at once; with CHUNKING the letter goes as BDAT. next (may be NULL; not called without PIPELINING, nor beyond
 * mail_max) is called when the letter has gone out but for its end: if it returns a transaction, that one's MAIL, RCPT
 * and DATA travel in the same write as the final dot, c->began_next is set, and the next call of smtp_client_transact()
 * must be for it; if this call then fails, nobody has got the other's letter. No refusal leaves the session in doubt:
 * whatever happens, either the connection is ready for the next transaction, or `broken` is set and an error returned:
 * that of the stream (at SMTP_STEP_MAIL of a connection that had served before: it was closed meanwhile), ERR_EOF after
 * 421, ERR_SYNTAX for answers out of turn or of a wrong class, ERR_UNAVAILABLE when the letter was refused before its
 * end, or what o->read() says.
 * Recipients whose address cannot be said to this server have the verdict 553 (5.1.3, 5.6.7) without being tried; a
 * sender's that cannot is that of all (5.1.7, 5.6.7). */
FIBER int smtp_client_transact(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_outgoing *(*next)(void *arg),
                               void *next_arg, struct error *e);

/* One command line without its end, and its reply: RSET, NOOP, ETRN. */
FIBER int smtp_client_command(struct smtp_client *c, struct str line, int64_t timeout_us, struct error *e);

/* QUIT when the connection still works (a short wait for the answer), then closes the stream. */
FIBER void smtp_client_quit(struct smtp_client *c);

/* "450 4.2.1 text" of the last reply on one line, in `a`. */
struct str smtp_client_words(const struct smtp_client *c, struct arena *a);
struct str smtp_client_text(const struct smtp_client *c, struct arena *a); /* "text" alone */
/* The last reply as an error: ERR_BUSY for 4yz, else `code`; "WHAT; the server says: 550 5.7.1 …". */
int smtp_client_refused(const struct smtp_client *c, int code, const char *what, struct error *e);

#endif
