/* The low-water mark and the reserve file. One look at the disk is one statvfs, made by the writer between groups. */
#include "store/space.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { LOOK_BYTES = 16 << 20, SPACE_PATH = 1024 };
#define LOOK_SPAN (100 * US_PER_MS)

struct space {
    struct world *world;
    int64_t low_water;
    mono_us looked_at;
    int64_t wrote; /* bytes since the last look */
    struct file *reserve;
    atomic_bool low, reserved;
    atomic_llong free_bytes;
    char folder[SPACE_PATH], path[SPACE_PATH];
};

/* The reserve is a file of no length whose blocks are allocated: giving it up is one truncate. */
static int make_reserve(struct space *s, struct error *e)
{
    int r = 0;
    if (!s->reserve) r = file_open(s->world, s->path, FILE_WRITE | FILE_CREATE | FILE_PRIVATE, &s->reserve, e);
    if (r == 0) r = file_allocate(s->reserve, 0, SPACE_RESERVE, e);
    if (r == 0) atomic_store(&s->reserved, true);
    else if (s->reserve) file_truncate(s->reserve, 0, NULL); /* part of a reserve would only be missed elsewhere */
    return r;
}

static void look(struct space *s)
{
    s->looked_at = clock_mono(s->world);
    s->wrote = 0;
    int64_t room = folder_free_bytes(s->world, s->folder);
    if (room < 0) return; /* what was known stays */
    atomic_store(&s->free_bytes, room);
    bool ample = room >= s->low_water + SPACE_RESERVE;
    if (ample && !atomic_load(&s->reserved)) make_reserve(s, NULL);
    atomic_store(&s->low, atomic_load(&s->low) ? !ample : room < s->low_water);
}

int space_open(struct world *w, const char *folder, int64_t low_water, struct space **out, struct error *e)
{
    struct space *s = calloc(1, sizeof *s);
    if (!s) abort();
    s->world = w;
    s->low_water = low_water;
    struct buf name = BUF_OVER(s->folder), path = BUF_OVER(s->path);
    buf_add(&name, str_of(folder, strlen(folder) + 1));
    buf_printf(&path, "%s/reserve", folder);
    buf_char(&path, 0);
    struct error why;
    int r = name.failed || path.failed ? error_set(&why, ERR_TOO_LONG, "the data folder's path is too long")
                                       : make_reserve(s, &why);
    if (r && r != ERR_NO_SPACE) {
        if (e) *e = why;
        space_close(s);
        return r;
    }
    look(s);
    *out = s;
    return 0;
}

void space_close(struct space *s)
{
    if (!s) return;
    file_close(s->reserve);
    free(s);
}

void space_check(struct space *s, int64_t wrote)
{
    s->wrote += wrote;
    if (s->wrote >= LOOK_BYTES || clock_mono(s->world) - s->looked_at >= LOOK_SPAN) look(s);
}

bool space_release(struct space *s)
{
    if (!atomic_load(&s->reserved) || file_truncate(s->reserve, 0, NULL) != 0) return false;
    atomic_store(&s->reserved, false);
    atomic_store(&s->low, true);
    return true;
}

bool space_is_low(const struct space *s) { return atomic_load(&s->low); }
int64_t space_free_bytes(const struct space *s) { return atomic_load(&s->free_bytes); }
bool space_has_reserve(const struct space *s) { return atomic_load(&s->reserved); }
