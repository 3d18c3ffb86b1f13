/* penny setup: domains, the first account, and postmaster, who is that account. */
#include <stdio.h>

#include "cmd/client.h"
#include "cmd/setup.h"
#include "mail/limits.h"

struct work {
    struct setup *s;
    struct client *client;
    struct error e;
    int result;
    bool only_look, found;
};

/* {"op": op, "MEMBER": value, "targets": [target], "password": …}; absent parts NULL or STR_NONE. */
static FIBER int ask(struct work *w, const char *op, const char *member, struct str value, struct str target,
                     const struct buf *password)
{
    struct buf request = BUF(64 << 10);
    buf_reserve(&request, 16 << 10); /* whole from the start: a password leaves no copies */
    struct json j = JSON(&request);
    json_put_object(&j, NULL);
    json_put_str(&j, "op", str_c(op));
    json_put_str(&j, member, value);
    if (target.n) {
        json_put_array(&j, "targets");
        json_put_str(&j, NULL, target);
        json_put_end(&j, ']');
    }
    if (password) json_put_str(&j, "password", buf_str(password));
    json_put_end(&j, '}');
    int error = client_ask(w->client, buf_str(&request), NULL, &w->e);
    buf_wipe(&request);
    buf_free(&request);
    return error;
}

static FIBER bool is_there(struct work *w, const char *op, const char *member, struct str value)
{
    return ask(w, op, member, value, STR_NONE, NULL) == 0;
}

static void say(struct work *w, const char *what, struct str name, struct str target)
{
    w->s->changes++;
    if (w->s->program->json) return;
    printf("made %-14s %.*s%s%.*s\n", what, STR_FMT(name), target.n ? " -> " : "", STR_FMT(target));
}

static FIBER int need_domain(struct work *w, struct str domain)
{
    if (is_there(w, "domain.show", "domain", domain)) return 0;
    int error = ask(w, "domain.add", "domain", domain, STR_NONE, NULL);
    if (!error) say(w, "domain", domain, STR_NONE);
    return error;
}

static FIBER int need_account(struct work *w, struct str address)
{
    if (is_there(w, "account.show", "address", address)) return 0;
    int error = ask(w, "account.add", "address", address, STR_NONE, w->s->password);
    if (!error) say(w, "account", address, STR_NONE);
    return error;
}

/* RFC 5321 §4.5.1: there is always somebody who reads postmaster. */
static FIBER int need_postmaster(struct work *w, struct str domain, struct str account)
{
    struct str address = arena_printf(w->s->program->arena, "postmaster@%.*s", STR_FMT(domain));
    if (str_ieq(address, account)) return 0;
    if (is_there(w, "alias.show", "address", address) || is_there(w, "account.show", "address", address)) return 0;
    int error = ask(w, "alias.add", "address", address, account, NULL);
    if (!error) say(w, "alias", address, account);
    return error;
}

static FIBER int make_people(struct work *w)
{
    struct setup *s = w->s;
    int error = need_domain(w, s->domain);
    if (!error && !str_eq(s->hostname, s->domain)) error = need_domain(w, s->hostname);
    if (!error) error = need_account(w, s->account);
    if (!error) error = need_postmaster(w, s->domain, s->account);
    if (!error && !str_eq(s->hostname, s->domain)) error = need_postmaster(w, s->hostname, s->account);
    return error;
}

static FIBER void work_in_fiber(struct world *world, void *arg)
{
    struct work *w = arg;
    w->result = client_open(world, &w->s->config, &w->client, &w->e);
    if (!w->result && w->only_look) w->found = is_there(w, "account.show", "address", w->s->account);
    else if (!w->result) w->result = make_people(w);
    client_close(w->client);
}

static void work_after(void *arg) { client_free(((struct work *)arg)->client); }

int setup_people(struct setup *s)
{
    struct work w = {.s = s};
    program_run(work_in_fiber, work_after, &w);
    return w.result ? program_error(s->program, &w.e) : 0;
}

bool setup_has_account(struct setup *s)
{
    struct work w = {.s = s, .only_look = true};
    program_run(work_in_fiber, work_after, &w);
    return w.found;
}
