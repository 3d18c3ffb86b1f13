/* Why a message still waits, as people read it. */
#include "cmd/queue_words.h"

#include "base/test.h"

#define NOW (INT64_C(1795310400) * US_PER_S) /* 2026-11-22 01:20:00 UTC */

struct row {
    struct queue_item item;
    struct directory_destination said;
    struct hop_state hop;
    bool has_said, has_hop, stopped;
    const char *words;
};

#define HOP S_INIT("example.org")
#define MX_SAID S_INIT("mx.example.org said: 450 4.2.1 busy\ncome back later")

static const struct row rows[] = {
    {.item = {.next_hop = HOP, .due = NOW, .expires = NOW + DAYS(5)},
     .words = "due now; gives up on 2026-11-27 01:20:00 UTC"},
    {.item = {.next_hop = HOP, .due = NOW, .expires = NOW + DAYS(5)},
     .stopped = true,
     .words = "waits for the server to run; gives up on 2026-11-27 01:20:00 UTC"},
    {.item =
         {.next_hop = HOP, .due = NOW + MINUTES(12), .expires = NOW + DAYS(5), .attempts = 3, .last_reply = MX_SAID},
     .words =
         "mx.example.org said: 450 4.2.1 busy / come back later; 3 attempts, next at 2026-11-22 01:32:00 UTC "
         "(in 12 min); gives up on 2026-11-27 01:20:00 UTC"},
    {.item =
         {.next_hop = HOP, .due = NOW + SECONDS(30), .expires = NOW + DAYS(5), .attempts = 1, .last_reply = MX_SAID},
     .words =
         "mx.example.org said: 450 4.2.1 busy / come back later; 1 attempt, next at 2026-11-22 01:20:30 UTC (in 30 s); "
         "gives up on 2026-11-27 01:20:00 UTC"},
    {.item = {.next_hop = HOP,
              .held = true,
              .due = NOW,
              .expires = NOW + DAYS(5),
              .last_reply = S_INIT("its bytes are damaged")},
     .words = "held until somebody releases it; its bytes are damaged"},
    {.item = {.next_hop = HOP, .held = true, .due = NOW, .expires = NOW + DAYS(5)},
     .words = "held until somebody releases it"},
    {.item = {.next_hop = HOP, .due = NOW + DAYS(2), .not_before = NOW + DAYS(2), .expires = NOW + DAYS(7)},
     .words =
         "to be sent at 2026-11-24 01:20:00 UTC (in 2 d 0 h), as its sender asked; "
         "gives up on 2026-11-29 01:20:00 UTC"},
    {.item = {.next_hop = HOP, .due = NOW, .expires = NOW + DAYS(5)},
     .said = {.key = HOP, .suspended = true},
     .has_said = true,
     .words = "example.org is suspended until somebody resumes it; due now; gives up on 2026-11-27 01:20:00 UTC"},
    {.item = {.next_hop = HOP, .due = NOW, .expires = NOW + DAYS(5)},
     .hop = {.key = HOP, .rests_until = NOW + HOURS(1), .last_words = S_INIT("connection refused"), .hour_left = -1},
     .has_hop = true,
     .words = "example.org cannot be reached: connection refused; it is left alone until 2026-11-22 02:20:00 UTC "
              "(in 1 h 0 min); due now; gives up on 2026-11-27 01:20:00 UTC"},
    {.item = {.next_hop = HOP, .due = NOW + HOURS(2), .expires = NOW + DAYS(5), .attempts = 1,
              .last_reply = S_INIT("mx.example.org: connection refused")},
     .hop = {.key = HOP, .rests_until = NOW + HOURS(1), .last_words = S_INIT("connection refused"), .hour_left = -1},
     .has_hop = true,
     .words = "mx.example.org: connection refused; example.org is left alone until 2026-11-22 02:20:00 UTC "
              "(in 1 h 0 min); 1 attempt, next at 2026-11-22 03:20:00 UTC (in 2 h 0 min); "
              "gives up on 2026-11-27 01:20:00 UTC"},
    {.item = {.next_hop = HOP, .due = NOW + MINUTES(15), .not_before = NOW - SECONDS(1), .expires = NOW + DAYS(5)},
     .words = "about to be sent; gives up on 2026-11-27 01:20:00 UTC"},
    {.item = {.next_hop = HOP, .due = NOW, .expires = NOW + DAYS(5)},
     .hop = {.key = HOP, .rests_until = NOW - HOURS(1), .hour_left = -1},
     .has_hop = true,
     .words = "due now; gives up on 2026-11-27 01:20:00 UTC"},
    {.item = {.next_hop = HOP, .due = NOW, .expires = NOW + DAYS(5)},
     .hop = {.key = HOP, .hour_left = 0},
     .has_hop = true,
     .words = "the hour's limit of example.org is used up; due now; gives up on 2026-11-27 01:20:00 UTC"},
};

static void why(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[2048];
        struct buf b = BUF_OVER(text);
        const struct waiting w = {.item = &rows[i].item,
                                  .said = rows[i].has_said ? &rows[i].said : NULL,
                                  .hop = rows[i].has_hop ? &rows[i].hop : NULL,
                                  .stopped = rows[i].stopped,
                                  .now = NOW};
        queue_put_why(&b, &w);
        assert_str(buf_str(&b), str_c(rows[i].words));
    }
    (void)state;
}

static void spans(void **state)
{
    static const struct {
        int64_t span;
        const char *words;
    } spans[] = {{-1, "0 s"},          {SECONDS(59), "59 s"},        {SECONDS(60), "1 min"}, {MINUTES(59), "59 min"},
                 {HOURS(1), "1 h 0 min"}, {MINUTES(200), "3 h 20 min"}, {DAYS(1), "1 d 0 h"},   {HOURS(51), "2 d 3 h"}};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        char text[64];
        struct buf b = BUF_OVER(text);
        put_span(&b, spans[i].span);
        assert_str(buf_str(&b), str_c(spans[i].words));
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(why), cmocka_unit_test(spans)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
