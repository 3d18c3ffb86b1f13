/* sendmail(1), mailq(1) and newaliases(1), as programs on Unix have called them for forty years: the letter on stdin,
 * recipients as words or in the header, an exit code of sysexits.h that says whether to keep it and try again.
 *
 * It hands the letter in at the running server's socket by SMTP; the kernel tells the server who asks, so there is no
 * password. Exit code 0: the server has it for everybody, or all but those named on stderr (then 67 …). With 75 nothing
 * was taken. */
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "cmd/ask.h"
#include "cmd/commands.h"
#include "cmd/sendmail.h"
#include "cmd/sendmail_letter.h"
#include "io/connect.h"
#include "io/process.h"
#include "mail/limits.h"
#include "wire/smtp_client.h"

struct handing {
    struct program *program;
    const struct sendmail_words *words;
    struct config config;
    struct sendmail_letter letter;
    struct address from;
    unsigned notify; /* enum dsn_notify */

    size_t taken, refused; /* recipients */
    bool in_doubt;         /* the letter was sent whole, and no answer came */
    int code;             /* exit */
    struct str words_said; /* of the server, when it has it */
    struct error error;
};

/* ---- the letter ---- */

static int read_me(struct handing *h, struct process_user *me)
{
    if (process_user_by_id(process_uid(), me) == 0) return 0;
    return program_fail(h->program, EX_NOUSER, "user %lld has no name on this machine", (long long)process_uid());
}

/* A program's From, if the letter has none, is the envelope's sender, or who runs it. */
static int read_sender(struct handing *h, const struct process_user *me, struct sendmail_wishes *wish)
{
    struct program *p = h->program;
    const struct address own = {arena_str(p->arena, str_c(me->name)), wish->domain};
    h->from = own;
    if (h->words->from && sendmail_sender(p->arena, str_c(h->words->from), wish->domain, &h->from, &h->error) != 0)
        return program_fail(p, EX_USAGE, "-f: %s", h->error.text);
    wish->author = address_is_null(h->from) ? own : h->from;
    if (h->words->name) wish->name = str_c(h->words->name);
    else if (address_key_eq(wish->author, own)) wish->name = arena_str(p->arena, str_c(me->full_name));
    return 0;
}

static int read_letter(struct handing *h, struct buf *text)
{
    struct program *p = h->program;
    const struct sendmail_words *w = h->words;
    struct sendmail_wishes wish = {.dot_ends = !w->keep_dots,
                                   .from_header = w->from_header,
                                   .domain = h->config.local_domain};
    struct process_user me;
    int code = read_me(h, &me);
    if (!code) code = read_sender(h, &me, &wish);
    if (code) return code;
    for (size_t i = 0; i < w->recipients.n; i++)
        if (sendmail_add(p->arena, str_c(w->recipients.v[i]), wish.domain, &h->letter, &h->error) != 0)
            return program_fail(p, EX_USAGE, "%s", h->error.text);
    if (h->letter.n_to == 0 && !w->from_header)
        return program_fail(p, EX_USAGE, "to whom? Name recipients, or take those of the header with -t");
    int error = process_read("-", (size_t)h->config.limits.message_size, text, &h->error);
    if (error == ERR_TOO_LONG) return program_fail(p, EX_UNAVAILABLE, "%s", h->error.text);
    if (error) return program_fail(p, EX_IOERR, "%s", h->error.text);
    if (sendmail_letter(p->arena, buf_str(text), &wish, &h->letter, &h->error) != 0)
        return program_fail(p, EX_DATAERR, "%s", h->error.text);
    if (h->letter.bytes->failed) return program_fail(p, EX_UNAVAILABLE, "the letter's header is too long");
    if (h->letter.n_to == 0) return program_fail(p, EX_USAGE, "the header names no recipients");
    return 0;
}

/* ---- what the server's answers mean for the caller ---- */

static int exit_of(int code, struct status s, bool recipient)
{
    if (code / 100 == 4) return EX_TEMPFAIL;
    if (s.subject == 7) return EX_NOPERM;
    if (recipient && s.subject == 1 && (s.detail == 2 || s.detail == 10)) return EX_NOHOST; /* RFC 3463, RFC 7505 */
    if (recipient && (s.subject == 1 || (s.class == 0 && code == 550))) return EX_NOUSER;
    if (s.subject == 6) return EX_DATAERR;
    return EX_UNAVAILABLE;
}

static int exit_of_error(int error)
{
    switch (error) {
    case ERR_DENIED: return EX_NOPERM;
    case ERR_SYNTAX: return EX_PROTOCOL;
    default: return EX_TEMPFAIL; /* the server is not there, or went away: the caller still has the letter */
    }
}

static void say_refused(const struct handing *h, const char *what, struct str address, int code, struct str words)
{
    program_fail(h->program, 0, "%s%.*s: %d %.*s", what, STR_FMT(address), code, STR_FMT(words));
}

/* ---- the dialogue ---- */

static FIBER int read_bytes(void *arg, int64_t offset, struct str *piece, struct error *e)
{
    const struct handing *h = arg;
    (void)e;
    *piece = str_skip(buf_str(h->letter.bytes), (size_t)offset);
    return 0;
}

static FIBER int open_session(struct handing *h, struct world *w, struct smtp_client *c, struct stream **io)
{
    struct arena *a = h->program->arena;
    int e = stream_connect_unix(arena_cstr(a, h->config.local_socket), loop_now() + SECONDS(30), io, &h->error);
    if (e) return e;
    smtp_client_init(c, w, a, *io, h->config.hostname_key, false);
    c->ehlo_only = true;
    e = smtp_client_banner(c, &h->error);
    if (!e && c->reply.code == 220) e = smtp_client_hello(c, &h->error);
    if (e || c->reply.code / 100 == 2) return e;
    h->code = exit_of(c->reply.code, c->reply.status, false);
    say_refused(h, "the server says", S(""), c->reply.code, buf_str(&c->reply.text));
    return ERR_DENIED;
}

static struct smtp_outgoing *transaction(struct handing *h, const struct forward_path *to, size_t n)
{
    struct arena *a = h->program->arena;
    struct smtp_outgoing *o = arena_new_of(a, struct smtp_outgoing);
    bool utf8 = !str_is_ascii(h->from.local);
    for (size_t i = 0; i < n; i++) utf8 |= !str_is_ascii(to[i].address.local);
    *o = (struct smtp_outgoing){.arena = a,
                                .from = {.address = h->from,
                                         .size = -1,
                                         .ret = h->words->ret,
                                         .envid = h->words->envid ? str_c(h->words->envid) : STR_NONE},
                                .to = to,
                                .n = n,
                                .size = (int64_t)h->letter.bytes->n,
                                .eightbit = !str_is_ascii(buf_str(h->letter.bytes)),
                                .utf8 = utf8,
                                .all_or_none = true,
                                .read = read_bytes,
                                .arg = h,
                                .verdicts = arena_array(a, n, sizeof(struct smtp_verdict))};
    return o;
}

static struct forward_path *all_paths(const struct handing *h)
{
    struct forward_path *v = arena_array(h->program->arena, h->letter.n_to, sizeof *v);
    for (size_t i = 0; i < h->letter.n_to; i++)
        v[i] = (struct forward_path){.address = h->letter.to[i], .notify = h->notify, .orcpt = STR_NONE};
    return v;
}

/* What the verdicts say. Recipients without one (all or none) move to the front of `to`; returns how many. */
static size_t judge(struct handing *h, const struct smtp_outgoing *o, struct forward_path *to, bool *temporary)
{
    size_t left = 0;
    for (size_t i = 0; i < o->n; i++) {
        const struct smtp_verdict *v = &o->verdicts[i];
        if (v->code / 100 == 2) {
            h->taken++;
            h->words_said = v->text;
        } else if (v->code == 0) {
            h->in_doubt |= v->step == SMTP_STEP_FINAL && o->broken;
            to[left++] = to[i];
        } else {
            bool of_recipient = v->step == SMTP_STEP_RCPT;
            struct str address = address_str(h->program->arena, to[i].address);
            h->refused++;
            *temporary |= v->code / 100 == 4;
            h->code = exit_of(v->code, v->status, of_recipient);
            if (of_recipient || i == 0) say_refused(h, "", of_recipient ? address : S("refused"), v->code, v->text);
        }
    }
    return left;
}

/* Those who were refused for good are named, the others get it; a refusal for now ends it before anybody got it, since
 * the caller will come again for all. */
static FIBER int hand_in_for(struct handing *h, struct smtp_client *c, struct forward_path *to, size_t n)
{
    while (n > 0) {
        size_t refused = h->refused, taken = h->taken;
        bool temporary = false;
        struct smtp_outgoing *o = transaction(h, to, n);
        int e = smtp_client_transact(c, o, NULL, NULL, &h->error);
        n = judge(h, o, to, &temporary);
        if (temporary) h->code = h->taken > 0 ? EX_UNAVAILABLE : EX_TEMPFAIL; /* 75 would bring it to some twice */
        if (h->taken > taken || temporary) return 0;
        if (e) return e;
        if (h->refused == refused) return error_set(&h->error, ERR_UNAVAILABLE, "the server gave no answer");
    }
    return 0;
}

/* In parts, when there are more recipients than the server takes at once. */
static FIBER int hand_in(struct handing *h, struct smtp_client *c)
{
    struct forward_path *to = all_paths(h);
    size_t most = c->rcpt_max > 0 ? (size_t)c->rcpt_max : LIMIT_RELAY_TRANSACTION, n = h->letter.n_to;
    int e = 0;
    for (size_t at = 0; at < n && !e && h->code != EX_TEMPFAIL; at += most)
        e = hand_in_for(h, c, to + at, n - at < most ? n - at : most);
    return e;
}

static void say_not_now(const struct handing *h, int e)
{
    size_t left = h->letter.n_to - h->taken - h->refused;
    const char *why = h->error.text[0] ? h->error.text : err_name(e);
    if (h->in_doubt) program_fail(h->program, 0, "no answer came, so the server may have the letter or not: %s", why);
    else if (h->taken) program_fail(h->program, 0, "%zu recipients have got it, %zu not: %s", h->taken, left, why);
    else program_fail(h->program, 0, "the server does not take the letter now (%s); nothing was sent, try again", why);
}

static FIBER void hand_in_fiber(struct world *w, void *arg)
{
    struct handing *h = arg;
    struct smtp_client *c = arena_new_of(h->program->arena, struct smtp_client);
    struct stream *io = NULL;
    int e = open_session(h, w, c, &io);
    if (!e) e = hand_in(h, c);
    if (io) smtp_client_quit(c);
    if (!e) return;
    int code = exit_of_error(e);
    if (code == EX_TEMPFAIL) say_not_now(h, e);
    else if (!h->code) program_fail(h->program, 0, "%s", h->error.text[0] ? h->error.text : err_name(e));
    if (code == EX_TEMPFAIL || !h->code) h->code = code;
}

/* ---- the modes ---- */

static int deliver(struct program *p, const struct sendmail_words *w)
{
    struct handing h = {.program = p, .words = w, .notify = w->notify};
    int code = program_config(p, &h.config);
    if (code) return code;
    struct buf text = BUF((size_t)h.config.limits.message_size + 2);
    code = read_letter(&h, &text);
    buf_free(&text);
    if (code) return code;
    program_run(hand_in_fiber, NULL, &h);
    if (w->verbose && h.taken)
        printf("%zu recipient%s: %.*s\n", h.taken, h.taken == 1 ? "" : "s", STR_FMT(h.words_said));
    return h.code;
}

/* -bs: the caller speaks SMTP itself. */
static int speak(struct program *p)
{
    struct config c;
    struct error e = {0};
    int code = program_config(p, &c);
    if (code) return code;
    int error = process_join(arena_cstr(p->arena, c.local_socket), &e);
    if (!error) return EX_OK;
    printf("421 4.3.2 the mail server does not run\r\n"); /* RFC 5321 §3.8 */
    return program_fail(p, exit_of_error(error), "%s", e.text);
}

/* -q: whatever waits is due now; -qI, -qR, -qS: some of it. */
static int flush(struct program *p, const struct sendmail_words *w)
{
    struct ask q;
    struct str what = w->flush_what ? str_c(w->flush_what) : S("");
    const char *member = w->flush == 'R' ? (str_find_char(what, '@') < what.n ? "to" : "domain") : "from";
    ask_begin(&q, p, "queue.change");
    json_put_str(&q.json, "what", S("retry"));
    if (w->flush == 0) {
        json_put_bool(&q.json, "all", true);
    } else if (w->flush == 'I') {
        json_put_str(&q.json, "message", what);
    } else {
        json_put_str(&q.json, member, what);
    }
    return ask_run(&q);
}

static int explain_aliases(const struct program *p)
{
    (void)p;
    printf("Aliases are kept in the mail store: `penny alias` lists and changes them, at once. There is nothing to "
           "rebuild, and no file to rebuild it from.\n");
    return EX_OK;
}

int command_sendmail(struct program *p, int argc, char **argv)
{
    struct sendmail_words w;
    struct error e = {0};
    if (sendmail_words(p->arena, argc, argv, &w, &e) != 0) return program_fail(p, EX_USAGE, "%s", e.text);
    if (w.config) p->conf = w.config;
    if (!p->conf) p->conf = config_find_system(); /* whoever's folder this is, it is not the mail system's */
    switch (w.mode) {
    case SENDMAIL_DELIVER: return deliver(p, &w);
    case SENDMAIL_SPEAK: return speak(p);
    case SENDMAIL_LIST: return command_queue(p, 0, NULL);
    case SENDMAIL_FLUSH: return flush(p, &w);
    case SENDMAIL_ALIASES: return explain_aliases(p);
    }
    return EX_USAGE;
}
