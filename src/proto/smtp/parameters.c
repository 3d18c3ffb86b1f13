/* Parameters of MAIL and RCPT (RFC 5321 §4.1.1.11): SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), AUTH (RFC
 * 4954), RET ENVID NOTIFY ORCPT (RFC 3461), HOLDFOR HOLDUNTIL (RFC 4865).
 *
 * One table a command; what is in neither (REQUIRETLS, …) is refused with 555. Each may appear once. */
#include "proto/smtp/parameters.h"

#include "base/utf8.h"
#include "mail/limits.h"
#include "proto/smtp/xtext.h"

#define SYNTAX_ERROR(text) PROBLEM(501, E(5, 5, 4), text)

/* Reads one value; value is none when there was no "=". */
typedef struct smtp_problem parameter_reader(struct arena *a, struct str value, void *path);

struct parameter {
    struct str keyword;
    parameter_reader *read;
};

static bool within(struct str s, unsigned char least, unsigned char most)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < least || (unsigned char)s.p[i] > most) return false;
    return true;
}

static struct smtp_problem read_size(struct arena *a, struct str value, void *path) /* size-value = 1*20DIGIT */
{
    (void)a;
    struct reverse_path *from = path;
    uint64_t size = INT64_MAX; /* what does not fit is too large in any case */
    if (value.n == 0 || value.n > 20 || !within(value, '0', '9')) return SYNTAX_ERROR("SIZE wants a number of bytes");
    str_to_u64(value, INT64_MAX, &size);
    from->size = (int64_t)size;
    return NO_PROBLEM;
}

static struct smtp_problem read_body(struct arena *a, struct str value, void *path)
{
    (void)a;
    struct reverse_path *from = path;
    if (str_ieq(value, S("7BIT"))) from->body = BODY_7BIT;
    else if (str_ieq(value, S("8BITMIME"))) from->body = BODY_8BITMIME;
    else if (str_ieq(value, S("BINARYMIME"))) return PROBLEM(555, E(5, 5, 4), "BODY=BINARYMIME is not supported");
    else return SYNTAX_ERROR("BODY wants 7BIT or 8BITMIME");
    return NO_PROBLEM;
}

static struct smtp_problem read_smtputf8(struct arena *a, struct str value, void *path)
{
    (void)a;
    struct reverse_path *from = path;
    if (!str_is_none(value)) return SYNTAX_ERROR("SMTPUTF8 has no value"); /* RFC 6531 §3.4 */
    from->smtputf8 = true;
    return NO_PROBLEM;
}

static struct smtp_problem read_auth(struct arena *a, struct str value, void *path)
{
    struct reverse_path *from = path;
    if (str_eq(value, S("<>"))) {
        from->auth = value;
        return NO_PROBLEM;
    }
    if (value.n == 0 || xtext_decode(a, value, &from->auth) || !within(from->auth, ' ', '~'))
        return SYNTAX_ERROR("AUTH wants an address as xtext, or <>"); /* RFC 4954 §5 */
    return NO_PROBLEM;
}

static struct smtp_problem read_ret(struct arena *a, struct str value, void *path)
{
    (void)a;
    struct reverse_path *from = path;
    if (str_ieq(value, S("FULL"))) from->ret = DSN_RET_FULL;
    else if (str_ieq(value, S("HDRS"))) from->ret = DSN_RET_HDRS;
    else return SYNTAX_ERROR("RET wants FULL or HDRS");
    return NO_PROBLEM;
}

static struct smtp_problem read_envid(struct arena *a, struct str value, void *path)
{
    struct reverse_path *from = path;
    if (value.n == 0 || xtext_decode(a, value, &from->envid) || !within(from->envid, ' ', '~'))
        return SYNTAX_ERROR("ENVID wants xtext of printable characters"); /* RFC 3461 §4.4 */
    if (from->envid.n > LIMIT_ENVID) return SYNTAX_ERROR("ENVID is too long");
    return NO_PROBLEM;
}

/* future-release-integer = %x31-39 *8DIGIT, of seconds (RFC 4865 §3) */
static struct smtp_problem read_hold_for(struct arena *a, struct str value, void *path)
{
    (void)a;
    struct reverse_path *from = path;
    uint64_t seconds;
    if (!str_to_u64(value, 999999999, &seconds) || value.p[0] == '0')
        return SYNTAX_ERROR("HOLDFOR wants a number of seconds");
    from->hold_for = (int64_t)seconds;
    return NO_PROBLEM;
}

static bool take_number(struct str *text, size_t digits, int *out)
{
    uint64_t n;
    if (text->n < digits || !str_to_u64(str_head(*text, digits), 9999, &n)) return false;
    *text = str_skip(*text, digits);
    *out = (int)n;
    return true;
}

static bool take_char(struct str *text, char c)
{
    if (text->n == 0 || ch_upper(text->p[0]) != c) return false;
    *text = str_skip(*text, 1);
    return true;
}

/* time-offset = "Z" / ("+" / "-") time-hour ":" time-minute */
static bool take_offset(struct str *text, int *minutes)
{
    int hour, minute, sign = 1;
    *minutes = 0;
    if (take_char(text, 'Z')) return true;
    if (take_char(text, '-')) sign = -1;
    else if (!take_char(text, '+')) return false;
    if (!take_number(text, 2, &hour) || !take_char(text, ':') || !take_number(text, 2, &minute)) return false;
    *minutes = sign * (hour * 60 + minute);
    return hour < 24 && minute < 60;
}

/* date-time = full-date "T" partial-time time-offset (RFC 3339 §5.6); a fraction of a second is passed over */
static bool take_date_time(struct str *text, utc_us *out)
{
    struct civil c = {0};
    bool ok = take_number(text, 4, &c.year) && take_char(text, '-') && take_number(text, 2, &c.month) &&
              take_char(text, '-') && take_number(text, 2, &c.day) && take_char(text, 'T') &&
              take_number(text, 2, &c.hour) && take_char(text, ':') && take_number(text, 2, &c.minute) &&
              take_char(text, ':') && take_number(text, 2, &c.second);
    if (ok && take_char(text, '.')) {
        int digit;
        ok = take_number(text, 1, &digit);
        while (ok && take_number(text, 1, &digit)) {
        }
    }
    if (!ok || !take_offset(text, &c.offset) || !civil_valid(&c)) return false;
    *out = civil_to_utc(&c);
    return true;
}

static struct smtp_problem read_hold_until(struct arena *a, struct str value, void *path)
{
    (void)a;
    struct reverse_path *from = path;
    if (!take_date_time(&value, &from->hold_until) || value.n)
        return SYNTAX_ERROR("HOLDUNTIL wants a time such as 2026-12-24T18:00:00Z"); /* RFC 4865 §3, RFC 3339 §5.6 */
    if (from->hold_until <= 0) from->hold_until = 1; /* long ago, but not unsaid */
    return NO_PROBLEM;
}

/* notify-esmtp-value = "NEVER" / 1#("SUCCESS" / "FAILURE" / "DELAY") */
static struct smtp_problem read_notify(struct arena *a, struct str value, void *path)
{
    (void)a;
    struct forward_path *to = path;
    static const struct {
        struct str word;
        unsigned bit;
    } words[] = {
        {S_INIT("NEVER"), DSN_NOTIFY_NEVER},
        {S_INIT("SUCCESS"), DSN_NOTIFY_SUCCESS},
        {S_INIT("FAILURE"), DSN_NOTIFY_FAILURE},
        {S_INIT("DELAY"), DSN_NOTIFY_DELAY},
    };
    bool more = true;
    while (more) {
        struct str word, rest;
        size_t i = 0;
        more = str_cut(value, ',', &word, &rest);
        while (i < 4 && !str_ieq(word, words[i].word)) i++;
        if (i == 4) return SYNTAX_ERROR("NOTIFY wants NEVER, or any of SUCCESS FAILURE DELAY");
        to->notify |= words[i].bit;
        value = rest;
    }
    if ((to->notify & DSN_NOTIFY_NEVER) && to->notify != DSN_NOTIFY_NEVER)
        return SYNTAX_ERROR("NOTIFY=NEVER stands alone"); /* RFC 3461 §4.1 */
    return NO_PROBLEM;
}

/* original-recipient-address = addr-type ";" xtext; for addr-type utf-8 also the UTF-8 itself (RFC 6533 §3) */
static struct smtp_problem read_orcpt(struct arena *a, struct str value, void *path)
{
    struct forward_path *to = path;
    struct str type, encoded, address;
    if (!str_cut(value, ';', &type, &encoded) || type.n == 0 || encoded.n == 0)
        return SYNTAX_ERROR("ORCPT wants type;address");
    for (size_t i = 0; i < type.n; i++)
        if (!ch_alnum(type.p[i]) && type.p[i] != '-') return SYNTAX_ERROR("ORCPT wants type;address");
    bool unitext = str_ieq(type, S("utf-8")) && !str_is_ascii(encoded);
    if (unitext ? !utf8_valid(encoded) : xtext_decode(a, encoded, &address) || !within(address, ' ', '~'))
        return SYNTAX_ERROR("ORCPT wants its address as xtext of printable characters"); /* RFC 3461 §4.2 */
    if (unitext) address = encoded;
    if (type.n + 1 + address.n > LIMIT_ORCPT) return SYNTAX_ERROR("ORCPT is too long");
    to->orcpt = address.p == encoded.p ? value : arena_printf(a, "%.*s;%.*s", STR_FMT(type), STR_FMT(address));
    return NO_PROBLEM;
}

static const struct parameter of_mail[] = {
    {S_INIT("SIZE"), read_size}, {S_INIT("BODY"), read_body}, {S_INIT("SMTPUTF8"), read_smtputf8},
    {S_INIT("AUTH"), read_auth}, {S_INIT("RET"), read_ret},   {S_INIT("ENVID"), read_envid},
    {S_INIT("HOLDFOR"), read_hold_for}, {S_INIT("HOLDUNTIL"), read_hold_until},
};
static const struct parameter of_rcpt[] = {
    {S_INIT("NOTIFY"), read_notify},
    {S_INIT("ORCPT"), read_orcpt},
};

/* esmtp-param = esmtp-keyword ["=" esmtp-value]; esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-");
 * esmtp-value = 1*(%d33-60 / %d62-126), with RFC 6531 §3.3 also UTF-8 */
static bool well_formed(struct str keyword, struct str value)
{
    if (keyword.n == 0 || keyword.p[0] == '-') return false;
    for (size_t i = 0; i < keyword.n; i++)
        if (!ch_alnum(keyword.p[i]) && keyword.p[i] != '-') return false;
    if (str_is_none(value)) return true;
    return value.n > 0 && !memchr(value.p, '=', value.n) && within(value, '!', 0xff) && !memchr(value.p, 0x7f, value.n);
}

static struct smtp_problem read_all(struct arena *a, struct str rest, const struct parameter *table, size_t n,
                                    void *path)
{
    unsigned seen = 0;
    size_t count = 0;
    if (rest.n && rest.p[0] != ' ') return SYNTAX_ERROR("a blank belongs between path and parameters");
    for (struct str word = str_word(&rest); word.n; word = str_word(&rest)) {
        struct str keyword, value;
        size_t i = 0;
        if (++count > LIMIT_SMTP_PARAMETERS) return SYNTAX_ERROR("too many parameters");
        if (!str_cut(word, '=', &keyword, &value)) value = STR_NONE;
        if (!well_formed(keyword, value)) return SYNTAX_ERROR("a parameter is malformed");
        while (i < n && !str_ieq(keyword, table[i].keyword)) i++;
        if (i == n) return PROBLEM(555, E(5, 5, 4), "a parameter is not supported");
        if (seen & 1u << i) return SYNTAX_ERROR("a parameter appears twice");
        seen |= 1u << i;
        struct smtp_problem problem = table[i].read(a, value, path);
        if (problem.code) return problem;
    }
    return NO_PROBLEM;
}

struct smtp_problem smtp_mail_parameters(struct arena *a, struct str rest, struct reverse_path *from)
{
    struct smtp_problem problem = read_all(a, rest, of_mail, sizeof of_mail / sizeof *of_mail, from);
    if (!problem.code && from->hold_for && from->hold_until) /* RFC 4865 §3 */
        return SYNTAX_ERROR("HOLDFOR or HOLDUNTIL, not both");
    return problem;
}

struct smtp_problem smtp_rcpt_parameters(struct arena *a, struct str rest, struct forward_path *to)
{
    return read_all(a, rest, of_rcpt, sizeof of_rcpt / sizeof *of_rcpt, to);
}
