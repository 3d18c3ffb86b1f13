/* The header edits a letter gets on its way in (RFC 6409 §8, RFC 8601 §5), as one pure step over the header's bytes.
 *
 * What is not named by the edit stays byte for byte; fields are taken out whole, with their folds; what is added stands
 * at the very top. */
#ifndef PROTO_IMF_EDIT_H
#define PROTO_IMF_EDIT_H

#include "base/buf.h"
#include "base/time.h"

struct imf_edit {
    const struct str *remove; /* field names, ASCII case ignored */
    size_t removes;
    struct str authserv_id;   /* Authentication-Results that bear this id are removed; empty: none are */
    struct str prepend;       /* whole fields with CRLF, such as Received; may be empty */
    bool add_date;            /* when there is no Date */
    utc_us now;
    int offset;
    struct str add_message_id; /* "left@host" for a Message-ID when there is none; empty: do not add */
};

struct imf_edited {
    size_t header;   /* bytes of the old header that the new one stands for, the empty line included */
    size_t removed;  /* fields taken out */
    bool added_date, added_message_id;
};

/* letter: from its first byte; must hold the whole header, the rest does not matter. Writes the new header, the empty
 * line included (one is added where none separated header and body), to `out`; out.failed tells of its maximum. The new
 * letter is `out` followed by letter[result.header ...]. */
struct imf_edited imf_edit_header(struct buf *out, struct str letter, const struct imf_edit *e);

/* True when an Authentication-Results body names this authserv-id (RFC 8601 §2.2), comments and quotes understood. */
bool imf_is_authserv_id(struct str body, struct str id);

#endif
