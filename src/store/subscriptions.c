/* Subscriptions: names an account wants to see, of mailboxes that need not exist (RFC 9051 §6.3.7). */
#include "base/utf8.h"
#include "store/tree.h"

struct listing {
    struct gathering *g; /* struct str */
    int64_t account;
};

static int read_subscriptions(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct listing *l = arg;
    struct query q = db_query(db, SQL_SUBSCRIPTIONS);
    q_int(&q, l->account);
    int r;
    while ((r = q_row(&q, e)) > 0) {
        struct str name = arena_str(l->g->arena, q_get(&q, 0));
        buf_add(&l->g->rows, str_of(&name, sizeof name));
    }
    return r;
}

FIBER int store_subscriptions(struct store *s, struct arena *a, int64_t account, struct str **names, size_t *n,
                              struct error *e)
{
    struct listing l = {.g = gathering_new(a), .account = account};
    int r = store_read(s, read_subscriptions, &l, e);
    if (!r) {
        *names = gathered_rows(a, l.g, sizeof **names, n);
        for (size_t i = 0; i < *n; i++) (*names)[i] = arena_str(a, (*names)[i]);
    }
    gathering_free(l.g);
    return r;
}

struct subscribing {
    int64_t account;
    struct str name;
    bool on;
};

static int check_limit(struct store *s, int64_t account, struct error *e)
{
    int64_t n = 0;
    struct query q = db_query(s->writer.db, SQL_SUBSCRIPTIONS_COUNT);
    q_int(&q, account);
    int r = q_one_int(&q, &n, e);
    if (!r && n > LIMIT_SUBSCRIPTIONS)
        r = error_set(e, ERR_CONFLICT, "there are at most %d subscriptions", LIMIT_SUBSCRIPTIONS);
    return r;
}

static int run_subscribe(struct store *s, void *args, struct error *e)
{
    const struct subscribing *b = args;
    struct account_row *a;
    int r = rows_account(s, b->account, &a, e);
    if (r) return r;
    struct query q = db_query(s->writer.db, b->on ? SQL_SUBSCRIPTION_PUT : SQL_SUBSCRIPTION_DELETE);
    q_int(&q, b->account);
    q_text(&q, b->name);
    r = q_run(&q, e);
    if (r || q_changed(&q) == 0) return r; /* it was so already */
    rows_news(s, b->account, 0, NEWS_SUBSCRIBED);
    return b->on ? check_limit(s, b->account, e) : 0;
}

static const struct job_kind subscribe_job = {.name = "subscribe", .run = run_subscribe};

FIBER int store_subscribe(struct store *s, int64_t account, struct str name, bool subscribed, struct error *e)
{
    if (name.n == 0 || name.n > LIMIT_SUBSCRIPTION_NAME || !utf8_valid(name) || memchr(name.p, '\0', name.n))
        return error_set(e, ERR_SYNTAX, "not a name for a mailbox");
    return store_job(s, &subscribe_job, &(struct subscribing){account, name, subscribed}, 0, e);
}
