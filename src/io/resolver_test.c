/* The resolver over real sockets, against a name server of this test that lies, cuts, stumbles and counts. */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/resolver_core.h"
#include "mail/limits.h"

/* ---- the server: what it does stands in the first label of the name asked for ---- */

struct server {
    int udp, tcp, other; /* other: a socket with another port, for forged replies */
    uint16_t port;
    atomic_int queries, connections, without_edns;
    atomic_bool stop;
    bool deaf;       /* receives and never answers */
    bool authentic;  /* sets AD */
    pthread_t thread;
};

struct message {
    unsigned char p[65535];
    size_t n;
};

static void put(struct message *m, const void *p, size_t n)
{
    memcpy(m->p + m->n, p, n);
    m->n += n;
}

static void put_record(struct message *m, unsigned type, unsigned ttl, const void *data, size_t n)
{
    unsigned char head[12] = {0xc0,
                              12,
                              0,
                              (unsigned char)type,
                              0,
                              1,
                              0,
                              0,
                              (unsigned char)(ttl >> 8),
                              (unsigned char)ttl,
                              (unsigned char)(n >> 8),
                              (unsigned char)n};
    put(m, head, sizeof head);
    put(m, data, n);
    m->p[7]++; /* answers */
    if (m->p[7] == 0) m->p[6]++;
}

static void put_soa(struct message *m)
{
    /* minimum 60 s */
    static const char record[] = "\0\0\6\0\1\0\0\1\x2c\0\x16\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\x3c";
    put(m, record, sizeof record - 1);
    m->p[9]++;
}

/* The reply to the query in `m`, in its place; false: no reply. */
static bool answer(struct server *v, struct message *m, bool tcp)
{
    size_t label = m->p[12], type_at = 12;
    struct str name = str_of(m->p + 13, label);
    while (m->p[type_at]) type_at += m->p[type_at] + 1u;
    unsigned type = m->p[type_at + 2];
    bool edns = m->p[11] != 0;
    if (!edns) v->without_edns++;
    m->n = type_at + 5;
    m->p[2] = 0x81;
    m->p[3] = v->authentic ? 0xa0 : 0x80;
    memset(m->p + 6, 0, 6);
    if (str_eq(name, S("servfail"))) m->p[3] |= 2;
    else if (str_eq(name, S("nothing"))) put_soa(m);
    else if (str_eq(name, S("nobody"))) m->p[3] |= 3, put_soa(m);
    else if (str_eq(name, S("old")) && edns) m->p[3] |= 1;
    else if (str_eq(name, S("oldest")) && edns) m->p[3] |= 1, m->p[5] = 0, m->n = 12;
    else if (str_eq(name, S("cut")) && !tcp) m->p[2] |= 2;
    else if (str_eq(name, S("cutagain"))) m->p[2] |= 2;
    else if (str_eq(name, S("broken"))) m->p[7] = 9;
    else if (str_eq(name, S("loop"))) put_record(m, DNS_CNAME, 300, "\xc0\x0c", 2);
    else if (str_eq(name, S("zero"))) put_record(m, type, 0, "\xc0\0\2\1", 4);
    else if (type == DNS_A)
        for (int i = 0; i < (tcp ? 200 : 2); i++) put_record(m, DNS_A, 300, "\xc0\0\2\1", 4);
    else if (type == DNS_AAAA) put_record(m, DNS_AAAA, 300, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    else if (type == DNS_MX) put_record(m, DNS_MX, 300, "\0\x0a\2mx\xc0\x0c", 7);
    else if (type == DNS_PTR) put_record(m, DNS_PTR, 300, "\4host\7example\0", 14);
    return !str_eq(name, S("silent"));
}

static void serve_udp(struct server *v, struct message *m)
{
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(v->udp, m->p, sizeof m->p, 0, (struct sockaddr *)&from, &size);
    if (n < 12) return;
    m->n = (size_t)n;
    v->queries++;
    if (v->deaf || !answer(v, m, false)) return;
    struct str name = str_of(m->p + 13, m->p[12]);
    if (str_eq(name, S("slow"))) usleep(150000);
    /* wrong id, wrong question, a query, noise, another port: each with a forged address */
    if (str_eq(name, S("lies"))) {
        struct message lie = *m;
        lie.p[lie.n - 1] = 66;
        lie.p[0] ^= 1;
        sendto(v->udp, lie.p, lie.n, 0, (struct sockaddr *)&from, size);
        lie.p[0] ^= 1;
        sendto(v->other, lie.p, lie.n, 0, (struct sockaddr *)&from, size);
        lie.p[13] = 'x';
        sendto(v->udp, lie.p, lie.n, 0, (struct sockaddr *)&from, size);
        lie.p[13] = m->p[13];
        lie.p[2] = 1;
        sendto(v->udp, lie.p, lie.n, 0, (struct sockaddr *)&from, size);
        sendto(v->udp, "x", 1, 0, (struct sockaddr *)&from, size);
        sendto(v->udp, "", 0, 0, (struct sockaddr *)&from, size);
        usleep(20000);
    }
    sendto(v->udp, m->p, m->n, 0, (struct sockaddr *)&from, size);
}

static void serve_tcp(struct server *v, struct message *m)
{
    int fd = accept(v->tcp, NULL, NULL);
    unsigned char size[2];
    v->connections++;
    if (fd < 0 || recv(fd, size, 2, MSG_WAITALL) != 2) return;
    m->n = (size_t)(size[0] << 8 | size[1]);
    if (recv(fd, m->p, m->n, MSG_WAITALL) == (ssize_t)m->n && answer(v, m, true)) {
        size[0] = (unsigned char)(m->n >> 8);
        size[1] = (unsigned char)m->n;
        send(fd, size, 1, MSG_NOSIGNAL); /* in three pieces */
        usleep(1000);
        send(fd, size + 1, 1, MSG_NOSIGNAL);
        usleep(1000);
        send(fd, m->p, m->n, MSG_NOSIGNAL);
    }
    close(fd);
}

static void *serve(void *arg)
{
    struct server *v = arg;
    struct message *m = test_malloc(sizeof *m);
    struct pollfd fds[] = {{v->udp, POLLIN, 0}, {v->tcp, POLLIN, 0}};
    while (!v->stop) {
        if (poll(fds, 2, 20) <= 0) continue;
        if (fds[0].revents) serve_udp(v, m);
        if (fds[1].revents) serve_tcp(v, m);
    }
    test_free(m);
    return NULL;
}

static int socket_at(int type, uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(*port)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(at.sin_port);
    return fd;
}

static void server_start(struct server *v)
{
    uint16_t any = 0;
    *v = (struct server){.tcp = -1};
    for (int i = 0; i < 50 && v->tcp < 0; i++) { /* one number for both */
        v->port = 0;
        v->udp = socket_at(SOCK_DGRAM, &v->port);
        v->tcp = socket_at(SOCK_STREAM, &v->port);
        if (v->tcp < 0) close(v->udp);
    }
    v->other = socket_at(SOCK_DGRAM, &any);
    assert_int_equal(listen(v->tcp, 8), 0);
    assert_int_equal(pthread_create(&v->thread, NULL, serve, v), 0);
}

static void server_stop(struct server *v)
{
    v->stop = true;
    pthread_join(v->thread, NULL);
    close(v->udp);
    close(v->tcp);
    close(v->other);
}

/* ---- a fiber with a resolver ---- */

struct fixture {
    struct server *v, *second; /* second: asked after v */
    bool nobody_first;         /* a port where nobody listens is asked before v */
    void (*test)(struct fixture *f);
    struct resolver *r;
    struct arena *a;
};

static FIBER void in_fiber(void *arg)
{
    struct fixture *f = arg;
    f->test(f);
    loop_stop(loop_self());
}

static void run(struct fixture *f)
{
    struct world *w = world_real(1);
    struct loop *l = loop_new(w);
    struct endpoint servers[3];
    size_t n = 0;
    const struct ip loopback = {4, {127, 0, 0, 1}};
    if (f->nobody_first) servers[n++] = (struct endpoint){loopback, 1};
    servers[n++] = (struct endpoint){loopback, f->v->port};
    if (f->second) servers[n++] = (struct endpoint){loopback, f->second->port};
    f->a = arena_new(NULL, 0);
    f->r = resolver_new(l, &(struct resolver_options){.servers = servers, .n_servers = n});
    loop_spawn(l, in_fiber, f);
    loop_run(l);
    resolver_free(f->r);
    loop_free(l);
    arena_free(f->a);
    world_free(w);
}

static void with_server(void (*test)(struct fixture *f))
{
    struct server v;
    server_start(&v);
    struct fixture f = {.v = &v, .test = test};
    run(&f);
    server_stop(&v);
}

static struct dns_answer get(struct fixture *f, const char *name, enum dns_type type)
{
    struct dns_answer d;
    assert_int_equal(dns_query(f->r, f->a, str_c(name), type, &d), 0);
    return d;
}

/* ---- the tests ---- */

static FIBER void plain_questions(struct fixture *f)
{
    struct dns_answer d = get(f, "Good.Example.", DNS_A);
    assert_int_equal(d.status, DNS_OK);
    assert_int_equal(d.n, 2);
    assert_true(str_eq(d.canonical, S("good.example")));
    assert_false(d.secure);
    d = get(f, "good.example", DNS_MX);
    assert_true(str_eq(d.records[0].name, S("mx.good.example")));
    struct ip ip = {4, {192, 0, 2, 1}};
    assert_int_equal(dns_query_ptr(f->r, f->a, ip, &d), 0);
    assert_true(str_eq(d.records[0].name, S("host.example")));
    assert_int_equal(dns_query(f->r, f->a, S("no name"), DNS_A, &d), ERR_SYNTAX);
    f->v->authentic = true;
    assert_true(get(f, "safe.example", DNS_A).secure); /* on loopback the server's word counts */
}
static void test_plain(void **state) { (void)state, with_server(plain_questions); }

static FIBER void kept_answers(struct fixture *f)
{
    static const struct {
        const char *name;
        enum dns_status status;
        int queries; /* for three questions */
    } row[] = {
        {"good.example", DNS_OK, 1},       {"nothing.example", DNS_NODATA, 1}, {"nobody.example", DNS_NXDOMAIN, 1},
        {"servfail.example", DNS_FAILURE, 1}, {"zero.example", DNS_OK, 3},     {"broken.example", DNS_FAILURE, 1},
        {"loop.example", DNS_FAILURE, 1},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        f->v->queries = 0;
        for (int n = 0; n < 3; n++) {
            assert_int_equal(get(f, row[i].name, DNS_A).status, row[i].status);
            fiber_sleep(2 * US_PER_MS);
        }
        assert_int_equal(f->v->queries, row[i].queries);
    }
}
static void test_cache(void **state) { (void)state, with_server(kept_answers); }

static FIBER void lies_and_cuts(struct fixture *f)
{
    struct dns_answer d = get(f, "lies.example", DNS_A);
    assert_int_equal(d.status, DNS_OK);
    assert_int_equal(d.records[1].ip.b[3], 1); /* not 66 */
    assert_int_equal(f->v->queries, 1);
    d = get(f, "cut.example", DNS_A);
    assert_int_equal(d.n, 200);
    assert_int_equal(f->v->connections, 1);
    assert_int_equal(get(f, "cutagain.example", DNS_A).status, DNS_FAILURE);
    assert_int_equal(f->v->connections, 2);
    assert_int_equal(get(f, "old.example", DNS_A).status, DNS_OK); /* RFC 6891 §6.2.2 */
    assert_int_equal(f->v->without_edns, 1);
    assert_int_equal(get(f, "oldest.example", DNS_A).status, DNS_OK);
    assert_int_equal(f->v->without_edns, 2);
}
static void test_lies(void **state) { (void)state, with_server(lies_and_cuts); }

struct crowd {
    struct fixture *f;
    int good, cancelled;
};

static FIBER void one_of_many(void *arg)
{
    struct crowd *c = arg;
    struct dns_answer d;
    int e = dns_query(c->f->r, c->f->a, S("slow.example"), DNS_A, &d);
    if (e == 0 && d.status == DNS_OK && d.n == 2) c->good++;
    if (e == ERR_CANCELLED) c->cancelled++;
}

static FIBER void one_question_for_all(struct fixture *f)
{
    struct crowd c = {.f = f};
    struct scope first, all;
    scope_init(&first);
    scope_init(&all);
    for (int i = 0; i < 50; i++) fiber_spawn(&all, one_of_many, &c);
    scope_join(&all);
    assert_int_equal(c.good, 50);
    assert_int_equal(f->v->queries, 1);

    struct resolver *former = f->r; /* a cold one: who asks is cancelled, another takes over */
    struct endpoint at = {{4, {127, 0, 0, 1}}, f->v->port};
    f->r = resolver_new(loop_self(), &(struct resolver_options){.servers = &at, .n_servers = 1});
    c.good = 0;
    fiber_spawn(&first, one_of_many, &c);
    fiber_sleep(20 * US_PER_MS);
    for (int i = 0; i < 20; i++) fiber_spawn(&all, one_of_many, &c);
    fiber_sleep(20 * US_PER_MS);
    scope_cancel(&first);
    scope_join(&first);
    scope_join(&all);
    assert_int_equal(c.cancelled, 1);
    assert_int_equal(c.good, 20);
    assert_int_equal(f->v->queries, 3);
    resolver_free(f->r);
    f->r = former;
}
static void test_coalescing(void **state) { (void)state, with_server(one_question_for_all); }

static FIBER void second_server_helps(struct fixture *f)
{
    mono_us before = loop_now();
    /* nobody: at once; deaf: TIMEOUT_DNS_QUERY; then the second */
    assert_int_equal(get(f, "good.example", DNS_A).status, DNS_OK);
    assert_true(loop_now() - before >= TIMEOUT_DNS_QUERY && loop_now() - before < TIMEOUT_DNS_QUERY + SECONDS(3));
    before = loop_now();
    assert_int_equal(get(f, "better.example", DNS_A).status, DNS_OK); /* who answered last is asked first */
    assert_true(loop_now() - before < SECONDS(2));
    assert_int_equal(f->v->queries, 1);
}

static void test_several_servers(void **state)
{
    (void)state;
    struct server v, second;
    server_start(&v);
    server_start(&second);
    v.deaf = true;
    struct fixture f = {.v = &v, .second = &second, .nobody_first = true, .test = second_server_helps};
    run(&f);
    server_stop(&v);
    server_stop(&second);
}

static FIBER void hosts(struct fixture *f)
{
    static const struct {
        const char *host;
        enum dns_status status;
        size_t n;
        int first, second; /* families */
        int queries;
    } row[] = {
        {"good.example", DNS_OK, 3, 6, 4, 2},
        {"GOOD.example.", DNS_OK, 3, 6, 4, 0},
        {"192.0.2.7", DNS_OK, 1, 4, 0, 0},
        {"2001:db8::7", DNS_OK, 1, 6, 0, 0},
        {"localhost", DNS_OK, 2, 6, 4, 0},
        {"x.localhost", DNS_OK, 2, 6, 4, 0},
        {"nobody.example", DNS_NXDOMAIN, 0, 0, 0, 2},
        {"nothing.example", DNS_NODATA, 0, 0, 0, 2},
        {"servfail.example", DNS_FAILURE, 0, 0, 0, 2},
        {"x.invalid", DNS_NXDOMAIN, 0, 0, 0, 0},
        {"no name", DNS_NXDOMAIN, 0, 0, 0, 0},
    };
    struct ip ip[8];
    size_t n;
    bool secure;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        f->v->queries = 0;
        enum dns_status status = dns_host(f->r, f->a, str_c(row[i].host), ip, 8, &n, &secure);
        assert_int_equal(status, row[i].status);
        assert_int_equal(n, row[i].n);
        if (n > 0) assert_int_equal(ip[0].family, row[i].first);
        if (n > 1) assert_int_equal(ip[1].family, row[i].second);
        assert_int_equal(f->v->queries, row[i].queries);
    }
    assert_int_equal(dns_host(f->r, f->a, S("good.example"), ip, 1, &n, &secure), DNS_OK);
    assert_int_equal(n, 1);
    assert_int_equal(get(f, "localhost", DNS_MX).status, DNS_NODATA);
    f->v->authentic = true;
    dns_host(f->r, f->a, S("safe.example"), ip, 8, &n, &secure);
    assert_true(secure);
}
static void test_hosts(void **state) { (void)state, with_server(hosts); }

static FIBER void ask_silent(void *arg)
{
    struct fixture *f = arg;
    struct ip ip[2];
    size_t n;
    bool secure;
    assert_int_equal(dns_host(f->r, f->a, S("silent.example"), ip, 2, &n, &secure), DNS_FAILURE);
    assert_true(fiber_cancelled());
}

static FIBER void cancelled_in_the_middle(struct fixture *f)
{
    struct scope s;
    mono_us before = loop_now();
    scope_init(&s);
    fiber_spawn(&s, ask_silent, f);
    fiber_sleep(50 * US_PER_MS);
    scope_cancel(&s);
    scope_join(&s);
    assert_true(loop_now() - before < SECONDS(3));
}
static void test_cancel(void **state) { (void)state, with_server(cancelled_in_the_middle); }

static void test_resolv_conf(void **state)
{
    (void)state;
    struct endpoint e[3];
    struct str text =
        S("# comment\nsearch example.org\nnameserver 192.0.2.1\n\tnameserver\t2001:db8::1  \n"
          "nameserver fe80::1%eth0\nnameserver junk\n;nameserver 192.0.2.9\noptions timeout:1\nnameserver\n"
          "nameservers 192.0.2.8\nnameserver 192.0.2.3\nnameserver 192.0.2.4");
    assert_int_equal(resolv_conf_servers(text, e, 3), 3);
    assert_int_equal(e[0].ip.b[3], 1);
    assert_int_equal(e[0].port, 53);
    assert_int_equal(e[1].ip.family, 6);
    assert_int_equal(e[2].ip.b[3], 3);
    assert_int_equal(resolv_conf_servers(S(""), e, 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolv_conf), cmocka_unit_test(test_plain),      cmocka_unit_test(test_cache),
        cmocka_unit_test(test_lies),        cmocka_unit_test(test_coalescing), cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_cancel),      cmocka_unit_test(test_several_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
