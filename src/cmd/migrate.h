/* Letters between an account here and one on another IMAP server, either way: what there is on both sides, and which
 * letter is which. import_imap.c and export_imap.c carry them. */
#ifndef CMD_MIGRATE_H
#define CMD_MIGRATE_H

#include "base/map.h"
#include "cmd/client.h"
#include "cmd/pairs.h"
#include "cmd/remote_list.h"
#include "io/process.h"

enum { NO_PAIR = -1 };

struct sibling { /* a letter of one of the two mailboxes */
    uid uid;
    flag_set flags; /* bits from FLAG_FIRST_OWN on: migration's words */
    int64_t at;     /* INTERNALDATE in seconds */
    int64_t size;
    uint64_t object; /* digest of EMAILID (RFC 8474) or X-GM-MSGID: the same in all mailboxes; 0: not told */
    uint64_t id;    /* digest of its Message-ID; of those only that were asked for */
    int32_t pair;   /* index, or NO_PAIR */
    bool wanted;    /* to be carried to the other side, and not there yet */
    bool asked;     /* for its Message-ID */
};
struct siblings { /* ascending by UID */
    struct sibling *v;
    size_t n, cap;
};
struct sibling *siblings_find(const struct siblings *s, uid u); /* NULL */

struct migration {
    struct program *program;
    struct config config;
    struct world *world;
    struct client *client;
    struct remote remote;
    const char *account;
    struct str under;      /* import: --mailbox, where letters go; may be empty */
    const char *only;      /* export: --mailbox, or NULL */
    struct words exclude;
    struct hash_key hash;  /* of Message-IDs and objects */
    struct map seen;       /* objects of their letters; while importing */
    utc_us since;          /* letters that came earlier stay out; 0: none */
    bool dry, again;
    struct error error;
    int result;

    /* of the mailbox at hand */
    struct arena *arena;
    struct str name;       /* ours */
    struct str raw;        /* theirs */
    char key[2 * 16 + 1];  /* of the memory */
    struct pairs pairs;    /* with the words of both sides' flags */
    bool words_lost;       /* a keyword had no room; told once */
    struct pairs unsure;   /* exported, but their UIDs there were not told */
    flag_set settable;     /* flags that can be kept there */
    struct siblings ours, theirs;
    struct buf memory;     /* as read */
    size_t saved;          /* pairs that are noted already */
    bool changed;          /* pairs are others than those noted */

    int64_t carried, there, flagged, refused, too_large, mailboxes;
    int64_t done, total;   /* of the letters of this mailbox */
    mono_us began, told;
};

/* Fills *m, of which `under` and `only` are set; runs fn in a fiber with both ends open; prints. `refused` letters
 * make EX_DATAERR. */
struct migration_wishes {
    struct remote_wishes remote;
    struct words exclude;
    const char *since;
    bool dry, again;
};
#define MIGRATION_OPTIONS(w) \
    REMOTE_OPTIONS((w).remote), {"--exclude", 0, ARG_TEXTS, &(w).exclude}, {"--since", 0, ARG_TEXT, &(w).since}, \
        {"--again", 0, ARG_FLAG, &(w).again}
bool migration_wished(const struct migration_wishes *w); /* is there any? */
int migration_run(struct migration *m, struct program *p, const char *account, const char *url,
                  const struct migration_wishes *w, FIBER int (*fn)(struct migration *m, struct error *e));

/* Begins with a mailbox; end with migration_leave() whatever comes. */
void migration_enter(struct migration *m, struct str name, struct str raw);
void migration_leave(struct migration *m);

/* What is here: letters, keywords, memory. make: the mailbox is made if need be, for a use, subscribed to or not.
 * Without a mailbox there is nothing. */
FIBER int migration_survey_ours(struct migration *m, bool make, enum special_use use, bool subscribe, struct error *e);
/* What is there: EXAMINE (SELECT if `write`), then UIDs, flags, dates and sizes of all. ERR_UNAVAILABLE: refused. */
FIBER int migration_survey_theirs(struct migration *m, bool write, struct error *e);
/* Which is which: by the memory, then by date, size and Message-ID. import: which side the letters come from. */
FIBER int migration_match(struct migration *m, bool import, struct error *e);
/* Letters whose flags are others at the source than last time get those by change(), which is given UIDs of the other
 * side; what was changed there alone stays. */
FIBER int migration_follow_flags(struct migration *m, bool import,
                                 FIBER int (*change)(struct migration *m, flag_set flags, const struct uid_set *set,
                                                     struct error *e),
                                 struct error *e);
void migration_pair(struct migration *m, struct sibling *theirs /* or NULL */, uid their_uid, uid our_uid,
                    flag_set flags);
/* Writes the memory: always, or when enough is new. Nothing in a dry run. */
FIBER int migration_remember(struct migration *m, bool always, struct error *e);

/* The bit of a keyword; 0 when there is no room for it. */
flag_set migration_word(struct migration *m, struct str word);

/* A use as mailbox.list says it: "sent". */
enum special_use migration_use(struct str word);

/* A request about the mailbox at hand, with "op", "address" and "mailbox". */
struct json migration_request(struct migration *m, struct buf *b, const char *op);
void migration_put_flags(struct migration *m, struct json *j, flag_set flags); /* "flags" and "keywords" */

/* Names what stays behind, on stderr. uid 0: the mailbox as a whole. */
void migration_finding(struct migration *m, uid u, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void migration_progress(struct migration *m, bool last);

/* To another IMAP server (export_imap.c). only: --mailbox, or NULL. Returns the exit code. */
int export_imap(struct program *p, const char *account, const char *url, const char *only,
                const struct migration_wishes *w);

#endif
