/* Reading dates token by token: words, numbers, signs; comments and white space between them do not matter. */
#include "proto/imf/date.h"

struct token {
    enum { END, WORD, NUMBER, SIGN } kind;
    struct str text;
    int value; /* of a number of at most 9 digits, else -1 */
};

struct tokens {
    struct str rest;
    struct token now;
};

static struct str skip_cfws(struct str s)
{
    size_t depth = 0;
    while (s.n) {
        char c = s.p[0];
        if (depth && c == '\\') s = str_skip(s, 1);
        else if (c == '(') depth++;
        else if (depth && c == ')') depth--;
        else if (!depth && !ch_space(c) && c != '\r' && c != '\n') break;
        s = str_skip(s, 1);
    }
    return s;
}

static void advance(struct tokens *t)
{
    struct str s = skip_cfws(t->rest);
    size_t n = 0;
    t->now = (struct token){.kind = END, .value = -1};
    if (s.n && ch_digit(s.p[0])) {
        uint64_t v;
        while (n < s.n && ch_digit(s.p[n])) n++;
        t->now.kind = NUMBER;
        if (n <= 9 && str_to_u64(str_head(s, n), 999999999, &v)) t->now.value = (int)v;
    } else if (s.n && ch_alpha(s.p[0])) {
        while (n < s.n && ch_alpha(s.p[n])) n++;
        t->now.kind = WORD;
    } else if (s.n) {
        n = 1;
        t->now.kind = SIGN;
    }
    t->now.text = str_head(s, n);
    t->rest = str_skip(s, n);
}

static bool is_sign(const struct tokens *t, char c) { return t->now.kind == SIGN && t->now.text.p[0] == c; }

static bool take_sign(struct tokens *t, char c)
{
    if (!is_sign(t, c)) return false;
    advance(t);
    return true;
}

/* A number of min to max digits. */
static bool take_number(struct tokens *t, size_t min, size_t max, int *v)
{
    if (t->now.kind != NUMBER || t->now.text.n < min || t->now.text.n > max) return false;
    *v = t->now.value;
    advance(t);
    return true;
}

static bool take_month(struct tokens *t, int *month)
{
    if (t->now.kind != WORD || t->now.text.n < 3) return false;
    for (int m = 0; m < 12; m++)
        if (str_ieq(str_head(t->now.text, 3), str_c(time_month_names[m]))) {
            *month = m + 1;
            advance(t);
            return true;
        }
    return false;
}

static bool take_year(struct tokens *t, int *year) /* RFC 5322 §4.3 */
{
    size_t digits = t->now.text.n;
    if (!take_number(t, 2, 4, year)) return false;
    if (digits == 2) *year += *year < 50 ? 2000 : 1900;
    if (digits == 3) *year += 1900;
    return true;
}

static bool take_time(struct tokens *t, struct civil *c)
{
    if (!take_number(t, 1, 2, &c->hour) || !take_sign(t, ':') || !take_number(t, 1, 2, &c->minute)) return false;
    c->second = 0;
    return !take_sign(t, ':') || take_number(t, 1, 2, &c->second);
}

static const struct {
    char name[4];
    int offset;
} zones[] = {
    {"UT", 0},        {"GMT", 0},       {"UTC", 0},       {"Z", 0},         {"EST", -5 * 60}, {"EDT", -4 * 60},
    {"CST", -6 * 60}, {"CDT", -5 * 60}, {"MST", -7 * 60}, {"MDT", -6 * 60}, {"PST", -8 * 60}, {"PDT", -7 * 60},
    {"BST", 60},      {"MET", 60},      {"CET", 60},      {"WET", 0},       {"EET", 2 * 60},  {"JST", 9 * 60},
};

static void take_named_zone(struct tokens *t, struct imf_date *out)
{
    if (str_ieq(t->now.text, S("CEST")) || str_ieq(t->now.text, S("MEST"))) {
        out->offset = 2 * 60;
        out->zone_known = true;
    }
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
        if (str_ieq(t->now.text, str_c(zones[i].name))) {
            out->offset = zones[i].offset;
            out->zone_known = true;
        }
    advance(t);
}

/* zone = ("+" / "-") 4DIGIT, also with a colon, or a name; "GMT+0200" is seen too */
static void take_zone(struct tokens *t, struct imf_date *out)
{
    if (t->now.kind == WORD) {
        take_named_zone(t, out);
        if (out->offset != 0 || t->now.kind != SIGN) return;
    }
    bool minus = is_sign(t, '-');
    if (!minus && !is_sign(t, '+')) return;
    advance(t);
    size_t digits = t->now.text.n;
    int hours, minutes = 0;
    if (!take_number(t, 1, 4, &hours)) return;
    if (digits > 2) {
        minutes = hours % 100;
        hours /= 100;
    } else if (take_sign(t, ':') && !take_number(t, 2, 2, &minutes)) {
        return;
    }
    if (hours > 23 || minutes > 59) return;
    out->offset = (hours * 60 + minutes) * (minus ? -1 : 1);
    out->zone_known = !(minus && out->offset == 0); /* RFC 5322 §3.3: -0000 says nothing of the zone */
}

/* date = day month year, with blanks or "-" between; time follows */
static bool take_usual(struct tokens *t, struct civil *c)
{
    if (!take_number(t, 1, 2, &c->day)) return false;
    take_sign(t, '-');
    if (!take_month(t, &c->month)) return false;
    take_sign(t, '.');
    take_sign(t, '-');
    if (!take_year(t, &c->year)) return false;
    take_sign(t, ',');
    return take_time(t, c);
}

/* asctime() and date(1): month day time [zone] year [zone] */
static bool take_asctime(struct tokens *t, struct civil *c, struct imf_date *out)
{
    if (!take_month(t, &c->month) || !take_number(t, 1, 2, &c->day)) return false;
    take_sign(t, ',');
    struct tokens before = *t;
    if (take_year(t, &c->year) && t->now.kind == NUMBER) return take_time(t, c); /* "Nov 22, 2026 01:30" */
    *t = before;
    if (!take_time(t, c)) return false;
    if (t->now.kind == WORD) take_named_zone(t, out);
    return take_year(t, &c->year);
}

int imf_date_parse(struct str body, struct imf_date *out)
{
    struct tokens t = {.rest = body};
    struct civil c = {0};
    struct imf_date date = {0};
    int month;
    advance(&t);
    struct tokens first = t;
    if (t.now.kind == WORD && !take_month(&first, &month)) { /* day of week: any word, it decides nothing */
        advance(&t);
        take_sign(&t, '.');
        take_sign(&t, ',');
    }
    bool ok = t.now.kind == NUMBER ? take_usual(&t, &c) : take_asctime(&t, &c, &date);
    if (!ok) return ERR_SYNTAX;
    if (!date.zone_known) take_zone(&t, &date);
    c.offset = date.offset;
    if (!civil_valid(&c)) return ERR_SYNTAX;
    date.utc = civil_to_utc(&c);
    *out = date;
    return 0;
}
