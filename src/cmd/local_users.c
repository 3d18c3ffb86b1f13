/* The door for programs of this machine: a Unix socket that speaks submission (RFC 6409), where the kernel says who is
 * there. sendmail(1) uses it.
 *
 * Root and the server's own user may send as anybody. Another user may send as himself: under his name at the host and
 * at every domain of ours, and as whatever the account of that name may. */
#include <sys/stat.h>

#include "cmd/owner.h"
#include "cmd/server_core.h"
#include "mail/limits.h"

static struct server *server_of(const struct smtp_session *s) { return ((struct port *)s->service->agent)->server; }

/* ---- who is there? ---- */

struct lookup {
    int64_t uid;
    struct process_user user;
    int result;
};

static void look_up(void *arg)
{
    struct lookup *l = arg;
    l->result = process_user_by_id(l->uid, &l->user);
}

struct account_search {
    const struct directory *directory;
    struct str local;
    int64_t account;
    size_t found;
};

static void look_in_domain(const struct directory_domain *domain, void *arg)
{
    struct account_search *s = arg;
    const struct directory_account *account = directory_account(s->directory, (struct address){s->local, domain->key});
    if (domain->alias_of || !account) return;
    s->account = account->id;
    s->found++;
}

/* The account of that name: where sendmail's letters come from, at the host, else in the one domain that has it. */
static int64_t account_of(struct arena *a, const struct server *server, struct str local)
{
    const struct directory *d = store_directory_in(a, server->store);
    const struct str first[] = {server->config->local_domain, server->config->hostname_key};
    for (size_t i = 0; i < 2; i++) {
        const struct directory_account *account = directory_account(d, (struct address){local, first[i]});
        if (account) return account->id;
    }
    struct account_search s = {.directory = d, .local = local};
    directory_each_domain(d, look_in_domain, &s);
    return s.found == 1 ? s.account : 0;
}

static FIBER struct reply on_connect(struct smtp_session *s)
{
    struct peer_credentials peer;
    struct str local;
    if (stream_peer_credentials(s->io, &peer) != 0)
        return R_CLOSE(554, E(5, 7, 1), "the kernel does not say who you are");
    struct lookup l = {.uid = peer.uid};
    offload(look_up, &l);
    s->trusted = peer.uid == 0 || peer.uid == process_uid();
    if (l.result && !s->trusted)
        return R_CLOSE(554, E(5, 7, 1), "user %lld has no name on this machine", (long long)peer.uid);
    s->known = true;
    if (!l.result) s->who.login = arena_str(s->arena, str_c(l.user.name));
    if (!s->trusted && local_key(s->cmd, s->who.login, &local) != 0)
        return R_CLOSE(554, E(5, 7, 1), "user %lld has a name that no address can have", (long long)peer.uid);
    if (!s->trusted) s->who.account = account_of(s->cmd, server_of(s), local);
    return R(220, E_NONE, "%.*s ESMTP Penny Post, for users of this machine", STR_FMT(s->service->hostname));
}

/* ---- as whom may he send? ---- */

static bool may_send(const struct smtp_session *s, struct arena *a, const struct directory *d, struct address address)
{
    struct address key;
    struct str own, base, detail;
    if (address_key(a, address, &key) != 0 || local_key(a, s->who.login, &own) != 0 || own.n == 0) return false;
    if (!str_eq(key.local, own) && !(local_detail(key.local, '+', &base, &detail) && str_eq(base, own))) return false;
    return str_eq(key.domain, server_of(s)->config->hostname_key) || directory_domain(d, key.domain);
}

/* ---- the socket ---- */

static FIBER void serve(struct stream *stream, void *port) { smtp_serve(stream, &((struct port *)port)->smtp); }

/* A folder like /run/penny is gone after every boot; whoever may make it, makes it. */
void local_users_make_folder(const struct config *c)
{
    struct process_user owner;
    int error;
    struct str folder = str_head(c->local_socket, str_rfind_char(c->local_socket, '/'));
    if (folder.n == 0 || str_eq(folder, c->data)) return;
    struct arena *a = arena_new(NULL, 0);
    const char *path = arena_cstr(a, folder);
    mode_t before = umask(022);
    if (mkdir(path, 0755) == 0 && owner_find(c, &owner, &error, NULL)) process_give(path, &owner, NULL);
    umask(before);
    arena_free(a);
}

int local_users_open(struct server *s, struct error *e)
{
    const struct config *c = s->config;
    struct port *p = &s->locals;
    p->server = s;
    p->agent.msa = (struct msa){
        .desk = {.queue = &s->queue, .resolver = server_resolver_here, .arg = s, .log = s->log},
        .per_hour = c->limits.per_hour,
        .per_day = c->limits.per_day,
        .may_send = may_send,
    };
    p->policy = msa_policy;
    p->policy.connect = on_connect;
    p->smtp = (struct smtp_service){
        .kind = SMTP_SUBMISSION,
        .policy = &p->policy,
        .agent = p,
        .hostname = c->hostname,
        .size_max = c->limits.message_size,
        .recipients_max = (int)c->limits.recipients, /* programs do not split their lists, as people's do */
        .hold_max = SPAN_FUTURE_RELEASE / US_PER_S,
        .new_id = server_port_new_id,
    };
    return listener_open_unix(s->world, arena_cstr(s->arena, c->local_socket), true, serve, p, &p->listener, e);
}
