/* What is remembered of entries besides their flags: when they went (RFC 7162 §3.2), when they came (RFC 8514), whether
 * a session has been told of them (RFC 3501 §2.3.2). */
#include <stdlib.h>

#include "store/entries_inside.h"

/* ---- gone ---- */

struct vanished {
    int64_t mailbox;
    uint64_t modseq;
    const struct uid_set *known; /* NULL: all */
    bool forgotten;      /* `uids` are those that are there */
    uint64_t uid_next;
    struct buf *uids;    /* uid */
};

static void note_uid(const struct tombstone *t, void *arg)
{
    struct vanished *v = arg;
    if (!v->known || uid_set_has(v->known, t->uid)) buf_add(v->uids, str_of(&t->uid, sizeof t->uid));
}

static int read_tombstones(struct db *db, struct vanished *v, int64_t account, struct error *e)
{
    struct query q = db_query(db, SQL_VANISHED);
    q_int(&q, account);
    q_int(&q, v->modseq > INT64_MAX ? INT64_MAX : (int64_t)v->modseq);
    q_int(&q, v->mailbox);
    int r, bad = 0;
    while (!bad && (r = q_row(&q, e)) > 0) bad = tombstone_unpack(q_get(&q, 0), q_get_int(&q, 1) != 0, note_uid, v);
    q_end(&q);
    return bad ? error_set(e, ERR_CORRUPT, "what was expunged from the mailbox cannot be read") : r;
}

static int read_present(struct db *db, struct vanished *v, struct str tail, struct error *e)
{
    struct entry *chunk = malloc(CHUNK_ENTRIES * sizeof *chunk);
    if (!chunk) abort();
    struct query q = db_query(db, SQL_CHUNKS);
    size_t n;
    q_int(&q, v->mailbox);
    q_int(&q, 0);
    int r, bad = 0;
    while (!bad && (r = q_row(&q, e)) > 0) {
        bad = chunk_unpack(q_get(&q, 1), (uint32_t)q_get_int(&q, 0), chunk, &n);
        for (size_t i = 0; !bad && i < n; i++) buf_add(v->uids, str_of(&chunk[i].uid, sizeof(uid)));
    }
    q_end(&q);
    if (!bad && r == 0) bad = chunk_unpack(tail, (uint32_t)(v->uid_next / CHUNK_ENTRIES), chunk, &n);
    for (size_t i = 0; !bad && r == 0 && i < n; i++) buf_add(v->uids, str_of(&chunk[i].uid, sizeof(uid)));
    free(chunk);
    return bad ? error_set(e, ERR_CORRUPT, "mailbox %lld: its entries are damaged", (long long)v->mailbox) : r;
}

static int read_vanished(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct vanished *v = arg;
    struct query q = db_query(db, SQL_VANISHED_SINCE);
    q_int(&q, v->mailbox);
    int r = q_row(&q, e);
    if (r <= 0) return r < 0 ? r : error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
    int64_t account = q_get_int(&q, 0);
    v->uid_next = (uint64_t)q_get_int(&q, 1);
    v->forgotten = v->modseq < (uint64_t)q_get_int(&q, 2);
    r = v->forgotten ? read_present(db, v, q_get(&q, 3), e) : read_tombstones(db, v, account, e);
    q_end(&q);
    return r;
}

static int by_uid(const void *a, const void *b)
{
    uid x = *(const uid *)a, y = *(const uid *)b;
    return (x > y) - (x < y);
}

/* Those of `known` below uid_next that are not among the ascending UIDs. */
static void put_absent(struct arena *a, const struct vanished *v, const uid *there, size_t n, struct uid_set *out)
{
    if (v->uid_next <= 1) return;
    uid last = (uid)(v->uid_next - 1);
    struct uid_range all = {1, last};
    const struct uid_range *known = v->known ? v->known->v : &all;
    size_t n_known = v->known ? v->known->n : 1, k = 0;
    for (size_t i = 0; i < n_known && known[i].first <= last; i++) {
        uint64_t from = known[i].first, end = known[i].last < last ? known[i].last : last;
        while (k < n && there[k] < from) k++;
        for (; k < n && there[k] <= end; from = (uint64_t)there[k++] + 1)
            if (there[k] > from) uid_set_add(a, out, (uid)from, there[k] - 1);
        if (from <= end) uid_set_add(a, out, (uid)from, (uid)end);
    }
}

FIBER int store_vanished(struct store *s, struct arena *a, int64_t mailbox, uint64_t modseq,
                         const struct uid_set *known, struct uid_set *out, struct error *e)
{
    struct vanished v = {.mailbox = mailbox, .modseq = modseq, .known = known && known->n ? known : NULL,
                         .uids = gathered_new(a)};
    int r = store_read(s, read_vanished, &v, e);
    if (!r) {
        uid *uids = (uid *)(void *)v.uids->p;
        size_t n = v.uids->n / sizeof *uids;
        if (n) qsort(uids, n, sizeof *uids, by_uid);
        if (v.forgotten) put_absent(a, &v, uids, n, out);
        else
            for (size_t i = 0; i < n; i++) uid_set_add(a, out, uids[i], uids[i]);
    }
    buf_free(v.uids);
    return r;
}

/* ---- came ---- */

struct arrivals {
    int64_t mailbox;
    const uid *uids;
    const int64_t *emails;
    size_t n, at; /* `at` and those after it are not read yet */
    utc_us *out;  /* of the heap */
};

static int read_arrivals(struct store *s, struct db *db, void *arg, struct error *e)
{
    struct arrivals *ar = arg;
    mono_us end = clock_mono(s->world) + READ_US;
    struct email_scan sc = email_scan_of(db);
    struct query q = db_query(db, SQL_ARRIVALS);
    q_int(&q, ar->mailbox);
    q_int(&q, ar->uids[ar->at]);
    int r = q_row(&q, e);
    for (bool copied = r > 0, any = false; r >= 0 && ar->at < ar->n; ar->at++, any = true) {
        uid u = ar->uids[ar->at];
        if (any && ar->at % CHUNK_ENTRIES == 0 && clock_mono(s->world) > end) break;
        while (copied && q_get_int(&q, 0) < u) copied = (r = q_row(&q, e)) > 0;
        if (r < 0) break;
        if (copied && q_get_int(&q, 1) <= u) {
            ar->out[ar->at] = q_get_int(&q, 2);
            continue;
        }
        struct email_facts facts = {0};
        r = email_scan_to(&sc, ar->emails[ar->at], &facts, e);
        ar->out[ar->at] = facts.saved_at;
    }
    q_end(&q);
    email_scan_end(&sc);
    return r < 0 ? r : 0;
}

FIBER int store_saved_at(struct store *s, int64_t mailbox, const uid *uids, const int64_t *emails, size_t n,
                         utc_us *out, struct error *e)
{
    struct arrivals ar = {.mailbox = mailbox, .uids = uids, .emails = emails, .n = n};
    int r = 0;
    ar.out = out;
    while (!r && ar.at < n) r = store_read(s, read_arrivals, &ar, e);
    return r;
}

/* ---- recent ---- */

struct recent {
    int64_t mailbox;
    bool claim;
    uid first;
};

static int run_recent(struct store *s, void *args, struct error *e)
{
    struct recent *re = args;
    struct mailbox_row *m;
    int r = rows_mailbox(s, re->mailbox, &m, e);
    if (r) return r;
    re->first = (uid)m->recent_uid;
    if (!re->claim || m->recent_uid == (int64_t)m->uid_next) return 0;
    m->recent_uid = m->uid_next > UINT32_MAX ? UINT32_MAX : (int64_t)m->uid_next;
    rows_touch_mailbox(s, m);
    return 0;
}

static const struct job_kind recent_job = {.name = "recent", .run = run_recent};

FIBER int store_recent(struct store *s, int64_t mailbox, bool claim, uid *first, struct error *e)
{
    struct recent re = {.mailbox = mailbox, .claim = claim};
    int r = store_job(s, &recent_job, &re, 0, e);
    if (!r) *first = re.first;
    return r;
}
