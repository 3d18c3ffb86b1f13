/* Opening, closing, recovering the store; small things that need no lane. The contract is store.h, the reasons are
 * store.md. */
#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "mail/limits.h"
#include "store/inside.h"
#include "store/schema.h"
#include "store/search_index.h"

const char store_database[] = "penny.db";

enum { READERS = 2 };

static char *copy(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = malloc(n);
    if (!p) abort();
    memcpy(p, s, n);
    return p;
}

int64_t store_new_id(struct store *s) { return ids_next(&s->ids, clock_utc(s->world)); }

static int64_t next_id(void *store) { return store_new_id(store); }

/* ---- the directory's snapshot ---- */

void store_publish(struct store *s, const struct directory *d)
{
    lock_take(s->lock);
    const struct directory *former = s->directory;
    s->directory = d;
    lock_give(s->lock);
    directory_unref(former);
}

const struct directory *store_directory(struct store *s)
{
    lock_take(s->lock);
    const struct directory *d = directory_ref(s->directory);
    lock_give(s->lock);
    return d;
}

static void give_back_directory(void *d) { directory_unref(d); }

bool store_account_is_active(struct store *s, int64_t account)
{
    const struct directory *d = store_directory(s);
    const struct directory_account *a = directory_account_by_id(d, account);
    bool active = a && !a->disabled;
    directory_unref(d);
    return active;
}

const struct directory *store_directory_in(struct arena *a, struct store *s)
{
    const struct directory *d = store_directory(s);
    arena_defer(a, give_back_directory, (void *)(uintptr_t)d);
    return d;
}

/* ---- opening ---- */

static int get_setting(struct store *s, const char *name, char *out, size_t max, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_SETTING);
    q_text(&q, str_c(name));
    int r = q_row(&q, e);
    struct str value = r > 0 ? q_get(&q, 0) : S("");
    if (value.n >= max) value.n = max - 1;
    memcpy(out, value.p, value.n);
    out[value.n] = '\0';
    q_end(&q);
    return r < 0 ? r : 0;
}

static int put_setting(struct store *s, struct str name, struct str value, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_SETTING_PUT);
    q_text(&q, name);
    q_bytes(&q, value);
    return q_run(&q, e);
}

/* The ids go on after the last one that was given out and remembered. */
static int load_last_id(struct store *s, struct error *e)
{
    char text[ID_TEXT + 1];
    int64_t last;
    int r = get_setting(s, "last_id", text, sizeof text, e);
    if (r || !text[0]) return r;
    if (id_parse(str_c(text), &last)) return error_set(e, ERR_CORRUPT, "the setting last_id is damaged");
    if (last > ids_last(&s->ids)) ids_start(&s->ids, 0, last);
    return 0;
}

static int count_rows(struct store *s, struct error *e)
{
    int64_t n = 0;
    struct query q = db_query(s->writer.db, SQL_COUNT_LETTERS);
    int r = q_one_int(&q, &n, e);
    if (r) return r;
    atomic_store(&s->count.messages, n);
    q = db_query(s->writer.db, SQL_COUNT_QUEUE);
    r = q_one_int(&q, &n, e);
    atomic_store(&s->count.queue_rows, n);
    return r;
}

int store_connect(struct store *s, struct error *e)
{
    struct writer *w = &s->writer;
    int r = db_open(store_vfs_name(s->vfs), store_database, DB_WRITER, &w->db, e);
    /* first of all: what the kernel shows of the WAL may not be on disk (vfs.h) */
    if (!r) r = db_checkpoint(w->db, NULL, e);
    if (!r) r = schema_migrate(w->db, schema_migrations, SCHEMA_VERSION, e);
    if (!r) r = load_last_id(s, e);
    if (!r) r = trace_load(s, e);
    if (!r) r = trace_index_load(s, e);
    if (!r) r = collect_load(s, e);
    if (!r) r = load_directory(s, e);
    if (!r) r = load_submissions(s, e);
    if (!r) r = count_rows(s, e);
    w->wal_checkpointed = w->wal_gate = 0;
    if (r) {
        db_close(w->db);
        w->db = NULL;
    }
    return r;
}

/* The packs' sizes that commits have remembered; the trace's last row knows more than the open pack's own. */
static int known_packs(struct store *s, struct arena *a, struct pack_durable **out, size_t *n, struct error *e)
{
    struct pack_durable last = s->writer.pack;
    struct buf v = BUF(SIZE_MAX);
    struct query q = db_query(s->writer.db, SQL_PACKS);
    int r;
    bool found = last.pack == 0;
    while ((r = q_row(&q, e)) > 0) {
        struct pack_durable p = {q_get_int(&q, 0), q_get_int(&q, 1)};
        if (q_get_int(&q, 2) == PACK_DEAD) {
            packs_remove_dead(s->world, s->folder, p.pack);
            continue;
        }
        if (p.pack == last.pack && last.size > p.size) p.size = last.size;
        found |= p.pack == last.pack;
        buf_add(&v, str_of(&p, sizeof p));
    }
    if (!r && !found) r = error_set(e, ERR_CORRUPT, "the open pack %lld has no row", (long long)last.pack);
    *n = v.n / sizeof **out;
    *out = arena_array(a, *n, sizeof **out);
    if (v.n) memcpy(*out, v.p, v.n);
    buf_free(&v);
    return r;
}

static int put_id(struct store *s, struct str name, int64_t id, struct error *e)
{
    char text[ID_TEXT];
    struct buf b = BUF_OVER(text);
    id_put(&b, id);
    return put_setting(s, name, buf_str(&b), e);
}

/* Now, if whoever had it open before died, else as remembered. */
static int note_interruption(struct store *s, bool now, struct error *e)
{
    char text[ID_TEXT + 1] = "";
    int r = get_setting(s, "interrupted_at", text, sizeof text, e);
    if (now) s->interrupted_at = clock_utc(s->world);
    else if (!r && text[0]) id_parse(str_c(text), &s->interrupted_at);
    return r;
}

/* Says in the database whether the packs are as the last commit left them. */
static int mark_clean(struct store *s, bool clean, struct error *e)
{
    int r = db_begin(s->writer.db, e);
    if (!r) r = put_setting(s, S("clean"), clean ? S("1") : S("0"), e);
    if (!r) r = put_id(s, S("last_id"), ids_last(&s->ids), e);
    if (!r && !clean && s->interrupted_at) r = put_id(s, S("interrupted_at"), s->interrupted_at, e);
    if (!r && clean) r = collect_save(s, e);
    if (!r) r = db_commit(s->writer.db, e);
    if (r) db_rollback(s->writer.db);
    return r;
}

static int open_packs(struct store *s, struct error *e)
{
    char clean[2] = "";
    struct pack_durable *known;
    size_t n;
    struct arena *a = arena_new(NULL, 0);
    int r = get_setting(s, "clean", clean, sizeof clean, e);
    if (!r) r = note_interruption(s, clean[0] == '0', e);
    if (!r) r = known_packs(s, a, &known, &n, e);
    if (!r) r = mark_clean(s, false, e); /* before anything is written to a pack */
    struct error damage = {0}; /* a damaged pack must not keep the others from being read: verify tells */
    if (!r)
        r = packs_open(s->world, s->folder, known, n, clean[0] == '1', next_id, s, &s->packs, &s->damaged_packs,
                       &damage);
    if (r && e && damage.code) *e = damage;
    if (!r && packs_latest(s->packs) > ids_last(&s->ids)) ids_start(&s->ids, 0, packs_latest(s->packs));
    arena_free(a);
    return r;
}

static struct store *store_new(struct world *w, const struct store_options *o)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s) abort();
    s->world = w;
    s->folder = copy(o->folder);
    s->lock = lock_new(w);
    s->hash_key = world_hash_key(w);
    s->keep_expunged_us = o->keep_expunged_us;
    s->count_expunged = o->count_expunged;
    s->keep_trace_us = o->keep_trace_us ? o->keep_trace_us : SPAN_TRACE_KEPT;
    list_init(&s->jobs);
    list_init(&s->collectors);
    list_init(&s->writer.collect.asked);
    list_init(&s->readers.waiting);
    s->readers.keep = o->readers ? o->readers : READERS;
    map_init(&s->submissions, s->hash_key);
    views_init(s);
    watches_init(s);
    map_init(&s->maildrops, s->hash_key);
    s->search = search_index_new(w);
    struct writer *wr = &s->writer;
    rows_init(&wr->rows, s->hash_key);
    wr->arena = arena_new(NULL, 0);
    wr->records = calloc(GROUP_JOBS, sizeof *wr->records);
    wr->jobs = calloc(GROUP_JOBS, sizeof *wr->jobs);
    wr->good = calloc(GROUP_JOBS, sizeof *wr->good);
    if (!wr->records || !wr->jobs || !wr->good) abort();
    return s;
}

static void free_values(struct map *m)
{
    const struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(m, &i));) free(entry->value);
    map_free(m);
}

/* Memory and files, without a last word to the disk. */
static void store_free(struct store *s)
{
    struct writer *w = &s->writer;
    if (s->lane) lane_free(s->lane);
    readers_close_all(s);
    search_index_free(s->search);
    db_close(w->db);
    packs_close(s->packs);
    space_close(s->space);
    store_vfs_unregister(s->vfs);
    directory_unref(w->directory);
    directory_unref(s->directory);
    rows_free(&w->rows);
    trace_queue_free(&w->traces);
    trace_queue_free(&s->traces);
    free_values(&s->submissions);
    free_values(&s->maildrops);
    views_free(s);
    watches_free(s);
    arena_free(w->arena);
    free(w->collect.packs);
    trace_index_free(&w->index);
    free(w->records);
    free(w->jobs);
    free(w->good);
    lock_free(s->lock);
    free(s->folder);
    free(s);
}

static int64_t low_water(const struct store_options *o)
{
    return o->low_water_bytes ? o->low_water_bytes : WAL_MOST + LIMIT_MESSAGE + (INT64_C(64) << 20);
}

static bool exists(struct world *w, const char *folder)
{
    char path[4096 - 512];
    snprintf(path, sizeof path, "%s/%s", folder, store_database);
    return file_exists(w, path);
}

int store_open(struct world *w, const struct store_options *o, struct store **out, struct error *e)
{
    if (o->must_exist && !exists(w, o->folder))
        return error_set(e, ERR_NOT_FOUND, "there is no store in %s", o->folder);
    db_configure();
    struct store *s = store_new(w, o);
    int r = folder_create(w, o->folder, e);
    if (!r) r = space_open(w, o->folder, low_water(o), &s->space, e);
    if (!r) r = store_vfs_register(w, o->folder, &s->vfs, e);
    if (!r) r = store_connect(s, e);
    if (r == ERR_BUSY) error_set(e, r, "another process has the store in %s", o->folder);
    if (!r) r = open_packs(s, e);
    if (r) {
        store_free(s);
        return r;
    }
    s->lane = lane_new(w, "store", writer_run, s);
    *out = s;
    return 0;
}

/* The last refusals, then the WAL into the database, then the mark that all is well. */
void store_close(struct store *s)
{
    if (!s) return;
    atomic_store(&s->closing, true);
    lane_free(s->lane);
    s->lane = NULL;
    s->traces_due = true;
    if (!s->writer.broken) writer_run(s); /* which may be what breaks it */
    if (!s->writer.broken && mark_clean(s, true, NULL) == 0) db_checkpoint(s->writer.db, NULL, NULL);
    store_free(s);
}

void store_fail_step(struct store *s, int64_t nth) { db_fail_at(s->writer.db, nth); }

/* ---- health ---- */

struct store_stats store_stats(struct store *s)
{
    const struct directory *d = store_directory(s);
    struct pack_stats packs = packs_stats(s->packs);
    struct store_stats out = {.groups = s->count.groups,
                              .jobs = s->count.jobs,
                              .jobs_alone = s->count.jobs_alone,
                              .pack_syncs = packs.syncs,
                              .commits = s->count.commits,
                              .checkpoints = s->count.checkpoints,
                              .statements = s->count.statements,
                              .row_writes = s->count.row_writes,
                              .wal_bytes = s->count.wal_bytes,
                              .messages = s->count.messages,
                              .queue_rows = s->count.queue_rows,
                              .accounts = (int64_t)directory_count_accounts(d),
                              .domains = (int64_t)directory_count_domains(d),
                              .free_bytes = space_free_bytes(s->space),
                              .packs_removed = s->count.packs_removed,
                              .bytes_collected = s->count.bytes_collected,
                              .damaged_packs = s->damaged_packs,
                              .writes_refused = atomic_load(&s->writes_refused),
                              .disk_low = space_is_low(s->space),
                              .interrupted_at = s->interrupted_at};
    directory_unref(d);
    return out;
}
