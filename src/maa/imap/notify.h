/* Inside maa/imap/: NOTIFY's memory, for notify.c (what is asked for) and notify_tell.c (what is told). */
#ifndef MAA_IMAP_NOTIFY_H
#define MAA_IMAP_NOTIFY_H

#include "maa/imap/session.h"

enum { NOTIFY_PENDING = 64 };

struct imap_watched { /* an account */
    struct imap_session *session;
    int64_t account;
    struct account_watch *watch;
    struct arena *arena;   /* of what the client knows: */
    struct mailbox *known; /* the account's mailboxes as they were told last, by id */
    size_t n_known;
    struct imap_pending {
        int64_t mailbox;
        unsigned news; /* enum mailbox_news */
    } pending[NOTIFY_PENDING];
    size_t n_pending;
    bool overflow; /* more has happened than fits: all of it is compared */
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

/* The events asked for of a mailbox, by the client's name for it: those of the first group that means it (RFC 5465
 * §3.1). */
unsigned imap_notify_events(const struct imap_session *s, struct str name, bool own, bool subscribed);
bool imap_notify_subscribed(const struct imap_notifying *n, struct str name);

/* All mailboxes of the account that may be seen, by id, in `a`. */
FIBER int imap_notify_tree(struct imap_session *s, struct arena *a, int64_t account, struct mailbox **v, size_t *n);
/* What one is subscribed to, in order of names. */
FIBER int imap_notify_names(struct imap_session *s, struct arena *a, struct str **v, size_t *n);

/* "* STATUS name (...)" if it is not the selected one, and may be read. */
FIBER void imap_notify_status(struct imap_session *s, const struct mailbox *m);

#endif
