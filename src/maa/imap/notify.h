/* Inside maa/imap/: NOTIFY's memory, for notify.c (what is asked for), notify_tell.c (what is told) and notify_names.c
 * (what is told of names). */
#ifndef MAA_IMAP_NOTIFY_H
#define MAA_IMAP_NOTIFY_H

#include "maa/imap/session.h"

struct imap_watched { /* an account */
    struct imap_session *session;
    int64_t account;
    struct account_watch *watch;
    bool news;             /* there is something to take */
    bool stale;            /* what was told last could not be compared: all of it, next time */
    struct arena *arena;   /* of what the client knows: */
    struct mailbox *known; /* the account's mailboxes as they were told last, by id */
    size_t n_known;
};

struct imap_notifying {
    struct arena *arena;
    struct imap_command command; /* as parsed, in `arena`; names in its filters are decoded */
    const struct imap_event_group *selected; /* of SELECTED or SELECTED-DELAYED; NULL: none */
    bool elsewhere;                          /* there are other groups */
    struct imap_watched **watched;
    size_t n_watched, cap_watched;
    struct arena *names;    /* of: */
    struct str *subscribed; /* as told last, in order */
    size_t n_subscribed;
};

/* The events asked for of a mailbox, by the client's name for it: those of all groups that mean it (RFC 5465 §6), but
 * none if one says NONE. */
unsigned imap_notify_events(const struct imap_session *s, struct str name, bool own, bool subscribed);
/* one of them, of any mailbox but the selected */
bool imap_notify_wants(const struct imap_session *s, unsigned events);
bool imap_notify_subscribed(const struct imap_notifying *n, struct str name);
static inline unsigned imap_notify_events_of(const struct imap_session *s, const struct imap_watched *w,
                                             struct str name)
{
    return imap_notify_events(s, name, w->account == s->who.account, imap_notify_subscribed(s->notify, name));
}

/* All mailboxes of the account that may be seen, by id, in `a`. */
FIBER int imap_notify_tree(struct imap_session *s, struct arena *a, int64_t account, struct mailbox **v, size_t *n);
/* What one is subscribed to, in order of names. */
FIBER int imap_notify_names(struct imap_session *s, struct arena *a, struct str **v, size_t *n);
/* Accounts of what one is subscribed to by now are watched too (RFC 5465 §6.4). ERR_TOO_LONG: these are too many. */
FIBER int imap_notify_watch_subscribed(struct imap_session *s, struct imap_notifying *n);
void imap_notify_silence(struct imap_session *s); /* as after NOTIFY NONE */

/* "* STATUS name (...)" if it is not the selected one, and may be read. `events` are those asked for of it. */
FIBER void imap_notify_status(struct imap_session *s, const struct mailbox *m, unsigned items);

/* ---- names (notify_names.c) ---- */

/* What is there is compared with what was told: of names made, changed and gone, of rights (RFC 5465 §5.4, §5.9). What
 * the client did itself (v) is not told. `all`: of letters too. */
FIBER int imap_notify_compare(struct imap_session *s, struct imap_watched *w, const struct account_news *v, size_t n,
                              bool all);
/* RFC 5465 §5.5. silent: it was the client. */
FIBER void imap_notify_subscriptions(struct imap_session *s, bool silent);
/* Of those that may be seen and not read (RFC 5465 §3.1). */
FIBER void imap_notify_no_access(struct imap_session *s, const struct imap_watched *w);
/* Of letters in a mailbox: STATUS. news: enum mailbox_news */
FIBER void imap_notify_letters(struct imap_session *s, const struct imap_watched *w, const struct mailbox *m,
                               unsigned news);

#endif
