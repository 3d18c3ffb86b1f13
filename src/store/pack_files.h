/* What the pack_*.c files share: the table of packs, the cache of open files, making and naming packs. */
#ifndef STORE_PACK_FILES_H
#define STORE_PACK_FILES_H

#include "base/list.h"
#include "store/pack.h"
#include "store/pack_record.h"

enum {
    PACK_SIZE = 128 << 20,      /* bytes; a pack that would pass it is sealed */
    PACK_STEP = 8 << 20,        /* bytes; packs grow by fallocate in these steps */
    PACK_FILES_OPEN = 64,       /* descriptors kept for reading; more only while more are being read at once */
    PACK_COPIED = 1024,         /* bytes; what is smaller is copied beside its neighbours */
    PACK_PATH = 1024,           /* bytes of a path with its NUL */
    PACK_CONTINUE_LOOK = 16,    /* newest packs looked at for the one to go on with after a clean stop */
};

struct pack_info { /* of a pack the store knows */
    int64_t id, size; /* durable bytes */
};

struct pack_file { /* a descriptor for reading */
    struct list node; /* in packs.files, least recently used first */
    int64_t id;
    struct file *file;
    int refs;
    bool gone; /* the pack was removed: close with the last reader, hand out no more */
};

struct pack_growing { /* the pack the writer appends to; its lane only */
    int64_t id;
    uint64_t epoch;
    struct file *file;  /* NULL: none */
    int64_t size;       /* durable */
    int64_t allocated;  /* on disk, beyond the size */
};

struct pack_layout { /* a group on its way to the disk; kept from group to group */
    struct iovec *pieces;
    unsigned char *copies; /* what is too small to be a piece */
    size_t pieces_cap, copies_cap, n_copies;
    int n;
};

struct packs {
    struct world *world;
    int64_t (*next_id)(void *);
    void *id_arg;
    char folder[PACK_PATH - 64]; /* DATA/packs */
    struct pack_growing growing;
    struct pack_durable durable;
    struct pack_layout layout;
    struct lock *lock;      /* for what follows */
    struct pack_info *infos; /* ascending by id */
    size_t n_infos, infos_cap;
    struct list files;
    int n_files;
    struct pack_stats stats;
    int64_t latest; /* packs_latest() */
};

void pack_path(const struct packs *p, int64_t id, char out[PACK_PATH]);

/* A new empty pack file under a fresh id. Its name is durable only after folder_sync(). */
int pack_create(struct packs *p, int64_t *id, struct file **out, struct error *e);
struct pack_head pack_new_head(struct packs *p, int64_t id, enum pack_kind kind); /* with a fresh epoch */

/* The table; each takes the lock. */
void pack_info_set(struct packs *p, int64_t id, int64_t size);
bool pack_info_get(struct packs *p, int64_t id, struct pack_info *out);
bool pack_info_remove(struct packs *p, int64_t id);
void pack_count(struct packs *p, int64_t appends, int64_t records, int64_t syncs, int64_t bytes);

/* An open file of the cache, to be given back. ERR_NOT_FOUND: no such file. */
int pack_file_take(struct packs *p, int64_t id, struct pack_file **out, struct error *e);
void pack_file_give(struct packs *p, struct pack_file *f);
void pack_file_forget(struct packs *p, int64_t id); /* its pack goes away */
void pack_files_close(struct packs *p);             /* no reader is left */

/* Is it the header of the record looked for, stored in a way this version can read? 0, ERR_CORRUPT, ERR_UNSUPPORTED. */
int pack_header_check(const unsigned char bytes[PACK_RECORD_HEADER], const struct pack_place *place, int64_t body,
                      struct pack_header *h, struct error *e);

/* Prepares *h for a record: lengths and CRCs over envelope and pieces. ERR_TOO_LONG: more than a header can say. */
int pack_describe(struct pack_header *h, const struct pack_record *r, struct error *e);

#endif
