/* Command lines (RFC 5321 §4.1): verbs, paths, parameters, and what is refused with which code. */
#include "proto/smtp/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/utf8.h"
#include "mail/limits.h"

static struct arena *arena;

static struct smtp_command parse(struct str line) { return smtp_parse(arena, line); }

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(NULL, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* "501 5.5.4" of the problem, "" of none */
static const char *problem(struct smtp_problem p)
{
    static char text[32];
    text[0] = 0;
    if (p.code) snprintf(text, sizeof text, "%d %d.%d.%d", p.code, p.status.class, p.status.subject, p.status.detail);
    return text;
}

struct row {
    struct str line;
    const char *problem;
    struct str address; /* as address_put() writes it */
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct smtp_command c = parse(arena_str(arena, rows[i].line));
        struct address addr = c.verb == SMTP_MAIL ? c.from.address : c.to.address;
        const char *got = problem(c.error);
        if (strcmp(got, rows[i].problem) || (c.error.code == 0 && !str_eq(address_str(arena, addr), rows[i].address)))
            fail_msg("%.*s: %s <%.*s>", STR_FMT(rows[i].line), got, STR_FMT(address_str(arena, addr)));
        if (c.error.code) assert_non_null(c.error.text);
    }
}
#define CHECK(rows) check((rows), sizeof(rows) / sizeof *(rows))

static void reads_reverse_paths(void **state)
{
    (void)state;
    const struct row rows[] = {
        {S("MAIL FROM:<a@b.c>"), "", S("a@b.c")},
        {S("mail from:<a@b.c>"), "", S("a@b.c")},
        {S("MAIL FROM:<>"), "", S("")},
        {S("MAIL FROM:<> SIZE=1"), "", S("")},
        {S("MAIL FROM: <a@b.c>"), "", S("a@b.c")},
        {S("MAIL FROM:  <a@b.c>  "), "", S("a@b.c")},
        {S("MAIL FROM:a@b.c"), "", S("a@b.c")},
        {S("MAIL FROM: a@b.c SIZE=10"), "", S("a@b.c")},
        {S("MAIL FROM:<@x.y,@z:a@b.c>"), "", S("a@b.c")},
        {S("MAIL FROM:<@[192.0.2.1]:a@b.c>"), "", S("a@b.c")},
        {S("MAIL FROM:<\"a b\"@b.c>"), "", S("\"a b\"@b.c")},
        {S("MAIL FROM:<\"a>b\"@b.c>"), "", S("\"a>b\"@b.c")},
        {S("MAIL FROM:\"a b\"@b.c SIZE=1"), "", S("\"a b\"@b.c")},
        {S("MAIL FROM:<\"a\\\"b\"@b.c>"), "", S("\"a\\\"b\"@b.c")},
        {S("MAIL FROM:<a%b@c>"), "", S("a%b@c")},
        {S("MAIL FROM:<a!b@c>"), "", S("a!b@c")},
        {S("MAIL FROM:<a@[192.0.2.1]>"), "", S("a@[192.0.2.1]")},
        {S("MAIL FROM:<a@[IPv6:2001:db8::1]>"), "", S("a@[IPv6:2001:db8::1]")},
        {S("MAIL FROM:<j\xc3\xb6rg@m\xc3\xbcller.example> SMTPUTF8"), "", S("j\xc3\xb6rg@m\xc3\xbcller.example")},
        {S("MAIL FROM:<j\xc3\xb6rg@x.example>"), "553 5.6.7", S("")},
        {S("MAIL FROM:<a@m\xc3\xbcller.example>"), "553 5.6.7", S("")},
        {S("MAIL FROM:<j\xc3@x.example> SMTPUTF8"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a@\xe2\x80\x8d.example> SMTPUTF8"), "501 5.1.7", S("")},
        {S("MAIL"), "501 5.5.4", S("")},
        {S("MAIL a@b.c"), "501 5.5.4", S("")},
        {S("MAIL FROM"), "501 5.5.4", S("")},
        {S("MAIL FROM <a@b.c>"), "501 5.5.4", S("")},
        {S("MAIL TO:<a@b.c>"), "501 5.5.4", S("")},
        {S("MAIL FROM:"), "501 5.1.7", S("")},
        {S("MAIL FROM:<"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<postmaster>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a@>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<@b>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<@b:>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<@b,a@c>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<@b,:a@c>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a@b"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a@b.c>>"), "501 5.5.4", S("")},
        {S("MAIL FROM:<a@b.c>SIZE=1"), "501 5.5.4", S("")},
        {S("MAIL FROM:<< a@b.c>"), "501 5.1.7", S("")},
        {S("MAIL FROM:< a@b.c>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a@b.c >"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a b@c>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a..b@c>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a@b..c>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a@b.c.>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a@-b.c>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a@[300.0.2.1]>"), "501 5.1.7", S("")},
        {S("MAIL FROM:<a@b.c>\rX"), "500 5.5.2", S("")},
        {S("MAIL FROM:<a@b.c>\nX"), "500 5.5.2", S("")},
        {S("MAIL FROM:<a\0@b.c>"), "500 5.5.2", S("")},
        {S("MAIL\tFROM:<a@b.c>"), "500 5.5.2", S("")},
    };
    CHECK(rows);
}

static void reads_forward_paths(void **state)
{
    (void)state;
    const struct row rows[] = {
        {S("RCPT TO:<a@b.c>"), "", S("a@b.c")},
        {S("rcpt to: a@b.c"), "", S("a@b.c")},
        {S("RCPT TO:<Postmaster>"), "", S("Postmaster")},
        {S("RCPT TO:<POSTMASTER> NOTIFY=NEVER"), "", S("POSTMASTER")},
        {S("RCPT TO:postmaster"), "", S("postmaster")},
        {S("RCPT TO:<\"postmaster\">"), "", S("postmaster")},
        {S("RCPT TO:<@x:a@b.c>"), "", S("a@b.c")},
        {S("RCPT TO:<\"\"@b.c>"), "", S("\"\"@b.c")},
        {S("RCPT TO:<root>"), "501 5.1.3", S("")},
        {S("RCPT TO:<>"), "501 5.1.3", S("")},
        {S("RCPT TO:"), "501 5.1.3", S("")},
        {S("RCPT TO:<a@b@c>"), "501 5.1.3", S("")},
        {S("RCPT TO:<a@b>,<c@d>"), "501 5.5.4", S("")},
        {S("RCPT FROM:<a@b>"), "501 5.5.4", S("")},
        {S("RCPT TO:<a@b> SIZE=1"), "555 5.5.4", S("")},
    };
    CHECK(rows);
    assert_true(parse(S("RCPT TO:<j\xc3\xb6rg@b>")).non_ascii);
    assert_false(parse(S("RCPT TO:<jorg@b>")).non_ascii);
}

static void limits_paths(void **state)
{
    (void)state;
    for (size_t n = LIMIT_PATH; n <= LIMIT_PATH + 1; n++) {
        char line[400] = "RCPT TO:<";
        memset(line + 9, 'l', n);
        memcpy(line + 9 + n - 2, "@x>", 3);
        assert_string_equal(problem(parse(str_of(line, 9 + n + 1)).error), n > LIMIT_PATH ? "501 5.1.3" : "");
    }
}

static void reads_mail_parameters(void **state)
{
    (void)state;
    struct smtp_command c =
        parse(S("MAIL FROM:<a@b> SIZE=12345 BODY=8BITMIME SMTPUTF8 AUTH=e+3Dmc2@example.com RET=hdrs "
                "ENVID=QQ+2B314159"));
    assert_int_equal(c.error.code, 0);
    assert_int_equal(c.from.size, 12345);
    assert_true(c.from.body == BODY_8BITMIME && c.from.smtputf8 && c.from.ret == DSN_RET_HDRS);
    assert_true(str_eq(c.from.auth, S("e=mc2@example.com")));
    assert_true(str_eq(c.from.envid, S("QQ+314159")));

    c = parse(S("MAIL FROM:<a@b>"));
    assert_int_equal(c.from.size, -1);
    assert_true(c.from.body == BODY_UNSAID && !c.from.smtputf8 && c.from.ret == DSN_RET_UNSAID);
    assert_true(str_is_none(c.from.auth) && str_is_none(c.from.envid));

    c = parse(S("MAIL FROM:<> size=99999999999999999999 body=7bit auth=<> ret=FULL"));
    assert_int_equal(c.error.code, 0);
    assert_int_equal(c.from.size, INT64_MAX);
    assert_true(c.from.body == BODY_7BIT && c.from.ret == DSN_RET_FULL);
    assert_true(str_eq(c.from.auth, S("<>")));
}

static void reads_hold_parameters(void **state) /* RFC 4865 §3 */
{
    (void)state;
    static const struct {
        const char *text;
        utc_us until;
    } rows[] = {
        {"1970-01-02T00:00:00Z", DAYS(1)},        {"1970-01-01T00:00:00Z", 1},
        {"1960-01-01T00:00:00Z", 1},              {"1970-01-02T01:30:00+01:30", DAYS(1)},
        {"1970-01-01T19:00:00.5-05:00", DAYS(1)}, {"2026-12-24T18:00:00Z", SECONDS(INT64_C(1798135200))},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[100];
        snprintf(line, sizeof line, "MAIL FROM:<a@b> HOLDUNTIL=%s", rows[i].text);
        struct smtp_command c = parse(str_c(line));
        assert_int_equal(c.error.code, 0);
        assert_int_equal(c.from.hold_until, rows[i].until);
        assert_int_equal(c.from.hold_for, 0);
    }
    struct smtp_command c = parse(S("MAIL FROM:<a@b> holdfor=3600"));
    assert_true(c.from.hold_for == 3600 && c.from.hold_until == 0);
}

static void reads_rcpt_parameters(void **state)
{
    (void)state;
    struct smtp_command c = parse(S("RCPT TO:<a@b> NOTIFY=SUCCESS,delay,FAILURE ORCPT=rfc822;Bob+2Bx@Example.com"));
    assert_int_equal(c.error.code, 0);
    assert_int_equal(c.to.notify, DSN_NOTIFY_SUCCESS | DSN_NOTIFY_DELAY | DSN_NOTIFY_FAILURE);
    assert_true(str_eq(c.to.orcpt, S("rfc822;Bob+x@Example.com")));
    c = parse(S("RCPT TO:<a@b> NOTIFY=NEVER"));
    assert_int_equal(c.to.notify, DSN_NOTIFY_NEVER);
    assert_true(str_is_none(c.to.orcpt));
    c = parse(S("RCPT TO:<a@b> ORCPT=utf-8;j\xc3\xb6rg@b"));
    assert_int_equal(c.error.code, 0);
    assert_true(str_eq(c.to.orcpt, S("utf-8;j\xc3\xb6rg@b")));
}

static void refuses_parameters(void **state)
{
    (void)state;
    const struct {
        const char *mail, *problem;
    } rows[] = {
        {"SIZE", "501 5.5.4"},
        {"SIZE=", "501 5.5.4"},
        {"SIZE=x", "501 5.5.4"},
        {"SIZE=-1", "501 5.5.4"},
        {"SIZE=123456789012345678901", "501 5.5.4"},
        {"SIZE=1 SIZE=1", "501 5.5.4"},
        {"BODY=9BIT", "501 5.5.4"},
        {"BODY", "501 5.5.4"},
        {"BODY=BINARYMIME", "555 5.5.4"},
        {"SMTPUTF8=yes", "501 5.5.4"},
        {"AUTH=", "501 5.5.4"},
        {"AUTH=a+zz", "501 5.5.4"},
        {"AUTH=a+0A", "501 5.5.4"},
        {"RET=ALL", "501 5.5.4"},
        {"ENVID=a+0D+0Ab", "501 5.5.4"},
        {"ENVID", "501 5.5.4"},
        {"HOLDFOR=10", ""},
        {"HOLDFOR=999999999", ""},
        {"HOLDFOR", "501 5.5.4"},
        {"HOLDFOR=", "501 5.5.4"},
        {"HOLDFOR=0", "501 5.5.4"},
        {"HOLDFOR=010", "501 5.5.4"},
        {"HOLDFOR=1000000000", "501 5.5.4"},
        {"HOLDFOR=-1", "501 5.5.4"},
        {"HOLDFOR=1 HOLDFOR=1", "501 5.5.4"},
        {"HOLDFOR=1 HOLDUNTIL=2026-01-01T00:00:00Z", "501 5.5.4"},
        {"HOLDUNTIL=2026-01-01T00:00:00Z", ""},
        {"HOLDUNTIL=2026-01-01t00:00:00.123456789z", ""},
        {"HOLDUNTIL=2028-02-29T23:59:60+14:00", ""},
        {"HOLDUNTIL", "501 5.5.4"},
        {"HOLDUNTIL=2026-01-01", "501 5.5.4"},
        {"HOLDUNTIL=2026-01-01T00:00:00", "501 5.5.4"},
        {"HOLDUNTIL=2026-01-01T00:00:00.Z", "501 5.5.4"},
        {"HOLDUNTIL=2026-01-01T00:00:00ZZ", "501 5.5.4"},
        {"HOLDUNTIL=2026-01-01T00:00:00+1:00", "501 5.5.4"},
        {"HOLDUNTIL=2026-01-01T00:00:00+24:00", "501 5.5.4"},
        {"HOLDUNTIL=2026-02-29T00:00:00Z", "501 5.5.4"},
        {"HOLDUNTIL=2026-13-01T00:00:00Z", "501 5.5.4"},
        {"HOLDUNTIL=2026-01-01T24:00:00Z", "501 5.5.4"},
        {"HOLDUNTIL=+026-01-01T00:00:00Z", "501 5.5.4"},
        {"REQUIRETLS", "555 5.5.4"},
        {"NOTIFY=NEVER", "555 5.5.4"},
        {"X", "555 5.5.4"},
        {"X=a=b", "501 5.5.4"},
        {"-X", "501 5.5.4"},
        {"=", "501 5.5.4"},
        {"S\xc3\xacZE=1", "501 5.5.4"},
        {"A B C D E F G H I J K L M", "555 5.5.4"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[200];
        snprintf(line, sizeof line, "MAIL FROM:<a@b> %s", rows[i].mail);
        if (strcmp(problem(parse(str_c(line)).error), rows[i].problem))
            fail_msg("%s: %s", line, problem(parse(str_c(line)).error));
    }
    const char *rcpt[] = {"NOTIFY=",          "NOTIFY",        "NOTIFY=NEVER,DELAY",        "NOTIFY=DELAY,,FAILURE",
                          "NOTIFY=ALWAYS",    "NOTIFY=DELAY,", "NOTIFY=NEVER NOTIFY=NEVER", "ORCPT=x",
                          "ORCPT=;x",         "ORCPT=rfc822;", "ORCPT=rfc822;a+0Ab",        "ORCPT=rfc822;j\xc3\xb6rg",
                          "ORCPT=utf-8;\xc3", "ORCPT=r c;x"};
    for (size_t i = 0; i < sizeof rcpt / sizeof *rcpt; i++) {
        char line[200];
        snprintf(line, sizeof line, "RCPT TO:<a@b> %s", rcpt[i]);
        if (strcmp(problem(parse(str_c(line)).error), "501 5.5.4")) fail_msg("%s", line);
    }
}

static void limits_parameters(void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        char line[800];
        int n = snprintf(line, sizeof line, "MAIL FROM:<a@b> ENVID=");
        memset(line + n, 'e', LIMIT_ENVID + extra);
        assert_string_equal(problem(parse(str_of(line, (size_t)n + LIMIT_ENVID + extra)).error),
                            extra ? "501 5.5.4" : "");
        n = snprintf(line, sizeof line, "RCPT TO:<a@b> ORCPT=rfc822;");
        memset(line + n, 'o', LIMIT_ORCPT - 7 + extra);
        assert_string_equal(problem(parse(str_of(line, (size_t)n + LIMIT_ORCPT - 7 + extra)).error),
                            extra ? "501 5.5.4" : "");
    }
}

static void reads_other_commands(void **state)
{
    (void)state;
    const struct {
        struct str line;
        enum smtp_verb verb;
        const char *problem;
        struct str argument;
    } rows[] = {
        {S("EHLO mail.example"), SMTP_EHLO, "", S("mail.example")},
        {S("ehlo  [192.0.2.1] x"), SMTP_EHLO, "", S("[192.0.2.1]")},
        {S("HELO any_thing!"), SMTP_HELO, "", S("any_thing!")},
        {S("LHLO x"), SMTP_LHLO, "", S("x")},
        {S("EHLO"), SMTP_EHLO, "501 5.5.4", S("")},
        {S("DATA"), SMTP_DATA, "", S("")},
        {S("DATA \t "), SMTP_DATA, "", S("")},
        {S("DATA x"), SMTP_DATA, "501 5.5.4", S("x")},
        {S("RSET"), SMTP_RSET, "", S("")},
        {S("RSET x"), SMTP_RSET, "501 5.5.4", S("x")},
        {S("NOOP anything goes"), SMTP_NOOP, "", S("anything goes")},
        {S("QUIT"), SMTP_QUIT, "", S("")},
        {S("QUIT now"), SMTP_QUIT, "501 5.5.4", S("now")},
        {S("HELP MAIL"), SMTP_HELP, "", S("MAIL")},
        {S("VRFY bob"), SMTP_VRFY, "", S("bob")},
        {S("VRFY j\xc3\xb6rg SMTPUTF8"), SMTP_VRFY, "", S("j\xc3\xb6rg")},
        {S("VRFY j\xc3"), SMTP_VRFY, "501 5.5.4", S("j\xc3")},
        {S("VRFY"), SMTP_VRFY, "501 5.5.4", S("")},
        {S("EXPN list"), SMTP_EXPN, "", S("list")},
        {S("ETRN example.org"), SMTP_ETRN, "", S("example.org")},
        {S("etrn @example.org"), SMTP_ETRN, "", S("@example.org")},
        {S("ETRN #queue"), SMTP_ETRN, "", S("#queue")},
        {S("ETRN"), SMTP_ETRN, "501 5.5.4", S("")},
        {S("ETRN a b"), SMTP_ETRN, "501 5.5.4", S("a")},
        {S("STARTTLS"), SMTP_STARTTLS, "", S("")},
        {S("STARTTLS x"), SMTP_STARTTLS, "501 5.5.4", S("x")},
        {S(""), SMTP_UNKNOWN, "500 5.5.2", S("")},
        {S(" EHLO x"), SMTP_UNKNOWN, "500 5.5.2", S("EHLO x")},
        {S("EHL"), SMTP_UNKNOWN, "500 5.5.2", S("")},
        {S("MAILFROM:<a@b>"), SMTP_UNKNOWN, "500 5.5.2", S("")},
        {S("\xff\xfe"), SMTP_UNKNOWN, "500 5.5.2", S("")},
        {S("\x16\x03\x01\x02"), SMTP_UNKNOWN, "500 5.5.2", S("")},
        {S("POST / HTTP/1.1"), SMTP_FOREIGN, "", S("/ HTTP/1.1")},
        {S("post"), SMTP_UNKNOWN, "500 5.5.2", S("")},
        {S("NOOP\0"), SMTP_UNKNOWN, "500 5.5.2", S("")},
        {S("NOOP a\x7f"), SMTP_NOOP, "500 5.5.2", S("a\x7f")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct smtp_command c = parse(rows[i].line);
        if (c.verb != rows[i].verb || strcmp(problem(c.error), rows[i].problem) ||
            !str_eq(c.argument, rows[i].argument))
            fail_msg("%.*s: verb %d, %s, \"%.*s\"", STR_FMT(rows[i].line), c.verb, problem(c.error),
                     STR_FMT(c.argument));
    }
}

static void reads_bdat(void **state)
{
    (void)state;
    const struct {
        struct str line;
        uint64_t size;
        bool last, wrong;
    } rows[] = {
        {S("BDAT 10"), 10, false, false},
        {S("bdat 0 last"), 0, true, false},
        {S("BDAT 86400000 LAST"), 86400000, true, false},
        {S("BDAT 0010"), 10, false, false},
        {S("BDAT 10 LASTLY"), 10, false, true},
        {S("BDAT 10 LAST LAST"), 10, true, true},
        {S("BDAT"), 0, false, true},
        {S("BDAT LAST"), 0, false, true},
        {S("BDAT -1"), 0, false, true},
        {S("BDAT 10x"), UINT64_MAX, false, true},
        {S("BDAT 9223372036854775808"), UINT64_MAX, false, true},
        {S("BDAT 18446744073709551615"), UINT64_MAX, false, true},
        {S("BDAT 000000000000000000001"), UINT64_MAX, false, true}, /* 1*20DIGIT */
        {S("BDAT 10\x01"), UINT64_MAX, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct smtp_command c = parse(rows[i].line);
        if (c.verb != SMTP_BDAT || c.bdat.size != rows[i].size || (c.error.code != 0) != rows[i].wrong ||
            (!rows[i].wrong && c.bdat.last != rows[i].last))
            fail_msg("%.*s: %zu %d %s", STR_FMT(rows[i].line), (size_t)c.bdat.size, c.bdat.last, problem(c.error));
    }
}

static void reads_auth(void **state)
{
    (void)state;
    struct smtp_command c = parse(S("AUTH PLAIN dGVzdA=="));
    assert_true(c.error.code == 0 && str_eq(c.auth.mechanism, S("PLAIN")) && str_eq(c.auth.initial, S("dGVzdA==")));
    c = parse(S("AUTH scram-sha-256-plus"));
    assert_true(c.error.code == 0 && str_is_none(c.auth.initial));
    c = parse(S("AUTH PLAIN ="));
    assert_true(c.error.code == 0 && str_eq(c.auth.initial, S("=")));
    const struct str broken[] = {S("AUTH"), S("AUTH PL,AIN"), S("AUTH PLAIN a b"), S("AUTH ABCDEFGHIJKLMNOPQRSTU")};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_string_equal(problem(parse(broken[i]).error), "501 5.5.4");
}

static void names_verbs(void **state)
{
    (void)state;
    for (enum smtp_verb v = SMTP_EHLO; v < SMTP_VERBS; v++) assert_true(parse(smtp_verb_name(v)).verb == v);
    assert_int_equal(smtp_verb_name(SMTP_UNKNOWN).n, 0);
}

/* Every prefix and every single-byte change of a rich line, in a block of its own size. */
static void survives_every_cut_and_change(void **state)
{
    (void)state;
    const struct str lines[] = {
        S("MAIL FROM:<@a.b,@c:\"j\\\"\xc3\xb6\"@m\xc3\xbc.example> SIZE=10 BODY=8BITMIME AUTH=a+2Bb RET=FULL "
          "ENVID=a+3D SMTPUTF8"),
        S("RCPT TO:<@a:b@[IPv6:2001:db8::1]> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c"),
        S("BDAT 123 LAST"), S("AUTH PLAIN AAAA"),
    };
    static const char bytes[] = {0, '\r', '"', '\\', '<', '>', '@', '+', '=', ' ', '\x80', '\xff'};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        for (size_t n = 0; n < lines[i].n; n++) {
            struct arena *a = arena_new(NULL, 0);
            smtp_parse(a, arena_str(a, str_head(lines[i], n)));
            for (size_t b = 0; b < sizeof bytes; b++) {
                struct str changed = arena_str(a, lines[i]);
                ((char *)(uintptr_t)changed.p)[n] = bytes[b];
                smtp_parse(a, changed);
            }
            arena_free(a);
        }
}

/* ---- other people's addresses: the isemail collection, where it is ---- */

/* The text between <tag> and </tag> in *xml, which moves on; none if there is no more. */
static struct str element(struct str *xml, const char *tag)
{
    char open[32], close[32];
    snprintf(open, sizeof open, "<%s>", tag);
    snprintf(close, sizeof close, "</%s>", tag);
    size_t from = str_find(*xml, str_c(open));
    if (from == xml->n) return STR_NONE;
    *xml = str_skip(*xml, from + strlen(open));
    struct str inside = str_head(*xml, str_find(*xml, str_c(close)));
    *xml = str_skip(*xml, inside.n);
    return inside;
}

/* Entities undone; U+2400 + n stands for control character n. */
static struct str plain_text(struct str in)
{
    struct buf *b = buf_in(arena, 2000);
    static const struct {
        struct str entity;
        char c;
    } entities[] = {{S_INIT("&amp;"), '&'}, {S_INIT("&lt;"), '<'}, {S_INIT("&gt;"), '>'}, {S_INIT("&quot;"), '"'}};
    while (in.n) {
        uint32_t cp;
        size_t i = 0;
        while (i < 4 && !str_starts(in, entities[i].entity)) i++;
        if (i < 4) {
            buf_char(b, entities[i].c);
            in = str_skip(in, entities[i].entity.n);
        } else if (str_starts(in, S("&#x"))) {
            cp = (uint32_t)strtoul(in.p + 3, NULL, 16);
            if (cp >= 0x2400 && cp < 0x2420) buf_char(b, (char)(cp - 0x2400));
            else utf8_put(b, cp);
            in = str_skip(in, str_find_char(in, ';') + 1);
        } else {
            buf_char(b, in.p[0]);
            in = str_skip(in, 1);
        }
    }
    return buf_str(b);
}

static struct str shared_file(const char *name)
{
    char path[1000];
    const char *folder = getenv("PENNY_SHARED_DATA");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : PENNY_SOURCE "/../shared/data", name);
    FILE *f = fopen(path, "rb");
    if (!f) return STR_NONE;
    struct buf *b = buf_in(arena, 1 << 20);
    char *at = buf_reserve(b, 1 << 20);
    b->n = fread(at, 1, 1 << 20, f);
    fclose(f);
    return buf_str(b);
}

static void agrees_with_isemail(void **state)
{
    (void)state;
    struct str xml = shared_file("isemail/tests.xml"), test;
    if (str_is_none(xml)) skip();
    int count = 0;
    while (str_find(xml, S("<test id=")) < xml.n) {
        xml = str_skip(xml, str_find(xml, S("<test id=")) + 1);
        test = str_head(xml, str_find(xml, S("</test>")));
        struct str address = plain_text(element(&test, "address"));
        struct str category = element(&test, "category");
        struct buf *line = buf_in(arena, 3000);
        buf_printf(line, "MAIL FROM:<");
        buf_add(line, address);
        buf_add(line, S("> SMTPUTF8"));
        bool accepted = parse(buf_str(line)).error.code == 0;
        bool refuse = str_eq(category, S("ISEMAIL_ERR"));
        bool accept = str_eq(category, S("ISEMAIL_VALID_CATEGORY")) || str_eq(category, S("ISEMAIL_DNSWARN")) ||
                      str_eq(category, S("ISEMAIL_RFC5321"));
        if (address.n == 0) continue; /* <> is another thing */
        if ((refuse && accepted) || (accept && !accepted)) fail_msg("%.*s (%.*s)", STR_FMT(address), STR_FMT(category));
        count++;
    }
    assert_true(count > 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_reverse_paths),  cmocka_unit_test(reads_forward_paths),
        cmocka_unit_test(limits_paths),         cmocka_unit_test(reads_mail_parameters),
        cmocka_unit_test(reads_hold_parameters),
        cmocka_unit_test(reads_rcpt_parameters), cmocka_unit_test(refuses_parameters),
        cmocka_unit_test(limits_parameters),    cmocka_unit_test(reads_other_commands),
        cmocka_unit_test(reads_bdat),           cmocka_unit_test(reads_auth),
        cmocka_unit_test(names_verbs),          cmocka_unit_test(survives_every_cut_and_change),
        cmocka_unit_test(agrees_with_isemail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
