/* The values of settings: numbers, sizes, spans of time, switches. */
#include "base/conf_parts.h"
#include "base/time.h"

#include <inttypes.h>

struct unit {
    const char *name;
    int64_t worth;
};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};
static const struct unit size_units[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0}};
static const struct unit span_units[] = {{"ms", US_PER_MS}, {"s", SECONDS(1)}, {"m", MINUTES(1)},
                                         {"h", HOURS(1)},   {"d", DAYS(1)},    {NULL, 0}};

static const struct unit *units_of(enum conf_kind kind)
{
    return kind == CONF_SIZE ? size_units : kind == CONF_SPAN ? span_units : no_units;
}

/* With the greatest unit that divides it. */
static void put_measure(struct buf *b, enum conf_kind kind, int64_t v)
{
    const struct unit *best = NULL;
    for (const struct unit *u = units_of(kind); u->name; u++)
        if (v % u->worth == 0 && (v || !best)) best = u;
    buf_printf(b, "%" PRId64 "%s", best ? v / best->worth : v, best ? best->name : "");
}

void conf_put_range(struct buf *b, const struct conf_setting *s)
{
    put_measure(b, s->kind, s->min);
    buf_lit(b, " to ");
    put_measure(b, s->kind, s->max);
}

static int check_range(const struct conf_setting *s, struct str text, int64_t v, struct error *e)
{
    if ((s->min == 0 && s->max == 0) || (v >= s->min && v <= s->max)) return 0;
    char room[64];
    struct buf range = BUF_OVER(room);
    conf_put_range(&range, s);
    return error_set(e, ERR_CONFIG, "\"%s\" is %.*s, but must be %.*s", s->name, STR_FMT(text),
                     STR_FMT(buf_str(&range)));
}

static int wrong_value(const struct conf_setting *s, struct str text, const char *expected, struct error *e)
{
    return error_set(e, ERR_CONFIG, "\"%s\" must be %s, not \"%.*s\"", s->name, expected, STR_FMT(str_head(text, 64)));
}

static int read_int(const struct conf_setting *s, struct str text, int64_t *value, struct error *e)
{
    bool negative = str_starts(text, S("-"));
    uint64_t v;
    if (!str_to_u64(str_skip(text, negative), INT64_MAX, &v)) return wrong_value(s, text, "a whole number", e);
    *value = negative ? -(int64_t)v : (int64_t)v;
    return check_range(s, text, *value, e);
}

static int read_measure(const struct conf_setting *s, struct str text, int64_t *value, struct error *e)
{
    const char *expected =
        s->kind == CONF_SIZE ? "a size such as 500, 256K, 50M or 2G" : "a time such as 500ms, 30s, 5m, 4h or 5d";
    size_t digits = 0;
    while (digits < text.n && ch_digit(text.p[digits])) digits++;
    uint64_t v;
    if (!str_to_u64(str_head(text, digits), INT64_MAX, &v)) return wrong_value(s, text, expected, e);
    const struct unit *u = units_of(s->kind);
    while (u->name && !str_eq(str_skip(text, digits), str_c(u->name))) u++;
    bool bare_zero = v == 0 && digits == text.n; /* zero needs no unit */
    if (!u->name && !bare_zero) return wrong_value(s, text, expected, e);
    if (__builtin_mul_overflow((int64_t)v, u->worth, value)) return wrong_value(s, text, "a smaller number", e);
    return check_range(s, text, *value, e);
}

static int read_bool(const struct conf_setting *s, struct str text, bool *value, struct error *e)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_ieq(text, str_c(words[i]))) {
            *value = i % 2;
            return 0;
        }
    return wrong_value(s, text, "yes or no", e);
}

int conf_value(struct arena *a, const struct conf_setting *s, struct str text, void *value, struct error *e)
{
    switch (s->kind) {
    case CONF_INT: return read_int(s, text, value, e);
    case CONF_SIZE:
    case CONF_SPAN: return read_measure(s, text, value, e);
    case CONF_BOOL: return read_bool(s, text, value, e);
    case CONF_TEXT: *(struct str *)value = arena_str(a, text); return 0;
    case CONF_LIST:
    case CONF_SECTION: break;
    }
    return ERR_CONFIG; /* not leaves */
}
