/* APPEND, of one message or several (RFC 9051 §6.3.12, RFC 3502), and REPLACE (RFC 8508).
 *
 * What can be refused is refused before a message comes; then its bytes flow into the store's body writer and through
 * the MIME parser, as those of new mail do (queue/incoming). All messages of a command are one commit behind the tagged
 * OK; a connection that breaks before leaves nothing. Line ends become CRLF, except in binary literals (RFC 3516 §4.4),
 * which are kept as they come. */
#include "maa/imap/change.h"

#include "mail/limits.h"
#include "proto/smtp/data.h"
#include "queue/letter_facts.h"

struct appending_now {
    struct imap_session *s;
    struct imap_command c;
    struct imap_append_message m; /* the one at hand */
    struct mailbox to;
    struct new_letter *letters;
    size_t n, cap;
    int64_t bytes;                /* of all of them */
    uid replaced;
    int lost;                     /* the stream's error */
};

/* ---- refusing ---- */

/* Reads over what comes without being asked for: the message's literal and the rest of the command. */
static FIBER int skip_rest(struct imap_session *s, struct imap_literal l)
{
    uint64_t left = LIMIT_IMAP_SKIPPED;
    while (l.non_sync) {
        struct str line;
        if (l.size > left) return ERR_TOO_LONG;
        left -= l.size;
        int e = imap_skip(s, l.size);
        if (!e) e = stream_line(s->io, LIMIT_IMAP_COMMAND, &line);
        if (e) return e;
        if (!imap_literal_at_end(line, &l)) return 0;
    }
    return 0; /* one that waits for our leave hears the tagged response */
}

static FIBER struct imap_done refuse(struct appending_now *a, struct imap_done d)
{
    struct imap_session *s = a->s;
    int e = a->lost ? a->lost : skip_rest(s, a->m.literal);
    if (e == 0) return d;
    if (e == ERR_TOO_LONG) { /* nobody knows where the next command begins */
        s->end = "input too long";
        imap_put(s, S("* BYE [TOOBIG] that was too long to go on\r\n"));
    }
    return (struct imap_done){.said = true, .close = true};
}

/* ---- before a message comes ---- */

static FIBER bool find_replaced(struct appending_now *a, struct imap_done *refusal)
{
    struct imap_session *s = a->s;
    const struct imap_append *r = &a->c.append;
    if (!s->selected) {
        *refusal = imap_bad(S("select a mailbox first"));
        return false;
    }
    if (!imap_may_still_read(s, IMAP_REPLACE)) {
        *refusal = imap_unreadable();
        return false;
    }
    if (s->selected->read_only) {
        *refusal = imap_no(S("READ-ONLY"), S("this mailbox is open for reading only"));
        return false;
    }
    const struct snapshot *shown = s->selected->shown;
    uint32_t seq = r->replaces_last ? shown->count : a->c.uid ? snapshot_seq(shown, r->replaces) : r->replaces;
    const struct view_entry *e = seq ? snapshot_at(shown, seq) : NULL;
    if (e) a->replaced = e->uid;
    else
        *refusal = a->c.uid ? imap_no(STR_NONE, S("there is no such message")) /* RFC 8508 §3.3 */
                            : imap_bad(S("there is no such message number"));
    return e != NULL;
}

/* Of a message that replaces another of the same account only the commit knows how much room it needs. */
static bool needs_room(const struct appending_now *a)
{
    return !a->replaced || a->s->selected->shown->account != a->to.account;
}

/* RFC 9208 §4.3: over quota is said before the message is sent, to clients that ask. */
static FIBER bool has_room(struct appending_now *a, struct imap_done *refusal)
{
    struct quota q;
    struct error why = {0};
    uint64_t size = a->m.literal.size;
    if (size > (uint64_t)a->s->service->size_max) {
        *refusal = imap_no(S("TOOBIG"), S("that message is larger than is taken here")); /* RFC 7889 §4 */
        return false;
    }
    if (a->m.flags.too_many) {
        *refusal = imap_no(S("LIMIT"), S("too many keywords")); /* RFC 5530 §3 */
        return false;
    }
    if (a->n == LIMIT_IMAP_APPENDED) {
        *refusal = imap_no(S("LIMIT"), S("too many messages in one command"));
        return false;
    }
    if (!needs_room(a)) return true;
    int e = store_quota(a->s->service->store, a->to.account, &q, &why);
    if (e) *refusal = imap_refusal(a->s, e, &why);
    else if ((q.limit_bytes && q.used_bytes + a->bytes + (int64_t)size > q.limit_bytes) ||
             (q.limit_count && q.used_count + (int64_t)a->n + 1 > q.limit_count))
        *refusal = imap_refuse_letters(a->s, e = ERR_CONFLICT, NULL);
    return e == 0;
}

static FIBER bool begin(struct appending_now *a, struct imap_done *refusal)
{
    struct imap_session *s = a->s;
    if (a->c.verb == IMAP_REPLACE && a->c.append.replaces && s->enabled & IMAP_UIDONLY && !a->c.uid) {
        *refusal =
            (struct imap_done){.kind = IMAP_BAD, .code = S("UIDREQUIRED"), .text = S("UIDs alone are spoken here")};
        return false;
    }
    if (a->c.verb == IMAP_REPLACE && !find_replaced(a, refusal)) return false;
    if (!imap_find_target(s, a->c.append.mailbox, &a->to, refusal)) return false;
    if (a->to.rights & RIGHT_INSERT) return true;
    *refusal = imap_refusal(s, ERR_DENIED, NULL);
    return false;
}

/* ---- a message ---- */

struct message { /* while its bytes come */
    struct body *body;
    struct mime_parser *parser;
    struct smtp_data lines;
    bool binary;
    struct error why;
    int failed; /* the store's error: the rest is read over */
};

static FIBER void keep(struct message *m, struct str bytes)
{
    if (m->failed || bytes.n == 0) return;
    m->failed = body_write(m->body, bytes, &m->why);
    if (!m->failed) mime_parser_feed(m->parser, bytes);
}

static FIBER void take(struct message *m, struct str bytes)
{
    if (m->binary) {
        keep(m, bytes);
        return;
    }
    while (bytes.n > 0) {
        struct str piece;
        bytes = str_skip(bytes, smtp_data_take(&m->lines, bytes, &piece));
        keep(m, piece);
    }
}

static FIBER int read_message(struct imap_session *s, struct message *m, uint64_t left)
{
    int e = 0;
    stream_min_rate(s->io, LIMIT_RATE_MIN);
    while (left > 0 && !e) {
        struct str bytes;
        stream_deadline(s->io, loop_now() + imap_patience(s));
        e = stream_peek(s->io, &bytes);
        if (e) break;
        bytes = str_head(bytes, left < bytes.n ? (size_t)left : bytes.n);
        left -= bytes.n;
        size_t n = bytes.n;
        take(m, bytes);
        stream_take(s->io, n);
        fiber_yield_if_long();
    }
    stream_min_rate(s->io, 0);
    if (!e && !m->binary && m->lines.state == DATA_LINE_CR) keep(m, smtp_data_finish(&m->lines));
    return e;
}

static void add_letter(struct appending_now *a, struct message *m, const struct mime_letter *letter)
{
    struct arena *cmd = a->s->cmd;
    a->letters = arena_grow(cmd, a->letters, a->n, &a->cap, sizeof *a->letters);
    a->letters[a->n++] = (struct new_letter){
        .body = m->body,
        .facts = letter_facts(cmd, letter, m->body),
        .flags = a->m.flags.known,
        .keywords = a->m.flags.keywords.v,
        .n_keywords = a->m.flags.keywords.n,
        .received_at = a->m.has_date ? a->m.date ? a->m.date : 1 : 0,
    };
    a->bytes += body_size(m->body);
}

/* The literal at hand. False: *refusal. */
static FIBER bool take_message(struct appending_now *a, struct imap_done *refusal)
{
    struct imap_session *s = a->s;
    struct message m = {.body = body_begin(s->service->store, s->cmd),
                        .parser = mime_parser_new(s->cmd),
                        .lines = smtp_data_new(false, true),
                        .binary = a->m.literal.binary && !a->m.utf8};
    if (!a->m.literal.non_sync) a->lost = imap_go_ahead(s);
    if (!a->lost) a->lost = read_message(s, &m, a->m.literal.size);
    if (a->lost) return false;
    bool empty = a->m.literal.size == 0;
    a->m.literal = (struct imap_literal){0}; /* it has been read */
    if (!m.failed) m.failed = body_finish(m.body, &m.why);
    if (empty) *refusal = imap_no(STR_NONE, S("an empty message is none")); /* RFC 3502 §6.3.11: it gives up */
    else if (m.failed) *refusal = imap_refuse_letters(s, m.failed, &m.why);
    else add_letter(a, &m, mime_parser_end(m.parser));
    return !empty && !m.failed;
}

/* ---- all of them ---- */

/* What follows a message: the end, or another one. 1: another; 0: the end; -1: *refusal, or the stream's error. */
static FIBER int go_on(struct appending_now *a, struct imap_done *refusal)
{
    struct str line;
    const char *wrong = "";
    a->lost = stream_line(a->s->io, LIMIT_IMAP_COMMAND, &line);
    if (a->lost) return -1;
    int more = imap_parse_append_more(a->s->cmd, arena_str(a->s->cmd, line), &a->m, &wrong);
    if (more == IMAP_APPEND_END) return 0;
    if (more == IMAP_APPEND_NEXT && a->c.verb == IMAP_APPEND) return 1;
    *refusal = imap_bad(more == IMAP_APPEND_NEXT ? S("one message replaces another") : str_c(wrong));
    return -1;
}

/* After a refusal within the command: the line behind the message that has been read, and what else comes. */
static FIBER struct imap_done refuse_after(struct appending_now *a, struct imap_done d)
{
    struct imap_done other;
    if (a->lost) return refuse(a, d);
    if (go_on(a, &other) == 0) return d;
    return refuse(a, d);
}

static struct str appenduid(struct imap_session *s, const struct appending *a, const struct uid_set *uids)
{
    struct buf *b = buf_in(s->cmd, 64 + 32 * uids->n);
    buf_printf(b, "APPENDUID %u ", a->uid_validity);
    imap_put_set(b, uids);
    return buf_str(b);
}

/* RFC 8508 §3.2: where the new one is, then that the old one is gone. */
static FIBER struct imap_done replaced(struct imap_session *s, struct str code)
{
    struct buf *b = buf_in(s->cmd, code.n + 64);
    imap_put_condition(b, S("*"), IMAP_OK, code, S("the new one is there"));
    imap_put(s, buf_str(b));
    return imap_ok_gone(s, S("replaced")); /* RFC 8508 §4.5 */
}

static FIBER struct imap_done commit(struct appending_now *a)
{
    struct imap_session *s = a->s;
    struct error why = {0};
    struct appending x = {.who = s->who.account,
                          .mailbox = a->to.id,
                          .letters = a->letters,
                          .n = a->n,
                          .replaced = a->replaced,
                          .replaced_in = a->replaced ? s->selected->mailbox : 0};
    int e = store_append(s->service->store, &x, &why);
    if (e == ERR_NOT_FOUND && a->replaced) return imap_no(S("EXPUNGEISSUED"), S("that message is gone"));
    if (e == ERR_NOT_FOUND) return imap_no(S("TRYCREATE"), S("there is no such mailbox"));
    if (e) return imap_refuse_letters(s, e, &why);
    s->appended += (int64_t)x.n;
    struct uid_set uids = {0};
    for (size_t i = 0; i < x.n; i++) uid_set_add(s->cmd, &uids, x.letters[i].uid, x.letters[i].uid);
    imap_own_letters(s, x.mailbox, &uids);
    struct str code = a->to.rights & RIGHT_READ ? appenduid(s, &x, &uids) : STR_NONE; /* RFC 4315 §3 */
    return a->replaced ? replaced(s, code) : imap_ok(code, S("appended"));
}

FIBER struct imap_done imap_on_append(struct imap_session *s, struct str so_far)
{
    struct appending_now a = {.s = s};
    struct imap_done refusal = {0};
    int wrong = imap_parse_append_begin(s->cmd, so_far, &a.c);
    a.m = a.c.append.message;
    s->tag = a.c.tag;
    if (wrong) return refuse(&a, imap_bad(str_c(a.c.error)));
    if (!begin(&a, &refusal)) return refuse(&a, refusal);
    for (;;) {
        if (!has_room(&a, &refusal)) return refuse(&a, refusal);
        if (!take_message(&a, &refusal)) return refuse_after(&a, refusal);
        int more = go_on(&a, &refusal);
        if (more < 0) return refuse(&a, refusal);
        if (more == 0) return commit(&a);
    }
}
