/* The scheduler's life: what it has in memory, how letters come into it, and what it tells of itself. Next hops are
 * schedule_hop.c's, errands schedule_errand.c's, rows of the store schedule_find.c's, outcomes schedule_settle.c's. */
#include <stdlib.h>

#include "queue/schedule_core.h"

/* ---- letters at hand ---- */

struct mail *mail_new(void)
{
    struct arena *a = arena_new(NULL, 0);
    struct mail *m = arena_new_of(a, struct mail);
    m->arena = a;
    return m;
}

void mail_drop_if_unused(struct mail *m)
{
    if (m->bundles == 0) arena_free(m->arena);
}

static struct str key_str(const struct row_key *k) { return str_of(k, sizeof *k); }

bool is_at_hand(const struct scheduler *s, const struct queue_item *i)
{
    struct row_key key = {i->message, i->number};
    return map_get(&s->at_hand, key_str(&key)) != NULL;
}

static struct bundle *bundle_make(struct mail *m, struct out_recipient *v, struct row_key *keys, size_t n)
{
    struct bundle *b = arena_new_of(m->arena, struct bundle);
    *b = (struct bundle){.mail = m, .keys = keys};
    b->parcel = (struct parcel){.letter = &m->letter, .bytes = m->bytes, .arena = m->arena, .v = v, .n = n};
    list_init(&b->link);
    m->bundles++;
    return b;
}

void bundle_hold(struct scheduler *s, struct bundle *b)
{
    for (size_t i = 0; i < b->parcel.n; i++) {
        const struct queue_item *item = &b->parcel.v[i].item;
        b->keys[i] = (struct row_key){item->message, item->number};
        map_set(&s->at_hand, key_str(&b->keys[i]), b);
    }
}

void bundle_let_go(struct scheduler *s, struct bundle *b)
{
    for (size_t i = 0; i < b->parcel.n; i++) map_remove(&s->at_hand, key_str(&b->keys[i]));
}

struct bundle *bundle_new(struct scheduler *s, struct mail *m, const struct queue_item *items, size_t n,
                          struct str sender)
{
    struct arena *a = m->arena;
    struct bundle *b = bundle_make(m, arena_array(a, n, sizeof *b->parcel.v), arena_array(a, n, sizeof *b->keys), n);
    for (size_t i = 0; i < n; i++) b->parcel.v[i].item = items[i];
    b->sender = sender;
    b->priority = items[0].priority;
    bundle_hold(s, b);
    s->parcels++;
    s->recipients += (int64_t)n;
    s->bytes += m->bundles == 1 ? (int64_t)m->bytes.n : 0;
    return b;
}

void bundle_free(struct scheduler *s, struct bundle *b)
{
    struct mail *m = b->mail;
    bundle_let_go(s, b);
    s->parcels--;
    s->recipients -= (int64_t)b->parcel.n;
    if (--m->bundles > 0) return;
    s->bytes -= (int64_t)m->bytes.n;
    arena_free(m->arena);
}

struct bundle *bundle_split(struct scheduler *s, struct bundle *b, size_t k)
{
    struct bundle *rest = bundle_make(b->mail, b->parcel.v + k, b->keys + k, b->parcel.n - k);
    rest->hop = b->hop;
    rest->sender = b->sender;
    rest->priority = b->priority;
    b->parcel.n = k;
    bundle_let_go(s, rest); /* whose rows are known as b's */
    bundle_hold(s, rest);
    s->parcels++;
    return rest;
}

bool scheduler_is_full(const struct scheduler *s) { return s->recipients >= (int64_t)s->limits.recipients; }

bool scheduler_is_half_full(const struct scheduler *s) { return s->recipients >= (int64_t)s->limits.recipients / 2; }

/* ---- from the acceptance ---- */

/* What is needed of an acceptance once its arena is gone. */
struct handed_over {
    struct post post;
    struct scheduler *scheduler;
    struct mail *mail;
    struct queue_item *items; /* those whose time has come, */
    size_t n;
    utc_us since;    /* not before then */
    utc_us earliest; /* of the others; INT64_MAX none */
};

static struct str copy(struct arena *a, struct str s) { return s.n ? arena_str(a, s) : S(""); }

static void copy_letter(struct mail *m, const struct acceptance *a, struct str body)
{
    m->letter = (struct queue_letter){
        .id = a->id,
        .submitter = a->submitter,
        .authenticated = a->authenticated,
        .needs_8bit = a->needs_8bit,
        .needs_utf8 = a->needs_utf8,
        .received_at = a->received_at,
        .from = {.address = address_copy(m->arena, a->from.address),
                 .ret = a->from.ret,
                 .envid = copy(m->arena, a->from.envid),
                 .size = -1},
        .message_id = copy(m->arena, a->facts->message_id),
        .subject = copy(m->arena, a->facts->subject),
    };
    if (body.n == 0) return; /* it is read from its pack */
    char *bytes = arena_alloc(m->arena, a->prefix.n + body.n);
    if (a->prefix.n) memcpy(bytes, a->prefix.p, a->prefix.n);
    memcpy(bytes + a->prefix.n, body.p, body.n);
    m->bytes = str_of(bytes, a->prefix.n + body.n);
    m->loaded = true;
}

static struct queue_item item_of(struct arena *a, const struct acceptance *from, size_t i)
{
    const struct queued *q = &from->queue[i];
    const struct forward_path *to = &from->recipients[q->recipient].path;
    return (struct queue_item){
        .message = from->id,
        .number = (int32_t)i,
        .recipient = q->recipient,
        .final = address_copy(a, q->final),
        .original = address_copy(a, to->address),
        .orcpt = copy(a, to->orcpt),
        .notify = q->notify,
        .forwarded = q->forwarded,
        .next_hop = copy(a, q->next_hop),
        .not_before = q->not_before,
        .expires = q->expires,
        .last_reply = S(""),
        .priority = q->priority,
    };
}

/* The letter's recipients with the i-th one's next hop, taken off the others. */
static size_t gather(struct queue_item *v, size_t n)
{
    size_t k = 1;
    for (size_t i = 1; i < n; i++) {
        if (!str_eq(v[i].next_hop, v[0].next_hop) || v[i].forwarded != v[0].forwarded) continue;
        struct queue_item moved = v[i];
        memmove(v + k + 1, v + k, (i - k) * sizeof *v);
        v[k++] = moved;
    }
    return k;
}

/* Its rows are not due before their lease is over, so either we carry them now or the finder does later; the margin is
 * for clocks and commits that took their time. */
static bool is_in_time(struct scheduler *s, const struct handed_over *h)
{
    utc_us now = clock_utc(s->world);
    return s->main && now >= h->since && now < h->since + SPAN_QUEUE_LEASE / 2;
}

static void take_in(struct scheduler *s, struct handed_over *h)
{
    struct mail *m = h->mail;
    struct str sender = address_str(m->arena, m->letter.from.address);
    bool in_time = is_in_time(s, h), all = true;
    for (size_t i = 0, k; i < h->n; i += k) {
        k = gather(h->items + i, h->n - i);
        struct hop *hop = in_time ? hop_of(s, h->items[i].next_hop) : NULL;
        bool room = hop && !is_at_hand(s, &h->items[i]) && hop_has_room(s, hop, sender, h->items[i].priority, true);
        all &= room;
        if (!room) continue;
        hop_add(s, hop, bundle_new(s, m, h->items + i, k, sender), false);
        hop_check(s, hop);
    }
    finder_expect(s, all ? h->earliest : h->since + SPAN_QUEUE_LEASE);
    mail_drop_if_unused(m);
    if (s->main) errands_start(s);
}

static void take_in_post(struct post *p)
{
    struct handed_over *h = list_entry(p, struct handed_over, post);
    if (h->scheduler->ended || h->scheduler->stopping) mail_drop_if_unused(h->mail);
    else take_in(h->scheduler, h);
}

void scheduler_accepted(struct scheduler *s, const struct acceptance *a, struct str body)
{
    if (s->deaf) return; /* the rows are there */
    struct mail *m = mail_new();
    /* those whose bytes have no room are carried all the same, from the store */
    bool roomy = s->bytes + (int64_t)body.n <= s->limits.memory && !scheduler_is_full(s);
    copy_letter(m, a, roomy ? body : STR_NONE);
    struct handed_over *h = arena_new_of(m->arena, struct handed_over);
    *h = (struct handed_over){.scheduler = s,
                              .mail = m,
                              .post.fn = take_in_post,
                              .since = INT64_MIN,
                              .earliest = INT64_MAX};
    utc_us now = clock_utc(s->world);
    h->items = arena_array(m->arena, a->n_queue, sizeof *h->items);
    for (size_t i = 0; i < a->n_queue; i++) {
        utc_us not_before = a->queue[i].not_before;
        if (a->queue[i].leased && not_before <= now) {
            h->items[h->n++] = item_of(m->arena, a, i);
            h->since = not_before;
        } else if (not_before < h->earliest) {
            h->earliest = not_before;
        }
    }
    if (loop_self() == s->loop) take_in(s, h);
    else loop_post(s->loop, &h->post);
}

/* ---- its fibers ---- */

void scheduler_spawn(struct scheduler *s, void (*fn)(void *), void *arg)
{
    s->fibers++;
    fiber_spawn(&s->scope, fn, arg);
}

void scheduler_fiber_ends(struct scheduler *s)
{
    s->fibers--;
    if (s->stopping && s->main) fiber_wake(s->main);
}

/* Letters that were not taken up stay rows. */
static void forget_all_waiting(struct scheduler *s)
{
    const struct map_entry *e;
    for (size_t i = 0; (e = map_next(&s->hops, &i));) hop_forget_waiting(s, e->value);
}

/* Errands end by themselves when they are cancelled; what they bring back is settled; then the settlers end. */
static void run(void *arg)
{
    struct scheduler *s = arg;
    s->main = fiber_self();
    scope_init(&s->scope);
    scheduler_spawn(s, finder_run, s);
    scheduler_spawn(s, settler_run, &s->plain);
    scheduler_spawn(s, settler_run, &s->reporting);
    while (fiber_park(FOREVER) != ERR_CANCELLED) continue;
    s->stopping = true;
    s->deaf = true;
    forget_all_waiting(s);
    finder_wake(s);
    while (s->fibers > 2) fiber_park_whatever();
    settler_end(&s->plain);
    settler_end(&s->reporting);
    while (s->fibers > 0) fiber_park_whatever();
    scope_join(&s->scope);
    s->ended = true;
    s->main = NULL;
}

/* ---- beginning and end ---- */

static void settler_init(struct settler *t, struct scheduler *s)
{
    t->scheduler = s;
    list_init(&t->bundles);
}

struct scheduler *scheduler_new(struct loop *l, const struct queue *q, const struct schedule_options *o)
{
    struct scheduler *s = calloc(1, sizeof *s);
    if (!s) abort();
    s->loop = l;
    s->world = loop_world(l);
    s->queue = q;
    s->interrupted_at = store_stats(q->store).interrupted_at;
    s->log = o->log;
    s->limits = *o;
    if (!s->limits.connections) s->limits.connections = LIMIT_RELAY_CONNECTIONS;
    if (!s->limits.window) s->limits.window = LIMIT_RELAY_WINDOW;
    if (!s->limits.memory) s->limits.memory = LIMIT_RELAY_MEMORY;
    if (!s->limits.recipients) s->limits.recipients = LIMIT_RELAY_RECIPIENTS;
    struct hash_key key = world_hash_key(s->world);
    map_init(&s->hops, key);
    map_init(&s->lines, key);
    map_init(&s->at_hand, key);
    list_init(&s->ready);
    list_init(&s->hungry);
    list_init(&s->resting);
    list_init(&s->idle);
    list_init(&s->departed);
    settler_init(&s->plain, s);
    settler_init(&s->reporting, s);
    s->look = true;
    s->next_due = INT64_MAX;
    loop_spawn(l, run, s);
    return s;
}

void scheduler_free(struct scheduler *s)
{
    const struct map_entry *e;
    for (size_t i = 0; (e = map_next(&s->hops, &i));) {
        hop_forget_waiting(s, e->value);
        hop_free(s, e->value);
    }
    for (struct list *n; (n = list_shift(&s->departed));) bundle_free(s, list_entry(n, struct bundle, link));
    map_free(&s->hops);
    map_free(&s->lines);
    map_free(&s->at_hand);
    free(s);
}

/* ---- what others ask of it ---- */

static void look_posted(struct post *p)
{
    struct scheduler *s = list_entry(p, struct scheduler, look_post);
    s->look_asked = false;
    if (s->ended || s->stopping) return;
    s->look = true;
    s->generation++;
    forget_all_waiting(s);
    finder_wake(s);
}

void scheduler_look_again(struct scheduler *s)
{
    if (s->deaf || atomic_exchange(&s->look_asked, true)) return;
    s->look_post.fn = look_posted;
    loop_post(s->loop, &s->look_post);
}

bool scheduler_may_be_hurried(struct scheduler *s, int64_t session)
{
    return !s->hurried_at || s->hurried_by == session || clock_mono(s->world) >= s->hurried_at + SPAN_ETRN;
}

void scheduler_hurried(struct scheduler *s, int64_t session)
{
    s->hurried_by = session;
    s->hurried_at = clock_mono(s->world);
}

static void drain_posted(struct post *p)
{
    struct scheduler *s = list_entry(p, struct scheduler, drain_post);
    s->draining = true;
    errands_dismiss_idle(s, true);
}

void scheduler_drain(struct scheduler *s)
{
    if (atomic_exchange(&s->drain_asked, true)) return;
    s->drain_post.fn = drain_posted;
    loop_post(s->loop, &s->drain_post);
}

static struct hop_state state_of(struct scheduler *s, struct arena *a, struct hop *h)
{
    int64_t rests = h->rests_until - clock_mono(s->world);
    hop_is_open(s, h); /* an hour may be over */
    return (struct hop_state){
        .key = arena_str(a, h->key),
        .connections = h->errands,
        .window = h->window,
        .waiting = h->bundles,
        .more = h->more,
        .suspended = h->suspended,
        .rests_until = h->rests_until && rests > 0 ? clock_utc(s->world) + rests : 0,
        .last_words = h->failures ? arena_str(a, buf_str(&h->last_words)) : S(""),
        .hour_left = h->per_hour ? h->hour_left : -1,
    };
}

void scheduler_hops(struct scheduler *s, struct arena *a, struct hop_state **out, size_t *n)
{
    const struct map_entry *e;
    *out = arena_array(a, s->hops.live, sizeof **out);
    *n = 0;
    for (size_t i = 0; (e = map_next(&s->hops, &i));) (*out)[(*n)++] = state_of(s, a, e->value);
}

struct schedule_stats scheduler_stats(struct scheduler *s)
{
    return (struct schedule_stats){
        .parcels = s->parcels,
        .recipients = s->recipients,
        .bytes = s->bytes,
        .connections = s->connections,
        .delivered = s->delivered,
        .deferred = s->deferred,
        .failed = s->failed,
        .settlements = s->settlements,
        .groups = s->groups,
    };
}
