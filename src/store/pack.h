/* Packs: append-only files of immutable letter bodies (store.md, "Packs"). Inside store/; only the body rows know
 * places.
 *
 * A record is a header (magic, format, epoch, body id, codec, key id, raw and stored length, CRC32C of header and of
 * body, length of the envelope copy) followed by the envelope (so that a mailbox can be rebuilt from packs alone) and
 * the body. All functions block: call from the writer's lane or from offload(). */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include "base/arena.h"
#include "io/file.h"

struct packs;

struct pack_place { /* where a body lies; kept in its row */
    int64_t pack, offset; /* offset of the record's header */
    int64_t length;       /* of the body as it is */
    int64_t stored;       /* of the body as stored (codec) */
    int codec;            /* 0 = as it is */
};

struct pack_record {
    int64_t body;        /* its id */
    struct str envelope; /* sender, recipients, times: serialised by the caller */
    const struct iovec *pieces; /* the bytes, in order */
    int n_pieces;
    int64_t length;
    struct pack_place place; /* out */
};

struct pack_durable { /* what a commit must remember: an open pack's size that is known to be on disk */
    int64_t pack, size;
};

/* `known`: the durable sizes from the last commit and all sealed packs named by the store, ascending. After an unclean
 * stop the open pack is sealed at its durable size and a new one begun. A file shorter than its durable size is
 * reported through *e as ERR_CORRUPT by name but the rest opens
 * (*damaged counts them; a missing file too). Unknown packs are moved to packs/lost. next_id: a fresh pack id generator
 * (ids never reused, any thread). folder: the data folder; packs lie in FOLDER/packs/ID.pack. */
int packs_open(struct world *w, const char *folder, const struct pack_durable *known, size_t n, bool clean,
               int64_t (*next_id)(void *), void *id_arg, struct packs **out, int *damaged, struct error *e);
void packs_close(struct packs *p);
/* Before packs_open(): the file of a pack that is known to be dead, should it still be there. */
void packs_remove_dead(struct world *w, const char *folder, int64_t pack);

/* Writer's lane only. Appends a group's records with one write, then one sync makes them durable; fills the places. On
 * failure nothing of the group counts: a failed sync seals the pack as suspect (never synced again) and the group is
 * tried once in a fresh pack; still failing: ERR_IO or ERR_NO_SPACE. */
int packs_append(struct packs *p, struct pack_record *r, size_t n, struct error *e);
struct pack_durable packs_durable(struct packs *p); /* of the open pack, for the commit that names them */

/* A pack of its own for one large body, written by an offload thread while it arrives. */
struct pack_stream;
int pack_stream_begin(struct packs *p, int64_t body, struct str envelope, struct pack_stream **out, struct error *e);
int pack_stream_write(struct pack_stream *s, const struct iovec *v, int n, struct error *e);
/* synced, directory too; sealed */
int pack_stream_finish(struct pack_stream *s, struct pack_place *place, struct error *e);
struct pack_durable pack_stream_durable(const struct pack_stream *s); /* once finished: for the commit that names it */
/* a commit names it (or may: its outcome is unknown): the file stays, the stream is freed */
void pack_stream_keep(struct pack_stream *s);
void pack_stream_drop(struct pack_stream *s); /* instead of keep: removes the file and frees the stream; NULL is fine */

/* Any thread. Reads [from, from+n) of the body at `place` (fewer at the end) after checking that the record is body's.
 * Whole reads check the body's CRC. ERR_CORRUPT, ERR_NOT_FOUND. */
int64_t packs_read(struct packs *p, const struct pack_place *place, int64_t body, void *out, size_t n, int64_t from,
                   struct error *e);

/* Reading many bodies at once: neighbours in a pack come with one read. */
struct pack_wanted {
    struct pack_place place;
    int64_t body, most;  /* its id; so many of its first bytes are wanted, all: its CRC is checked */
    size_t number;       /* the caller's */
    struct str bytes;    /* out; in memory from take() */
    int error;           /* out: 0, ERR_CORRUPT, ERR_NOT_FOUND (no such pack), ERR_IO … */
};
/* Any thread. Brings v into the order of the places. take(arg, n) gives memory. */
void packs_read_group(struct packs *p, struct pack_wanted *v, size_t n, void *(*take)(void *arg, size_t n), void *arg);

/* Visits every record of a pack for verify and rebuild; fn returns false to stop. */
int packs_scan(struct packs *p, int64_t pack,
               bool (*fn)(void *arg, const struct pack_place *at, int64_t body, struct str envelope, int crc_ok),
               void *arg, struct error *e);
int packs_list(struct packs *p, struct arena *a, int64_t **ids, int64_t **sizes, size_t *n);

/* Writer's lane only: what packs_append() wrote until now is sealed, whatever room is left; the next group begins a new
 * pack. packs_size: bytes of the pack that is open, 0 none. */
void packs_seal(struct packs *p);
int64_t packs_size(const struct packs *p);

/* The whole record at `place` for a copy elsewhere: envelope and body into `a`, both checked. Any thread. */
int packs_copy(struct packs *p, const struct pack_place *place, int64_t body, struct arena *a, struct pack_record *out,
               struct error *e);

/* The latest id among the files that were found at opening: no new pack may have it, whatever became of them. */
int64_t packs_latest(const struct packs *p);
int packs_sync(struct packs *p, struct error *e); /* the folder: removed packs do not come back */

/* Takes a pack no row names any more out of the store; readers that hold it go on. ERR_BUSY: it is being written. */
int packs_remove(struct packs *p, int64_t pack, struct error *e);

struct pack_stats {
    int64_t appends, records, syncs, bytes; /* bytes: written by appends and streams */
    /* packs there are; sealed because a sync failed; moved to packs/lost at opening */
    int64_t packs, suspect, lost;
};
struct pack_stats packs_stats(struct packs *p);

#endif
