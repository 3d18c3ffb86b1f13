/* Looking up messages in the record: by the index where there is one, row by row where it has not come yet. What the
 * index offers is only a hint; the row itself decides. */
#include "store/inside.h"
#include "store/trace_index.h"

enum {
    NODE = 0,
    SCAN_ROWS = 200,    /* read at once when there is no index */
    SEGMENTS_ONCE = 64, /* buckets read at once */
};
#define SPAN_DISORDER HOURS(24) /* rows are in order of commits; arrivals may be so much older */

struct find {
    /* the question, folded; what is not asked for is empty */
    struct str address, domain, message_id, subject;
    utc_us since, until;
    uint64_t hash; /* of the name that is looked up; 0: every row is looked at */
    size_t max;

    /* where it stands */
    int64_t before;  /* rows below this seq are still to be looked at */
    int64_t indexed; /* the last seq the index covers; -1: not yet asked */
    bool end;
    struct trace_hit *hits;
    size_t n;
    struct arena *arena; /* of a row: not the caller's, which its fiber owns */
};

/* ---- does a row match? ---- */

static bool names_address(struct find *f, struct str text)
{
    struct str folded = trace_fold_address(f->arena, text);
    size_t at = str_rfind_char(folded, '@');
    if (at == folded.n) return false;
    return f->address.n ? str_eq(folded, f->address) : str_eq(str_skip(folded, at + 1), f->domain);
}

static bool names_address_of(struct find *f, struct address a)
{
    return !address_is_null(a) && names_address(f, address_str(f->arena, a));
}

static bool has_address(struct find *f, const struct record *r)
{
    if (f->address.n + f->domain.n == 0 || names_address_of(f, r->sender)) return true;
    for (size_t i = 0; i < r->n_recipients; i++)
        if (names_address_of(f, r->recipients[i].path.address) || names_address_of(f, r->recipients[i].final))
            return true;
    for (size_t i = 0; i < r->n_events; i++)
        if (names_address(f, r->events[i].address)) return true;
    return false;
}

static bool has_word(struct str text, struct str wanted)
{
    for (struct str word; (word = trace_word(&text)).n;)
        if (str_eq(word, wanted)) return true;
    return false;
}

static bool has_subject(struct find *f, struct str subject)
{
    if (f->subject.n == 0) return true;
    struct str folded = trace_fold(f->arena, subject), rest = f->subject;
    for (struct str wanted; (wanted = trace_word(&rest)).n;)
        if (!has_word(folded, wanted)) return false;
    return true;
}

static bool matches(struct find *f, const struct record *r)
{
    if (!trace_is_told(r)) return false;
    if ((f->since && r->at < f->since) || (f->until && r->at >= f->until)) return false;
    if (f->message_id.n && !str_eq(trace_fold(f->arena, r->message_id), f->message_id)) return false;
    return has_subject(f, r->subject) && has_address(f, r);
}

/* ---- rows ---- */

/* Looks at a row; f->before has passed it. A message whose recipients were refused one by one is one hit. */
static void look_at(struct find *f, int64_t seq, struct str payload)
{
    struct record r;
    f->before = seq;
    arena_reset(f->arena);
    if (record_unpack(f->arena, payload, &r) != 0 || payload.n == 0) return;
    if (f->since && r.at < f->since - SPAN_DISORDER) f->end = true;
    if (!matches(f, &r)) return;
    for (size_t i = 0; i < f->n; i++)
        if (f->hits[i].message == r.message) return;
    f->hits[f->n++] = (struct trace_hit){.seq = seq, .message = r.message};
    f->end |= f->n == f->max;
}

/* Rows above `least`, from f->before downwards. */
static int scan(struct find *f, struct db *db, int64_t least, struct error *e)
{
    struct query q = db_query(db, SQL_TRACE_BACK);
    q_int(&q, NODE);
    q_int(&q, f->before);
    q_int(&q, least);
    q_int(&q, SCAN_ROWS);
    int r = 0, n = 0;
    for (; !f->end && (r = q_row(&q, e)) > 0; n++) look_at(f, q_get_int(&q, 0), q_get(&q, 1));
    q_end(&q);
    if (!f->end && n < SCAN_ROWS) f->before = least + 1;
    return f->end || r >= 0 ? 0 : r;
}

static int look_at_seq(struct find *f, struct db *db, int64_t seq, struct error *e)
{
    struct query q = db_query(db, SQL_TRACE_BACK);
    q_int(&q, NODE);
    q_int(&q, seq + 1);
    q_int(&q, seq - 1);
    q_int(&q, 1);
    int r = q_row(&q, e);
    if (r > 0) look_at(f, seq, q_get(&q, 1));
    q_end(&q);
    return r < 0 ? r : 0;
}

static int newest_seq(struct db *db, int64_t *seq, struct error *e)
{
    struct query q = db_query(db, SQL_TRACE_LAST);
    q_int(&q, NODE);
    int r = q_row(&q, e);
    if (r > 0) *seq = q_get_int(&q, 0);
    q_end(&q);
    return r < 0 ? r : 0;
}

/* Of the newest row up to seq; unchanged when there is none. */
static int time_at(struct find *f, struct db *db, int64_t seq, utc_us *at, struct error *e)
{
    struct query q = db_query(db, SQL_TRACE_BACK);
    q_int(&q, NODE);
    q_int(&q, seq + 1);
    q_int(&q, 0);
    q_int(&q, 1);
    struct record record;
    int r = q_row(&q, e);
    arena_reset(f->arena);
    if (r > 0 && record_unpack(f->arena, q_get(&q, 1), &record) == 0) *at = record.at;
    q_end(&q);
    return r < 0 ? r : 0;
}

/* ---- the index ---- */

static uint32_t get(struct str s, size_t at, int bytes)
{
    uint32_t v = 0;
    for (int i = bytes; i-- > 0;) v = v << 8 | (unsigned char)s.p[at + (size_t)i];
    return v;
}

/* Rows of a segment that may match, the newest first: those of one hash are together and in order. */
static int look_at_bucket(struct find *f, struct db *db, int64_t first, struct str packed, struct error *e)
{
    int r = 0;
    for (size_t i = packed.n / TRACE_ENTRY; !r && !f->end && i-- > 0;) {
        if (get(packed, i * TRACE_ENTRY, 4) != (uint32_t)f->hash) continue;
        int64_t seq = first + get(packed, i * TRACE_ENTRY + 4, 2);
        if (seq < f->before) r = look_at_seq(f, db, seq, e);
    }
    return r;
}

/* The next older segments. */
static int look_up(struct store *s, struct find *f, struct db *db, mono_us end, struct error *e)
{
    int64_t seen[SEGMENTS_ONCE][2];
    struct str packed[SEGMENTS_ONCE];
    struct arena *a = arena_new(NULL, 0);
    size_t n = 0;
    struct query q = db_query(db, SQL_TRACE_SEGMENTS);
    q_int(&q, NODE);
    q_int(&q, (int64_t)((f->hash >> 32) & UINT16_MAX) % SEGMENT_BUCKETS);
    q_int(&q, f->before);
    q_int(&q, SEGMENTS_ONCE);
    int r = 0;
    while (n < SEGMENTS_ONCE && (r = q_row(&q, e)) > 0) {
        seen[n][0] = q_get_int(&q, 0);
        seen[n][1] = q_get_int(&q, 1);
        packed[n++] = arena_str(a, q_get(&q, 2));
    }
    q_end(&q);
    if (r >= 0 && n == 0) f->end = true;
    for (size_t i = 0; r >= 0 && i < n && !f->end && (i == 0 || clock_mono(s->world) < end); i++) {
        r = look_at_bucket(f, db, seen[i][1], packed[i], e);
        if (!f->end && seen[i][1] < f->before) f->before = seen[i][1];
    }
    arena_free(a);
    return r < 0 ? r : 0;
}

/* Rows are nearly in order of time: where to begin when only what came before some time is asked for, by halving. */
static int begin_before(struct find *f, struct db *db, utc_us until, struct error *e)
{
    int64_t low = 1, high = 1;
    int r = newest_seq(db, &high, e);
    while (!r && low < high) {
        int64_t middle = low + (high - low) / 2;
        utc_us at = INT64_MIN;
        r = time_at(f, db, middle, &at, e);
        if (at > until) high = middle;
        else low = middle + 1;
    }
    f->before = high + 1;
    return r;
}

/* As much as READ_US allows. */
static int find_some(struct store *s, struct db *db, void *arg, struct error *e)
{
    struct find *f = arg;
    mono_us end = clock_mono(s->world) + READ_US;
    int r = 0;
    if (f->indexed < 0) {
        struct query q = db_query(db, SQL_TRACE_SEGMENT_LAST);
        q_int(&q, NODE);
        r = q_one_int(&q, &f->indexed, e);
        if (!r && f->until && f->before == INT64_MAX) r = begin_before(f, db, f->until + SPAN_DISORDER, e);
    }
    int64_t least = f->hash ? f->indexed : 0;
    while (!r && !f->end && clock_mono(s->world) < end) {
        if (f->before > least + 1) r = scan(f, db, least, e);
        else if (f->hash && f->before > 1) r = look_up(s, f, db, end, e);
        else f->end = true;
    }
    return r;
}

/* ---- the question ---- */

static void fold_query(struct find *f, struct arena *a, const struct trace_query *q)
{
    struct str id = str_trim(q->message_id), address = trace_fold_address(a, str_trim(q->address));
    if (id.n > 2 && id.p[0] == '<' && id.p[id.n - 1] == '>') id = str_sub(id, 1, id.n - 1);
    f->message_id = trace_fold(a, id);
    f->subject = trace_fold(a, q->subject);
    if (str_rfind_char(address, '@') < address.n) f->address = address;
    else f->domain = address;
    struct str rest = f->subject, longest = S("");
    for (struct str word; (word = trace_word(&rest)).n;)
        if (word.n > longest.n) longest = word;
    if (f->message_id.n) f->hash = trace_name_hash(NAME_MESSAGE_ID, f->message_id);
    else if (f->address.n) f->hash = trace_name_hash(NAME_ADDRESS, f->address);
    else if (longest.n) f->hash = trace_name_hash(NAME_WORD, longest);
    else if (f->domain.n) f->hash = trace_name_hash(NAME_DOMAIN, f->domain);
}

FIBER int store_trace_find(struct store *s, struct arena *a, const struct trace_query *q, int64_t before, size_t max,
                           struct trace_hit **out, size_t *n, struct error *e)
{
    struct find f = {.since = q->since, .until = q->until, .max = max, .before = before > 0 ? before : INT64_MAX,
                     .indexed = -1, .arena = arena_new(NULL, 0), .end = max == 0};
    f.hits = arena_array(a, max, sizeof *f.hits);
    fold_query(&f, a, q);
    int r = 0;
    while (!r && !f.end) {
        r = store_read(s, find_some, &f, e);
        if (!r && fiber_cancelled()) r = ERR_CANCELLED;
    }
    arena_free(f.arena);
    *out = f.hits;
    *n = f.n;
    return r;
}
