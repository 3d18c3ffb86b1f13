/* Power cuts and failing disks at every file operation in turn, while letters are copied, moved, flagged, appended,
 * replaced and expunged: afterwards the mailboxes are as they were before a request or after it, never in between, what
 * was acknowledged is there, and the store is sound (style.md, "Crash sweep"). */
#include <errno.h>

#include "store/testing.h"

enum { STEPS = 8, LARGE = 300 << 10 };

struct plan {
    struct testing t;
    int64_t archive;
    int done, result;           /* steps that were acknowledged; what the first that was not came to */
    const char *after[STEPS + 1]; /* what the mailboxes are then, when nothing goes wrong */
};

/* ---- what is there ---- */

static FIBER void put_mailbox(struct testing *t, struct buf *b, int64_t mailbox)
{
    size_t n;
    struct entry *v = entries_of(t, mailbox, &n);
    for (size_t i = 0; i < n; i++) {
        struct error e = {0};
        struct letter l;
        struct str bytes;
        ok(store_letter(t->store, t->arena, t->account, v[i].email, &l, &e), &e);
        ok(store_letter_read(t->store, t->arena, &l, 0, (size_t)l.size, &bytes, &e), &e);
        buf_printf(b, "%u %x %zu; ", v[i].uid, v[i].flags, bytes.n);
    }
    buf_char(b, '|');
}

static FIBER const char *everything(struct plan *p)
{
    struct buf *b = buf_in(p->t.arena, SIZE_MAX);
    put_mailbox(&p->t, b, p->t.inbox);
    put_mailbox(&p->t, b, p->archive);
    return arena_cstr(p->t.arena, buf_str(b));
}

/* ---- the steps ---- */

static struct uid_set range(struct arena *a, uid first, uid last)
{
    struct uid_set s = {0};
    uid_set_add(a, &s, first, last);
    return s;
}

static FIBER int append(struct plan *p, struct arena *a, size_t n, uid replaced, struct error *e)
{
    struct testing *t = &p->t;
    struct new_letter v[2] = {{.flags = FLAG_DRAFT}, {0}};
    struct body_facts facts[2] = {{.version = 1}, {.version = 1}};
    int r = 0;
    for (size_t i = 0; !r && i < n; i++) {
        size_t size = i == 1 ? LARGE : 40; /* streamed to a pack of its own */
        char *text = arena_alloc(a, size);
        memset(text, 'x', size);
        v[i].body = body_begin(t->store, a);
        r = body_write(v[i].body, str_of(text, size), e);
        if (!r) r = body_finish(v[i].body, e);
        if (!r) facts[i].sha256 = body_sha256(v[i].body);
        v[i].facts = &facts[i];
    }
    struct appending ap = {.who = t->account, .mailbox = p->archive, .letters = v, .n = n, .replaced = replaced,
                           .replaced_in = t->inbox};
    return r ? r : store_append(t->store, &ap, e);
}

static FIBER int step(struct plan *p, int number, struct arena *a)
{
    struct testing *t = &p->t;
    struct error e = {0};
    struct str name = S("work");
    struct uid_set set = range(a, 1, 3), gone = {0};
    struct copying c = {.who = t->account, .from = t->inbox, .to = p->archive, .uids = &set};
    struct flags_change f = {.who = t->account, .mailbox = t->inbox, .uids = &set, .how = FLAGS_ADD,
                             .flags = FLAG_SEEN, .keywords = &name, .n_keywords = 1, .unchanged_since = UINT64_MAX};
    switch (number) {
    case 0: return store_flags_change(t->store, a, &f, &e);
    case 1: return store_copy(t->store, a, &c, &e);
    case 2:
        set = range(a, 3, 4);
        c.move = true;
        return store_copy(t->store, a, &c, &e);
    case 3: return append(p, a, 2, 0, &e);
    case 4: return append(p, a, 1, 5, &e);
    case 5: return store_expunge_set(t->store, a, t->account, p->archive, &set, false, &gone, &e);
    case 6: return store_collect(t->store, &e) ? ERR_UNAVAILABLE : 0; /* a letter still has another entry */
    default: return letter_accept(t, S("Subject: last\r\n\r\n"), 5, NULL, &e);
    }
}

static FIBER void begin(void *arg)
{
    struct plan *p = arg;
    struct error e = {0};
    struct mailbox_info archive;
    testing_account(&p->t);
    for (int i = 0; i < 6; i++) ok(letter_accept(&p->t, S("Subject: x\r\n\r\n"), (uint64_t)i + 1, NULL, &e), &e);
    ok(store_mailbox_by_use(p->t.store, p->t.arena, p->t.account, USE_ARCHIVE, &archive, &e), &e);
    p->archive = archive.id;
}

static FIBER void run_steps(void *arg)
{
    struct plan *p = arg;
    for (p->result = 0; !p->result && p->done < STEPS; p->done += p->result == 0) {
        struct arena *a = arena_new(NULL, 0);
        p->result = step(p, p->done, a);
        arena_free(a);
    }
}

static FIBER void rehearse(void *arg)
{
    struct plan *p = arg;
    begin(p);
    for (int i = 0; i < STEPS; i++) {
        struct arena *a = arena_new(NULL, 0);
        p->after[i] = everything(p);
        assert_int_equal(step(p, i, a), 0);
        arena_free(a);
    }
    p->after[STEPS] = everything(p);
}

static FIBER void look(void *arg)
{
    struct plan *p = arg;
    const char *now = everything(p);
    bool before = strcmp(now, p->after[p->done]) == 0;
    bool after = p->done < STEPS && strcmp(now, p->after[p->done + 1]) == 0;
    bool refused = p->result != 0 && p->result != ERR_UNKNOWN;
    if (!before && (!after || refused))
        fail_msg("after step %d (%d):\n%s\nnot\n%s", p->done, p->result, now, p->after[p->done]);
    assert_sound(&p->t);
}

/* What each step leads to. */
static const char *const *known(void)
{
    static char text[STEPS + 1][400];
    static const char *after[STEPS + 1];
    struct sim *sim = sim_new(1);
    struct plan *p = calloc(1, sizeof *p);
    assert_non_null(p);
    testing_begin(&p->t, sim);
    testing_run(&p->t, rehearse, p);
    for (int i = 0; i <= STEPS; i++) {
        snprintf(text[i], sizeof text[i], "%s", p->after[i]);
        after[i] = text[i];
    }
    testing_close(&p->t);
    sim_free(sim);
    free(p);
    return after;
}

/* ---- power cuts ---- */

struct sweep {
    int64_t at;
    int code; /* of operations that fail */
    bool over;
    const char *const *after;
};

static struct plan *plan_of(struct sim *sim, const struct sweep *s)
{
    struct plan *p = calloc(1, sizeof *p);
    assert_non_null(p);
    memcpy(p->after, s->after, sizeof p->after);
    testing_begin(&p->t, sim);
    testing_run(&p->t, begin, p);
    return p;
}

static void run_cut(struct sim *sim, void *arg)
{
    struct sweep *s = arg;
    struct plan *p = plan_of(sim, s);
    sim_crash_at(p->t.world, s->at);
    loop_spawn(p->t.loop, run_steps, p);
    sim_run(sim, FOREVER);
    s->over = !sim_crashed(p->t.world);
    if (s->over) {
        sim_crash_at(p->t.world, 0);
    } else {
        testing_restart(&p->t);
        testing_open(&p->t);
        p->result = ERR_UNKNOWN;
    }
    testing_run(&p->t, look, p);
    testing_close(&p->t);
    free(p);
}

static void test_power_cut(void **state)
{
    (void)state;
    struct sweep s = {.at = 1, .after = known()};
    for (; !s.over; s.at++) {
        sim_twice(300 + (uint64_t)s.at, run_cut, &s);
        assert_true(s.at < 2000);
    }
    print_message("%lld operations\n", (long long)s.at - 1);
}

/* ---- operations and statements that fail ---- */

static void run_failing(struct sim *sim, void *arg)
{
    struct sweep *s = arg;
    struct plan *p = plan_of(sim, s);
    int64_t before = sim_file_operations(p->t.world);
    sim_fail_at(p->t.world, s->at, s->code);
    testing_run(&p->t, run_steps, p);
    s->over = sim_file_operations(p->t.world) - before < s->at;
    sim_fail_at(p->t.world, 0, 0);
    testing_close(&p->t);
    testing_open(&p->t);
    testing_run(&p->t, look, p);
    testing_close(&p->t);
    free(p);
}

static void test_failing_disk(void **state)
{
    (void)state;
    struct sweep s = {.at = 1, .code = EIO, .after = known()};
    for (; !s.over; s.at++) {
        sim_twice(600 + (uint64_t)s.at, run_failing, &s);
        assert_true(s.at < 2000);
    }
    print_message("%lld operations\n", (long long)s.at - 1);
}

static void run_failing_statement(struct sim *sim, void *arg)
{
    struct sweep *s = arg;
    struct plan *p = plan_of(sim, s);
    store_fail_step(p->t.store, s->at);
    testing_run(&p->t, run_steps, p);
    s->over = p->done == STEPS && s->at > 300;
    store_fail_step(p->t.store, 0);
    testing_close(&p->t);
    testing_open(&p->t);
    testing_run(&p->t, look, p);
    testing_close(&p->t);
    free(p);
}

static void test_failing_statement(void **state)
{
    (void)state;
    struct sweep s = {.at = 1, .after = known()};
    for (; !s.over; s.at += 11) {
        sim_twice(1, run_failing_statement, &s);
        assert_true(s.at < 2000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_power_cut), cmocka_unit_test(test_failing_disk),
                                       cmocka_unit_test(test_failing_statement)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
