/* Room on the disk: when to refuse new mail, and what to live on when it is full (store.md, "Full disk").
 *
 * Below the low-water mark new mail gets 452 while settlements, deletes and checkpoints go on. When even those meet a
 * full disk, a reserve file is given up for them; it is made again once there is room above the mark. The reserve needs
 * a file system with fallocate(2); where that is missing only the mark protects. */
#ifndef STORE_SPACE_H
#define STORE_SPACE_H

#include "io/file.h"

enum { SPACE_RESERVE = 32 << 20 }; /* bytes */

struct space;

/* Looks at the disk and makes the reserve (FOLDER/reserve) if there is room. A disk that is already full is not an
 * error. low_water: bytes. ERR_IO, ERR_DENIED. */
int space_open(struct world *w, const char *folder, int64_t low_water, struct space **out, struct error *e);
void space_close(struct space *s); /* the reserve stays for the next start; NULL is fine */

/* From the writer's lane, after each group: looks at the disk if 100 ms or 16 MiB have passed since the last look
 * (wrote: bytes written since the last call, streams of large bodies included), and makes the reserve again when there
 * is room. */
void space_check(struct space *s, int64_t wrote);

/* From the writer's lane when the disk was full for something that must go on: gives up the reserve. True: try once
 * more. */
bool space_release(struct space *s);

/* Any thread, no wait: is new mail refused? It stays so until there is room for the reserve above the mark. */
bool space_is_low(const struct space *s);
int64_t space_free_bytes(const struct space *s); /* at the last look */
bool space_has_reserve(const struct space *s);

#endif
