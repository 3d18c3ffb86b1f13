/* What became of a letter at its acceptance, told to who asked (RFC 3461 §5.2.3 mailboxes, §5.2.7 aliases): one report
 * of all its recipients. */
#include "queue/receipt.h"

#include "queue/report.h"

/* A letter for others than mailboxes is reported by who carries it further. */
static bool is_final(const struct route *route)
{
    return route->n > 1 || route->targets[0].account || route->targets[0].hop->kind == HOP_DISCARD;
}

static bool is_owed(const struct incoming_recipient *rcpt, const struct reply *result)
{
    return result->code == 0 && rcpt->path.notify & DSN_NOTIFY_SUCCESS && !(rcpt->path.notify & DSN_NOTIFY_NEVER) &&
           rcpt->route->n > 0 && is_final(rcpt->route);
}

/* Held back for its release, all of it: it is in no mailbox yet. */
static bool is_held(const struct planning *p, const struct acceptance *a)
{
    return a->n_queue && a->queue[0].not_before > p->now;
}

static void describe(const struct incoming_recipient *rcpt, utc_us at, struct dsn_recipient *out)
{
    bool several = rcpt->route->n > 1;
    *out = (struct dsn_recipient){
        .original = rcpt->path.orcpt,
        .final = rcpt->path.address, /* where our aliases lead is nobody else's business (RFC 3464 §4.2) */
        .action = several ? DSN_EXPANDED : DSN_DELIVERED,
        .status = E(2, 0, 0),
        .last_attempt = at,
    };
}

static FIBER int add(const struct planning *p, struct str header, const struct dsn_recipient *v, size_t n,
                     struct acceptance **all, size_t *n_all, struct error *e)
{
    const struct transaction *t = p->t;
    const struct acceptance *about = *all;
    struct acceptance *both = arena_array(p->arena, 2, sizeof *both);
    struct dsn_report report = {
        .to = t->from.address,
        .in_reply_to = about->facts->message_id,
        .arrived = t->at,
        .envid = t->from.envid,
        .subject = about->facts->subject,
        .queue_id = t->id,
        .utf8 = t->from.smtputf8 || !address_is_ascii(t->from.address),
        .v = v,
        .n = n,
        .returned = report_header(header),
    };
    int r = report_post(p->queue, p->arena, &report, t->account, &both[1], e);
    if (r) return r == ERR_NOT_FOUND ? 0 : r;
    both[0] = *about;
    *all = both;
    *n_all = 2;
    return 0;
}

FIBER int receipt_add(const struct planning *p, struct str header, const struct reply *results, struct acceptance **v,
                      size_t *n, struct error *e)
{
    size_t owed = 0, k = 0;
    if (!p->authenticated || address_is_null(p->t->from.address) || is_held(p, *v)) return 0;
    for (size_t i = 0; i < p->n_rcpt; i++) owed += is_owed(&p->rcpt[i], &results[i]);
    if (owed == 0) return 0;
    struct dsn_recipient *told = arena_array(p->arena, owed, sizeof *told);
    for (size_t i = 0; i < p->n_rcpt; i++)
        if (is_owed(&p->rcpt[i], &results[i])) describe(&p->rcpt[i], p->t->at, &told[k++]);
    return add(p, header, told, owed, v, n, e);
}
