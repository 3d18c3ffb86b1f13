/* Values with parameters (RFC 2045 §5.1, RFC 2231): Content-Type, Content-Disposition, and their like. Tolerant. */
#ifndef PROTO_MIME_PARAMS_H
#define PROTO_MIME_PARAMS_H

#include "base/buf.h"
#include "proto/mime/parse.h"

struct mime_value {
    struct str type;    /* "text" of "text/plain", "attachment"; lower case; empty when the value is no token */
    struct str subtype; /* lower case; empty without "/" */
    struct mime_params params;
    bool cut;           /* more than LIMIT_MIME_PARAMETERS, or the budget is used up */
};

/* Working memory, reused between calls; lives as long as its arena. */
struct mime_scratch {
    struct buf *text, *pieces;
};
struct mime_scratch mime_scratch_in(struct arena *a);

/* body: raw or unfolded, at most LIMIT_FIELD_SHOWN bytes of it count. Linear time.
 * *budget: bytes of `a` that may be taken, lowered by what was. The usual types and names take none. */
struct mime_value mime_value_parse(struct arena *a, struct str body, struct mime_scratch scratch, size_t *budget);

/* A copy in `a` if the budget allows it, else STR_NONE with *cut set. */
struct str mime_keep(struct arena *a, struct str s, size_t *budget, bool *cut);

/* The kind of a Content-Transfer-Encoding (RFC 2045 §6.1), and its name back ("7bit" for MIME_OTHER_ENCODING). */
enum mime_encoding mime_encoding_of(struct str name);
struct str mime_encoding_name(enum mime_encoding e);

#endif
