/* Leaf bodies as what they mean: transfer encodings undone (RFC 2045 §6), text brought to UTF-8; HTML as plain text. */
#ifndef PROTO_MIME_DECODE_H
#define PROTO_MIME_DECODE_H

#include "base/codec.h"
#include "proto/mime/parse.h"

/* Appends the body's bytes; tolerant of broken encodings. `out`'s maximum bounds it. 0 or ERR_TOO_LONG (what fits is
 * there). */
int mime_decode(enum mime_encoding encoding, struct str raw, struct buf *out);

/* The same by pieces: start with {.encoding = …}. */
struct mime_decoder {
    enum mime_encoding encoding;
    struct base64_decoder base64;
    struct qp_decoder qp;
};
void mime_decode_feed(struct mime_decoder *d, struct str raw, struct buf *out);
void mime_decode_end(struct mime_decoder *d, struct buf *out);

/* Appends a text leaf as UTF-8 with at most `cap` bytes, after its charset parameter; unknown charsets as
 * charset_to_utf8(). */
int mime_decode_text(struct arena *a, const struct mime_part *part, struct str raw, size_t cap, struct buf *out);

/* Appends the text of an HTML document, without tags, comments, scripts, styles, head; entities decoded; blocks
 * separated by line feeds. UTF-8 in and out, linear time, no tree. At most `cap` bytes. */
void mime_html_text(struct str html, size_t cap, struct buf *out);

/* Appends text with runs of white space, control characters and invisible fillers collapsed to one space, trimmed, at
 * most `characters` of it. */
void mime_collapse(struct str text, size_t characters, struct buf *out);

#endif
