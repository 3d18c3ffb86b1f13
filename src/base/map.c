/* Open addressing over an insertion-ordered array of entries. */
#include "base/map.h"

#include <stdlib.h>

void map_init(struct map *m, struct hash_key key) { *m = (struct map){.key = key}; }

void map_free(struct map *m)
{
    free(m->entries);
    free(m->slots);
    map_init(m, m->key);
}

/* The slot that holds the key, or the free one where it would go. */
static uint32_t *find_slot(const struct map *m, struct str key, uint64_t hash)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        uint32_t at = m->slots[i];
        if (at == 0) return &m->slots[i];
        const struct map_entry *e = &m->entries[at - 1];
        if (e->value && e->hash == hash && str_eq(e->key, key)) return &m->slots[i];
    }
}

static void rebuild(struct map *m, size_t cap)
{
    struct map_entry *entries = calloc(cap / 4 * 3, sizeof *entries);
    uint32_t *slots = calloc(cap, sizeof *slots);
    if (!entries || !slots) abort();
    size_t n = 0;
    for (size_t i = 0; i < m->used; i++)
        if (m->entries[i].value) entries[n++] = m->entries[i];
    free(m->entries);
    free(m->slots);
    m->entries = entries;
    m->slots = slots;
    m->cap = cap;
    m->used = m->live = n;
    for (size_t i = 0; i < n; i++) *find_slot(m, entries[i].key, entries[i].hash) = (uint32_t)(i + 1);
}

void *map_get(const struct map *m, struct str key)
{
    if (m->cap == 0) return NULL;
    uint32_t at = *find_slot(m, key, hash_sip(&m->key, key));
    return at ? m->entries[at - 1].value : NULL;
}

void *map_set(struct map *m, struct str key, void *value)
{
    if (m->cap == 0) rebuild(m, 16);
    if (m->used >= m->cap / 4 * 3) rebuild(m, m->live * 2 >= m->used ? m->cap * 2 : m->cap);
    uint64_t hash = hash_sip(&m->key, key);
    uint32_t *slot = find_slot(m, key, hash);
    if (*slot) {
        struct map_entry *e = &m->entries[*slot - 1];
        void *former = e->value;
        e->key = key;
        e->value = value;
        return former;
    }
    m->entries[m->used] = (struct map_entry){key, value, hash};
    *slot = (uint32_t)++m->used;
    m->live++;
    return NULL;
}

void *map_remove(struct map *m, struct str key)
{
    if (m->cap == 0) return NULL;
    uint32_t at = *find_slot(m, key, hash_sip(&m->key, key));
    if (!at) return NULL;
    void *former = m->entries[at - 1].value;
    m->entries[at - 1].value = NULL; /* the slot stays taken until the next rebuild */
    m->entries[at - 1].key = STR_NONE; /* the caller may free the key now */
    m->live--;
    return former;
}

const struct map_entry *map_next(const struct map *m, size_t *i)
{
    while (*i < m->used) {
        const struct map_entry *e = &m->entries[(*i)++];
        if (e->value) return e;
    }
    return NULL;
}
