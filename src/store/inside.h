/* Inside store/: the store as its parts see it.
 *
 * One lane writes: it takes the jobs that wait, runs them as one group in one transaction, and wakes their fibers. What
 * only the lane touches is in `struct writer`; what fibers and other threads touch is behind `lock`, or atomic. */
#ifndef STORE_INSIDE_H
#define STORE_INSIDE_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"
#include "store/collect.h"
#include "store/db.h"
#include "store/directory_edit.h"
#include "store/ids.h"
#include "store/pack.h"
#include "store/record.h"
#include "store/rows.h"
#include "store/space.h"
#include "store/store.h"
#include "store/trace_index.h"
#include "store/vfs.h"

enum {
    GROUP_JOBS = 256,            /* of one group, */
    GROUP_BYTES = 8 << 20,       /* bytes of its bodies, */
    GROUP_US = 20000,            /* and of its statements (store.md, "Group commit without timers") */
    WAL_FRAME = 4096 + 24,
    WAL_WORTH = 8 << 20,         /* bytes of WAL before a passive checkpoint is worth its syncs */
    WAL_MOST = 64 << 20,         /* bytes of WAL that close the gate for readers */
    TRACES_WAITING = 10000,      /* rows of refusals in memory; then they are only counted */
    TRACES_DUE = 256,            /* so many are a group of their own */
    TRACES_LATE = 1000000,       /* microseconds a refusal waits for company */
    READ_US = 20000,             /* a read gives up its page after this long */
    REOPEN_US = 1000000,         /* between two tries to open the database again */
};

extern const char store_database[]; /* the file's name in the data folder */

/* ---- jobs ---- */

struct job_kind {
    const char *name;
    /* In the lane, inside the group's transaction; may run more than once (rollback, alone), so it has no effect but
     * rows, the writer's caches and *args' results. */
    int (*run)(struct store *s, void *args, struct error *e);
    /* The letters it will write: their bodies are placed in packs before it runs. NULL: none. */
    struct acceptance *(*letters)(void *args, size_t *n);
    /* In the lane, after the commit (sure), or when that may have happened: then bodies of its own must stay. */
    void (*committed)(struct store *s, void *args, bool sure);
    bool new_mail;  /* refused when the disk is low; the reserve is not for it */
    bool makes_ids; /* the last id given out must be remembered with it */
};

struct job { /* on the stack of the fiber that waits for it */
    struct list link;
    struct store *store;
    const struct job_kind *kind;
    void *args;
    int64_t bytes; /* of its letters' bodies */
    bool placed;   /* they are in packs already */
    bool done;     /* written and read on the fiber's loop */
    int result;
    struct error error;
    struct fiber *fiber;
    struct loop *loop;
    struct job *next_done; /* of the same loop and group */
    struct post turn, post; /* at the end of the loop's turn; when it is done */
};
/* Hands a job to the writer and sleeps until its group is committed or it has failed. */
FIBER int store_job(struct store *s, const struct job_kind *kind, void *args, int64_t bytes, struct error *e);
/* The same with many at once (kind, args and bytes are filled in), and for all of them: result and error are out. */
FIBER void store_jobs(struct store *s, struct job *v, size_t n);

/* ---- the writer's own ---- */

struct trace_state { /* of the last row */
    int64_t seq;
    struct sha256 chain;
};
struct trace_waiting { /* a refusal that will be a row */
    struct trace_waiting *next;
    int64_t session, message;
    size_t n;
    char payload[];
};
struct trace_queue {
    struct trace_waiting *first, **end;
    size_t n;
};

struct writer {
    struct db *db;
    struct rows rows;
    struct trace_state trace, trace_committed;
    char salts[4096];                    /* random bytes for the rows to come, */
    size_t salts_left;                   /* so many of them */
    struct trace_queue traces;           /* being written; given back to the next group when this one fails */
    int64_t dropped;                     /* refusals counted only, being written */
    struct pack_durable pack;            /* of the open pack, as committed */
    struct pack_durable pack_now;        /* as this group will commit it */
    struct directory *directory;         /* the next snapshot, if a job changed it; NULL */
    struct arena *arena;                 /* of the group */
    struct pack_record *records;         /* GROUP_JOBS of them: the collector's */
    struct job **jobs, **good;           /* of the group: all, and those to run */
    const struct fiber *by;              /* who waits for the job that runs */
    bool wrote_trace, made_ids;
    bool held_back;                      /* jobs whose bodies are placed wait for the next group */
    int groups_passed;                   /* since the collector had its turn */
    struct collect collect;
    struct trace_index index;
    /* a COMMIT's outcome is unknown: nothing is written until the database was opened anew */
    bool broken;
    mono_us retry_at;                    /* not before, when broken */
    int64_t wal_checkpointed; /* frames there were at the last checkpoint, */
    int64_t wal_gate;         /* and from where on they are counted that close the gate */
};

/* ---- readers ---- */

struct gate_wait {
    struct list link;
    struct fiber *fiber;
    struct loop *loop;
    struct post post;
    bool open; /* written and read on the fiber's loop */
};
struct readers {
    struct db *free[64];
    int n_free, keep;
    int reading;      /* fibers past the gate */
    bool closed;      /* the gate */
    struct list waiting; /* struct gate_wait */
    bool apart;              /* the one long read that passes by the gate (verify) has a connection, */
    struct db *to_interrupt; /* and a statement running on it; NULL */
};
/* One read transaction on a thread of the pool: fn must not touch an arena of the fiber. */
FIBER int store_read(struct store *s, int (*fn)(struct store *s, struct db *db, void *arg, struct error *e), void *arg,
                     struct error *e);
/* The same for one long read at a time (else ERR_BUSY), on a connection of its own and past the gate: the WAL may grow
 * meanwhile. ERR_CANCELLED: the database had to be opened anew. */
FIBER int store_read_apart(struct store *s, int (*fn)(struct store *s, struct db *db, void *arg, struct error *e),
                           void *arg, struct error *e);
void readers_close_gate(struct store *s);
bool readers_gone(struct store *s);      /* behind a closed gate: nobody reads any more, */
bool readers_end_apart(struct store *s); /* nor apart; what runs there is interrupted. The last one wakes the lane */
void readers_open_gate(struct store *s);
void readers_close_all(struct store *s);  /* their connections; behind a closed gate */

/* ---- the store ---- */

struct orphan { /* a streamed body that nobody accepted; its file is removed in the lane */
    struct orphan *next;
    struct pack_stream *stream;
};

struct search_index; /* search_index.h */

struct store {
    struct world *world;
    char *folder;
    struct store_vfs *vfs;
    struct packs *packs;
    struct space *space;
    struct ids ids;
    struct lane *lane;
    struct hash_key hash_key;
    int damaged_packs;
    utc_us interrupted_at;
    _Atomic int64_t searching;   /* bytes that searches work in, store_search_take() */
    _Atomic int64_t spool;       /* bytes of letters in memory */
    _Atomic bool writes_refused, closing;
    _Atomic int verifying; /* nothing is collected meanwhile */
    int64_t keep_expunged_us, keep_trace_us;
    bool count_expunged;

    struct lock *lock; /* of all that follows to `writer` */
    struct list jobs, collectors; /* struct job; those who wait for the next collection */
    struct trace_queue traces; /* refusals not yet taken by the writer */
    int64_t traces_dropped;
    bool traces_due, traces_timer;
    struct orphan *orphans;
    const struct directory *directory;
    struct map submissions; /* id -> struct submission */
    struct readers readers;
    struct {
        struct map map;      /* mailbox -> struct shared_view */
        struct list idle;    /* those nobody looks at, the oldest first */
        size_t idle_bytes;
        struct list closed;  /* views whose last post has not run */
        _Atomic int n;
        unsigned round;      /* the lane's: how often the database was opened anew */
    } views;
    struct {
        struct map map;     /* account -> struct watched */
        struct list closed; /* as above */
        _Atomic int n;
    } watched;
    struct map maildrops; /* accounts whose POP3 maildrop is locked */

    struct search_index *search;

    struct writer writer;
    struct {
        _Atomic int64_t groups, jobs, jobs_alone, commits, checkpoints, wal_bytes, messages, queue_rows, statements,
            row_writes, packs_removed, bytes_collected;
    } count;
};

struct submission { /* an account's running windows, as its row has them */
    int64_t account;
    struct submission_usage usage;
};

/* writer.c */
void writer_run(void *store); /* the lane's function */
bool disk_is_low(struct store *s); /* new mail is refused; any thread */
int writer_begin(struct store *s, struct error *e);
struct directory *writer_directory(struct store *s); /* the next snapshot, to change */

/* trace.c */
int trace_load(struct store *s, struct error *e);
int trace_insert(struct store *s, int64_t session, int64_t message, struct str payload, struct error *e);
int trace_flush(struct store *s, struct error *e); /* the refusals that wait, into the group's transaction */
void trace_committed(struct store *s);
bool trace_is_due(struct store *s);
void trace_queue_free(struct trace_queue *q);

/* accept.c */
/* The bodies of the group's letters into the packs; jobs that cannot have theirs get their result. */
void accept_place(struct store *s, struct job **jobs, size_t n);
int64_t accept_bytes(const struct acceptance *a); /* of its body that will be placed */
/* The rows of a letter, in the group's transaction: at acceptance, or with what it is about. */
int accept_write(struct store *s, struct acceptance *a, struct error *e);
void accept_committed(struct store *s, const struct acceptance *a, bool sure);
/* Parts of it: the row of its body; an email and an entry. */
int accept_body(struct store *s, const struct acceptance *a, struct error *e);
/* The thread (RFC 8474 §5.2) of a letter that comes to the account. */
int accept_thread(struct store *s, int64_t account, const uint64_t *refs, size_t n_refs, int64_t email, int64_t *thread,
                  struct error *e);
int accept_deliver(struct store *s, const struct acceptance *a, struct delivery *d, struct error *e);

/* queue_write.c */
/* The message's own row once its last recipient's has gone. */
int queue_forget(struct store *s, int64_t message, struct error *e);
/* Rows for what happened to a message that waits: one, or several where one would be too long. */
int queue_record(struct store *s, int64_t message, const struct trace_event *events, size_t n, struct error *e);

/* load.c */
int load_directory(struct store *s, struct error *e);
int load_submissions(struct store *s, struct error *e);
struct submission_usage submission_roll(struct submission_usage u, utc_us now); /* windows that ended begin anew */

/* routes.c */
int load_routes(struct db *db, struct directory *d, struct error *e);

/* aliases.c */
int aliases_forget(struct store *s, const struct directory_alias *a, const struct directory_account *account,
                   struct error *e);

/* accounts.c */
int key_check(struct address key, struct error *e); /* ERR_SYNTAX: empty, or longer than any of ours */

/* grants.c */
int grants_forget_domain(struct store *s, struct str domain, struct error *e); /* all that lie in it */

/* body.c */
struct str body_bytes(struct body *b);
struct pack_stream *body_stream(struct body *b); /* of a body too large for memory, finished; NULL */
void body_kept(struct body *b);                  /* its stream belongs to the store now */
int64_t body_id(const struct body *b);
struct pack_place *body_placed(struct body *b);

/* view.c */
void views_init(struct store *s);
void views_free(struct store *s);
void view_committed(struct store *s); /* new snapshots of what the group's commit changed, for those who look */
int view_recover(struct store *s, struct error *e); /* everything anew: nobody knows what the last commit did */

/* watch.c */
void watches_init(struct store *s);
void watches_free(struct store *s);
void watch_committed(struct store *s); /* what the group's commit changed, to those who watch the account */
void watch_recover(struct store *s);   /* nobody knows what the last commit did: anything may have happened */

/* search_index.c */
void search_index_tell(struct search_index *x); /* in the lane, after a commit */

/* store.c */
int store_connect(struct store *s, struct error *e); /* opens the writer's connection and reads what memory keeps */
void store_publish(struct store *s, const struct directory *d);

void store_fail_step(struct store *s, int64_t nth); /* for tests: the writer's n-th SQL step from now fails; 0 = none */

#endif
