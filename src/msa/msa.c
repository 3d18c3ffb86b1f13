/* What 587 and 465 say yes and no to (RFC 6409): who may send as whom, how much, and to whom. */
#include "msa/msa.h"

#include "mail/limits.h"
#include "msa/rights.h"
#include "proto/imf/address_list.h"
#include "trust/mail_domain.h"

static const struct msa *msa_of(const struct reception *r) { return (const struct msa *)(const void *)r->desk; }

static bool may_send(const struct reception *r, struct arena *a, struct address address)
{
    const struct msa *m = msa_of(r);
    if (m->may_send && m->may_send(r->mark, a, r->directory, address)) return true;
    return r->t.trusted || may_send_as(a, r->directory, &r->desk->queue->rules, r->t.account, address);
}

static FIBER struct reply on_connect(struct smtp_session *s)
{
    return R(220, E_NONE, "%.*s ESMTP Penny Post, submission", STR_FMT(s->service->hostname));
}

/* The letter's own authors (RFC 6409 §6.1, RFC 5322 §3.6.2): exactly one From, nobody in it or in Sender whom the
 * account may not be. */
static struct reply judge_header(void *arg, struct arena *a, struct str header)
{
    const struct reception *r = arg;
    struct imf_authors authors;
    struct error e = {0};
    if (imf_authors(a, header, &authors, &e) != 0) return R(550, E(5, 6, 0), "%s", e.text);
    for (size_t i = 0; i < authors.n; i++)
        if (!may_send(r, a, authors.v[i]))
            return R(550, E(5, 7, 1), "you may not send as <%.*s>, which the header names",
                     STR_FMT(address_str(a, authors.v[i])));
    return (struct reply){0};
}

/* May the account still send, and is what it logged in with still good? Both may have changed since. */
static bool is_welcome(const struct smtp_session *s, const struct reception *r)
{
    if (s->trusted || msa_of(r)->may_send) return true;
    const struct directory_account *account = directory_account_by_id(r->directory, s->who.account);
    if (!account || account->disabled) return false;
    for (size_t i = 0; i < account->n_credentials; i++)
        if (account->credentials[i].id == s->who.credential) return true;
    return false;
}

static FIBER struct reply on_mail(struct smtp_session *s, struct smtp_tx *tx)
{
    struct reception *r = reception_begin(s, tx);
    r->mark = s;
    bool limited = r->t.account && !r->t.trusted;
    r->rules = (struct incoming_rules){
        .submission = true,
        .hide_client = !msa_of(r)->show_client,
        .per_hour = limited ? msa_of(r)->per_hour : 0,
        .per_day = limited ? msa_of(r)->per_day : 0,
        .judge = judge_header,
        .arg = r,
    };
    if (!is_welcome(s, r)) return R(550, E(5, 7, 1), "this log-in is not valid any more");
    if (!address_is_null(tx->from.address) && !may_send(r, tx->arena, tx->from.address))
        return R(550, E(5, 7, 1), "you may not send as this address");
    return R(250, E(2, 1, 0), "sender taken down");
}

static struct reply over_limit(const char *span, int64_t limit, utc_us ends)
{
    char text[40];
    struct buf b = {.p = text, .cap = sizeof text, .max = sizeof text};
    time_put_rfc3339(&b, ends);
    return R(450, E(4, 7, 1), "%lld recipients a%s is the limit; it ends at %.*s", (long long)limit, span,
             STR_FMT(buf_str(&b)));
}

/* Judged at each recipient, before the letter, and once more by the store in the commit: other sessions of the account
 * send as well. */
static struct reply judge_amount(const struct reception *r, size_t recipients)
{
    if (r->rules.per_hour == 0) return (struct reply){0};
    struct submission_usage used = store_submission_usage(r->desk->queue->store, r->t.account, r->t.at);
    if (used.hour + (int64_t)recipients > r->rules.per_hour)
        return over_limit("n hour", r->rules.per_hour, used.hour_ends);
    if (used.day + (int64_t)recipients > r->rules.per_day) return over_limit(" day", r->rules.per_day, used.day_ends);
    return (struct reply){0};
}

/* Will the letter go to the hosts that DNS names for the recipient's own domain? Then what DNS says of it is told to
 * the submitter at once. */
static bool goes_by_mx(const struct route *route)
{
    if (!route->relay || route->n != 1) return false;
    const struct next_hop *hop = route->targets[0].hop;
    return hop->kind == HOP_MX && str_eq(hop->host, route->targets[0].final.domain);
}

static FIBER struct reply judge_domain(struct smtp_tx *tx, const struct route *route)
{
    const struct reception *r = tx->mark;
    if (!goes_by_mx(route)) return (struct reply){0};
    switch (mail_domain_check(r->desk->resolver(r->desk->arg), tx->arena, route->targets[0].final.domain)) {
    case MAIL_DOMAIN_NONE: return R(550, E(5, 1, 2), "the recipient's domain does not exist or takes no mail");
    case MAIL_DOMAIN_NULL_MX: return R(556, E(5, 1, 10), "the recipient's domain takes no mail"); /* RFC 7505 §4.1 */
    case MAIL_DOMAIN_FAILURE: /* the queue has more patience */
    case MAIL_DOMAIN_OK: break;
    }
    return (struct reply){0};
}

static FIBER struct reply on_rcpt(struct smtp_session *s, struct smtp_tx *tx, const struct forward_path *to,
                                  void **mark)
{
    const struct route *route = reception_route(s, tx, to, mark);
    if (route->refusal.code) return route->refusal;
    struct reply refusal = judge_amount(tx->mark, tx->rcpt_n + 1);
    if (refusal.code) return refusal;
    refusal = judge_domain(tx, route);
    if (refusal.code) return refusal;
    return R(250, E(2, 1, 5), "recipient taken down");
}

static FIBER struct reply on_data(struct smtp_session *s, struct smtp_tx *tx)
{
    struct reply refusal = judge_amount(tx->mark, tx->rcpt_n);
    return refusal.code ? refusal : reception_data(s, tx);
}

const struct smtp_policy msa_policy = {
    .connect = on_connect,
    .mail = on_mail,
    .rcpt = on_rcpt,
    .data = on_data,
    .bytes = reception_bytes,
    .end = reception_end,
    .done = reception_done,
    .refused = reception_refused,
    .closed = reception_closed,
};
