/* Inside maa/imap/: what the commands on mailboxes (not on the letters in them) share. */
#ifndef MAA_IMAP_TREE_H
#define MAA_IMAP_TREE_H

#include "maa/imap/session.h"

/* The mailbox a command names, if the client has the rights `needed`; *name is decoded. Else *refusal: NONEXISTENT for
 * who may not even look it up. */
FIBER bool imap_find_for(struct imap_session *s, struct str written, right_set needed, struct str *name,
                         struct mailbox *out, struct imap_done *refusal);

/* An account by its login, or by the local part alone if it is of one's own domain; 0: there is none. */
int64_t imap_account_named(struct imap_session *s, struct str login);
/* Whose mailboxes lie below the place: its account, or all that show us something where it is "Shared" itself. */
FIBER int imap_accounts_below(struct imap_session *s, const struct imap_place *place, int64_t **v, size_t *n,
                              struct error *e);
struct str imap_login_of(struct imap_session *s, int64_t account); /* in s->cmd; empty when it is gone */

/* "* LIST (attributes) "/" name ("OLDNAME" (old))" of a mailbox that was renamed (RFC 9051 §6.3.9.7). */
FIBER void imap_tell_name(struct imap_session *s, struct str attributes, struct str name, struct str old);

/* "* METADATA name (entry value …)" of RFC 5464 §4.4.1 for the entries asked for, or nothing; *longest is the size of
 * the longest left out, 0 none. */
FIBER void imap_tell_metadata(struct imap_session *s, struct str name, const struct metadata *v, size_t n,
                              const struct imap_strings *entries, const struct imap_metadata_options *o,
                              uint64_t *longest);

/* ---- LIST's patterns (match.c) ---- */

struct imap_automaton { /* sets of states, a bit for each: the pattern's characters, and its end */
    uint64_t *now, *anything, *level; /* where it is; before a '*', before a '%' */
    uint64_t *rows;                   /* before each other character: */
    unsigned char row[256], n_rows;   /* 0: it is not in the pattern */
};
struct imap_pattern { /* runs of wildcards made one */
    struct str text;
    bool levels; /* it ends in '%': levels that are no mailboxes match too (RFC 3501 §6.3.8) */
    bool wild;   /* it has wildcards: */
    size_t words;
    struct imap_automaton *automaton;
};
struct imap_pattern imap_pattern_of(struct arena *a, struct str text);
/* In time O(pattern / 64 × name) at most: '*' is anything, '%' anything but the separator. */
bool imap_pattern_matches(const struct imap_pattern *p, struct str name);

/* ---- names LIST may tell (list_names.c) ---- */

struct imap_list_name {
    struct str name;
    const struct mailbox *mailbox;  /* NULL: there is none of this name, or we may not see it */
    struct imap_list_name *above;   /* NULL at the root */
    bool left;                      /* there was one, and has children still */
    bool subscribed;
    bool has_children;              /* mailboxes below it that we may see */
    /* while they are selected: */
    bool matches, wanted;           /* by the patterns; by the selection options */
    bool wanted_below, wanted_below_unmatched;
};
struct imap_list_names {
    struct imap_list_name **v; /* parents before children */
    size_t n;
    const struct map *by_name;
};
struct imap_list_name *imap_list_name_find(const struct imap_list_names *names, struct str name);
/* "(\HasNoChildren \Sent)"; what cannot be read is \Noselect, or for NOTIFY \NoAccess. */
enum imap_list_attributes {
    IMAP_LIST_OLD = 1, /* for who knows no \NonExistent */
    IMAP_LIST_SUBSCRIBED = 2,
    IMAP_LIST_NOTIFY = 4
};
void imap_put_list_attributes(const struct imap_session *s, struct buf *b, const struct imap_list_name *it,
                              unsigned how);
/* All mailboxes we may see (of one account, unless it is 0), and the levels above them; with subscriptions, also those
 * of them that name nothing. In s->cmd. */
FIBER int imap_list_names(struct imap_session *s, int64_t account, bool subscriptions, struct imap_list_names *out,
                          struct error *e);

#endif
