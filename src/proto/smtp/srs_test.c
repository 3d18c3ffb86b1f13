/* Return addresses of forwarded mail: there and back, and nobody else's way. */
#include "proto/smtp/srs.h"

#include "base/test.h"
#include "mail/limits.h"

#define NOW SECONDS(INT64_C(1795860000)) /* its day is JR */
#define SECRET S("0123456789abcdef")
#define OURS S("forward.example")

static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    a = arena_new(NULL, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static struct address address(const char *text)
{
    size_t at = str_rfind_char(str_c(text), '@');
    return (struct address){str_of(text, at), str_c(text + at + 1)};
}

static struct address forward(const char *sender, utc_us at)
{
    struct address made;
    assert_int_equal(srs_forward(a, SECRET, address(sender), OURS, at, &made), 0);
    assert_str(made.domain, OURS);
    return made;
}

/* The form others know (libsrs, postsrsd); the hashes were computed apart. */
static void test_form(void **state)
{
    (void)state;
    assert_str(forward("Ann@example.net", NOW).local, S("SRS0=X7N4N2=JR=example.net=Ann"));
    assert_str(forward("SRS0=HHHHHH=TT=example.net=ann@first.example", NOW).local,
               S("SRS1=LYW4UQ=first.example==HHHHHH=TT=example.net=ann"));
}

static void test_there_and_back(void **state)
{
    static const struct {
        const char *sender, *back; /* NULL: the same */
    } cases[] = {
        {"ann@example.net", NULL},
        {"Ann.O'Neil+tag@Example.NET", "Ann.O'Neil+tag@example.net"},
        {"a=b=c@example.net", NULL},
        {"=@example.net", NULL},
        {"two words@example.net", NULL},
        {"at@sign@example.net", NULL},
        {"j\xC3\xBCrgen@example.net", NULL},
        {"ann@b\xC3\xBC" "cher.example", "ann@xn--bcher-kva.example"},
        {"ann@[192.0.2.1]", NULL},
        {"SRS@example.net", NULL},
        {"SRS0@example.net", NULL},
        {"SRS0=@example.net", NULL}, /* begins so and ends there */
        {"SRS1=@example.net", NULL},
        {"SRS2=x@example.net", NULL},
        {"bounce-12345-ann=example.org@list.example", NULL},
        /* another's return address goes back to that other, who undoes his own */
        {"SRS0=HHHH=TT=example.net=ann@first.example", NULL},
        {"srs0+HHHH=TT=example.net=ann@first.example", "SRS0+HHHH=TT=example.net=ann@first.example"},
        {"SRS0-HHHH=TT=example.net=ann@First.Example", "SRS0-HHHH=TT=example.net=ann@first.example"},
        /* ... and through a third forwarder straight to the first */
        {"SRS1=GGGG=first.example==HHHH=TT=example.net=ann@second.example",
         "SRS0=HHHH=TT=example.net=ann@first.example"},
        {"SRS1+GGGG=first.example=+HHHH=TT=example.net=ann@second.example",
         "SRS0+HHHH=TT=example.net=ann@first.example"},
        /* not such an address, though it begins so */
        {"SRS1=GGGG@second.example", NULL},
        {"SRS1=GGGG=first.example=@second.example", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address made = forward(cases[i].sender, NOW), back;
        assert_true(srs_is(made.local));
        assert_int_equal(srs_reverse(a, SECRET, made, NOW, &back), 0);
        struct address want = address(cases[i].back ? cases[i].back : cases[i].sender);
        assert_str(back.local, want.local);
        assert_str(back.domain, want.domain);
    }
    struct address made = {S("x"), S("y")};
    assert_int_equal(srs_forward(a, SECRET, (struct address){0}, OURS, NOW, &made), 0);
    assert_true(address_is_null(made)); /* <> stays <> */
}

/* Every attempt says the same, and however many forwarders follow it does not grow. */
static void test_stable(void **state)
{
    (void)state;
    utc_us day = NOW / DAYS(1) * DAYS(1);
    assert_str(forward("ann@example.net", day).local, forward("ann@example.net", day + DAYS(1) - 1).local);
    assert_false(str_eq(forward("ann@example.net", day).local, forward("ann@example.net", day + DAYS(1)).local));
    struct address once = forward("SRS0=HHHH=TT=example.net=ann@first.example", NOW), twice;
    assert_int_equal(srs_forward(a, SECRET, once, S("third.example"), NOW, &twice), 0);
    assert_str(twice.local, once.local);
}

static char turned(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 32) : c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* Others on the way change case. */
static void test_case(void **state)
{
    static const char *const senders[] = {"Ann@example.net", "SRS0=HHHH=TT=example.net=Ann@first.example"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct address made = forward(senders[i], NOW), back;
        char *text = arena_alloc(a, made.local.n);
        for (int how = 0; how < 3; how++) {
            for (size_t k = 0; k < made.local.n; k++)
                text[k] = how == 0   ? ch_lower(made.local.p[k])
                          : how == 1 ? ch_upper(made.local.p[k])
                                     : turned(made.local.p[k]);
            struct address changed = {str_of(text, made.local.n), made.domain};
            assert_true(srs_is(changed.local));
            assert_int_equal(srs_reverse(a, SECRET, changed, NOW, &back), 0);
            assert_true(str_ieq(address_str(a, back), str_c(senders[i])));
        }
    }
}

/* Whatever byte is changed to whatever: an error, or the same but for case. */
static void test_tampering(void **state)
{
    static const char *const senders[] = {"ann@example.net", "SRS0=HHHH=TT=example.net=ann@first.example"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct address made = forward(senders[i], NOW), good, back;
        assert_int_equal(srs_reverse(a, SECRET, made, NOW, &good), 0);
        char *text = arena_cstr(a, made.local);
        for (size_t k = 0; k < made.local.n; k++)
            for (int c = 0; c < 256; c++) {
                text[k] = (char)c;
                struct address changed = {str_of(text, made.local.n), made.domain};
                int r = srs_reverse(a, SECRET, changed, NOW, &back);
                if (r == 0) assert_true(str_ieq(address_str(a, back), address_str(a, good)));
                else assert_true(r == ERR_SYNTAX || r == ERR_DENIED);
                text[k] = made.local.p[k];
            }
        for (size_t n = 0; n < made.local.n; n++) { /* cut, and with something behind */
            assert_true(srs_reverse(a, SECRET, (struct address){str_head(made.local, n), OURS}, NOW, &back) != 0);
            struct str longer = arena_printf(a, "%.*s%.*s", STR_FMT(made.local), (int)n + 1, made.local.p);
            assert_int_equal(srs_reverse(a, SECRET, (struct address){longer, OURS}, NOW, &back), ERR_DENIED);
        }
        assert_int_equal(srs_reverse(a, S("0123456789abcdee"), made, NOW, &back), ERR_DENIED);
    }
}

/* The two kinds of hash are not exchanged for one another. */
static void test_kinds(void **state)
{
    (void)state;
    struct address made = forward("x=ann@first.example", NOW), back;
    char *text = arena_cstr(a, made.local);
    text[3] = '1';
    assert_true(srs_reverse(a, SECRET, (struct address){str_c(text), OURS}, NOW, &back) != 0);
    made = forward("SRS0=HH=TT=example.net=ann@first.example", NOW);
    text = arena_cstr(a, made.local);
    text[3] = '0';
    assert_true(srs_reverse(a, SECRET, (struct address){str_c(text), OURS}, NOW, &back) != 0);
}

static void test_age(void **state)
{
    (void)state;
    utc_us made_at = NOW / DAYS(1) * DAYS(1);
    struct address made = forward("ann@example.net", made_at), back;
    assert_int_equal(srs_reverse(a, SECRET, made, made_at, &back), 0);
    assert_int_equal(srs_reverse(a, SECRET, made, made_at + SPAN_SRS + DAYS(1) - 1, &back), 0);
    assert_int_equal(srs_reverse(a, SECRET, made, made_at + SPAN_SRS + DAYS(1), &back), ERR_TIMEOUT);
    assert_int_equal(srs_reverse(a, SECRET, made, made_at + DAYS(500), &back), ERR_TIMEOUT);
    assert_int_equal(srs_reverse(a, SECRET, made, made_at - DAYS(1), &back), ERR_TIMEOUT); /* from the future */
    /* over the end of the count of days */
    utc_us end = DAYS(1024 * 20 + 1020);
    made = forward("ann@example.net", end);
    assert_int_equal(srs_reverse(a, SECRET, made, end + DAYS(10), &back), 0);
    assert_int_equal(srs_reverse(a, SECRET, made, end + DAYS(30), &back), ERR_TIMEOUT);
    /* who wrapped another's does not know its age */
    made = forward("SRS0=HHHH=TT=example.net=ann@first.example", NOW);
    assert_int_equal(srs_reverse(a, SECRET, made, NOW + DAYS(400), &back), 0);
}

static void test_not_such_addresses(void **state)
{
    static const struct {
        const char *local;
        bool looks_like;
    } cases[] = {
        {"", false}, {"SRS", false}, {"SRS0", false}, {"SRS1", false}, {"SRSX=", false}, {"SRS2=a", false},
        {"SRS0_a", false}, {"xSRS0=a", false}, {"SRS0=", true}, {"srs1-", true}, {"SRS0=AAAAAA", true},
        {"SRS0=AAAAAA=JR", true}, {"SRS0=AAAAAA=JR=example.net", true}, {"SRS0=AAAAAA=JR=example.net=", true},
        {"SRS0=AAAAAA=J1=example.net=ann", true}, {"SRS0=AAAAAA=JRX=example.net=ann", true},
        {"SRS0=AAAAAA=JR=-.=ann", true}, {"SRS0=AAAAAA==example.net=ann", true}, {"SRS1=AAAAAA", true},
        {"SRS1=AAAAAA=first.example", true}, {"SRS1=AAAAAA=first.example=", true},
        {"SRS1=AAAAAA=first.example=HH", true}, {"SRS1=AAAAAA=..==HH=TT=x=y", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address back = {S("kept"), S("kept")};
        assert_int_equal(srs_is(str_c(cases[i].local)), cases[i].looks_like);
        assert_int_equal(srs_reverse(a, SECRET, (struct address){str_c(cases[i].local), OURS}, NOW, &back), ERR_SYNTAX);
        assert_str(back.local, S("kept"));
    }
}

static void test_length(void **state)
{
    (void)state;
    char local[256];
    memset(local, 'x', sizeof local);
    size_t most = LIMIT_PATH - strlen("SRS0=HHHHHH=TT=example.net=@forward.example");
    struct address made, back, sender = {str_of(local, most), S("example.net")};
    assert_int_equal(srs_forward(a, SECRET, sender, OURS, NOW, &made), 0);
    assert_int_equal(address_str(a, made).n, LIMIT_PATH);
    assert_int_equal(srs_reverse(a, SECRET, made, NOW, &back), 0);
    sender.local.n++;
    made.local = S("kept");
    assert_int_equal(srs_forward(a, SECRET, sender, OURS, NOW, &made), ERR_TOO_LONG);
    assert_str(made.local, S("kept"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),      cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_stable),
        cmocka_unit_test(test_case),      cmocka_unit_test(test_tampering),      cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_age),       cmocka_unit_test(test_not_such_addresses), cmocka_unit_test(test_length),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
