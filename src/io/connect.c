/* Outgoing streams in either world, and the choice among several addresses. */
#include "io/connect.h"

#include "io/world_core.h"

FIBER int stream_connect(struct endpoint to, struct ip source, mono_us deadline, struct stream **out, struct error *e)
{
    struct world *w = loop_world(loop_self());
    struct conn *c;
    int result = w->ops->connect(w, to, source, deadline, &c, e);
    if (result) return result;
    *out = stream_over(c);
    return 0;
}

FIBER int stream_connect_unix(const char *path, mono_us deadline, struct stream **out, struct error *e)
{
    struct world *w = loop_world(loop_self());
    struct conn *c;
    int result = w->ops->connect_unix(w, path, deadline, &c, e);
    if (result) return result;
    *out = stream_over(c);
    return 0;
}

FIBER int stream_connect_any(const struct endpoint *to, size_t n, struct ip source, mono_us deadline,
                             struct stream **out, size_t *which, struct error *e)
{
    int result = error_set(e, ERR_NOT_FOUND, "no address to connect to");
    for (size_t i = 0; i < n; i++) {
        if (source.family && source.family != to[i].ip.family) continue;
        mono_us share = deadline;
        if (deadline != FOREVER) share = loop_now() + (deadline - loop_now()) / (int64_t)(n - i);
        result = stream_connect(to[i], source, share, out, e);
        if (result == 0) {
            *which = i;
            return 0;
        }
        if (result == ERR_CANCELLED) return result;
    }
    return result;
}
