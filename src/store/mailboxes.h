/* The mailboxes of an account as a tree, who may do what in them, and what is remembered about them. Part of the
 * store's contract (store.h).
 *
 * `who` is the principal that asks. Each request decides by the rights of RFC 4314 in the same transaction that carries
 * it out: ERR_NOT_FOUND when there is no such mailbox or `who` may not even see it (neither 'l' nor 'r'), ERR_DENIED
 * when a right is missing. The owner of an account has all rights in it; who is disabled or removed has none anywhere.
 */
#ifndef STORE_MAILBOXES_H
#define STORE_MAILBOXES_H

#include "mail/rights.h"
#include "store/store.h"

enum {
    PRINCIPAL_ADMIN = 1, /* the administration, as `who`: all rights everywhere; no row, no account */
    PRINCIPAL_ANYONE = 2 /* "anyone" of RFC 4314 §2: everybody who can log in; a row of its own */
};

struct mailbox { /* as LIST and STATUS show it */
    int64_t id, account, parent;
    struct str path; /* from the account's root, levels joined by '/'; INBOX is "INBOX" */
    enum special_use use;
    uint32_t uid_validity;
    uid uid_next;
    uint64_t highest_modseq;
    int64_t messages, unseen, deleted, bytes;
    right_set rights; /* of who asked */
    bool is_level;    /* no mailbox: a name that is left above others (store_mailbox_names alone) */
};
/* All of the account's mailboxes that `who` may see, parents before children, siblings in order of name with INBOX
 * first. In `a`. */
FIBER int store_mailbox_tree(struct store *s, struct arena *a, int64_t who, int64_t account, struct mailbox **out,
                             size_t *n, struct error *e);
/* The same with the names between them that are no mailboxes any more, for the account's owner; others who see what is
 * below such a name know it from that. */
FIBER int store_mailbox_names(struct store *s, struct arena *a, int64_t who, int64_t account, struct mailbox **out,
                              size_t *n, struct error *e);
/* One by path. ERR_NOT_FOUND. */
FIBER int store_mailbox_find(struct store *s, struct arena *a, int64_t who, int64_t account, struct str path,
                             struct mailbox *out, struct error *e);
/* A name that is no mailbox any more, to be renamed by the account's owner. ERR_NOT_FOUND, ERR_EXISTS: it is one. */
FIBER int store_level_find(struct store *s, int64_t who, int64_t account, struct str path, int64_t *id,
                           struct error *e);
/* Accounts other than who's own that have a mailbox he may see, in order of login. */
FIBER int store_shared_accounts(struct store *s, struct arena *a, int64_t who, int64_t **accounts, size_t *n,
                                struct error *e);

/* What `who` may do now; 0 when there is no such mailbox. */
FIBER right_set store_rights(struct store *s, int64_t who, int64_t mailbox);

/* Makes the mailbox and whatever levels are missing above it; a new one has its parent's ACL. ERR_EXISTS; ERR_SYNTAX:
 * not a name; ERR_CONFLICT: LIMIT_MAILBOXES, LIMIT_MAILBOX_DEPTH, or another mailbox has this special use. */
FIBER int store_mailbox_make(struct store *s, int64_t who, int64_t account, struct str path, enum special_use use,
                             int64_t *id, struct error *e);
/* With its letters (they can be brought back for keep_expunged_us). Mailboxes below it stay; then so does its name, as
 * no mailbox, until the last of them goes or somebody makes one of that name (RFC 9051 §6.3.5). ERR_DENIED: INBOX. */
FIBER int store_mailbox_delete(struct store *s, int64_t who, int64_t mailbox, struct error *e);
/* Its children go with it. Of INBOX the letters move to a new mailbox and INBOX stays, empty (RFC 9051 §6.3.6). Missing
 * levels above are made; a name that is no mailbox is taken by one that has none below it. ERR_EXISTS, ERR_CONFLICT:
 * into itself. Only within one account. */
FIBER int store_mailbox_rename(struct store *s, int64_t who, int64_t mailbox, struct str path, struct error *e);
FIBER int store_mailbox_use(struct store *s, int64_t who, int64_t mailbox, enum special_use use, struct error *e);

/* Subscriptions are names as the client writes them (UTF-8), whether there is such a mailbox or not. */
FIBER int store_subscriptions(struct store *s, struct arena *a, int64_t account, struct str **names, size_t *n,
                              struct error *e);
FIBER int store_subscribe(struct store *s, int64_t account, struct str name, bool subscribed, struct error *e);

/* ACL: entries other than the owner's. Rights 0 removes. Admin right needed. */
struct acl_entry {
    int64_t principal;
    right_set rights;
};
FIBER int store_acl(struct store *s, struct arena *a, int64_t who, int64_t mailbox, struct acl_entry **out, size_t *n,
                    struct error *e);
enum acl_change { ACL_SET, ACL_ADD, ACL_TAKE };
FIBER int store_acl_change(struct store *s, int64_t who, int64_t mailbox, int64_t principal, enum acl_change how,
                           right_set rights, struct error *e);

/* Annotations (RFC 5464). "/private/specialuse" is what store_mailbox_use() says (RFC 6154 §4); ERR_EXISTS: it cannot
 * be used for this. mailbox 0: of the server, for this account ("/private/…") or for all ("/shared/…", which only
 * the administration writes). Values up to LIMIT_METADATA_VALUE, LIMIT_METADATA_ENTRIES of a mailbox. Names are kept in
 * lower case; a value of STR_NONE removes. */
struct metadata {
    struct str name, value;
};
FIBER int store_metadata(struct store *s, struct arena *a, int64_t who, int64_t mailbox, struct metadata **out,
                         size_t *n, struct error *e); /* all there are; "/private/…" those of `who` */
FIBER int store_metadata_set(struct store *s, int64_t who, int64_t mailbox, const struct metadata *v, size_t n,
                             struct error *e);

struct quota {
    int64_t used_bytes, used_count, limit_bytes /* 0 none */, limit_count /* 0 none */;
    int64_t kept_bytes, kept_count; /* expunged and not collected yet; part of what is used with count_expunged */
};
FIBER int store_quota(struct store *s, int64_t account, struct quota *out, struct error *e);

/* What happened to an account's mailboxes, for NOTIFY: kept with the watch until it is taken. What several commits did
 * is told as one; memory is bounded. */
enum mailbox_news {
    NEWS_ADDED = 1,     /* letters */
    NEWS_GONE = 2,
    NEWS_FLAGS = 4,
    NEWS_MADE = 8,      /* the mailbox */
    NEWS_RENAMED = 16,
    NEWS_DELETED = 32,
    NEWS_SUBSCRIBED = 64, /* mailbox 0: the account's subscriptions */
    NEWS_METADATA = 128,
    NEWS_ACL = 256,
    NEWS_FROM_INBOX = 512, /* with NEWS_MADE: INBOX was renamed to this */
};
struct account_news {
    int64_t mailbox;
    unsigned news, own; /* what others did; what the fiber did that watches. enum mailbox_news */
    struct str entries; /* NEWS_METADATA: names of what others changed, a space before each */
};
struct account_watch;
/* `who` watches: others' private annotations are no news to him. fn is called on loop l after a commit, to say that
 * there is something to take. Called on the fiber whose own doing is told apart. */
FIBER struct account_watch *store_watch_account(struct store *s, struct loop *l, int64_t who, int64_t account,
                                                void (*fn)(void *arg), void *arg);
/* Takes what there is, in `a`. *lost: there was more than is kept (LIMIT_WATCH_MAILBOXES, LIMIT_WATCH_ENTRIES):
 * anything may have happened. */
size_t store_watch_take(struct account_watch *w, struct arena *a, struct account_news **out, bool *lost);
void store_unwatch_account(struct account_watch *w); /* on loop l; fn is not called any more */

/* What was expunged, or lay in a mailbox that was deleted, is nowhere else in the account (moved letters are not lost),
 * and can be brought back: newest first, at most max. */
struct lost_letter {
    int64_t mailbox, email;
    struct str path; /* where it lay */
    uid uid;
    utc_us gone_at, received_at;
    int64_t size;
    struct str envelope; /* blob of proto/mime/derive.h */
};
FIBER int store_lost(struct store *s, struct arena *a, int64_t account, int64_t mailbox /* 0: all */, utc_us since,
                     size_t max, struct lost_letter **out, size_t *n, struct error *e);
/* Brings them back, each into the mailbox it was in (or INBOX when that is gone; or `into` if not 0), as new entries.
 * *back counts. ERR_CONFLICT: over quota. */
FIBER int store_undelete(struct store *s, int64_t account, const struct lost_letter *v, size_t n, int64_t into,
                         size_t *back, struct error *e);

#endif
