/* What an enhanced status code means, in a sentence for people (RFC 3463, RFC 5248 and its registry). */
#ifndef PROTO_DSN_EXPLAIN_H
#define PROTO_DSN_EXPLAIN_H

#include "base/str.h"
#include "mail/status.h"

/* Of a code the registry does not know: what its subject says. Static storage, ASCII, one or two whole sentences. */
struct str dsn_explain(struct status status);

#endif
