/* Aliases: adding and removing targets, never so that they form a loop or a chain too long (mail-rules.md, "Addresses
 * and look-up").
 *
 * An alias may have the name of an account if it names itself too: that keeps a copy for the account. The last target
 * of a postmaster stays (RFC 5321 §4.5.1). */
#include "mail/limits.h"
#include "store/inside.h"

struct alias_request {
    struct address shown, key;
    const struct address *targets; /* as typed */
    size_t n;
    bool may_send;
};

struct target {
    struct address key, shown;
};

static bool has(const struct address *v, size_t n, struct address key)
{
    for (size_t i = 0; i < n; i++)
        if (address_key_eq(v[i], key)) return true;
    return false;
}

/* ---- loops and depth ---- */

struct walk {
    const struct directory *d;
    struct address start;
    int steps; /* look-ups left */
};

enum { LOOP = -1 };

/* Aliases on the longest way down from `key`, itself included; LOOP when the way comes back to the start or has no end.
 */
static int height(struct walk *w, struct address key, int depth)
{
    const struct directory_alias *alias;
    const struct directory_account *account;
    if (--w->steps < 0 || depth > LIMIT_ALIAS_DEPTH) return LOOP;
    directory_look_up(w->d, key, &alias, &account);
    if (!alias) return 0;
    if (depth > 0 && address_key_eq(alias->key, w->start)) return LOOP;
    int most = 0;
    for (size_t i = 0; i < alias->n_targets; i++) {
        if (address_key_eq(alias->targets[i], alias->key)) continue; /* itself: its account */
        int below = height(w, alias->targets[i], depth + 1);
        if (below < 0) return LOOP;
        if (below > most) most = below;
    }
    return most + 1;
}

struct above { /* aliases that lead to the ones found before */
    const struct directory *d;
    struct arena *arena;
    const struct directory_alias **found, **next;
    size_t n_found, n_next, cap;
};

static void note_above(const struct directory_alias *a, void *arg)
{
    struct above *up = arg;
    for (size_t i = 0; i < a->n_targets && up->n_next < up->cap; i++) {
        const struct directory_alias *to;
        const struct directory_account *account;
        directory_look_up(up->d, a->targets[i], &to, &account);
        for (size_t k = 0; to && to != a && k < up->n_found; k++)
            if (up->found[k] == to) {
                up->next[up->n_next++] = a;
                return;
            }
    }
}

/* Aliases on the longest way that leads to this one, at most LIMIT_ALIAS_DEPTH + 1. */
static int depth_above(struct store *s, const struct directory *d, const struct directory_alias *of)
{
    enum { ABOVE = 10000 };
    struct above up = {.d = d, .arena = s->writer.arena, .cap = ABOVE, .n_found = 1};
    up.found = arena_array(up.arena, ABOVE, sizeof(*up.found));
    up.next = arena_array(up.arena, ABOVE, sizeof(*up.next));
    up.found[0] = of;
    int depth = 0;
    for (; depth <= LIMIT_ALIAS_DEPTH; depth++) {
        up.n_next = 0;
        directory_scan_aliases(d, note_above, &up);
        if (up.n_next == 0) break;
        const struct directory_alias **swap = up.found;
        up.found = up.next;
        up.n_found = up.n_next;
        up.next = swap;
    }
    return depth;
}

/* The snapshot has the new alias already; a refusal throws it away with the group. */
static int check_ways(struct store *s, struct address key, struct error *e)
{
    struct directory *d = writer_directory(s);
    struct walk w = {d, key, 10 * LIMIT_ALIAS_TARGETS};
    int below = height(&w, key, 0);
    if (below < 0) return error_set(e, ERR_CONFLICT, "the alias would lead to itself, or through too many others");
    if (below + depth_above(s, d, directory_alias(d, key)) > LIMIT_ALIAS_DEPTH)
        return error_set(e, ERR_CONFLICT, "more than %d aliases would follow one another", LIMIT_ALIAS_DEPTH);
    return 0;
}

/* ---- adding ---- */

static int insert_alias(struct store *s, const struct alias_request *a, const struct directory_alias *former,
                        int64_t *row, struct error *e)
{
    struct directory *d = writer_directory(s);
    struct query q;
    if (former) {
        *row = directory_alias_row(former);
        if (former->may_send == a->may_send) return 0;
        q = db_query(s->writer.db, SQL_ADDRESS_MAY_SEND);
        q_int(&q, a->may_send);
        q_int(&q, *row);
        return q_run(&q, e);
    }
    *row = store_new_id(s);
    q = db_query(s->writer.db, SQL_ADDRESS_INSERT);
    q_int(&q, *row);
    q_int(&q, directory_domain(d, a->key.domain)->id);
    q_text(&q, a->key.local);
    q_text(&q, a->shown.local);
    q_int(&q, 2);
    q_int(&q, 0);
    q_int(&q, a->may_send);
    return q_run(&q, e);
}

static int insert_target(struct store *s, int64_t row, const struct target *t, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_TARGET_PUT);
    q_int(&q, row);
    q_text(&q, t->key.domain);
    q_text(&q, t->key.local);
    q_text(&q, t->shown.domain);
    q_text(&q, t->shown.local);
    return q_run(&q, e);
}

static int put_targets(struct store *s, const struct alias_request *a, const struct directory_alias *former,
                       int64_t row, struct error *e)
{
    struct arena *arena = s->writer.arena;
    size_t n = former ? former->n_targets : 0, most = n + a->n;
    struct address *keys = arena_array(arena, most, sizeof *keys), *shown = arena_array(arena, most, sizeof *shown);
    if (n) memcpy(keys, former->targets, n * sizeof *keys);
    if (n) memcpy(shown, former->targets_shown, n * sizeof *shown);
    for (size_t i = 0; i < a->n; i++) {
        struct target t = {.shown = a->targets[i]};
        if (address_key(arena, a->targets[i], &t.key)) return error_set(e, ERR_SYNTAX, "a target is no address");
        if (has(keys, n, t.key)) continue;
        int r = insert_target(s, row, &t, e);
        if (r) return r;
        keys[n] = t.key;
        shown[n++] = t.shown;
    }
    if (n == 0) return error_set(e, ERR_SYNTAX, "an alias needs a target");
    if (n > LIMIT_ALIAS_TARGETS)
        return error_set(e, ERR_CONFLICT, "an alias has at most %d targets", LIMIT_ALIAS_TARGETS);
    struct directory_alias fresh = {.key = a->key,
                                    .shown = former ? former->shown : a->shown,
                                    .may_send = a->may_send,
                                    .targets = keys,
                                    .targets_shown = shown,
                                    .n_targets = n};
    directory_set_alias(writer_directory(s), &fresh, row);
    return 0;
}

static int run_alias_add(struct store *s, void *args, struct error *e)
{
    const struct alias_request *a = args;
    struct directory *d = writer_directory(s);
    const struct directory_domain *domain = directory_domain(d, a->key.domain);
    if (!domain || domain->alias_of)
        return error_set(e, ERR_NOT_FOUND, "the domain %.*s is not hosted here", STR_FMT(a->key.domain));
    int64_t row;
    const struct directory_alias *former = directory_alias(d, a->key);
    int r = insert_alias(s, a, former, &row, e);
    if (!r) r = put_targets(s, a, former, row, e);
    if (r) return r;
    const struct directory_alias *now = directory_alias(d, a->key);
    bool itself = has(now->targets, now->n_targets, now->key), account = directory_account(d, a->key) != NULL;
    if (account && !itself)
        return error_set(e, ERR_EXISTS, "an account has this name; name it as a target too to keep its copy");
    if (itself && !account)
        return error_set(e, ERR_NOT_FOUND, "the alias names itself, but there is no account of that name");
    return check_ways(s, a->key, e);
}

/* ---- removing ---- */

static int delete_target(struct store *s, int64_t row, struct address key, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_TARGET_DELETE);
    q_int(&q, row);
    q_text(&q, key.domain);
    q_text(&q, key.local);
    return q_run(&q, e);
}

static int delete_alias(struct store *s, const struct directory_alias *a, struct error *e)
{
    int64_t row = directory_alias_row(a);
    enum sql both[] = {SQL_TARGETS_DELETE, SQL_ADDRESS_DELETE};
    int r = 0;
    for (int i = 0; !r && i < 2; i++) {
        struct query q = db_query(s->writer.db, both[i]);
        q_int(&q, row);
        r = q_run(&q, e);
    }
    return r;
}

/* Takes the targets that are among `gone` (n_gone 0: all) out of an alias of the next snapshot. */
static int take_out(struct store *s, const struct directory_alias *a, const struct address *gone, size_t n_gone,
                    struct error *e)
{
    struct arena *arena = s->writer.arena;
    struct address *keys = arena_array(arena, a->n_targets, sizeof *keys),
                   *shown = arena_array(arena, a->n_targets, sizeof *shown);
    size_t n = 0;
    for (size_t i = 0; n_gone && i < a->n_targets; i++) {
        if (has(gone, n_gone, a->targets[i])) continue;
        keys[n] = a->targets[i];
        shown[n++] = a->targets_shown[i];
    }
    if (n == a->n_targets) return 0;
    if (n == 0 && str_eq(a->key.local, S("postmaster")))
        return error_set(e, ERR_CONFLICT, "%.*s must have a postmaster", STR_FMT(a->key.domain));
    struct directory *d = writer_directory(s);
    if (n == 0) {
        int r = delete_alias(s, a, e);
        if (!r) directory_drop_alias(d, a->key);
        return r;
    }
    for (size_t i = 0; i < n_gone; i++) {
        int r = delete_target(s, directory_alias_row(a), gone[i], e);
        if (r) return r;
    }
    struct directory_alias fresh = *a;
    fresh.targets = keys;
    fresh.targets_shown = shown;
    fresh.n_targets = n;
    directory_set_alias(d, &fresh, directory_alias_row(a));
    return 0;
}

static int run_alias_remove(struct store *s, void *args, struct error *e)
{
    const struct alias_request *a = args;
    struct directory *d = writer_directory(s);
    const struct directory_alias *alias = directory_alias(d, a->key);
    if (!alias) return error_set(e, ERR_NOT_FOUND, "there is no such alias");
    struct address *gone = arena_array(s->writer.arena, a->n, sizeof *gone);
    for (size_t i = 0; i < a->n; i++) {
        if (address_key(s->writer.arena, a->targets[i], &gone[i]))
            return error_set(e, ERR_SYNTAX, "a target is no address");
        if (!has(alias->targets, alias->n_targets, gone[i]))
            return error_set(e, ERR_NOT_FOUND, "the alias has no such target");
    }
    int r = take_out(s, alias, gone, a->n, e);
    alias = r ? NULL : directory_alias(d, a->key);
    if (alias && directory_account(d, a->key) && !has(alias->targets, alias->n_targets, a->key))
        return error_set(e, ERR_CONFLICT, "the account of this name would get no mail any more");
    return r;
}

int aliases_forget(struct store *s, const struct directory_alias *a, const struct directory_account *account,
                   struct error *e)
{
    const struct address *keys;
    size_t n = directory_account_keys(account, &keys);
    return take_out(s, a, keys, n, e);
}

static const struct job_kind alias_add_job = {.name = "alias add", .run = run_alias_add, .makes_ids = true};
static const struct job_kind alias_remove_job = {.name = "alias remove", .run = run_alias_remove};

FIBER int store_alias_add(struct store *s, struct address shown, struct address key, const struct address *targets,
                          size_t n, bool may_send, struct error *e)
{
    struct alias_request a = {shown, key, targets, n, may_send};
    int r = key_check(key, e);
    return r ? r : store_job(s, &alias_add_job, &a, 0, e);
}

FIBER int store_alias_remove(struct store *s, struct address key, const struct address *targets, size_t n,
                             struct error *e)
{
    struct alias_request a = {.key = key, .targets = targets, .n = n};
    return store_job(s, &alias_remove_job, &a, 0, e);
}
