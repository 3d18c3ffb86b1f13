/* Days and dates, after the era arithmetic every calendar library uses: 400 years are 146097 days. */
#include "base/time.h"

const char time_month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
const char time_day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

enum { DAYS_PER_ERA = 146097, DAYS_TO_1970 = 719468 }; /* from 0000-03-01 */

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int64_t days_of(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

struct civil civil_of(utc_us t, int offset)
{
    int64_t seconds = floor_div(t, US_PER_S) + (int64_t)offset * 60;
    int64_t days = floor_div(seconds, 86400);
    int64_t rest = seconds - days * 86400;
    int64_t z = days + DAYS_TO_1970;
    int64_t era = floor_div(z, DAYS_PER_ERA);
    int64_t doe = z - era * DAYS_PER_ERA;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);
    return (struct civil){
        .year = (int)(yoe + era * 400 + (month <= 2)),
        .month = month,
        .day = (int)(doy - (153 * mp + 2) / 5 + 1),
        .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
        .weekday = (int)((days % 7 + 11) % 7),
        .offset = offset,
    };
}

utc_us civil_to_utc(const struct civil *c)
{
    int64_t seconds = days_of(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 + c->second;
    return (seconds - (int64_t)c->offset * 60) * US_PER_S;
}

bool civil_valid(const struct civil *c)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (c->year < 1 || c->year > 9999 || c->month < 1 || c->month > 12) return false;
    bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
    int last = days[c->month - 1] + (c->month == 2 && leap);
    return c->day >= 1 && c->day <= last && c->hour >= 0 && c->hour <= 23 && c->minute >= 0 && c->minute <= 59 &&
           c->second >= 0 && c->second <= 60 && c->offset > -1440 && c->offset < 1440;
}

static void put_digits(struct buf *b, int v, int digits)
{
    char d[8];
    for (int i = digits; i--; v /= 10) d[i] = (char)('0' + v % 10);
    buf_add(b, str_of(d, (size_t)digits));
}

static void put_clock(struct buf *b, const struct civil *c)
{
    put_digits(b, c->hour, 2);
    buf_char(b, ':');
    put_digits(b, c->minute, 2);
    buf_char(b, ':');
    put_digits(b, c->second, 2);
}

void time_put_rfc5322(struct buf *b, utc_us t, int offset) /* RFC 5322 §3.3 */
{
    struct civil c = civil_of(t, offset);
    buf_add(b, str_c(time_day_names[c.weekday]));
    buf_lit(b, ", ");
    buf_u64(b, (uint64_t)c.day);
    buf_char(b, ' ');
    buf_add(b, str_c(time_month_names[c.month - 1]));
    buf_char(b, ' ');
    put_digits(b, c.year, 4);
    buf_char(b, ' ');
    put_clock(b, &c);
    buf_char(b, ' ');
    buf_char(b, offset < 0 ? '-' : '+');
    int o = offset < 0 ? -offset : offset;
    put_digits(b, o / 60 * 100 + o % 60, 4);
}

void time_put_rfc3339(struct buf *b, utc_us t)
{
    struct civil c = civil_of(t, 0);
    put_digits(b, c.year, 4);
    buf_char(b, '-');
    put_digits(b, c.month, 2);
    buf_char(b, '-');
    put_digits(b, c.day, 2);
    buf_char(b, 'T');
    put_clock(b, &c);
    buf_char(b, '.');
    put_digits(b, (int)((t % US_PER_S + US_PER_S) % US_PER_S / 1000), 3);
    buf_char(b, 'Z');
}
