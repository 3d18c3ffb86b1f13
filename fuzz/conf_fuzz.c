/* The configuration reader, libconfuse behind it: any text ends with values in range or with a file, a line, a reason.
 */
#include "base/conf.h"

#include <stdlib.h>

struct block {
    struct str title, text;
    struct conf_list list;
};
struct settings {
    struct str text;
    struct conf_list list;
    int64_t number, size, span;
    bool yes;
    struct block one;
    struct conf_blocks many;
};

static const struct conf_setting block_table[] = {
    {"text", CONF_TEXT, offsetof(struct block, text), "fallback"},
    {"list", CONF_LIST, offsetof(struct block, list), "{a, \"b\"}"},
    {0},
};
static const struct conf_setting table[] = {
    {"text", CONF_TEXT, offsetof(struct settings, text)},
    {"list", CONF_LIST, offsetof(struct settings, list)},
    {"number", CONF_INT, offsetof(struct settings, number), "7", -5, 100},
    {"size", CONF_SIZE, offsetof(struct settings, size), "1K"},
    {"span", CONF_SPAN, offsetof(struct settings, span), "1s", 1000, INT64_C(1) << 40},
    {"yes", CONF_BOOL, offsetof(struct settings, yes), "no"},
    {"one", CONF_SECTION, offsetof(struct settings, one), .inside = block_table, .size = sizeof(struct block)},
    {"many", CONF_SECTION, offsetof(struct settings, many), .inside = block_table, .size = sizeof(struct block),
     .repeat = true, .title = offsetof(struct block, title)},
    {0},
};

static void must(bool ok)
{
    if (!ok) abort();
}

static void read_all(struct str s) /* every byte must be ours to read */
{
    volatile char last = 0;
    for (size_t i = 0; i < s.n; i++) last = s.p[i];
    (void)last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 16384) return 0;
    struct arena *a = arena_new(NULL, 0);
    struct settings s;
    struct error e = {0};
    int r = conf_parse(a, "f", str_of(data, n), table, &s, &e);
    must(r == e.code && (r == 0 || r == ERR_CONFIG));
    if (r) {
        must(str_starts(str_c(e.text), S("f:")) && ch_digit(e.text[2]));
    } else {
        must(s.number >= -5 && s.number <= 100 && s.span >= 1000 && s.size >= 0);
        read_all(s.text);
        for (size_t i = 0; i < s.list.n; i++) read_all(s.list.v[i]);
        for (size_t i = 0; i < s.many.n; i++) {
            const struct block *b = s.many.v[i];
            read_all(b->title);
            must(str_find_char(b->title, '\1') == b->title.n);
            for (size_t k = 0; k < b->list.n; k++) read_all(b->list.v[k]);
        }
    }
    arena_free(a);
    return 0;
}
