/* Checking accounts (penny verify): the counters of mailboxes against their entries, the entries against their letters,
 * and how many entries each letter has, whatever they are: live, in a deleted mailbox, or expunged and remembered. */
#include <stdlib.h>

#include "store/verify.h"

struct sums {
    int64_t messages, unseen, deleted, octets;
    uint64_t modseq;
};

struct named { /* a letter that an entry names */
    int64_t email, more; /* more: entries beyond this one, as its row says */
};

struct account_check {
    struct verify *v;
    struct db *db;
    int64_t account;
    struct sums all, kept; /* kept: expunged ones that count */
    struct buf named; /* struct named */
    int error;        /* in a tombstone */
    struct error *e;
};

struct mailbox_check {
    int64_t id, uid_next, messages, unseen, octets, deleted_at, deleted;
    struct str tail;
    flag_set bits; /* flags with a meaning */
    struct sums own;
};

/* ---- letters ---- */

struct checked_email {
    int64_t account, size, body_size;
};

/* 1; 0 when there is none. Notes that it was named. */
static int look_at_email(struct account_check *c, int64_t email, struct checked_email *out, struct error *e)
{
    struct query q = db_query(c->db, SQL_CHECK_EMAIL);
    q_int(&q, email);
    int r = q_row(&q, e);
    if (r <= 0) return r;
    *out = (struct checked_email){q_get_int(&q, 0), q_get_int(&q, 1), q_get_int(&q, 2)};
    struct named named = {email, q_get_int(&q, 3)};
    buf_add(&c->named, str_of(&named, sizeof named));
    q_end(&q);
    return 1;
}

static int by_email(const void *a, const void *b)
{
    int64_t x = ((const struct named *)a)->email, y = ((const struct named *)b)->email;
    return (x > y) - (x < y);
}

static void count_named(struct account_check *c)
{
    struct named *v = (struct named *)(void *)c->named.p;
    size_t n = c->named.n / sizeof *v;
    if (n) qsort(v, n, sizeof *v, by_email);
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && v[k].email == v[i].email;) k++;
        if ((int64_t)(k - i) != 1 + v[i].more)
            verify_found(c->v, "letter %lld: counts %lld entries, has %zu", (long long)v[i].email,
                         (long long)v[i].more + 1, k - i);
    }
}

/* ---- entries ---- */

static int check_entry(struct account_check *c, struct mailbox_check *m, const struct entry *entry, struct error *e)
{
    struct checked_email email;
    long long mailbox = m->id;
    int r = look_at_email(c, entry->email, &email, e);
    if (r == 0) verify_found(c->v, "mailbox %lld: UID %u has no letter", mailbox, entry->uid);
    if (r <= 0) return r;
    if (email.account != c->account)
        verify_found(c->v, "mailbox %lld: UID %u is another account's letter", mailbox, entry->uid);
    if (email.size < email.body_size)
        verify_found(c->v, "mailbox %lld: UID %u is smaller than its body", mailbox, entry->uid);
    if (entry->uid >= m->uid_next)
        verify_found(c->v, "mailbox %lld: UID %u has not been given out", mailbox, entry->uid);
    if (entry->flags & ~m->bits) verify_found(c->v, "mailbox %lld: UID %u has a nameless keyword", mailbox, entry->uid);
    m->own.octets += email.size;
    m->own.messages++;
    m->own.unseen += !(entry->flags & FLAG_SEEN);
    m->own.deleted += !!(entry->flags & FLAG_DELETED);
    if (entry->modseq > m->own.modseq) m->own.modseq = entry->modseq;
    return 0;
}

static int check_chunk(struct account_check *c, struct mailbox_check *m, struct str packed, uint32_t number,
                       struct error *e)
{
    struct entry *entries = arena_array(c->v->arena, CHUNK_ENTRIES, sizeof *entries);
    size_t n;
    int r = 0;
    if (chunk_unpack(packed, number, entries, &n)) {
        verify_found(c->v, "mailbox %lld: chunk %u is damaged", (long long)m->id, number);
        return 0;
    }
    for (size_t i = 0; !r && i < n; i++) r = check_entry(c, m, &entries[i], e);
    return r;
}

/* ---- mailboxes ---- */

static int read_bits(struct account_check *c, struct mailbox_check *m, struct error *e)
{
    struct query q = db_query(c->db, SQL_KEYWORDS);
    q_int(&q, m->id);
    int r;
    m->bits = ((flag_set)1 << FLAG_FIRST_OWN) - 1;
    while ((r = q_row(&q, e)) > 0) m->bits |= (flag_set)1 << (q_get_int(&q, 0) & 31);
    return r;
}

static int check_arrivals(struct account_check *c, struct mailbox_check *m, struct error *e)
{
    struct query q = db_query(c->db, SQL_ARRIVALS);
    q_int(&q, m->id);
    q_int(&q, 0);
    int r;
    bool good = true;
    for (int64_t last = 0; (r = q_row(&q, e)) > 0; last = q_get_int(&q, 0))
        good &= q_get_int(&q, 1) > last && q_get_int(&q, 1) <= q_get_int(&q, 0) && q_get_int(&q, 0) < m->uid_next;
    if (!good) verify_found(c->v, "mailbox %lld: when letters came to it is confused", (long long)m->id);
    return r;
}

static void compare(struct account_check *c, const struct mailbox_check *m)
{
    const struct sums *own = &m->own;
    bool gone = m->deleted_at != 0;
    if (gone && m->messages == 0) return; /* from before they were counted, or half collected */
    if (own->messages != m->messages || own->octets != m->octets ||
        (!gone && (own->unseen != m->unseen || own->deleted != m->deleted)))
        verify_found(c->v,
                     "mailbox %lld: counts %lld letters, %lld unseen, %lld deleted, %lld octets; "
                     "has %lld, %lld, %lld, %lld",
                     (long long)m->id, (long long)m->messages, (long long)m->unseen, (long long)m->deleted,
                     (long long)m->octets, (long long)own->messages, (long long)own->unseen, (long long)own->deleted,
                     (long long)own->octets);
    if (m->deleted_at) {
        c->kept.messages += own->messages;
        c->kept.octets += own->octets;
        return;
    }
    c->all.messages += own->messages;
    c->all.octets += own->octets;
    if (own->modseq > c->all.modseq) c->all.modseq = own->modseq;
}

static int check_mailbox(struct account_check *c, struct mailbox_check *m, struct error *e)
{
    int r = read_bits(c, m, e), failed = 0;
    if (!r) r = check_arrivals(c, m, e);
    if (r) return r;
    struct query q = db_query(c->db, SQL_CHUNKS);
    q_int(&q, m->id);
    q_int(&q, 0);
    while (!failed && (r = q_row(&q, e)) > 0) failed = check_chunk(c, m, q_get(&q, 1), (uint32_t)q_get_int(&q, 0), e);
    q_end(&q);
    if (failed || r < 0) return failed ? failed : r;
    failed = check_chunk(c, m, m->tail, (uint32_t)(m->uid_next / CHUNK_ENTRIES), e);
    if (!failed) compare(c, m);
    return failed;
}

static int check_mailboxes(struct account_check *c, struct error *e)
{
    struct query q = db_query(c->db, SQL_CHECK_MAILBOXES);
    q_int(&q, c->account);
    int r = 0, failed = 0;
    while (!failed && (r = q_row(&q, e)) > 0) {
        struct mailbox_check m = {.id = q_get_int(&q, 0), .uid_next = q_get_int(&q, 1), .messages = q_get_int(&q, 2),
                                  .unseen = q_get_int(&q, 3), .octets = q_get_int(&q, 4), .tail = q_get(&q, 5),
                                  .deleted_at = q_get_int(&q, 6), .deleted = q_get_int(&q, 7)};
        failed = check_mailbox(c, &m, e);
    }
    q_end(&q);
    return failed ? failed : r;
}

/* ---- tombstones ---- */

static void check_gone(const struct tombstone *t, void *arg)
{
    struct account_check *c = arg;
    struct checked_email email;
    if (t->email == 0) return; /* it was brought back */
    int r = c->error ? 0 : look_at_email(c, t->email, &email, c->e);
    if (r < 0) c->error = r;
    else if (r == 0 && !c->error)
        verify_found(c->v, "account %lld: the expunged UID %u has no letter", (long long)c->account, t->uid);
}

static void check_kept(const struct tombstone *t, void *arg)
{
    struct account_check *c = arg;
    c->kept.messages += t->email != 0;
    c->kept.octets += t->size;
    check_gone(t, arg);
}

static int check_tombstones(struct account_check *c, struct error *e)
{
    struct query q = db_query(c->db, SQL_CHECK_TOMBSTONES);
    q_int(&q, c->account);
    c->e = e;
    int r = 0;
    while (!c->error && (r = q_row(&q, e)) > 0) {
        bool kept = q_get_int(&q, 1) != 0;
        if (tombstone_unpack(q_get(&q, 0), kept, kept ? check_kept : check_gone, c))
            verify_found(c->v, "account %lld: what was expunged cannot be read", (long long)c->account);
    }
    q_end(&q);
    return c->error ? c->error : r;
}

/* ---- accounts ---- */

static int compare_account(struct account_check *c, struct error *e)
{
    struct query q = db_query(c->db, SQL_CHECK_ACCOUNT_SUMS);
    q_int(&q, c->account);
    int r = q_row(&q, e);
    if (r <= 0) return r;
    if (q_get_int(&q, 0) != c->all.octets || q_get_int(&q, 1) != c->all.messages)
        verify_found(c->v, "account %lld: counts %lld octets in %lld letters; has %lld in %lld", (long long)c->account,
                     (long long)q_get_int(&q, 0), (long long)q_get_int(&q, 1), (long long)c->all.octets,
                     (long long)c->all.messages);
    if (q_get_int(&q, 3) != c->kept.octets || q_get_int(&q, 4) != c->kept.messages)
        verify_found(c->v, "account %lld: counts %lld octets in %lld expunged letters; has %lld in %lld",
                     (long long)c->account, (long long)q_get_int(&q, 3), (long long)q_get_int(&q, 4),
                     (long long)c->kept.octets, (long long)c->kept.messages);
    if ((uint64_t)q_get_int(&q, 2) < c->all.modseq)
        verify_found(c->v, "account %lld: its MODSEQ is behind its letters", (long long)c->account);
    q_end(&q);
    return 0;
}

int verify_account(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct verify *v = arg;
    struct account_check c = {.v = v, .db = db, .named = BUF(SIZE_MAX)};
    struct query q = db_query(db, SQL_CHECK_ACCOUNTS);
    q_int(&q, v->after);
    int r = q_one_int(&q, &c.account, e);
    v->end = r == ERR_NOT_FOUND;
    if (r) return v->end ? 0 : r;
    v->after = c.account;
    v->seen++;
    r = check_mailboxes(&c, e);
    if (!r) r = check_tombstones(&c, e);
    if (!r) count_named(&c);
    buf_free(&c.named);
    return r ? r : compare_account(&c, e);
}
