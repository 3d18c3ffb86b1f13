/* mbox files and names of a Maildir's files. */
#include "proto/mbox/mbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define F1 "From a@b.test Sun Nov 22 01:30:00 2026\n"

static void splits(void **state)
{
    (void)state;
    static const struct {
        const char *mbox;
        size_t n;
        const char *raw[3];
    } rows[] = {
        {"", 0, {0}},
        {F1, 1, {""}},
        {F1 "A: b\n\nc\n", 1, {"A: b\n\nc\n"}},
        {F1 "A: b\n\nc\n\n" F1 "D: e\n\nf\n\n", 2, {"A: b\n\nc\n", "D: e\n\nf\n"}},
        {F1 "A: b\r\n\r\nc\r\n\r\n" F1 "D: e\r\n", 2, {"A: b\r\n\r\nc\r\n", "D: e\r\n"}},
        {F1 "A: b\n\nc\n" F1 "d\n", 1, {"A: b\n\nc\n" F1 "d\n"}}, /* no empty line before it */
        {F1 "A: b\n\nFrom here on\n\nFrom now\n", 1, {"A: b\n\nFrom here on\n\nFrom now\n"}}, /* no time in it */
        {"garbage\n\n" F1 "A: b\n", 1, {"A: b\n"}},
        {F1 "A: b\n\n\n\n" F1 "\n", 2, {"A: b\n\n\n", "\n"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str from, raw;
        size_t at = 0, n = 0;
        while (mbox_next(str_c(rows[i].mbox), &at, &from, &raw)) {
            assert_true(n < rows[i].n && str_eq(raw, str_c(rows[i].raw[n])));
            n++;
        }
        assert_int_equal(n, rows[i].n);
    }
    assert_true(mbox_looks_right(S("")) && mbox_looks_right(S(F1)));
    assert_false(mbox_looks_right(S("root:x:0:0\n")) || mbox_looks_right(S("From nobody knows\n")));
}

static void reads_letters(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *text;
        flag_set flags;
        const char *keywords;
        bool kept;
    } rows[] = {
        {"A: b\n\nc\n", "A: b\r\n\r\nc\r\n", 0, "", true},
        {"A: b\n\nc", "A: b\r\n\r\nc", 0, "", true},
        {"Status: RO\nA: b\nX-Status: AF\n\nc\n", "A: b\r\n\r\nc\r\n", FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED, "",
         true},
        {"Status: O\nX-Status: DT\nX-UID: 7\n\n", "\r\n", FLAG_DELETED | FLAG_DRAFT, "", true},
        {"X-Keywords: one\n two\nA: b\n\nStatus: R\n", "A: b\r\n\r\nStatus: R\r\n", 0, "one", true},
        {"X-Keywords: one two   $Junk\n\n", "\r\n", 0, "one two $Junk", true},
        {"A: b\n\n>From x\n>>From y\n> From z\n>from\n", "A: b\r\n\r\nFrom x\r\n>From y\r\n> From z\r\n>from\r\n", 0,
         "", true},
        {"A: b\r\n\r\nc\r\n", "A: b\r\n\r\nc\r\n", 0, "", true},
        {"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nx\n",
         "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\r\n\r\nx\r\n", 0, "", false},
    };
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf *b = buf_in(a, 1 << 16), *words = buf_in(a, 1 << 16);
        struct kept_letter l;
        assert_int_equal(mbox_letter(a, b, S("From a@b.test Sun Nov 22 01:30:00 2026"), str_c(rows[i].raw), &l),
                         rows[i].kept);
        assert_true(str_eq(l.text, str_c(rows[i].text)));
        assert_int_equal(l.flags, rows[i].flags);
        for (size_t k = 0; k < l.n_keywords; k++) {
            if (k) buf_char(words, ' ');
            buf_add(words, l.keywords[k]);
        }
        assert_true(str_eq(buf_str(words), str_c(rows[i].keywords)));
        assert_int_equal(l.at, INT64_C(1795311000) * US_PER_S);
    }
    arena_free(a);
}

/* What is written is read as the same, wherever in a file it stands. */
static void writes_what_it_reads(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "A: b\r\n\r\nc\r\n",
        "A: b\r\n\r\nFrom x 01:30\r\n>From y\r\n\r\nFrom a Sun Nov 22 01:30:00 2026\r\n\r\n\r\n",
        "A: b\r\n folded\r\n\r\n\r\n",
        "\r\nno header\r\n",
        "A: b\r\n",
    };
    struct arena *a = arena_new(NULL, 0);
    struct buf *file = buf_in(a, 1 << 16);
    size_t n = sizeof texts / sizeof *texts;
    for (size_t i = 0; i < n; i++)
        mbox_put(file, i ? S("odd sender") : STR_NONE,
                 &(struct kept_letter){.text = str_c(texts[i]),
                                       .at = (1700000000 + (int64_t)i) * US_PER_S,
                                       .flags = (flag_set)i * 5 % 32,
                                       .keywords = {S("work"), S("$Junk")},
                                       .n_keywords = i % 3});
    size_t at = 0, i = 0;
    for (struct str from, raw; mbox_next(buf_str(file), &at, &from, &raw); i++) {
        struct kept_letter l;
        struct buf *b = buf_in(a, 1 << 16);
        assert_true(i < n && mbox_letter(a, b, from, raw, &l));
        assert_true(str_eq(l.text, str_c(texts[i])));
        assert_int_equal(l.flags, (flag_set)i * 5 % 32);
        assert_int_equal(l.n_keywords, i % 3);
        assert_int_equal(l.at, (1700000000 + (int64_t)i) * US_PER_S);
    }
    assert_int_equal(i, n);
    arena_free(a);
}

static void reads_maildir_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t seconds;
        flag_set flags;
        size_t keywords;
    } rows[] = {
        {"1700000000.M1P2.host:2,", 1700000000, 0, 0},
        {"1700000000.M1P2.host,S=12,W=13:2,FRS", 1700000000, FLAG_FLAGGED | FLAG_ANSWERED | FLAG_SEEN, 0},
        {"1700000000.x;2,DPT", 1700000000, FLAG_DRAFT | FLAG_FORWARDED | FLAG_DELETED, 0},
        {"1700000000.x:2,Sabz", 1700000000, FLAG_SEEN, 2},
        {"1700000000.x", 1700000000, 0, 0},
        {"1700000000.x:1,S", 1700000000, 0, 0},
        {"12345.x:2,S", 0, FLAG_SEEN, 0},
        {"0100000000.x:2,", 0, 0, 0},
        {"99999999999999999999.x:2,S", 0, FLAG_SEEN, 0},
        {"msg.1:2,S", 0, FLAG_SEEN, 0},
        {":2,", 0, 0, 0},
        {"", 0, 0, 0},
    };
    const struct str names[26] = {S("work"), S("home")};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kept_letter l = {0};
        maildir_read_name(str_c(rows[i].name), names, &l);
        assert_int_equal(l.at, rows[i].seconds * US_PER_S);
        assert_int_equal(l.flags, rows[i].flags);
        assert_int_equal(l.n_keywords, rows[i].keywords);
        struct buf b = BUF(100);
        struct kept_letter again = {0};
        buf_add(&b, maildir_unique(str_c(rows[i].name)));
        maildir_put_flags(&b, &l);
        maildir_read_name(buf_str(&b), NULL, &again);
        assert_int_equal(again.flags, l.flags);
        buf_free(&b);
    }
}

/* A file that was cut anywhere gives the letters before the cut, and what is left of the last. */
static void takes_files_cut_anywhere(void **state)
{
    (void)state;
    static const char whole[] = F1 "Status: R\nA: b\n\n>From c\n\n" F1 "X-Keywords: k\n\nd\n\n";
    for (size_t n = 0; n < sizeof whole; n++) {
        struct arena *a = arena_new(NULL, 0);
        size_t at = 0, letters = 0;
        char *copy = arena_alloc(a, n + 1); /* that a read behind its end is seen */
        memcpy(copy, whole, n);
        for (struct str from, raw; mbox_next(str_of(copy, n), &at, &from, &raw); letters++) {
            struct kept_letter l;
            struct buf *b = buf_in(a, 1 << 16);
            mbox_letter(a, b, from, raw, &l);
            assert_true(l.text.n <= 2 * n);
        }
        assert_true(letters <= 2 && (n < sizeof whole - 1 || letters == 2));
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits),
        cmocka_unit_test(reads_letters),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(reads_maildir_names),
        cmocka_unit_test(takes_files_cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
