/* Inside maa/imap/: FETCH (RFC 9051 §6.4.5) in its parts.
 *
 *     fetch.c          which letters, page by page: the next page is read while this one is written
 *     fetch_letter.c   one letter's response
 *     fetch_section.c  what BODY[…] and BINARY[…] mean in a letter's tree of parts
 *     fetch_bytes.c    those bytes, from memory or block by block from the store */
#ifndef MAA_IMAP_FETCH_H
#define MAA_IMAP_FETCH_H

#include "maa/imap/out.h"
#include "proto/mime/decode.h"
#include "proto/mime/derive.h"

enum {
    FETCH_LETTERS = 512,      /* of a page at most, */
    FETCH_BYTES = 512 << 10,  /* and of their bytes */
    FETCH_WHOLE = 256 << 10,  /* a longer letter is read block by block */
    FETCH_BLOCK = 256 << 10,
};

struct fetch_item { /* of the command, made ready */
    const struct imap_fetch_item *of;
    struct str label;   /* "BODY[HEADER.FIELDS (To Cc)]<0> " */
    struct str *fields; /* of HEADER.FIELDS, in order */
    size_t n_fields;
};

/* What an item means in the letter at hand. */
struct fetch_extent {
    bool none;           /* there is no such part: NIL */
    bool filtered;       /* of these bytes, a header, certain fields alone */
    uint64_t from, size; /* bytes of the letter, prefix included */
    enum mime_encoding encoding;  /* of BINARY */
};

struct fetch_letter { /* of a page */
    uint32_t seq;
    const struct view_entry *e;
    const struct view_chunk *chunk; /* the entry's */
    struct letter_read *read;       /* NULL: nothing of it was needed, or it is not read yet */
    utc_us saved_at;
    bool seen;                      /* it became \Seen by this command */
};

struct fetch {
    struct imap_session *s;
    const struct imap_fetch *c;
    const struct snapshot *shown;
    struct fetch_item *items;
    size_t n_items;
    /* what is wanted */
    unsigned want;           /* letters_want */
    bool reads;              /* letters from the store */
    bool facts;              /* sizes or dates */
    bool saved;              /* save dates */
    bool parts;              /* the tree of parts, */
    bool root;               /* or how long the header is */
    bool marks;              /* \Seen */
    bool put_flags, put_uid, put_modseq; /* beside what the items say */
    bool utf8;
    bool by_uid;             /* UID FETCH */
    struct uid_set seen;     /* letters that became \Seen, as their responses say */

    struct imap_out out;
    struct arena *memory;    /* of the command; not the session's */
    struct arena *letter;    /* of the letter at hand */
    struct fetch_extent *extents; /* of the items, in the letter at hand */
    bool gone, damaged, undecodable; /* letters left out, and why */
    bool lost;               /* the client was promised bytes that cannot be read */
    struct error why;
};

/* fetch_section.c */
/* Fills f->extents for the letter. 0; ERR_CORRUPT; ERR_UNSUPPORTED: a BINARY part is encoded in an unknown way. */
int fetch_resolve(struct fetch *f, const struct letter_read *l);
/* The part of a path: sections of RFC 9051 §6.4.5.1. NULL: there is none. */
const struct mime_part *fetch_part(const struct mime_part *root, const uint32_t *path, size_t depth);

/* fetch_bytes.c: each appends to f->out; 0 or the stream's error, or f->lost */
FIBER int fetch_put_section(struct fetch *f, const struct fetch_item *item, const struct fetch_extent *x,
                            struct letter_read *l);
FIBER int fetch_put_binary(struct fetch *f, const struct fetch_item *item, const struct fetch_extent *x,
                           struct letter_read *l);
FIBER int fetch_put_binary_size(struct fetch *f, const struct fetch_extent *x, struct letter_read *l);

/* fetch_letter.c */
/* Its whole response; what cannot be had is noted in f, and nothing of the letter is written. 0, or the session is
 * over.
 */
FIBER int fetch_put_letter(struct fetch *f, struct fetch_letter *l);

#endif
