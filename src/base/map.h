/* A hash map from slices to pointers, keyed against chosen collisions.
 *
 * Keys are borrowed: they must outlive the entry (usually both lie in one arena). Iteration is in order of
 * insertion, with holes left by removals closed on growth, so it does not depend on addresses. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/hash.h"

struct map_entry {
    struct str key;
    void *value; /* NULL marks a removed entry */
    uint64_t hash;
};

struct map {
    struct hash_key key;
    struct map_entry *entries; /* in order of insertion */
    uint32_t *slots;           /* index + 1 into entries, 0 = free */
    size_t used, live, cap;    /* cap: size of slots, a power of two */
};

void map_init(struct map *m, struct hash_key key);
void map_free(struct map *m); /* the table, not the values */
void *map_get(const struct map *m, struct str key); /* NULL when absent */

/* Sets or replaces; returns the former value or NULL. value must not be NULL. Aborts without memory. */
void *map_set(struct map *m, struct str key, void *value);
void *map_remove(struct map *m, struct str key); /* returns what it was, or NULL */

/* for (size_t i = 0; (e = map_next(m, &i));) visits the live entries in order of insertion. */
const struct map_entry *map_next(const struct map *m, size_t *i);

#endif
