/* Header fields of a letter (RFC 5322 §2.2, RFC 6532): walking them, finding them, and where the header ends.
 *
 * Tolerant: a bare LF ends a line as CRLF does, a bare CR is a byte like others, a name may be followed by white space
 * (RFC 5322 §4.5.8), an mbox "From " line at the very top is stepped over. The header ends after the first empty line,
 * or before the first line that is neither a field nor a continuation: that line belongs to the body, as Postfix and
 * Exim have it. */
#ifndef PROTO_IMF_FIELD_H
#define PROTO_IMF_FIELD_H

#include "base/arena.h"
#include "base/buf.h"

struct imf_field {
    struct str name; /* as written, without the white space before the colon */
    struct str body; /* raw: all after the colon, folds included, without the last line end */
    size_t at;       /* offset of the name in the text walked */
    size_t end;      /* offset after the last line end */
};

/* Walks the fields: start with {.text = letter or header}. Does not allocate. */
struct imf_fields {
    struct str text;
    size_t at; /* where the next line begins; after the last field: the end of the fields */
};
bool imf_next_field(struct imf_fields *f, struct imf_field *out); /* false at the end of the header */

struct imf_header {
    size_t size;     /* bytes of the fields, without the empty line */
    size_t body;     /* offset of the body; == size when no empty line separates them */
    bool separated;  /* an empty line was there */
    bool junk;       /* an mbox line on top, or a body that begins without an empty line */
};
struct imf_header imf_header_of(struct str letter);

/* Length of the name when a line begins a field: printable ASCII without colon (RFC 5322 §3.6.8), perhaps white space,
 * colon, this at offset LIMIT_FIELD_NAME at most. 0 otherwise. *colon becomes the offset of the colon; may be NULL. */
size_t imf_field_name(struct str line, size_t *colon);
bool imf_is_mbox_line(struct str line); /* "From " or ">From " */

/* The first field of that name (ASCII case ignored) at or after *from (an offset, start with 0; then just after the
 * field). */
bool imf_find_field(struct str letter, struct str name, size_t *from, struct imf_field *out);

/* Unfolds a raw body (RFC 5322 §2.2.3): line ends before white space vanish, other line ends become a space; trimmed.
 * At most max bytes of input are looked at. Returns a slice of `raw` when nothing had to change, else bytes in `a`. */
struct str imf_unfold(struct arena *a, struct str raw, size_t max);

#endif
