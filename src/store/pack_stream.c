/* A large body on its way into a pack of its own. The header is written last, when lengths and CRC are known; one sync
 * then makes all of it durable. Until a commit names the pack it is nobody's: dropping it removes the file, a crash
 * leaves it to packs/lost. */
#include <stdlib.h>

#include "base/hash.h"
#include "store/pack_files.h"

struct pack_stream {
    struct packs *packs;
    int64_t id;
    struct file *file;
    struct pack_header header; /* grows with the body */
    int64_t end;
    int failed; /* sticky */
    bool finished;
};

static int stream_head(struct pack_stream *s, struct str envelope, struct error *e)
{
    unsigned char bytes[PACK_HEAD + PACK_RECORD_HEADER] = {0};
    struct pack_head head = pack_new_head(s->packs, s->id, PACK_STREAM);
    s->header.epoch = head.epoch;
    pack_head_put(bytes, &head);
    struct iovec v[] = {{bytes, sizeof bytes}, {(void *)(uintptr_t)envelope.p, envelope.n}};
    s->end = (int64_t)(sizeof bytes + envelope.n);
    return file_writev(s->file, v, envelope.n ? 2 : 1, 0, e);
}

int pack_stream_begin(struct packs *p, int64_t body, struct str envelope, struct pack_stream **out, struct error *e)
{
    struct pack_record record = {.body = body, .envelope = envelope};
    struct pack_stream *s = calloc(1, sizeof *s);
    if (!s) abort();
    s->packs = p;
    int r = pack_describe(&s->header, &record, e);
    if (r == 0) r = pack_create(p, &s->id, &s->file, e);
    if (r == 0) r = stream_head(s, envelope, e);
    if (r) {
        pack_stream_drop(s);
        return r;
    }
    *out = s;
    return 0;
}

int pack_stream_write(struct pack_stream *s, const struct iovec *v, int n, struct error *e)
{
    if (s->failed) return error_set(e, s->failed, "an earlier write of this body failed");
    int r = file_writev(s->file, v, n, s->end, e);
    s->failed = r;
    for (int i = 0; r == 0 && i < n; i++) {
        s->header.body_crc = hash_crc32c(s->header.body_crc, str_of(v[i].iov_base, v[i].iov_len));
        s->header.length += (int64_t)v[i].iov_len;
        s->end += (int64_t)v[i].iov_len;
    }
    return r;
}

int pack_stream_finish(struct pack_stream *s, struct pack_place *place, struct error *e)
{
    if (s->failed) return error_set(e, s->failed, "an earlier write of this body failed");
    unsigned char bytes[PACK_RECORD_HEADER];
    s->header.stored = s->header.length;
    pack_header_put(bytes, &s->header);
    int r = file_write(s->file, bytes, sizeof bytes, PACK_HEAD, e);
    if (r == 0) r = file_sync(s->file, e);
    if (r == 0) r = folder_sync(s->packs->world, s->packs->folder, e);
    s->failed = r;
    if (r) return r;
    s->finished = true;
    file_close(s->file);
    s->file = NULL;
    pack_count(s->packs, 0, 1, 1, s->end);
    *place =
        (struct pack_place){.pack = s->id, .offset = PACK_HEAD, .length = s->header.length, .stored = s->header.stored};
    return 0;
}

struct pack_durable pack_stream_durable(const struct pack_stream *s)
{
    return s->finished ? (struct pack_durable){s->id, s->end} : (struct pack_durable){0};
}

void pack_stream_keep(struct pack_stream *s)
{
    if (!s->finished) {
        pack_stream_drop(s);
        return;
    }
    pack_info_set(s->packs, s->id, s->end);
    free(s);
}

void pack_stream_drop(struct pack_stream *s)
{
    if (!s) return;
    bool made = s->file || s->finished;
    file_close(s->file);
    if (made) {
        char path[PACK_PATH];
        pack_file_forget(s->packs, s->id);
        pack_path(s->packs, s->id, path);
        file_remove(s->packs->world, path, NULL);
    }
    free(s);
}
