/* Moments and civil dates. What time it *is* only io/ knows (clock_utc(), clock_mono()). */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/buf.h"

typedef int64_t utc_us;  /* microseconds since 1970-01-01T00:00:00Z, leap seconds not counted */
typedef int64_t mono_us; /* microseconds on a clock that never jumps; for deadlines. 0 = never used, see FOREVER */

#define US_PER_MS INT64_C(1000)
#define US_PER_S INT64_C(1000000)
#define SECONDS(n) ((int64_t)(n)*US_PER_S)
#define MINUTES(n) SECONDS((n)*INT64_C(60))
#define HOURS(n) MINUTES((n)*INT64_C(60))
#define DAYS(n) HOURS((n)*INT64_C(24))
#define FOREVER INT64_MAX /* a deadline that never comes */

struct civil { /* proleptic Gregorian calendar */
    int year, month, day;     /* month 1-12, day 1-31 */
    int hour, minute, second; /* second 0-60 */
    int weekday;              /* 0 = Sunday; ignored by civil_to_utc() */
    int offset;               /* minutes east of UTC */
};

/* The civil time of `t` at `offset` minutes east of UTC. */
struct civil civil_of(utc_us t, int offset);

/* Back again. The fields must be in range (see civil_valid). */
utc_us civil_to_utc(const struct civil *c);
bool civil_valid(const struct civil *c); /* years 1-9999, existing day, offset within a day */

/* "Sun, 22 Nov 2026 01:30:00 +0000" (RFC 5322 §3.3). */
void time_put_rfc5322(struct buf *b, utc_us t, int offset);

/* "2026-11-22T01:30:00.123Z" (RFC 3339), milliseconds. */
void time_put_rfc3339(struct buf *b, utc_us t);

extern const char time_month_names[12][4]; /* "Jan" … */
extern const char time_day_names[7][4];    /* "Sun" … */

#endif
