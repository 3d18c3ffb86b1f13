/* An SMTP or LMTP server's session (RFC 5321, RFC 2033), without opinions: it speaks, an agent behind a table decides.
 *
 * The agent returns replies; the session writes them. One transaction at a time: MAIL, RCPT…, DATA or BDAT… */
#ifndef WIRE_SMTP_SERVER_H
#define WIRE_SMTP_SERVER_H

#include "io/stream.h"
#include "mail/envelope.h"
#include "mail/ip.h"
#include "mail/limits.h"
#include "mail/reply.h"
#include "proto/smtp/data.h"
#include "wire/sasl.h"

struct smtp_session;
struct smtp_tx;

enum smtp_refused { /* what was refused, for the record */
    REFUSED_CONNECT, REFUSED_HELO, REFUSED_MAIL, REFUSED_RCPT, REFUSED_DATA, REFUSED_AUTH, REFUSED_VRFY, REFUSED_COMMAND
};

/* What an agent decides. NULL functions accept. All but the last two may suspend. */
struct smtp_policy {
    /* The banner ("220 host ESMTP Penny Post") or a refusal (421/554, closes). */
    FIBER struct reply (*connect)(struct smtp_session *s);
    FIBER struct reply (*helo)(struct smtp_session *s, struct str domain);
    /* tx->from is filled. 250 with text, or a refusal. */
    FIBER struct reply (*mail)(struct smtp_session *s, struct smtp_tx *tx);
    /* One recipient; on an accepting reply it joins tx->rcpt with *mark as its mark. */
    FIBER struct reply (*rcpt)(struct smtp_session *s, struct smtp_tx *tx, const struct forward_path *to, void **mark);
    /* Before 354, or before the first BDAT's bytes are judged: any refusal (of BDAT the bytes are still read and
     * dropped). */
    FIBER struct reply (*data)(struct smtp_session *s, struct smtp_tx *tx);
    /* Bytes of the letter as they come, dots unstuffed, in CRLF lines; borrowed. After an error reply was noted by the
     * agent it still gets all bytes and drops them. */
    FIBER void (*bytes)(struct smtp_session *s, struct smtp_tx *tx, struct str bytes);
    /* The letter is whole: results[i] belongs to tx->rcpt[i]. Only after this returns is anything said to the client.
     */
    FIBER void (*end)(struct smtp_session *s, struct smtp_tx *tx, struct reply *results);
    FIBER struct reply (*vrfy)(struct smtp_session *s, struct str what);
    /* EXPN: writes "250-..." lines' texts into out (one address a line, LF) and returns 250, or a refusal. NULL: 502
     * and not announced. */
    FIBER struct reply (*expn)(struct smtp_session *s, struct str what, struct buf *out);
    /* ETRN (RFC 1985): start what waits for this node, a domain ("@example.org": and those below it). NULL: 502 and not
     * announced. */
    FIBER struct reply (*etrn)(struct smtp_session *s, struct str node);
    /* The transaction is over: accepted, RSET, EHLO, STARTTLS or hang-up. Frees what the agent holds for it. */
    void (*done)(struct smtp_session *s, struct smtp_tx *tx);
    /* A refusal was sent (never called for refusals inside end()); tx may be NULL. For trace and limits. */
    void (*refused)(struct smtp_session *s, struct smtp_tx *tx, enum smtp_refused what, struct str argument,
                    const struct reply *r);
    /* The connection is over; called once for each session, last. */
    void (*closed)(struct smtp_session *s);
};

enum smtp_service_kind { SMTP_RELAY /* 25 */, SMTP_SUBMISSION /* 587, 465 */, SMTP_LMTP };

/* What stands behind a listener; shared by its sessions, constant while they run except through the functions. */
struct smtp_service {
    enum smtp_service_kind kind;
    const struct smtp_policy *policy;
    const struct sasl_accounts *accounts; /* NULL: no AUTH */
    void *agent;                          /* the agent's own */
    struct str hostname;
    struct tls_context *(*tls)(void *agent); /* referenced; NULL function or result: no STARTTLS */
    bool (*trusted)(void *agent, struct ip peer);         /* may relay and submit without a password */
    bool (*plaintext_auth)(void *agent, struct ip peer);  /* may AUTH without TLS */
    /* PROXY protocol header required from this peer; NULL: never */
    bool (*proxy_allowed)(void *agent, struct ip peer);
    int64_t size_max;      /* bytes, announced with SIZE */
    int recipients_max;    /* announced with LIMITS RCPTMAX */
    int64_t hold_max;      /* seconds a letter may be held for, announced to those logged in (RFC 4865); 0: never */
    int64_t (*new_id)(void *agent); /* ids for sessions and messages */
    /* TLS from the first byte (465), behind the PROXY header; else the listener has seen to it */
    bool tls_first;
};

struct smtp_recipient {
    struct forward_path path;
    void *mark; /* the agent's */
};

struct smtp_tx {
    struct arena *arena; /* lives until done() */
    int64_t id;          /* the message id: in the 250 text and every refusal after MAIL */
    struct reverse_path from;
    struct smtp_recipient *rcpt;
    size_t rcpt_n, rcpt_cap;
    size_t rcpt_refused;
    bool bdat;          /* came with BDAT: no dots to stuff */
    bool bare_newlines; /* a bare CR or LF was seen. s->trusted or logged in: they were made CRLF; else bytes() is not
                           called for the rest, nor end(): the session answers 550 5.5.2 itself */
    bool too_large;     /* passed size_max: likewise, 552 5.3.4 */
    int64_t bytes;      /* of the letter so far */
    void *mark;         /* the agent's */
};

struct smtp_session {
    const struct smtp_service *service;
    struct stream *io;
    struct arena *arena; /* the connection's, budget LIMIT_CONNECTION_MEMORY */
    struct arena *cmd;   /* of the command at hand */
    int64_t id;
    struct endpoint peer, local;
    struct str helo; /* as said; empty before */
    bool esmtp;      /* EHLO or LHLO */
    bool trusted;
    struct sasl_identity who; /* account 0: not logged in */
    bool known;               /* who.login is known otherwise than by a log-in, which is as good as one */
    bool smtputf8_reply;      /* the transaction at hand declared SMTPUTF8 */
    struct smtp_tx *tx;
    int errors, auth_failures, unknown_recipients, refusals_traced, messages, starts /* ETRN */;
    utc_us began;
    void *mark; /* the agent's */

    /* The session's own, of no meaning to agents. */
    mono_us ends;            /* TIMEOUT_SMTP_SESSION from its beginning */
    struct arena *tx_arena;  /* one for all transactions, reset between them */
    struct smtp_data letter; /* where in it we are */
    int64_t chunks;          /* BDATs of this transaction */
    bool tx_over;            /* it is dropped once its refusal is noted */
    char helo_bytes[LIMIT_DOMAIN];
};

/* Serves one connection to its end and closes the stream, which is a listener's. */
FIBER void smtp_serve(struct stream *io, const struct smtp_service *service);

/* "ESMTPSA", "UTF8SMTPS", "LMTP" … of the transaction at hand (RFC 3848, RFC 6531 §4.3). */
struct str smtp_with(const struct smtp_session *s);

#endif
