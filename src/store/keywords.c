/* Keywords: which bit of an entry's flags means which name in a mailbox (see keywords.h). A mailbox has 22 bits for
 * names of its own; a bit once given out keeps its name. */
#include "store/keywords.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "mail/limits.h"
#include "store/inside.h"
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

static int give_bit(struct store *s, struct mailbox_row *m, struct str name, int *bit, struct error *e)
{
    int free_bit = FLAG_FIRST_OWN;
    while (free_bit < BITS && m->keywords->name[free_bit].n) free_bit++;
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
    return 0;
}

static int name_check(struct str name, struct error *e)
{
    int r = keyword_check(name);
    if (r == ERR_TOO_LONG) return error_set(e, r, "a keyword has at most %d bytes", LIMIT_KEYWORD_NAME);
    return r ? error_set(e, r, "not a name for a keyword") : 0;
}

int keywords_bits(struct store *s, struct mailbox_row *m, const struct str *names, size_t n, bool give, flag_set *bits,
                  struct error *e)
{
    *bits = 0;
    int r = n ? names_of(s, m, e) : 0;
    for (size_t i = 0; !r && i < n; i++) {
        int bit = keyword_bit(m->keywords, names[i]);
        if (bit < 0 && give) r = name_check(names[i], e);
        if (bit < 0 && give && !r) r = give_bit(s, m, names[i], &bit, e);
        if (!r && bit >= 0) *bits |= (flag_set)1 << bit;
    }
    return r;
}

int keywords_carry_named(struct store *s, const struct keyword_names *from, struct mailbox_row *to, flag_set flags,
                         flag_set *out, struct error *e)
{
    flag_set shared = ((flag_set)1 << FLAG_FIRST_OWN) - 1, own = flags & ~shared;
    int r = 0;
    *out = flags & shared;
    for (int i = FLAG_FIRST_OWN; !r && i < BITS; i++) {
        flag_set bit = 0;
        if (!(own & (flag_set)1 << i) || from->name[i].n == 0) continue;
        r = keywords_bits(s, to, &from->name[i], 1, true, &bit, e);
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
    return r ? r : keywords_carry_named(s, from->keywords, to, flags, out, e);
}
