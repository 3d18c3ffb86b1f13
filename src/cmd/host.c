/* The addresses of a host that a person names. */
#include "cmd/host.h"

#include <netdb.h>

struct lookup {
    const char *host;
    uint16_t port;
    struct endpoint *out;
    size_t max, n;
    int code; /* of getaddrinfo */
};

static void look_up(void *arg)
{
    struct lookup *l = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found;
    l->code = getaddrinfo(l->host, NULL, &hints, &found);
    if (l->code) return;
    for (struct addrinfo *i = found; i && l->n < l->max; i = i->ai_next) {
        char text[NI_MAXHOST];
        struct endpoint *at = &l->out[l->n];
        if (getnameinfo(i->ai_addr, i->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0) continue;
        at->port = l->port;
        if (ip_parse(str_c(text), &at->ip) == 0) l->n++;
    }
    freeaddrinfo(found);
}

FIBER int host_find(struct arena *a, struct str host, uint16_t port, struct endpoint *out, size_t max, size_t *n,
                    struct error *e)
{
    struct lookup l = {.host = arena_cstr(a, host), .port = port, .out = out, .max = max};
    *n = 1;
    out[0].port = port;
    if (ip_parse(host, &out[0].ip) == 0) return 0;
    offload(look_up, &l);
    *n = l.n;
    if (l.n) return 0;
    return error_set(e, l.code == EAI_AGAIN ? ERR_BUSY : ERR_UNAVAILABLE, "there is no host %.*s: %s", STR_FMT(host),
                     l.code ? gai_strerror(l.code) : "no address");
}
