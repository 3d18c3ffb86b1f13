/* Inside maa/imap/: a session as its commands see it.
 *
 * One command, one file. A handler takes the parsed command, writes its untagged responses (imap_put) and returns the
 * tagged one; the loop in session.c adds what happened in the mailbox meanwhile, at the moments the RFC allows, and
 * writes the tagged line. Pipelined commands run one after the other, in order.
 *
 * The client's picture of a mailbox is `selected->shown`, a snapshot (store/view.h); sequence numbers always mean that
 * one. It is changed by imap_sync() alone. */
#ifndef MAA_IMAP_SESSION_H
#define MAA_IMAP_SESSION_H

#include "base/log.h"
#include "maa/imap.h"
#include "proto/imap/command.h"
#include "proto/imap/write.h"
#include "store/entries.h"
#include "store/letters.h"
#include "store/mailboxes.h"
#include "store/view.h"

enum imap_state { IMAP_STRANGER = 1, IMAP_KNOWN = 2, IMAP_SELECTED = 4 }; /* RFC 9051 §3 */

enum imap_enabled { /* by ENABLE, or by a command that implies it */
    IMAP_CONDSTORE = 1,
    IMAP_QRESYNC = 2,   /* implies CONDSTORE */
    IMAP_UTF8 = 4,      /* names and strings may be UTF-8 (RFC 6855); IMAP4rev2 implies it for names */
    IMAP_REV2 = 8,
    IMAP_UIDONLY = 16,  /* RFC 9586 */
};

struct imap_context; /* a search kept up to date (RFC 5267); context.h */

struct imap_selected {
    int64_t mailbox, account; /* account: the owner's */
    struct str name;          /* by which the client knows it, UTF-8 */
    enum special_use use;
    right_set rights;
    bool read_only;           /* EXAMINE, or nothing may be changed */
    struct view *view;
    const struct snapshot *shown;
    const struct snapshot *other; /* while it changes: the next, or the one before */
    uid recent_from;          /* letters from here on are \Recent in this session; UINT32_MAX: none */
    bool recent_owed;         /* letters came that no later session is to see as \Recent */
    bool held;                /* letters are gone, and the client could not be told yet */
    uint64_t told_modseq;     /* up to here it has been told of everything (RFC 7162 §3.2) */
    struct uid_set saved;     /* "$" (RFC 5182); in `arena` */
    /* letters put there by the client, not told yet; with NOTIFY and contexts alone; in `arena` */
    struct uid_set own;
    struct imap_context *contexts; /* in the order of their making */
    struct arena *arena;      /* lives while it is selected */
};

struct imap_notifying; /* what NOTIFY asked for; notify.c */

struct imap_session {
    const struct imap_service *service;
    struct stream *io;
    struct arena *arena; /* the connection's, budget service->memory */
    struct arena *cmd;   /* of the command at hand */
    int64_t id;
    mono_us began;
    bool named, exempt;  /* as in pop3_session.h */
    enum imap_state state;
    struct sasl_identity who;
    unsigned enabled;    /* enum imap_enabled */
    struct imap_selected *selected; /* NULL: none */
    struct event news;   /* something happened that may have to be told: a newer snapshot, NOTIFY */
    struct imap_notifying *notify;
    struct str tag;      /* of the command at hand */
    struct str input;    /* the command at hand as it came */
    bool owes;           /* the command changed the selected mailbox: what came of it is told, whatever NOTIFY says */
    bool news_unwanted, flags_unwanted; /* NOTIFY did not ask for them (RFC 5465 §3.1, §5.1) */
    bool compressed;
    int errors, auth_failures;
    int64_t fetched, appended, expunged; /* for the log */
    const char *end;
};

/* The tagged response. code: what stands in brackets, without them ("TRYCREATE", "APPENDUID 1 2"); may be none. */
struct imap_done {
    enum imap_condition kind; /* IMAP_OK, IMAP_NO, IMAP_BAD */
    struct str code, text;
    bool said;  /* nothing more is written: the handler did it, or the client is gone */
    bool close;
};
static inline struct imap_done imap_ok(struct str code, struct str text)
{
    return (struct imap_done){.kind = IMAP_OK, .code = code, .text = text};
}
static inline struct imap_done imap_no(struct str code, struct str text)
{
    return (struct imap_done){.kind = IMAP_NO, .code = code, .text = text};
}
static inline struct imap_done imap_bad(struct str text) { return (struct imap_done){.kind = IMAP_BAD, .text = text}; }

/* A store's refusal in the words of RFC 5530: NONEXISTENT, NOPERM, ALREADYEXISTS, OVERQUOTA (ERR_CONFLICT of COPY and
 * APPEND says so itself), LIMIT, UNAVAILABLE, SERVERBUG, INUSE … Logs what a person should see. */
struct imap_done imap_refusal(struct imap_session *s, int error, const struct error *why);

typedef FIBER struct imap_done imap_handler(struct imap_session *s, const struct imap_command *c);

/* ---- reading (read.c) ---- */

struct imap_input {
    enum {
        IMAP_INPUT_COMMAND, /* a whole one, for imap_parse() */
        IMAP_INPUT_MESSAGE, /* up to a literal that is a message, for imap_on_append() */
        IMAP_INPUT_TOO_BIG, /* one whose literal was too large, up to that; the rest is skipped */
        IMAP_INPUT_LOST     /* too long to know where it ends */
    } kind;
    struct str text; /* in s->cmd */
};
FIBER int imap_read_command(struct imap_session *s, struct imap_input *in); /* 0 or the stream's sticky error */

FIBER int imap_go_ahead(struct imap_session *s);         /* "+ go ahead", for a literal that is waited for */
FIBER int imap_skip(struct imap_session *s, uint64_t n); /* throws input away: a literal nobody wants */
mono_us imap_patience(const struct imap_session *s);     /* how long a client may be silent now */

/* ---- saying (say.c) ---- */

/* Appends to the output, and gives the client its idle time anew. The stream's sticky error. Waits while the client
 * does not read: memory stays bounded when what is put is. */
FIBER int imap_put(struct imap_session *s, struct str bytes);
/* Is the account of who logged in there still, and not disabled? Else ERR_DENIED ends the session. */
bool imap_is_served(const struct imap_session *s);
/* Says BYE where the connection ends by our doing, and why: ERR_TIMEOUT, ERR_CANCELLED, ERR_BUDGET, ERR_DENIED. */
FIBER void imap_throw_out(struct imap_session *s, int e);
bool imap_utf8(const struct imap_session *s);      /* may names and quoted strings be raw UTF-8? */
/* From what the client writes: decoded, composed (NFC), "INBOX" canonical, not checked. ERR_SYNTAX: broken modified
 * UTF-7, control characters. */
int imap_name(struct imap_session *s, struct str written, struct str *utf8);

void imap_put_object_id(struct buf *b, char kind, int64_t id); /* RFC 8474 §4; kind: F mailbox, M email, T thread */
struct str imap_capability_code(struct imap_session *s);       /* "CAPABILITY IMAP4rev2 ..." */
/* Enables extensions: by ENABLE, or by a command that implies CONDSTORE (RFC 7162 §3.1), which is told then. */
FIBER int imap_enable(struct imap_session *s, unsigned bits);

/* ---- which mailbox (place.c) ---- */

struct imap_place { /* what a client's mailbox name leads to */
    int64_t account;  /* the owner */
    struct str path;  /* within his tree; empty: the root of a namespace */
    bool other;       /* in "Shared/", not one's own */
};
enum { IMAP_SHARED_NAMESPACE_N = 7 };
#define IMAP_SHARED "Shared/" /* "Shared/bob@example.org/Work": others' mailboxes (RFC 2342) */
/* From a name in UTF-8. ERR_NOT_FOUND: an account that is not there, or shows nothing to us. */
FIBER int imap_place(struct imap_session *s, struct str name, struct imap_place *out, struct error *e);
FIBER int imap_find(struct imap_session *s, struct str name, struct mailbox *out, struct error *e); /* the mailbox */
/* The name a client knows a mailbox by; in s->cmd. */
struct str imap_name_of(struct imap_session *s, int64_t account, struct str path);
/* Tells a client of IMAP4rev2 what the mailbox is called, if that is not what it wrote (RFC 9051 §6.3.9.7): "* LIST ()
 * "/" name ("OLDNAME" (written))". `attributes` are those of LIST, without parentheses. */
FIBER void imap_tell_canonical(struct imap_session *s, struct str attributes, struct str name, struct str written);

/* ---- the selected mailbox (select.c, sync.c) ---- */

/* Tells the client what changed since, and makes it what is shown. With `expunges` all; without only if nothing is gone
 * (RFC 9051 §7.5.1: not while a command by sequence numbers runs). Called by the loop after each command. `quiet`: UIDs
 * whose flag changes with MODSEQ <= quiet_modseq the client knows already (STORE .SILENT). */
FIBER int imap_sync(struct imap_session *s, bool expunges);
/* The same as far as NOTIFY asked for it: for the ends of commands, and IDLE (RFC 5465 §3.1, §4). */
FIBER int imap_sync_asked(struct imap_session *s, bool expunges);
FIBER int imap_sync_quiet(struct imap_session *s, bool expunges, const struct uid_set *quiet, uint64_t quiet_modseq);
/* Before a tagged response: a client of QRESYNC must not take a MODSEQ it heard for the highest while it has not been
 * told of letters that went before (RFC 7162 §3.2, §6). */
FIBER void imap_tell_held(struct imap_session *s);
/* Tells at once that letters are gone, and in the tagged response what the client knows from then on. */
FIBER struct imap_done imap_ok_gone(struct imap_session *s, struct str text);
void imap_put_flags_there_are(struct imap_session *s, struct buf *b); /* FLAGS and PERMANENTFLAGS, whole lines */
/* VANISHED, in lines of bearable length; b is for making them, and may be flushed (RFC 7162 §3.2.10). */
FIBER void imap_tell_vanished(struct imap_session *s, struct buf *b, bool earlier, const struct uid_set *gone);
FIBER void imap_unselect(struct imap_session *s); /* nothing selected is fine */
/* Rights to somebody else's mailbox may have changed since it was selected (RFC 4314 §4): what is done now is decided
 * by those of now. False: it is imap_unreadable() (session.c). */
FIBER bool imap_may_still_read(struct imap_session *s, enum imap_verb verb);
struct imap_done imap_unreadable(void);

/* A set of the command, as UIDs of letters shown: '*' and sequence numbers resolved, '$' looked up. UIDs that are not
 * there are left out; a sequence number past the end is ERR_SYNTAX (RFC 9051 §9, "seq-number": BAD). In s->cmd. */
int imap_resolve(struct imap_session *s, const struct imap_set *set, bool uids, struct uid_set *out);

/* "* 3 FETCH (UID 7 FLAGS (\Seen) MODSEQ (12))", or UIDFETCH with UIDONLY. With the UID always: unasked it must be
 * there (RFC 9051 §7.5.2, RFC 7162 §3.2.4). */
void imap_put_flags_fetch(struct imap_session *s, struct buf *b, uint32_t seq, const struct view_entry *e);
void imap_put_entry_flags(struct imap_session *s, struct buf *b, const struct view_entry *e); /* "(\Seen $Junk)" */

/* ---- what happens elsewhere (notify.c) ---- */

bool imap_notified(const struct imap_session *s);        /* does the client want news while it says nothing? */
FIBER void imap_tell_news(struct imap_session *s);       /* of other mailboxes, as NOTIFY asked; after each command */
FIBER void imap_tell_unasked(struct imap_session *s);    /* of all, while no command runs (RFC 5465 §3) */
/* FETCH responses of letters new to the client, from this UID on, as NOTIFY and contexts ask for them. */
FIBER void imap_notify_fetch(struct imap_session *s, uid first);
mono_us imap_unasked_due(const struct imap_session *s); /* when there will be something to tell without any news */
/* The client itself put them there: FETCH of letters that come is not for them (RFC 5465 §5.2, §7). */
void imap_own_letters(struct imap_session *s, int64_t mailbox, const struct uid_set *uids);
void imap_notify_end(struct imap_session *s);            /* nothing asked for is fine */

/* ---- letters that come as literals (append.c) ---- */

/* Called by the loop in place of gathering, when imap_takes_message() says so: reads message literals and the rest of
 * the command itself. `so_far` is what stands before the first literal. */
FIBER struct imap_done imap_on_append(struct imap_session *s, struct str so_far);

/* ---- handlers, by file ---- */

imap_handler imap_on_capability, imap_on_noop, imap_on_logout, imap_on_id, imap_on_enable;           /* session.c … */
imap_handler imap_on_starttls, imap_on_authenticate, imap_on_login, imap_on_unauthenticate;          /* login.c */
imap_handler imap_on_compress, imap_on_idle, imap_on_notify;
imap_handler imap_on_select, imap_on_close, imap_on_unselect, imap_on_check;                         /* select.c */
imap_handler imap_on_create, imap_on_delete, imap_on_rename, imap_on_subscribe, imap_on_list, imap_on_lsub,
    imap_on_namespace, imap_on_status;
imap_handler imap_on_getacl, imap_on_setacl, imap_on_deleteacl, imap_on_listrights, imap_on_myrights;
imap_handler imap_on_getquota, imap_on_getquotaroot, imap_on_setquota, imap_on_getmetadata, imap_on_setmetadata;
/* FETCH responses of letters shown, as NOTIFY's MessageNew and UPDATE ask for (RFC 5465 §5.2, §7); nothing becomes
 * \Seen, and what stands twice among the items is told once. 0, or the session is over (fetch.c). */
FIBER int imap_tell_letters(struct imap_session *s, const struct imap_fetch_items *items, const struct uid_set *uids);
imap_handler imap_on_fetch, imap_on_store, imap_on_copy, imap_on_move, imap_on_expunge;
imap_handler imap_on_search, imap_on_sort, imap_on_thread, imap_on_esearch, imap_on_cancelupdate;

/* "(MESSAGES 3 UIDNEXT 4)" of LIST-STATUS, STATUS and NOTIFY, for the items of a parsed list (status.c). */
FIBER void imap_put_status(struct imap_session *s, struct buf *b, struct str name, const struct mailbox *m,
                           unsigned items);

#endif
