/* Checking everything (penny verify): pages, foreign keys, counters against entries, the queue, bodies against their
 * digests, the chain of the record. Each step is a read of its own, so that mail goes on meanwhile; what it finds is
 * told by the fiber that asked. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/verify.h"

enum { PAGE = 200 /* rows of one read */, PIECE = 256 << 10 /* bytes of a body read at once */, LINES_MAX = 1 << 20 };

void verify_found(struct verify *v, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    buf_add(&v->lines, str_of(line, (size_t)(n < (int)sizeof line ? n : (int)sizeof line - 1)));
    buf_char(&v->lines, '\0');
}

/* Tells a step's findings. */
static void report(struct verify *v)
{
    for (size_t at = 0; at < v->lines.n; at += strlen(v->lines.p + at) + 1) {
        v->bad++;
        v->tell(v->arg, v->lines.p + at, true);
    }
    buf_clear(&v->lines);
}

/* ---- the database ---- */

static void integrity_row(struct str row, void *arg)
{
    if (!str_eq(row, S("ok"))) verify_found(arg, "database: %.*s", STR_FMT(row));
}

static void foreign_key_row(struct str row, void *arg)
{
    verify_found(arg, "database: a row of %.*s refers to nothing", STR_FMT(row));
}

static int check_pages(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    int r = db_exec_rows(db, "PRAGMA integrity_check", integrity_row, arg, e);
    return r ? r : db_exec_rows(db, "PRAGMA foreign_key_check", foreign_key_row, arg, e);
}

/* ---- the record ---- */

static void check_link(struct verify *v, int64_t seq, struct str salt, struct str digest, struct str chain,
                       struct str payload)
{
    struct buf *salted = buf_in(v->arena, SIZE_MAX), *link = buf_in(v->arena, SIZE_MAX);
    buf_add(salted, salt);
    buf_add(salted, payload);
    struct sha256 right = sha256_of(buf_str(salted));
    if (payload.n && !str_eq(digest, sha256_str(&right)))
        verify_found(v, "trace row %lld: its bytes are not what was written", (long long)seq);
    buf_add(link, sha256_str(&v->chain));
    buf_add(link, digest);
    right = sha256_of(buf_str(link));
    bool first = v->after == 0 && seq != 1; /* older rows have been deleted: the chain is taken from here */
    if (!first && !str_eq(chain, sha256_str(&right)))
        verify_found(v, "trace row %lld: the chain is broken", (long long)seq);
    if (!first && seq != v->after + 1)
        verify_found(v, "trace rows %lld to %lld are missing", (long long)v->after + 1, (long long)seq - 1);
    if (chain.n == SHA256_SIZE) memcpy(v->chain.b, chain.p, SHA256_SIZE);
    struct record record;
    if (record_unpack(v->arena, payload, &record)) verify_found(v, "trace row %lld: cannot be read", (long long)seq);
}

static int check_trace(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct verify *v = arg;
    struct query q = db_query(db, SQL_TRACE_CHECK);
    q_int(&q, 0);
    q_int(&q, v->after);
    q_int(&q, PAGE);
    int r, n = 0;
    for (; (r = q_row(&q, e)) > 0; n++) {
        int64_t seq = q_get_int(&q, 0);
        check_link(v, seq, q_get(&q, 1), q_get(&q, 2), q_get(&q, 3), q_get(&q, 4));
        v->after = seq;
        v->seen++;
    }
    v->end = n < PAGE;
    return r;
}

/* ---- what waits ---- */

static int check_queue(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct verify *v = arg;
    struct query q = db_query(db, SQL_CHECK_QUEUE);
    q_int(&q, v->after);
    q_int(&q, PAGE);
    int r, n = 0;
    for (; (r = q_row(&q, e)) > 0; n++) {
        v->after = q_get_int(&q, 0);
        v->seen++;
        if (q_get_int(&q, 1) != q_get_int(&q, 2))
            verify_found(v, "queue: message %lld counts %lld octets, has %lld", (long long)v->after,
                         (long long)q_get_int(&q, 1), (long long)q_get_int(&q, 2));
        if (!q_get_int(&q, 3)) verify_found(v, "queue: message %lld waits for nobody", (long long)v->after);
    }
    v->end = n < PAGE;
    return r;
}

/* ---- bodies ---- */

static int page_of_bodies(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct verify *v = arg;
    v->bodies = arena_array(v->arena, PAGE, sizeof *v->bodies);
    v->n_bodies = 0;
    struct query q = db_query(db, SQL_CHECK_BODIES);
    q_int(&q, v->after);
    q_int(&q, PAGE);
    int r, n = 0;
    for (; (r = q_row(&q, e)) > 0; n++) {
        struct checked_body b = {.id = v->after = q_get_int(&q, 0), .size = q_get_int(&q, 2)};
        struct str sha256 = q_get(&q, 1);
        v->seen++;
        if (place_unpack(q_get(&q, 3), &b.place) || sha256.n != SHA256_SIZE || b.place.length != b.size) {
            verify_found(v, "body %lld: its row is damaged", (long long)b.id);
            continue;
        }
        memcpy(b.sha256.b, sha256.p, SHA256_SIZE);
        v->bodies[v->n_bodies++] = b;
    }
    v->end = n < PAGE;
    return r;
}

static void check_body(struct store *s, struct verify *v, const struct checked_body *b, char *piece)
{
    struct sha256_stream *h = sha256_begin();
    struct error e = {0};
    int64_t at = 0, got = 1;
    while (got > 0 && at < b->size) {
        got = packs_read(s->packs, &b->place, b->id, piece, PIECE, at, &e);
        if (got > 0) sha256_feed(h, str_of(piece, (size_t)got));
        at += got > 0 ? got : 0;
    }
    struct sha256 digest = sha256_end(h);
    if (got < 0) verify_found(v, "body %lld: %s", (long long)b->id, e.text[0] ? e.text : err_name((int)got));
    else if (at != b->size)
        verify_found(v, "body %lld: %lld of its %lld bytes are there", (long long)b->id, (long long)at,
                     (long long)b->size);
    else if (memcmp(digest.b, b->sha256.b, SHA256_SIZE) != 0)
        verify_found(v, "body %lld: its bytes are not what was accepted", (long long)b->id);
}

struct body_step {
    struct store *store;
    struct verify *v;
};

static void check_bodies(void *arg)
{
    struct body_step *step = arg;
    char *piece = malloc(PIECE);
    if (!piece) abort();
    for (size_t i = 0; i < step->v->n_bodies; i++) check_body(step->store, step->v, &step->v->bodies[i], piece);
    free(piece);
}

/* ---- packs ---- */

struct scanned {
    struct verify *v;
    int64_t pack, records;
};

static bool scanned_record(void *arg, const struct pack_place *at, int64_t body, struct str envelope, int crc_ok)
{
    struct scanned *sc = arg;
    struct reverse_path from;
    struct trace_recipient *to;
    size_t n;
    utc_us received;
    sc->records++;
    if (!crc_ok)
        verify_found(sc->v, "pack %lld: the record of body %lld at %lld is damaged", (long long)sc->pack,
                     (long long)body, (long long)at->offset);
    else if (envelope.n && record_unpack_envelope(sc->v->arena, envelope, &from, &to, &n, &received))
        verify_found(sc->v, "pack %lld: the envelope of body %lld cannot be read", (long long)sc->pack,
                     (long long)body);
    return true;
}

static void scan_packs(void *arg)
{
    struct body_step *step = arg;
    int64_t *ids, *sizes;
    size_t n;
    if (packs_list(step->store->packs, step->v->arena, &ids, &sizes, &n)) return;
    for (size_t i = 0; i < n; i++) {
        struct scanned sc = {step->v, ids[i], 0};
        struct error e = {0};
        if (packs_scan(step->store->packs, ids[i], scanned_record, &sc, &e))
            verify_found(step->v, "pack %lld: %s", (long long)ids[i], e.text);
        step->v->seen += sc.records;
    }
}

/* ---- all of it ---- */

static FIBER int pages(struct store *s, struct verify *v, const char *what, bool bodies,
                       int (*step)(struct store *s, struct db *db, void *arg, struct error *e), struct error *e)
{
    char line[128];
    int r = 0;
    v->after = v->seen = 0;
    for (v->end = false; !r && !v->end; report(v)) {
        arena_reset(v->arena);
        r = store_read(s, step, v, e);
        if (!r && bodies) offload(check_bodies, &(struct body_step){s, v});
    }
    snprintf(line, sizeof line, "%lld %s checked", (long long)v->seen, what);
    if (!r) v->tell(v->arg, line, false);
    return r;
}

FIBER int store_verify(struct store *s, bool bodies, void (*tell)(void *arg, const char *line, bool finding), void *arg,
                       int64_t *bad, struct error *e)
{
    struct verify v = {.tell = tell, .arg = arg, .lines = BUF(LINES_MAX), .arena = arena_new(NULL, 0)};
    s->verifying++; /* no body moves while it is looked for */
    int r = store_read_apart(s, check_pages, &v, e);
    report(&v);
    if (!r) tell(arg, "pages and references checked", false);
    if (!r) r = pages(s, &v, "accounts", false, verify_account, e);
    if (!r) r = pages(s, &v, "rows of the record", false, check_trace, e);
    if (!r) r = pages(s, &v, "messages that wait", false, check_queue, e);
    if (!r) r = pages(s, &v, "bodies", bodies, page_of_bodies, e);
    if (!r && bodies) {
        v.seen = 0;
        offload(scan_packs, &(struct body_step){s, &v});
        report(&v);
    }
    *bad = v.bad;
    s->verifying--;
    lane_wake(s->lane);
    arena_free(v.arena);
    buf_free(&v.lines);
    return r;
}
