/* Keywords: which bit of an entry's flags means which name in a mailbox (see keywords.h). A mailbox has 22 bits for
 * names of its own. When the last is given out, those no letter has are taken back: at once if what was expunged and is
 * kept has them neither, else when there is no other way; then that will come back without them. */
#include "store/keywords.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "mail/limits.h"
#include "store/entries_inside.h"
#include "store/view.h"

enum { BITS = 32 };
_Static_assert(LIMIT_KEYWORDS == BITS - FLAG_FIRST_OWN, "what is left of the word");

static const struct str fixed[FLAG_FIRST_OWN] = {
    S_INIT("\\Seen"),   S_INIT("\\Answered"), S_INIT("\\Flagged"), S_INIT("\\Deleted"),  S_INIT("\\Draft"),
    S_INIT("$Forwarded"), S_INIT("$MDNSent"),   S_INIT("$Junk"),     S_INIT("$NotJunk"), S_INIT("$Phishing"),
};

/* All names in one block of memory. */
static struct keyword_names *make(const struct str name[BITS])
{
    size_t bytes = 0, at = 0;
    for (int i = 0; i < BITS; i++) bytes += name[i].n;
    struct keyword_names *k = calloc(1, sizeof *k + bytes);
    if (!k) abort();
    char *text = (char *)(k + 1);
    atomic_init(&k->refs, 1);
    for (int i = 0; i < BITS; i++) {
        if (name[i].n) memcpy(text + at, name[i].p, name[i].n);
        k->name[i] = str_of(text + at, name[i].n);
        at += name[i].n;
    }
    return k;
}

struct keyword_names *keywords_with(const struct keyword_names *k, int bit, struct str name)
{
    struct str names[BITS];
    memcpy(names, k->name, sizeof names);
    names[bit] = name;
    return make(names);
}

struct keyword_names *keywords_ref(const struct keyword_names *k)
{
    struct keyword_names *mine = (struct keyword_names *)(uintptr_t)k;
    if (mine) atomic_fetch_add(&mine->refs, 1);
    return mine;
}

void keywords_unref(const struct keyword_names *k)
{
    struct keyword_names *mine = (struct keyword_names *)(uintptr_t)k;
    if (mine && atomic_fetch_sub(&mine->refs, 1) == 1) free(mine);
}

int keywords_load(struct db *db, int64_t mailbox, struct keyword_names **out, struct error *e)
{
    struct str names[BITS] = {0};
    memcpy(names, fixed, sizeof fixed);
    struct keyword_names *k = make(names);
    struct query q = db_query(db, SQL_KEYWORDS);
    q_int(&q, mailbox);
    int r;
    while ((r = q_row(&q, e)) > 0) {
        int64_t bit = q_get_int(&q, 0);
        if (bit < FLAG_FIRST_OWN || bit >= BITS) continue;
        struct keyword_names *more = keywords_with(k, (int)bit, q_get(&q, 1));
        keywords_unref(k);
        k = more;
    }
    *out = r ? NULL : k;
    if (r) keywords_unref(k);
    return r;
}

int keyword_bit(const struct keyword_names *k, struct str name)
{
    for (int i = 0; name.n && i < BITS; i++)
        if (str_ieq(k->name[i], name)) return i;
    return -1;
}

/* ---- in the lane ---- */

static int names_of(struct store *s, struct mailbox_row *m, struct error *e)
{
    return m->keywords ? 0 : keywords_load(s->writer.db, m->id, &m->keywords, e);
}

static int free_bit_of(const struct mailbox_row *m)
{
    int bit = FLAG_FIRST_OWN;
    while (bit < BITS && m->keywords->name[bit].n) bit++;
    return bit;
}

/* ---- taking back ---- */

static int carried_by_letters(struct store *s, struct mailbox_row *m, flag_set *out, struct error *e)
{
    struct entry *v = arena_array(s->writer.arena, CHUNK_ENTRIES, sizeof *v);
    uint32_t number = 0;
    size_t n;
    int r;
    *out = 0;
    for (uint32_t from = 0; (r = rows_chunk(s, m, from, &number, v, &n, e)) > 0; from = number + 1)
        for (size_t i = 0; i < n; i++) *out |= v[i].flags;
    return r;
}

struct kept_flags {
    flag_set all, taken; /* of what is kept; to be taken from it */
    char *out;
    size_t n;
};

static void look_at_kept(const struct tombstone *t, void *arg)
{
    struct kept_flags *k = arg;
    struct tombstone left = *t;
    k->all |= t->flags;
    left.flags &= ~k->taken;
    k->n += tombstone_pack(&left, true, k->out + k->n);
}

struct kept_row {
    struct kept_row *next;
    int64_t modseq, part;
    struct str packed;
};

/* The bits that expunged letters of the mailbox have; `taken` is taken from them. */
static int carried_by_kept(struct store *s, struct mailbox_row *m, flag_set taken, flag_set *out, struct error *e)
{
    struct kept_row *changed = NULL;
    struct query q = db_query(s->writer.db, SQL_TOMBSTONES_KEPT);
    q_int(&q, m->account);
    q_int(&q, m->id);
    int r;
    *out = 0;
    while ((r = q_row(&q, e)) > 0) {
        struct str packed = q_get(&q, 2);
        struct kept_flags k = {.taken = taken, .out = arena_alloc(s->writer.arena, packed.n)};
        if (tombstone_unpack(packed, true, look_at_kept, &k)) continue; /* what is damaged names nothing */
        *out |= k.all;
        if (!(k.all & taken)) continue;
        struct kept_row *row = arena_new_of(s->writer.arena, struct kept_row);
        *row = (struct kept_row){changed, q_get_int(&q, 0), q_get_int(&q, 1), str_of(k.out, k.n)};
        changed = row;
    }
    for (; !r && changed; changed = changed->next) {
        q = db_query(s->writer.db, SQL_TOMBSTONE_PUT);
        q_bytes(&q, changed->packed);
        q_int(&q, m->account);
        q_int(&q, changed->modseq);
        q_int(&q, m->id);
        q_int(&q, changed->part);
        r = q_run(&q, e);
    }
    return r;
}

static int take_bits(struct store *s, struct mailbox_row *m, flag_set bits, struct error *e)
{
    int r = 0;
    for (int i = FLAG_FIRST_OWN; !r && i < BITS; i++) {
        if (!(bits & (flag_set)1 << i)) continue;
        struct query q = db_query(s->writer.db, SQL_KEYWORD_DELETE);
        q_int(&q, m->id);
        q_int(&q, i);
        r = q_run(&q, e);
        struct keyword_names *fewer = keywords_with(m->keywords, i, STR_NONE);
        keywords_unref(m->keywords);
        m->keywords = fewer;
    }
    rows_touch_mailbox(s, m);
    return r;
}

/* Takes back what no letter has but for `spared`; if `must`, from what is kept too. */
static int take_back(struct store *s, struct mailbox_row *m, flag_set spared, bool must, struct error *e)
{
    flag_set own = ~(((flag_set)1 << FLAG_FIRST_OWN) - 1), live, kept = 0;
    int r = carried_by_letters(s, m, &live, e);
    flag_set idle = own & ~live & ~spared;
    if (r || !idle) return r;
    r = carried_by_kept(s, m, 0, &kept, e);
    if (!r && must && !(idle & ~kept)) r = carried_by_kept(s, m, idle, &(flag_set){0}, e);
    else idle &= ~kept;
    return r ? r : take_bits(s, m, idle, e);
}

int keywords_tidy(struct store *s, struct mailbox_row *m, struct error *e)
{
    int r = names_of(s, m, e);
    return r || free_bit_of(m) < BITS ? r : take_back(s, m, 0, false, e);
}

/* ---- giving out ---- */

static int give_bit(struct store *s, struct mailbox_row *m, struct str name, flag_set spared, int *bit, struct error *e)
{
    int free_bit = free_bit_of(m);
    if (free_bit == BITS) {
        int failed = take_back(s, m, spared, true, e);
        if (failed) return failed;
        free_bit = free_bit_of(m);
    }
    if (free_bit == BITS) return error_set(e, ERR_CONFLICT, "the mailbox has %d keywords already", LIMIT_KEYWORDS);
    struct query q = db_query(s->writer.db, SQL_KEYWORD_INSERT);
    q_int(&q, m->id);
    q_int(&q, free_bit);
    q_text(&q, name);
    int r = q_run(&q, e);
    if (r) return r;
    struct keyword_names *more = keywords_with(m->keywords, free_bit, name);
    keywords_unref(m->keywords);
    m->keywords = more;
    rows_touch_mailbox(s, m);
    *bit = free_bit;
    if (free_bit_of(m) < BITS) return 0;
    return take_back(s, m, spared | (flag_set)1 << free_bit, false, e); /* clients see whether there is room */
}

static int name_check(struct str name, struct error *e)
{
    int r = keyword_check(name);
    if (r == ERR_TOO_LONG) return error_set(e, r, "a keyword has at most %d bytes", LIMIT_KEYWORD_NAME);
    return r ? error_set(e, r, "not a name for a keyword") : 0;
}

/* spared: bits that letters will have in a moment. */
static int bits_sparing(struct store *s, struct mailbox_row *m, const struct str *names, size_t n, bool give,
                        flag_set spared, flag_set *bits, struct error *e)
{
    *bits = 0;
    int r = n ? names_of(s, m, e) : 0;
    for (size_t i = 0; !r && i < n; i++) {
        int bit = keyword_bit(m->keywords, names[i]);
        if (bit < 0 && give) r = name_check(names[i], e);
        if (bit < 0 && give && !r) r = give_bit(s, m, names[i], spared | *bits, &bit, e);
        if (!r && bit >= 0) *bits |= (flag_set)1 << bit;
    }
    return r;
}

int keywords_bits(struct store *s, struct mailbox_row *m, const struct str *names, size_t n, bool give, flag_set *bits,
                  struct error *e)
{
    return bits_sparing(s, m, names, n, give, 0, bits, e);
}

int keywords_bits_more(struct store *s, struct mailbox_row *m, struct str name, flag_set has, flag_set *bit,
                       struct error *e)
{
    return bits_sparing(s, m, &name, 1, true, has, bit, e);
}

int keywords_carry_named(struct store *s, const struct keyword_names *from, struct mailbox_row *to, flag_set flags,
                         flag_set spared, flag_set *out, struct error *e)
{
    flag_set shared = ((flag_set)1 << FLAG_FIRST_OWN) - 1, own = flags & ~shared;
    int r = 0;
    *out = flags & shared;
    for (int i = FLAG_FIRST_OWN; !r && i < BITS; i++) {
        flag_set bit = 0;
        if (!(own & (flag_set)1 << i) || from->name[i].n == 0) continue;
        r = keywords_bits_more(s, to, from->name[i], *out | spared, &bit, e);
        if (r == ERR_CONFLICT) r = 0; /* a letter goes without it rather than not at all */
        *out |= bit;
    }
    return r;
}

int keywords_carry(struct store *s, struct mailbox_row *from, struct mailbox_row *to, flag_set flags, flag_set *out,
                   struct error *e)
{
    flag_set shared = ((flag_set)1 << FLAG_FIRST_OWN) - 1;
    *out = flags;
    if (from == to || !(flags & ~shared)) return 0;
    int r = names_of(s, from, e);
    return r ? r : keywords_carry_named(s, from->keywords, to, flags, 0, out, e);
}
