#include "base/test.h"
#include "proto/json/write.h"

static void whole_texts(void **state)
{
    (void)state;
    struct buf b = BUF(4096);
    struct json j = JSON(&b);
    json_put_object(&j, NULL);
    json_put_str(&j, "a", S("x"));
    json_put_array(&j, "list");
    json_put_int(&j, NULL, -9007199254740993);
    json_put_bool(&j, NULL, true);
    json_put_object(&j, NULL);
    json_put_end(&j, '}');
    json_put_null(&j, NULL);
    json_put_end(&j, ']');
    json_put_time(&j, "at", 1795311000 * US_PER_S);
    json_put_time(&j, "never", 0);
    json_put_id(&j, "id", 1);
    json_put_id(&j, "none", 0);
    json_put_str(&j, "absent", STR_NONE);
    json_put_raw(&j, "raw", S("[1]"));
    json_put_end(&j, '}');
    assert_str(
        buf_str(&b),
        S("{\"a\":\"x\",\"list\":[-9007199254740993,true,{},null],\"at\":\"2026-11-22T01:30:00.000Z\",\"never\":null,"
          "\"id\":\"0000000000001\",\"none\":null,\"absent\":null,\"raw\":[1]}"));
    buf_free(&b);
}

static void strings(void **state) /* RFC 8259 §7 */
{
    (void)state;
    static const struct {
        struct str in, out;
    } cases[] = {
        {S_INIT(""), S_INIT("\"\"")},
        {S_INIT("plain"), S_INIT("\"plain\"")},
        {S_INIT("\"\\/"), S_INIT("\"\\\"\\\\/\"")},
        {S_INIT("\b\t\n\f\r"), S_INIT("\"\\b\\t\\n\\f\\r\"")},
        {S_INIT("\0\x01\x1f\x7f"), S_INIT("\"\\u0000\\u0001\\u001f\\u007f\"")},
        {S_INIT("gr\xc3\xbc\xc3\x9f"), S_INIT("\"gr\xc3\xbc\xc3\x9f\"")},
        {S_INIT("\xff" "a\xc3\"b"), S_INIT("\"\xef\xbf\xbd" "a\xef\xbf\xbd\\\"b\"")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF(256);
        json_quote(&b, cases[i].in);
        assert_str(buf_str(&b), cases[i].out);
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_texts), cmocka_unit_test(strings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
