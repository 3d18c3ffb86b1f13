/* penny import from another IMAP server. Letters are fetched many with one command, so that the server never waits for
 * us (several commands at once it may answer in any order), and go into the store by the same requests as those of
 * files. The server is only read from: EXAMINE, BODY.PEEK.
 *
 * A mailbox with the use \All (Gmail's "All Mail") has what is in the others too: it comes last, and gives what is
 * nowhere else, where the server says which letters are the same one. */
#include <stdio.h>

#include "cmd/import.h"
#include "cmd/letters.h"
#include "cmd/migrate.h"
#include "mail/limits.h"

struct fetching {
    struct migration *m;
    struct arena *arena;            /* of what waits to be sent */
    struct buf bytes, items;        /* texts of letters; their JSON */
    struct sibling *came[LETTERS_AT_ONCE];
    size_t n;
};

/* ---- into the store ---- */

static void take_uids(void *arg, const json_t *facts)
{
    struct fetching *f = arg;
    const json_t *uids = json_object_get(facts, "uids");
    for (size_t i = 0; i < f->n && i < json_array_size(uids); i++) {
        struct sibling *s = f->came[i];
        migration_pair(f->m, s, s->uid, (uid)json_integer_value(json_array_get(uids, i)), s->flags);
    }
}

static FIBER int send_letters(struct fetching *f, struct error *e)
{
    struct migration *m = f->m;
    const struct client_listener l = {.done = take_uids, .arg = f};
    if (f->n == 0) return 0;
    struct buf *b = buf_in(f->arena, LIMIT_ADMIN_REQUEST);
    struct json j = migration_request(m, b, "letters.append");
    json_put_int(&j, "bytes", (int64_t)f->bytes.n);
    buf_lit(b, ",\"letters\":[");
    buf_add(b, buf_str(&f->items));
    buf_lit(b, "]}");
    int error = b->failed ? error_set(e, ERR_TOO_LONG, "that is too much for one request")
                          : client_ask_with(m->client, buf_str(b), buf_str(&f->bytes), &l, e);
    if (!error) m->carried += (int64_t)f->n;
    f->n = 0;
    buf_clear(&f->bytes);
    buf_clear(&f->items);
    arena_reset(f->arena);
    return error ? error : migration_remember(m, false, e);
}

static void put_item(struct fetching *f, const struct sibling *s, struct str text)
{
    if (f->n) buf_char(&f->items, ',');
    struct json j = JSON(&f->items);
    json_put_object(&j, NULL);
    json_put_int(&j, "size", (int64_t)text.n);
    json_put_int(&j, "at", s->at * US_PER_S);
    migration_put_flags(f->m, &j, s->flags);
    json_put_end(&j, '}');
}

static FIBER int take_letter(struct fetching *f, struct sibling *s, struct str text, struct error *e)
{
    int error = 0;
    if (f->n == LETTERS_AT_ONCE || (f->n && f->bytes.n + text.n > LETTERS_BYTES_AT_ONCE) ||
        f->items.n > LIMIT_ADMIN_REQUEST / 2)
        error = send_letters(f, e);
    if (error) return error;
    buf_add(&f->bytes, text);
    put_item(f, s, text);
    f->came[f->n++] = s;
    s->wanted = false;
    f->m->done++;
    migration_progress(f->m, false);
    return 0;
}

static void leave_out(struct fetching *f, struct sibling *s, const char *why)
{
    struct migration *m = f->m;
    s->wanted = false;
    m->done++;
    m->refused++;
    migration_finding(m, s->uid, "%s", why);
}

static FIBER bool hear_letter(void *arg, const struct imap_client *c)
{
    struct fetching *f = arg;
    struct imap_fetched fetched;
    struct migration *m = f->m;
    struct arena *a = arena_new(m->arena, 0);
    bool right = imap_fetched(a, &c->said, &fetched) && (c->has_body || fetched.body.n);
    struct sibling *s = right ? siblings_find(&m->theirs, fetched.uid) : NULL;
    right = s && s->wanted && s->asked; /* else nobody asked for it, or it comes twice */
    struct str text = c->has_body ? buf_str(&c->body) : fetched.body;
    if (right && c->body_size > c->body_max) {
        s->wanted = false;
        m->done++;
        m->too_large++;
        migration_finding(m, s->uid, "is larger than 50 MB and stays out");
    } else if (right && text.n == 0) {
        leave_out(f, s, "is empty and stays out");
    } else if (right && !m->result) {
        m->result = take_letter(f, s, text, &m->error);
    }
    arena_free(a);
    return right;
}

/* ---- asking ---- */

/* Letters [from, to) of theirs, as far as they are wanted. What all of them are refused for may be one alone: each half
 * is asked for again, down to the one, which is named. */
static FIBER int fetch_range(struct fetching *f, size_t from, size_t to, struct error *e)
{
    struct migration *m = f->m;
    struct imap_client *c = m->remote.client;
    struct sibling *only = NULL;
    struct uid_set set = {0};
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        struct sibling *s = &m->theirs.v[i];
        if (!s->wanted) continue;
        uid_set_add(m->arena, &set, s->uid, s->uid);
        s->asked = true;
        only = s;
        n++;
    }
    if (n == 0) return 0;
    struct error why = {0};
    struct buf *line = imap_client_begin(c);
    buf_lit(line, "UID FETCH ");
    imap_put_set(line, &set);
    buf_lit(line, " (UID BODY.PEEK[])");
    int error = imap_client_finish(c, ERR_UNAVAILABLE, "is refused", &why);
    if (error && imap_client_broken(c)) return *e = why, error;
    if (m->result) return *e = m->error, m->result;
    if (error && n == 1) {
        if (only->wanted) leave_out(f, only, why.text);
        return 0;
    }
    if (!error) return 0; /* what did not come is gone meanwhile */
    error = fetch_range(f, from, from + (to - from) / 2, e);
    return error ? error : fetch_range(f, from + (to - from) / 2, to, e);
}

static FIBER int fetch_all(struct fetching *f, struct error *e)
{
    struct siblings *theirs = &f->m->theirs;
    int error = 0;
    for (size_t from = 0, to; from < theirs->n && !error; from = to) {
        size_t n = 0, ranges = 0;
        bool was = false;
        for (to = from; to < theirs->n && n < LIMIT_REMOTE_BATCH && ranges < LIMIT_REMOTE_RANGES; to++) {
            bool wanted = theirs->v[to].wanted;
            n += wanted;
            ranges += wanted && (!was || theirs->v[to].uid != theirs->v[to - 1].uid + 1);
            was = wanted;
        }
        error = fetch_range(f, from, to, e);
    }
    return error;
}

static FIBER int fetch_letters(struct migration *m, struct error *e)
{
    struct fetching f = {.m = m, .arena = arena_new(m->arena, 0), .items = BUF(LIMIT_ADMIN_REQUEST)};
    struct error sent;
    struct imap_client *c = m->remote.client;
    f.bytes = BUF((size_t)(2 * LIMIT_MESSAGE));
    c->body_max = LIMIT_MESSAGE;
    c->heard = hear_letter;
    c->arg = &f;
    int error = fetch_all(&f, e);
    c->heard = NULL;
    int last = m->result ? 0 : send_letters(&f, &sent); /* what came before the connection broke is kept */
    if (last && !error) *e = sent;
    buf_free(&f.bytes);
    buf_free(&f.items);
    return error ? error : last;
}

/* ---- a mailbox ---- */

static void choose_letters(struct migration *m)
{
    for (size_t i = 0; i < m->theirs.n; i++) {
        struct sibling *s = &m->theirs.v[i];
        s->asked = false;
        if (s->pair != NO_PAIR) {
            m->there++;
        } else if (m->since && s->at * US_PER_S < m->since) {
            continue;
        } else if (s->size > LIMIT_MESSAGE) {
            m->too_large++;
            migration_finding(m, s->uid, "has %lld MB, more than 50, and stays out", (long long)(s->size >> 20));
        } else {
            s->wanted = true;
            m->total++;
        }
    }
}

static FIBER int change_flags(struct migration *m, flag_set flags, const struct uid_set *set, struct error *e)
{
    struct buf *b = buf_in(m->arena, LIMIT_ADMIN_REQUEST), *uids = buf_in(m->arena, LIMIT_ADMIN_REQUEST);
    struct json j = migration_request(m, b, "letters.flags");
    imap_put_set(uids, set);
    json_put_str(&j, "uids", buf_str(uids));
    migration_put_flags(m, &j, flags);
    json_put_end(&j, '}');
    return client_ask(m->client, buf_str(b), NULL, e);
}

/* Letters of \All that are in other mailboxes too. */
static void pass_over_seen(struct migration *m)
{
    for (size_t i = 0; i < m->theirs.n; i++) {
        struct sibling *s = &m->theirs.v[i];
        if (!s->wanted || !s->object || !map_get(&m->seen, str_of(&s->object, sizeof s->object))) continue;
        s->wanted = false;
        m->total--;
        m->there++;
    }
}

static void note_seen(struct migration *m)
{
    for (size_t i = 0; i < m->theirs.n; i++) {
        const struct sibling *s = &m->theirs.v[i];
        struct str key = str_of(&s->object, sizeof s->object);
        if (!s->object || !(s->wanted || s->pair != NO_PAIR) || map_get(&m->seen, key)) continue;
        map_set(&m->seen, arena_str(m->program->arena, key), m);
    }
}

struct going { /* one mailbox of theirs and where it goes */
    const struct place *place;
    struct str name;
    enum special_use use; /* that it gets here if it is made */
};

static FIBER int transfer(struct migration *m, const struct going *g, struct error *e)
{
    int error = migration_match(m, true, e);
    if (error) return error;
    choose_letters(m);
    if (g->place->all) pass_over_seen(m);
    else note_seen(m);
    error = migration_follow_flags(m, true, change_flags, e);
    if (m->dry) m->carried += m->total;
    else if (!error) error = fetch_letters(m, e);
    return error;
}

/* A mailbox that cannot be made or opened is named, and the rest goes on. */
static FIBER int import_place(struct migration *m, const struct going *g, struct error *e)
{
    struct error why;
    migration_enter(m, g->name, g->place->raw);
    int error = migration_survey_ours(m, !m->dry, g->use, g->place->subscribed, &why);
    bool own = error == ERR_SYNTAX || error == ERR_TOO_LONG || error == ERR_CONFLICT;
    if (!error) {
        error = migration_survey_theirs(m, false, &why);
        own = !imap_client_broken(m->remote.client);
    }
    if (error && own) {
        migration_finding(m, 0, "%s", why.text);
        m->refused++;
    } else if (error) {
        *e = why;
    } else {
        error = transfer(m, g, e);
        own = false;
        int noted = migration_remember(m, true, &why);
        if (!error && noted) *e = why, error = noted;
    }
    migration_leave(m);
    return own ? 0 : error;
}

/* ---- all of them ---- */

struct roles { /* the mailboxes of the account that have a use, by use */
    struct arena *arena;
    struct str of[USE_ARCHIVE + 1];
};

static void take_use(void *arg, struct str row)
{
    struct roles *roles = arg;
    json_t *o = json_loadb(row.p, row.n, 0, NULL);
    enum special_use use = migration_use(request_text(o, "use"));
    if (use) roles->of[use] = arena_str(roles->arena, request_text(o, "mailbox"));
    json_decref(o);
}

static FIBER int ask_roles(struct migration *m, struct roles *out, struct error *e)
{
    const struct client_listener l = {.row = take_use, .arg = out};
    struct buf *b = buf_in(m->program->arena, LIMIT_ADMIN_REQUEST);
    *out = (struct roles){.arena = m->program->arena};
    struct json j = migration_request(m, b, "mailbox.list");
    json_put_end(&j, '}');
    return client_ask(m->client, buf_str(b), &l, e);
}

static bool is_chosen(const struct migration *m, const struct place *p)
{
    struct str only = m->remote.url.mailbox;
    if (p->holds_none || p->name.n == 0) return false;
    bool named = only.n && str_starts(p->name, only) && (p->name.n == only.n || p->name.p[only.n] == '/');
    if (only.n ? !named : p->is_virtual) return false;
    for (size_t i = 0; i < m->exclude.n; i++)
        if (place_matches(str_c(m->exclude.v[i]), p->name)) return false;
    return true;
}

/* Where a mailbox goes. Of a use that the account has a mailbox for, into that one, and what is below it below that. */
static struct going where_to(struct migration *m, const struct places *all, const struct place *p,
                             const struct roles *roles)
{
    struct arena *a = m->program->arena;
    struct going g = {.place = p, .name = p->name};
    if (m->under.n) {
        if (str_eq(p->name, S("INBOX")) || str_eq(p->name, m->remote.url.mailbox)) g.name = m->under;
        else g.name = arena_printf(a, "%.*s/%.*s", STR_FMT(m->under), STR_FMT(p->name));
        return g;
    }
    for (size_t i = 0; i < all->n; i++) {
        const struct place *role = &all->v[i];
        if (!role->use || !str_starts(p->name, role->name) || role->name.n == 0) continue;
        struct str rest = str_skip(p->name, role->name.n);
        if (rest.n && rest.p[0] != '/') continue;
        struct str ours = roles->of[role->use];
        if (ours.n) g.name = arena_printf(a, "%.*s%.*s", STR_FMT(ours), STR_FMT(rest));
        else if (rest.n == 0) g.use = role->use;
    }
    return g;
}

static FIBER int import_all(struct migration *m, struct error *e)
{
    struct places all = {0};
    struct roles roles;
    size_t chosen = 0;
    int error = remote_list(&m->remote, &all, e);
    if (!error) error = ask_roles(m, &roles, e);
    for (int last = 0; last < 2; last++) /* those that show all letters */
        for (size_t i = 0; i < all.n && !error; i++) {
            const struct place *p = &all.v[i];
            if (last && p->name.n == 0 && !p->holds_none) {
                fprintf(stderr, "a mailbox is called there what none can be called here, and stays out\n");
                m->refused++;
            }
            if (p->all != last || !is_chosen(m, p)) continue;
            struct going g = where_to(m, &all, p, &roles);
            chosen++;
            error = import_place(m, &g, e);
            if (!error && g.use) roles.of[g.use] = g.name;
        }
    if (error || chosen || !m->remote.url.mailbox.n) return error;
    return error_set(e, ERR_NOT_FOUND, "%.*s has no mailbox \"%.*s\"", STR_FMT(m->remote.url.host),
                     STR_FMT(m->remote.url.mailbox));
}

int import_imap(struct program *p, const char *account, const char *url, const char *under,
                const struct migration_wishes *w)
{
    struct migration m = {.under = str_c(under)};
    return migration_run(&m, p, account, url, w, import_all);
}
