/* Letters that were expunged, or lay in a mailbox that was deleted, until they are collected: finding them, and
 * bringing them back. What is brought back is a new entry of the same email; what told of its end keeps the UID, so
 * that clients still learn that it is gone (RFC 7162 §3.2.10), but names no letter any more. */
#include <stdlib.h>

#include "store/entries_inside.h"
#include "store/tree.h"

enum { AT_ONCE = 500 /* letters of one job */ };

/* ---- letters that are still there ---- */

/* A letter that was moved, or of which there are copies, is not lost. All entries of the account are looked at: this is
 * asked rarely. Into *ids, ascending. */
static int by_number(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

static void note_ids(struct buf *ids, struct entry *v, struct str packed, uint32_t number)
{
    size_t n;
    if (chunk_unpack(packed, number, v, &n)) return; /* verify's */
    for (size_t i = 0; i < n; i++) buf_add(ids, str_of(&v[i].email, sizeof v[i].email));
}

static int find_living(struct db *db, struct arena *a, int64_t account, struct buf *ids, struct error *e)
{
    struct entry *v = arena_array(a, CHUNK_ENTRIES, sizeof *v);
    struct query q = db_query(db, SQL_MAILBOX_TAILS);
    q_int(&q, account);
    int r, s = 0;
    while ((r = q_row(&q, e)) > 0) {
        struct query chunks = db_query(db, SQL_CHUNKS);
        q_int(&chunks, q_get_int(&q, 0));
        q_int(&chunks, 0);
        while ((s = q_row(&chunks, e)) > 0) note_ids(ids, v, q_get(&chunks, 1), (uint32_t)q_get_int(&chunks, 0));
        if (s < 0) break;
        note_ids(ids, v, q_get(&q, 2), (uint32_t)(q_get_int(&q, 1) / CHUNK_ENTRIES));
    }
    if (r > 0) q_end(&q);
    if (ids->n) qsort(ids->p, ids->n / sizeof(int64_t), sizeof(int64_t), by_number);
    return s < 0 ? s : r < 0 ? r : 0;
}

/* ---- finding ---- */

struct candidate {
    utc_us gone_at;
    int64_t mailbox, email;
    uid uid;
};
struct losses {
    struct gathering *g; /* struct lost_letter */
    struct buf found;   /* struct candidate */
    struct buf living;  /* int64_t: emails, ascending */
    struct map told;    /* emails: what was moved, then expunged, was lost once */
    int64_t account, mailbox;
    utc_us since;
    size_t max;
    /* of the row at hand */
    int64_t of;
    utc_us at;
};

static void note(struct losses *l, uid u, int64_t email)
{
    struct candidate c = {l->at, l->of, email, u};
    if (email == 0) return;
    size_t n = l->living.n / sizeof email;
    if (n && bsearch(&email, l->living.p, n, sizeof email, by_number)) return;
    buf_add(&l->found, str_of(&c, sizeof c));
}

static void note_tombstone(const struct tombstone *t, void *arg) { note(arg, t->uid, t->email); }

static size_t n_found(const struct losses *l) { return l->found.n / sizeof(struct candidate); }

static int find_expunged(struct db *db, struct losses *l, struct error *e)
{
    struct query q = db_query(db, SQL_TOMBSTONES_BACK);
    q_int(&q, l->account);
    q_int(&q, l->since);
    int r;
    while ((r = q_row(&q, e)) > 0) {
        l->of = q_get_int(&q, 1);
        l->at = q_get_int(&q, 3);
        if (l->mailbox && l->of != l->mailbox) continue;
        tombstone_unpack(q_get(&q, 4), q_get_int(&q, 5) != 0, note_tombstone, l); /* what is damaged names nothing */
        if (n_found(l) < l->max) continue;
        q_end(&q);
        return 0;
    }
    return r;
}

static void note_entries(struct losses *l, struct str packed, uint32_t number)
{
    struct entry *v = arena_array(l->g->arena, CHUNK_ENTRIES, sizeof *v);
    size_t n;
    if (chunk_unpack(packed, number, v, &n)) return;
    for (size_t i = 0; i < n; i++) note(l, v[i].uid, v[i].email);
}

static int find_in_deleted(struct db *db, struct losses *l, struct error *e)
{
    struct query q = db_query(db, SQL_MAILBOXES_DELETED);
    q_int(&q, l->account);
    q_int(&q, l->since > 1 ? l->since : 1);
    int r, s = 0;
    while ((r = q_row(&q, e)) > 0 && n_found(l) < 2 * l->max) {
        l->of = q_get_int(&q, 0);
        l->at = q_get_int(&q, 1);
        if (l->mailbox && l->of != l->mailbox) continue;
        note_entries(l, q_get(&q, 3), (uint32_t)(q_get_int(&q, 2) / CHUNK_ENTRIES));
        struct query chunks = db_query(db, SQL_CHUNKS);
        q_int(&chunks, l->of);
        q_int(&chunks, 0);
        while (n_found(l) < 2 * l->max && (s = q_row(&chunks, e)) > 0)
            note_entries(l, q_get(&chunks, 1), (uint32_t)q_get_int(&chunks, 0));
        if (s > 0) q_end(&chunks);
        if (s < 0) break;
    }
    if (r > 0) q_end(&q);
    return s < 0 ? s : r < 0 ? r : 0;
}

static int newest_first(const void *x, const void *y)
{
    const struct candidate *a = x, *b = y;
    if (a->gone_at != b->gone_at) return a->gone_at > b->gone_at ? -1 : 1;
    if (a->mailbox != b->mailbox) return a->mailbox < b->mailbox ? -1 : 1;
    return (a->uid < b->uid) - (a->uid > b->uid);
}

static int describe(struct db *db, struct losses *l, const struct candidate *c, struct lost_letter *before,
                    struct error *e)
{
    struct query q = db_query(db, SQL_LETTER_LOST);
    q_int(&q, c->email);
    q_int(&q, l->account);
    int r = q_row(&q, e);
    if (r <= 0) return r; /* collected meanwhile */
    struct lost_letter out = {.mailbox = c->mailbox,
                              .email = c->email,
                              .uid = c->uid,
                              .gone_at = c->gone_at,
                              .size = q_get_int(&q, 0),
                              .received_at = q_get_int(&q, 1),
                              .envelope = arena_str(l->g->arena, q_get(&q, 2))};
    q_end(&q);
    if (before->mailbox == c->mailbox) out.path = before->path;
    else r = tree_path(db, l->g->arena, c->mailbox, &out.path, e);
    if (r == ERR_NOT_FOUND) r = 0;
    if (r < 0) return r;
    *before = out;
    buf_add(&l->g->rows, str_of(&out, sizeof out));
    return 0;
}

static int read_lost(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct losses *l = arg;
    int r = find_living(db, l->g->arena, l->account, &l->living, e);
    if (!r) r = find_expunged(db, l, e);
    if (!r) r = find_in_deleted(db, l, e);
    if (r) return r;
    struct candidate *v = arena_array(l->g->arena, n_found(l), sizeof *v);
    if (n_found(l)) memcpy(v, l->found.p, l->found.n);
    qsort(v, n_found(l), sizeof *v, newest_first);
    struct lost_letter before = {0};
    for (size_t i = 0; !r && i < n_found(l) && l->g->rows.n < l->max * sizeof before; i++) {
        if (map_get(&l->told, str_of(&v[i].email, sizeof v[i].email))) continue;
        map_set(&l->told, str_of(&v[i].email, sizeof v[i].email), &v[i]);
        r = describe(db, l, &v[i], &before, e);
    }
    return r;
}

FIBER int store_lost(struct store *s, struct arena *a, int64_t account, int64_t mailbox, utc_us since, size_t max,
                     struct lost_letter **out, size_t *n, struct error *e)
{
    struct losses l = {.g = gathering_new(a), .found = BUF(SIZE_MAX), .living = BUF(SIZE_MAX), .account = account,
                       .mailbox = mailbox, .since = since, .max = max};
    map_init(&l.told, s->hash_key);
    int r = store_read(s, read_lost, &l, e);
    map_free(&l.told);
    buf_free(&l.living);
    buf_free(&l.found);
    if (!r) {
        *out = gathered_rows(a, l.g, sizeof **out, n);
        for (size_t i = 0; i < *n; i++) {
            (*out)[i].path = arena_str(a, (*out)[i].path);
            (*out)[i].envelope = arena_str(a, (*out)[i].envelope);
        }
    }
    gathering_free(l.g);
    return r;
}

/* ---- bringing back; in the lane ---- */

struct wanted {
    int64_t mailbox, email;
    uid uid;
    bool found;
    bool kept;     /* it counted among the expunged, */
    bool in_chunk; /* and in those of its deleted mailbox */
    flag_set flags;
};
struct undeleting {
    int64_t account, into;
    int64_t names_of;            /* mailbox */
    struct keyword_names *names; /* its keywords */
    struct wanted *v; /* in order of mailbox and UID */
    size_t n;
    size_t back; /* out */
};
struct tombstone_row { /* of which letters are taken */
    struct tombstone_row *next;
    int64_t modseq, object, part;
    struct str packed;
};

static int by_mailbox_uid(const void *x, const void *y)
{
    const struct wanted *a = x, *b = y;
    if (a->mailbox != b->mailbox) return a->mailbox < b->mailbox ? -1 : 1;
    return (a->uid > b->uid) - (a->uid < b->uid);
}

static struct wanted *find(struct undeleting *u, int64_t mailbox, uid number, int64_t email)
{
    struct wanted key = {.mailbox = mailbox, .uid = number};
    struct wanted *w = u->n ? bsearch(&key, u->v, u->n, sizeof *u->v, by_mailbox_uid) : NULL;
    return w && w->email == email && !w->found ? w : NULL;
}

struct taking {
    struct undeleting *u;
    int64_t object;
    bool kept;
    char *out;
    size_t n;
    bool took;
};

static void take(const struct tombstone *gone, void *arg)
{
    struct taking *t = arg;
    struct tombstone left = *gone;
    struct wanted *w = gone->email ? find(t->u, t->object, gone->uid, gone->email) : NULL;
    if (w) {
        w->found = t->took = true;
        w->kept = t->kept;
        w->flags = gone->flags;
        left = (struct tombstone){.uid = gone->uid};
    }
    t->n += tombstone_pack(&left, t->kept, t->out + t->n);
}

static int take_expunged(struct store *s, struct undeleting *u, struct error *e)
{
    struct tombstone_row *rows = NULL;
    struct query q = db_query(s->writer.db, SQL_TOMBSTONES_BACK);
    q_int(&q, u->account);
    q_int(&q, 0);
    int r;
    while ((r = q_row(&q, e)) > 0) {
        struct str packed = q_get(&q, 4);
        struct taking t = {.u = u,
                           .object = q_get_int(&q, 1),
                           .kept = q_get_int(&q, 5) != 0,
                           .out = arena_alloc(s->writer.arena, packed.n)};
        if (tombstone_unpack(packed, t.kept, take, &t) || !t.took) continue;
        struct tombstone_row *row = arena_new_of(s->writer.arena, struct tombstone_row);
        *row = (struct tombstone_row){rows, q_get_int(&q, 0), t.object, q_get_int(&q, 2), str_of(t.out, t.n)};
        rows = row;
    }
    for (; !r && rows; rows = rows->next) {
        q = db_query(s->writer.db, SQL_TOMBSTONE_PUT);
        q_bytes(&q, rows->packed);
        q_int(&q, u->account);
        q_int(&q, rows->modseq);
        q_int(&q, rows->object);
        q_int(&q, rows->part);
        r = q_run(&q, e);
    }
    return r;
}

/* Letters of a chunk of a deleted mailbox; *packed is what stays. */
static int take_of_chunk(struct store *s, struct undeleting *u, int64_t mailbox, uint32_t number, bool counted,
                         struct str *packed, bool *took, struct error *e)
{
    struct entry *v = arena_array(s->writer.arena, CHUNK_ENTRIES, sizeof *v);
    size_t n, kept = 0;
    *took = false;
    if (chunk_unpack(*packed, number, v, &n)) return error_set(e, ERR_CORRUPT, "the mailbox's entries are damaged");
    for (size_t i = 0; i < n; i++) {
        struct wanted *w = find(u, mailbox, v[i].uid, v[i].email);
        if (!w) {
            v[kept++] = v[i];
            continue;
        }
        w->found = *took = true;
        w->kept = w->in_chunk = counted;
        w->flags = v[i].flags;
    }
    char *p = arena_alloc(s->writer.arena, CHUNK_PACKED);
    *packed = str_of(p, chunk_pack(v, kept, p));
    return 0;
}

static int put_chunk(struct store *s, int64_t mailbox, uint32_t number, struct str packed, struct error *e)
{
    struct query q = db_query(s->writer.db, packed.n ? SQL_CHUNK_SAVE : SQL_CHUNK_DELETE);
    q_int(&q, mailbox);
    q_int(&q, number);
    if (packed.n) {
        q_int(&q, 0); /* nobody asks what changed in it */
        q_bytes(&q, packed);
    }
    return q_run(&q, e);
}

/* The chunk with letter *w of a deleted mailbox. */
static int take_from_chunk(struct store *s, struct undeleting *u, const struct wanted *w, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_MAILBOX_DELETED_TAIL);
    q_int(&q, w->mailbox);
    int r = q_row(&q, e);
    if (r <= 0) return r; /* it was not deleted, or is collected */
    uint32_t number = chunk_of(w->uid);
    bool took, in_tail = number == (uint32_t)(q_get_int(&q, 0) / CHUNK_ENTRIES);
    struct str packed = arena_str(s->writer.arena, q_get(&q, 1));
    bool kept = q_get_int(&q, 2) > 0;
    q_end(&q);
    if (!in_tail) {
        q = db_query(s->writer.db, SQL_CHUNK_LOAD);
        q_int(&q, w->mailbox);
        q_int(&q, number);
        r = q_row(&q, e);
        if (r <= 0) return r;
        packed = arena_str(s->writer.arena, q_get(&q, 0));
        q_end(&q);
    }
    r = take_of_chunk(s, u, w->mailbox, number, kept, &packed, &took, e);
    if (r || !took) return r;
    if (!in_tail) return put_chunk(s, w->mailbox, number, packed, e);
    q = db_query(s->writer.db, SQL_MAILBOX_TAIL_PUT);
    q_bytes(&q, packed);
    q_int(&q, w->mailbox);
    return q_run(&q, e);
}

/* It is no expunged letter any more. */
static int uncount(struct store *s, const struct wanted *w, struct account_row *a, int64_t size, struct error *e)
{
    if (!w->kept) return 0;
    rows_keep(s, a, -size, -1);
    if (!w->in_chunk) return 0;
    struct query q = db_query(s->writer.db, SQL_MAILBOX_COUNTS_LESS);
    q_int(&q, 1);
    q_int(&q, size);
    q_int(&q, w->mailbox);
    return q_run(&q, e);
}

/* Its flags, keywords by name, without the mark that it was to go. */
static int flags_back(struct store *s, struct undeleting *u, const struct wanted *w, struct mailbox_row *m,
                      flag_set *out, struct error *e)
{
    flag_set flags = w->flags & ~(flag_set)FLAG_DELETED;
    *out = flags;
    if (m->id == w->mailbox || flags >> FLAG_FIRST_OWN == 0) return 0;
    if (u->names_of != w->mailbox) {
        keywords_unref(u->names);
        u->names = NULL;
        u->names_of = w->mailbox;
        int r = keywords_load(s->writer.db, w->mailbox, &u->names, e);
        if (r) return r;
    }
    flag_set spared = 0;
    for (size_t i = 0; i < u->n; i++)
        if (u->v[i].mailbox == m->id) spared |= u->v[i].flags;
    return keywords_carry_named(s, u->names, m, flags, spared, out, e);
}

static int put_back(struct store *s, struct undeleting *u, const struct wanted *w, struct account_row *a,
                    struct error *e)
{
    struct mailbox_row *m;
    struct entry entry = {.email = w->email};
    struct query q = db_query(s->writer.db, SQL_EMAIL_SIZE);
    q_int(&q, w->email);
    int r = q_one_int(&q, &entry.size, e);
    if (r) return r == ERR_NOT_FOUND ? 0 : r;
    r = uncount(s, w, a, entry.size, e);
    if (!r && !(w->kept && s->count_expunged)) r = quota_check(s, a, entry.size, 1, e); /* else it has its room */
    if (r) return r;
    r = rows_mailbox(s, u->into ? u->into : w->mailbox, &m, e);
    if (r == ERR_NOT_FOUND && !u->into) r = rows_mailbox(s, a->inbox, &m, e);
    if (!r && m->account != u->account) r = error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
    if (!r) r = flags_back(s, u, w, m, &entry.flags, e);
    if (!r) r = rows_append(s, m, a, &entry, e);
    if (!r) r = arrival_put(s, m->id, entry.uid, entry.uid, e);
    if (!r) u->back++;
    return r;
}

static int run_undelete(struct store *s, void *args, struct error *e)
{
    struct undeleting *u = args;
    struct account_row *a;
    u->back = 0;
    u->names_of = 0;
    u->names = NULL;
    for (size_t i = 0; i < u->n; i++) u->v[i].found = false;
    int r = rows_account(s, u->account, &a, e);
    if (!r) r = take_expunged(s, u, e);
    for (size_t i = 0; !r && i < u->n; i++)
        if (!u->v[i].found) r = take_from_chunk(s, u, &u->v[i], e);
    for (size_t i = 0; !r && i < u->n; i++)
        if (u->v[i].found) r = put_back(s, u, &u->v[i], a, e);
    keywords_unref(u->names);
    return r;
}

static const struct job_kind undelete_job = {.name = "undelete", .run = run_undelete};

FIBER int store_undelete(struct store *s, int64_t account, const struct lost_letter *v, size_t n, int64_t into,
                         size_t *back, struct error *e)
{
    struct arena *a = arena_new(NULL, 0);
    struct wanted *all = arena_array(a, n, sizeof *all);
    for (size_t i = 0; i < n; i++)
        all[i] = (struct wanted){.mailbox = v[i].mailbox, .email = v[i].email, .uid = v[i].uid};
    if (n) qsort(all, n, sizeof *all, by_mailbox_uid);
    int r = 0;
    *back = 0;
    for (size_t i = 0; !r && i < n; i += AT_ONCE) {
        struct undeleting u = {.account = account, .into = into, .v = all + i, .n = n - i < AT_ONCE ? n - i : AT_ONCE};
        r = store_job(s, &undelete_job, &u, 0, e);
        if (!r) *back += u.back;
        if (!r) s->count.messages += (int64_t)u.back;
    }
    arena_free(a);
    return r;
}
