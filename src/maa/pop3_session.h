/* Inside maa/: a POP3 session as its parts see it. A handler takes a command and returns the reply; the loop writes it.
 */
#ifndef MAA_POP3_SESSION_H
#define MAA_POP3_SESSION_H

#include "base/log.h"
#include "maa/maildrop.h"
#include "maa/pop3.h"
#include "proto/pop3/command.h"
#include "store/letters.h"

enum pop3_state { POP3_AUTHORIZATION = 1, POP3_TRANSACTION = 2 }; /* RFC 1939 §3; UPDATE is what QUIT does */

struct pop3_ahead { /* letters that have been read before they are asked for; pop3_ahead.c's */
    struct arena *arena; /* NULL: none */
    struct letter_read *v;
    size_t n, at; /* those before `at` have been passed */
    unsigned want; /* enum letters_want of them */
    uint32_t next, run; /* number of the letter behind them; how many were wanted at once */
};

struct pop3_session {
    const struct pop3_service *service;
    struct stream *io;
    struct arena *arena; /* the connection's, budget LIMIT_CONNECTION_MEMORY */
    struct arena *cmd;   /* of the command at hand */
    struct arena *name;  /* what USER said: */
    struct str user;     /* none before USER and after a failed PASS */
    int64_t id;
    mono_us began;
    bool named;   /* the peer is who it seems to be: no PROXY header, or one that told an address */
    bool exempt;  /* loopback or trusted: limits do not apply */
    enum pop3_state state;
    struct sasl_identity who;
    bool locked; /* the maildrop is ours */
    struct maildrop drop;
    struct pop3_ahead ahead;
    int errors, auth_failures;
    int64_t retrieved, tops, deleted; /* letters sent whole, in part; removed by UPDATE */
    const char *end;                  /* how it ended, for the log */
};

struct pop3_reply {
    enum { POP3_OK, POP3_ERR, POP3_SAID /* the handler has written it */ } kind;
    const char *code; /* of POP3_ERR: RFC 2449 §8, RFC 3206; or NULL */
    struct str text;
    bool close;
};

static inline struct pop3_reply pop3_yes(struct str text) { return (struct pop3_reply){.kind = POP3_OK, .text = text}; }
static inline struct pop3_reply pop3_no(const char *code, struct str text)
{
    return (struct pop3_reply){.kind = POP3_ERR, .code = code, .text = text};
}
#define POP3_NOTHING_MORE ((struct pop3_reply){.kind = POP3_SAID})
#define POP3_HANG_UP ((struct pop3_reply){.kind = POP3_SAID, .close = true})

/* A command that should not have been given like this, or now: counted, and over LIMIT_POP3_ERRORS the end. */
struct pop3_reply pop3_complain(struct pop3_session *p, struct str text);

typedef FIBER struct pop3_reply pop3_handler(struct pop3_session *p, const struct pop3_command *c);

pop3_handler pop3_on_capa, pop3_on_stls, pop3_on_user, pop3_on_pass, pop3_on_auth, pop3_on_utf8;     /* pop3_login.c */
/* pop3_maildrop.c */
pop3_handler pop3_on_stat, pop3_on_list, pop3_on_uidl, pop3_on_dele, pop3_on_rset, pop3_on_noop;
pop3_handler pop3_on_retr, pop3_on_top;                                                              /* pop3_letter.c */

/* Writes, and gives the client its idle time anew (long answers take long). The stream's sticky error. */
FIBER int pop3_put(struct pop3_session *p, struct str bytes);
FIBER int pop3_putv(struct pop3_session *p, const struct iovec *v, int n);

/* The letter with this number, which is there and not marked, with its body's first bytes (LETTERS_HEADER), or all of
 * them when they are not too many (LETTERS_BYTES); valid until the next call. 0 or what store_letters() says of it. */
FIBER int pop3_letter_at(struct pop3_session *p, uint32_t number, unsigned want, struct letter_read **out,
                         struct error *e);
void pop3_forget_ahead(struct pop3_session *p);

/* The letter with the number the command names; NULL and *refusal if there is none or it is marked as deleted. */
const struct maildrop_letter *pop3_find(struct pop3_session *p, const struct pop3_command *c,
                                        struct pop3_reply *refusal);

/* "2 letters (320 octets)" */
struct str pop3_summary(struct pop3_session *p);

#endif
