/* Administration: typed requests on the store and the server, the same whether they come over the socket of a running
 * server or from a command that has opened the store of a stopped one.
 *
 * A request is one line of JSON, {"op": "account.add", …}; the answer is lines of JSON: any number of {"row": {…}} and
 * {"tell": "…", "finding": true}, then {"done": {…}} or {"error": {"code": -9, "text": "…"}} (code: enum err). A
 * request with "bytes": N is followed by that many bytes, which are letters; they are read whatever the answer. Over
 * the socket (DATA/admin.sock) the kernel says who asks: root and the server's own user may. */
#ifndef CMD_ADMIN_H
#define CMD_ADMIN_H

#include "cmd/config.h"
#include "cmd/request.h"
#include "io/stream.h"
#include "proto/json/write.h"
#include "store/store.h"

struct server;
struct mailbox;

struct admin { /* what requests work on */
    struct world *world;
    struct store *store;
    const struct config *config;
    struct server *server; /* NULL: it is stopped */
};

/* Where the lines of an answer go. */
struct answer {
    const struct asker *from; /* its send(): a line without its end; an error ends the request */
    struct arena *arena; /* of the request */
    struct str who; /* asks: for the record */
    int64_t bytes; /* that still follow the request */
    struct buf *line; /* being written */
    struct json json; /* into it */
    int failed; /* what send said */
    struct json done; /* members of the last line, for the operation to write */
};

/* Who asks, and how lines reach him. */
struct asker {
    struct str who; /* a user's name */
    FIBER int (*send)(void *arg, struct str line);
    /* The next bytes behind the request, at least one and at most `most`, borrowed until the next call. */
    FIBER int (*take)(void *arg, size_t most, struct str *bytes);
    void *arg;
};
/* Answers one request; scratch is the caller's to reset afterwards. */
FIBER void admin_answer(const struct admin *admin, struct arena *scratch, const struct asker *from, struct str request);

/* Serves a connection of the socket; arg: struct admin. */
FIBER void admin_serve(struct stream *s, void *arg);

/* The socket's path; ERR_CONFIG when the data folder's name is too long for one. */
int admin_socket_path(const struct config *c, char out[108], struct error *e);

/* ---- for the operations ---- */

/* A row: write members into the result, then send it. */
struct json *answer_row(struct answer *a);
FIBER int answer_send(struct answer *a); /* 0, or an error that ends the request */
FIBER int answer_tell(struct answer *a, struct str line, bool finding);
/* The next bytes behind the request, at least one and at most `most`; borrowed until the next call. ERR_SYNTAX: there
 * are no more; the stream's errors. */
FIBER int answer_bytes(struct answer *a, size_t most, struct str *bytes);

struct admin_op {
    const char *name;
    FIBER int (*run)(const struct admin *admin, const json_t *request, struct answer *a, struct error *e);
    const char *about; /* for operations that change something: the member that names what; they are put on record */
};
/* NULL name ends each */
extern const struct admin_op admin_domain_ops[], admin_account_ops[], admin_alias_ops[], admin_health_ops[],
    admin_trace_ops[], admin_queue_ops[], admin_hop_ops[], admin_route_ops[], admin_explain_ops[], admin_mailbox_ops[],
    admin_letter_ops[], admin_survey_ops[];

/* Who a user of this machine is: his name, else "user 1000"; in `a`. */
FIBER struct str admin_user_name(struct arena *a, int64_t user);

/* Members as values, in the request's arena. 0, or ERR_SYNTAX with a sentence. */
int admin_domain(struct answer *a, const json_t *request, const char *member, struct str *key, struct error *e);
int admin_address(struct answer *a, struct str text, struct address *shown, struct address *key, struct error *e);
/* "2026-11-22", "2026-11-22T10:30", "2026-11-22T10:30:00Z" (UTC), or so long ago: "30m", "2h", "7d", "2w". Empty: 0. */
int admin_time(struct str text, utc_us now, utc_us *out, struct error *e);
/* The account that "address" names: its id, or ERR_NOT_FOUND. */
int admin_account(const struct admin *admin, const json_t *request, struct answer *a, int64_t *id, struct error *e);
/* And its mailbox that "mailbox" names, as its owner sees it. */
FIBER int admin_mailbox_of(const struct admin *admin, const json_t *request, struct answer *a, int64_t *account,
                           struct mailbox *out, struct error *e);
/* A next hop's key as people type it: a domain in any case, a route's target, or what `penny queue hops` shows. */
int admin_hop(struct answer *a, struct str text, struct str *key, struct error *e);

#endif
