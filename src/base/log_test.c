/* Log lines: both forms, what may never pass, what is cut. */
#include "base/log.h"

#include "base/test.h"

static utc_us half_past_one(void *clock) { return *(utc_us *)clock; }

static void keep(void *sink, struct str line)
{
    struct buf *b = sink;
    buf_add(b, line);
}

struct written {
    struct buf out;
    utc_us now;
    struct log log;
};

static void begin(struct written *w, enum log_format format)
{
    *w = (struct written){.out = BUF(1 << 20), .now = SECONDS(1795311000) + 123456};
    w->log = (struct log){LOG_DEBUG, format, half_past_one, keep, &w->now, &w->out};
}

static void writes_typed_fields(void **state)
{
    (void)state;
    struct written w;
    begin(&w, LOG_LOGFMT);
    LOG(&w.log, LOG_INFO, "smtp.rcpt", F_ID("session", 32), F_STR("to", S("a@b.example")), F_INT("size", -5),
        F_MS("took", 12345), F_ID("message", 0), F_STR("none", STR_NONE), F_STR("empty", S("")),
        F_INT("most", INT64_MIN), F_MS("back", -1));
    assert_str(buf_str(&w.out),
               S("time=2026-11-22T01:30:00.123Z level=info event=smtp.rcpt session=0000000000010 "
                 "to=a@b.example size=-5 took=12.345 empty=\"\" most=-9223372036854775808 back=-0.001\n"));
    buf_clear(&w.out);
    w.log.format = LOG_JSON;
    LOG(&w.log, LOG_ERROR, "smtp.rcpt", F_ID("session", 32), F_STR("to", S("a@b.example")), F_INT("size", -5),
        F_MS("took", 12345), F_ID("message", 0), F_STR("none", STR_NONE), F_STR("empty", S("")));
    assert_str(buf_str(&w.out), S("{\"time\":\"2026-11-22T01:30:00.123Z\",\"level\":\"error\",\"event\":\"smtp.rcpt\","
                                  "\"session\":\"0000000000010\",\"to\":\"a@b.example\",\"size\":-5,\"took\":12.345,"
                                  "\"empty\":\"\"}\n"));
    buf_free(&w.out);
}

static void leaves_out_what_is_not_wanted(void **state)
{
    (void)state;
    struct written w;
    begin(&w, LOG_LOGFMT);
    w.log.least = LOG_WARN;
    LOG(&w.log, LOG_INFO, "a", {0});
    LOG(&w.log, LOG_DEBUG, "a", {0});
    LOG(NULL, LOG_ERROR, "a", {0});
    assert_int_equal(w.out.n, 0);
    LOG(&w.log, LOG_WARN, "a", {0});
    LOG(&w.log, LOG_ERROR, "a", {0});
    assert_true(
        str_ends(buf_str(&w.out), S("level=warn event=a\ntime=2026-11-22T01:30:00.123Z level=error event=a\n")));
    buf_free(&w.out);
}

static void quotes(void **state)
{
    (void)state;
    static const struct {
        struct str value, logfmt, json;
    } cases[] = {
        {S_INIT("plain"), S_INIT("plain"), S_INIT("\"plain\"")},
        {S_INIT("a b"), S_INIT("\"a b\""), S_INIT("\"a b\"")},
        {S_INIT("a=b"), S_INIT("\"a=b\""), S_INIT("\"a=b\"")},
        {S_INIT("say \"hi\""), S_INIT("\"say \\\"hi\\\"\""), S_INIT("\"say \\\"hi\\\"\"")},
        {S_INIT("\\"), S_INIT("\"\\\\\""), S_INIT("\"\\\\\"")},
        {S_INIT("x\r\nlevel=error event=forged"), S_INIT("\"x\\r\\nlevel=error event=forged\""),
         S_INIT("\"x\\r\\nlevel=error event=forged\"")},
        {S_INIT("\0\x1b[2J\x7f\t"), S_INIT("\"\\u0000\\u001b[2J\\u007f\\t\""),
         S_INIT("\"\\u0000\\u001b[2J\\u007f\\t\"")},
        {S_INIT("\xe9"), S_INIT("\"\xef\xbf\xbd\""), S_INIT("\"\xef\xbf\xbd\"")},
        {S_INIT("caf\xc3\xa9"), S_INIT("\"caf\xc3\xa9\""), S_INIT("\"caf\xc3\xa9\"")},
        /* next line, line break, right-to-left … */
        {S_INIT("\xc2\x85\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6\xef\xbb\xbf"),
         S_INIT("\"\\u0085\\u2028\\u202e\\u2066\\ufeff\""), S_INIT("\"\\u0085\\u2028\\u202e\\u2066\\ufeff\"")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int json = 0; json < 2; json++) {
            struct written w;
            begin(&w, json ? LOG_JSON : LOG_LOGFMT);
            LOG(&w.log, LOG_INFO, "e", F_STR("v", cases[i].value));
            struct str line = buf_str(&w.out), mark = json ? S("\"v\":") : S("v=");
            line = str_skip(line, str_find(line, json ? S("\"v\":") : S(" v=")) + mark.n + !json);
            assert_str(str_head(line, line.n - 1 - (size_t)json), json ? cases[i].json : cases[i].logfmt);
            assert_int_equal(str_find_char(buf_str(&w.out), '\n'), w.out.n - 1);
            buf_free(&w.out);
        }
}

static void every_byte_stays_in_its_line(void **state)
{
    (void)state;
    for (int c = 0; c < 256 * 256; c++) {
        char value[2] = {(char)c, (char)(c >> 8)};
        struct written w;
        begin(&w, c & 1 ? LOG_JSON : LOG_LOGFMT);
        LOG(&w.log, LOG_INFO, "e", F_STR("v", str_of(value, 2)));
        size_t quotes = 0;
        for (size_t i = 0; i < w.out.n - 1; i++) {
            assert_true((unsigned char)w.out.p[i] >= 0x20 && w.out.p[i] != 0x7f);
            if (w.out.p[i] == '\\') i++;
            else quotes += w.out.p[i] == '"';
        }
        assert_int_equal(quotes % 2, 0);
        assert_int_equal(w.out.p[w.out.n - 1], '\n');
        buf_free(&w.out);
    }
}

static void cuts_long_values(void **state)
{
    (void)state;
    char value[600];
    memset(value, 'v', sizeof value);
    struct written w;
    begin(&w, LOG_LOGFMT);
    LOG(&w.log, LOG_INFO, "e", F_STR("v", str_of(value, 512)));
    assert_true(str_ends(buf_str(&w.out), S("vvv\n")));
    size_t whole = w.out.n;
    buf_clear(&w.out);
    LOG(&w.log, LOG_INFO, "e", F_STR("v", str_of(value, 513)), F_INT("n", 1));
    assert_true(str_ends(buf_str(&w.out), S("vvv...\" n=1\n")));
    assert_int_equal(w.out.n, whole + strlen("\"...\" n=1"));
    buf_clear(&w.out);
    memcpy(value + 510, "\xe2\x82\xac", 3); /* never in the middle of a character */
    LOG(&w.log, LOG_INFO, "e", F_STR("v", str_of(value, 600)));
    assert_true(str_ends(buf_str(&w.out), S("vvv...\"\n")));
    buf_free(&w.out);
}

static void cuts_long_lines_between_fields(void **state)
{
    (void)state;
    char value[512];
    memset(value, '\n', sizeof value); /* takes two characters each */
    for (int json = 0; json < 2; json++)
        for (size_t n = 0; n <= sizeof value; n++) {
            struct written w;
            struct str v = str_of(value, n);
            begin(&w, json ? LOG_JSON : LOG_LOGFMT);
            LOG(&w.log, LOG_INFO, "e", F_STR("a", v), F_STR("b", v), F_STR("c", v), F_INT("last", 1));
            assert_true(w.out.n <= 2048);
            struct str whole = json ? S("\"last\":1}\n") : S(" last=1\n"),
                       cut = json ? S("\",\"cut\":true}\n") : S("\" cut=true\n");
            bool is_whole = str_ends(buf_str(&w.out), whole);
            assert_true(is_whole || str_ends(buf_str(&w.out), cut));
            if (n < 300) assert_true(is_whole);
            if (n > 340) assert_false(is_whole);
            buf_free(&w.out);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_typed_fields),
        cmocka_unit_test(leaves_out_what_is_not_wanted),
        cmocka_unit_test(quotes),
        cmocka_unit_test(every_byte_stays_in_its_line),
        cmocka_unit_test(cuts_long_values),
        cmocka_unit_test(cuts_long_lines_between_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
