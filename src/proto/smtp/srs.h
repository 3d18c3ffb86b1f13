/* Return addresses of forwarded mail (the Sender Rewriting Scheme): SRS0 names the sender behind a keyed hash and a
 * day, SRS1 wraps another forwarder's SRS0 once, however many forwarders follow.
 *
 *     SRS0=HASH=DAY=DOMAIN=LOCAL@ours         SRS1=HASH=THEIRS==HASH=DAY=DOMAIN=LOCAL@ours
 *
 * The hash is over the folded text, because others change case on the way. There is no RFC; libsrs and postsrsd speak
 * it so. */
#ifndef PROTO_SMTP_SRS_H
#define PROTO_SMTP_SRS_H

#include "base/time.h"
#include "mail/address.h"

bool srs_is(struct str local); /* begins with SRS0 or SRS1 and a separator, in any case */

/* The return address for a letter of `sender` forwarded at `at` (the letter's arrival, so that every attempt says the
 * same). <> stays <>. ERR_TOO_LONG: over LIMIT_PATH. */
int srs_forward(struct arena *a, struct str secret, struct address sender, struct str our_domain, utc_us at,
                struct address *out);

/* Whom such an address means: 0; ERR_SYNTAX (not one, or damaged); ERR_DENIED (the hash is not ours, compared in
 * constant time); ERR_TIMEOUT (older than SPAN_SRS, or from the future). */
int srs_reverse(struct arena *a, struct str secret, struct address srs, utc_us now, struct address *out);

#endif
