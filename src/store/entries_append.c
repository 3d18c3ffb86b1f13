/* APPEND, of one letter or several, and REPLACE (RFC 9051 §6.3.12, RFC 3502, RFC 8508): one commit. Bodies are placed
 * in packs as those of new mail are, before the transaction (accept.c). */
#include "store/entries_inside.h"

struct append {
    struct appending *a;
    struct acceptance *letters; /* of one delivery each */
    struct delivery *deliveries;
};

static int64_t size_of(const struct append *ap)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < ap->a->n; i++) bytes += body_size(ap->a->letters[i].body);
    return bytes;
}

/* The letter that goes in the same commit. ERR_NOT_FOUND: it is not there any more. */
static int take_replaced(struct store *s, const struct appending *a, struct error *e)
{
    struct mailbox_row *m;
    struct account_row *account;
    struct email_facts facts;
    int r = entries_rows(s, a->who, a->replaced_in, RIGHT_READ | RIGHT_DELETE | RIGHT_EXPUNGE, NULL, &m, &account, e);
    if (r) return r;
    struct uid_range one = {a->replaced, a->replaced};
    struct uid_set uids = {&one, 1, 1};
    struct chunk_walk *w = chunk_walk_new(s, m, &uids, chunk_of(a->replaced), 1);
    r = chunk_walk_next(s, w, e);
    size_t at = 0;
    while (r > 0 && at < w->n && w->v[at].uid != a->replaced) at++;
    if (r < 0) return r;
    if (r == 0 || at == w->n) return error_set(e, ERR_NOT_FOUND, "there is no letter %u any more", a->replaced);
    struct email_scan sc = email_scan_of(s->writer.db);
    r = email_scan_to(&sc, w->v[at].email, &facts, e);
    email_scan_end(&sc);
    if (r <= 0) return r < 0 ? r : error_set(e, ERR_CORRUPT, "entry %u has no letter", a->replaced);
    struct burial *b = burial_new(s, m, account, true);
    r = burial_add(s, b, &w->v[at], facts.size, e);
    s->writer.collect.garbage += facts.size;
    memmove(&w->v[at], &w->v[at + 1], (--w->n - at) * sizeof *w->v);
    if (!r) r = rows_chunk_put(s, m, w->number, w->v, w->n, e);
    return r ? r : burial_end(s, b, e);
}

/* Keywords for which the mailbox has no room are left out: a letter goes without them rather than not at all. */
static int own_flags(struct store *s, struct mailbox_row *m, const struct new_letter *l, flag_set *out, struct error *e)
{
    int r = 0;
    *out = 0;
    for (size_t i = 0; !r && i < l->n_keywords; i++) {
        flag_set bit;
        struct error why = {0};
        r = keywords_bits_more(s, m, l->keywords[i], *out, &bit, &why);
        if (r == ERR_CONFLICT) r = 0;
        else if (r && e) *e = why;
        *out |= bit;
    }
    return r;
}

static int append_one(struct store *s, const struct append *ap, size_t i, struct mailbox_row *m, flag_set allowed,
                      struct error *e)
{
    struct new_letter *l = &ap->a->letters[i];
    struct delivery *d = &ap->deliveries[i];
    flag_set own = 0;
    bool may_keep = allowed & (flag_set)1 << FLAG_FIRST_OWN;
    int r = may_keep ? own_flags(s, m, l, &own, e) : 0;
    d->account = m->account;
    d->mailbox = m->id;
    d->flags = (l->flags | own) & allowed; /* RFC 4314 §4: the others are left out */
    if (!r) r = accept_body(s, &ap->letters[i], e);
    if (!r) r = accept_deliver(s, &ap->letters[i], d, e);
    l->uid = d->uid;
    l->email = d->email;
    return r;
}

static int run_append(struct store *s, void *args, struct error *e)
{
    struct append *ap = args;
    struct appending *a = ap->a;
    struct mailbox_row *m;
    struct account_row *account;
    right_set rights;
    int r = entries_rows(s, a->who, a->mailbox, RIGHT_INSERT, &rights, &m, &account, e);
    if (!r && a->replaced) r = take_replaced(s, a, e);
    if (!r) r = quota_check(s, account, size_of(ap), (int64_t)a->n, e);
    for (size_t i = 0; !r && i < a->n; i++) r = append_one(s, ap, i, m, flags_allowed(rights), e);
    if (!r) a->uid_validity = m->uid_validity;
    return r;
}

static struct acceptance *letters_of(void *args, size_t *n)
{
    const struct append *ap = args;
    *n = ap->a->n;
    return ap->letters;
}

static void appended(struct store *s, void *args, bool sure)
{
    const struct append *ap = args;
    for (size_t i = 0; i < ap->a->n; i++) accept_committed(s, &ap->letters[i], sure);
    if (sure && ap->a->replaced) s->count.messages--;
}

static const struct job_kind append_job = {
    .name = "append", .run = run_append, .letters = letters_of, .committed = appended, .new_mail = true,
    .makes_ids = true};

FIBER int store_append(struct store *s, struct appending *a, struct error *e)
{
    struct arena *arena = arena_new(NULL, 0);
    struct append ap = {.a = a, .letters = arena_array(arena, a->n, sizeof *ap.letters),
                        .deliveries = arena_array(arena, a->n, sizeof *ap.deliveries)};
    utc_us now = clock_utc(s->world);
    int64_t bytes = 0;
    for (size_t i = 0; i < a->n; i++) {
        const struct new_letter *l = &a->letters[i];
        ap.letters[i] = (struct acceptance){.body = l->body,
                                            .facts = l->facts,
                                            .deliveries = &ap.deliveries[i],
                                            .n_deliveries = 1,
                                            .received_at = l->received_at ? l->received_at : now};
        bytes += accept_bytes(&ap.letters[i]);
    }
    int r = store_job(s, &append_job, &ap, bytes, e);
    arena_free(arena);
    return r;
}
