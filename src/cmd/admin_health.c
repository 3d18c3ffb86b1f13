/* Requests about the state of things: status, verify. */
#include <stdlib.h>
#include <unistd.h>

#include "cmd/admin.h"
#include "cmd/server.h"

static FIBER int status(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    (void)request;
    (void)e;
    struct store_stats s = store_stats(admin->store);
    struct world_usage usage = world_usage(admin->world);
    struct json *j = answer_row(a);
    json_put_str(j, "version", S(PENNY_VERSION));
    json_put_str(j, "hostname", admin->config->hostname);
    json_put_bool(j, "running", admin->server != NULL);
    if (admin->server) {
        server_put_status(admin->server, j);
        json_put_int(j, "pid", getpid());
        json_put_int(j, "resident_bytes", usage.resident_bytes);
        json_put_int(j, "cpu_ms", (usage.cpu_user_us + usage.cpu_system_us) / US_PER_MS);
    }
    json_put_object(j, "store");
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {
        {"domains", s.domains},       {"accounts", s.accounts},
        {"messages", s.messages},     {"queue", s.queue_rows},
        {"free_bytes", s.free_bytes}, {"wal_bytes", s.wal_bytes},
        {"groups", s.groups},         {"jobs", s.jobs},
        {"jobs_alone", s.jobs_alone}, {"commits", s.commits},
        {"pack_syncs", s.pack_syncs}, {"checkpoints", s.checkpoints},
        {"statements", s.statements}, {"row_writes", s.row_writes},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) json_put_int(j, counts[i].name, counts[i].value);
    json_put_bool(j, "writes_refused", s.writes_refused);
    json_put_bool(j, "disk_low", s.disk_low);
    json_put_end(j, '}');
    answer_send(a);
    return 0;
}

/* ---- verify: findings come from whatever thread looks, and are passed on by the fiber that answers ---- */

struct told {
    struct told *next;
    bool finding;
    char line[];
};

struct verifying {
    const struct admin *admin;
    struct loop *loop;
    bool bodies;
    struct lock *lock;
    struct told *first, **last; /* waiting to be passed on */
    bool posted;
    struct post post;
    struct event news;
    bool done;
    int result;
    int64_t bad;
    struct error error;
};

static void wake(struct post *p)
{
    struct verifying *v = p->arg;
    lock_take(v->lock);
    v->posted = false;
    lock_give(v->lock);
    event_set(&v->news);
}

static void tell(void *arg, const char *line, bool finding)
{
    struct verifying *v = arg;
    size_t n = strlen(line) + 1;
    struct told *t = malloc(sizeof *t + n);
    if (!t) return;
    *t = (struct told){.finding = finding};
    memcpy(t->line, line, n);
    lock_take(v->lock);
    *v->last = t;
    v->last = &t->next;
    bool post = !v->posted;
    v->posted = true;
    lock_give(v->lock);
    if (post) loop_post(v->loop, &v->post);
}

static FIBER void look(void *arg)
{
    struct verifying *v = arg;
    v->result = store_verify(v->admin->store, v->bodies, tell, v, &v->bad, &v->error);
    v->done = true;
    event_set(&v->news);
}

/* True while a post is on its way, which points here. */
static FIBER bool pass_on(struct verifying *v, struct answer *a)
{
    lock_take(v->lock);
    struct told *t = v->first;
    v->first = NULL;
    v->last = &v->first;
    bool posted = v->posted;
    lock_give(v->lock);
    while (t) {
        struct told *next = t->next;
        if (!a->failed) answer_tell(a, str_c(t->line), t->finding);
        free(t);
        t = next;
    }
    return posted;
}

static FIBER int verify(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct verifying v = {.admin = admin,
                          .loop = loop_self(),
                          .bodies = request_bool(request, "bodies"),
                          .lock = lock_new(admin->world)};
    v.last = &v.first;
    v.post = (struct post){.fn = wake, .arg = &v};
    event_init(&v.news);
    struct scope scope;
    scope_init(&scope);
    fiber_spawn(&scope, look, &v);
    while (!v.done && event_wait(&v.news, FOREVER) == 0) {
        event_clear(&v.news);
        pass_on(&v, a);
    }
    scope_join(&scope); /* cancelled: looking goes on to its end all the same */
    while (pass_on(&v, a)) fiber_yield();
    lock_free(v.lock);
    if (v.result) {
        if (e) *e = v.error;
        return v.result;
    }
    json_put_int(&a->done, "findings", v.bad);
    return 0;
}

const struct admin_op admin_health_ops[] = {
    {"status", status, NULL}, {"verify", verify, NULL}, {0}};
