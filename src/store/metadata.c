/* Annotations of mailboxes and of the server (RFC 5464): names and values, everybody's or one person's. One of them is
 * kept elsewhere: what a mailbox is used for (RFC 6154 §4), which is its owner's alone to see and say. */
#include "store/tree.h"

/* RFC 5464 §3.3: who may see and keep them in a mailbox. */
static bool may_annotate(right_set r)
{
    return (r & RIGHT_LOOKUP) && (r & (RIGHT_READ | RIGHT_SEEN | RIGHT_WRITE | RIGHT_INSERT | RIGHT_POST));
}

static int check(struct db *db, int64_t who, int64_t mailbox, right_set *rights, struct error *e)
{
    if (mailbox == 0) {
        int r = access_is_active(db, who, e);
        *rights = who == PRINCIPAL_ADMIN ? RIGHTS_ALL : 0; /* what is everybody's, the administration writes */
        return r < 0 ? r : r ? 0 : error_set(e, ERR_DENIED, "the account is disabled");
    }
    int r = access_check(db, who, mailbox, RIGHT_LOOKUP, rights, e);
    if (!r && !may_annotate(*rights)) r = error_set(e, ERR_DENIED, "you have no right to the mailbox's annotations");
    return r;
}

struct reading {
    struct gathering *g; /* struct metadata */
    int64_t who, mailbox;
};

static bool is_use(int64_t mailbox, struct str name) { return mailbox != 0 && str_eq(name, S(METADATA_SPECIAL_USE)); }

static int read_use(struct db *db, struct reading *re, struct error *e)
{
    struct tree_row row;
    int r = re->mailbox ? tree_row(db, re->g->arena, re->mailbox, &row, e) : 0;
    if (r || re->mailbox == 0 || row.account != re->who) return r;
    struct metadata m = {S(METADATA_SPECIAL_USE), special_use_attribute(row.use)};
    if (m.value.n) buf_add(&re->g->rows, str_of(&m, sizeof m));
    return 0;
}

static int read_metadata(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct reading *re = arg;
    right_set rights;
    int r = check(db, re->who, re->mailbox, &rights, e);
    if (!r) r = read_use(db, re, e);
    if (r) return r;
    struct query q = db_query(db, SQL_METADATA);
    q_int(&q, re->mailbox);
    q_int(&q, re->who);
    while ((r = q_row(&q, e)) > 0) {
        struct metadata m = {arena_str(re->g->arena, q_get(&q, 0)), arena_str(re->g->arena, q_get(&q, 1))};
        if (!is_use(re->mailbox, m.name)) buf_add(&re->g->rows, str_of(&m, sizeof m));
    }
    return r;
}

FIBER int store_metadata(struct store *s, struct arena *a, int64_t who, int64_t mailbox, struct metadata **out,
                         size_t *n, struct error *e)
{
    struct reading re = {.g = gathering_new(a), .who = who, .mailbox = mailbox};
    int r = store_read(s, read_metadata, &re, e);
    if (!r) {
        *out = gathered_rows(a, re.g, sizeof **out, n);
        for (size_t i = 0; i < *n; i++)
            (*out)[i] = (struct metadata){arena_str(a, (*out)[i].name), arena_str(a, (*out)[i].value)};
    }
    gathering_free(re.g);
    return r;
}

/* ---- writing ---- */

struct writing {
    int64_t who, mailbox;
    const struct metadata *v;
    size_t n;
};

static bool is_private(struct str name) { return str_istarts(name, S("/private/")); }

/* RFC 5464 §3.1, entry names: "/private/" or "/shared/" and more, ASCII, no empty part, no wildcard. */
static int check_name(struct str name, struct error *e)
{
    bool good = (is_private(name) || str_istarts(name, S("/shared/"))) && name.n <= LIMIT_METADATA_NAME;
    for (size_t i = 0; good && i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        bool last = i + 1 == name.n;
        good = c > 0x20 && c < 0x7f && c != '*' && c != '%' && !(c == '/' && (last || name.p[i + 1] == '/'));
    }
    return good ? 0 : error_set(e, ERR_SYNTAX, "not a name of an annotation");
}

/* RFC 6154 §4: judged as CREATE's would be. ERR_EXISTS: it cannot be used for this. */
static int put_use(struct store *s, const struct writing *w, struct str value, struct error *e)
{
    enum special_use use = value.n ? special_use_of(value) : USE_NONE;
    if (value.n && use == USE_NONE) return error_set(e, ERR_EXISTS, "there is no such use here");
    int r = tree_use(s, w->who, w->mailbox, use, e);
    if (r != ERR_CONFLICT) return r;
    if (use == USE_NONE) return 0; /* INBOX, which shows none */
    if (e) e->code = ERR_EXISTS;
    return ERR_EXISTS;
}

static int put(struct store *s, const struct writing *w, const struct metadata *m, int64_t owner, struct error *e)
{
    char *lower = arena_alloc(s->writer.arena, m->name.n);
    for (size_t i = 0; i < m->name.n; i++) lower[i] = ch_lower(m->name.p[i]);
    bool remove = str_is_none(m->value);
    struct str name = str_of(lower, m->name.n);
    if (is_use(w->mailbox, name)) return put_use(s, w, m->value, e);
    int64_t only = is_private(name) ? w->who : 0;
    struct query q = db_query(s->writer.db, remove ? SQL_METADATA_DELETE : SQL_METADATA_PUT);
    q_int(&q, w->mailbox);
    q_int(&q, only);
    q_text(&q, name);
    if (!remove) q_bytes(&q, m->value);
    int r = q_run(&q, e);
    if (!r && q_changed(&q) > 0) rows_news_entry(s, owner, w->mailbox, name, only);
    return r;
}

static int check_limit(struct store *s, const struct writing *w, struct error *e)
{
    int64_t n = 0;
    struct query q = db_query(s->writer.db, SQL_METADATA_COUNT);
    q_int(&q, w->mailbox);
    q_int(&q, w->who);
    int r = q_one_int(&q, &n, e);
    if (!r && n > LIMIT_METADATA_ENTRIES)
        r = error_set(e, ERR_CONFLICT, "there are at most %d annotations", LIMIT_METADATA_ENTRIES);
    return r;
}

/* Whom it is news to: the owner of the mailbox, or who changed what is his alone. */
static int owner_of(struct store *s, const struct writing *w, int64_t *out, struct error *e)
{
    *out = w->who;
    if (w->mailbox == 0) return 0;
    struct query q = db_query(s->writer.db, SQL_MAILBOX_OWNER);
    q_int(&q, w->mailbox);
    return q_one_int(&q, out, e);
}

/* RFC 7162 §3.2: who asks for what is new by MODSEQ is to notice. */
static int note_change(struct store *s, const struct writing *w, int64_t owner, struct error *e)
{
    struct mailbox_row *m;
    struct account_row *a;
    int r = rows_mailbox(s, w->mailbox, &m, e);
    if (!r) r = rows_account(s, owner, &a, e);
    if (r) return r;
    m->highest_modseq = rows_next_modseq(s, a);
    rows_touch_mailbox(s, m);
    return 0;
}

static int run_write(struct store *s, void *args, struct error *e)
{
    const struct writing *w = args;
    right_set rights;
    int64_t owner = 0;
    int r = check(s->writer.db, w->who, w->mailbox, &rights, e);
    if (!r) r = owner_of(s, w, &owner, e);
    for (size_t i = 0; !r && i < w->n; i++) {
        r = check_name(w->v[i].name, e);
        if (!r && w->v[i].value.n > LIMIT_METADATA_VALUE)
            r = error_set(e, ERR_TOO_LONG, "an annotation has at most %d bytes", LIMIT_METADATA_VALUE);
        if (!r && !is_private(w->v[i].name) && !(rights & RIGHT_WRITE))
            r = error_set(e, ERR_DENIED, "you have no right to change annotations of all");
        if (!r) r = put(s, w, &w->v[i], owner, e);
    }
    if (!r) r = check_limit(s, w, e);
    return r || w->mailbox == 0 ? r : note_change(s, w, owner, e);
}

static const struct job_kind write_job = {.name = "metadata", .run = run_write};

FIBER int store_metadata_set(struct store *s, int64_t who, int64_t mailbox, const struct metadata *v, size_t n,
                             struct error *e)
{
    struct writing w = {who, mailbox, v, n};
    return store_job(s, &write_job, &w, 0, e);
}
