/* Errands: fibers that take parcels of one next hop to whoever carries there, and bring them back with an outcome. */
#include "base/codec.h"
#include "proto/smtp/srs.h"
#include "queue/post.h"
#include "queue/schedule_core.h"

/* ---- a parcel is made ready ---- */

static void settle_all(struct scheduler *s, struct bundle *b, struct outcome o)
{
    for (size_t i = 0; i < b->parcel.n; i++) b->parcel.v[i].outcome = o;
    settle(s, b);
}

/* Its rows are found again; not at once, if the store has a fault. */
static void put_away(struct scheduler *s, struct bundle *b)
{
    hop_has_more(s, b->hop, (struct queue_place){0});
    finder_expect(s, clock_utc(s->world) + SPAN_QUEUE_LEASE);
    bundle_free(s, b);
}

/* The letter cannot be read, or is gone. */
static FIBER void give_up(struct scheduler *s, struct bundle *b, int code, const struct error *e)
{
    hop_not_sent(b->hop, b->parcel.n);
    if (code == ERR_NOT_FOUND) {
        bundle_free(s, b); /* somebody has removed it meanwhile */
    } else if (code == ERR_CORRUPT) {
        settle_all(s, b, (struct outcome){.kind = OUTCOME_DAMAGED, .text = arena_str(b->parcel.arena, str_c(e->text))});
    } else {
        put_away(s, b);
        fiber_sleep(SECONDS(1));
    }
}

/* MAIL of what an alias leads away: its failure comes back here, and the sender's domain does not vouch for us. Our own
 * domains' letters go as they are, and so do those that have no room for another name. */
static struct reverse_path reverse_path_of(const struct scheduler *s, const struct bundle *b, const struct directory *d)
{
    struct reverse_path from = b->mail->letter.from;
    const struct queue *q = s->queue;
    struct arena *a = b->parcel.arena;
    struct str domain;
    if (!b->parcel.v[0].item.forwarded || address_is_null(from.address) || q->srs_secret.n == 0) return from;
    if (domain_key(a, from.address.domain, &domain) == 0 &&
        (directory_domain(d, domain) || str_eq(domain, q->rules.hostname)))
        return from;
    srs_forward(a, q->srs_secret, from.address, q->rules.hostname, b->mail->letter.received_at, &from.address);
    return from;
}

static void move_on(struct scheduler *s, struct bundle *b, struct str key)
{
    hop_not_sent(b->hop, b->parcel.n);
    settle_all(s, b, (struct outcome){.kind = OUTCOME_MOVED, .text = key});
}

/* Where do they go by today's routes? Those that do not go where the first goes wait apart. */
static void resolve(struct scheduler *s, struct bundle *b, const struct directory *d, struct next_hop *out)
{
    struct arena *a = b->parcel.arena;
    const struct out_recipient *v = b->parcel.v;
    struct address sender = {0}, final;
    if (b->mail->letter.authenticated) address_key(a, b->mail->letter.from.address, &sender); /* else anybody's */
    for (size_t i = 0; i < b->parcel.n; i++) {
        struct next_hop hop;
        if (i > 0 && str_eq(v[i].item.final.domain, v[i - 1].item.final.domain)) continue;
        if (address_key(a, v[i].item.final, &final) != 0) final = v[i].item.final;
        route_next_hop(a, d, &s->queue->rules, sender, final, &hop, NULL);
        if (i == 0) *out = hop;
        else if (!str_eq(hop.key, out->key)) { /* ends the loop */ struct bundle *apart = bundle_split(s, b, i);
            hop_not_sent(b->hop, apart->parcel.n);
            hop_add(s, b->hop, apart, true);
        }
    }
}

static void set_out_for(struct run *r, const struct next_hop *hop)
{
    struct arena *a = r->errand.arena;
    r->next_hop = *hop;
    r->next_hop.key = arena_str(a, hop->key);
    r->next_hop.host = arena_str(a, hop->host);
    r->next_hop.user = arena_str(a, hop->user);
    r->next_hop.password = arena_str(a, hop->password);
    r->next_hop.text = arena_str(a, hop->text);
    r->resolved = true;
}

/* Loads what is missing. False: this one is not to be carried (it has been dealt with). */
static FIBER bool make_ready(struct scheduler *s, struct run *r, struct bundle *b)
{
    struct error e = {0};
    struct next_hop hop;
    bool fresh = b->mail->loaded;
    int error = fresh ? 0 : mail_load(s, b->mail, b->parcel.v[0].item.message, &e);
    if (error) {
        give_up(s, b, error, &e);
        return false;
    }
    const struct directory *d = store_directory_in(b->parcel.arena, s->queue->store);
    if (!r->resolved || !fresh) {
        resolve(s, b, d, &hop);
        if (!str_eq(hop.key, b->hop->key)) {
            move_on(s, b, hop.key);
            return false;
        }
    }
    if (!r->resolved) set_out_for(r, &hop);
    b->parcel.from = reverse_path_of(s, b, d);
    b->parcel.hop = &r->next_hop;
    b->parcel.contact = (struct contact){0};
    return true;
}

/* ---- the next one ---- */

static void wake_idle(struct run *r)
{
    list_remove(&r->in_idle);
    list_remove(&r->in_all_idle);
    fiber_wake(r->fiber);
}

void errand_call(struct hop *h)
{
    struct list *last = h->idle.prev; /* who came back last: his connection is the surest to live */
    if (last == &h->idle) return;
    struct run *r = list_entry(last, struct run, in_idle);
    r->called = true;
    wake_idle(r);
}

void errands_dismiss_idle(struct scheduler *s, bool all)
{
    while (!list_empty(&s->idle)) {
        struct run *r = list_entry(s->idle.next, struct run, in_all_idle);
        r->dismissed = true;
        wake_idle(r);
        if (!all) return;
    }
}

static bool is_crowded(const struct scheduler *s)
{
    return s->connections >= s->limits.connections && !list_empty(&s->ready);
}

static FIBER void wait_for_parcel(struct scheduler *s, struct run *r, int64_t span)
{
    mono_us until = loop_now() + span;
    r->called = false;
    r->fiber = fiber_self();
    list_push(&r->hop->idle, &r->in_idle);
    list_push(&s->idle, &r->in_all_idle);
    while (!r->called && !r->dismissed && fiber_park(until) == 0) continue;
    list_remove(&r->in_idle);
    list_remove(&r->in_all_idle);
}

/* While others wait for a connection nobody keeps his for long. */
static bool may_go_on(struct scheduler *s, const struct run *r)
{
    if (fiber_cancelled() || r->dismissed || (is_crowded(s) && r->parcels >= LIMIT_RELAY_TURN)) return false;
    return r->hop->errands <= r->hop->window && hop_is_open(s, r->hop);
}

FIBER struct parcel *errand_next(struct errand *e, int64_t wait_us)
{
    struct run *r = e->inside;
    struct scheduler *s = e->scheduler;
    struct bundle *b = r->first;
    r->first = NULL;
    if (b) return &b->parcel;
    for (bool waited = false; may_go_on(s, r);) {
        b = hop_take(s, r->hop);
        if (b) {
            hop_check(s, r->hop);
            if (!make_ready(s, r, b)) continue;
            r->parcels++;
            return &b->parcel;
        }
        if (wait_us == 0 || waited || is_crowded(s)) break;
        wait_for_parcel(s, r, wait_us);
        waited = !r->called;
    }
    return NULL;
}

bool errand_has_company(const struct errand *e)
{
    const struct run *r = e->inside;
    return r->hop->errands > 1;
}

/* ---- back with an outcome ---- */

/* Those that somebody tried come first. Returns how many. */
static size_t sort_tried(struct out_recipient *v, size_t n)
{
    size_t tried = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i].outcome.kind == OUTCOME_UNTRIED) continue;
        struct out_recipient moved = v[i];
        memmove(v + tried + 1, v + tried, (i - tried) * sizeof *v);
        v[tried++] = moved;
    }
    return tried;
}

static size_t count_untried(const struct bundle *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->parcel.n; i++) n += b->parcel.v[i].outcome.kind == OUTCOME_UNTRIED;
    return n;
}

/* Those that nobody tried wait again, in front. What is left to be settled; NULL: nothing. */
static struct bundle *keep_untried(struct scheduler *s, struct bundle *b)
{
    size_t untried = count_untried(b);
    struct bundle *rest = b;
    if (untried == 0) return b;
    hop_not_sent(b->hop, untried);
    if (untried < b->parcel.n) {
        bundle_let_go(s, b);
        size_t tried = sort_tried(b->parcel.v, b->parcel.n);
        bundle_hold(s, b);
        rest = bundle_split(s, b, tried);
    }
    if (s->stopping) bundle_free(s, rest);
    else hop_add(s, rest->hop, rest, true);
    return rest == b ? NULL : b;
}

static void note_outcome(struct scheduler *s, struct run *r, const struct parcel *p)
{
    struct arena *a = r->errand.arena;
    r->last = p->v[0].outcome;
    bool served = false;
    for (size_t i = 0; i < p->n; i++) {
        const struct outcome *o = &p->v[i].outcome;
        served |= o->kind == OUTCOME_DELIVERED || (o->kind == OUTCOME_FAILED && o->remote);
        if (o->kind == OUTCOME_DEFERRED) r->last = *o;
    }
    if (served) {
        r->delivered++;
        hop_served(s, r->hop);
    } else {
        r->last.text = arena_str(a, str_head(r->last.text, LIMIT_QUEUE_REPLY));
        r->contact = p->contact;
        r->contact.host = arena_str(a, p->contact.host);
        r->contact.tls = arena_str(a, p->contact.tls);
    }
}

void errand_give_back(struct errand *e, struct parcel *p)
{
    struct run *r = e->inside;
    struct scheduler *s = e->scheduler;
    struct bundle *b = (struct bundle *)p;
    note_outcome(s, r, p);
    b->into_mailboxes = p->hop->lmtp;
    p->hop = NULL; /* it goes with the errand */
    b = keep_untried(s, b);
    if (b) settle(s, b);
}

/* ---- the run ---- */

static void throw_away(struct errand *e, struct parcel *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->v[i].outcome = (struct outcome){.kind = OUTCOME_DELIVERED, .text = S("thrown away, as its route says")};
    errand_give_back(e, p);
}

static void refuse(struct errand *e, struct parcel *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->v[i].outcome = (struct outcome){.kind = OUTCOME_FAILED,
                                           .code = 550,
                                           .status = E(5, 7, 1),
                                           .text = arena_str(p->arena, p->hop->text)};
    errand_give_back(e, p);
}

static FIBER enum errand_end carry(struct scheduler *s, struct errand *e)
{
    const struct post_office *post = s->queue->post;
    switch (e->hop->kind) {
    case HOP_MX:
    case HOP_HOST: return post->carry(post->carry_arg, e);
    case HOP_LOCAL: return local_carry(s->queue, e);
    case HOP_DISCARD:
    case HOP_REFUSE: break;
    }
    for (struct parcel *p; (p = errand_next(e, 0));) {
        if (e->hop->kind == HOP_DISCARD) throw_away(e, p);
        else refuse(e, p);
    }
    return ERRAND_DONE;
}

static FIBER void go(struct scheduler *s, struct run *r)
{
    struct parcel *first = errand_next(&r->errand, 0);
    if (!first) return;
    r->first = (struct bundle *)first;
    enum errand_end end = carry(s, &r->errand);
    if (r->first) { /* the carrier never took it */
        hop_add(s, r->hop, r->first, true);
        r->first = NULL;
    }
    r->hop->errands--;
    if (end == ERRAND_BUSY) hop_is_busy(s, r->hop, r);
    else if (end == ERRAND_NOWHERE && r->last.kind == OUTCOME_DEFERRED) hop_cannot_be_reached(s, r->hop, r);
    r->hop->errands++;
}

static void run_errand(void *arg)
{
    struct run *r = arg;
    struct scheduler *s = r->errand.scheduler;
    struct hop *h = r->hop;
    go(s, r);
    h->errands--;
    s->connections--;
    arena_free(r->errand.arena);
    hop_check(s, h);
    errands_start(s);
    scheduler_fiber_ends(s);
}

static void start(struct scheduler *s, struct hop *h)
{
    struct arena *a = arena_new(NULL, 0);
    struct run *r = arena_new_of(a, struct run);
    *r = (struct run){.hop = h, .errand = {.hop = &r->next_hop, .scheduler = s, .arena = a, .inside = r}};
    list_init(&r->in_idle);
    list_init(&r->in_all_idle);
    h->errands++;
    h->stuck = false;
    s->connections++;
    scheduler_spawn(s, run_errand, r);
}

void errands_start(struct scheduler *s)
{
    if (is_crowded(s)) errands_dismiss_idle(s, false); /* somebody has nothing to do on his connection */
    while (!s->stopping && s->connections < s->limits.connections) {
        struct list *first = list_shift(&s->ready);
        if (!first) return;
        struct hop *h = list_entry(first, struct hop, in_ready);
        if (h->bundles == 0 || h->errands >= h->window || !hop_is_open(s, h)) continue;
        start(s, h);
        hop_check(s, h);
    }
}
