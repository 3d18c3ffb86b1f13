/* Reading the queue: what is due, what the owner asks about, and the letter that recipients share.
 *
 * A page is one short read on a thread of the pool, by an index: what is due in order of time, for all next hops or for
 * one; everything in order of (message, number). Filters other than a message's id look at rows one after the other,
 * page by page, so that a million of them holds nobody up. */
#include <stdlib.h>

#include "base/utf8.h"
#include "store/inside.h"

enum { LOOK = 64 }; /* rows between two looks at the clock */

/* ---- rows ---- */

/* Borrows from the statement, which is SQL_QUEUE_SCAN or one of SQL_QUEUE_DUE. */
static struct queue_item get_item(struct query *q)
{
    struct queue_item i = {.message = q_get_int(q, 0),
                           .number = (int32_t)q_get_int(q, 1),
                           .recipient = (uint32_t)q_get_int(q, 2),
                           .final = {q_get(q, 3), q_get(q, 4)},
                           .original = {q_get(q, 5), q_get(q, 6)},
                           .orcpt = q_get(q, 7),
                           .notify = (unsigned)q_get_int(q, 8),
                           .forwarded = q_get_int(q, 9) != 0,
                           .held = q_get_int(q, 10) != 0,
                           .warned = q_get_int(q, 11) != 0,
                           .next_hop = q_get(q, 12),
                           .not_before = q_get_int(q, 13),
                           .due = q_get_int(q, 14),
                           .expires = q_get_int(q, 15),
                           .attempts = (int)q_get_int(q, 16),
                           .last_reply = q_get(q, 17),
                           .priority = (int)q_get_int(q, 18),
                           .sender = {q_get(q, 19), q_get(q, 20)}};
    if (i.orcpt.n == 0) i.orcpt = STR_NONE;
    return i;
}

static struct queue_item copy_item(struct arena *a, const struct queue_item *from)
{
    struct queue_item i = *from;
    i.final = address_copy(a, from->final);
    i.original = address_copy(a, from->original);
    i.sender = address_copy(a, from->sender);
    if (!str_is_none(from->orcpt)) i.orcpt = arena_str(a, from->orcpt);
    i.next_hop = arena_str(a, from->next_hop);
    i.last_reply = arena_str(a, from->last_reply);
    return i;
}

struct page {
    struct arena *arena; /* the thread's, not the caller's */
    struct buf items;    /* their strings are in the arena */
    struct queue_place after;
    size_t max;
    bool more;
    mono_us end;
    size_t looked_at; /* rows */

    /* what is due */
    struct str next_hop;
    utc_us until, next;

    /* or what is listed */
    const struct queue_filter *filter;
    struct arena *keys; /* of a row */
};

static size_t page_n(const struct page *p) { return p->items.n / sizeof(struct queue_item); }

static void page_put(struct page *p, const struct queue_item *i)
{
    struct queue_item kept = copy_item(p->arena, i);
    buf_add(&p->items, str_of(&kept, sizeof kept));
}

static bool page_is_late(struct store *s, struct page *p)
{
    return ++p->looked_at % LOOK == 0 && clock_mono(s->world) > p->end;
}

/* The page into the caller's arena; and it is freed. */
static void page_give(struct page *p, struct arena *a, struct queue_item **out, size_t *n)
{
    *n = page_n(p);
    *out = arena_array(a, *n, sizeof **out);
    for (size_t i = 0; i < *n; i++) (*out)[i] = copy_item(a, &((struct queue_item *)(void *)p->items.p)[i]);
}

static void page_free(struct page *p)
{
    arena_free(p->arena);
    arena_free(p->keys);
    buf_free(&p->items);
}

/* ---- what is due ---- */

static int read_next(struct db *db, struct page *p, struct error *e)
{
    struct query q = db_query(db, SQL_QUEUE_NEXT_DUE);
    q_int(&q, p->until);
    int r = q_one_int(&q, &p->next, e);
    if (r == ERR_NOT_FOUND) p->next = INT64_MAX;
    return r == ERR_NOT_FOUND ? 0 : r;
}

static int read_due(struct store *s, struct db *db, void *arg, struct error *e)
{
    struct page *p = arg;
    bool of_hop = !str_is_none(p->next_hop); /* "" is one, too: what is to be routed anew */
    p->end = clock_mono(s->world) + READ_US;
    struct query q = db_query(db, of_hop ? SQL_QUEUE_DUE_OF_HOP : SQL_QUEUE_DUE);
    if (of_hop) q_bytes(&q, p->next_hop);
    q_int(&q, p->after.due);
    q_int(&q, p->after.message);
    q_int(&q, p->after.number);
    q_int(&q, p->until);
    q_int(&q, p->max < INT32_MAX ? (int64_t)p->max + 1 : INT32_MAX);
    int r;
    while ((r = q_row(&q, e)) > 0) {
        p->more = page_n(p) == p->max || (page_is_late(s, p) && page_n(p) > 0);
        if (p->more) break;
        struct queue_item i = get_item(&q);
        page_put(p, &i);
    }
    q_end(&q);
    return r < 0 ? r : of_hop ? 0 : read_next(db, p, e);
}

FIBER int store_queue_due(struct store *s, struct arena *a, struct str next_hop, struct queue_place after, utc_us until,
                          size_t max, struct queue_item **out, size_t *n, bool *more, utc_us *next, struct error *e)
{
    struct page p = {.arena = arena_new(NULL, 0), .items = BUF(SIZE_MAX), .after = after, .max = max, .until = until,
                     .next_hop = next_hop, .next = INT64_MAX};
    int r = store_read(s, read_due, &p, e);
    if (!r) {
        page_give(&p, a, out, n);
        *more = p.more;
        if (next) *next = p.next;
    }
    page_free(&p);
    return r;
}

/* ---- what the owner asks about ---- */

/* Does a domain as it was written have this key? Most are ASCII, and then case is all there is to it. */
static bool domain_is(struct arena *a, struct str written, struct str key)
{
    struct str made;
    if (str_ieq(written, key)) return true;
    if (str_is_ascii(written) && !domain_is_literal(written)) return false;
    return domain_key(a, written, &made) == 0 && str_eq(made, key);
}

static bool domain_is_within(struct arena *a, struct str written, struct str parent)
{
    struct str made;
    return domain_key(a, written, &made) == 0 && domain_within(made, parent);
}

static bool domain_matches(struct arena *a, const struct queue_filter *f, struct str written)
{
    return f->below ? domain_is_within(a, written, f->domain) : domain_is(a, written, f->domain);
}

static bool local_is(struct arena *a, struct str written, struct str key)
{
    struct str made;
    if (str_ieq(written, key)) return true;
    return !str_is_ascii(written) && local_key(a, written, &made) == 0 && str_eq(made, key);
}

static bool address_is(struct arena *a, struct address written, struct address key)
{
    return domain_is(a, written.domain, key.domain) && local_is(a, written.local, key.local);
}

static bool matches(struct page *p, const struct queue_item *i)
{
    const struct queue_filter *f = p->filter;
    arena_reset(p->keys);
    return (!f->held_only || i->held) && (f->next_hop.n == 0 || str_eq(i->next_hop, f->next_hop)) &&
           (f->domain.n == 0 || domain_matches(p->keys, f, i->final.domain)) &&
           (address_is_null(f->recipient) || address_is(p->keys, i->final, f->recipient) ||
            address_is(p->keys, i->original, f->recipient)) &&
           (address_is_null(f->sender) || address_is(p->keys, i->sender, f->sender));
}

/* One read: until the page is full and one more is seen, nothing is left, or time is up; p->after has moved on. */
static int read_list(struct store *s, struct db *db, void *arg, struct error *e)
{
    struct page *p = arg;
    p->end = clock_mono(s->world) + READ_US;
    p->more = false;
    struct query q = db_query(db, SQL_QUEUE_SCAN);
    q_int(&q, p->after.message);
    q_int(&q, p->after.number);
    int r = 0;
    while (!p->more && (r = q_row(&q, e)) > 0) {
        struct queue_item i = get_item(&q);
        bool late = page_is_late(s, p), is = matches(p, &i);
        if (p->filter->message && i.message != p->filter->message) break;
        if (is && page_n(p) == p->max) {
            p->more = true;
            break;
        }
        if (is) page_put(p, &i);
        p->after.message = i.message;
        p->after.number = i.number;
        p->more = late;
    }
    q_end(&q);
    return r < 0 ? r : 0;
}

FIBER int store_queue_list(struct store *s, struct arena *a, const struct queue_filter *f, struct queue_place after,
                           size_t max, struct queue_item **out, size_t *n, bool *more, struct error *e)
{
    struct page p = {.arena = arena_new(NULL, 0), .keys = arena_new(NULL, 0), .items = BUF(SIZE_MAX), .after = after,
                     .max = max, .filter = f};
    if (f->message && after.message < f->message) p.after = (struct queue_place){.message = f->message, .number = -1};
    int r = 0;
    do {
        r = store_read(s, read_list, &p, e);
        if (!r && fiber_cancelled()) r = ERR_CANCELLED;
    } while (!r && p.more && page_n(&p) == 0 && max > 0); /* who has no item would not know where to go on */
    if (!r) {
        page_give(&p, a, out, n);
        *more = p.more;
    }
    page_free(&p);
    return r;
}

/* ---- the letter ---- */

struct letter_reading {
    struct arena *arena;
    struct queue_letter letter;
    struct letter stored;
};

static int read_letter(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct letter_reading *lr = arg;
    struct query q = db_query(db, SQL_QUEUE_LETTER);
    q_int(&q, lr->letter.id);
    int r = q_row(&q, e);
    if (r <= 0) return r < 0 ? r : error_set(e, ERR_NOT_FOUND, "no such message waits");
    struct arena *a = lr->arena;
    struct str envid = q_get(&q, 8);
    lr->letter = (struct queue_letter){
        .id = lr->letter.id,
        .submitter = q_get_int(&q, 0),
        .authenticated = q_get_int(&q, 1) != 0,
        .needs_8bit = q_get_int(&q, 2) != 0,
        .needs_utf8 = q_get_int(&q, 3) != 0,
        .require_tls = q_get_int(&q, 4) != 0,
        .received_at = q_get_int(&q, 5),
        .from = {.address = {arena_str(a, q_get(&q, 6)), arena_str(a, q_get(&q, 7))},
                 .size = -1,
                 .ret = (enum dsn_return)q_get_int(&q, 9),
                 .envid = envid.n ? arena_str(a, envid) : STR_NONE},
        .message_id = arena_str(a, q_get(&q, 10)),
        .subject = arena_str(a, q_get(&q, 11)),
    };
    lr->stored = (struct letter){.body = q_get_int(&q, 14),
                                 .prefix = arena_str(a, q_get(&q, 12)),
                                 .size = q_get_int(&q, 13),
                                 .received_at = lr->letter.received_at,
                                 .saved_at = lr->letter.received_at};
    struct pack_place place;
    bool bad =
        place_unpack(q_get(&q, 15), &place) != 0 || lr->stored.size != (int64_t)lr->stored.prefix.n + place.length;
    q_end(&q);
    if (bad) return error_set(e, ERR_CORRUPT, "the letter's row is damaged");
    lr->stored.place = (struct body_place){place.pack, place.offset, place.length, place.stored, place.codec};
    return 0;
}

FIBER int store_queue_letter(struct store *s, struct arena *a, int64_t message, struct queue_letter *out,
                             struct error *e)
{
    struct letter_reading lr = {.arena = arena_new(NULL, 0), .letter.id = message};
    int r = store_read(s, read_letter, &lr, e);
    if (!r) {
        *out = lr.letter;
        out->from.address = address_copy(a, out->from.address);
        if (!str_is_none(out->from.envid)) out->from.envid = arena_str(a, out->from.envid);
        out->message_id = arena_str(a, out->message_id);
        out->subject = arena_str(a, out->subject);
        out->letter = arena_new_of(a, struct letter);
        *out->letter = lr.stored;
        out->letter->prefix = arena_str(a, lr.stored.prefix);
    }
    arena_free(lr.arena);
    return r;
}
