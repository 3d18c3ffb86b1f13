/* The mailboxes of another IMAP server, under the names they have or get here. */
#ifndef CMD_REMOTE_LIST_H
#define CMD_REMOTE_LIST_H

#include "cmd/remote.h"
#include "mail/mailbox_name.h"

struct place { /* one of their mailboxes */
    struct str raw;  /* as the server writes it: how it is called towards it */
    struct str name; /* as it would be called here: UTF-8, levels joined by '/', INBOX as "INBOX"; none: it cannot be */
    bool holds_none; /* \Noselect or \NonExistent: a level that has no letters */
    bool all;        /* \All: what is in other mailboxes too (RFC 6154) */
    bool is_virtual; /* \Flagged, \Important: shows letters of other mailboxes alone */
    bool subscribed;
    enum special_use use;
};
struct places {
    struct place *v;
    size_t n, cap;
    char separator;    /* of levels in the user's own namespace; 0: there are none */
    struct str prefix; /* of it, raw: "INBOX." of servers where all lies below INBOX */
};

/* Asks for all that is the user's own; other people's and shared mailboxes are passed over (RFC 2342). 0, an error of
 * the connection, or ERR_TOO_LONG: more than LIMIT_MAILBOXES. In the program's arena. */
FIBER int remote_list(struct remote *r, struct places *out, struct error *e);

/* A name of theirs as ours; STR_NONE when it has no level that could be one. utf8: see imap_mailbox_decode(). */
struct str place_name(struct arena *a, struct str raw, char separator, struct str prefix, bool utf8);
/* A name of ours as theirs, as bytes for imap_client_string(). What is a separator there becomes '_'. */
struct str place_raw(struct arena *a, struct str name, char separator, struct str prefix, bool utf8);

/* Does the pattern ('*': anything) match the name, or a mailbox above it? */
bool place_matches(struct str pattern, struct str name);

#endif
