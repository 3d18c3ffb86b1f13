/* What a letter has to be for a server, and what a server's replies mean for its recipients.
 *
 * RFC 5321 §4.2.1 (classes of replies), §4.5.3.1.10 (too many recipients), §6.1; RFC 1870 (SIZE), RFC 6152 (8BITMIME),
 * RFC 6531 (SMTPUTF8), RFC 3461 §5.2.2 (DSN), RFC 7504 (521). */
#include "base/utf8.h"
#include "mta/relay_core.h"
#include "proto/mime/downgrade.h"

/* ---- hosts that could not serve ---- */

static struct str keep(const struct run *r, struct str s) { return arena_str(r->errand->arena, s); }

void relay_setback(struct run *r, enum stage stage, struct outcome o)
{
    struct setbacks *s = &r->setbacks;
    if (o.kind != OUTCOME_FAILED) r->lasting = false;
    if (s->n == SETBACKS_MAX) return;
    o.text = keep(r, o.text);
    s->v[s->n] = (struct attempt){{keep(r, r->host.name), r->host.at, STR_NONE}, o};
    if (s->n == 0 || stage >= s->furthest) {
        s->furthest = stage;
        s->telling = s->n;
    }
    s->n++;
}

void relay_setback_reply(struct run *r, enum stage stage)
{
    const struct smtp_reply *reply = &r->client.reply;
    /* RFC 7504 §3: this host takes no mail, ever; what a host of the owner's says is his to mend */
    bool never = stage == STAGE_BANNER && reply->code == 521 && !r->hosts.given;
    if (reply->code == 421) r->busy = true;
    relay_setback(r, stage,
                  (struct outcome){.kind = never ? OUTCOME_FAILED : OUTCOME_DEFERRED,
                                   .remote = true,
                                   .code = reply->code,
                                   .status = reply->status,
                                   .text = buf_str(&reply->text)});
}

void relay_setback_error(struct run *r, enum stage stage, struct status status, const char *what, const struct error *e)
{
    struct str words = str_c(e->text[0] ? e->text : err_name(e->code));
    bool said = str_starts(words, str_c(what));
    struct str text = arena_printf(r->errand->arena, "%s%s%.*s", said ? "" : what, said ? "" : ": ", STR_FMT(words));
    relay_setback(r, stage, (struct outcome){.kind = OUTCOME_DEFERRED, .status = status, .text = text});
}

/* The hosts that came to nothing are told by the parcel they were tried for; but for one. */
static void tell_setbacks(const struct run *r, struct haul *h, size_t but)
{
    const struct setbacks *s = &r->setbacks;
    struct parcel *p = h->parcel;
    struct arena *a = p->arena;
    struct attempt *v = arena_array(a, s->n, sizeof *v);
    p->n_tried = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (i == but) continue;
        v[p->n_tried] = s->v[i];
        v[p->n_tried].contact.host = arena_str(a, s->v[i].contact.host);
        v[p->n_tried++].outcome.text = arena_str(a, s->v[i].outcome.text);
    }
    p->tried = v;
}

void relay_tell_setbacks(const struct run *r, struct haul *h) { tell_setbacks(r, h, SIZE_MAX); }

/* "mx1.example [192.0.2.1]:25: cannot connect: …; mx2.example …" */
static struct str all_words(const struct run *r, struct arena *a)
{
    const struct setbacks *s = &r->setbacks;
    struct buf *b = buf_in(a, 2 * LIMIT_QUEUE_REPLY);
    for (size_t i = 0; i < s->n && b->n < LIMIT_QUEUE_REPLY; i++) {
        const struct attempt *t = &s->v[i];
        if (i) buf_lit(b, "; ");
        if (!domain_is_literal(t->contact.host)) buf_printf(b, "%.*s ", STR_FMT(t->contact.host));
        ip_put_literal(b, t->contact.address.ip);
        buf_printf(b, ":%u: %.*s", t->contact.address.port, STR_FMT(t->outcome.text));
    }
    return buf_str(b);
}

static void settle_left(struct haul *h, struct outcome o)
{
    for (size_t i = 0; i < h->n_left; i++) h->parcel->v[h->left[i]].outcome = o;
    h->n_left = 0;
}

static struct outcome outcome_of_dns(const struct hosts_failure *f)
{
    return (struct outcome){.kind = f->permanent ? OUTCOME_FAILED : OUTCOME_DEFERRED,
                            .code = f->code,
                            .status = f->status,
                            .text = f->text};
}

/* The one that got furthest says why. When not even a connection came about none says more than the others, and all are
 * named. */
void relay_settle_nowhere(struct run *r, struct haul *h)
{
    const struct hosts_failure *f = &r->hosts.failure;
    const struct setbacks *s = &r->setbacks;
    struct outcome o = outcome_of_dns(f);
    if (fiber_cancelled()) return; /* we stop; they are tried by the next to come */
    if (r->busy && errand_has_company(r->errand)) return;
    if (s->n) {
        o = s->v[s->telling].outcome;
        r->contact = s->v[s->telling].contact;
        bool for_good = r->lasting && (f->code == 0 || f->permanent); /* of hosts without an address as well */
        if (!for_good) o.kind = OUTCOME_DEFERRED;
        if (s->furthest == STAGE_CONNECT) r->contact.address = (struct endpoint){0}; /* nobody was there */
        if (s->n > 1 && s->furthest == STAGE_CONNECT) {
            o.text = all_words(r, h->parcel->arena);
            r->contact.host = STR_NONE;
            tell_setbacks(r, h, SIZE_MAX);
        } else if (s->n > 1) {
            tell_setbacks(r, h, s->telling);
        }
    }
    o.text = arena_str(h->parcel->arena, o.text);
    settle_left(h, o);
}

/* ---- a letter for this server ---- */

static bool offers(const struct run *r, enum smtp_offers what) { return (r->client.offers & what) != 0; }

#define FAILED(code_, status_, words) \
    ((struct outcome){.kind = OUTCOME_FAILED, .code = (code_), .status = (status_), .text = (words)})

/* The store's fault, not the server's. */
static struct outcome outcome_unreadable(struct arena *a, int error, const struct error *e)
{
    const char *words = e->text[0] ? e->text : err_name(error);
    if (error == ERR_CORRUPT) return (struct outcome){.kind = OUTCOME_DAMAGED, .text = arena_str(a, str_c(words))};
    return (struct outcome){.kind = OUTCOME_DEFERRED,
                            .status = E(4, 3, 0),
                            .text = arena_printf(a, "the stored letter cannot be read now: %s", words)};
}

/* Bytes [0, n) of the letter, all of it if it is shorter. False: settled. */
static FIBER bool read_begin(struct run *r, struct haul *h, struct arena *a, size_t n, struct str *out)
{
    struct error e = {0};
    if (!str_is_none(h->bytes)) {
        *out = str_head(h->bytes, n);
        return true;
    }
    int error = store_letter_read(r->relay->store, a, h->parcel->letter->letter, 0, n, out, &e);
    if (error) settle_left(h, outcome_unreadable(h->parcel->arena, error, &e));
    return error == 0;
}

/* Its own header, and what we have put before. (Not read into the arena of the letter that may just be on its way.) */
static FIBER bool header_is_ascii(struct run *r, struct haul *h, bool *ascii)
{
    struct arena *a = arena_new(r->errand->arena, 0);
    struct str begin;
    bool ok = read_begin(r, h, a, 2 * LIMIT_HEADER, &begin);
    if (ok) *ascii = str_is_ascii(str_head(begin, str_find(begin, S("\r\n\r\n"))));
    arena_free(a);
    return ok;
}

/* RFC 6531 §3.2: to a server that does not know SMTPUTF8 goes only what can do without. Domains can: they have another
 * form, which the session says. */
static FIBER void fit_utf8(struct run *r, struct haul *h)
{
    struct parcel *p = h->parcel;
    bool ascii = false;
    h->utf8 = p->letter->needs_utf8;
    if (!h->utf8 || offers(r, SMTP_OFFERS_SMTPUTF8)) return;
    h->utf8 = false;
    if (!header_is_ascii(r, h, &ascii)) return;
    if (!ascii || !str_is_ascii(p->from.address.local)) {
        settle_left(h, FAILED(553, E(5, 6, 7),
                              ascii ? S("the sender's address needs SMTPUTF8, which the server does not know")
                                    : S("the letter's header needs SMTPUTF8, which the server does not know")));
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < h->n_left; i++) {
        struct out_recipient *to = &p->v[h->left[i]];
        if (str_is_ascii(to->item.final.local)) h->left[n++] = h->left[i];
        else to->outcome = FAILED(553, E(5, 6, 7), S("the address needs SMTPUTF8, which the server does not know"));
    }
    h->n_left = n;
}

/* RFC 6152 §3 */
static FIBER void fit_eightbit(struct run *r, struct haul *h)
{
    struct parcel *p = h->parcel;
    struct str letter;
    struct error e = {0};
    h->eightbit = p->letter->needs_8bit || h->utf8;
    if (h->n_left == 0 || !h->eightbit || offers(r, SMTP_OFFERS_8BITMIME)) return;
    if (h->size > LIMIT_DOWNGRADE) {
        settle_left(h, FAILED(554, E(5, 6, 3),
                              S("the server takes no 8-bit letters, and this one is too large to be "
                                "made 7-bit")));
        return;
    }
    if (!read_begin(r, h, p->arena, (size_t)h->size, &letter)) return;
    struct buf *out = buf_in(p->arena, 4 * (size_t)LIMIT_DOWNGRADE);
    if (mime_downgrade(p->arena, letter, out, &e)) {
        settle_left(h, FAILED(554, E(5, 6, 3),
                              arena_printf(p->arena,
                                           "the server takes no 8-bit letters, and this one cannot be made "
                                           "7-bit: %s",
                                           e.text)));
        return;
    }
    h->bytes = buf_str(out);
    h->size = (int64_t)out->n;
    h->eightbit = false;
}

FIBER void relay_fit(struct run *r, struct haul *h)
{
    struct parcel *p = h->parcel;
    uint64_t size_max = r->client.size_max;
    h->bytes = p->bytes;
    h->size = str_is_none(p->bytes) ? p->letter->letter->size : (int64_t)p->bytes.n;
    fit_utf8(r, h);
    fit_eightbit(r, h);
    if (size_max && (uint64_t)h->size > size_max) /* RFC 1870 §6 */
        settle_left(h, FAILED(552, E(5, 3, 4),
                              arena_printf(p->arena, "the letter has %lld bytes, the server takes %llu at most",
                                           (long long)h->size, (unsigned long long)size_max)));
}

/* ---- replies ---- */

/* RFC 5321 §4.5.3.1.10: also of servers that still say 552, and of those that give no status. */
static bool is_too_many(const struct smtp_verdict *v)
{
    bool bare = v->status.class == 0, says_so = v->status.subject == 5 && v->status.detail == 3;
    return v->step == SMTP_STEP_RCPT && (v->code == 452 || v->code == 552) && (bare || says_so);
}

static int count_accepted(const struct transport *t)
{
    int n = 0;
    for (size_t i = 0; i < t->out.n; i++) n += t->out.verdicts[i].step >= SMTP_STEP_DATA;
    return n;
}

/* "Log in first", "STARTTLS first": something to be mended between us and this host, and not the letter's fault. */
static bool is_our_matter(const struct run *r, const struct smtp_verdict *v)
{
    return v->code == 530 && (r->hosts.given || r->fallback.n);
}

static struct outcome outcome_of_reply(const struct run *r, const struct smtp_verdict *v)
{
    struct outcome o = {.remote = !v->unsaid, .code = v->code, .status = v->status, .text = v->text};
    if (v->code < 300) o.kind = OUTCOME_DELIVERED;
    else if (v->code >= 500 && !is_our_matter(r, v)) o.kind = OUTCOME_FAILED;
    else o.kind = OUTCOME_DEFERRED;
    o.passed_dsn = o.kind == OUTCOME_DELIVERED && offers(r, SMTP_OFFERS_DSN);
    return o;
}

/* No reply came. When all of the letter has gone out nobody knows whether it has arrived: it is tried again, for twice
 * is better than never (RFC 1047). */
static struct outcome outcome_of_break(const struct transport *t, const struct smtp_verdict *v, int error,
                                       const struct error *e)
{
    static const char *const where[] = {
        [SMTP_STEP_MAIL] = "at MAIL",
        [SMTP_STEP_RCPT] = "at RCPT",
        [SMTP_STEP_DATA] = "before all of the letter was sent",
    };
    struct arena *a = t->out.arena;
    const char *words = e->text[0] ? e->text : err_name(error);
    struct outcome o = {.kind = OUTCOME_DEFERRED, .status = error == ERR_SYNTAX ? E(4, 5, 0) : E(4, 4, 2)};
    if (v->step == SMTP_STEP_FINAL)
        o.text = arena_printf(a, "all of the letter was sent, but no answer came (%s): it may arrive twice", words);
    else o.text = arena_printf(a, "the connection ended %s: %s", where[v->step], words);
    return o;
}

static bool is_answered(const struct transport *t)
{
    for (size_t i = 0; i < t->out.n; i++)
        if (t->out.verdicts[i].code || t->out.verdicts[i].step > SMTP_STEP_MAIL) return true;
    return false;
}

/* Nothing was said for this recipient that would count as an attempt: the server ended a connection that had served
 * others, or we are stopping. */
static bool is_untried(const struct run *r, const struct smtp_verdict *v, int error)
{
    bool may_have_it = v->step == SMTP_STEP_FINAL;
    if (v->step == SMTP_STEP_MAIL && (v->code == 0 || (v->code == 421 && r->kept))) return true;
    return v->code == 0 && error == ERR_CANCELLED && !may_have_it;
}

void relay_judge(struct run *r, struct transport *t, int error, const struct error *words)
{
    struct haul *h = t->haul;
    int accepted = count_accepted(t);
    r->kept = r->served > 0;
    if (is_answered(t)) r->served++;
    for (size_t i = 0; i < t->out.n; i++) {
        const struct smtp_verdict *v = &t->out.verdicts[i];
        struct outcome *o = &h->parcel->v[t->who[i]].outcome;
        if (is_untried(r, v, error)) {
            h->left[h->n_left++] = t->who[i];
        } else if (accepted && is_too_many(v)) {
            h->left[h->n_left++] = t->who[i];
            r->rcpt_max = accepted;
        } else if (v->code) {
            *o = outcome_of_reply(r, v);
        } else if (t->read_error) {
            *o = outcome_unreadable(t->out.arena, t->read_error, words);
        } else {
            *o = outcome_of_break(t, v, error, words);
        }
    }
}
