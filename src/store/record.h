/* The packed columns that tell a message's story: the payload of a trace row, the envelope beside a body in its pack,
 * and the place of a body.
 *
 * A trace payload is the bytes that are hashed, so what it says cannot be changed afterwards; the layout begins with a
 * version and only ever grows. Readers check everything: the bytes come from a disk. */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "store/blob.h"
#include "store/pack.h"
#include "store/store.h"

enum {
    RECORD_MAX = 2 << 20,    /* bytes of one payload: LIMIT_RECIPIENTS recipients with DSN parameters fit */
    RECORD_TEXT = 512,       /* bytes of an event's text that are kept */
    RECORD_SUBJECT = 255,
    PLACE_MAX = 64,
};

struct record { /* what one trace row says */
    int64_t session, message;
    utc_us at;
    struct address sender;
    struct str subject, message_id;
    const struct trace_recipient *recipients;
    size_t n_recipients;
    const struct trace_event *events;
    size_t n_events;
};

void record_pack(struct buf *b, const struct record *r);
/* Everything points into the payload or lies in `a`. 0, ERR_CORRUPT, ERR_TOO_NEW. An empty payload (redacted) is an
 * empty record. */
int record_unpack(struct arena *a, struct str payload, struct record *out);

/* The envelope in a pack: sender, recipients with their parameters, time of arrival. */
void record_pack_envelope(struct buf *b, const struct reverse_path *from, const struct trace_recipient *r, size_t n,
                          utc_us at);
int record_unpack_envelope(struct arena *a, struct str bytes, struct reverse_path *from, struct trace_recipient **r,
                           size_t *n, utc_us *at);

void place_pack(struct buf *b, const struct pack_place *p);
int place_unpack(struct str bytes, struct pack_place *out); /* 0 or ERR_CORRUPT */

#endif
