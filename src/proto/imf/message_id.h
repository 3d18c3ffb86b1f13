/* Message ids (RFC 5322 §3.6.4) of Message-ID, In-Reply-To, References, Content-ID. */
#ifndef PROTO_IMF_MESSAGE_ID_H
#define PROTO_IMF_MESSAGE_ID_H

#include "base/arena.h"

struct imf_ids {
    struct str *v; /* without the angle brackets, without white space; slices of the body or in the arena */
    size_t n;
};

/* All ids of a field's body, in order, without empty and repeated ones. With more than `max`, the first and the last
 * max - 1 stay (RFC 5256 threads by both ends). Tolerant: "<" to ">" whatever lies between; a body without any
 * bracket is one id if it is one word. Text and comments between ids are stepped over. */
struct imf_ids imf_message_ids(struct arena *a, struct str body, size_t max);

/* The first id, STR_NONE when there is none. */
struct str imf_message_id(struct arena *a, struct str body);

#endif
