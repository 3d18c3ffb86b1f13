/* Outgoing connections. */
#ifndef IO_CONNECT_H
#define IO_CONNECT_H

#include "io/stream.h"

/* Connects to one endpoint; source: local address or family 0. 0, ERR_TIMEOUT, ERR_CANCELLED, ERR_IO ("connection
 * refused" in *e). */
FIBER int stream_connect(struct endpoint to, struct ip source, mono_us deadline, struct stream **out, struct error *e);

/* Tries the endpoints in order, each with its share of the time left; *which tells the one that answered. */
FIBER int stream_connect_any(const struct endpoint *to, size_t n, struct ip source, mono_us deadline,
                             struct stream **out, size_t *which, struct error *e);

FIBER int stream_connect_unix(const char *path, mono_us deadline, struct stream **out, struct error *e);

#endif
