/* Inside io/: a UDP socket that talks to one server, for the resolver.
 *
 * Bound to a random port and connected, so that the kernel drops datagrams of everybody else. Belongs to the loop of
 * the fiber that opened it. In the simulated world there is no name server to talk to: what is sent is lost, the
 * resolver answers from sim_dns_zone() instead. */
#ifndef IO_UDP_H
#define IO_UDP_H

#include "base/str.h"
#include "io/fiber.h"
#include "mail/ip.h"

struct udp;

/* NULL if the system has no socket or no route. From a fiber. */
struct udp *udp_open(struct world *w, struct endpoint server);
void udp_close(struct udp *u); /* NULL is fine */

/* Hands one datagram to the system. 0 or ERR_IO (a full send queue is a lost datagram: 0). */
int udp_send(struct udp *u, struct str datagram);

/* The next datagram, cut at `max` bytes: its length; ERR_TIMEOUT, ERR_CANCELLED, ERR_IO ("port unreachable": nobody
 * serves there). One fiber at a time. */
FIBER int64_t udp_recv(struct udp *u, void *out, size_t max, mono_us deadline);

/* The text given to sim_dns(), "" if none; NULL in the real world. */
const char *sim_dns_zone(struct world *w);

#endif
