/* One IMAP command as a value (RFC 9051, RFC 3501 and their extensions, each named where its arguments stand).
 *
 * The grammar is strict, with the liberties real clients need. Whether a command is allowed now, what a mailbox's name
 * means, what "*" is and whether numbers exist, is the session's. Mailbox names are the bytes of the command: see
 * imap_mailbox_decode(). How commands are cut out of the stream, framing.h says. */
#ifndef PROTO_IMAP_COMMAND_H
#define PROTO_IMAP_COMMAND_H

#include "base/time.h"
#include "mail/flags.h"
#include "mail/mailbox_name.h"
#include "proto/imap/framing.h"
#include "proto/imap/set.h"

enum imap_verb {
    IMAP_UNKNOWN,
    IMAP_APPEND,
    IMAP_AUTHENTICATE,
    IMAP_CANCELUPDATE,
    IMAP_CAPABILITY,
    IMAP_CHECK,
    IMAP_CLOSE,
    IMAP_COMPRESS,
    IMAP_COPY,
    IMAP_CREATE,
    IMAP_DELETE,
    IMAP_DELETEACL,
    IMAP_ENABLE,
    IMAP_ESEARCH,
    IMAP_EXAMINE,
    IMAP_EXPUNGE,
    IMAP_FETCH,
    IMAP_GETACL,
    IMAP_GETMETADATA,
    IMAP_GETQUOTA,
    IMAP_GETQUOTAROOT,
    IMAP_ID,
    IMAP_IDLE,
    IMAP_LIST,
    IMAP_LISTRIGHTS,
    IMAP_LOGIN,
    IMAP_LOGOUT,
    IMAP_LSUB,
    IMAP_MOVE,
    IMAP_MYRIGHTS,
    IMAP_NAMESPACE,
    IMAP_NOOP,
    IMAP_NOTIFY,
    IMAP_RENAME,
    IMAP_REPLACE,
    IMAP_SEARCH,
    IMAP_SELECT,
    IMAP_SETACL,
    IMAP_SETMETADATA,
    IMAP_SETQUOTA,
    IMAP_SORT,
    IMAP_STARTTLS,
    IMAP_STATUS,
    IMAP_STORE,
    IMAP_SUBSCRIBE,
    IMAP_THREAD,
    IMAP_UNAUTHENTICATE,
    IMAP_UNSELECT,
    IMAP_UNSUBSCRIBE,
    IMAP_VERBS
};

struct imap_strings {
    struct str *v;
    size_t n;
    size_t cap;
};

/* flag-list (RFC 9051 §9). \Recent is left out, for it cannot be set. */
struct imap_flags {
    flag_set known;               /* system flags and the keywords that have fixed bits (mail/flags.h) */
    struct imap_strings keywords; /* the others, as written, each once in the same letters */
    bool too_many; /* keywords: more than LIMIT_IMAP_KEYWORDS, those beyond are left out */
};

/* RFC 9394 §3.1, RFC 5267 §4.4: results first to last, from 1, counted from the newest when from_end */
struct imap_partial {
    bool given, from_end, backwards; /* backwards: written "last:first" */
    uint32_t first, last;            /* first <= last */
};

/* SELECT and EXAMINE (RFC 9051 §6.3.2, RFC 7162 §3.1.8 and §3.2.5) */
struct imap_select {
    struct str mailbox;
    bool condstore;
    bool qresync;               /* then the following: */
    uint32_t uidvalidity;
    uint64_t modseq;
    bool has_known;
    struct imap_set known_uids; /* without "*" */
    bool has_match;             /* the message numbers match_numbers had the UIDs match_uids, in order, as many */
    struct imap_set match_numbers, match_uids;
};

/* STATUS items (RFC 9051 §6.3.11, RFC 7162, RFC 7889, RFC 8438, RFC 8474, RFC 9208) */
enum imap_status_item {
    IMAP_STATUS_MESSAGES = 1 << 0,
    IMAP_STATUS_RECENT = 1 << 1, /* RFC 3501 */
    IMAP_STATUS_UIDNEXT = 1 << 2,
    IMAP_STATUS_UIDVALIDITY = 1 << 3,
    IMAP_STATUS_UNSEEN = 1 << 4,
    IMAP_STATUS_DELETED = 1 << 5,
    IMAP_STATUS_SIZE = 1 << 6,
    IMAP_STATUS_HIGHESTMODSEQ = 1 << 7,
    IMAP_STATUS_APPENDLIMIT = 1 << 8,
    IMAP_STATUS_MAILBOXID = 1 << 9,
    IMAP_STATUS_DELETED_STORAGE = 1 << 10
};

/* GETMETADATA's and LIST's options (RFC 5464 §4.2, RFC 9590) */
struct imap_metadata_options {
    bool has_maxsize;
    uint32_t maxsize;
    enum { IMAP_DEPTH_0, IMAP_DEPTH_1, IMAP_DEPTH_INFINITY } depth;
};

/* LIST (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 8440, RFC 9590) and LSUB (reference and one pattern) */
enum imap_list_select {
    IMAP_SELECT_SUBSCRIBED = 1 << 0,
    IMAP_SELECT_REMOTE = 1 << 1,
    IMAP_SELECT_RECURSIVEMATCH = 1 << 2, /* never without SUBSCRIBED or SPECIAL-USE beside it */
    IMAP_SELECT_SPECIAL_USE = 1 << 3
};
enum imap_list_return {
    IMAP_RETURN_SUBSCRIBED = 1 << 0,
    IMAP_RETURN_CHILDREN = 1 << 1,
    IMAP_RETURN_SPECIAL_USE = 1 << 2,
    IMAP_RETURN_STATUS = 1 << 3,
    IMAP_RETURN_MYRIGHTS = 1 << 4,
    IMAP_RETURN_METADATA = 1 << 5
};
struct imap_list {
    bool extended;                 /* anything RFC 3501's LIST has not */
    struct str reference;          /* a name, see imap_mailbox_decode() */
    struct imap_strings patterns;  /* likewise; at least one; an empty one asks for the separator if not extended */
    unsigned select;               /* imap_list_select */
    unsigned returns;              /* imap_list_return */
    unsigned status;               /* with IMAP_RETURN_STATUS: imap_status_item */
    struct imap_strings metadata;  /* with IMAP_RETURN_METADATA: entries */
    struct imap_metadata_options metadata_options;
};

/* A message of APPEND or REPLACE, up to its literal */
struct imap_append_message {
    struct imap_flags flags;
    bool has_date;
    utc_us date;
    int offset;                  /* the date's, minutes east of UTC */
    bool utf8;                   /* in UTF8 (...), RFC 6855 §4: ")" follows the literal, which is a binary one */
    struct imap_literal literal;
};

struct imap_append {
    uint32_t replaces; /* REPLACE (RFC 8508): number or UID (see uid) of the message; 0: it is an APPEND */
    bool replaces_last; /* REPLACE of "*" */
    struct str mailbox;
    struct imap_append_message message; /* the first one */
};

/* Sections of FETCH (RFC 9051 §6.4.5) */
struct imap_section {
    const uint32_t *path; /* part numbers, outermost first; none: the message */
    size_t depth;         /* at most LIMIT_IMAP_SECTION */
    enum imap_section_text {
        IMAP_SECTION_ALL,
        IMAP_SECTION_HEADER,
        IMAP_SECTION_FIELDS,     /* HEADER.FIELDS (...) */
        IMAP_SECTION_FIELDS_NOT,
        IMAP_SECTION_TEXT,
        IMAP_SECTION_MIME        /* with a path only */
    } text;
    struct imap_strings fields;
};

enum imap_attribute {
    IMAP_ATT_ENVELOPE,
    IMAP_ATT_FLAGS,
    IMAP_ATT_INTERNALDATE,
    IMAP_ATT_RFC822,
    IMAP_ATT_RFC822_HEADER,
    IMAP_ATT_RFC822_SIZE,
    IMAP_ATT_RFC822_TEXT,
    IMAP_ATT_BODY,           /* the structure, without extension data */
    IMAP_ATT_BODYSTRUCTURE,
    IMAP_ATT_UID,
    IMAP_ATT_SECTION,        /* BODY[...] and BODY.PEEK[...] */
    IMAP_ATT_BINARY,         /* RFC 3516, RFC 9051; section.text is IMAP_SECTION_ALL */
    IMAP_ATT_BINARY_SIZE,
    IMAP_ATT_MODSEQ,         /* RFC 7162 */
    IMAP_ATT_EMAILID,        /* RFC 8474 */
    IMAP_ATT_THREADID,
    IMAP_ATT_PREVIEW,        /* RFC 8970 */
    IMAP_ATT_SAVEDATE        /* RFC 8514 */
};

struct imap_fetch_item {
    enum imap_attribute attribute;
    bool peek;               /* \Seen is not set by it; of all others it is true too, except RFC822 and RFC822.TEXT */
    bool lazy;               /* PREVIEW (LAZY) */
    bool partial;            /* <offset.length> */
    uint64_t offset, length; /* bytes; length > 0 */
    struct imap_section section;
};

struct imap_fetch_items { /* macros are written out */
    struct imap_fetch_item *v;
    size_t n;
    size_t cap;
};

/* FETCH (RFC 9051 §6.4.5, RFC 7162 §3.1.4 and §3.2.6, RFC 9394 §3.2) */
struct imap_fetch {
    struct imap_set set;
    struct imap_fetch_items items;
    bool has_changedsince;
    uint64_t changedsince;
    bool vanished; /* only in UID FETCH and with CHANGEDSINCE */
    struct imap_partial partial;
};

/* STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3) */
struct imap_store {
    struct imap_set set;
    enum { IMAP_STORE_SET, IMAP_STORE_ADD, IMAP_STORE_REMOVE } how;
    bool silent;
    struct imap_flags flags;
    bool has_unchangedsince;
    uint64_t unchangedsince;
};

/* Search keys (RFC 9051 §6.4.4 and others): a tree. What has children holds them in a list of one or more. */
enum imap_key_kind {
    IMAP_KEY_ALL,
    IMAP_KEY_AND,         /* children */
    IMAP_KEY_OR,          /* children, two or more: nested ORs are one */
    IMAP_KEY_NOT,         /* one child, which is no NOT */
    IMAP_KEY_FUZZY,       /* one child (RFC 6203) */
    IMAP_KEY_NUMBERS,     /* set: message numbers, or "$" */
    IMAP_KEY_UID,         /* set: UIDs */
    IMAP_KEY_FLAG,        /* flag: one bit; UNSEEN and the like stand in a NOT */
    IMAP_KEY_KEYWORD,     /* text: one without a fixed bit */
    IMAP_KEY_RECENT,      /* RFC 3501; NEW is RECENT and UNSEEN, OLD is NOT RECENT */
    IMAP_KEY_BCC,         /* text, as all of the following unless they say something else */
    IMAP_KEY_BODY,
    IMAP_KEY_CC,
    IMAP_KEY_FROM,
    IMAP_KEY_HEADER,      /* field, text (which may be empty) */
    IMAP_KEY_SUBJECT,
    IMAP_KEY_TEXT,
    IMAP_KEY_TO,
    IMAP_KEY_BEFORE,      /* day */
    IMAP_KEY_ON,
    IMAP_KEY_SINCE,
    IMAP_KEY_SENTBEFORE,
    IMAP_KEY_SENTON,
    IMAP_KEY_SENTSINCE,
    IMAP_KEY_SAVEDBEFORE, /* RFC 8514 */
    IMAP_KEY_SAVEDON,
    IMAP_KEY_SAVEDSINCE,
    IMAP_KEY_SAVEDATESUPPORTED,
    IMAP_KEY_LARGER,      /* number: bytes */
    IMAP_KEY_SMALLER,
    IMAP_KEY_OLDER,       /* number: seconds (RFC 5032) */
    IMAP_KEY_YOUNGER,
    IMAP_KEY_MODSEQ,      /* number; an entry's name is read and forgotten (RFC 7162 §3.1.5) */
    IMAP_KEY_EMAILID,     /* RFC 8474 */
    IMAP_KEY_THREADID
};

struct imap_key {
    enum imap_key_kind kind;
    struct imap_key *next;     /* the next child of the same parent */
    struct imap_key *children; /* the first */
    struct str text;           /* in the command's charset */
    struct str field;
    struct imap_set set;
    flag_set flag;
    utc_us day;                /* midnight of the day as if it were in UTC */
    uint64_t number;
};

enum imap_search_return { /* RFC 9051 §6.4.4, RFC 5267, RFC 6203, RFC 9394 */
    IMAP_SEARCH_MIN = 1 << 0,
    IMAP_SEARCH_MAX = 1 << 1,
    IMAP_SEARCH_ALL = 1 << 2, /* also set when the list of options is empty */
    IMAP_SEARCH_COUNT = 1 << 3,
    IMAP_SEARCH_SAVE = 1 << 4,
    IMAP_SEARCH_UPDATE = 1 << 5,
    IMAP_SEARCH_CONTEXT = 1 << 6,
    IMAP_SEARCH_RELEVANCY = 1 << 7,
    IMAP_SEARCH_PARTIAL = 1 << 8
};

enum imap_sort_by {
    IMAP_SORT_ARRIVAL,
    IMAP_SORT_CC,
    IMAP_SORT_DATE,
    IMAP_SORT_FROM,
    IMAP_SORT_SIZE,
    IMAP_SORT_SUBJECT,
    IMAP_SORT_TO,
    IMAP_SORT_DISPLAYFROM, /* RFC 5957 */
    IMAP_SORT_DISPLAYTO,
    IMAP_SORT_RELEVANCY    /* RFC 6203 */
};
struct imap_sort_key {
    enum imap_sort_by by;
    bool reverse;
};

enum imap_thread_algorithm { IMAP_THREAD_ORDEREDSUBJECT, IMAP_THREAD_REFERENCES, IMAP_THREAD_UNKNOWN };

/* Which mailboxes: of NOTIFY (RFC 5465 §6) and ESEARCH (RFC 7377 §2.2) */
struct imap_filter {
    enum {
        IMAP_FILTER_SELECTED,
        IMAP_FILTER_SELECTED_DELAYED, /* NOTIFY only */
        IMAP_FILTER_PERSONAL,
        IMAP_FILTER_INBOXES,
        IMAP_FILTER_SUBSCRIBED,
        IMAP_FILTER_SUBTREE,          /* names */
        IMAP_FILTER_SUBTREE_ONE,      /* names; ESEARCH only */
        IMAP_FILTER_MAILBOXES         /* names */
    } kind;
    struct imap_strings names; /* see imap_mailbox_decode() */
};

/* SEARCH, SORT and THREAD (RFC 9051 §6.4.4, RFC 5256), ESEARCH (RFC 7377) */
struct imap_search {
    bool extended;               /* RETURN was given: the answer is an ESEARCH response */
    unsigned returns;            /* imap_search_return */
    struct imap_partial partial;
    struct str charset;          /* STR_NONE: none given */
    struct imap_key *key;        /* an AND of what stands in the command */
    struct imap_sort_key *sort;  /* SORT: what comes first counts most */
    size_t n_sort, cap_sort;
    enum imap_thread_algorithm thread;
    struct imap_fetch_items fetch; /* UPDATE: of letters that come and match (RFC 5465 §7) */
    struct imap_filter *sources; /* ESEARCH; none: the selected mailbox */
    size_t n_sources, cap_sources;
};

/* NOTIFY (RFC 5465) */
enum imap_event {
    IMAP_EVENT_MESSAGE_NEW = 1 << 0,
    IMAP_EVENT_MESSAGE_EXPUNGE = 1 << 1,
    IMAP_EVENT_FLAG_CHANGE = 1 << 2,
    IMAP_EVENT_ANNOTATION_CHANGE = 1 << 3,
    IMAP_EVENT_MAILBOX_NAME = 1 << 4,
    IMAP_EVENT_SUBSCRIPTION_CHANGE = 1 << 5,
    IMAP_EVENT_MAILBOX_METADATA_CHANGE = 1 << 6,
    IMAP_EVENT_SERVER_METADATA_CHANGE = 1 << 7,
    IMAP_EVENT_UNKNOWN = 1 << 8 /* some other word: NO [BADEVENT ...] */
};
struct imap_event_group {
    struct imap_filter filter;
    unsigned events;               /* imap_event; 0: NONE */
    struct imap_fetch_items fetch; /* of MessageNew */
};
struct imap_notify {
    bool none;
    bool status;
    struct imap_event_group *groups;
    size_t n, cap;
};

/* Names with a value each: ID (STR_NONE: NIL), SETMETADATA (STR_NONE: NIL, remove it) */
struct imap_pair {
    struct str name, value;
};
struct imap_pairs {
    struct imap_pair *v;
    size_t n;
    size_t cap;
};

/* RFC 4314 */
struct imap_acl {
    struct str mailbox;
    struct str identifier; /* SETACL DELETEACL LISTRIGHTS */
    char how;              /* SETACL: '+' adds, '-' takes away, 0 replaces */
    struct str rights;     /* SETACL: lower-case letters and digits */
};

/* RFC 9208 */
struct imap_quota_limit {
    struct str resource;
    uint64_t limit; /* below 2^63 */
};
struct imap_quota {
    struct str root; /* of GETQUOTAROOT the mailbox */
    struct imap_quota_limit *limits;
    size_t n, cap;   /* SETQUOTA */
};

/* RFC 5464 */
struct imap_metadata {
    struct str mailbox; /* empty: the server's */
    struct imap_metadata_options options;
    struct imap_strings entries; /* GETMETADATA */
    struct imap_pairs values;    /* SETMETADATA */
};

struct imap_command {
    struct str tag;        /* STR_NONE: could not be read, the answer is untagged */
    enum imap_verb verb;
    bool uid;              /* UID stood before it */
    const char *error;     /* what is wrong, for BAD; NULL: nothing. Then only tag, verb and uid are to be relied on */
    union {
        struct {
            struct str mechanism;
            struct str initial; /* base64 as sent ("=" is the empty one, RFC 4959 §3); STR_NONE: none */
        } authenticate;
        struct {
            struct str user, password;
        } login;
        struct imap_strings words; /* ENABLE: capabilities. CANCELUPDATE: tags */
        struct imap_pairs id;      /* ID (RFC 2971); none for NIL */
        struct str mailbox;        /* DELETE SUBSCRIBE UNSUBSCRIBE; COMPRESS: the mechanism */
        struct imap_select select; /* SELECT EXAMINE */
        struct {
            struct str mailbox;
            struct imap_strings uses; /* attributes as written (RFC 6154 §3) */
        } create;
        struct {
            struct str from, to;
        } rename;
        struct imap_list list;     /* LIST LSUB */
        struct {
            struct str mailbox;
            unsigned items;        /* imap_status_item */
        } status;
        struct imap_append append; /* APPEND REPLACE, by imap_parse_append_begin() only */
        struct imap_fetch fetch;
        struct imap_store store;
        struct {
            struct imap_set set;
            struct str mailbox;
        } copy;                    /* COPY MOVE */
        struct imap_set expunge;   /* UID EXPUNGE */
        struct imap_search search; /* SEARCH SORT THREAD ESEARCH */
        struct imap_notify notify;
        struct imap_acl acl;       /* GETACL SETACL DELETEACL LISTRIGHTS MYRIGHTS */
        struct imap_quota quota;   /* GETQUOTA GETQUOTAROOT SETQUOTA */
        struct imap_metadata metadata;
    };
};

/* Parses a whole command (see framing.h). Slices borrow `whole` or lie in `a`. 0, or ERR_SYNTAX with out->error. APPEND
 * and REPLACE that come here are wrong, for their literal has been gathered. */
int imap_parse(struct arena *a, struct str whole, struct imap_command *out);

/* An APPEND, REPLACE or UID REPLACE up to and with the head of its first message (imap_takes_message() is true of it).
 * 0, or ERR_SYNTAX as above; the literal is then still in out->append.message.literal, to be skipped. */
int imap_parse_append_begin(struct arena *a, struct str so_far, struct imap_command *out);

/* What stands behind a message, up to the line's end. On entry *m is the message before, on return the next one.
 * IMAP_APPEND_END: the command ends here; IMAP_APPEND_NEXT: another message's literal follows (RFC 3502; not of
 * REPLACE, which refuses it itself); ERR_SYNTAX with *error (m->literal is right if the line ends in one). */
enum { IMAP_APPEND_END, IMAP_APPEND_NEXT };
int imap_parse_append_more(struct arena *a, struct str text, struct imap_append_message *m, const char **error);

struct str imap_verb_name(enum imap_verb v); /* "FETCH"; empty for the first */

#endif
