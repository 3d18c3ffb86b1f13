/* Every limit and every waiting time, with its reason. What can be configured is a default here.
 * Bytes, microseconds or counts; the name says which. */
#ifndef MAIL_LIMITS_H
#define MAIL_LIMITS_H

#include "base/time.h"

/* SMTP lines and sizes */
enum {
    /* command line with CRLF: 512 in RFC 5321 §4.5.3.1.4, longer for parameters of the extensions (RFC 3461 §4.3,
     * RFC 6531 §3.4) */
    LIMIT_SMTP_LINE = 4096,
    LIMIT_SMTP_AUTH_LINE = 12288,      /* RFC 4954 §4 */
    /* RFC 5321 §4.5.3.1.1; of addresses made here. Others' (VERP, SRS) go up to LIMIT_PATH */
    LIMIT_LOCAL_PART = 64,
    LIMIT_DOMAIN = 255,                /* RFC 5321 §4.5.3.1.2 */
    LIMIT_PATH = 256,                  /* RFC 5321 §4.5.3.1.3, without the angle brackets */
    LIMIT_SMTP_PARAMETERS = 12,        /* of one MAIL or RCPT; more than any set of extensions has */
    LIMIT_ENVID = 100,                 /* RFC 3461 §5.4 */
    LIMIT_ORCPT = 500,                 /* RFC 3461 §5.4 */
    LIMIT_SMTP_REPLY_LINE = 512,       /* RFC 5321 §4.5.3.1.5 */
    LIMIT_SMTP_REPLY_LINES = 200,      /* of one reply we read; EHLO has the most */
    LIMIT_SMTP_REPLY = 16 << 10,       /* bytes of its text */
    LIMIT_SMTP_REPLY_BYTES = 64 << 10, /* of all of it, with what is not kept of long lines */
    /* bytes of commands sent before their replies are read: less than any socket's buffer, so that client and server
     * never both wait for the other to read (RFC 2920 §3.1) */
    LIMIT_SMTP_BURST = 8 << 10,
    LIMIT_SMTP_CHUNK = 64 << 10,       /* bytes of a letter sent before the next look for an answer */
    LIMIT_BDAT_CHUNKS = 1000,          /* of a letter that may be of any size; the others are to be ... */
    LIMIT_BDAT_CHUNK_MEAN = 64,        /* ... this many bytes on average, against floods of tiny ones */
    LIMIT_EXPN = 64 << 10,             /* bytes of a list told */
    LIMIT_RECIPIENTS = 1000,           /* on 25; never under 100 (RFC 5321 §4.5.3.1.8) */
    LIMIT_RECIPIENTS_SUBMISSION = 200,
    LIMIT_SMTP_ERRORS = 20,            /* then 421 4.7.0 */
    LIMIT_AUTH_FAILURES = 5,           /* of a connection, then 421 4.7.0 */
    LIMIT_UNKNOWN_RECIPIENTS = 10,     /* from here on each one is answered slowly */
    LIMIT_REFUSALS_TRACED = 20,        /* rows a connection; then a count */
    LIMIT_RECEIVED_FIELDS = 100,       /* RFC 5321 §6.3 */
    LIMIT_ALIAS_DEPTH = 10,
    LIMIT_ALIAS_TARGETS = 1000,        /* recipients one address may expand to */
};
#define LIMIT_MESSAGE (INT64_C(50) << 20)   /* bytes; at least 64 KiB (RFC 5321 §4.5.3.1.7) */
#define LIMIT_HEADER (256 << 10)            /* bytes of all header fields together */
#define LIMIT_BODY_MEMORY (256 << 10)       /* a larger message is streamed to a pack of its own */

/* Accounts */
enum {
    LIMIT_GRANTS = 1000,               /* addresses an account may be granted */
    LIMIT_SUBMIT_HOUR = 300,           /* recipients an hour and account */
    LIMIT_SUBMIT_DAY = 1000,           /* recipients a day and account */
    LIMIT_PASSWORD = 1000,             /* bytes */
    LIMIT_SASL_MESSAGE = 8192,         /* bytes decoded */
    /* of ours: the most that programs with Cyrus SASL (mbsync, mutt) agree to compute; RFC 7677 §4 has 4096 */
    LIMIT_SCRAM_ITERATIONS = 65536,
    LIMIT_AUTH_FAILURES_ADDRESS = 20,  /* per client address (IPv6: /64) and window, then refused */
    LIMIT_AUTH_FAILURES_ACCOUNT = 100, /* per account and window, then slowed down */
    LIMIT_QUOTA_GRACE_PERCENT = 10,
};
#define SPAN_AUTH_WINDOW MINUTES(15)
#define SPAN_AUTH_DELAY SECONDS(2)          /* before a failed AUTH is answered */
#define SPAN_UNKNOWN_RECIPIENT SECONDS(1)   /* before a slowed refusal */

/* Connections */
enum {
    LIMIT_CONNECTIONS = 20000,          /* in all */
    LIMIT_CONNECTIONS_ADDRESS = 100,    /* per client address (IPv6: /64); not for loopback and trusted clients */
    /* of the administration's socket, apart from all others: it works under a flood */
    LIMIT_ADMIN_CONNECTIONS = 64,
    LIMIT_LOCAL_CONNECTIONS = 500,      /* of this machine's programs: a runaway one shuts out nobody else */
    LIMIT_HANDSHAKES = 64,              /* TLS handshakes at once */
    LIMIT_CONNECTION_MEMORY = 16 << 20, /* bytes of one connection's arena: the MIME tree of a hostile letter (3 MiB),
                                           what is derived of it (6 MiB), a thousand recipients */
    LIMIT_SPOOL_MEMORY = 64 << 20,      /* bytes of letters held in memory by all connections together */
    LIMIT_RATE_MIN = 256,               /* bytes a second over a minute while a body is read, against slow-loris */
};

/* SMTP server time-outs, RFC 5321 §4.5.3.2.7: at least 5 minutes for the client's next command */
#define TIMEOUT_SMTP_COMMAND MINUTES(5)
#define TIMEOUT_SMTP_DATA_BLOCK MINUTES(3)  /* RFC 5321 §4.5.3.2.5, between two reads of a body */
#define TIMEOUT_SMTP_SESSION HOURS(4)       /* all of a connection */
#define TIMEOUT_SMTP_WRITE MINUTES(5)
#define TIMEOUT_TLS_HANDSHAKE MINUTES(1)
#define SPAN_IDLE SECONDS(5)                /* of waiting for a peer, after which memory is worth more than speed */
#define SPAN_HANDSHAKE_SILENCE \
    SECONDS(1) /* a peer silent for longer leaves its place among LIMIT_HANDSHAKES to others */
#define TIMEOUT_PROXY SECONDS(10)           /* for a load balancer to say its header */
#define TIMEOUT_FAREWELL SECONDS(10)        /* for a last 421 to be sent */
#define TIMEOUT_DNS_QUERY SECONDS(5)        /* one try at one server */
#define TIMEOUT_DNS SECONDS(20)             /* all tries */
#define TIMEOUT_CONNECT MINUTES(1)
#define TIMEOUT_STOP SECONDS(10)            /* for sessions to end when the server stops */

/* The queue and the relay */
enum {
    LIMIT_RELAY_CONNECTIONS = 200,      /* outgoing, in all */
    LIMIT_RELAY_WINDOW = 20,            /* to one next hop */
    LIMIT_RELAY_WINDOW_FIRST = 3,       /* before anything is known of it */
    LIMIT_RELAY_RECIPIENTS = 6000,      /* in memory, at 1.7 KB each; the others wait in the store */
    LIMIT_RELAY_SENDER = 200,           /* of them for one sender and next hop, so that others get in between */
    LIMIT_RELAY_HOPS = 10000,           /* next hops remembered */
    /* recipients of one transaction, what every server takes (RFC 5321 §4.5.3.1.8) */
    LIMIT_RELAY_TRANSACTION = 100,
    LIMIT_RELAY_LETTERS = 1000,         /* of one connection */
    LIMIT_RELAY_TURN = 20,              /* of one connection while next hops wait for one */
    LIMIT_RELAY_MX = 10,                /* hosts looked at */
    LIMIT_RELAY_ADDRESSES = 5,          /* tried in one attempt */
    LIMIT_RELAY_SWEEP = 2000,           /* recipients a second that are deferred because their next hop is down */
    LIMIT_SETTLE_GROUP = 256,           /* settlements handed to the store at once */
    LIMIT_BOUNCE_RETURNED = 100 << 10,  /* bytes of a message returned whole (RET=FULL); of longer ones the header */
    LIMIT_QUEUE_REPLY = 512,            /* bytes of a last reply that are kept */
    LIMIT_ROUTES = 10000,
    LIMIT_ETRN_CONNECTION = 5,          /* ETRN commands of a connection that are obeyed */
};
#define LIMIT_RELAY_MEMORY (INT64_C(16) << 20) /* bytes of letters relayed straight from memory */
#define SPAN_EXPIRES DAYS(5)
#define SPAN_EXPIRES_NULL DAYS(2)           /* of reports */
#define SPAN_DELAY_WARNING HOURS(4)
#define SPAN_QUEUE_LEASE SECONDS(5)         /* what is relayed straight from memory is not due in the store before */
#define SPAN_FUTURE_RELEASE DAYS(365)       /* RFC 4865 §4: most that a letter may be held */
#define SPAN_ETRN MINUTES(1)                /* between two ETRN of strangers that are obeyed */
#define SPAN_RELAY_DRAIN SECONDS(5)         /* for replies to letters that are out, when the server stops */
#define SPAN_RELAY_STUCK SECONDS(1)         /* nobody was taken for so long: another connection helps */
#define SPAN_RELAY_IDLE SECONDS(2)          /* a connection waits for another letter */
#define SPAN_SRS DAYS(21)                   /* a rewritten return address is good for */
/* SMTP client time-outs, RFC 5321 §4.5.3.2 */
#define TIMEOUT_CLIENT_BANNER MINUTES(5)
#define TIMEOUT_CLIENT_COMMAND MINUTES(5)
#define TIMEOUT_CLIENT_DATA MINUTES(2)
#define TIMEOUT_CLIENT_BLOCK MINUTES(3)
#define TIMEOUT_CLIENT_FINAL MINUTES(10)    /* a shorter one makes duplicates */
#define TIMEOUT_CLIENT_QUIT SECONDS(5)
#define TIMEOUT_RELAY_CONNECT SECONDS(30)   /* one address */

/* POP3 */
enum {
    LIMIT_POP3_LINE = 255,              /* RFC 2449 §4 */
    LIMIT_POP3_AUTH_LINE = 12288,       /* before the log-in: LIMIT_PASSWORD, and responses of RFC 5034 §4 */
    LIMIT_POP3_ERRORS = 20,
    /* letters read at once for a client that takes one after the other, their bytes, and those of one that is read
     * whole: longer ones go by blocks. What a session may hold between two commands */
    LIMIT_POP3_AHEAD = 64,
    LIMIT_POP3_AHEAD_BYTES = 256 << 10,
    LIMIT_POP3_WHOLE = 128 << 10,
    LIMIT_POP3_MESSAGES = 200000,       /* shown in one session */
};
#define TIMEOUT_POP3_IDLE MINUTES(10)       /* RFC 1939 §3 */

/* IMAP sessions */
enum {
    /* bytes of a command with its literals, but for messages: sets and lists of a big mailbox's client are long */
    LIMIT_IMAP_COMMAND = 1 << 20,
    /* before the log-in: LIMIT_PASSWORD, and responses of AUTHENTICATE (LIMIT_SASL_MESSAGE in base64) */
    LIMIT_IMAP_COMMAND_EARLY = 12288,
    LIMIT_IMAP_SKIPPED = 64 << 20,      /* bytes of literals nobody wants, read to get to the next command */
    LIMIT_IMAP_STATUS_LINE = 8192,      /* of ours; the capabilities are the longest */
    LIMIT_WATCH_MAILBOXES = 256,        /* that news are kept of between two looks; beyond, all is compared */
    LIMIT_WATCH_ENTRIES = 16 << 10,     /* bytes of names of annotations that changed between two looks */
    LIMIT_IMAP_WATCHED = 50,            /* other people's accounts one NOTIFY looks at */
    LIMIT_IMAP_APPENDED = 500,          /* messages of one APPEND (RFC 3502): they are one commit */
    LIMIT_IMAP_CONTEXTS = 10,           /* searches of a session kept up to date (RFC 5267), and ... */
    LIMIT_IMAP_CONTEXTS_MEMORY = 6 << 20, /* ... bytes of what they found: of LIMIT_CONNECTION_MEMORY not all */
    /* bytes one SEARCH, SORT or THREAD works in, apart from LIMIT_CONNECTION_MEMORY: SEARCH of 1,000,000 messages takes
       60 MiB, SORT of as many 180, THREAD of 350,000 all; and bytes of all of them together */
    LIMIT_IMAP_SEARCH_MEMORY = 256 << 20,
    LIMIT_IMAP_SEARCHES_MEMORY = 512 << 20,
    LIMIT_IMAP_ERRORS = 20,             /* BADs before the log-in, and in a row after it */
};
#define TIMEOUT_IMAP_LOGIN MINUTES(3)       /* for the next command before the log-in */
#define TIMEOUT_IMAP_IDLE MINUTES(30)       /* after it: RFC 9051 §5.4 */
/* Other people's IMAP servers */
enum {
    LIMIT_REMOTE_NAME = 2048,           /* bytes of a mailbox's name as it is written there */
    LIMIT_REMOTE_LETTERS = 2000000,     /* of a mailbox: what is known of each is held in memory */
    LIMIT_REMOTE_BATCH = 2000,          /* of which bodies or Message-IDs are asked for with one command, */
    LIMIT_REMOTE_RANGES = 400,          /* in so many ranges of UIDs: servers take lines of 8000 bytes (RFC 7162 §4) */
    LIMIT_REMOTE_MEMORY = 5000,         /* letters carried before it is noted which they are */
};
/* IMAP grammar; how long a command may be is the session's */
enum {
    LIMIT_IMAP_SET = 100000,            /* ranges of one set: every second message of a mailbox of 200,000 */
    LIMIT_IMAP_DEPTH = 50,              /* parentheses, NOT and FUZZY in each other; people's programs use five */
    LIMIT_IMAP_KEYS = 5000,             /* search keys of a command: each is looked at for each message */
    LIMIT_IMAP_FETCH_ITEMS = 200,       /* likewise answered */
    LIMIT_IMAP_FIELDS = 500,            /* names in one HEADER.FIELDS: each is compared with each field */
    LIMIT_IMAP_SECTION = 100,           /* LIMIT_MIME_DEPTH: no part lies deeper */
    LIMIT_IMAP_KEYWORDS = 200,          /* that one STORE or APPEND may name; a mailbox has room for 22 */
    LIMIT_IMAP_WORDS = 1000,            /* of other lists: patterns, entries, mailboxes of a filter */
    LIMIT_IMAP_PATTERNS = 16 << 10,     /* bytes of LIST's patterns with wildcards: each is tried on each name */
    LIMIT_IMAP_ID = 30,                 /* RFC 2971 §3.3 */
    LIMIT_IMAP_RESPONSE_DEPTH = 400,    /* lists in each other we read: BODYSTRUCTURE of LIMIT_MIME_DEPTH has 300 */
    LIMIT_IMAP_RESPONSE = 1 << 20,      /* bytes of one we read, without the letter in it */
    LIMIT_IMAP_DROPPED = 1 << 30,       /* bytes of a letter nobody wants, read to get to the next response */
    LIMIT_IMAP_UNASKED = 100000,        /* responses in a row that we read and did not ask for */
    LIMIT_IMAP_QUOTED = 1000,           /* bytes; longer strings we write are literals */
};

/* DNS */
enum {
    LIMIT_DNS_MESSAGE = 65535,
    LIMIT_DNS_UDP = 1232,               /* EDNS buffer */
    LIMIT_DNS_RECORDS = 256,            /* of one answer; more are not looked at */
    LIMIT_DNS_CNAMES = 10,
    LIMIT_DNS_CACHE = 10000,            /* answers of one loop's resolver */
    LIMIT_DNS_CACHE_BYTES = 8 << 20,    /* of all of them; a single answer may have 64 KiB */
};
#define SPAN_DNS_TTL_MAX DAYS(1)
#define SPAN_DNS_NEGATIVE_MAX HOURS(1)
#define SPAN_DNS_FAILURE SECONDS(5)         /* a server's failure is remembered; RFC 2308 §7.1: five minutes at most */

/* MIME */
enum {
    LIMIT_MIME_DEPTH = 100,
    LIMIT_MIME_PARTS = 10000,
    LIMIT_MIME_PARAMETERS = 100,        /* of one field */
    LIMIT_MIME_KEPT = 1 << 20,          /* bytes of memory for what is kept of all header fields of a letter */
    LIMIT_FIELD_NAME = 998,             /* offset of the colon at most: RFC 5322 §2.1.1 */
    LIMIT_PREVIEW_RAW = 32 << 10,       /* bytes of a body looked at for the preview */
    LIMIT_CHARSET_NAME = 64,            /* longer ones are unknown */
    LIMIT_BOUNDARY = 998,               /* 70 in RFC 2046 §5.1.1; what others write */
    LIMIT_FIELD_SHOWN = 32 << 10,       /* bytes of one header field that ENVELOPE and search look at */
    LIMIT_ADDRESSES = 2000,             /* of one field in ENVELOPE */
    LIMIT_PREVIEW = 256,                /* characters (RFC 8970) */
    LIMIT_REFERENCES = 100,             /* message ids used for threading */
};

/* Searching */
#define SPAN_INDEX_DELAY SECONDS(2)   /* after a letter has come, before it is indexed: others come along */
#define SPAN_INDEX_REST (200 * US_PER_MS) /* between two pieces of work at most, and again while letters come in */
#define SPAN_INDEX_RETRY MINUTES(1)   /* after a failure */
#define SPAN_IMAP_AGING MINUTES(1)    /* a search kept up to date looks whether letters have grown old: RFC 5032 §2 */
#define SPAN_IMAP_PROGRESS SECONDS(5) /* a long search says how far it is: RFC 9585 §3 */
#define SPAN_INDEX_DEAD HOURS(6)      /* between two looks for letters of the index that are gone */

/* Admin and store */
enum {
    LIMIT_ADMIN_REQUEST = 1 << 20,
    LIMIT_JSON_DEPTH = 32,
    LIMIT_MAILBOX_NAME = 255,           /* bytes of one level */
    LIMIT_MAILBOX_DEPTH = 50,
    LIMIT_MAILBOXES = 10000,            /* of an account: its tree is read for every LIST */
    LIMIT_SUBSCRIPTIONS = 10000,        /* likewise */
    LIMIT_SUBSCRIPTION_NAME = 2048,     /* bytes; the mailbox need not exist, so that levels are not counted */
    LIMIT_ACL_ENTRIES = 1000,           /* of a mailbox: all are told in one line (RFC 4314 §3.6) */
    LIMIT_METADATA_NAME = 255,          /* bytes */
    LIMIT_METADATA_VALUE = 64 << 10,    /* bytes; RFC 5464 §4.3: at least 1024 */
    LIMIT_METADATA_ENTRIES = 100,       /* of a mailbox, for all and for one person */
    LIMIT_KEYWORDS = 22,                /* of a mailbox's own: bits that are left in an entry's word of flags */
    LIMIT_KEYWORD_NAME = 255,           /* bytes: all of a mailbox's are told in one line */
    LIMIT_VIEWS_KEPT = 4 << 20,         /* bytes of snapshots nobody looks at: SELECT, CLOSE, SELECT reads once */
};
#define SPAN_TRACE_KEPT DAYS(90)

#endif
