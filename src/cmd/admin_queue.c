/* Requests about what waits: listing it with the reason, and changing it by message, recipient, sender, domain or next
 * hop. A million rows stream through one page. */
#include <stdlib.h>

#include "base/codec.h"
#include "cmd/admin.h"
#include "cmd/queue_words.h"
#include "cmd/server.h"
#include "mail/limits.h"

enum {
    PAGE = 200,             /* rows read at once */
    COUNT_ROWS = 10000,     /* a count that people are asked about goes no further */
    WHY_MAX = 2048,         /* bytes of a reason */
    CHANGE_MESSAGES = 1000, /* named in one request */
};

/* ---- which rows ---- */

static int read_message(struct str text, int64_t *id, struct error *e)
{
    if (id_parse(text, id) == 0 && *id) return 0;
    return error_set(e, ERR_SYNTAX, "\"%.*s\" is no message's id", STR_FMT(str_head(text, 60)));
}

static int read_key(struct answer *a, struct str text, struct address *key, struct error *e)
{
    struct address shown;
    return text.n ? admin_address(a, text, &shown, key, e) : 0;
}

/* *any: does it say anything at all? */
static int read_filter(struct answer *a, const json_t *request, struct queue_filter *f, bool *any, struct error *e)
{
    struct str message = request_text(request, "message"), hop = request_text(request, "hop");
    *f = (struct queue_filter){.held_only = request_bool(request, "held")};
    int error = message.n ? read_message(message, &f->message, e) : 0;
    if (!error && hop.n) error = admin_hop(a, hop, &f->next_hop, e);
    if (!error) error = read_key(a, request_text(request, "to"), &f->recipient, e);
    if (!error) error = read_key(a, request_text(request, "from"), &f->sender, e);
    if (!error && request_text(request, "domain").n) error = admin_domain(a, request, "domain", &f->domain, e);
    *any = message.n || hop.n || f->held_only || f->domain.n || !address_is_null(f->recipient) ||
           !address_is_null(f->sender);
    return error;
}

/* ---- next hops that rest ---- */

struct hops { /* those of which something is to be said, by key */
    struct hop_state *v;
    size_t n;
};

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct hop_state *)a)->key, ((const struct hop_state *)b)->key);
}

static FIBER struct hops hops_of(const struct admin *admin, struct arena *a)
{
    struct hops h = {0};
    struct hop_state *all;
    size_t n = 0;
    if (admin->server) scheduler_hops(server_scheduler(admin->server), a, &all, &n);
    if (n) h.v = all;
    for (size_t i = 0; i < n; i++)
        if (all[i].rests_until || all[i].hour_left == 0) h.v[h.n++] = all[i];
    if (h.n) qsort(h.v, h.n, sizeof *h.v, by_key);
    return h;
}

static const struct hop_state *find_hop(const struct hops *h, struct str key)
{
    const struct hop_state wanted = {.key = key};
    return h->n ? bsearch(&wanted, h->v, h->n, sizeof *h->v, by_key) : NULL;
}

/* ---- listing ---- */

struct listing {
    const struct admin *admin;
    struct answer *a;
    const struct directory *directory;
    struct hops hops;
    utc_us now;
    struct arena *page;    /* of the rows read */
    struct arena *of_letter;
    int64_t message;       /* that letter is */
    bool known;            /* could it be read? */
    struct queue_letter letter;
    int64_t rows, messages;
};

/* What its recipients share, read once for all of them in a row. False: it has just left. */
static FIBER bool read_letter(struct listing *l, int64_t message)
{
    if (l->message == message) return true;
    arena_reset(l->of_letter);
    l->message = 0;
    int error = store_queue_letter(l->admin->store, l->of_letter, message, &l->letter, NULL);
    l->known = error == 0;
    if (error == ERR_NOT_FOUND) return false;
    l->message = message;
    l->messages++;
    return true;
}

static void put_letter(struct json *j, struct arena *a, const struct queue_letter *q)
{
    json_put_str(j, "from", address_is_null(q->from.address) ? S("<>") : address_str(a, q->from.address));
    if (q->subject.n) json_put_str(j, "subject", q->subject);
    if (q->message_id.n) json_put_str(j, "message_id", q->message_id);
    if (q->letter) json_put_int(j, "size", q->letter->size);
    json_put_time(j, "received", q->received_at);
}

static FIBER void put_item(struct listing *l, const struct queue_item *item)
{
    char text[WHY_MAX];
    struct buf why = BUF_OVER(text);
    const struct waiting w = {.item = item,
                              .said = directory_destination(l->directory, item->next_hop),
                              .hop = find_hop(&l->hops, item->next_hop),
                              .stopped = !l->admin->server,
                              .now = l->now};
    if (!read_letter(l, item->message)) return;
    queue_put_why(&why, &w);
    struct json *j = answer_row(l->a);
    json_put_id(j, "message", item->message);
    json_put_int(j, "number", item->number);
    if (l->known) put_letter(j, l->page, &l->letter);
    json_put_str(j, "to", address_str(l->page, item->final));
    if (!address_key_eq(item->final, item->original)) json_put_str(j, "original", address_str(l->page, item->original));
    json_put_str(j, "hop", item->next_hop);
    json_put_bool(j, "held", item->held);
    json_put_int(j, "attempts", item->attempts);
    if (item->priority) json_put_int(j, "priority", item->priority);
    if (item->not_before > l->now) json_put_time(j, "not_before", item->not_before);
    json_put_time(j, "due", item->due);
    json_put_time(j, "expires", item->expires);
    if (item->last_reply.n) json_put_str(j, "last_reply", item->last_reply);
    json_put_str(j, "why", buf_str(&why));
    l->rows++;
    answer_send(l->a);
}

static FIBER int put_all(struct listing *l, const struct queue_filter *f, struct error *e)
{
    struct queue_place after = {0};
    int error = 0;
    for (bool more = true; !error && more && !l->a->failed;) {
        struct queue_item *v;
        size_t n;
        arena_reset(l->page);
        error = store_queue_list(l->admin->store, l->page, f, after, PAGE, &v, &n, &more, e);
        if (error) break;
        if (n) after = (struct queue_place){v[n - 1].due, v[n - 1].message, v[n - 1].number};
        else more = false;
        for (size_t i = 0; i < n && !l->a->failed; i++) put_item(l, &v[i]);
    }
    return error;
}

static FIBER int list(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct queue_filter f;
    bool any;
    int error = read_filter(a, request, &f, &any, e);
    if (error) return error;
    struct listing l = {.admin = admin,
                        .a = a,
                        .directory = store_directory_in(a->arena, admin->store),
                        .hops = hops_of(admin, a->arena),
                        .now = clock_utc(admin->world),
                        .page = arena_new(a->arena, 0),
                        .of_letter = arena_new(a->arena, 0)};
    error = put_all(&l, &f, e);
    if (!error && f.message && l.rows == 0)
        return error_set(e, ERR_NOT_FOUND, "nothing of this message waits; `penny trace %.*s` tells what became of it",
                         STR_FMT(request_text(request, "message")));
    json_put_int(&a->done, "recipients", l.rows);
    json_put_int(&a->done, "messages", l.messages);
    return error;
}

/* ---- changing ---- */

static int read_change(const json_t *request, enum queue_change *what, struct error *e)
{
    static const char *const names[] = {[QUEUE_HOLD] = "hold",
                                        [QUEUE_RELEASE] = "release",
                                        [QUEUE_RETRY] = "retry",
                                        [QUEUE_REMOVE] = "remove",
                                        [QUEUE_REROUTE] = "reroute"};
    struct str name = request_text(request, "what");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!str_eq(name, str_c(names[i]))) continue;
        *what = (enum queue_change)i;
        return 0;
    }
    return error_set(e, ERR_SYNTAX, "\"%.*s\" is nothing that can be done to the queue", STR_FMT(str_head(name, 40)));
}

struct selection { /* the filter, once for each message named, or once */
    struct queue_filter filter;
    int64_t *messages;
    size_t n;
};

static int read_selection(struct answer *a, const json_t *request, struct selection *s, struct error *e)
{
    const json_t *list = json_object_get(request, "messages");
    bool any;
    int error = read_filter(a, request, &s->filter, &any, e);
    s->n = json_is_array(list) ? json_array_size(list) : 0;
    if (!error && s->n > CHANGE_MESSAGES)
        return error_set(e, ERR_TOO_LONG, "at most %d messages can be named at once", CHANGE_MESSAGES);
    s->messages = arena_array(a->arena, s->n, sizeof *s->messages);
    for (size_t i = 0; !error && i < s->n; i++) {
        const json_t *t = json_array_get(list, i);
        struct str text = str_of(json_string_value(t), json_is_string(t) ? json_string_length(t) : 0);
        error = read_message(text, &s->messages[i], e);
    }
    if (!error && !any && s->n == 0 && !request_bool(request, "all"))
        return error_set(e, ERR_SYNTAX, "which messages? Name some, or say what they have in common, or --all");
    return error;
}

static FIBER int change(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    enum queue_change what = QUEUE_HOLD;
    struct selection s;
    int64_t changed = 0, all = 0;
    int error = read_change(request, &what, e);
    if (!error) error = read_selection(a, request, &s, e);
    if (error) return error;
    for (size_t i = 0; !error && i < (s.n ? s.n : 1); i++) {
        if (s.n) s.filter.message = s.messages[i];
        error = store_queue_change(admin->store, &s.filter, what, a->who, &changed, e);
        if (!error) all += changed;
    }
    if (all && admin->server) scheduler_look_again(server_scheduler(admin->server));
    if (error) return error;
    if (all == 0 && !request_bool(request, "all")) return error_set(e, ERR_NOT_FOUND, "nothing in the queue matches");
    json_put_int(&a->done, "changed", all);
    return 0;
}

/* How many are meant: asked before something is removed. */
static FIBER int count(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct selection s;
    int64_t rows = 0, messages = 0;
    int error = read_selection(a, request, &s, e);
    struct arena *page = arena_new(a->arena, 0);
    for (size_t i = 0; !error && i < (s.n ? s.n : 1); i++) {
        struct queue_place after = {0};
        int64_t last = 0;
        if (s.n) s.filter.message = s.messages[i];
        for (bool more = true; !error && more && rows < COUNT_ROWS;) {
            struct queue_item *v;
            size_t n = 0;
            arena_reset(page);
            error = store_queue_list(admin->store, page, &s.filter, after, PAGE, &v, &n, &more, e);
            for (size_t k = 0; !error && k < n; k++) {
                messages += v[k].message != last;
                last = v[k].message;
                rows++;
            }
            if (error || n == 0) break;
            after = (struct queue_place){v[n - 1].due, v[n - 1].message, v[n - 1].number};
        }
    }
    arena_free(page);
    json_put_int(&a->done, "recipients", rows);
    json_put_int(&a->done, "messages", messages);
    json_put_bool(&a->done, "more", rows >= COUNT_ROWS);
    return error;
}

const struct admin_op admin_queue_ops[] = {
    {"queue.list", list, NULL},
    {"queue.count", count, NULL},
    {"queue.change", change, NULL}, /* the store puts each message's change on record */
    {0},
};
