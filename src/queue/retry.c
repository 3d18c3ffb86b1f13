/* The arithmetic of patience (RFC 5321 §4.5.4.1): quick at first, then every few hours, for days. Scattered a little,
 * so that what failed together does not come back together. */
#include "queue/retry.h"

#include "mail/limits.h"

enum { SOON = 2 /* attempts after which a greylist was given its chance */ };

static const int64_t schedule[] = {MINUTES(5),  MINUTES(10), MINUTES(20), MINUTES(40),
                                   MINUTES(80), MINUTES(160), HOURS(4)};
static const int64_t rests[] = {MINUTES(1), MINUTES(2), MINUTES(4), MINUTES(8), MINUTES(16), MINUTES(30)};
#define LENGTH(table) ((int)(sizeof(table) / sizeof *(table)))

/* The n-th of a table, from 1; its last one from there on. */
static int64_t nth(const int64_t *table, int length, int n)
{
    return table[n < 1 ? 0 : n > length ? length - 1 : n - 1];
}

/* ±20 % */
static int64_t scattered(int64_t span, uint64_t random)
{
    return span - span / 5 + (int64_t)(random % (uint64_t)(span / 5 * 2 + 1));
}

static bool status_is(struct status s, unsigned subject, unsigned detail)
{
    return s.class == 4 && s.subject == subject && s.detail == detail;
}

/* RFC 6647 §5: 450 or 451, as a rule with 4.7.1; servers without status codes say it in words. */
static bool is_greylisting(const struct outcome *o)
{
    if (!o->remote || (o->code != 450 && o->code != 451)) return false;
    return status_is(o->status, 7, 1) || str_ifind(o->text, S("greylist")) < o->text.n ||
           str_ifind(o->text, S("graylist")) < o->text.n;
}

static bool is_full(const struct outcome *o) { return status_is(o->status, 2, 2); } /* RFC 3463 §3.3 */

utc_us retry_due(utc_us now, int attempts, const struct outcome *o, uint64_t random)
{
    int64_t span = nth(schedule, LENGTH(schedule), attempts);
    if (is_greylisting(o) && attempts <= SOON) span = schedule[0];
    if (is_full(o)) span = span * 2 > HOURS(1) ? span * 2 : HOURS(1); /* people empty mailboxes, not minutes */
    return now + scattered(span, random);
}

utc_us retry_expires(utc_us from, bool null_sender) { return from + (null_sender ? SPAN_EXPIRES_NULL : SPAN_EXPIRES); }

bool retry_warns(const struct queue_item *item, utc_us now)
{
    return !item->warned && now >= item->not_before + SPAN_DELAY_WARNING;
}

int64_t retry_rest(int failures, uint64_t random) { return scattered(nth(rests, LENGTH(rests), failures), random); }
