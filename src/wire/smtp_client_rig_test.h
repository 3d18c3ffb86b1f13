/* For the tests of the SMTP client's session: a server of our own that is as odd as a test wants it, a client that
 * carries letters to it, and what must hold whatever happens: a letter said to be delivered has been, exactly once and
 * byte for byte; one said to be refused has not. */
#ifndef WIRE_SMTP_CLIENT_RIG_TEST_H
#define WIRE_SMTP_CLIENT_RIG_TEST_H

#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "io/connect.h"
#include "io/listen.h"
#include "io/sim.h"
#include "io/tls.h"
#include "proto/smtp/data.h"
#include "wire/smtp_client.h"

enum { RIG_LETTERS = 3, RIG_RECIPIENTS = 4, RIG_TWISTS = 3 };

/* The nth reply to such a command is another: raw bytes, in which '#' at the start of a line stands for the right code;
 * NULL: the server hangs up. "banner" and "letter" are commands too. */
struct rig_twist {
    const char *verb;
    int nth; /* from 1; 0: all */
    const char *reply;
};

struct rig_delivery {
    char to[32];
    struct buf letter;
};

struct rig {
    /* the server */
    bool lmtp;
    const char *offers; /* lines of EHLO's reply joined by LF */
    struct rig_twist twists[RIG_TWISTS];
    size_t piece;             /* bytes it writes at a time; 0: all */
    int64_t delay_us;         /* between them */
    int64_t cut_out, cut_in;  /* it dies when it has written, read, so many bytes; -1: never */
    int early_refusal;        /* "552" in the middle of DATA; then it reads on to the end; 2: or hangs up */
    bool lax;                 /* takes RCPT after a refused MAIL */
    bool silent_in_letter;    /* stops reading after DATA */
    size_t capacity;          /* of the pipe in each direction */
    int64_t turn_us;          /* it answers no sooner than that after it had nothing to read: counts turns */
    /* the client */
    bool ehlo_only, chained, starttls, bare;
    const char *user;
    struct rig_letter {
        const char *from; /* local parts at x.test */
        const char *to[RIG_RECIPIENTS];
        struct str bytes;
        size_t piece; /* that o->read gives at a time; 0: all */
        int64_t fails_at; /* reading fails there; 0: never */
        bool eightbit, utf8, all_or_none;
        unsigned notify;
    } letters[RIG_LETTERS];
    /* what happened */
    struct stream *io, *client_io;
    struct world *world;
    struct arena *arena;
    bool tls;
    int64_t written, read, turns;
    int counts[16];
    struct buf said; /* commands, joined by "|" */
    char rcpt[8][32];
    size_t rcpt_n;
    bool mail, indeterminate; /* of RFC 3030 §2: after a refused chunk, before RSET */
    struct buf letter;
    struct rig_delivery deliveries[32];
    size_t n_deliveries;
    struct smtp_client c;
    struct smtp_outgoing out[RIG_LETTERS];
    struct smtp_verdict verdicts[RIG_LETTERS][RIG_RECIPIENTS];
    int errors[RIG_LETTERS]; /* 1: not tried */
    int error, code;         /* before the first letter: an error, or the reply that was no welcome */
    struct error e;
    size_t letters_n, next_at;
    mono_us ended;
    bool welcome, client_done, server_done;
};

/* ---- the server ---- */

static const struct rig_known {
    const char *verb, *reply;
} rig_known[] = {
    {"banner", "220 mx.test"}, {"EHLO", NULL},        {"LHLO", NULL},        {"HELO", "250 mx.test"},
    {"MAIL", "250 2.1.0 ok"},  {"RCPT", "250 2.1.5 ok"}, {"DATA", "354 go"}, {"letter", "250 2.0.0 taken"},
    {"BDAT", "250 2.0.0 more"}, {"RSET", "250 2.0.0 ok"}, {"QUIT", "221 bye"}, {"STARTTLS", "220 2.0.0 go"},
    {"NOOP", "250 ok"},
};
enum { RIG_KNOWN = sizeof rig_known / sizeof *rig_known };

static FIBER bool rig_write(struct rig *r, struct str bytes)
{
    while (bytes.n) {
        size_t n = r->piece && r->piece < bytes.n ? r->piece : bytes.n;
        if (r->cut_out >= 0 && (int64_t)n > r->cut_out - r->written) n = (size_t)(r->cut_out - r->written);
        if (n && (stream_write(r->io, str_head(bytes, n)) || (r->piece && stream_flush(r->io)))) return false;
        r->written += (int64_t)n;
        bytes = str_skip(bytes, n);
        if (r->cut_out >= 0 && r->written >= r->cut_out) return stream_flush(r->io), false;
        if (r->piece) fiber_yield();
        if (r->delay_us) fiber_sleep(r->delay_us);
    }
    return true;
}

static FIBER bool rig_fill(struct rig *r, struct str *bytes)
{
    if (r->turn_us && !stream_has_input(r->io)) {
        r->turns++;
        stream_flush(r->io);
        fiber_sleep(r->turn_us); /* whatever is written without waiting comes within the second */
    }
    if (stream_peek(r->io, bytes)) return false;
    if (r->cut_in < 0) return true;
    *bytes = str_head(*bytes, (size_t)(r->cut_in - r->read));
    return bytes->n > 0;
}

static void rig_take(struct rig *r, size_t n)
{
    stream_take(r->io, n);
    r->read += (int64_t)n;
}

static FIBER bool rig_line(struct rig *r, struct buf *line)
{
    struct str bytes;
    buf_clear(line);
    for (;;) {
        if (!rig_fill(r, &bytes)) return false;
        size_t n = str_find_char(bytes, '\n');
        buf_add(line, str_head(bytes, n < bytes.n ? n + 1 : n));
        rig_take(r, n < bytes.n ? n + 1 : n);
        if (n == bytes.n) continue;
        if (line->n < 2 || line->p[line->n - 2] != '\r') abort(); /* the client never writes a bare LF */
        line->n -= 2;
        if (memchr(line->p, '\r', line->n)) abort();
        return true;
    }
}

static void rig_right_reply(struct rig *r, const char *verb, struct buf *b)
{
    for (size_t i = 0; i < RIG_KNOWN; i++)
        if (strcmp(rig_known[i].verb, verb) == 0 && rig_known[i].reply) {
            buf_add(b, str_c(rig_known[i].reply));
            buf_lit(b, "\r\n");
            return;
        }
    struct str line, rest = str_c(r->offers ? r->offers : "");
    buf_lit(b, "250-mx.test\r\n");
    for (bool more = true; more;) {
        more = str_cut(rest, '\n', &line, &rest);
        if (line.n) buf_printf(b, "250-%.*s\r\n", STR_FMT(line));
    }
    buf_lit(b, "250 HELP\r\n");
}

/* of three digits */
static int rig_code(const char *reply) { return (reply[0] - '0') * 100 + (reply[1] - '0') * 10 + (reply[2] - '0'); }

/* Writes the reply to a command. Its code, or 0: the connection is over. */
static FIBER int rig_reply(struct rig *r, const char *verb)
{
    struct buf b = BUF(1 << 20), right = BUF(1 << 16);
    int nth = 0, code = 0;
    for (int i = 0; i < RIG_KNOWN; i++)
        if (strcmp(rig_known[i].verb, verb) == 0) nth = ++r->counts[i];
    rig_right_reply(r, verb, &right);
    const struct rig_twist *twist = NULL;
    for (int i = 0; i < RIG_TWISTS && !twist; i++) {
        const struct rig_twist *t = &r->twists[i];
        if (t->verb && strcmp(t->verb, verb) == 0 && (t->nth == 0 || t->nth == nth)) twist = t;
    }
    if (twist && twist->reply) {
        for (const char *at = twist->reply; *at; at++) {
            bool begin = at == twist->reply || at[-1] == '\n';
            buf_add(&b, begin && *at == '#' ? str_of(right.p, 3) : str_of(at, 1));
        }
    } else if (!twist) {
        buf_add(&b, buf_str(&right));
    }
    if (b.n >= 3 && b.p[0] >= '2' && b.p[0] <= '5') code = rig_code(b.p);
    else if (b.n) code = 999; /* nonsense, which it goes on after */
    buf_free(&right);
    if (twist && !twist->reply) code = 0;
    if (code == 421) {
        rig_write(r, buf_str(&b));
        code = 0;
    }
    if (code && !rig_write(r, buf_str(&b))) code = 0;
    buf_free(&b);
    return code;
}

/* Is the next reply to this verb one of acceptance? Decided, and the letter delivered, before it is written. */
static bool rig_accepts(struct rig *r, const char *verb)
{
    int nth = 1;
    for (int i = 0; i < RIG_KNOWN; i++)
        if (strcmp(rig_known[i].verb, verb) == 0) nth += r->counts[i];
    for (int i = 0; i < RIG_TWISTS; i++) {
        const struct rig_twist *t = &r->twists[i];
        if (t->verb && strcmp(t->verb, verb) == 0 && (t->nth == 0 || t->nth == nth))
            return t->reply && (t->reply[0] == '2' || t->reply[0] == '#');
    }
    return true;
}

static void rig_deliver(struct rig *r, size_t i)
{
    struct rig_delivery *d = &r->deliveries[r->n_deliveries++];
    if (r->n_deliveries > 32) abort();
    memcpy(d->to, r->rcpt[i], sizeof d->to);
    d->letter = BUF(1 << 26);
    buf_add(&d->letter, buf_str(&r->letter));
}

static FIBER bool rig_finals(struct rig *r)
{
    size_t n = r->rcpt_n, replies = r->lmtp ? n : 1;
    bool alive = true;
    for (size_t i = 0; i < replies && alive; i++) {
        if (rig_accepts(r, "letter")) {
            if (r->lmtp) rig_deliver(r, i);
            else
                for (size_t k = 0; k < n; k++) rig_deliver(r, k);
        }
        alive = rig_reply(r, "letter") != 0;
    }
    r->mail = false;
    r->rcpt_n = 0;
    buf_clear(&r->letter);
    return alive;
}

static FIBER bool rig_data(struct rig *r)
{
    struct smtp_data d = smtp_data_new(true, false);
    struct str bytes, piece;
    if (r->silent_in_letter) return stream_flush(r->io), fiber_sleep(HOURS(10)), false;
    while (!smtp_data_ended(&d)) {
        if (!rig_fill(r, &bytes)) return false;
        size_t n = smtp_data_take(&d, bytes, &piece);
        buf_add(&r->letter, piece);
        rig_take(r, n);
        if (r->early_refusal && r->letter.n > 100) {
            if (!rig_write(r, S("552 5.3.4 too much\r\n")) || stream_flush(r->io) || r->early_refusal == 2)
                return false;
            r->early_refusal = 0;
            while (rig_fill(r, &bytes)) rig_take(r, bytes.n);
            return false;
        }
    }
    if (d.bare_newlines) abort();
    buf_lit(&r->said, "<letter>|");
    return rig_finals(r);
}

static FIBER bool rig_bdat(struct rig *r, struct str argument)
{
    uint64_t n;
    struct str bytes, size = str_word(&argument);
    bool last = str_eq(str_trim(argument), S("LAST"));
    if (!str_to_u64(size, 1 << 26, &n)) abort();
    for (size_t left = n; left;) {
        if (!rig_fill(r, &bytes)) return false;
        bytes = str_head(bytes, left);
        buf_add(&r->letter, bytes);
        left -= bytes.n;
        rig_take(r, bytes.n);
    }
    if (r->rcpt_n == 0 || !r->mail) { /* of LMTP the last chunk has a reply for each recipient all the same */
        buf_clear(&r->letter);
        for (size_t i = 0; i < (r->lmtp && last ? r->rcpt_n : 1); i++)
            if (!rig_write(r, S("503 5.5.1 no\r\n"))) return false;
        return true;
    }
    if (last) {
        r->indeterminate = !rig_accepts(r, "letter");
        return rig_finals(r);
    }
    int code = rig_reply(r, "BDAT");
    if (code >= 400) { /* and every chunk that follows has 503 */
        r->mail = false;
        r->indeterminate = true;
    }
    return code != 0;
}

/* The local part without its quotes. */
static void rig_recipient(char out[32], struct str local)
{
    bool quoted = local.n && local.p[0] == '"';
    size_t n = 0;
    for (size_t i = quoted; i + quoted < local.n && n < 31; i++) {
        if (quoted && local.p[i] == '\\') i++;
        out[n++] = local.p[i];
    }
    out[n] = 0;
}

static FIBER bool rig_command(struct rig *r, struct str line)
{
    struct str rest = line, verb = str_word(&rest);
    buf_add(&r->said, line);
    buf_char(&r->said, '|');
    if (str_eq(verb, S("MAIL"))) {
        if (r->mail || r->indeterminate) return rig_write(r, S("503 5.5.1 RSET first\r\n"));
        int code = rig_reply(r, "MAIL");
        r->mail = code / 100 == 2;
        r->rcpt_n = 0;
        buf_clear(&r->letter);
        return code;
    }
    if (str_eq(verb, S("RCPT"))) {
        struct str to = str_skip(line, str_find_char(line, '<') + 1);
        if (!r->mail && !r->lax) return rig_write(r, S("503 5.5.1 MAIL first\r\n"));
        int code = rig_reply(r, "RCPT");
        if (code / 100 == 2) rig_recipient(r->rcpt[r->rcpt_n++ % 8], str_head(to, str_find_char(to, '@')));
        return code;
    }
    if (str_eq(verb, S("DATA"))) {
        bool forced = r->twists[0].verb && strcmp(r->twists[0].verb, "DATA") == 0;
        if (r->rcpt_n == 0 && !forced) return rig_write(r, S("554 5.5.1 no recipients\r\n"));
        int code = rig_reply(r, "DATA");
        return code == 354 ? rig_data(r) : code != 0;
    }
    if (str_eq(verb, S("BDAT"))) return rig_bdat(r, rest);
    if (str_eq(verb, S("RSET"))) r->mail = r->indeterminate = false, r->rcpt_n = 0;
    if (str_eq(verb, S("QUIT"))) return rig_reply(r, "QUIT"), false;
    if (str_eq(verb, S("STARTTLS"))) {
        int code = rig_reply(r, "STARTTLS");
        struct tls_context *tls = NULL;
        if (code != 220) return code != 0;
        tls_server_new(r->world, "", "", &tls, NULL);
        r->tls = stream_starttls_server(r->io, tls) == 0;
        tls_unref(tls);
        return r->tls;
    }
    char name[12];
    snprintf(name, sizeof name, "%.*s", STR_FMT(verb));
    for (size_t i = 0; i < RIG_KNOWN; i++)
        if (strcmp(rig_known[i].verb, name) == 0) return rig_reply(r, name) != 0;
    return rig_write(r, S("500 5.5.2 what?\r\n"));
}

static FIBER void rig_serve_client(void *arg)
{
    struct rig *r = arg;
    struct buf line = BUF(1 << 20);
    stream_deadline(r->io, loop_now() + HOURS(24));
    bool alive = rig_reply(r, "banner") != 0;
    while (alive && rig_line(r, &line)) alive = rig_command(r, buf_str(&line));
    buf_free(&line);
    stream_close(r->io);
    r->server_done = true;
}

/* ---- the client ---- */

static FIBER int rig_read(void *arg, int64_t offset, struct str *piece, struct error *e)
{
    const struct rig_letter *l = arg;
    if (l->fails_at && offset >= l->fails_at) return error_set(e, ERR_CORRUPT, "a page is missing");
    *piece = str_skip(l->bytes, (size_t)offset);
    if (l->piece) *piece = str_head(*piece, l->piece);
    return 0;
}

static struct smtp_outgoing *rig_next(void *arg)
{
    struct rig *r = arg;
    return r->chained && r->next_at + 1 < r->letters_n ? &r->out[r->next_at + 1] : NULL;
}

static void rig_letters(struct rig *r)
{
    for (size_t i = 0; i < RIG_LETTERS && r->letters[i].to[0]; i++) {
        struct rig_letter *l = &r->letters[i];
        struct forward_path *to = arena_array(r->arena, RIG_RECIPIENTS, sizeof *to);
        struct smtp_outgoing *o = &r->out[r->letters_n++];
        *o = (struct smtp_outgoing){.arena = r->arena,
                                    .to = to,
                                    .size = (int64_t)l->bytes.n,
                                    .verdicts = r->verdicts[i]};
        o->from.address = (struct address){str_c(l->from ? l->from : "me"), S("x.test")};
        if (l->from && !*l->from) o->from.address = (struct address){0};
        for (; o->n < RIG_RECIPIENTS && l->to[o->n]; o->n++)
            to[o->n] = (struct forward_path){.address = {str_c(l->to[o->n]), S("x.test")}, .notify = l->notify};
        o->eightbit = l->eightbit;
        o->utf8 = l->utf8;
        o->all_or_none = l->all_or_none;
        o->read = rig_read;
        o->arg = l;
    }
}

static FIBER int rig_open(struct rig *r)
{
    struct smtp_client *c = &r->c;
    int error = smtp_client_banner(c, &r->e);
    if (error || c->reply.code != 220) return error;
    error = smtp_client_hello(c, &r->e);
    if (error || c->reply.code != 250) return error;
    r->welcome = !r->starttls && !r->user;
    if (r->starttls) {
        struct tls_context *tls = NULL;
        tls_client_new(r->world, TLS_VERIFY_NONE, &tls, NULL);
        error = smtp_client_starttls(c, tls, S("mx.test"), &r->e);
        tls_unref(tls);
        if (error || c->reply.code != 220) return error;
        r->welcome = !r->user;
    }
    if (r->user) {
        error = smtp_client_auth(c, str_c(r->user), S("pencil"), r->bare, &r->e);
        r->welcome = !error;
    }
    return error;
}

static FIBER void rig_carry(void *arg)
{
    struct rig *r = arg;
    smtp_client_init(&r->c, r->world, r->arena, r->client_io, S("client.test"), r->lmtp);
    r->c.ehlo_only = r->ehlo_only;
    r->error = rig_open(r);
    r->code = r->error ? 0 : r->c.reply.code;
    for (size_t i = 0; i < r->letters_n; i++) r->errors[i] = 1;
    for (size_t i = 0; i < r->letters_n && r->welcome; i++) {
        r->next_at = i;
        r->errors[i] = smtp_client_transact(&r->c, &r->out[i], rig_next, r, &r->e);
        if ((r->errors[i] != 0) != r->out[i].broken) abort();
        if (r->errors[i]) break;
    }
    r->ended = clock_mono(r->world);
    smtp_client_quit(&r->c);
    r->client_done = true;
}

/* ---- what must hold ---- */

static bool rig_same_letter(struct str sent, struct str got)
{
    struct smtp_data d = smtp_data_new(false, true);
    struct buf b = BUF(1 << 26);
    struct str piece;
    while (sent.n) {
        sent = str_skip(sent, smtp_data_take(&d, sent, &piece));
        buf_add(&b, piece);
    }
    buf_add(&b, smtp_data_finish(&d));
    bool same = str_eq(buf_str(&b), got);
    buf_free(&b);
    return same;
}

static int rig_count(const struct rig *r, const char *to, struct str sent)
{
    int n = 0;
    for (size_t i = 0; i < r->n_deliveries; i++)
        n += strcmp(r->deliveries[i].to, to) == 0 && rig_same_letter(sent, buf_str(&r->deliveries[i].letter));
    return n;
}

/* Letters and recipients of a rig are all different, so that deliveries can be counted. */
static void rig_check(const struct rig *r)
{
    size_t delivered = 0;
    for (size_t i = 0; i < r->letters_n; i++)
        for (size_t k = 0; k < r->out[i].n; k++) {
            const struct smtp_verdict *v = &r->verdicts[i][k];
            int n = rig_count(r, r->letters[i].to[k], r->letters[i].bytes);
            bool tried = r->errors[i] != 1;
            delivered += (size_t)n;
            if (n > 1) fail_msg("letter %zu reached %s %d times", i, r->letters[i].to[k], n);
            if (n && !tried) fail_msg("letter %zu was sent but never begun", i);
            if (!tried) continue;
            if (v->code / 100 == 2 && (n != 1 || v->step != SMTP_STEP_FINAL))
                fail_msg("letter %zu: %s has %d and got %d", i, r->letters[i].to[k], v->code, n);
            if (v->code / 100 != 2 && n && !(v->code == 0 && v->step == SMTP_STEP_FINAL))
                fail_msg("letter %zu: %s has %d at step %d, and the letter", i, r->letters[i].to[k], v->code, v->step);
            if (v->code == 0 && !r->errors[i] && !r->letters[i].all_or_none)
                fail_msg("letter %zu: no error, and %s has no verdict", i, r->letters[i].to[k]);
            if (v->code && v->code / 100 != 2 && v->code / 100 < 4) fail_msg("verdict %d", v->code);
        }
    if (delivered != r->n_deliveries)
        fail_msg("%zu deliveries, of which %zu are letters that were sent", r->n_deliveries, delivered);
}

static void rig_begin_run(struct rig *r)
{
    r->arena = arena_new(NULL, 0);
    r->said = BUF(1 << 20);
    r->letter = BUF(1 << 26);
    if (!r->cut_out) r->cut_out = -1;
    if (!r->cut_in) r->cut_in = -1;
    rig_letters(r);
}

static void rig_run(struct rig *r)
{
    struct sim *sim = sim_new(7);
    r->world = sim_node(sim, "client", (struct ip){4, {192, 0, 2, 25}});
    struct loop *l = loop_new(r->world);
    rig_begin_run(r);
    stream_pair(r->arena, r->capacity ? r->capacity : 1 << 16, &r->client_io, &r->io);
    loop_spawn(l, rig_serve_client, r);
    loop_spawn(l, rig_carry, r);
    sim_run(sim, FOREVER);
    assert_true(r->client_done && r->server_done);
    loop_free(l);
    sim_free(sim);
    rig_check(r);
}

/* ---- over links that fail by chance ---- */

static FIBER void rig_accept(struct stream *io, void *arg)
{
    struct rig *r = arg;
    r->io = io;
    rig_serve_client(r);
}

static FIBER void rig_connect_and_carry(void *arg)
{
    struct rig *r = arg;
    struct endpoint at = {{4, {192, 0, 2, 25}}, 25};
    for (size_t i = 0; i < r->letters_n; i++) r->errors[i] = 1;
    r->error = stream_connect(at, (struct ip){0}, loop_now() + SECONDS(30), &r->client_io, &r->e);
    if (!r->error) rig_carry(r);
    r->client_done = true;
}

/* For sim_twice() and the seeds of a sweep. */
static inline void rig_run_linked(struct sim *sim, struct rig *r)
{
    struct world *server = sim_node(sim, "server", (struct ip){4, {192, 0, 2, 25}});
    r->world = sim_node(sim, "client", (struct ip){4, {192, 0, 2, 26}});
    struct loop *loops[2] = {loop_new(server), loop_new(r->world)};
    struct gate *gate = gate_new(server, (struct listen_limits){100, 100, 100});
    const struct listen_options o = {.name = "smtp",
                                     .address = {{4, {192, 0, 2, 25}}, 25},
                                     .serve = rig_accept,
                                     .arg = r};
    struct listener *listener;
    struct error e;
    rig_begin_run(r);
    assert_int_equal(listener_open(server, &o, &listener, &e), 0);
    listener_start(listener, gate, loops, 1);
    loop_spawn(loops[1], rig_connect_and_carry, r);
    sim_run(sim, HOURS(5));
    assert_true(r->client_done);
    listener_stop(listener);
    for (int i = 0; i < 2; i++) loop_stop(loops[i]);
    sim_run(sim, FOREVER);
    listener_free(listener);
    gate_free(gate);
    for (int i = 0; i < 2; i++) loop_free(loops[i]);
    rig_check(r);
}

static void rig_free(struct rig *r)
{
    for (size_t i = 0; i < r->n_deliveries; i++) buf_free(&r->deliveries[i].letter);
    buf_free(&r->said);
    buf_free(&r->letter);
    arena_free(r->arena);
}

/* "bob=250@3 eve=550@1" */
static inline struct str rig_verdicts(const struct rig *r, size_t letter)
{
    struct buf *b = buf_in(r->arena, 4096);
    for (size_t i = 0; i < r->out[letter].n; i++) {
        const struct smtp_verdict *v = &r->verdicts[letter][i];
        buf_printf(b, "%s%s=%d@%d", i ? " " : "", r->letters[letter].to[i], v->code, v->step);
    }
    return buf_str(b);
}

#endif
