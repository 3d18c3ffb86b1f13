/* A PROXY protocol header at the beginning of a connection, read only from peers that are configured to send one. */
#ifndef WIRE_PROXY_H
#define WIRE_PROXY_H

#include "io/listen.h"
#include "proto/proxy/header.h"

/* Reads the header (version 1 or 2) and nothing behind it; stream_peer() says from now on what it named, and the
 * connection counts for that address. Waits at most TIMEOUT_PROXY. 0; ERR_SYNTAX (there is none, or it is broken: the
 * connection cannot go on); ERR_BUSY (that address has too many connections); stream errors. */
FIBER int proxy_accept(struct stream *s, struct proxy_header *out);

#endif
