/* A mail transaction (RFC 5321 §3.3): MAIL, RCPT, then the letter by DATA or in chunks by BDAT (RFC 3030).
 *
 * Each handler is a table of refusals that ends in the deed. Of what a peer sends as a letter, nothing is ever taken
 * for commands: DATA is read to CRLF.CRLF and a chunk to its last byte whatever is wrong, before anything is said. */
#include "mail/limits.h"
#include "wire/smtp_server_core.h"

/* ---- MAIL ---- */

static struct address keep_address(struct arena *a, struct address x)
{
    return (struct address){arena_str(a, x.local), arena_str(a, x.domain)};
}

static struct smtp_tx *begin_tx(struct smtp_session *s, const struct reverse_path *from)
{
    struct arena *a = s->tx_arena;
    struct smtp_tx *tx = arena_new_of(a, struct smtp_tx);
    tx->arena = a;
    tx->id = s->service->new_id(s->service->agent);
    tx->from = *from;
    tx->from.address = keep_address(a, from->address);
    tx->from.envid = arena_str(a, from->envid);
    tx->from.auth = arena_str(a, from->auth);
    s->chunks = 0;
    s->smtputf8_reply = from->smtputf8;
    return s->tx = tx;
}

static bool may_submit(const struct smtp_session *s)
{
    return s->service->kind != SMTP_SUBMISSION || s->who.account || s->known || s->trusted;
}

/* RFC 4865 §4: not for later than was said; what is past is for now. */
static struct reply judge_hold(const struct smtp_session *s, const struct reverse_path *from)
{
    if (!from->hold_for && !from->hold_until) return (struct reply){0};
    if (!smtp_offers_hold(s)) return R(555, E(5, 5, 4), "a parameter is not supported");
    utc_us now = clock_utc(loop_world(loop_self()));
    int64_t span = from->hold_for ? SECONDS(from->hold_for) : from->hold_until - now;
    if (span > SECONDS(s->service->hold_max))
        return R(501, E(5, 5, 4), "a letter is held for %lld seconds at most", (long long)s->service->hold_max);
    return (struct reply){0};
}

FIBER struct reply smtp_on_mail(struct smtp_session *s, const struct smtp_command *c) /* RFC 5321 §4.1.1.2 */
{
    /* RFC 3207 §4 */
    if (!may_submit(s) && smtp_offers_tls(s) && !smtp_offers_auth(s)) return R(530, E(5, 7, 0), "STARTTLS first");
    if (!may_submit(s)) return R(530, E(5, 7, 0), "log in first"); /* RFC 4954 §6 */
    if (c->error.code) return smtp_problem_reply(c);
    if (c->from.size > s->service->size_max) return R(552, E(5, 3, 4), "message too large"); /* RFC 1870 §6.1 */
    struct reply r = judge_hold(s, &c->from);
    if (r.code) return r;
    struct smtp_tx *tx = begin_tx(s, &c->from);
    r = s->service->policy->mail ? s->service->policy->mail(s, tx) : R(250, E(2, 1, 0), "sender ok");
    s->tx_over = !reply_ok(r);
    return r;
}

/* ---- RCPT ---- */

static void add_recipient(struct smtp_tx *tx, const struct forward_path *to, void *mark)
{
    if (tx->rcpt_n == tx->rcpt_cap) {
        size_t cap = tx->rcpt_cap ? tx->rcpt_cap * 2 : 4;
        struct smtp_recipient *larger = arena_array(tx->arena, cap, sizeof *larger);
        if (tx->rcpt_n) memcpy(larger, tx->rcpt, tx->rcpt_n * sizeof *larger);
        tx->rcpt = larger;
        tx->rcpt_cap = cap;
    }
    struct smtp_recipient *r = &tx->rcpt[tx->rcpt_n++];
    r->path = *to;
    r->path.address = keep_address(tx->arena, to->address);
    r->path.orcpt = arena_str(tx->arena, to->orcpt);
    r->mark = mark;
}

static FIBER struct reply judge_recipient(struct smtp_session *s, const struct smtp_command *c, void **mark)
{
    struct smtp_tx *tx = s->tx;
    if (c->error.code) return smtp_problem_reply(c);
    /* RFC 6531 §3.5 */
    if (c->non_ascii && !tx->from.smtputf8) return R(553, E(5, 6, 7), "a non-ASCII address needs SMTPUTF8");
    if (s->service->recipients_max && tx->rcpt_n >= (size_t)s->service->recipients_max)
        return R(452, E(4, 5, 3), "too many recipients"); /* RFC 5321 §4.5.3.1.10 */
    if (!s->service->policy->rcpt) return R(250, E(2, 1, 5), "recipient ok");
    return s->service->policy->rcpt(s, tx, &c->to, mark);
}

FIBER struct reply smtp_on_rcpt(struct smtp_session *s, const struct smtp_command *c) /* RFC 5321 §4.1.1.3 */
{
    void *mark = NULL;
    struct reply r = judge_recipient(s, c, &mark);
    if (reply_ok(r)) add_recipient(s->tx, &c->to, mark);
    else s->tx->rcpt_refused++;
    return r;
}

/* ---- the letter ---- */

static bool trusts_newlines(const struct smtp_session *s) { return s->trusted || s->known || s->who.account; }

/* Nobody wants the rest of it. */
static bool is_doomed(const struct smtp_session *s)
{
    return s->tx->too_large || (s->tx->bare_newlines && !trusts_newlines(s));
}

static FIBER void pass_on(struct smtp_session *s, struct str piece)
{
    struct smtp_tx *tx = s->tx;
    tx->bare_newlines = s->letter.bare_newlines;
    tx->bytes += (int64_t)piece.n;
    if (tx->bytes > s->service->size_max) tx->too_large = true; /* RFC 1870 §6.3 */
    if (piece.n && !is_doomed(s) && s->service->policy->bytes) s->service->policy->bytes(s, tx, piece);
}

/* Takes bytes of the letter until they or it end; returns how many. */
static FIBER size_t take_letter(struct smtp_session *s, struct str bytes)
{
    struct str rest = bytes, piece;
    while (rest.n && !smtp_data_ended(&s->letter)) {
        rest = str_skip(rest, smtp_data_take(&s->letter, rest, &piece));
        pass_on(s, piece);
    }
    return bytes.n - rest.n;
}

/* Waits for more of a letter: 0 and what is there, or the end of the connection. */
static FIBER int peek_letter(struct smtp_session *s, struct str *bytes)
{
    smtp_deadline(s, TIMEOUT_SMTP_DATA_BLOCK); /* RFC 5321 §4.5.3.2.5 */
    return stream_peek(s->io, bytes);
}

/* The one reply for all recipients of a letter: theirs if they are alike; accepted if one is. When some failures are
 * permanent and some are not, the sender may try again. */
static struct reply fold(const struct reply *results, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        bool better = reply_ok(results[i]) ? !reply_ok(results[best])
                                           : reply_temporary(results[i]) && reply_permanent(results[best]);
        if (better) best = i;
    }
    return results[best];
}

/* Says what became of the letter: once, or by LMTP for each recipient (RFC 2033 §4.2). */
static FIBER void say_results(struct smtp_session *s, struct reply *results)
{
    struct smtp_tx *tx = s->tx;
    size_t n = tx->rcpt_n;
    struct reply folded = fold(results, n);
    if (reply_ok(folded)) s->messages++;
    bool each = s->service->kind == SMTP_LMTP;
    for (size_t i = 0; i < (each ? n : 1); i++) {
        struct reply r = smtp_with_id(tx, each ? results[i] : folded);
        smtp_say(s, &r);
    }
}

/* The letter is whole. Judged here only for its form; the agent judges the rest. */
static FIBER struct reply finish(struct smtp_session *s)
{
    struct smtp_tx *tx = s->tx;
    struct reply refusal = {0};
    if (tx->too_large) refusal = R(552, E(5, 3, 4), "message too large");
    else if (is_doomed(s)) refusal = R(550, E(5, 5, 2), "bare CR or LF in the message");
    struct reply *results = arena_array(s->cmd, tx->rcpt_n, sizeof *results);
    for (size_t i = 0; i < tx->rcpt_n; i++) results[i] = refusal.code ? refusal : R(250, E(2, 0, 0), "accepted");
    if (refusal.code) smtp_note_refusal(s, REFUSED_DATA, STR_NONE, &refusal);
    else if (s->service->policy->end) s->service->policy->end(s, tx, results);
    say_results(s, results);
    smtp_drop_tx(s);
    return SAID;
}

static FIBER struct reply ask_for_letter(struct smtp_session *s)
{
    return s->service->policy->data ? s->service->policy->data(s, s->tx) : R(250, E(2, 0, 0), "go on");
}

/* ---- DATA ---- */

static FIBER int read_letter(struct smtp_session *s)
{
    s->letter = smtp_data_new(true, trusts_newlines(s));
    stream_min_rate(s->io, LIMIT_RATE_MIN);
    while (!smtp_data_ended(&s->letter)) {
        struct str bytes;
        int e = peek_letter(s, &bytes);
        if (e) return e;
        stream_take(s->io, take_letter(s, bytes));
    }
    stream_min_rate(s->io, 0);
    return 0;
}

FIBER struct reply smtp_on_data(struct smtp_session *s, const struct smtp_command *c) /* RFC 5321 §4.1.1.4 */
{
    if (c->error.code) return smtp_problem_reply(c);
    struct reply r = ask_for_letter(s);
    s->tx_over = !reply_ok(r);
    if (s->tx_over) return r;
    r = R(354, E_NONE, "go on, end with <CRLF>.<CRLF>");
    smtp_say(s, &r);
    return read_letter(s) ? SAID : finish(s); /* a broken stream is told by its next read */
}

/* ---- BDAT ---- */

/* Tiny chunks cost more than they bring: some are nothing, a flood of them is. */
static bool is_flood(const struct smtp_session *s)
{
    return s->chunks > LIMIT_BDAT_CHUNKS && (s->chunks - LIMIT_BDAT_CHUNKS) * LIMIT_BDAT_CHUNK_MEAN > s->tx->bytes;
}

/* May this chunk's bytes be part of a letter? */
static FIBER struct reply judge_chunk(struct smtp_session *s, const struct smtp_command *c)
{
    struct smtp_tx *tx = s->tx;
    if (s->helo.n == 0) return R(503, E(5, 5, 1), s->service->kind == SMTP_LMTP ? "LHLO first" : "EHLO first");
    if (!tx) return R(503, E(5, 5, 1), "MAIL first");
    if (tx->rcpt_n == 0 && tx->rcpt_refused) return R(554, E(5, 5, 1), "no valid recipients");
    if (tx->rcpt_n == 0) return R(503, E(5, 5, 1), "RCPT first");
    if (c->error.code) return smtp_problem_reply(c);
    if (!tx->bdat) {
        struct reply r = ask_for_letter(s);
        if (!reply_ok(r)) return r;
        tx->bdat = true;
        s->letter = smtp_data_new(false, trusts_newlines(s));
    }
    s->chunks++;
    if (is_flood(s)) return R_CLOSE(421, E(4, 7, 0), "chunks too small");
    if (c->bdat.size > (uint64_t)(s->service->size_max - tx->bytes)) return R(552, E(5, 3, 4), "message too large");
    return R(250, E(2, 0, 0), "%llu octets received", (unsigned long long)c->bdat.size);
}

/* Reads all of the chunk, so that what follows is a command; only wanted bytes go on. */
static FIBER int read_chunk(struct smtp_session *s, uint64_t size, bool wanted)
{
    stream_min_rate(s->io, LIMIT_RATE_MIN);
    while (size) {
        struct str bytes;
        int e = peek_letter(s, &bytes);
        if (e) return e;
        if (bytes.n > size) bytes.n = (size_t)size;
        if (wanted) take_letter(s, bytes);
        stream_take(s->io, bytes.n);
        size -= bytes.n;
    }
    stream_min_rate(s->io, 0);
    return 0;
}

/* RFC 3030 §2: after a failed chunk all others fail until RSET or MAIL. A last one has a reply for each recipient by
 * LMTP. */
static FIBER struct reply fail_chunk(struct smtp_session *s, const struct smtp_command *c, struct reply r)
{
    s->tx_over = s->tx != NULL;
    if (!s->tx || !c->bdat.last || s->service->kind != SMTP_LMTP) return r;
    r = smtp_with_id(s->tx, r);
    for (size_t others = 1; others < s->tx->rcpt_n; others++) smtp_say(s, &r);
    return r;
}

FIBER struct reply smtp_on_bdat(struct smtp_session *s, const struct smtp_command *c) /* RFC 3030 §2 */
{
    /* where the chunk ends nobody knows */
    if (c->bdat.size == UINT64_MAX) return R_CLOSE(501, E(5, 5, 4), "%s", c->error.text);
    struct reply r = judge_chunk(s, c);
    if (read_chunk(s, c->bdat.size, reply_ok(r))) return SAID;
    if (reply_ok(r) && s->tx->too_large) r = R(552, E(5, 3, 4), "message too large");
    if (!reply_ok(r)) return fail_chunk(s, c, r);
    if (!c->bdat.last) return r;
    pass_on(s, smtp_data_finish(&s->letter));
    return finish(s);
}
