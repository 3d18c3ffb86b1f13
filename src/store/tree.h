/* Inside store/: mailbox paths, and the rows they lead to. */
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include "mail/limits.h"
#include "store/access.h"
#include "store/inside.h"
#include "store/mailboxes.h"

struct levels { /* of a path, normalised */
    size_t n;   /* at least 1 */
    struct str v[LIMIT_MAILBOX_DEPTH];
};
/* ERR_SYNTAX: not a name we give; ERR_CONFLICT: too deep. In `a`. */
int levels_of(struct arena *a, struct str path, struct levels *out, struct error *e);

/* How many of the path's levels there are, and the id of the last of them (0: none). */
int tree_walk(struct db *db, int64_t account, const struct levels *path, size_t *found, int64_t *id, struct error *e);

struct tree_row {
    int64_t id, account, parent, deleted_at;
    struct str name;
    enum special_use use;
    uint64_t uid_next;
    bool level; /* no mailbox: the name of one that was deleted from above others (RFC 9051 §6.3.5) */
};
/* Of a mailbox that was deleted too; in `a`. ERR_NOT_FOUND. */
int tree_row(struct db *db, struct arena *a, int64_t id, struct tree_row *out, struct error *e);

/* All levels of a mailbox joined; *out in `a`. */
int tree_path(struct db *db, struct arena *a, int64_t id, struct str *out, struct error *e);

/* In the lane: may `who` make something below `parent` (0: at the account's root)? */
int tree_may_create(struct store *s, int64_t who, int64_t account, int64_t parent, struct error *e);
int tree_may_not_create(struct error *e); /* ERR_DENIED, in the words of that */
/* In the lane. A mailbox or a level in the rows alone: below `parent`, with nothing in it and nobody's rights. */
int tree_insert(struct store *s, int64_t id, int64_t account, int64_t parent, struct str name, enum special_use use,
                struct error *e);
/* In the lane: a level becomes the mailbox of its name; it has the rights of what is above it, as a new one has. */
int tree_raise(struct store *s, const struct tree_row *level, enum special_use use, struct error *e);
/* What is above `id`, itself included, and no mere level: 0, the account's root, if there is none. */
int tree_nearest(struct db *db, struct arena *a, int64_t id, int64_t *out, struct error *e);
/* In the lane: of the mailbox or level and those above it, the levels without anything below them go. */
int tree_prune(struct store *s, int64_t account, int64_t id, struct error *e);
/* In the lane: a tombstone of the row. */
int tree_bury(struct store *s, const struct tree_row *row, struct error *e);
/* In the lane: does anything lie below it? */
int tree_has_child(struct store *s, int64_t account, int64_t id, bool *out, struct error *e);
/* In the lane: makes the levels from `found` on, below `parent`; *id is the last one. Limits are checked. */
int tree_make(struct store *s, int64_t account, const struct levels *path, size_t found, int64_t parent,
              enum special_use use, int64_t *id, struct error *e);

/* In the lane: what the mailbox is used for (RFC 6154). ERR_DENIED: not the owner; ERR_CONFLICT: another is. */
#define METADATA_SPECIAL_USE "/private/specialuse"
int tree_use(struct store *s, int64_t who, int64_t mailbox, enum special_use use, struct error *e);

/* A read whose results lie in an arena that the thread may use; the fiber copies them. Should its own arena have no
 * room for them, what was gathered goes with that. */
struct gathering {
    struct arena *arena;
    struct buf rows;
};
static inline void gathering_free(void *gathering)
{
    struct gathering *g = gathering;
    arena_free(g->arena);
    buf_free(&g->rows);
    *g = (struct gathering){0};
}
static inline struct gathering *gathering_new(struct arena *a)
{
    struct gathering *g = arena_new_of(a, struct gathering);
    arena_defer(a, gathering_free, g);
    *g = (struct gathering){.arena = arena_new(NULL, 0), .rows = BUF(SIZE_MAX)};
    return g;
}
/* The gathered rows of `size` bytes each, copied to `a`; strings in them are the caller's to copy. */
static inline void *gathered_rows(struct arena *a, const struct gathering *g, size_t size, size_t *n)
{
    *n = g->rows.n / size;
    void *v = arena_array(a, *n, size);
    if (g->rows.n) memcpy(v, g->rows.p, g->rows.n);
    return v;
}

#endif
