/* Next hops: who waits for each, in which order, how many connections each may have, and when it rests.
 *
 * A window grows by one with each parcel that is served while others wait, and is halved when the peer is busy, as TCP
 * does with its own. A hop that cannot be reached at all rests, longer each time, and what was due is deferred with the
 * same words: nobody knocks a hundred thousand times at a door that is shut. */
#include <stdlib.h>

#include "queue/retry.h"
#include "queue/schedule_core.h"

enum { REFILL_BELOW = 100 }; /* recipients waiting: time to read more of the store */

/* ---- hops ---- */

static bool is_forgettable(const struct hop *h)
{
    return h->bundles == 0 && h->errands == 0 && !h->more && !h->rests_until && !h->sweep.arena &&
           (!h->per_hour || h->hour_left == h->per_hour);
}

static void forget_one(struct scheduler *s)
{
    const struct map_entry *e;
    for (size_t i = 0; (e = map_next(&s->hops, &i));) {
        struct hop *h = e->value;
        if (!is_forgettable(h)) continue;
        map_remove(&s->hops, h->key);
        hop_free(s, h);
        return;
    }
}

/* Until it has rested, its hour is over, or it is to be looked at. */
static void sleeps(struct scheduler *s, struct hop *h)
{
    if (list_empty(&h->in_resting)) list_push(&s->resting, &h->in_resting);
    finder_wake(s);
}

void hop_read_owner(struct scheduler *s, struct hop *h, const struct directory *d)
{
    const struct directory_destination *owner = directory_destination(d, h->key);
    int64_t per_hour = owner ? owner->per_hour : 0;
    h->suspended = owner && owner->suspended;
    if (per_hour == h->per_hour) return;
    h->hour_left += per_hour - h->per_hour;
    if (h->hour_left < 0) h->hour_left = 0;
    h->per_hour = per_hour;
    h->hour_ends = clock_mono(s->world) + HOURS(1);
    if (per_hour && h->hour_left == 0) sleeps(s, h);
}

struct hop *hop_of(struct scheduler *s, struct str key)
{
    struct hop *h = map_get(&s->hops, key);
    if (h) return h;
    if (s->hops.live >= LIMIT_RELAY_HOPS) forget_one(s);
    if (s->hops.live >= LIMIT_RELAY_HOPS) return NULL;
    h = calloc(1, sizeof *h + key.n);
    if (!h) abort();
    if (key.n) memcpy(h + 1, key.p, key.n);
    h->key = str_of(h + 1, key.n);
    h->number = ++s->hops_made;
    h->last_words = BUF(2 * LIMIT_QUEUE_REPLY);
    h->window = s->limits.window < LIMIT_RELAY_WINDOW_FIRST ? s->limits.window : LIMIT_RELAY_WINDOW_FIRST;
    list_init(&h->in_ready);
    list_init(&h->in_hungry);
    list_init(&h->in_resting);
    list_init(&h->idle);
    for (int i = 0; i < TURNS; i++) list_init(&h->turns[i]);
    map_set(&s->hops, h->key, h);
    const struct directory *d = store_directory(s->queue->store);
    hop_read_owner(s, h, d);
    directory_unref(d);
    return h;
}

void hop_free(struct scheduler *s, struct hop *h)
{
    (void)s;
    list_remove(&h->in_ready);
    list_remove(&h->in_hungry);
    list_remove(&h->in_resting);
    arena_free(h->sweep.arena);
    buf_free(&h->last_words);
    free(h);
}

static void roll_hour(struct scheduler *s, struct hop *h)
{
    mono_us now = clock_mono(s->world);
    if (!h->per_hour || now < h->hour_ends) return;
    h->hour_left = h->per_hour;
    h->hour_ends = now + HOURS(1);
}

bool hop_is_open(struct scheduler *s, struct hop *h)
{
    roll_hour(s, h);
    return !s->stopping && !s->draining && !h->suspended && !h->rests_until && (!h->per_hour || h->hour_left > 0);
}

/* ---- lines ---- */

static int turn_of(int priority) { return priority > 0 ? TURN_URGENT : priority < 0 ? TURN_BULK : TURN_USUAL; }

static struct str line_key(struct buf *b, const struct hop *h, struct str sender, int priority)
{
    buf_char(b, (char)('0' + turn_of(priority)));
    buf_add(b, str_of(&h->number, sizeof h->number));
    buf_add(b, str_head(sender, LIMIT_PATH));
    return buf_str(b);
}

#define LINE_KEY(room, h, sender, priority) \
    line_key(&(struct buf){.p = (room), .cap = sizeof(room), .max = sizeof(room)}, (h), (sender), (priority))
enum { LINE_KEY_MAX = LIMIT_PATH + 16 };

bool hop_has_room(struct scheduler *s, struct hop *h, struct str sender, int priority, bool has_just_come)
{
    char room[LINE_KEY_MAX];
    if (scheduler_is_full(s) || !hop_is_open(s, h)) return false;
    if (!scheduler_is_half_full(s) && !(has_just_come && h->more)) return true;
    const struct line *l = map_get(&s->lines, LINE_KEY(room, h, sender, priority));
    return !l || (l->recipients < LIMIT_RELAY_SENDER && !(has_just_come && h->more));
}

static struct line *line_of(struct scheduler *s, struct hop *h, struct str sender, int priority)
{
    char room[LINE_KEY_MAX];
    struct str key = LINE_KEY(room, h, sender, priority);
    struct line *l = map_get(&s->lines, key);
    if (l) return l;
    l = calloc(1, sizeof *l + key.n);
    if (!l) abort();
    memcpy(l + 1, key.p, key.n);
    l->key = str_of(l + 1, key.n);
    list_init(&l->bundles);
    list_push(&h->turns[turn_of(priority)], &l->in_hop);
    map_set(&s->lines, l->key, l);
    return l;
}

void hop_add(struct scheduler *s, struct hop *h, struct bundle *b, bool first)
{
    b->hop = h;
    b->line = line_of(s, h, b->sender, b->priority);
    if (first) list_unshift(&b->line->bundles, &b->link);
    else list_push(&b->line->bundles, &b->link);
    b->line->recipients += b->parcel.n;
    h->bundles++;
    h->recipients += b->parcel.n;
    errand_call(h);
}

static void leave_line(struct scheduler *s, struct hop *h, struct bundle *b)
{
    struct line *l = b->line;
    list_remove(&b->link);
    l->recipients -= b->parcel.n;
    h->bundles--;
    h->recipients -= b->parcel.n;
    b->line = NULL;
    if (!list_empty(&l->bundles)) return;
    list_remove(&l->in_hop);
    map_remove(&s->lines, l->key);
    free(l);
}

/* The urgent first; within a class the senders take turns. */
struct bundle *hop_take(struct scheduler *s, struct hop *h)
{
    for (int i = 0; i < TURNS; i++) {
        struct list *first = list_shift(&h->turns[i]);
        if (!first) continue;
        struct line *l = list_entry(first, struct line, in_hop);
        list_push(&h->turns[i], first);
        struct bundle *b = list_entry(l->bundles.next, struct bundle, link);
        leave_line(s, h, b);
        h->taken++;
        if (!h->per_hour) return b;
        if ((int64_t)b->parcel.n > h->hour_left) hop_add(s, h, bundle_split(s, b, (size_t)h->hour_left), true);
        h->hour_left -= (int64_t)b->parcel.n;
        if (h->hour_left > 0) return b;
        sleeps(s, h);
        hop_forget_waiting(s, h); /* for an hour the memory is others' */
        return b;
    }
    return NULL;
}

void hop_not_sent(struct hop *h, size_t n)
{
    if (!h->per_hour) return;
    h->hour_left += (int64_t)n;
    if (h->hour_left > h->per_hour) h->hour_left = h->per_hour;
}

void hop_forget_waiting(struct scheduler *s, struct hop *h)
{
    bool any = h->bundles > 0;
    for (int i = 0; i < TURNS; i++) {
        while (!list_empty(&h->turns[i])) {
            struct line *l = list_entry(h->turns[i].next, struct line, in_hop);
            struct bundle *b = list_entry(l->bundles.next, struct bundle, link);
            leave_line(s, h, b);
            bundle_free(s, b);
        }
    }
    if (!any) return;
    hop_has_more(s, h, (struct queue_place){0});
    finder_expect(s, clock_utc(s->world) + SPAN_QUEUE_LEASE); /* some may not be due before */
}

static bool is_before(struct queue_place a, struct queue_place b)
{
    if (a.due != b.due) return a.due < b.due;
    return a.message != b.message ? a.message < b.message : a.number < b.number;
}

void hop_has_more(struct scheduler *s, struct hop *h, struct queue_place before)
{
    (void)s;
    if (!h->more || is_before(before, h->from)) h->from = before;
    h->more = true;
}

/* ---- what it wants ---- */

static bool wants_errand(struct scheduler *s, struct hop *h)
{
    if (!list_empty(&h->idle) || h->errands >= h->window || !hop_is_open(s, h)) return false;
    return h->bundles > (size_t)h->errands || (h->stuck && h->bundles > 0);
}

static bool wants_rows(struct scheduler *s, struct hop *h)
{
    if (!h->more) return false;
    if (h->sweep.arena) return clock_mono(s->world) >= h->sweep.next_at;
    return h->recipients < REFILL_BELOW && hop_is_open(s, h);
}

/* A few letters wait for the errands there are, which as a rule come back at once; they do not if one is in the middle
 * of a long letter, or its host is silent. */
static void watch_errands(struct scheduler *s, struct hop *h)
{
    if (h->look_at || h->bundles == 0 || h->errands == 0 || h->errands >= h->window || !list_empty(&h->idle)) return;
    h->look_at = clock_mono(s->world) + SPAN_RELAY_STUCK;
    h->taken_then = h->taken;
    sleeps(s, h);
}

static void look_at_errands(struct hop *h, mono_us now)
{
    if (!h->look_at || h->look_at > now) return;
    h->look_at = 0;
    h->stuck = h->bundles > 0 && h->taken == h->taken_then;
}

void hop_check(struct scheduler *s, struct hop *h)
{
    if (list_empty(&h->in_ready) && wants_errand(s, h)) list_push(&s->ready, &h->in_ready);
    watch_errands(s, h);
    if (list_empty(&h->in_hungry) && wants_rows(s, h)) {
        list_push(&s->hungry, &h->in_hungry);
        finder_wake(s);
    }
}

/* ---- how it goes ---- */

static void set_words(struct hop *h, const struct run *r)
{
    struct buf *b = &h->last_words;
    buf_clear(b);
    if (r->contact.host.n) buf_printf(b, "%.*s: ", STR_FMT(r->contact.host));
    buf_add(b, str_head(r->last.text, LIMIT_QUEUE_REPLY));
    for (size_t i = 0; i < b->n; i++)
        if (b->p[i] == '\n') b->p[i] = ' ';
}

static void end_sweep(struct hop *h)
{
    arena_free(h->sweep.arena);
    h->sweep = (struct sweep){0};
}

void hop_served(struct scheduler *s, struct hop *h)
{
    h->failures = 0;
    if (h->sweep.arena) end_sweep(h); /* it is well again */
    if (h->bundles > 0 && h->window < s->limits.window) h->window++;
}

static void rest(struct scheduler *s, struct hop *h, const struct run *r)
{
    uint64_t random;
    world_random(s->world, &random, sizeof random);
    h->failures++;
    h->window = 1; /* one goes first and looks */
    h->rests_until = clock_mono(s->world) + retry_rest(h->failures, random);
    set_words(h, r);
    sleeps(s, h);
    LOG(s->log, LOG_WARN, "relay.rest", F_STR("hop", h->key), F_INT("failures", h->failures),
        F_STR("reply", buf_str(&h->last_words)));
}

void hop_is_busy(struct scheduler *s, struct hop *h, const struct run *r)
{
    h->window = h->window > 1 ? h->window / 2 : 1;
    if (r->delivered > 0 || h->errands > 0 || h->rests_until) return;
    rest(s, h, r);
    hop_forget_waiting(s, h);
}

void hop_sweep(struct scheduler *s, struct hop *h, struct bundle *b)
{
    struct arena *a = b->parcel.arena;
    struct outcome outcome = h->sweep.outcome;
    b->tried_at = h->sweep.until;
    outcome.text = arena_str(a, outcome.text);
    for (size_t i = 0; i < b->parcel.n; i++) b->parcel.v[i].outcome = outcome;
    b->parcel.contact = h->sweep.contact;
    b->parcel.contact.host = arena_str(a, b->parcel.contact.host);
    b->parcel.contact.tls = arena_str(a, b->parcel.contact.tls);
    settle(s, b);
}

static void sweep_waiting(struct scheduler *s, struct hop *h)
{
    for (int i = 0; i < TURNS; i++) {
        while (!list_empty(&h->turns[i])) {
            struct line *l = list_entry(h->turns[i].next, struct line, in_hop);
            struct bundle *b = list_entry(l->bundles.next, struct bundle, link);
            leave_line(s, h, b);
            hop_sweep(s, h, b);
        }
    }
}

/* All that is due now is deferred as this one was; then it rests. Who is served by another connection knows better. */
void hop_cannot_be_reached(struct scheduler *s, struct hop *h, const struct run *r)
{
    if (h->errands > 0) {
        h->window = h->errands;
        return;
    }
    if (h->rests_until || s->stopping) return;
    rest(s, h, r);
    if (h->sweep.arena) return;
    struct arena *a = arena_new(NULL, 0);
    h->sweep = (struct sweep){.arena = a, .outcome = r->last, .contact = r->contact, .until = clock_utc(s->world)};
    h->sweep.outcome.text = arena_str(a, r->last.text);
    h->sweep.contact.host = arena_str(a, r->contact.host);
    h->sweep.contact.tls = arena_str(a, r->contact.tls);
    sweep_waiting(s, h);
    hop_has_more(s, h, (struct queue_place){0});
    hop_check(s, h);
}

/* The next moment at which something of it changes by itself; 0: none. */
static mono_us wake_time(const struct hop *h)
{
    mono_us at = h->rests_until;
    if (h->per_hour && h->hour_left == 0 && h->hour_ends > at) at = h->hour_ends;
    return at;
}

void hops_wake(struct scheduler *s, mono_us now, mono_us *next)
{
    list_each_safe (n, &s->resting) {
        struct hop *h = list_entry(n, struct hop, in_resting);
        mono_us at = wake_time(h), sweep = h->sweep.arena ? h->sweep.next_at : FOREVER;
        look_at_errands(h, now);
        if (at > now && at < *next) *next = at;
        if (sweep > now && sweep < *next) *next = sweep;
        if (h->look_at && h->look_at < *next) *next = h->look_at;
        if (h->rests_until <= now) h->rests_until = 0;
        if (at <= now && !h->sweep.arena && !h->look_at) list_remove(n);
        hop_check(s, h);
    }
}
