/* Dates of letters (RFC 5322 §3.3, §4.3). Writing them is base/time's. */
#ifndef PROTO_IMF_DATE_H
#define PROTO_IMF_DATE_H

#include "base/time.h"

struct imf_date {
    utc_us utc;
    int offset;       /* minutes east of UTC, as the writer's clock stood */
    bool zone_known;  /* false for "-0000", military letters, unknown names and none: offset is 0 then */
};

/* Takes what RFC 5322 allows, obsolete forms (comments, two- and three-digit years, named zones, no seconds, no day of
 * week), and what is seen: month names in full, "Mon Nov 22 01:30:00 2026" (asctime), "22-Nov-2026", no zone.
 * 0 or ERR_SYNTAX; ERR_SYNTAX also for days and times that do not exist (a second 60 is taken). */
int imf_date_parse(struct str body, struct imf_date *out);

#endif
