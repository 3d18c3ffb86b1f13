/* The client's side: one response of an IMAP server as a tree of values (RFC 9051 §7, RFC 3501 §7), with readers for
 * those that are asked for most.
 *
 * Lenient, for it meets other people's servers. A client gathers a response as framing.h says of commands: a line, and
 * while imap_response_literal() is true of it, the literal's bytes and another line. A body that is streamed elsewhere
 * can stand there as an empty literal instead. */
#ifndef PROTO_IMAP_RESPONSE_H
#define PROTO_IMAP_RESPONSE_H

#include "base/time.h"
#include "proto/imap/write.h"

struct imap_value {
    enum { IMAP_VALUE_NIL, IMAP_VALUE_ATOM, IMAP_VALUE_STRING, IMAP_VALUE_LIST } kind;
    struct str text;           /* an atom: with a section "BODY[HEADER.FIELDS (To)]<0>" as one; a string: its bytes */
    struct imap_value *first;  /* of a list */
    struct imap_value *next;   /* in the same list */
};

enum imap_response_kind { IMAP_TAGGED, IMAP_UNTAGGED, IMAP_CONTINUATION };

struct imap_response {
    enum imap_response_kind kind;
    struct str tag;             /* of a tagged one */
    bool has_number;
    uint32_t number;            /* "* 5 EXISTS" */
    struct str name;            /* "OK", "FETCH", "LIST", as written; empty for a continuation */
    bool is_condition;          /* OK NO BAD BYE PREAUTH: condition, code and text count. Else values. */
    enum imap_condition condition;
    struct str code;            /* "UIDNEXT"; STR_NONE: none */
    struct str code_text;       /* what stands behind it, as written */
    struct imap_value *codes;   /* the same as values; NULL also when it cannot be read as such */
    struct str text;            /* of a condition or a continuation */
    struct imap_value *values;  /* behind the name, or behind number and name */
};

/* Whether the response `so_far` (a line without its end, after what was gathered before) goes on with a literal. Texts
 * of conditions and continuations never do, whatever they end in. */
bool imap_response_literal(struct str so_far, struct imap_literal *out);

/* Parses a whole response without its last line's end. Slices borrow `whole` or lie in `a`. 0, or ERR_SYNTAX; lists
 * deeper than LIMIT_IMAP_RESPONSE_DEPTH are ERR_SYNTAX. */
int imap_response_parse(struct arena *a, struct str whole, struct imap_response *out);

/* --- values --- */

bool imap_value_is(const struct imap_value *v, struct str word);        /* an atom, in any case; NULL is none */
bool imap_value_number(const struct imap_value *v, uint64_t max, uint64_t *out);
bool imap_value_set(struct arena *a, const struct imap_value *v, struct uid_set *out); /* "1:4,9", without "*" */
/* \Recent and \* are left out */
bool imap_value_flags(struct arena *a, const struct imap_value *v, struct imap_flags *out);
/* What follows the name in "name value name value ...", NULL if it is not there. `v` is the first of them. */
const struct imap_value *imap_value_after(const struct imap_value *v, struct str name);
bool imap_values_have(const struct imap_value *v, struct str word);     /* among them: capabilities, attributes */

/* --- responses --- each is true when r is such a response and is right */

struct imap_listed { /* LIST and LSUB (RFC 9051 §7.3.1) */
    const struct imap_value *attributes; /* the first of them */
    char separator;                      /* 0: none */
    struct str name;                     /* see imap_mailbox_decode() */
};
bool imap_listed(const struct imap_response *r, struct imap_listed *out);

/* STATUS: the mailbox, and its items for imap_value_after() */
bool imap_status_of(const struct imap_response *r, struct str *mailbox, const struct imap_value **items);

struct imap_fetched { /* FETCH (RFC 9051 §7.5.2) and UIDFETCH (RFC 9586) */
    uint32_t number;             /* 0 in UIDFETCH */
    uint32_t uid;                /* 0: not told */
    bool has_flags, has_size, has_date, has_modseq;
    struct imap_flags flags;
    bool recent;
    uint64_t size, modseq;
    utc_us date;
    int offset;                  /* of the date, minutes east of UTC */
    struct str body;             /* BODY[], RFC822 or BINARY[]; STR_NONE: not told, or NIL */
    const struct imap_value *all; /* every attribute, for imap_value_after() */
};
bool imap_fetched(struct arena *a, const struct imap_response *r, struct imap_fetched *out);

struct imap_esearched { /* ESEARCH (RFC 9051 §7.3.4, RFC 5267, RFC 9394) */
    struct str tag;              /* STR_NONE: none */
    bool uid;
    bool has_min, has_max, has_count, has_all, has_modseq;
    uint64_t min, max, count, modseq;
    struct uid_set all;
    const struct imap_value *items; /* everything, for imap_value_after() */
};
bool imap_esearched(struct arena *a, const struct imap_response *r, struct imap_esearched *out);

/* SEARCH: the numbers, and the MODSEQ in its end (0: none) */
bool imap_searched(struct arena *a, const struct imap_response *r, struct uid_set *numbers, uint64_t *modseq);

/* VANISHED (RFC 7162 §3.2.10) */
bool imap_vanished(struct arena *a, const struct imap_response *r, bool *earlier, struct uid_set *uids);

/* The first namespace of a kind in NAMESPACE (RFC 9051 §7.3.3): 0 personal, 1 other users', 2 shared. False also when
 * there is none. separator: 0 for NIL. */
bool imap_namespace_of(const struct imap_response *r, int which, struct str *prefix, char *separator);

#endif
