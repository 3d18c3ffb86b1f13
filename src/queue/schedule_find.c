/* Finding what is due: a walk over all rows in the order of their time tells which next hops have some; each hop's own
 * are read when it has room for them. What the walk has passed is not looked at again until its time comes anew.
 *
 * A read shows the store as it was when it began: rows that have been settled since are still known as being at hand
 * (scheduler.departed), and what the owner changed since makes the read worthless (scheduler.generation). */
#include "queue/schedule_core.h"

enum { WALK_PAGE = 1000, HOP_PAGE = 256 };
/* A commit whose outcome nobody knew may have left rows behind the walk. */
#define SPAN_WALK_ANEW HOURS(1)

void finder_wake(struct scheduler *s)
{
    if (s->finder) fiber_wake(s->finder);
}

void finder_expect(struct scheduler *s, utc_us due)
{
    if (due <= s->scanned.due) s->scanned = (struct queue_place){.due = due - 1}; /* it took long to be written */
    if (due >= s->next_due) return;
    s->next_due = due;
    finder_wake(s);
}

/* ---- reading ---- */

struct page {
    struct queue_item *v;
    size_t n;
    bool more;
    utc_us next;
};

/* False: nothing was read that could be believed. */
static FIBER bool read_rows(struct scheduler *s, struct arena *a, struct str next_hop, struct queue_place after,
                            utc_us until, size_t max, struct page *out)
{
    struct error e = {0};
    uint64_t generation = s->generation;
    arena_reset(a);
    s->reading = true;
    int r =
        store_queue_due(s->queue->store, a, next_hop, after, until, max, &out->v, &out->n, &out->more, &out->next, &e);
    s->reading = false;
    if (r) {
        LOG(s->log, LOG_ERROR, "queue.read", F_STR("error", str_c(e.text)));
        fiber_sleep(SECONDS(5));
    }
    return r == 0 && generation == s->generation && !fiber_cancelled();
}

/* What was settled while rows were read is really gone when they have been looked at. */
static void let_departed_go(struct scheduler *s)
{
    for (struct list *n; (n = list_shift(&s->departed));) bundle_free(s, list_entry(n, struct bundle, link));
}

static struct queue_place place_of(const struct queue_item *i)
{
    return (struct queue_place){i->due, i->message, i->number};
}

static struct queue_place place_before(const struct queue_item *i)
{
    return (struct queue_place){i->due, i->message, i->number - 1};
}

static bool is_same(struct queue_place a, struct queue_place b)
{
    return a.due == b.due && a.message == b.message && a.number == b.number;
}

/* ---- the walk ---- */

static void walk_again(struct scheduler *s, mono_us now)
{
    s->scanning = true;
    s->scanned = (struct queue_place){0};
    s->walk_anew_at = now + SPAN_WALK_ANEW;
}

static void begin_anew(struct scheduler *s)
{
    const struct map_entry *e;
    const struct directory *d = store_directory(s->queue->store);
    s->look = s->hops_missing = false;
    walk_again(s, clock_mono(s->world));
    for (size_t i = 0; (e = map_next(&s->hops, &i));) {
        struct hop *h = e->value;
        hop_read_owner(s, h, d);
        h->rests_until = 0; /* the owner may know that it is well again */
        hop_check(s, h);
    }
    directory_unref(d);
}

static FIBER void walk(struct scheduler *s, struct arena *a)
{
    struct page p;
    struct queue_place from = s->scanned;
    s->next_due = INT64_MAX; /* whoever expects something earlier says so meanwhile */
    if (!read_rows(s, a, STR_NONE, from, clock_utc(s->world), WALK_PAGE, &p)) {
        s->next_due = 0;
        return;
    }
    for (size_t i = 0; i < p.n; i++) {
        if (is_at_hand(s, &p.v[i])) continue;
        struct hop *h = hop_of(s, p.v[i].next_hop);
        if (!h) {
            s->hops_missing = true;
            continue;
        }
        hop_has_more(s, h, place_before(&p.v[i]));
        hop_check(s, h);
    }
    bool called_back = !is_same(s->scanned, from);
    if (p.n && !called_back) s->scanned = place_of(&p.v[p.n - 1]);
    s->scanning = p.more || called_back;
    if (p.next < s->next_due) s->next_due = p.next;
}

/* ---- the rows of a hop ---- */

static struct queue_item copy_item(struct arena *a, const struct queue_item *i)
{
    struct queue_item c = *i;
    c.final = address_copy(a, i->final);
    c.original = address_copy(a, i->original);
    c.sender = address_copy(a, i->sender);
    c.orcpt = arena_str(a, i->orcpt);
    c.next_hop = arena_str(a, i->next_hop);
    c.last_reply = arena_str(a, i->last_reply);
    return c;
}

static struct bundle *bundle_of_rows(struct scheduler *s, const struct queue_item *v, size_t n)
{
    struct mail *m = mail_new();
    struct queue_item *items = arena_array(m->arena, n, sizeof *items);
    for (size_t i = 0; i < n; i++) items[i] = copy_item(m->arena, &v[i]);
    return bundle_new(s, m, items, n, address_str(m->arena, items[0].sender));
}

/* Rows of one letter from the first on that make one parcel. */
static size_t rows_together(const struct scheduler *s, const struct queue_item *v, size_t n)
{
    size_t k = 1;
    while (k < n && v[k].message == v->message && v[k].forwarded == v->forwarded && !is_at_hand(s, &v[k])) k++;
    return k;
}

/* Takes what has room. False: something was passed over, from *left on. */
static bool take_rows(struct scheduler *s, struct arena *a, struct hop *h, const struct page *p,
                      struct queue_place *left)
{
    bool all = true;
    for (size_t i = 0, k; i < p->n; i += k) {
        const struct queue_item *v = &p->v[i];
        k = 1;
        if (is_at_hand(s, v)) continue;
        k = rows_together(s, v, p->n - i);
        if (h->sweep.arena) {
            hop_sweep(s, h, bundle_of_rows(s, v, k));
        } else if (hop_has_room(s, h, address_str(a, v->sender), v->priority, false)) {
            hop_add(s, h, bundle_of_rows(s, v, k), false);
        } else if (all) {
            *left = place_before(v);
            all = false;
        }
    }
    return all;
}

static FIBER void refill(struct scheduler *s, struct arena *a, struct hop *h)
{
    struct page p;
    struct queue_place left;
    utc_us now = clock_utc(s->world), until = h->sweep.arena ? h->sweep.until : now;
    struct queue_place from = h->from;
    if (!read_rows(s, a, h->key, from, until, HOP_PAGE, &p)) {
        hop_check(s, h);
        return;
    }
    bool moved = h->more && !is_same(h->from, from); /* earlier ones have come meanwhile */
    bool swept = h->sweep.arena && !p.more && !moved, all = take_rows(s, a, h, &p, &left);
    if (!moved) {
        h->more = p.more || !all;
        if (!all) h->from = left;
        else if (p.n) h->from = place_of(&p.v[p.n - 1]);
    }
    if (h->sweep.arena) h->sweep.next_at = clock_mono(s->world) + (int64_t)p.n * US_PER_S / LIMIT_RELAY_SWEEP;
    if (swept) {
        arena_free(h->sweep.arena);
        h->sweep = (struct sweep){0};
    }
    hop_check(s, h);
}

/* ---- the fiber ---- */

static FIBER bool work(struct scheduler *s, struct arena *a)
{
    bool full = scheduler_is_full(s), worked = false;
    struct list *first = full ? NULL : list_shift(&s->hungry);
    s->room_wanted = full && !list_empty(&s->hungry);
    if (first) {
        refill(s, a, list_entry(first, struct hop, in_hungry));
        worked = true;
    }
    if (!s->scanning && clock_utc(s->world) >= s->next_due) s->scanning = true;
    if (s->scanning && !fiber_cancelled()) {
        walk(s, a);
        worked = true;
    }
    let_departed_go(s);
    errands_start(s);
    return worked;
}

/* The wall clock may jump: it is looked at every minute while something is expected of it. */
static mono_us wake_time(struct scheduler *s, mono_us now, mono_us next)
{
    mono_us at = next < s->walk_anew_at ? next : s->walk_anew_at;
    if (s->next_due != INT64_MAX) {
        int64_t left = s->next_due - clock_utc(s->world);
        if (left > MINUTES(1)) left = MINUTES(1);
        if (now + left < at) at = now + left;
    }
    if (s->hops_missing && now + MINUTES(1) < at) at = now + MINUTES(1);
    return at;
}

void finder_run(void *scheduler)
{
    struct scheduler *s = scheduler;
    struct arena *a = arena_new(NULL, 0);
    s->finder = fiber_self();
    while (!fiber_cancelled()) {
        mono_us now = clock_mono(s->world), next = FOREVER;
        if (now >= s->walk_anew_at) walk_again(s, now);
        if (s->look) begin_anew(s);
        hops_wake(s, now, &next);
        errands_start(s);
        if (work(s, a)) continue;
        fiber_park(wake_time(s, now, next));
        if (!s->hops_missing || clock_mono(s->world) < now + MINUTES(1)) continue;
        s->hops_missing = false;
        walk_again(s, clock_mono(s->world));
    }
    let_departed_go(s);
    s->finder = NULL;
    arena_free(a);
    scheduler_fiber_ends(s);
}
