/* Submitting one letter, as a mail program does (RFC 6409, RFC 5321): connect, TLS, log in, hand over, to any
 * submission server. */
#ifndef MUA_SEND_H
#define MUA_SEND_H

#include "io/stream.h"
#include "io/tls.h"
#include "mail/address.h"
#include "mail/status.h"

enum mua_tls { MUA_TLS_IMPLICIT /* RFC 8314 §3.3 */, MUA_TLS_STARTTLS, MUA_TLS_NONE };

struct mua_server {
    const struct endpoint *endpoints; /* tried in order */
    size_t n_endpoints;
    struct str name; /* for SNI and the certificate; may be empty */
    enum mua_tls tls;
    struct tls_context *context; /* a client's; may be NULL with MUA_TLS_NONE */
    /* Judges the certificate by its hash (channel binding "tls-server-end-point", RFC 5929) instead of the context; may
     * be NULL. */
    bool (*accept)(void *arg, struct str end_point);
    void *arg;
    struct str user, password; /* user empty: no log-in */
    bool bare_passwords;       /* PLAIN and LOGIN even without TLS */
    struct str helo;           /* our name for EHLO: a domain or an address literal */
};

struct mua_letter {
    struct address from; /* reverse-path; empty: <> */
    const struct address *to; /* forward-paths */
    size_t n_to;
    struct str bytes; /* the letter, CRLF lines */
};

struct mua_report { /* what the server said; texts in the caller's arena */
    int code;             /* of its last reply, 0: none */
    struct status status;
    struct str words;     /* of its last reply, one line */
    const struct address *refused; /* the recipient it is about, or NULL */
    size_t recipients;    /* accepted */
};

/* All recipients or none: if one is refused nothing is sent. 0, or with a sentence that has the server's words:
 * ERR_DENIED (wrong password, not allowed), ERR_NOT_FOUND (no such recipient), ERR_UNAVAILABLE (refused for good),
 * ERR_BUSY (try again later), ERR_TLS, ERR_UNSUPPORTED (it cannot do what the letter needs), ERR_TOO_LONG, ERR_SYNTAX
 * (it does not speak SMTP), and what connecting and streams say. */
FIBER int mua_send(struct world *w, struct arena *a, const struct mua_server *server, const struct mua_letter *letter,
                   struct mua_report *report, struct error *e);

#endif
