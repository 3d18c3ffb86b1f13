/* penny setup: what to publish in DNS, and what to tell a mail program. */
#include <stdio.h>

#include "cmd/setup.h"
#include "proto/json/write.h"

struct record {
    struct str name, type, value;
};
enum { RECORDS_MAX = 16 };

struct advice {
    const struct setup *s;
    struct arena *a;
    struct record records[RECORDS_MAX];
    size_t n;
};

static void add(struct advice *w, const char *prefix, struct str domain, struct str type, struct str value)
{
    if (w->n == RECORDS_MAX) return;
    w->records[w->n++] = (struct record){arena_printf(w->a, "%s%.*s.", prefix, STR_FMT(domain)), type, value};
}

static const struct config_port *port_of(const struct setup *s, enum service_kind kind)
{
    for (size_t i = 0; i < s->config.n_ports; i++)
        if (s->config.ports[i].kind == kind) return &s->config.ports[i];
    return NULL;
}

static void gather(struct advice *w)
{
    const struct setup *s = w->s;
    struct str host = s->hostname, domain = s->domain;
    add(w, "", domain, S("MX"), arena_printf(w->a, "10 %.*s.", STR_FMT(host)));
    add(w, "", host, S("A"), S("<the IPv4 address of this machine>"));
    add(w, "", host, S("AAAA"), S("<its IPv6 address, if it has one>"));
    add(w, "", domain, S("TXT"), S("\"v=spf1 mx -all\"")); /* RFC 7208 §3.3 */
    if (!str_eq(host, domain)) add(w, "", host, S("TXT"), S("\"v=spf1 a -all\""));
    for (int k = 0; k < SERVICES; k++) { /* RFC 6186 §3, RFC 8314 §5.1 */
        const struct service_fact *fact = service_fact((enum service_kind)k);
        const struct config_port *port = fact->announced ? port_of(s, (enum service_kind)k) : NULL;
        if (!port) continue;
        struct str prefix = arena_printf(w->a, "_%s._tcp.", fact->name);
        struct str value = arena_printf(w->a, "0 %d %u %.*s.", fact->tls ? 1 : 0, port->address.port, STR_FMT(host));
        if (fact->tls) add(w, arena_cstr(w->a, prefix), domain, S("SRV"), value);
    }
}

static void print_dns(const struct advice *w)
{
    const struct setup *s = w->s;
    if (s->tell_password) printf("password of %.*s: %.*s\n", STR_FMT(s->account), STR_FMT(buf_str(s->password)));
    printf("\nPublish in DNS (and have the machine's address point back to %.*s):\n\n", STR_FMT(s->hostname));
    for (size_t i = 0; i < w->n; i++)
        printf("  %-34.*s %-5.*s %.*s\n", STR_FMT(w->records[i].name), STR_FMT(w->records[i].type),
               STR_FMT(w->records[i].value));
}

static void print_clients(const struct setup *s)
{
    printf("\nIn a mail program, for %.*s (the login is the whole address):\n\n", STR_FMT(s->account));
    for (int k = SERVICES; k-- > 0;) {
        const struct service_fact *fact = service_fact((enum service_kind)k);
        const struct config_port *port = fact->announced ? port_of(s, (enum service_kind)k) : NULL;
        if (!port) continue;
        printf("  %-9s %-12s %.*s port %u, %s\n", fact->name[0] == 's' ? "outgoing" : "incoming", fact->name,
               STR_FMT(s->hostname), port->address.port, fact->tls ? "TLS" : "STARTTLS");
    }
    if (s->fingerprint[0])
        printf("\n  SHA-256 of the certificate (of our own making, so programs will ask):\n  %s\n", s->fingerprint);
}

static void print_json(const struct advice *w)
{
    const struct setup *s = w->s;
    struct buf b = BUF(64 << 10);
    struct json j = JSON(&b);
    json_put_object(&j, NULL);
    json_put_str(&j, "config", s->config.file);
    json_put_str(&j, "hostname", s->hostname);
    json_put_str(&j, "domain", s->domain);
    json_put_str(&j, "data", s->config.data);
    json_put_str(&j, "account", s->account);
    if (s->tell_password) json_put_str(&j, "password", buf_str(s->password));
    json_put_str(&j, "certificate_sha256", str_c(s->fingerprint));
    json_put_bool(&j, "changed", s->changes > 0);
    json_put_array(&j, "dns");
    for (size_t i = 0; i < w->n; i++) {
        json_put_object(&j, NULL);
        json_put_str(&j, "name", w->records[i].name);
        json_put_str(&j, "type", w->records[i].type);
        json_put_str(&j, "value", w->records[i].value);
        json_put_end(&j, '}');
    }
    json_put_end(&j, ']');
    json_put_end(&j, '}');
    printf("%.*s\n", STR_FMT(buf_str(&b)));
    buf_free(&b);
}

void setup_print_advice(const struct setup *s)
{
    struct advice w = {.s = s, .a = arena_new(NULL, 0)};
    gather(&w);
    if (s->program->json) {
        print_json(&w);
    } else {
        print_dns(&w);
        print_clients(s);
        printf("\nNext: penny -c %s serve\n", s->file);
    }
    arena_free(w.a);
}
