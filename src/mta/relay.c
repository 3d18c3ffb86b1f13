/* An errand to a next hop: from the first parcel to QUIT (RFC 5321 §3.3, §4.5.4.1, §5.1).
 *
 * One host after the other until one is ready for MAIL; then one transaction after the other over this connection, the
 * next begun with the last one's final dot where there is PIPELINING. A parcel whose recipients are too many for a
 * transaction takes several. A connection that ends before a first MAIL is answered has harmed nobody: the next host is
 * tried in the same attempt. What replies mean for the recipients is relay_outcome.c's. */
#include "mta/relay_core.h"

/* ---- parcels ---- */

static struct haul *haul_of(struct parcel *p)
{
    struct haul *h = arena_new_of(p->arena, struct haul);
    p->n_tried = 0;
    *h = (struct haul){.parcel = p, .left = arena_array(p->arena, p->n, sizeof *h->left), .n_left = p->n};
    for (size_t i = 0; i < p->n; i++) {
        h->left[i] = i;
        p->v[i].outcome = (struct outcome){.kind = OUTCOME_UNTRIED};
    }
    return h;
}

static bool is_over(const struct haul *h) { return h->n_left == 0 && h->under_way == 0; }

/* Who is still left waits again. */
static void give_back(struct run *r, struct haul *h)
{
    struct parcel *p = h->parcel;
    p->contact = (struct contact){.host = arena_str(p->arena, r->contact.host),
                                  .address = r->contact.address,
                                  .tls = arena_str(p->arena, r->contact.tls)};
    errand_give_back(r->errand, p);
}

/* The next parcel that this server can have. */
static FIBER struct haul *next_haul(struct run *r, int64_t wait_us)
{
    for (struct parcel *p; (p = errand_next(r->errand, wait_us));) {
        struct haul *h = haul_of(p);
        relay_fit(r, h);
        if (h->n_left) return h;
        give_back(r, h);
    }
    return NULL;
}

/* Parcels with recipients left are behind; none that has no one is. */
static void push(struct run *r, struct haul *h)
{
    if (h->is_behind) return;
    h->behind = r->behind;
    h->is_behind = true;
    r->behind = h;
}

static struct haul *pop(struct run *r)
{
    struct haul *h = r->behind;
    if (!h) return NULL;
    r->behind = h->behind;
    h->is_behind = false;
    return h;
}

/* ---- transactions ---- */

static FIBER int read_letter(void *transport, int64_t offset, struct str *piece, struct error *e)
{
    struct transport *t = transport;
    struct haul *h = t->haul;
    if (!str_is_none(h->bytes)) {
        *piece = str_skip(h->bytes, (size_t)offset);
        return 0;
    }
    arena_reset(t->run->reading); /* the piece before is not needed any more */
    t->read_error = store_letter_read(t->run->relay->store, t->run->reading, h->parcel->letter->letter, offset,
                                      LIMIT_BODY_MEMORY, piece, e);
    if (t->read_error == 0 && piece->n == 0)
        t->read_error = error_set(e, ERR_CORRUPT, "the stored letter is shorter than it was");
    return t->read_error;
}

/* RFC 9422 §4.1, and what was found out on this connection */
static size_t recipients_max(const struct run *r)
{
    int most = LIMIT_RELAY_TRANSACTION;
    if (r->client.rcpt_max > 0 && r->client.rcpt_max < most) most = r->client.rcpt_max;
    if (r->rcpt_max > 0 && r->rcpt_max < most) most = r->rcpt_max;
    return (size_t)most;
}

static bool may_begin(const struct run *r) /* RFC 9422 §4.2 */
{
    const struct smtp_client *c = &r->client;
    return c->transactions < LIMIT_RELAY_LETTERS && (c->mail_max == 0 || c->transactions < c->mail_max);
}

/* A transaction with as many of those who are left as go into one. */
static struct transport *transport_of(struct run *r, struct haul *h)
{
    struct parcel *p = h->parcel;
    struct transport *t = arena_new_of(p->arena, struct transport);
    size_t most = recipients_max(r), n = h->n_left < most ? h->n_left : most;
    struct forward_path *to = arena_array(p->arena, n, sizeof *to);
    size_t *who = arena_array(p->arena, n, sizeof *who);
    memcpy(who, h->left, n * sizeof *who);
    memmove(h->left, h->left + n, (h->n_left - n) * sizeof *h->left);
    h->n_left -= n;
    h->under_way++;
    for (size_t i = 0; i < n; i++) {
        const struct queue_item *item = &p->v[who[i]].item;
        to[i] = (struct forward_path){item->final, item->notify, item->orcpt};
    }
    *t = (struct transport){.run = r, .haul = h, .who = who};
    t->out = (struct smtp_outgoing){
        .arena = p->arena,
        .from = p->from,
        .to = to,
        .n = n,
        .size = h->size,
        .eightbit = h->eightbit,
        .utf8 = h->utf8,
        .read = read_letter,
        .arg = t,
        .verdicts = arena_array(p->arena, n, sizeof *t->out.verdicts),
    };
    return t;
}

/* Its recipients are left as they were before. */
static void undo(struct transport *t)
{
    struct haul *h = t->haul;
    memcpy(h->left + h->n_left, t->who, t->out.n * sizeof *t->who);
    h->n_left += t->out.n;
    h->under_way--;
}

/* The transaction that is begun in the same write as the end of the present one's letter. */
static FIBER struct smtp_outgoing *begin_next(void *run)
{
    struct run *r = run;
    if (!may_begin(r)) return NULL;
    struct haul *h = r->now->n_left && !r->now->is_behind ? r->now : pop(r);
    if (!h) h = next_haul(r, 0);
    if (!h) return NULL;
    r->next = transport_of(r, h);
    return &r->next->out;
}

/* The next transaction on this connection; NULL: it is done with. */
static FIBER struct transport *take_next(struct run *r)
{
    struct transport *t = r->next;
    r->next = NULL;
    if (t || !may_begin(r)) return t;
    struct haul *h = pop(r);
    if (h) return transport_of(r, h);
    h = next_haul(r, SPAN_RELAY_IDLE);
    if (!h) return NULL;
    if (!stream_has_input(r->client.io)) return transport_of(r, h);
    push(r, h); /* the server has hung up meanwhile, or is about to */
    return NULL;
}

/* ---- a connection's life ---- */

enum served {
    SERVED,      /* all there was, or all that this connection was good for */
    SERVED_BUSY, /* the connection broke or was ended by the server in the middle of it */
    SERVED_NOT   /* not even one MAIL was answered */
};

/* The connection is over in the middle of t. */
static enum served broken_off(struct run *r, const struct transport *t, int error)
{
    const struct smtp_verdict *first = &t->out.verdicts[0];
    bool at_mail = first->step == SMTP_STEP_MAIL && (first->code == 0 || first->code == 421);
    if (error == ERR_CANCELLED || t->read_error) return SERVED; /* it was not the server's fault */
    if (r->served == 0 && first->step == SMTP_STEP_MAIL && first->code == 0) return SERVED_NOT;
    return at_mail && r->kept ? SERVED : SERVED_BUSY;
}

/* Transactions until nothing is left to carry or the connection is over. */
static FIBER enum served serve(struct run *r)
{
    for (struct transport *t; (t = take_next(r));) {
        struct haul *h = r->now = t->haul;
        struct error e = {0};
        int error = smtp_client_transact(&r->client, &t->out, begin_next, r, &e);
        h->under_way--;
        relay_judge(r, t, error, &e);
        enum served s = error ? broken_off(r, t, error) : SERVED;
        if (is_over(h)) give_back(r, h); /* and t with it */
        else if (h->n_left) push(r, h);
        if (s == SERVED_NOT) relay_setback_error(r, STAGE_DIALOGUE, E(4, 4, 2), "the connection broke", &e);
        if (error) return s;
    }
    return SERVED;
}

/* Nothing more is said on this connection: what was begun or lay behind waits again. */
static void give_back_rest(struct run *r)
{
    if (r->next) {
        undo(r->next);
        push(r, r->next->haul);
        r->next = NULL;
    }
    for (struct haul *h; (h = pop(r));) give_back(r, h);
}

static FIBER enum errand_end try_hosts(struct run *r, struct haul *h)
{
    while (!fiber_cancelled() && hosts_next(&r->hosts, &r->host)) {
        if (!relay_open(r)) continue;
        relay_tell_setbacks(r, h);
        relay_fit(r, h);
        if (h->n_left) push(r, h);
        else give_back(r, h);
        enum served s = serve(r);
        smtp_client_quit(&r->client);
        if (s == SERVED_NOT && (h = pop(r))) continue;
        give_back_rest(r);
        return s == SERVED ? ERRAND_DONE : ERRAND_BUSY;
    }
    relay_settle_nowhere(r, h);
    give_back(r, h);
    return r->busy || r->setbacks.furthest == STAGE_DIALOGUE ? ERRAND_BUSY : ERRAND_NOWHERE;
}

FIBER enum errand_end relay_carry(void *relay, struct errand *e)
{
    struct parcel *p = errand_next(e, 0);
    if (!p) return ERRAND_DONE;
    struct run *r = arena_new_of(e->arena, struct run);
    *r = (struct run){.relay = relay, .errand = e, .lasting = true};
    r->arena = arena_new(e->arena, 0);
    r->reading = arena_new(e->arena, 0);
    hosts_open(&r->hosts, relay, e->arena, e->hop);
    enum errand_end end = try_hosts(r, haul_of(p));
    arena_free(r->reading);
    arena_free(r->arena);
    return end;
}
