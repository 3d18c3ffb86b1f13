/* Reports (RFC 3464) of letters, addresses and replies that say whatever they like: what is written is a report, and
 * nothing else. The input is cut at each 0xff into the words of strangers; the first byte chooses the rest. */
#include <stdlib.h>

#include "mail/limits.h"
#include "proto/dsn/report_check.h"

static struct str next(struct str *rest)
{
    struct str word;
    str_cut(*rest, '\xff', &word, rest);
    return word;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct arena *a = arena_new(NULL, 0);
    struct str rest = arena_str(a, str_of(data + 1, size - 1));
    unsigned how = data[0];
    struct dsn_recipient v[3];
    struct dsn_report r = {.hostname = S("mail.example.org"),
                           .from = {S("MAILER-DAEMON"), S("mail.example.org")},
                           .to = {S("alice"), S("example.org")},
                           .message_id = S("1@mail.example.org"),
                           .now = 1,
                           .utf8 = how & 1,
                           .returned_whole = how & 2,
                           .to_owner = how & 4,
                           .queue_id = how & 8,
                           .v = v,
                           .n = 1 + (how >> 6) % 3};
    r.envid = next(&rest);
    r.subject = next(&rest);
    r.in_reply_to = next(&rest);
    if (how & 16) r.to = (struct address){str_head(next(&rest), LIMIT_PATH), S("example.org")};
    for (size_t i = 0; i < r.n; i++) {
        v[i] = (struct dsn_recipient){.action = (enum dsn_action)((how + i) % 5), .last_attempt = how & 32};
        v[i].original = next(&rest);
        v[i].final = (struct address){next(&rest), S("example.net")};
        v[i].remote_host = next(&rest);
        v[i].reason = next(&rest);
        v[i].diagnostic = next(&rest);
        v[i].status = (struct status){(uint8_t)(how % 6), (uint16_t)(rest.n % 1000), (uint16_t)(rest.n % 77)};
    }
    r.returned = rest;
    struct buf *b = buf_in(a, 64 << 20);
    dsn_put(b, a, &r);
    if (b->failed || dsn_check(a, &r, buf_str(b))) abort();
    arena_free(a);
    return 0;
}
