/* The store: everything Penny Post must not forget. One contract, engines behind it.
 *
 * Requests are typed and plain; a request handed over cannot be recalled (its memory outlives the fiber's deadline) and
 * its answer counts only after the commit. Reads copy pages into the caller's arena. Ids are 64-bit and time-ordered,
 * times are microseconds UTC. Every function marked FIBER suspends; every int is 0 or a negative enum err, with words
 * in *e: ERR_NO_SPACE (disk full: 452 4.3.1), ERR_UNAVAILABLE (writes refused until recovered: 451 4.3.0),
 * ERR_NOT_FOUND, ERR_EXISTS, ERR_DENIED, ERR_CORRUPT, ERR_CONFLICT, ERR_UNKNOWN (the commit's outcome is not known:
 * 451 4.3.0). */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/digest.h"
#include "io/fiber.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "mail/flags.h"
#include "mail/ip.h"
#include "mail/mailbox_name.h"
#include "mail/reply.h"
#include "mail/uid.h"
#include "store/directory.h"

struct store;

/* ---- opening ---- */

struct store_options {
    const char *folder;      /* the data folder; created (0700) when absent */
    int readers;             /* read connections, 0 = 2 */
    int64_t low_water_bytes; /* below this much free disk new mail is refused; 0 = WAL cap + LIMIT_MESSAGE + 64 MiB */
    int64_t keep_expunged_us; /* how long letters expunged and accounts removed stay before they are collected */
    bool count_expunged;      /* in quotas, until they are collected; removed accounts have none */
    int64_t keep_trace_us;    /* how long rows of the record stay; 0 = SPAN_TRACE_KEPT */
    bool must_exist;         /* ERR_NOT_FOUND instead of making a new store */
};

/* Blocking; before the loops run, or from a fiber through offload(). Takes the folder's lock (ERR_BUSY: another process
 * has it), opens or makes the database, migrates an older format, refuses a newer one (ERR_TOO_NEW), recovers packs and
 * the WAL. */
int store_open(struct world *w, const struct store_options *o, struct store **out, struct error *e);
void store_close(struct store *s); /* after all fibers that use it ended: last checkpoint, clean mark */

int64_t store_new_id(struct store *s); /* of messages, sessions, everything; any thread, never twice */

/* ---- the directory (see directory.h for what RCPT and log-in need, without waiting) ---- */

/* The current snapshot, referenced; give back with directory_unref(). Any thread. */
const struct directory *store_directory(struct store *s);
bool store_account_is_active(struct store *s, int64_t account); /* it is there, and not disabled; from memory */
const struct directory *store_directory_in(struct arena *a, struct store *s); /* given back with the arena */

FIBER int store_domain_add(struct store *s, struct str domain_key, struct str alias_of_key /* or none */,
                           struct error *e);
/* ERR_CONFLICT while addresses remain */
FIBER int store_domain_remove(struct store *s, struct str domain_key, struct error *e);
FIBER int store_domain_catch_all(struct store *s, struct str domain_key, struct address target /* empty: none */,
                                 struct error *e);

struct new_account {
    struct address shown, key; /* as typed; as keyed */
    struct str name;           /* a person's name, may be empty */
    struct credential_data {   /* made by trust/login from a password; none: cannot log in yet */
        struct str password_hash; /* crypt(3) string */
        struct str scram;         /* packed scram_keys */
    } credential;
    int64_t quota_bytes; /* 0 = none */
    int64_t quota_count; /* letters; 0 = none */
};
/* The account with INBOX, Drafts, Sent, Junk, Trash, Archive (RFC 6154). ERR_NOT_FOUND: domain is not hosted;
 * ERR_EXISTS. */
FIBER int store_account_add(struct store *s, const struct new_account *n, int64_t *id, struct error *e);
FIBER int store_account_password(struct store *s, int64_t account, const struct credential_data *c, struct error *e);
/* NULL: as it is */
FIBER int store_account_change(struct store *s, int64_t account, const bool *disabled, const int64_t *quota_bytes,
                               const int64_t *quota_count, const struct str *name, struct error *e);
/* ERR_CONFLICT: last target of postmaster */
FIBER int store_account_remove(struct store *s, int64_t account, struct error *e);

/* Adds targets to (or makes) an alias. Loops and depth over LIMIT_ALIAS_DEPTH: ERR_CONFLICT; same name as an account is
 * fine when it names itself as a target too. Targets may be foreign addresses. may_send: may an account it delivers to
 * send as it? */
FIBER int store_alias_add(struct store *s, struct address shown, struct address key, const struct address *targets,
                          size_t n, bool may_send, struct error *e);
FIBER int store_alias_remove(struct store *s, struct address key, const struct address *targets, size_t n /* 0: all */,
                             struct error *e);

/* Lets the account send as an address it gets no mail for; nobody need have that address. Ends with the account and
 * with the domain. ERR_NOT_FOUND: no such account, or the domain is not hosted, or is an alias of another; ERR_EXISTS;
 * ERR_CONFLICT: LIMIT_GRANTS. */
FIBER int store_grant_add(struct store *s, int64_t account, struct address key, struct error *e);
FIBER int store_grant_remove(struct store *s, int64_t account, struct address key, struct error *e);

/* A route, added or replaced: everything but key and side may change. */
FIBER int store_route_put(struct store *s, const struct directory_route *r, struct error *e);
FIBER int store_route_remove(struct store *s, bool by_sender, struct str key, struct error *e); /* ERR_NOT_FOUND */
/* What the owner says of a next hop; neither suspended nor limited: as any other, its row goes. */
FIBER int store_destination_put(struct store *s, const struct directory_destination *d, struct error *e);

/* Sets a server-wide text setting ("server_secret" …) if it is absent; *value in `a` is what holds afterwards. */
FIBER int store_setting(struct store *s, struct arena *a, struct str name, struct str if_absent, struct str *value,
                        struct error *e);

/* ---- letters on their way in ---- */

/* The bytes of a letter while they arrive: in memory to LIMIT_BODY_MEMORY, then streamed to a pack of its own. */
struct body;
struct body *body_begin(struct store *s, struct arena *a);         /* dropped with the arena unless accepted */
/* sticky; ERR_NO_SPACE, ERR_UNAVAILABLE (spool memory) */
FIBER int body_write(struct body *b, struct str bytes, struct error *e);
FIBER int body_finish(struct body *b, struct error *e);            /* no more bytes; a streamed one is synced now */
int64_t body_size(const struct body *b);
struct sha256 body_sha256(const struct body *b); /* of all bytes; after body_finish */
struct str body_memory(const struct body *b); /* all bytes if it is in memory, else none */

struct body_facts { /* computed once from the letter (proto/mime/derive), opaque to the store but for what it indexes */
    struct sha256 sha256;   /* of the body's bytes */
    int version;            /* of the derivation */
    struct str envelope, structure; /* serialised; version says how */
    struct str preview;
    utc_us sent_at;         /* Date field, else 0 */
    bool has_attachment;
    struct str message_id;  /* without <>; may be empty */
    struct str subject;     /* decoded, for the trace; cut at 255 bytes */
    const uint64_t *thread_refs; /* hashes of Message-ID, In-Reply-To, References; the own id first */
    size_t n_thread_refs;
};
uint64_t store_thread_ref(struct str message_id); /* its hash */

struct delivery { /* one letter into one mailbox */
    int64_t account;
    int64_t mailbox; /* 0: the account's INBOX */
    flag_set flags;
    struct str prefix; /* Return-Path, Delivered-To, X-Original-To */
    uint32_t recipient; /* index into acceptance.recipients, for the trace */
    /* filled by the store: */
    int64_t email;
    uid uid;
};

struct queued { /* one recipient that will wait */
    uint32_t recipient;   /* index into acceptance.recipients */
    struct address final; /* where it goes */
    unsigned notify;      /* enum dsn_notify; an alias with several targets takes SUCCESS away (RFC 3461 §5.2.7) */
    bool forwarded;       /* an alias leads away: its sender is rewritten, and its failure is the alias's */
    struct str next_hop;  /* key the scheduler groups by */
    utc_us not_before;    /* 0: at once, which is received_at */
    utc_us expires;
    int priority; /* higher first, 0 as a rule */
    bool leased;  /* relayed straight from memory: its row is due SPAN_QUEUE_LEASE later, for the crash */
};

struct trace_recipient {
    struct forward_path path; /* as RCPT said */
    struct address final;     /* after aliases, if one; else empty */
};

struct trace_event;
struct acceptance { /* everything one 250 promises; one commit */
    int64_t id;        /* message id (store_new_id) */
    int64_t session;
    int64_t submitter; /* account, 0 = none */
    bool authenticated; /* its sender is known: signed in, trusted, or ourselves; failures are told to him */
    utc_us received_at;
    struct reverse_path from;
    bool needs_8bit, needs_utf8;
    struct body *body;  /* finished */
    struct str prefix;  /* per message: Received, Authentication-Results … */
    const struct body_facts *facts;
    const struct trace_recipient *recipients;
    size_t n_recipients;
    struct delivery *deliveries;
    size_t n_deliveries;
    const struct queued *queue;
    size_t n_queue;
    const struct trace_event *events; /* received, accepted, delivered … in order */
    size_t n_events;
    uint32_t submitted_recipients; /* counted against the submitter's hour and day */
    int64_t per_hour, per_day;     /* how many those may be, 0 any: else ERR_DENIED, whose text is for the submitter */
};
FIBER int store_accept(struct store *s, struct acceptance *a, struct error *e);
/* Several letters that belong together, the first of them new mail: one commit for all. */
FIBER int store_accept_all(struct store *s, struct acceptance *v, size_t n, struct error *e);

/* ---- letters on their way out ---- */

struct queue_item { /* a recipient that waits: a row */
    int64_t message;
    int32_t number;     /* of the row among the message's */
    uint32_t recipient; /* index of the RCPT it came from */
    struct address final, original;
    struct address sender; /* the letter's, as MAIL said it */
    struct str orcpt;
    unsigned notify;
    bool forwarded, held, warned; /* warned: a delay warning was sent */
    struct str next_hop;
    utc_us not_before, due, expires;
    int attempts;
    struct str last_reply; /* "host said: 450 4.2.1 text"; empty before the first attempt */
    int priority;
};

struct queue_letter { /* what its recipients share */
    int64_t id, submitter;
    bool authenticated, needs_8bit, needs_utf8, require_tls;
    utc_us received_at;
    struct reverse_path from; /* address, envid, ret */
    struct str message_id, subject; /* for people; may be empty */
    struct letter *letter; /* prefix and body, for store_letter_read(); its email is 0 */
};

struct queue_place { /* a position in the order a read goes by */
    utc_us due;
    int64_t message;
    int32_t number;
};

struct queue_filter { /* which rows; empty members match all */
    int64_t message;
    struct address recipient; /* final or original, a key */
    struct str domain;        /* of the final address */
    bool below;               /* domain: and those below it */
    struct str next_hop;
    struct address sender;    /* the letter's; a key */
    bool held_only;
};

/* Rows with place > after and due <= until, not held, in order of (due, message, number), at most max and 20 ms of
 * work; *more: there are others. With next_hop ("" is one: of rows to be routed anew): only those of it. STR_NONE: all,
 * and *next is when the first row with due > until is due, INT64_MAX none.
 *
 * (message, number) tells whether the caller has a row at hand already: it is given all the same. A row accepted as
 * leased is due SPAN_QUEUE_LEASE after its not_before. A page shows things as they were when the read began: what was
 * settled meanwhile may be in it. */
FIBER int store_queue_due(struct store *s, struct arena *a, struct str next_hop, struct queue_place after, utc_us until,
                          size_t max, struct queue_item **out, size_t *n, bool *more, utc_us *next, struct error *e);
/* Rows by filter, held ones too, in order of (message, number) > after, at most max; after 20 ms of work the page ends
 * with what it has, if that is anything. */
FIBER int store_queue_list(struct store *s, struct arena *a, const struct queue_filter *f, struct queue_place after,
                           size_t max, struct queue_item **out, size_t *n, bool *more, struct error *e);
/* ERR_NOT_FOUND: nothing of it waits any more. ERR_CORRUPT when its rows cannot be read. */
FIBER int store_queue_letter(struct store *s, struct arena *a, int64_t message, struct queue_letter *out,
                             struct error *e);

enum settle { /* what became of a row */
    SETTLE_GONE,     /* delivered, bounced, expired, removed: the row goes, with the last the letter's */
    SETTLE_DEFERRED, /* tried in vain: due, last_reply, one attempt more */
    SETTLE_POSTPONED,/* not tried: due alone */
    SETTLE_HELD,     /* held, with last_reply saying why */
    SETTLE_MOVED     /* another next hop; due as it was */
};
struct settled {
    int32_t number;
    enum settle what;
    utc_us due;
    struct str last_reply, next_hop;
    bool warned; /* a delay warning goes out with this settlement */
};
struct settlement { /* of one message, one commit with one row of the record */
    int64_t message;
    const struct settled *recipients;
    size_t n;
    const struct trace_event *events; /* recipient: index of the RCPT; none: no row */
    size_t n_events;
    struct acceptance *letters; /* written about it, in the same commit: reports, warnings */
    size_t n_letters;
    bool again; /* it may have been settled before, in a commit that nobody knows of: then nothing is told twice */
    int result; /* out; rows that are not there any more are passed over */
    struct error error;
};
/* Settles all of them, each its own job of the writer, and waits for all. Goes on when the disk is low. The letters are
 * written if any of the recipients' rows was still there (or none was named); the row of the record always is, unless
 * `again`. */
FIBER void store_settle(struct store *s, struct settlement *v, size_t n);

enum queue_change { QUEUE_HOLD, QUEUE_RELEASE, QUEUE_RETRY /* due now */, QUEUE_REMOVE, QUEUE_REROUTE };
/* Changes all rows that match, in pieces, each with a row of the record per message; `who` for it. Nothing is told to
 * senders. RELEASE: due now, and expiry counts from now. REROUTE: due now, next hop empty: to be decided anew. */
FIBER int store_queue_change(struct store *s, const struct queue_filter *f, enum queue_change what, struct str who,
                             int64_t *changed, struct error *e);

/* How many recipients the account has submitted in the running hour and day, and when each window ends. Any thread, no
 * wait. */
struct submission_usage {
    int64_t hour, day;
    utc_us hour_ends, day_ends;
};
struct submission_usage store_submission_usage(struct store *s, int64_t account, utc_us now);

/* For a letter that may be streamed: its envelope, which is kept beside it in its pack so that a mailbox can be rebuilt
 * from packs alone. Before the body_write() that passes LIMIT_BODY_MEMORY; letters in memory get it from the
 * acceptance. */
void body_envelope(struct body *b, const struct reverse_path *from, const struct trace_recipient *r, size_t n,
                   utc_us received_at);

/* ---- mailboxes ---- */

struct mailbox_info {
    int64_t id, account, parent;
    struct str name; /* one level */
    enum special_use use;
    uint32_t uid_validity;
    uid uid_next;
    uint64_t highest_modseq;
    int64_t messages, unseen, bytes;
};
FIBER int store_mailboxes(struct store *s, struct arena *a, int64_t account, struct mailbox_info **out, size_t *n,
                          struct error *e);
FIBER int store_mailbox_by_use(struct store *s, struct arena *a, int64_t account, enum special_use use,
                               struct mailbox_info *out, struct error *e);

struct entry { /* a letter in a mailbox */
    uid uid;
    flag_set flags;
    uint64_t modseq;
    int64_t email;
    int64_t size; /* octets as fetched, prefixes included; 0 unless asked for */
};
/* Entries with uid > after in ascending order, at most max (and at most 20 ms of work); *n < max with *more false: the
 * end. with_sizes joins the letters' sizes. */
FIBER int store_entries(struct store *s, struct arena *a, int64_t mailbox, uid after, size_t max, bool with_sizes,
                        struct entry **out, size_t *n, bool *more, struct error *e);

struct letter { /* a stored letter, for reading: prefix, then body */
    int64_t email, body;
    struct str prefix; /* in the caller's arena */
    int64_t size;      /* prefix.n + body bytes */
    utc_us received_at, saved_at;
    struct str envelope, structure, preview; /* derived; version as in body_facts */
    int version;
    struct body_place { /* opaque */
        int64_t pack, offset, length, stored;
        int codec;
        uint32_t header_crc;
    } place;
};
FIBER int store_letter(struct store *s, struct arena *a, int64_t account, int64_t email, struct letter *out,
                       struct error *e);
/* Bytes [offset, offset+n) of it (fewer at the end) into `a`. ERR_CORRUPT: the record is damaged (checked when read
 * whole, else lengths and id). */
FIBER int store_letter_read(struct store *s, struct arena *a, struct letter *l, int64_t offset, size_t n,
                            struct str *out, struct error *e);

/* The POP3 maildrop lock (RFC 1939 §4): one session per account in this process. ERR_BUSY if taken. Any thread. */
int store_maildrop_lock(struct store *s, int64_t account);
void store_maildrop_unlock(struct store *s, int64_t account);

/* ---- the record ---- */

enum trace_kind {
    TRACE_RECEIVED = 1,
    TRACE_ACCEPTED,
    TRACE_ROUTED,
    TRACE_ATTEMPT,
    TRACE_DEFERRED,
    TRACE_DELIVERED,
    TRACE_BOUNCED,
    TRACE_EXPIRED,
    TRACE_HELD,
    TRACE_REFUSED,
    TRACE_REFUSED_MANY /* a count of refusals not written one by one */,
    TRACE_LOST /* accepted, but the client was gone */,
    TRACE_LOGIN,
    TRACE_LOGIN_FAILED,
    TRACE_ADMIN,
    TRACE_REPORTED /* somebody is told what became of it (number: the report's message id), or nobody (0) */
};
struct trace_event {
    utc_us at;
    enum trace_kind kind;
    int32_t recipient;    /* index, -1 = the message or session as a whole */
    struct ip peer;
    struct str host;      /* HELO name or remote host */
    struct str tls;       /* "TLSv1.3" or none */
    struct str address;   /* the address it is about, as text */
    int code;             /* reply code, 0 none */
    struct status status;
    struct str text;      /* the words said, or the mailbox filed into; cut at 512 bytes */
    int64_t number;       /* size, count, uid: by kind */
};
/* Rows for what never became a message: refusals, log-ins. Queued, written with a later group; never waits, drops with
 * a count when 10,000 wait. `message`: the id told to the client, 0 none. */
void store_trace(struct store *s, int64_t session, int64_t message, const struct trace_event *events, size_t n);

struct trace_row {
    int64_t seq, session, message;
    utc_us at;
    struct str sender, subject, message_id;
    const struct trace_event *events;
    size_t n_events;
    struct trace_recipient *recipients;
    size_t n_recipients;
};
/* Rows in order of seq, after `after`, at most max; message != 0: only that message's. */
FIBER int store_trace_read(struct store *s, struct arena *a, int64_t after, int64_t message, size_t max,
                           struct trace_row **out, size_t *n, struct error *e);

/* Looking up messages. Empty members match all; what is given must all match. */
struct trace_query {
    struct str address;    /* sender or recipient: "bob@example.org"; a domain alone: "example.org" */
    struct str message_id; /* with or without <> */
    struct str subject;    /* words of it, in any case */
    utc_us since, until;   /* of its arrival; 0 any */
};
struct trace_hit { /* the row that tells of a message's arrival, or of its refusal */
    int64_t seq, message;
};
/* The newest that match, newest first, at most max, before seq `before` (0: from the newest). By an index that is kept
 * behind the commits; what it has not seen yet is looked at itself. */
FIBER int store_trace_find(struct store *s, struct arena *a, const struct trace_query *q, int64_t before, size_t max,
                           struct trace_hit **out, size_t *n, struct error *e);

/* ---- health ---- */

struct store_stats {
    int64_t groups, jobs, jobs_alone, pack_syncs, commits, checkpoints, statements, row_writes, wal_bytes, messages,
        queue_rows, accounts, domains, free_bytes, packs_removed, bytes_collected, /* since it was opened */
        damaged_packs; /* files missing, or shorter than a commit remembers, when the store was opened */
    bool writes_refused, disk_low;
    utc_us interrupted_at; /* opened then after a process that died: what had been under way is not known. 0: never */
};
struct store_stats store_stats(struct store *s);

/* Removes now what nobody needs any more: letters expunged and accounts removed long enough ago, bodies no row names,
 * the room they took. The store does so by itself when it is worth it. ERR_NO_SPACE: something was left for later. */
FIBER int store_collect(struct store *s, struct error *e);

/* Checks everything: pages (integrity_check), foreign keys, counters against entries, every body record (id, length,
 * CRC, sha256), the trace chain. Calls tell() for each finding and for progress; *bad counts findings. Works while
 * serving. */
FIBER int store_verify(struct store *s, bool bodies, void (*tell)(void *arg, const char *line, bool finding), void *arg,
                       int64_t *bad, struct error *e);

#endif
