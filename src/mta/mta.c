/* What port 25 and LMTP say yes and no to (RFC 5321, RFC 2033, RFC 7504, RFC 1985). The sender's domain is judged at
 * RCPT, so that a refusal is traced and postmaster stays reachable. */
#include "mta/mta.h"

#include "mail/limits.h"
#include "queue/schedule.h"
#include "trust/mail_domain.h"

struct sender { /* what was found out about MAIL's domain; reception.mark */
    bool judged;
    struct reply refusal; /* code 0: none */
};

static struct resolver *resolver_of(const struct reception *r) { return r->desk->resolver(r->desk->arg); }

static FIBER struct reply on_connect(struct smtp_session *s)
{
    /* RFC 2033 §5: not for the open network */
    if (s->service->kind == SMTP_LMTP && !s->trusted && !ip_is_loopback(s->peer.ip))
        return R_CLOSE(554, E(5, 7, 1), "LMTP is for trusted peers");
    return R(220, E_NONE, "%.*s %s Penny Post", STR_FMT(s->service->hostname),
             s->service->kind == SMTP_LMTP ? "LMTP" : "ESMTP");
}

static FIBER struct reply on_mail(struct smtp_session *s, struct smtp_tx *tx)
{
    struct reception *r = reception_begin(s, tx);
    r->mark = arena_new_of(tx->arena, struct sender);
    if (!s->trusted && !ip_is_loopback(s->peer.ip)) r->t.ptr = mail_client_name(resolver_of(r), tx->arena, s->peer.ip);
    return R(250, E(2, 1, 0), "sender taken down");
}

static bool is_exempt(const struct smtp_session *s, const struct reception *r, struct str key)
{
    return s->trusted || s->service->kind == SMTP_LMTP || s->who.account || directory_domain(r->directory, key) ||
           str_eq(key, r->desk->queue->rules.hostname);
}

static FIBER struct reply judge_sender(struct smtp_session *s, struct smtp_tx *tx, struct reception *r)
{
    struct reply pass = {0};
    struct str key;
    if (address_is_null(tx->from.address)) return pass; /* RFC 5321 §4.5.5 */
    if (domain_key(tx->arena, tx->from.address.domain, &key) != 0)
        return R(553, E(5, 1, 7), "the sender's domain is none");
    if (is_exempt(s, r, key)) return pass;
    switch (mail_domain_check(resolver_of(r), tx->arena, key)) {
    case MAIL_DOMAIN_NONE: return R(550, E(5, 1, 8), "the sender's domain does not exist or takes no mail");
    /* RFC 7505 §4.2 */
    case MAIL_DOMAIN_NULL_MX: return R(550, E(5, 7, 27), "the sender's domain says it sends no mail");
    case MAIL_DOMAIN_FAILURE: return R(451, E(4, 4, 3), "the sender's domain cannot be looked up now; try again later");
    case MAIL_DOMAIN_OK: break;
    }
    return pass;
}

static FIBER struct reply sender_refusal(struct smtp_session *s, struct smtp_tx *tx)
{
    struct reception *r = tx->mark;
    struct sender *sender = r->mark;
    if (!sender->judged) {
        sender->refusal = judge_sender(s, tx, r);
        sender->judged = true;
    }
    return sender->refusal;
}

/* Never an open relay: for others' domains we take mail from the owner's networks, and for those domains whose (backup)
 * MX he says we are. */
static bool may_relay(const struct smtp_session *s, const struct route *route) { return s->trusted || route->backup; }

static FIBER struct reply on_rcpt(struct smtp_session *s, struct smtp_tx *tx, const struct forward_path *to,
                                  void **mark)
{
    const struct route *route = reception_route(s, tx, to, mark);
    if (route->refusal.code) return route->refusal;
    if (route->relay && !may_relay(s, route)) return R(550, E(5, 7, 1), "relay access denied: no recipient of ours");
    if (!route->role) {
        struct reply refusal = sender_refusal(s, tx);
        if (refusal.code) return refusal;
    }
    return R(250, E(2, 1, 5), "recipient taken down");
}

/* Where an address of ours leads, one final address a line (RFC 5321 §3.5.2). */
static FIBER struct reply on_expn(struct smtp_session *s, struct str what, struct buf *out)
{
    const struct reception_desk *desk = s->service->agent;
    struct address address;
    struct str rest = what.n > 1 && what.p[0] == '<' && what.p[what.n - 1] == '>' ? str_sub(what, 1, what.n - 1) : what;
    if (address_parse(s->cmd, rest, &address) != 0) return R(501, E(5, 1, 3), "EXPN wants an address");
    const struct directory *d = store_directory_in(s->cmd, desk->queue->store);
    struct route route;
    const struct route_question question = {
        .rcpt = address,
        .our_address = s->local.ip,
        .size = -1,
        .srs_secret = desk->queue->srs_secret,
        .now = clock_utc(desk->queue->world),
    };
    route_resolve(s->cmd, d, &desk->queue->rules, &question, &route);
    for (size_t i = 0; i < route.n && !route.refusal.code && !route.relay; i++) {
        buf_char(out, '<');
        address_put(out, route.targets[i].final);
        buf_lit(out, ">\n");
    }
    if (route.refusal.code) return route.refusal;
    if (route.relay) return R(550, E(5, 1, 1), "no such address here");
    return R(250, E(2, 5, 0), "that is all");
}

/* ---- ETRN ---- */

/* Strangers start only what waits for domains whose MX we are; it is sent nowhere but where their routes lead. */
static bool may_start(const struct smtp_session *s, const struct directory *d, struct str domain)
{
    const struct directory_route *route = route_of_domain(d, domain);
    return s->trusted || (route && route->accept);
}

/* RFC 1985 §5: what waits for a domain ("@example.org": and for those below it) is tried now. */
static FIBER struct reply on_etrn(struct smtp_session *s, struct str node)
{
    const struct reception_desk *desk = s->service->agent;
    const struct directory *d = store_directory_in(s->cmd, desk->queue->store);
    struct queue_filter filter = {.below = node.p[0] == '@'};
    struct error e = {0};
    int64_t changed = 0;
    char client[64];
    struct buf b = BUF_OVER(client);
    if (node.p[0] == '#') return R(459, E(4, 7, 1), "queues have no names here, say a domain"); /* RFC 1985 §5.2.2 */
    if (domain_key(s->cmd, str_skip(node, filter.below), &filter.domain))
        return R(501, E(5, 1, 2), "that is no domain");
    if (!may_start(s, d, filter.domain)) return R(459, E(4, 7, 1), "no mail is kept here for that domain");
    struct scheduler *scheduler = desk->queue->scheduler;
    if (!s->trusted && scheduler && !scheduler_may_be_hurried(scheduler, s->id))
        return R(458, E(4, 7, 1), "the queue was started just now, come again in a minute");
    ip_put_literal(&b, s->peer.ip);
    struct str who = arena_printf(s->cmd, "ETRN from %.*s", STR_FMT(buf_str(&b)));
    if (store_queue_change(desk->queue->store, &filter, QUEUE_RETRY, who, &changed, &e))
        return R(458, E(4, 3, 0), "the queue cannot be started now");
    if (changed == 0) return R(251, E(2, 0, 0), "no messages waiting");
    if (scheduler && !s->trusted) scheduler_hurried(scheduler, s->id);
    if (scheduler) scheduler_look_again(scheduler);
    return R(253, E(2, 0, 0), "%lld pending recipients started", (long long)changed);
}

#define MTA_POLICY \
    .connect = on_connect, .mail = on_mail, .rcpt = on_rcpt, .data = reception_data, .bytes = reception_bytes, \
    .end = reception_end, .done = reception_done, .refused = reception_refused, .closed = reception_closed, \
    .etrn = on_etrn

const struct smtp_policy mta_policy = {MTA_POLICY};
const struct smtp_policy mta_policy_with_expn = {MTA_POLICY, .expn = on_expn};
