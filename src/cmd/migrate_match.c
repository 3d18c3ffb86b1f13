/* Which letter there is which here. The memory of the last run says it at once, by UIDs; what it does not know (the run
 * was cut off, the UIDs are others now, somebody else carried the letters) is recognised by INTERNALDATE, size and
 * Message-ID together, and no body is looked at. */
#include <stdlib.h>

#include "base/hash.h"
#include "cmd/migrate.h"

enum { MEMORY_PIECE = 60000, PIECES_AT_ONCE = 8 }; /* of an annotation; of a request */

void migration_pair(struct migration *m, struct sibling *theirs, uid their_uid, uid our_uid, flag_set flags)
{
    struct sibling *ours = siblings_find(&m->ours, our_uid);
    if (theirs) theirs->pair = (int32_t)m->pairs.n;
    if (ours) ours->pair = (int32_t)m->pairs.n;
    pairs_add(m->arena, &m->pairs, (struct pair){their_uid, our_uid, flags});
    m->changed = true;
}

/* ---- the memory ---- */

static flag_set translate(const flag_set bits[32], flag_set flags)
{
    flag_set out = flags & ((1u << FLAG_FIRST_OWN) - 1);
    for (int bit = FLAG_FIRST_OWN; bit < 32; bit++)
        if (flags & (flag_set)1 << bit) out |= bits[bit];
    return out;
}

/* Pairs whose letter is gone from where letters come from are of no use any more. One that is gone from where they were
 * carried to is remembered, so that what somebody deleted or moved there does not come again. */
static void recall(struct migration *m, bool import)
{
    struct pairs old;
    flag_set bits[32] = {0};
    bool right = pairs_read(m->arena, buf_str(&m->memory), &old) == 0 && old.their_validity &&
                 old.their_validity == m->pairs.their_validity && old.our_validity == m->pairs.our_validity;
    if (!right) return;
    for (int bit = FLAG_FIRST_OWN; bit < 32; bit++)
        if (old.words[bit].n) bits[bit] = migration_word(m, old.words[bit]);
    for (size_t i = 0; i < old.n; i++) {
        const struct pair *p = &old.v[i];
        struct sibling *theirs = siblings_find(&m->theirs, p->theirs), *ours = siblings_find(&m->ours, p->ours);
        const struct sibling *source = import ? theirs : ours, *target = import ? ours : theirs;
        if (!import && !p->theirs && ours) { /* it may be found by what it looks like */
            pairs_add(m->arena, &m->unsure, (struct pair){0, p->ours, translate(bits, p->flags)});
            continue;
        }
        if (!source || source->pair != NO_PAIR || (target && target->pair != NO_PAIR)) continue;
        if (m->again && !target) continue;
        migration_pair(m, theirs, p->theirs, p->ours, translate(bits, p->flags));
    }
    m->changed = m->pairs.n != old.n;
    m->saved = m->pairs.n;
}

static int by_ours(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    return x->ours < y->ours ? -1 : x->ours > y->ours;
}

static FIBER int send_pieces(struct migration *m, struct arena *a, struct str text, struct error *e)
{
    struct buf *b = buf_in(a, LIMIT_ADMIN_REQUEST);
    int error = 0;
    for (int64_t from = 0; !error && (text.n || from == 0); from += PIECES_AT_ONCE) {
        struct json j = migration_request(m, b, "letters.remember");
        json_put_str(&j, "key", str_c(m->key));
        json_put_int(&j, "from", from);
        json_put_array(&j, "values");
        for (int i = 0; i < PIECES_AT_ONCE && text.n; i++) {
            json_put_str(&j, NULL, str_head(text, MEMORY_PIECE));
            text = str_skip(text, MEMORY_PIECE);
        }
        json_put_end(&j, ']');
        json_put_end(&j, '}');
        error = client_ask(m->client, buf_str(b), NULL, e);
    }
    return error;
}

FIBER int migration_remember(struct migration *m, bool always, struct error *e)
{
    if (m->dry || !m->changed || (!always && m->pairs.n < m->saved + LIMIT_REMOTE_MEMORY)) return 0;
    struct arena *a = arena_new(m->arena, 0);
    struct pairs sorted = m->pairs;
    sorted.v = arena_array(a, m->pairs.n, sizeof *sorted.v);
    if (sorted.n) memcpy(sorted.v, m->pairs.v, sorted.n * sizeof *sorted.v);
    qsort(sorted.v, sorted.n, sizeof *sorted.v, by_ours);
    struct buf *text = buf_in(a, 64 << 20);
    pairs_put(text, &sorted);
    int error = send_pieces(m, a, buf_str(text), e);
    arena_free(a);
    m->saved = m->pairs.n;
    m->changed = error != 0;
    return error;
}

/* ---- Message-IDs ---- */

/* Of a Message-ID as it stands in a header, however it is folded; of none too, so that 0 is what was not told. */
static uint64_t digest_of(const struct migration *m, struct str id)
{
    char text[1000];
    struct buf b = BUF_OVER(text);
    for (size_t i = 0; i < id.n && b.n < sizeof text; i++)
        if ((unsigned char)id.p[i] > ' ') buf_char(&b, id.p[i]);
    struct str whole = str_trim(buf_str(&b));
    if (str_starts(whole, S("<")) && str_ends(whole, S(">"))) whole = str_sub(whole, 1, whole.n - 1);
    return hash_sip(&m->hash, whole) | 1;
}

static FIBER bool hear_id(void *arg, const struct imap_client *c)
{
    struct migration *m = arg;
    struct imap_fetched f;
    struct arena *a = arena_new(m->arena, 0);
    bool right = imap_fetched(a, &c->said, &f) && f.uid;
    struct sibling *s = right ? siblings_find(&m->theirs, f.uid) : NULL;
    right = s && s->asked && !s->id;
    for (const struct imap_value *v = right ? f.all : NULL; v && v->next; v = v->next->next) {
        struct str value = v->next->text, name;
        if (!str_istarts(v->text, S("BODY[HEADER.FIELDS")) || !str_cut(value, ':', &name, &value)) continue;
        s->id = digest_of(m, value);
    }
    if (right && !s->id) s->id = digest_of(m, STR_NONE);
    arena_free(a);
    return right;
}

static FIBER int ask_theirs(struct migration *m, struct uid_set *set, struct error *e)
{
    struct imap_client *c = m->remote.client;
    struct buf *b = imap_client_begin(c);
    buf_lit(b, "UID FETCH ");
    imap_put_set(b, set);
    buf_lit(b, " (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])");
    c->heard = hear_id;
    c->arg = m;
    int error = imap_client_finish(c, ERR_UNAVAILABLE, "Message-IDs are not told", e);
    c->heard = NULL;
    set->n = 0;
    return error;
}

static void take_ids(void *arg, struct str row)
{
    struct migration *m = arg;
    json_t *o = json_loadb(row.p, row.n, 0, NULL);
    const json_t *ids = json_object_get(o, "ids");
    for (size_t i = 0; i + 1 < json_array_size(ids); i += 2) {
        struct sibling *s = siblings_find(&m->ours, (uid)json_integer_value(json_array_get(ids, i)));
        if (s) s->id = digest_of(m, str_c(json_string_value(json_array_get(ids, i + 1))));
    }
    json_decref(o);
}

static FIBER int ask_ours(struct migration *m, struct uid_set *set, struct error *e)
{
    const struct client_listener l = {.row = take_ids, .arg = m};
    struct buf *b = buf_in(m->arena, LIMIT_ADMIN_REQUEST), *uids = buf_in(m->arena, LIMIT_ADMIN_REQUEST);
    struct json j = migration_request(m, b, "letters.ids");
    imap_put_set(uids, set);
    json_put_str(&j, "uids", buf_str(uids));
    json_put_end(&j, '}');
    set->n = 0;
    return client_ask(m->client, buf_str(b), &l, e);
}

static FIBER int ask_ids(struct migration *m, const struct siblings *s,
                         FIBER int (*ask)(struct migration *m, struct uid_set *set, struct error *e), struct error *e)
{
    struct uid_set set = {0};
    int error = 0;
    for (size_t i = 0, n = 0; i < s->n && !error; i++) {
        if (!s->v[i].asked) continue;
        uid_set_add(m->arena, &set, s->v[i].uid, s->v[i].uid);
        if (++n % LIMIT_REMOTE_BATCH == 0 || set.n == LIMIT_REMOTE_RANGES) error = ask(m, &set, e);
    }
    return error || set.n == 0 ? error : ask(m, &set, e);
}

/* ---- alike ---- */

static int by_look(const void *a, const void *b)
{
    const struct sibling *x = *(struct sibling *const *)a, *y = *(struct sibling *const *)b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static struct sibling **unpaired(struct migration *m, const struct siblings *s, size_t *n)
{
    struct sibling **v = arena_array(m->arena, s->n, sizeof *v);
    *n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].pair == NO_PAIR) v[(*n)++] = &s->v[i];
    qsort(v, *n, sizeof(struct sibling *), by_look);
    return v;
}

static bool alike(const struct sibling *a, const struct sibling *b) { return a->at == b->at && a->size == b->size; }

/* Marks those whose Message-ID decides. */
static bool ask_for_alike(struct sibling **ours, size_t n_ours, struct sibling **theirs, size_t n_theirs)
{
    bool any = false;
    for (size_t i = 0, k = 0; i < n_theirs; i++) {
        while (k < n_ours && by_look(&ours[k], &theirs[i]) < 0) k++;
        for (size_t at = k; at < n_ours && alike(ours[at], theirs[i]); at++) {
            if (theirs[i]->asked && ours[at]->asked) break; /* so are those behind it */
            any = theirs[i]->asked = ours[at]->asked = true;
        }
    }
    return any;
}

static FIBER int match_alike(struct migration *m, bool import, struct error *e)
{
    size_t n_ours, n_theirs;
    struct sibling **ours = unpaired(m, &m->ours, &n_ours), **theirs = unpaired(m, &m->theirs, &n_theirs);
    if (!ask_for_alike(ours, n_ours, theirs, n_theirs)) return 0;
    int error = ask_ids(m, &m->ours, ask_ours, e);
    if (!error) error = ask_ids(m, &m->theirs, ask_theirs, e);
    if (error) return error;
    qsort(ours, n_ours, sizeof(struct sibling *), by_look);
    qsort(theirs, n_theirs, sizeof(struct sibling *), by_look);
    for (size_t i = 0, k = 0; i < n_theirs && k < n_ours;) {
        int order = by_look(&ours[k], &theirs[i]);
        if (order == 0 && theirs[i]->asked)
            migration_pair(m, theirs[i], theirs[i]->uid, ours[k]->uid, (import ? theirs[i] : ours[k])->flags);
        k += order <= 0;
        i += order >= 0;
    }
    return 0;
}

FIBER int migration_match(struct migration *m, bool import, struct error *e)
{
    recall(m, import);
    int error = match_alike(m, import, e);
    for (size_t i = 0; i < m->unsure.n && !error; i++) {
        const struct pair *p = &m->unsure.v[i];
        const struct sibling *ours = siblings_find(&m->ours, p->ours);
        if (ours && ours->pair == NO_PAIR) migration_pair(m, NULL, 0, p->ours, p->flags);
    }
    return error;
}

/* ---- flags ---- */

FIBER int migration_follow_flags(struct migration *m, bool import,
                                 FIBER int (*change)(struct migration *m, flag_set flags, const struct uid_set *set,
                                                     struct error *e),
                                 struct error *e)
{
    const struct siblings *source = import ? &m->theirs : &m->ours, *target = import ? &m->ours : &m->theirs;
    int error = 0;
    for (size_t i = 0; i < source->n && !error; i++) {
        struct uid_set set = {0};
        flag_set flags = source->v[i].flags;
        /* all that have the same now, in one go */
        for (size_t k = i; k < source->n && set.n < LIMIT_REMOTE_RANGES; k++) {
            const struct sibling *s = &source->v[k];
            struct pair *p = s->pair == NO_PAIR ? NULL : &m->pairs.v[s->pair];
            if (!p || p->flags == s->flags || s->flags != flags) {
                if (k == i) break;
                continue;
            }
            p->flags = s->flags;
            m->changed = true;
            const struct sibling *mate = siblings_find(target, import ? p->ours : p->theirs);
            if (!mate || mate->flags == (s->flags & (import ? ~0u : m->settable))) continue;
            uid_set_add(m->arena, &set, mate->uid, mate->uid);
            m->flagged++;
        }
        if (set.n && !m->dry) error = change(m, flags, &set, e);
    }
    return error;
}
