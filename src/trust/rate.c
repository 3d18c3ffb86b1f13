/* Sliding counts in two generations of a map: the current half window, and the one before. */
#include "trust/rate.h"

#include <stdlib.h>

#include "base/map.h"

enum { KEY_MAX = 64 };

struct counter {
    int64_t n;
    size_t key_n;
    char key[KEY_MAX];
};

struct rate {
    struct world *world;
    struct lock *lock;
    int64_t half; /* microseconds */
    size_t keys_max;
    mono_us turned; /* when `now` began */
    struct map now, before;
};

struct rate *rate_new(struct world *w, int64_t window_us, size_t keys_max)
{
    struct rate *r = calloc(1, sizeof *r);
    if (!r) abort();
    *r = (struct rate){.world = w,
                       .lock = lock_new(w),
                       .half = window_us / 2,
                       .keys_max = keys_max,
                       .turned = clock_mono(w)};
    map_init(&r->now, world_hash_key(w));
    map_init(&r->before, world_hash_key(w));
    return r;
}

static void forget(struct map *m)
{
    const struct map_entry *e;
    for (size_t i = 0; (e = map_next(m, &i));) free(e->value);
    map_free(m);
}

void rate_free(struct rate *r)
{
    if (!r) return;
    forget(&r->now);
    forget(&r->before);
    lock_free(r->lock);
    free(r);
}

static void turn(struct rate *r)
{
    forget(&r->before);
    r->before = r->now;
    map_init(&r->now, r->before.key);
}

static void turn_if_due(struct rate *r)
{
    mono_us now = clock_mono(r->world);
    if (now - r->turned < r->half && r->now.live < r->keys_max) return;
    bool long_ago = now - r->turned >= 2 * r->half;
    turn(r);
    if (long_ago) turn(r);
    r->turned = now;
}

static int64_t value_of(const struct map *m, struct str key)
{
    const struct counter *c = map_get(m, key);
    return c ? c->n : 0;
}

static struct counter *counter_for(struct rate *r, struct str key)
{
    struct counter *c = map_get(&r->now, key);
    if (c) return c;
    c = calloc(1, sizeof *c);
    if (!c) abort();
    c->key_n = key.n;
    memcpy(c->key, key.p, key.n);
    map_set(&r->now, str_of(c->key, c->key_n), c);
    return c;
}

int64_t rate_add(struct rate *r, struct str key, int64_t n)
{
    key = str_head(key, KEY_MAX);
    lock_take(r->lock);
    turn_if_due(r);
    struct counter *c = counter_for(r, key);
    c->n += n;
    int64_t sum = c->n + value_of(&r->before, key);
    lock_give(r->lock);
    return sum;
}

int64_t rate_count(struct rate *r, struct str key)
{
    key = str_head(key, KEY_MAX);
    lock_take(r->lock);
    turn_if_due(r);
    int64_t sum = value_of(&r->now, key) + value_of(&r->before, key);
    lock_give(r->lock);
    return sum;
}

void rate_clear(struct rate *r, struct str key)
{
    key = str_head(key, KEY_MAX);
    lock_take(r->lock);
    free(map_remove(&r->now, key));
    free(map_remove(&r->before, key));
    lock_give(r->lock);
}
