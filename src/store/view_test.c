/* Views (view.h): what sessions see of a mailbox while it changes under them. At the end a property: whatever several
 * fibers on several loops do, each watcher's snapshots follow one another as a model of the mailbox says. */
#include <stdatomic.h>

#include "store/testing.h"
#include "mail/limits.h"
#include "store/view.h"

static FIBER void deliver(struct testing *t, int n)
{
    struct error e = {0};
    for (int i = 0; i < n; i++) ok(letter_accept(t, S("Subject: x\r\n\r\n"), 0, NULL, &e), &e);
}

static struct uid_set uids(struct testing *t, uid first, uid last)
{
    struct uid_set s = {0};
    uid_set_add(t->arena, &s, first, last);
    return s;
}

static void count_call(void *arg) { ++*(int *)arg; }

static void count_entry(uint32_t seq, const struct view_entry *e, void *arg)
{
    (void)seq, (void)e;
    ++*(int *)arg;
}

/* Sequence numbers, walking and searching agree. */
static void assert_coherent(const struct snapshot *s)
{
    uint32_t seq = 0;
    uid last = 0;
    for (struct walk w = walk_from(s, 1); walk_next(&w); last = w.entry->uid) {
        assert_int_equal(w.seq, ++seq);
        assert_true(w.entry->uid > last && w.entry->uid < s->uid_next && w.entry->modseq <= s->highest_modseq);
        assert_ptr_equal(snapshot_at(s, seq), w.entry);
        assert_int_equal(snapshot_seq(s, w.entry->uid), seq);
        assert_int_equal(snapshot_seq_from(s, last + 1), seq);
        if (w.entry->uid > last + 1) assert_int_equal(snapshot_seq(s, last + 1), 0);
        assert_true(w.entry->modseq <= w.chunk->modseq);
    }
    assert_int_equal(seq, s->count);
    assert_null(snapshot_at(s, seq + 1));
    assert_null(snapshot_at(s, 0));
    assert_int_equal(snapshot_seq_from(s, last + 1), seq + 1);
    struct walk w = walk_from(s, seq / 2 + 1);
    if (walk_next(&w)) assert_int_equal(w.seq, seq / 2 + 1);
}

static FIBER void looking(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    int calls = 0, changed = 0;
    size_t gone;
    struct view *v, *nobody;
    testing_account(t);
    deliver(t, 300);
    ok(store_view_open(t->store, loop_self(), t->inbox, count_call, &calls, &v, &e), &e);
    assert_int_equal(store_view_open(t->store, loop_self(), 12345, NULL, NULL, &nobody, &e), ERR_NOT_FOUND);
    const struct snapshot *first = view_newest(v);
    assert_coherent(first);
    assert_int_equal(first->count, 300);
    assert_int_equal(first->unseen, 300);
    assert_true(first->account == t->account && first->uid_validity != 0);
    deliver(t, 1);
    struct uid_set some = uids(t, 130, 131), one = uids(t, 5, 5);
    ok(flag_letters(t, t->inbox, &some, FLAG_SEEN | FLAG_DELETED, 0, &e), &e);
    ok(expunge_letters(t, t->inbox, &one, &gone, &e), &e);
    fiber_sleep(SECONDS(1));
    assert_true(calls >= 1 && calls <= 3);
    const struct snapshot *now = view_newest(v);
    assert_coherent(now);
    assert_true(now->count == 300 && now->unseen == 298 && now->deleted == 2 && now->uid_next == 302);
    assert_true(now->highest_modseq > first->highest_modseq);
    snapshot_changed(first, now, count_entry, &changed);
    assert_int_equal(changed, 2);
    struct uid_set lost = {0};
    snapshot_gone(first, now, t->arena, &lost);
    assert_true(lost.n == 1 && lost.v[0].first == 5 && lost.v[0].last == 5);
    assert_int_equal(snapshot_seq(first, 300), 300);
    assert_int_equal(snapshot_seq(now, 300), 299);
    assert_int_equal(snapshot_seq(now, 301), 300);
    assert_coherent(first); /* as it was */
    snapshot_unref(first);
    snapshot_unref(now);
    deliver(t, 1);
    int before = calls;
    store_view_close(v); /* what is under way is not told any more */
    deliver(t, 1);
    fiber_sleep(SECONDS(1));
    assert_int_equal(calls, before);
}

static void test_looking(void **state)
{
    (void)state;
    twice(looking);
}

/* ---- facts ---- */

static FIBER void facts(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct view *v;
    testing_account(t);
    deliver(t, 130);
    ok(store_view_open(t->store, loop_self(), t->inbox, NULL, NULL, &v, &e), &e);
    const struct snapshot *s = view_newest(v);
    ok(store_view_facts(t->store, s, 0, 1, &e), &e);
    assert_non_null(s->chunks[0]->facts);
    assert_null(s->chunks[1]->facts);
    deliver(t, 1);
    struct uid_set one = uids(t, 3, 3);
    ok(flag_letters(t, t->inbox, &one, FLAG_SEEN, 0, &e), &e);
    const struct snapshot *now = view_newest(v);
    assert_ptr_equal(now->chunks[0]->facts, s->chunks[0]->facts); /* another state, the same letters */
    ok(store_view_facts(t->store, now, 0, 99, &e), &e);
    deliver(t, 1);
    const struct snapshot *last = view_newest(v);
    ok(store_view_facts(t->store, last, 0, 99, &e), &e); /* one letter is new in a chunk that is known */
    size_t n;
    struct entry *entries = entries_of(t, t->inbox, &n);
    assert_int_equal(n, last->count);
    for (struct walk w = walk_from(last, 1); walk_next(&w);) {
        struct letter l;
        assert_int_equal(w.chunk->facts->size[w.entry->uid % 128], entries[w.seq - 1].size);
        ok(store_letter(t->store, t->arena, t->account, w.entry->email, &l, &e), &e);
        assert_true(w.chunk->facts->received[w.entry->uid % 128] == l.received_at);
    }
    snapshot_unref(s);
    snapshot_unref(now);
    snapshot_unref(last);
    store_view_close(v);
}

static void test_facts(void **state)
{
    (void)state;
    twice(facts);
}

/* ---- opened while it changes, and kept ---- */

struct crowd {
    struct testing *t;
    int left;
    bool stop;
};

static FIBER void open_and_close(void *arg)
{
    struct crowd *c = arg;
    struct error e = {0};
    for (int i = 0; i < 20; i++) {
        struct view *v;
        ok(store_view_open(c->t->store, loop_self(), c->t->inbox, NULL, NULL, &v, &e), &e);
        const struct snapshot *s = view_newest(v);
        size_t n;
        entries_of(c->t, c->t->inbox, &n); /* later */
        const struct snapshot *later = view_newest(v);
        assert_true(s->count <= n && n <= later->count); /* only letters come */
        assert_coherent(s);
        snapshot_unref(s);
        snapshot_unref(later);
        store_view_close(v);
        fiber_sleep(i % 3 ? 0 : 300);
    }
    c->left--;
}

static FIBER void keep_delivering(void *arg)
{
    struct crowd *c = arg;
    while (!c->stop) {
        struct error e = {0};
        ok(letter_accept(c->t, S("Subject: x\r\n\r\n"), 0, NULL, &e), &e);
    }
    c->left--;
}

static FIBER void opening_in_a_storm(void *arg)
{
    struct testing *t = arg;
    testing_account(t);
    deliver(t, 200);
    struct crowd c = {.t = t, .left = 6};
    for (int i = 0; i < 4; i++) fiber_spawn(loop_scope(loop_self()), open_and_close, &c);
    for (int i = 0; i < 2; i++) fiber_spawn(loop_scope(loop_self()), keep_delivering, &c);
    while (c.left > 2) fiber_sleep(1000);
    c.stop = true;
    while (c.left > 0) fiber_sleep(1000);
    assert_sound(t);
}

static void test_opening_in_a_storm(void **state)
{
    (void)state;
    twice(opening_in_a_storm);
}

static FIBER void kept(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct view *v;
    testing_account(t);
    deliver(t, 3);
    const struct snapshot *s[3];
    for (int i = 0; i < 3; i++) {
        ok(store_view_open(t->store, loop_self(), t->inbox, NULL, NULL, &v, &e), &e);
        s[i] = view_newest(v);
        store_view_close(v);
        if (i == 1) deliver(t, 1);
    }
    assert_ptr_equal(s[0], s[1]); /* SELECT, CLOSE, SELECT */
    assert_true(s[2] != s[1] && s[2]->count == 4);
    for (int i = 0; i < 3; i++) snapshot_unref(s[i]);
    assert_true(t->store->views.idle_bytes <= LIMIT_VIEWS_KEPT);
}

static void test_kept(void **state)
{
    (void)state;
    twice(kept);
}

/* ---- a mailbox goes ---- */

static int run_remove(struct store *s, void *args, struct error *e)
{
    struct mailbox_row *m;
    int r = rows_mailbox(s, *(int64_t *)args, &m, e);
    if (!r) r = db_exec(s->writer.db, "UPDATE mailbox SET deleted_at = 5 WHERE purpose = 4", e);
    if (!r) rows_remove_mailbox(s, m);
    return r ? r : rows_mailbox(s, *(int64_t *)args, &m, NULL) == ERR_NOT_FOUND ? 0 : ERR_EXISTS;
}

static const struct job_kind remove_job = {.name = "remove", .run = run_remove};

static FIBER void going(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct mailbox_info junk;
    struct view *v, *none;
    int calls = 0;
    testing_account(t);
    ok(store_mailbox_by_use(t->store, t->arena, t->account, USE_JUNK, &junk, &e), &e);
    char sql[100];
    snprintf(sql, sizeof sql, "UPDATE mailbox SET purpose = 4 WHERE id = %lld", (long long)junk.id);
    ok(db_exec(t->store->writer.db, sql, &e), &e);
    snprintf(sql, sizeof sql, "UPDATE mailbox SET purpose = 99 WHERE purpose = 4 AND id <> %lld", (long long)junk.id);
    ok(db_exec(t->store->writer.db, sql, &e), &e);
    ok(store_view_open(t->store, loop_self(), junk.id, count_call, &calls, &v, &e), &e);
    ok(store_job(t->store, &remove_job, &junk.id, 0, &e), &e);
    fiber_sleep(SECONDS(1));
    const struct snapshot *s = view_newest(v);
    assert_true(s->gone && s->count == 0 && calls == 1);
    snapshot_unref(s);
    assert_int_equal(store_view_open(t->store, loop_self(), junk.id, NULL, NULL, &none, &e), ERR_NOT_FOUND);
    store_view_close(v);
    assert_int_equal(store_view_open(t->store, loop_self(), junk.id, NULL, NULL, &none, &e), ERR_NOT_FOUND);
}

static void test_going(void **state)
{
    (void)state;
    twice(going);
}

/* ---- a commit nobody knows of ---- */

static FIBER void unknown_commits(void *arg)
{
    struct testing *t = arg;
    struct view *v;
    struct error e = {0};
    testing_account(t);
    deliver(t, 3);
    ok(store_view_open(t->store, loop_self(), t->inbox, NULL, NULL, &v, &e), &e);
    int unknown = 0;
    for (int nth = 1; nth < 40; nth++) {
        store_fail_step(t->store, nth);
        unknown += letter_accept(t, S("Subject: x\r\n\r\n"), 0, NULL, &e) == ERR_UNKNOWN;
        store_fail_step(t->store, 0);
        for (uid first; store_stats(t->store).writes_refused; fiber_sleep(SECONDS(1)))
            store_recent(t->store, t->inbox, false, &first, NULL); /* whoever comes next has it opened again */
        size_t n;
        entries_of(t, t->inbox, &n);
        const struct snapshot *s = view_newest(v);
        assert_int_equal(s->count, n);
        assert_coherent(s);
        snapshot_unref(s);
    }
    assert_true(unknown > 0);
    store_view_close(v);
}

static void on_some_news(void *calls) { ++*(int *)calls; }

/* Who watches an account is told that anything may have happened. */
static FIBER void unknown_news(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct account_news *v;
    bool lost;
    int calls = 0;
    testing_account(t);
    struct account_watch *w = store_watch_account(t->store, loop_self(), t->account, t->account, on_some_news, &calls);
    for (int nth = 1, unknown = 0; !unknown; nth++) {
        assert_true(nth < 40);
        store_fail_step(t->store, nth);
        unknown = letter_accept(t, S("Subject: x\r\n\r\n"), 0, NULL, &e) == ERR_UNKNOWN;
        store_fail_step(t->store, 0);
        for (uid first; store_stats(t->store).writes_refused; fiber_sleep(SECONDS(1)))
            store_recent(t->store, t->inbox, false, &first, NULL);
        fiber_sleep(SECONDS(1));
        calls = unknown ? calls : 0;
        store_watch_take(w, t->arena, &v, &lost);
        assert_int_equal(lost, unknown);
    }
    assert_true(calls > 0);
    store_unwatch_account(w);
}

static void test_unknown_commits(void **state)
{
    (void)state;
    twice(unknown_commits);
    twice(unknown_news);
}

/* ---- news of an account ---- */

struct heard {
    struct account_watch *watch;
    struct testing *t;
    int calls;
    unsigned inbox, junk;
};

static void on_news(void *arg)
{
    struct heard *h = arg;
    struct account_news *v;
    bool lost;
    h->calls++;
    for (size_t n = store_watch_take(h->watch, h->t->arena, &v, &lost); n-- > 0;)
        *(v[n].mailbox == h->t->inbox ? &h->inbox : &h->junk) |= v[n].news | v[n].own;
    assert_false(lost);
}

static FIBER void news(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct mailbox_info junk;
    size_t gone;
    testing_account(t);
    ok(store_mailbox_by_use(t->store, t->arena, t->account, USE_JUNK, &junk, &e), &e);
    struct heard one = {.t = t}, two = one, other = one;
    one.watch = store_watch_account(t->store, loop_self(), t->account, t->account, on_news, &one);
    two.watch = store_watch_account(t->store, loop_self(), t->account, t->account, on_news, &two);
    other.watch = store_watch_account(t->store, loop_self(), t->account, 777, on_news, &other);
    deliver(t, 2);
    fiber_sleep(SECONDS(1));
    assert_true(one.inbox == NEWS_ADDED && one.junk == 0 && one.calls >= 1);
    struct uid_set all = uids(t, 1, 2), first = uids(t, 1, 1);
    ok(flag_letters(t, t->inbox, &all, FLAG_SEEN, 0, &e), &e);
    ok(expunge_letters(t, t->inbox, &first, &gone, &e), &e);
    fiber_sleep(SECONDS(1));
    assert_int_equal(one.inbox, NEWS_ADDED | NEWS_FLAGS | NEWS_GONE);
    assert_int_equal(two.inbox, one.inbox);
    struct copying c = {.who = t->account, .from = t->inbox, .to = junk.id, .uids = &all, .move = true};
    ok(store_copy(t->store, t->arena, &c, &e), &e);
    store_unwatch_account(two.watch); /* before its loop came to it */
    fiber_sleep(SECONDS(1));
    assert_true(one.junk == NEWS_ADDED && other.calls == 0);
    store_unwatch_account(one.watch);
    store_unwatch_account(other.watch);
}

static void test_news(void **state)
{
    (void)state;
    twice(news);
}

/* ---- the property ---- */

enum { MOST = 4000, LOOPS = 2, WRITERS = 4, ROUNDS = 30, LOOKERS = 2 };

struct model { /* what the mailboxes must be; changed by whoever's request was done, one request at a time */
    struct testing t;
    struct loop *loops[LOOPS];
    int64_t mailbox[2];
    _Atomic int working, looking;
    _Atomic uint64_t seen; /* MODSEQ of the newest snapshot a looker compared */
    uint64_t seed;
};

static uint64_t dice(uint64_t *seed, uint64_t sides)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (*seed >> 33) % sides;
}

struct worker {
    struct model *m;
    int number;
    uint64_t seed;
};

static FIBER void one_request(struct worker *w, struct arena *a)
{
    struct model *m = w->m;
    struct error e = {0};
    struct uid_set set = {0}, gone = {0};
    int64_t here = m->mailbox[dice(&w->seed, 2)], there = m->mailbox[dice(&w->seed, 2)];
    uid first = (uid)dice(&w->seed, 300) + 1;
    uid_set_add(a, &set, first, first + (uid)dice(&w->seed, 40));
    uint64_t what = dice(&w->seed, 10);
    if (what < 4) {
        struct letter_out l;
        ok(letter_fill(&m->t, a, &l, S("Subject: x\r\n\r\n"), 0, &e), &e);
        l.d.mailbox = here;
        ok(store_accept(m->t.store, &l.a, &e), &e);
    } else if (what < 7) {
        struct str name = S("word");
        struct flags_change c = {.who = m->t.account,
                                 .mailbox = here,
                                 .uids = &set,
                                 .how = (enum flags_how)dice(&w->seed, 3),
                                 .flags = (flag_set)dice(&w->seed, 32),
                                 .unchanged_since = UINT64_MAX,
                                 .keywords = &name,
                                 .n_keywords = dice(&w->seed, 2)};
        ok(store_flags_change(m->t.store, a, &c, &e), &e);
    } else if (what < 9) {
        struct copying c = {.who = m->t.account, .from = here, .to = there, .uids = &set, .move = what == 8};
        ok(store_copy(m->t.store, a, &c, &e), &e);
    } else {
        ok(store_expunge_set(m->t.store, a, m->t.account, here, &set, dice(&w->seed, 2), &gone, &e), &e);
    }
}

static FIBER void work(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct arena *a = arena_new(NULL, 0);
        one_request(w, a);
        arena_free(a);
        if (dice(&w->seed, 4) == 0) fiber_sleep((int64_t)dice(&w->seed, 2000));
    }
    w->m->working--;
}

/* A client that knows only what it was told: the difference of two snapshots makes the one into the other. */
struct client {
    struct view_entry v[MOST];
    uint32_t n;
    uint64_t modseq;
};

static void told_of(uint32_t seq, const struct view_entry *e, void *arg)
{
    struct client *c = arg;
    assert_true(seq >= 1 && seq <= c->n && c->v[seq - 1].uid == e->uid);
    assert_true(e->modseq > c->v[seq - 1].modseq || e->flags == c->v[seq - 1].flags);
    c->v[seq - 1] = *e;
}

static void follow(struct client *c, const struct snapshot *old, const struct snapshot *now)
{
    struct arena *a = arena_new(NULL, 0);
    struct uid_set gone = {0};
    assert_true(now->highest_modseq >= old->highest_modseq && now->uid_next >= old->uid_next);
    if (now != old && now->uid_next != old->uid_next) assert_true(now->highest_modseq > old->highest_modseq);
    snapshot_gone(old, now, a, &gone);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->n; i++)
        if (!uid_set_has(&gone, c->v[i].uid)) c->v[kept++] = c->v[i];
    c->n = kept;
    snapshot_changed(old, now, told_of, c);
    for (struct walk w = walk_from(now, snapshot_seq_from(now, old->uid_next)); walk_next(&w);) {
        assert_true(c->n < MOST);
        c->v[c->n++] = *w.entry;
    }
    assert_int_equal(c->n, now->count);
    uint32_t unseen = 0, deleted = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct view_entry *e = snapshot_at(now, i + 1);
        assert_memory_equal(e, &c->v[i], sizeof *e);
        unseen += !(e->flags & FLAG_SEEN);
        deleted += !!(e->flags & FLAG_DELETED);
    }
    assert_true(unseen == now->unseen && deleted == now->deleted);
    assert_coherent(now);
    arena_free(a);
}

static FIBER void look(void *arg)
{
    struct worker *w = arg;
    struct model *m = w->m;
    struct error e = {0};
    struct view *v;
    struct client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    int64_t mailbox = m->mailbox[w->number % 2];
    ok(store_view_open(m->t.store, loop_self(), mailbox, NULL, NULL, &v, &e), &e);
    const struct snapshot *old = view_newest(v);
    for (struct walk k = walk_from(old, 1); walk_next(&k);) c->v[c->n++] = *k.entry;
    uint64_t begun = old->highest_modseq;
    const struct snapshot *first = snapshot_ref(old);
    for (bool last = false; !last;) {
        last = m->working == 0; /* one look more after the last request */
        const struct snapshot *now = view_newest(v);
        follow(c, old, now);
        snapshot_unref(old);
        old = now;
        fiber_sleep((int64_t)dice(&w->seed, 500));
    }
    /* and what was expunged since is known */
    struct uid_set vanished = {0};
    struct arena *a = arena_new(NULL, 0);
    ok(store_vanished(m->t.store, a, mailbox, begun, NULL, &vanished, &e), &e);
    for (size_t i = 0; i < vanished.n; i++)
        for (uid u = vanished.v[i].first; u <= vanished.v[i].last; u++) assert_int_equal(snapshot_seq(old, u), 0);
    for (struct walk k = walk_from(first, 1); walk_next(&k);)
        assert_true(uid_set_has(&vanished, k.entry->uid) == (snapshot_seq(old, k.entry->uid) == 0));
    arena_free(a);
    snapshot_unref(first);
    snapshot_unref(old);
    store_view_close(v);
    free(c);
    m->looking--;
}

static FIBER void conduct(void *arg)
{
    struct model *m = arg;
    struct error e = {0};
    struct mailbox_info archive;
    testing_account(&m->t);
    ok(store_mailbox_by_use(m->t.store, m->t.arena, m->t.account, USE_ARCHIVE, &archive, &e), &e);
    m->mailbox[0] = m->t.inbox;
    m->mailbox[1] = archive.id;
    deliver(&m->t, 140);
    struct worker w[WRITERS + LOOPS * LOOKERS];
    m->working = WRITERS;
    m->looking = LOOPS * LOOKERS;
    for (int i = 0; i < WRITERS + LOOPS * LOOKERS; i++) {
        w[i] = (struct worker){m, i, m->seed * 100 + (uint64_t)i};
        loop_spawn(m->loops[i % LOOPS], i < WRITERS ? work : look, &w[i]);
    }
    while (m->working > 0 || m->looking > 0) fiber_sleep(1000);
    assert_sound(&m->t);
    if (!m->t.sim)
        for (int i = 0; i < LOOPS; i++) loop_stop(m->loops[i]);
}

static void run_model(struct sim *sim, void *arg)
{
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->seed = *(uint64_t *)arg;
    testing_begin(&m->t, sim);
    m->loops[0] = m->t.loop;
    m->loops[1] = loop_new(m->t.world);
    testing_run(&m->t, conduct, m);
    loop_stop(m->loops[1]);
    sim_run(sim, FOREVER);
    loop_free(m->loops[1]);
    testing_close(&m->t);
    free(m);
}

static void test_whatever_happens(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) sim_twice(seed, run_model, &seed);
}

/* The same on threads. */
static void test_on_threads(void **state)
{
    (void)state;
    char folder[] = "/tmp/penny-view-XXXXXX", remove[64];
    assert_non_null(mkdtemp(folder));
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->seed = 9;
    m->t = (struct testing){.world = world_real(3), .folder = folder};
    testing_open(&m->t);
    m->loops[0] = m->t.loop;
    m->loops[1] = loop_new(m->t.world);
    loop_start(m->loops[1], "second");
    testing_run(&m->t, conduct, m);
    loop_join(m->loops[1]);
    loop_free(m->loops[1]);
    testing_close(&m->t);
    world_free(m->t.world);
    free(m);
    snprintf(remove, sizeof remove, "rm -r %s", folder);
    assert_int_equal(system(remove), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looking),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_opening_in_a_storm),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_going),
        cmocka_unit_test(test_unknown_commits),
        cmocka_unit_test(test_news),
        cmocka_unit_test(test_whatever_happens),
        cmocka_unit_test(test_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
