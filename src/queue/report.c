/* Reports on their way to their readers. RFC 3461 §6.1: null sender, no RET, no NOTIFY of ours. */
#include "queue/report.h"

#include "base/codec.h"
#include "mail/limits.h"
#include "proto/imf/field.h"
#include "queue/posting.h"

struct str report_header(struct str letter)
{
    struct str header = str_head(letter, imf_header_of(letter).size);
    struct imf_fields walk = {.text = header};
    struct imf_field field;
    size_t end = 0;
    if (header.n <= LIMIT_BOUNCE_RETURNED) return header;
    while (imf_next_field(&walk, &field) && field.end <= LIMIT_BOUNCE_RETURNED) end = field.end;
    return str_head(header, end);
}

static struct str id_of(struct arena *a, int64_t message)
{
    char room[16];
    struct buf b = BUF_OVER(room);
    id_put(&b, message);
    return arena_str(a, buf_str(&b));
}

static FIBER int write_and_post(const struct queue *q, struct arena *a, struct dsn_report *r, struct acceptance *out,
                                struct error *e)
{
    int64_t id = store_new_id(q->store);
    r->message_id = arena_printf(a, "%.*s@%.*s", STR_FMT(id_of(a, id)), STR_FMT(r->hostname));
    struct buf *letter = buf_in(a, LIMIT_MESSAGE);
    dsn_put(letter, a, r);
    if (letter->failed) return error_set(e, ERR_TOO_LONG, "a report of %zu recipients would be too long", r->n);
    const struct forward_path to = {.address = r->to};
    const struct posting posting = {
        .id = id,
        .from = {.size = -1, .smtputf8 = r->utf8},
        .to = &to,
        .n = 1,
        .bytes = buf_str(letter),
        .authenticated = true,
        .origin = arena_printf(a, "a report about message %.*s", STR_FMT(id_of(a, r->queue_id))),
    };
    return posting_accept(q, a, &posting, out, e);
}

FIBER int report_post(const struct queue *q, struct arena *a, struct dsn_report *r, int64_t submitter,
                      struct acceptance *out, struct error *e)
{
    struct error first = {0};
    r->hostname = q->rules.hostname;
    r->from = (struct address){S("MAILER-DAEMON"), q->rules.hostname};
    r->now = clock_utc(q->world);
    int done = write_and_post(q, a, r, out, &first);
    if (done == ERR_NOT_FOUND && submitter) {
        const struct directory *d = store_directory_in(a, q->store);
        const struct directory_account *account = directory_account_by_id(d, submitter);
        if (account) r->to = account->shown;
        if (account) done = write_and_post(q, a, r, out, &first);
    }
    if (done && e) *e = first;
    return done;
}
