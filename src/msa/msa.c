/* What 587 and 465 say yes and no to (RFC 6409): who may send as whom, how much, and to whom. */
#include "msa/msa.h"

#include "mail/limits.h"
#include "msa/rights.h"
#include "proto/imf/address_list.h"
#include "trust/mail_domain.h"

static const struct msa *msa_of(const struct reception *r) { return (const struct msa *)(const void *)r->desk; }

static bool may_send(const struct reception *r, struct arena *a, struct address address)
{
    return r->t.trusted || may_send_as(a, r->directory, &r->desk->queue->rules, r->t.account, address);
}

static FIBER struct reply on_connect(struct smtp_session *s)
{
    return R(220, E_NONE, "%.*s ESMTP Penny Post, submission", STR_FMT(s->service->hostname));
}

/* The letter's own authors (RFC 6409 §6.1, RFC 5322 §3.6.2): exactly one From, nobody in it or in Sender whom the account may not be. */
static struct reply judge_header(void *arg, struct arena *a, struct str header)
{
    const struct reception *r = arg;
    struct imf_authors authors;
    struct error e = {0};
    if (imf_authors(a, header, &authors, &e) != 0) return R(550, E(5, 6, 0), "%s", e.text);
    for (size_t i = 0; i < authors.n; i++)
        if (!may_send(r, a, authors.v[i]))
            return R(550, E(5, 7, 1), "you may not send as <%.*s>, which the header names", STR_FMT(address_str(a, authors.v[i])));
    return (struct reply){0};
}

static FIBER struct reply on_mail(struct smtp_session *s, struct smtp_tx *tx)
{
    struct reception *r = reception_begin(s, tx);
    r->rules = (struct incoming_rules){
        .submission = true,
        .hide_client = !msa_of(r)->show_client,
        .judge = judge_header,
        .arg = r,
    };
    if (!address_is_null(tx->from.address) && !may_send(r, tx->arena, tx->from.address))
        return R(550, E(5, 7, 1), "you may not send as this address");
    return R(250, E(2, 1, 0), "sender taken down");
}

static struct reply over_limit(const char *span, int64_t limit, utc_us ends)
{
    char text[40];
    struct buf b = {.p = text, .cap = sizeof text, .max = sizeof text};
    time_put_rfc3339(&b, ends);
    return R(450, E(4, 7, 1), "%lld recipients a%s is the limit; it ends at %.*s", (long long)limit, span, STR_FMT(buf_str(&b)));
}

static struct reply judge_amount(const struct reception *r, const struct smtp_tx *tx)
{
    if (r->t.account == 0) return (struct reply){0};
    const struct msa *msa = msa_of(r);
    struct submission_usage used = store_submission_usage(r->desk->queue->store, r->t.account, r->t.at);
    int64_t now = (int64_t)tx->rcpt_n + 1;
    if (used.hour + now > msa->per_hour) return over_limit("n hour", msa->per_hour, used.hour_ends);
    if (used.day + now > msa->per_day) return over_limit(" day", msa->per_day, used.day_ends);
    return (struct reply){0};
}

static FIBER struct reply judge_foreign(struct smtp_session *s, struct smtp_tx *tx, const struct route *route)
{
    (void)s;
    struct reception *r = tx->mark;
    if (!route->relay) return R(451, E(4, 4, 4), "sending on to other hosts is not possible yet");
    switch (mail_domain_check(r->desk->resolver(r->desk->arg), tx->arena, route->targets[0].final.domain)) {
    case MAIL_DOMAIN_NONE: return R(550, E(5, 1, 2), "the recipient's domain does not exist or takes no mail");
    case MAIL_DOMAIN_NULL_MX: return R(556, E(5, 1, 10), "the recipient's domain takes no mail"); /* RFC 7505 §4.1 */
    case MAIL_DOMAIN_FAILURE:
    case MAIL_DOMAIN_OK: break;
    }
    return R(451, E(4, 4, 4), "sending on to other hosts is not possible yet");
}

static FIBER struct reply on_rcpt(struct smtp_session *s, struct smtp_tx *tx, const struct forward_path *to, void **mark)
{
    const struct route *route = reception_route(s, tx, to, mark);
    if (route->refusal.code) return route->refusal;
    struct reply refusal = judge_amount(tx->mark, tx);
    if (refusal.code) return refusal;
    if (route->foreign) return judge_foreign(s, tx, route);
    return R(250, E(2, 1, 5), "recipient taken down");
}

const struct smtp_policy msa_policy = {
    .connect = on_connect,
    .mail = on_mail,
    .rcpt = on_rcpt,
    .data = reception_data,
    .bytes = reception_bytes,
    .end = reception_end,
    .done = reception_done,
    .refused = reception_refused,
    .closed = reception_closed,
};
