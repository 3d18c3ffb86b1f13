/* Searching the store, in the simulated world, each test twice, and in the real one: what is found by which keys, and
 * that the index changes nothing but the time it takes. */
#include "store/search_testing.h"

/* ---- what is found ---- */

static const char *const letters[] = {
    "From: Ann Ex <ann@example.net>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus K\xC3\xB6ln\r\n"
    "Date: Mon, 23 Nov 2026 23:30:00 -0500\r\nX-Spam: no\r\n\r\nHello World, it is a fine day.\r\n",
    "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.com>\r\nTo: \"Bob B.\" <bob@example.org>\r\nCc: ann@example.net\r\n"
    "Subject: Re: world\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nX-Spam: yes\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>A <b>caf\xC3\xA9</b> in the wor&shy;ld</p>\r\n"
    "--b\r\nContent-Type: application/octet-stream; name=hello.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "SGVsbG8gV29ybGQ=\r\n--b--\r\n",
    "Subject: nothing\r\nBcc: secret@example.org\r\n\r\n",
};

static const struct {
    const char *q, *found;
} answers[] = {
    {"&.", "0 1 2"},
    {"s'gr\xC3\xBC\xC3\x9F" "e'", "0"},      {"s'GR\xC3\x9C'", "0"},      {"s'k\xC3\xB6ln'", "0"},  {"s'kol'", ""},
    {"s''", "0 1 2"},                      {"s're: w'", "1"},         {"s'x'", ""},
    {"f'ann ex <ann@'", "0"},              {"f'j\xC3\xB6rg'", "1"},    {"t'bob'", "0 1"},        {"t'bob b. <'", "1"},
    {"c'ann'", "1"},                       {"b'secret'", "2"},        {"b'ann'", ""},
    {"B'world'", "0 1"},                   {"B'hello'", "0"},         {"B'subject'", ""},       {"B''", "0 1 2"},
    {"X'hello'", "0 1"},                   {"X'hello.zip'", "1"},     {"X'x-spam'", "0 1"},     {"X'SGVsbG8'", ""},
    {"X'delivered-to: bob'", "0 1 2"},     {"B'fine  day'", "0"},     {"B'day.\r\n'", "0"},     {"B'cafe'", "1"},
    {"B'caf\xC3\xA9'", "1"},               {"hx-spam'yes'", "1"},     {"hX-SPAM''", "0 1"},     {"hspam'yes'", ""},
    {"hdelivered-to'bob'", "0 1 2"},       {"hx-spam'no'", "0"},
    {"d'20780-20781'", "0"},               {"d'20781-20782'", "1"},   {"d'0-99999'", "0 1"},    {"!d'0-99999'.", "2"},
    {"T''", ""},                           {"k'2'", "0 2"},           {"&k'2'B'world'.", "0"},
    {"|s'nothing'B'world'.", "0 1 2"},     {"!B'world'.", "2"},       {"|k'2'B'caf'.", "0 1 2"},
    {"&!s'zzz'.f'ann'.", "0"},             {"|&s're'B'in the'.&s'nothing'B'x'..", "1"},
    {"~B'world hello'", "0(80)"},          {"~B'Hello World'", "0"},  {"~B'CAFE'", "1"},        {"~s'grusse'", ""},
    {"~s'k\xC3\xB6ln gr'", "0(65)"},       {"~B'fin'", "0(70)"},      {"~X'b\xC3\xB6" "b'", "0 1 2"},
};

static FIBER void find(void *arg)
{
    struct testing *t = arg;
    int64_t emails[3];
    testing_account(t);
    for (size_t i = 0; i < 3; i++) emails[i] = deliver(t, str_c(letters[i]));
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct str found = ask(t, emails, 3, answers[i].q);
        if (!str_eq(found, str_c(answers[i].found))) print_error("%s\n", answers[i].q);
        assert_str_is(found, answers[i].found);
    }
    assert_str_is(ask(t, (int64_t[]){emails[2], 77, emails[0], emails[0]}, 4, "B''"), "0 2 3");
    int64_t eve = add_account(t, "eve"), bob = t->account;
    t->account = eve;
    assert_str_is(ask(t, emails, 3, "B'world'"), ""); /* of others nothing is told */
    t->account = bob;
    char *long_text = arena_alloc(t->arena, 6000);
    memset(long_text, 'x', 5999);
    memcpy(long_text, "B'", 2);
    long_text[5998] = '\'';
    struct str rest = str_c(long_text);
    uint8_t score[3];
    struct search s = {.account = bob, .key = question(t->arena, &rest), .emails = emails, .n = 3, .score = score};
    assert_int_equal(store_search(t->store, &s, NULL), ERR_TOO_LONG);
}

static void test_find(void **state)
{
    (void)state;
    twice(find);
}

/* ---- facts ---- */

static FIBER void facts(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    testing_account(t);
    int64_t emails[] = {deliver(t, str_c(letters[1])), 99,
                        deliver(t, S("Message-ID: <m@x>\r\nReferences: <a@x>\r\n <b@x>\r\nIn-Reply-To: <c@x>\r\n"
                                     "From: Us: <q@x>;\r\nTo: \"A. B\" <ab@x>\r\n\r\n")),
                        deliver(t, S("In-Reply-To: <c@x> <d@x>\r\nFrom: solo@Example.net\r\n\r\n"))};
    struct search_facts f[4];
    ok(store_search_facts(t->store, t->arena, t->account, emails, 4, 255, NULL, NULL, f, &e), &e);
    assert_str_is(f[0].subject, "world");
    assert_true(f[0].reply && !f[2].reply && f[1].gone && !f[2].gone);
    assert_str_is(f[0].from, "joerg");
    assert_str_is(f[0].shown_from, "jo\xCC\x88rg");
    assert_str_is(f[0].shown_to, "bob b.");
    assert_str_is(f[0].cc, "ann");
    assert_true(f[0].sent == DAYS(20781) + HOURS(12) && f[2].sent == 0);
    assert_str_is(f[2].from, "us");
    assert_str_is(f[2].message_id, "m@x");
    assert_true(str_is_none(f[3].message_id));
    assert_int_equal(f[2].n_references, 2);
    assert_str_is(f[2].references[1], "b@x");
    assert_int_equal(f[3].n_references, 1);
    assert_str_is(f[3].references[0], "c@x");
    assert_str_is(f[3].shown_from, "solo@example.net");
}

static void test_facts(void **state)
{
    (void)state;
    twice(facts);
}

/* ---- the index's bytes ---- */

struct packed_rows {
    struct buf row[INDEX_BUCKETS];
    int rows;
};

static int keep_row(void *arg, unsigned bucket, struct str packed)
{
    struct packed_rows *p = arg;
    p->row[bucket] = BUF(1 << 20);
    buf_add(&p->row[bucket], packed);
    p->rows++;
    return 0;
}

static bool may_have(struct packed_rows *p, struct str needle, size_t letter)
{
    uint32_t hash[16];
    struct letters_mask m;
    memset(&m, 0xff, sizeof m);
    size_t n = gram_hashes(needle, hash, 16);
    for (size_t i = 0; i < n; i++) assert_int_equal(gram_keep(buf_str(&p->row[gram_bucket(hash[i])]), hash[i], &m), 0);
    return m.bits[letter / 64] >> (letter % 64) & 1;
}

static void test_bytes(void **state)
{
    (void)state;
    struct packed_rows *p = calloc(1, sizeof *p);
    struct grams *g = grams_new();
    bool rich;
    for (int i = 0; i < INDEX_SEGMENT; i++) {
        assert_false(grams_full(g));
        char text[200];
        snprintf(text, sizeof text, "of all\nletter%d.\n%s", i, i % 50 == 0 ? "fifty" : "");
        grams_add(g, str_c(text));
        for (unsigned v = 0; i == 7 && v < 100000; v++) { /* far too many */
            const char three[3] = {(char)(128 + (v & 63)), (char)(128 + (v >> 6 & 63)), (char)(128 + (v >> 12 & 63))};
            grams_add(g, str_of(three, sizeof three));
        }
        grams_end(g, &rich);
        assert_true(rich == (i == 7));
    }
    assert_true(grams_full(g));
    assert_int_equal(grams_rows(g, keep_row, p), 0);
    for (size_t i = 0; i < INDEX_SEGMENT; i++) {
        assert_true(may_have(p, S("of all"), i) == (i != 7));
        assert_true(may_have(p, S("fifty"), i) == (i % 50 == 0));
        assert_false(may_have(p, S("xyzzy!"), i) || may_have(p, S("l\nl"), i));
    }
    size_t some = 0;
    for (size_t b = 0; b < INDEX_BUCKETS; b++) {
        struct letters_mask m;
        for (size_t n = 1; n < p->row[b].n; n++, some++) /* cut at every point */
            assert_int_equal(gram_keep(str_head(buf_str(&p->row[b]), n), 0, &m), ERR_CORRUPT);
        buf_free(&p->row[b]);
    }
    assert_true(some > 1000);
    grams_free(g);
    free(p);

    int64_t ids[INDEX_SEGMENT], back[INDEX_SEGMENT];
    struct letters_mask rich_ones = {{1, 2, 3, UINT64_MAX}}, rich_back;
    for (int i = 0; i < INDEX_SEGMENT; i++) ids[i] = i ? ids[i - 1] + (INT64_C(1) << (i % 50)) : 5;
    struct buf b = BUF(1 << 20);
    segment_pack(&b, ids, INDEX_SEGMENT, &rich_ones);
    size_t n;
    assert_int_equal(segment_unpack(buf_str(&b), back, &n, &rich_back), 0);
    assert_true(n == INDEX_SEGMENT && memcmp(ids, back, sizeof ids) == 0);
    assert_memory_equal(&rich_ones, &rich_back, sizeof rich_ones);
    for (size_t i = 0; i < b.n; i++)
        assert_int_equal(segment_unpack(str_head(buf_str(&b), i), back, &n, &rich_back), ERR_CORRUPT);
    buf_free(&b);
}

/* ---- the index ---- */

static const char *const syllables[] = {"ma", "ri", "to", "ne", "sul", "K\xC3\xB6", "bra", "xi", "\xC3\xA9t", "zo",
                                        "\xD0\xBF\xD1\x80", "\xE6\x97\xA5", "q", "wu", "fen", "dal"};

static size_t below(struct testing *t, size_t n)
{
    uint32_t r;
    world_random(t->world, &r, sizeof r);
    return r % n;
}

static void put_words(struct testing *t, struct buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i) buf_char(b, ' ');
        for (size_t k = 1 + below(t, 4); k > 0; k--)
            buf_add(b, str_c(syllables[below(t, sizeof syllables / sizeof *syllables)]));
    }
}

static FIBER int64_t deliver_random(struct testing *t)
{
    struct buf b = BUF(1 << 20);
    buf_lit(&b, "Content-Type: text/plain; charset=utf-8\r\nSubject: ");
    put_words(t, &b, 3);
    buf_lit(&b, "\r\nFrom: ");
    put_words(t, &b, 1);
    buf_lit(&b, " <x@example.net>\r\n\r\n");
    put_words(t, &b, 1 + below(t, 60));
    buf_lit(&b, "\r\n");
    int64_t id = deliver(t, buf_str(&b));
    buf_free(&b);
    return id;
}

enum { QUESTIONS = 40 };

static const char **random_questions(struct testing *t)
{
    static const char *const kinds[] = {"B", "X", "s", "f", "~B", "~X", "hsubject"};
    const char **v = arena_array(t->arena, QUESTIONS, sizeof *v);
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct buf *b = buf_in(t->arena, 10000);
        size_t keys = 1 + below(t, 3);
        buf_add(b, below(t, 2) ? S("&") : S("|"));
        for (size_t k = 0; k < keys; k++) {
            bool not = below(t, 5) == 0;
            if (not ) buf_lit(b, "!");
            buf_add(b, str_c(kinds[below(t, sizeof kinds / sizeof *kinds)]));
            buf_lit(b, "'");
            size_t from = b->n;
            put_words(t, b, 1 + below(t, 2));
            size_t less = below(t, 3); /* parts of words, and of characters */
            b->n = b->n > from + less ? b->n - less : from;
            for (size_t at = from; at < b->n; at++)
                if (b->p[at] == '\'') b->p[at] = ' '; /* it would end the text */
            if (b->n == from) buf_lit(b, "zo");
            buf_lit(b, "'");
            if (not ) buf_lit(b, ".");
        }
        buf_lit(b, ".");
        buf_char(b, '\0');
        v[i] = b->p;
    }
    return v;
}

static FIBER void compare(struct testing *t, const char **q, struct str *before, const int64_t *emails, size_t n)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct str found = ask(t, emails, n, q[i]);
        if (!before[i].p) before[i] = found;
        else if (!str_eq(found, before[i]))
            fail_msg("%s: %.*s\nbut it was %.*s", q[i], STR_FMT(found), STR_FMT(before[i]));
    }
}

/* Lets the indexer work until so many letters have been indexed since the store was opened, and ends it. */
static FIBER void index_now(struct testing *t, int64_t expected)
{
    struct scope scope;
    struct indexer x = {t->store, false};
    scope_init(&scope);
    fiber_spawn(&scope, run_indexer, &x);
    while (store_search_stats(t->store).letters < expected) fiber_sleep(5 * US_PER_MS);
    scope_cancel(&scope);
    scope_join(&scope);
    assert_true(x.ended);
    assert_int_equal(store_search_stats(t->store).letters, expected);
}

static void count_found(struct str *before, size_t *some)
{
    *some = 0;
    for (size_t i = 0; i < QUESTIONS; i++) *some += before[i].n > 0;
}

static FIBER void same_answers(void *arg)
{
    enum { LETTERS = 700, HALF = 400 };
    struct testing *t = arg;
    testing_account(t);
    int64_t *emails = arena_array(t->arena, LETTERS, sizeof *emails);
    const char **q = random_questions(t);
    struct str *before = arena_array(t->arena, QUESTIONS, sizeof *before);
    for (size_t i = 0; i < HALF; i++) emails[i] = deliver_random(t);
    compare(t, q, before, emails, HALF); /* without an index */
    index_now(t, INDEX_SEGMENT);
    int64_t scanned = store_search_stats(t->store).scanned;
    compare(t, q, before, emails, HALF); /* with one */
    assert_true(store_search_stats(t->store).scanned - scanned < QUESTIONS * (HALF - INDEX_SEGMENT) * 2);

    for (size_t i = HALF; i < LETTERS; i++) emails[i] = deliver_random(t);
    for (size_t i = LETTERS; i-- > 1;) { /* in any order */
        size_t k = below(t, i + 1);
        int64_t email = emails[i];
        emails[i] = emails[k];
        emails[k] = email;
    }
    memset(before, 0, QUESTIONS * sizeof *before);
    compare(t, q, before, emails, LETTERS); /* with half of one */
    size_t some;
    count_found(before, &some);
    assert_true(some > QUESTIONS / 4);
    index_now(t, 2 * INDEX_SEGMENT);
    compare(t, q, before, emails, LETTERS);

    /* the index is damaged: what was found is found, and the index comes back */
    struct error e = {0};
    ok(db_exec(t->store->search->writer, "UPDATE posting SET packed = x'0102030405060708' WHERE bucket > 10", &e), &e);
    compare(t, q, before, emails, LETTERS);
    assert_true(t->store->search->damaged);
    index_now(t, 4 * INDEX_SEGMENT);
    assert_int_equal(store_search_stats(t->store).rebuilt, 1);
    compare(t, q, before, emails, LETTERS);
}

static void test_same_answers(void **state)
{
    (void)state;
    twice(same_answers);
}

static void fiber_and_stop(void *arg)
{
    same_answers(arg);
    loop_stop(((struct testing *)arg)->loop);
}

static void test_real_world(void **state)
{
    (void)state;
    char folder[] = "/tmp/penny-search-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct testing t = {.folder = folder, .world = world_real(0)};
    testing_open(&t);
    testing_run(&t, fiber_and_stop, &t);
    testing_close(&t);
    world_free(t.world);
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),        cmocka_unit_test(test_find),       cmocka_unit_test(test_facts),
        cmocka_unit_test(test_same_answers), cmocka_unit_test(test_real_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
