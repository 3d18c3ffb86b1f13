/* Waiting for a connection, whatever it is made of. */
#include "io/conn.h"

FIBER int conn_wait(struct conn *c, bool for_write, mono_us deadline)
{
    if (c->ops->ready(c, for_write)) return 0;
    c->ops->watch(c, for_write, fiber_self());
    int result = 0;
    while (!c->ops->ready(c, for_write) && result == 0) result = fiber_park(deadline);
    c->ops->watch(c, for_write, NULL);
    return c->ops->ready(c, for_write) ? 0 : result;
}
