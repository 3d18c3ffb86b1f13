/* Routes (where mail for others goes) and what the owner says of next hops: rows and the next directory snapshot,
 * changed together. What a route's words mean is mail/next_hop.h's; who follows which route is decided by queue/route.
 */
#include "mail/limits.h"
#include "store/inside.h"

/* ---- when the store is opened ---- */

int load_routes(struct db *db, struct directory *d, struct error *e)
{
    struct query q = db_query(db, SQL_ROUTES);
    int r;
    while ((r = q_row(&q, e)) > 0) {
        struct directory_route route = {.by_sender = q_get_int(&q, 0) != 0,
                                        .key = q_get(&q, 1),
                                        .target = q_get(&q, 2),
                                        .tls = (enum tls_policy)q_get_int(&q, 3),
                                        .user = q_get(&q, 4),
                                        .password = q_get(&q, 5),
                                        .accept = q_get_int(&q, 6) != 0};
        directory_set_route(d, &route);
    }
    if (r) return r;
    q = db_query(db, SQL_DESTINATIONS);
    while ((r = q_row(&q, e)) > 0) {
        struct directory_destination destination = {.key = q_get(&q, 0),
                                                    .suspended = q_get_int(&q, 1) != 0,
                                                    .per_hour = q_get_int(&q, 2)};
        directory_set_destination(d, &destination);
    }
    return r;
}

/* ---- changing them ---- */

static int run_route_put(struct store *s, void *args, struct error *e)
{
    const struct directory_route *route = args;
    struct directory *d = writer_directory(s);
    if (!directory_route(d, route->by_sender, route->key) && directory_count_routes(d) >= LIMIT_ROUTES)
        return error_set(e, ERR_CONFLICT, "there are %d routes, the most there can be", LIMIT_ROUTES);
    struct query q = db_query(s->writer.db, SQL_ROUTE_PUT);
    q_int(&q, route->by_sender);
    q_text(&q, route->key);
    q_bytes(&q, route->target);
    q_int(&q, route->tls);
    q_bytes(&q, route->user);
    q_bytes(&q, route->password);
    q_int(&q, route->accept);
    int r = q_run(&q, e);
    if (!r) directory_set_route(d, route);
    return r;
}

static int run_route_remove(struct store *s, void *args, struct error *e)
{
    const struct directory_route *route = args;
    struct directory *d = writer_directory(s);
    if (!directory_route(d, route->by_sender, route->key))
        return error_set(e, ERR_NOT_FOUND, "there is no route for %s %.*s", route->by_sender ? "sender" : "domain",
                         STR_FMT(route->key));
    struct query q = db_query(s->writer.db, SQL_ROUTE_DELETE);
    q_int(&q, route->by_sender);
    q_text(&q, route->key);
    int r = q_run(&q, e);
    if (!r) directory_drop_route(d, route->by_sender, route->key);
    return r;
}

static int run_destination_put(struct store *s, void *args, struct error *e)
{
    const struct directory_destination *what = args;
    struct directory *d = writer_directory(s);
    bool said = what->suspended || what->per_hour > 0;
    if (said && !directory_destination(d, what->key) && directory_count_destinations(d) >= LIMIT_ROUTES)
        return error_set(e, ERR_CONFLICT, "of %d next hops something is said, the most there can be", LIMIT_ROUTES);
    struct query q = db_query(s->writer.db, said ? SQL_DESTINATION_PUT : SQL_DESTINATION_DELETE);
    q_text(&q, what->key);
    if (said) {
        q_int(&q, what->suspended);
        q_int(&q, what->per_hour);
    }
    int r = q_run(&q, e);
    if (!r) directory_set_destination(d, what);
    return r;
}

static const struct job_kind route_put_job = {.name = "route put", .run = run_route_put};
static const struct job_kind route_remove_job = {.name = "route remove", .run = run_route_remove};
static const struct job_kind destination_put_job = {.name = "destination put", .run = run_destination_put};

FIBER int store_route_put(struct store *s, const struct directory_route *r, struct error *e)
{
    if (r->key.n == 0 || r->key.n >= DIRECTORY_ADDRESS_MAX || r->target.n == 0)
        return error_set(e, ERR_SYNTAX, "a route needs a key, not too long, and a target");
    return store_job(s, &route_put_job, (void *)(uintptr_t)r, 0, e);
}

FIBER int store_route_remove(struct store *s, bool by_sender, struct str key, struct error *e)
{
    return store_job(s, &route_remove_job, &(struct directory_route){.by_sender = by_sender, .key = key}, 0, e);
}

FIBER int store_destination_put(struct store *s, const struct directory_destination *d, struct error *e)
{
    if (d->key.n == 0 || d->key.n > DIRECTORY_ADDRESS_MAX || d->per_hour < 0)
        return error_set(e, ERR_SYNTAX, "a next hop needs a key, not too long, and a limit that is none or more");
    return store_job(s, &destination_put_job, (void *)(uintptr_t)d, 0, e);
}
