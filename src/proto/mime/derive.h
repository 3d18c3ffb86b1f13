/* What the store keeps of a letter beside its bytes, computed once, at delivery: enough for IMAP to list a mailbox
 * without opening a pack (RFC 9051 §7.5.2, RFC 8970) and for threading (RFC 5256). */
#ifndef PROTO_MIME_DERIVE_H
#define PROTO_MIME_DERIVE_H

#include "proto/imf/address_list.h"
#include "proto/imf/date.h"
#include "proto/mime/parse.h"

enum {
    MIME_DERIVED_VERSION = 1,   /* of everything below; blobs begin with it */
    MIME_ENVELOPE_MAX = 1 << 20,  /* bytes of an envelope blob: more addresses are left out */
    MIME_STRUCTURE_MAX = 4 << 20, /* bytes of a structure blob; what the parser keeps fits in */
};

struct mime_derived {
    struct str envelope;      /* blob */
    struct str structure;     /* blob */
    struct str subject;       /* decoded, UTF-8 */
    struct str base_subject;  /* RFC 5256 §2.1, UTF-8, not case-folded */
    bool is_reply;
    struct imf_date sent;
    bool has_date;            /* a Date that parses */
    struct str message_id;    /* without brackets; STR_NONE */
    const struct str *references; /* ids of References, else In-Reply-To, oldest first; at most LIMIT_REFERENCES */
    size_t n_references;
    struct str preview;       /* UTF-8, at most LIMIT_PREVIEW characters, white space collapsed */
    bool has_attachment;
    uint32_t parts;
};

/* From a parse; everything in `a`. */
struct mime_derived mime_derive(struct arena *a, const struct mime_letter *letter);

/* Reading back. 0; ERR_CORRUPT for bytes that are no such blob, ERR_TOO_NEW for a later version. Strings point into the
 * blob; offsets are those of the letter that was parsed. */
struct mime_envelope {
    struct str date, subject, in_reply_to, message_id; /* as written, unfolded; STR_NONE when absent */
    struct imf_address_list from, sender, reply_to, to, cc, bcc;
};
int mime_envelope_read(struct arena *a, struct str blob, struct mime_envelope *out);

/* The tree as parsed, except that nested letters have `envelope` instead of `fields`. */
int mime_structure_read(struct arena *a, struct str blob, struct mime_part **root);

/* The letter itself, without its parts and without memory: *root has where header and body are, and its kind. 0 or as
 * above. */
int mime_structure_root(struct str blob, struct mime_part *root);

/* "(date subject from sender reply-to to cc bcc in-reply-to message-id)" of RFC 9051 §7.5.2, from the blob. Sender and
 * Reply-To default to From. Subject and names that are 8-bit go raw to a client that knows UTF-8 (RFC 6855 §3), to
 * others as encoded words; what else is 8-bit goes raw as a literal. NUL becomes 0x80. 0 or as above (then nothing is
 * written).
 */
int mime_put_imap_envelope(struct buf *b, struct str blob, bool utf8);

/* BODY (extended false) or BODYSTRUCTURE (RFC 9051 §7.5.2) from the structure blob. Parameters that are not ASCII
 * go as RFC 2231 writes them (name* "utf-8''..."); a message that is encoded goes as application/octet-stream, for its
 * inside cannot be addressed; a multipart without parts shows one empty text. 0 or as above. */
int mime_put_imap_bodystructure(struct buf *b, struct str blob, bool extended, bool utf8);

#endif
