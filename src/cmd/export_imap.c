/* penny export to another IMAP server: missing mailboxes are created, letters that are not there are appended, many in
 * one command or one write where the server takes that (MULTIAPPEND, RFC 3502; LITERAL+, RFC 7888), and flags that have
 * changed here are set there. Nothing is removed there. */
#include "base/codec.h"
#include "base/utf8.h"
#include "cmd/letters.h"
#include "cmd/migrate.h"

enum { BATCH_LETTERS = 100, BATCH_BYTES = 1 << 20 /* unless one letter alone is larger */ };

struct leaving { /* a letter on its way */
    struct sibling *is;
    size_t from, to; /* in the batch's bytes */
    unsigned tag;    /* of its own command */
};
struct batch {
    struct migration *m;
    struct buf bytes;
    struct leaving v[BATCH_LETTERS];
    size_t n;
};

/* ---- out of the store ---- */

static void take_piece(void *arg, struct str text)
{
    struct batch *b = arg;
    json_t *row = json_loadb(text.p, text.n, 0, NULL);
    struct sibling *s = siblings_find(&b->m->ours, (uid)request_int(row, "uid", 0));
    if (s && b->n < BATCH_LETTERS) b->v[b->n++] = (struct leaving){.is = s, .from = b->bytes.n};
    base64_decode(&b->bytes, request_text(row, "data"));
    if (b->n) b->v[b->n - 1].to = b->bytes.n;
    json_decref(row);
}

static void take_finding(void *arg, struct str line, bool finding)
{
    struct batch *b = arg;
    b->m->refused += finding;
    migration_finding(b->m, 0, "%.*s", STR_FMT(line));
}

/* The next letters that are wanted, from ours[*at] on. */
static FIBER int read_batch(struct batch *b, size_t *at, struct error *e)
{
    struct migration *m = b->m;
    const struct client_listener l = {.row = take_piece, .tell = take_finding, .arg = b};
    struct arena *a = arena_new(m->arena, 0);
    struct uid_set set = {0};
    int64_t bytes = 0;
    int n = 0;
    b->n = 0;
    buf_clear(&b->bytes);
    for (; *at < m->ours.n && n < BATCH_LETTERS; (*at)++) {
        const struct sibling *s = &m->ours.v[*at];
        if (!s->wanted) continue;
        if (n && bytes + s->size > BATCH_BYTES) break;
        uid_set_add(a, &set, s->uid, s->uid);
        bytes += s->size;
        n++;
    }
    struct buf *uids = buf_in(a, 1 << 16), *request = buf_in(a, LIMIT_ADMIN_REQUEST);
    imap_put_set(uids, &set);
    struct json j = migration_request(m, request, "letters.read");
    json_put_str(&j, "uids", buf_str(uids));
    json_put_int(&j, "after", n ? set.v[0].first - 1 : 0);
    json_put_end(&j, '}');
    int error = n ? client_ask(m->client, buf_str(request), &l, e) : 0;
    if (!error && b->bytes.failed) error = error_set(e, ERR_TOO_LONG, "a letter is longer than it should be");
    arena_free(a);
    return error;
}

/* ---- APPEND ---- */

static bool header_is_ascii(struct str letter)
{
    return str_is_ascii(str_head(letter, str_find(letter, S("\r\n\r\n"))));
}

/* append-message = " (flags) date literal" (RFC 9051 §9). Headers in UTF-8 go as RFC 6855 §4 wants them where that is
 * enabled. 0, an error, or 1: the server does not want it. */
static FIBER int put_letter(struct batch *b, const struct leaving *l, struct error *e)
{
    struct migration *m = b->m;
    struct imap_client *c = m->remote.client;
    struct str text = str_sub(buf_str(&b->bytes), l->from, l->to);
    struct buf *line = imap_client_line(c);
    bool utf8 = c->utf8 && !header_is_ascii(text);
    buf_char(line, ' ');
    imap_put_flags(line, l->is->flags & m->settable, m->pairs.words + FLAG_FIRST_OWN, 32 - FLAG_FIRST_OWN);
    buf_char(line, ' ');
    imap_put_date_time(line, l->is->at * US_PER_S, 0);
    buf_add(line, utf8 ? S(" UTF8 (") : S(" "));
    int r = imap_client_literal(c, text.n, utf8 || memchr(text.p, 0, text.n), e);
    if (!r) r = imap_client_bytes(c, text, e);
    if (!r && utf8) buf_char(line, ')');
    return r;
}

static FIBER int begin_append(struct migration *m, struct error *e)
{
    buf_lit(imap_client_begin(m->remote.client), "APPEND ");
    return imap_client_string(m->remote.client, m->raw, e);
}

/* The letters [first, first + n) are there now, as the last response says. */
static void note(struct batch *b, size_t first, size_t n)
{
    struct migration *m = b->m;
    const struct imap_response *r = &m->remote.client->said;
    struct uid_set set = {0};
    uint64_t validity;
    bool told = str_ieq(r->code, S("APPENDUID")) && imap_value_number(r->codes, UINT32_MAX, &validity) && /* RFC 4315 */
                validity == m->pairs.their_validity && imap_value_set(m->arena, r->codes->next, &set) &&
                uid_set_count(&set) == n;
    for (size_t i = 0, range = 0, at = 0; i < n; i++) {
        struct sibling *s = b->v[first + i].is;
        uid theirs = told ? set.v[range].first + (uid)at : 0;
        migration_pair(m, NULL, theirs, s->uid, s->flags);
        if (told && theirs == set.v[range].last) range++, at = 0;
        else at++;
    }
    m->carried += (int64_t)n;
}

/* One letter that is refused keeps nobody else; a full account does. */
static int refuse(struct batch *b, size_t i, struct error *e)
{
    struct imap_client *c = b->m->remote.client;
    struct error why;
    if (str_ieq(c->said.code, S("OVERQUOTA"))) /* RFC 9208 §4.3 */
        return imap_client_refused(c, ERR_NO_SPACE, "there is no more room there", e);
    imap_client_refused(c, ERR_UNAVAILABLE, "is refused", &why);
    b->m->refused++;
    migration_finding(b->m, b->v[i].is->uid, "%s", why.text);
    return 0;
}

/* Each with a command of its own, those before it answered or not. */
static FIBER int append_each(struct batch *b, struct error *e)
{
    struct imap_client *c = b->m->remote.client;
    bool at_once = c->offers & IMAP_OFFERS_LITERAL_PLUS;
    int error = 0;
    for (size_t i = 0, heard = 0; heard < b->n && !error;) {
        int r = 0;
        if (i < b->n) {
            r = begin_append(b->m, e);
            if (!r) r = put_letter(b, &b->v[i], e);
            if (!r) r = imap_client_end(c, &b->v[i].tag, e);
            if (r < 0) return r;
            if (r == 0 && ++i < b->n && at_once) continue;
        }
        if (r == 0) error = imap_client_wait(c, b->v[heard].tag, e);
        else i++; /* refused before it was said: nothing else is under way */
        if (error) break;
        if (r == 0 && c->said.condition == IMAP_OK) note(b, heard, 1);
        else error = refuse(b, heard, e);
        heard++;
    }
    return error;
}

/* All in one command, which does all or nothing (RFC 3502). 1: nothing. */
static FIBER int append_together(struct batch *b, struct error *e)
{
    struct imap_client *c = b->m->remote.client;
    unsigned tag;
    int r = begin_append(b->m, e);
    for (size_t i = 0; i < b->n && !r; i++) r = put_letter(b, &b->v[i], e);
    if (!r) r = imap_client_end(c, &tag, e);
    if (!r) r = imap_client_wait(c, tag, e);
    if (r) return r;
    if (c->said.condition != IMAP_OK) return 1;
    note(b, 0, b->n);
    return 0;
}

static FIBER int append_all(struct migration *m, struct error *e)
{
    struct batch *b = arena_new_of(m->arena, struct batch);
    int error = 0;
    b->m = m;
    b->bytes = BUF((size_t)(2 * LIMIT_MESSAGE));
    for (size_t at = 0; at < m->ours.n && !error;) {
        error = read_batch(b, &at, e);
        if (error || b->n == 0) continue;
        int r = b->n > 1 && m->remote.client->offers & IMAP_OFFERS_MULTIAPPEND ? append_together(b, e) : 1;
        error = r == 1 ? append_each(b, e) : r;
        m->done += (int64_t)b->n;
        migration_progress(m, false);
        if (!error) error = migration_remember(m, false, e);
    }
    buf_free(&b->bytes);
    return error;
}

/* ---- a mailbox ---- */

static FIBER int store_flags(struct migration *m, flag_set flags, const struct uid_set *set, struct error *e)
{
    struct imap_client *c = m->remote.client;
    struct buf *b = imap_client_begin(c);
    buf_lit(b, "UID STORE ");
    imap_put_set(b, set);
    buf_lit(b, " FLAGS.SILENT ");
    imap_put_flags(b, flags & m->settable, m->pairs.words + FLAG_FIRST_OWN, 32 - FLAG_FIRST_OWN);
    struct error why;
    int error = imap_client_finish(c, ERR_UNAVAILABLE, "flags are refused", &why);
    if (!error) return 0;
    if (imap_client_broken(c)) return *e = why, error;
    migration_finding(m, 0, "%s", why.text);
    m->refused++;
    return 0;
}

static void choose_letters(struct migration *m)
{
    uint64_t most = m->remote.client->append_limit;
    for (size_t i = 0; i < m->ours.n; i++) {
        struct sibling *s = &m->ours.v[i];
        if (s->pair != NO_PAIR) {
            m->there++;
        } else if (m->since && s->at * US_PER_S < m->since) {
            continue;
        } else if (most && (uint64_t)s->size > most) {
            m->too_large++;
            migration_finding(m, s->uid, "has %lld bytes, the server takes at most %llu", (long long)s->size,
                              (unsigned long long)most);
        } else {
            s->wanted = true;
            m->total++;
        }
    }
}

struct box { /* one of ours */
    struct str name;
    enum special_use use;
    bool subscribed;
};
struct boxes {
    struct migration *m;
    struct box *v;
    size_t n, cap;
    struct places there;
};

static FIBER int transfer(struct migration *m, struct error *e)
{
    int error = migration_match(m, false, e);
    if (error) return error;
    choose_letters(m);
    error = migration_follow_flags(m, false, store_flags, e);
    if (m->dry) m->carried += m->total;
    else if (!error) error = append_all(m, e);
    return error;
}

/* CREATE, for its use where that can be said (RFC 6154 §3), and SUBSCRIBE. What is refused SELECT will show. */
static FIBER int create(struct migration *m, const struct box *box, struct error *e)
{
    struct imap_client *c = m->remote.client;
    struct buf *b = imap_client_begin(c);
    buf_lit(b, "CREATE ");
    int r = imap_client_string(c, m->raw, e);
    if (!r && box->use && c->offers & IMAP_OFFERS_CREATE_USE) {
        buf_lit(b, " (USE (");
        buf_add(b, special_use_attribute(box->use));
        buf_lit(b, "))");
    }
    if (!r) imap_client_finish(c, ERR_UNAVAILABLE, "", NULL);
    if (!box->subscribed || imap_client_broken(c)) return 0;
    buf_lit(imap_client_begin(c), "SUBSCRIBE ");
    if (imap_client_string(c, m->raw, e) == 0) imap_client_finish(c, ERR_UNAVAILABLE, "", NULL);
    return 0;
}

/* A mailbox that cannot be made or opened there is named, and the rest goes on. */
static FIBER int export_box(struct migration *m, const struct box *box, struct str raw, bool there, struct error *e)
{
    struct error why = {0};
    bool own = false;
    migration_enter(m, box->name, raw);
    int error = migration_survey_ours(m, false, USE_NONE, false, e);
    if (!error && !there && !m->dry) error = create(m, box, e);
    if (!error && (there || !m->dry)) {
        error = migration_survey_theirs(m, !m->dry, &why);
        own = error && !imap_client_broken(m->remote.client);
        if (error) *e = why;
    }
    if (own) {
        migration_finding(m, 0, "%s", why.text);
        m->refused++;
    } else if (!error) {
        error = transfer(m, e);
        int noted = migration_remember(m, true, &why);
        if (!error && noted) *e = why, error = noted;
    }
    migration_leave(m);
    return own ? 0 : error;
}

/* ---- all of them ---- */

static void take_box(void *arg, struct str row)
{
    struct boxes *all = arg;
    struct arena *a = all->m->program->arena;
    json_t *o = json_loadb(row.p, row.n, 0, NULL);
    struct str name = request_text(o, "mailbox");
    const char *only = all->m->only;
    bool chosen = only ? str_eq(name, str_c(only)) : true;
    for (size_t i = 0; i < all->m->exclude.n && chosen; i++) chosen = !place_matches(str_c(all->m->exclude.v[i]), name);
    if (chosen) {
        all->v = arena_grow(a, all->v, all->n, &all->cap, sizeof *all->v);
        all->v[all->n++] =
            (struct box){arena_str(a, name), migration_use(request_text(o, "use")), request_bool(o, "subscribed")};
    }
    json_decref(o);
}

/* How our mailbox is called there, and whether it is there already. */
static struct str where_to(const struct boxes *all, const struct box *box, bool *there)
{
    struct arena *a = all->m->program->arena;
    struct str under = all->m->remote.url.mailbox, name = box->name;
    bool top = str_eq(name, S("INBOX")) || all->m->only;
    if (under.n) name = top ? under : arena_printf(a, "%.*s/%.*s", STR_FMT(under), STR_FMT(name));
    *there = true;
    for (size_t i = 0; i < all->there.n && !under.n && box->use > USE_INBOX; i++)
        if (all->there.v[i].use == box->use) return all->there.v[i].raw;
    for (size_t i = 0; i < all->there.n; i++)
        if (str_eq(all->there.v[i].name, name) && !all->there.v[i].holds_none) return all->there.v[i].raw;
    *there = str_eq(name, S("INBOX"));
    return place_raw(a, name, all->there.separator, all->there.prefix, all->m->remote.client->utf8);
}

static FIBER int export_all(struct migration *m, struct error *e)
{
    struct boxes all = {.m = m};
    const struct client_listener l = {.row = take_box, .arg = &all};
    struct buf *b = buf_in(m->program->arena, LIMIT_ADMIN_REQUEST);
    struct json j = migration_request(m, b, "mailbox.list");
    json_put_end(&j, '}');
    int error = client_ask(m->client, buf_str(b), &l, e);
    if (!error && m->only && all.n == 0) error = error_set(e, ERR_NOT_FOUND, "there is no mailbox \"%s\"", m->only);
    if (!error) error = remote_list(&m->remote, &all.there, e);
    for (size_t i = 0; i < all.n && !error; i++) {
        bool there;
        struct str raw = where_to(&all, &all.v[i], &there);
        error = export_box(m, &all.v[i], raw, there, e);
    }
    return error;
}

int export_imap(struct program *p, const char *account, const char *url, const char *only,
                const struct migration_wishes *w)
{
    struct migration m = {.only = only};
    return migration_run(&m, p, account, url, w, export_all);
}
