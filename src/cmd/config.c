/* penny.conf: the table of settings, and what follows from them. */
#include "cmd/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/config_check.h"
#include "io/process.h"
#include "mail/address.h"
#include "mail/limits.h"

static const struct service_fact services[SERVICES] = {
    [SERVICE_SMTP] = {"smtp", 25, false, false},
    [SERVICE_SUBMISSION] = {"submission", 587, false, true},
    [SERVICE_SUBMISSIONS] = {"submissions", 465, true, true},
    [SERVICE_LMTP] = {"lmtp", 0, false, false},
    [SERVICE_POP3] = {"pop3", 110, false, true},
    [SERVICE_POP3S] = {"pop3s", 995, true, true},
    [SERVICE_IMAP] = {"imap", 143, false, true},
    [SERVICE_IMAPS] = {"imaps", 993, true, true},
};

const struct service_fact *service_fact(enum service_kind kind) { return &services[kind]; }

/* A setting is named as the member it goes to. */
#define AT(of, member) offsetof(struct of, member)
#define TEXT(of, member, otherwise, check_by, help) \
#member, CONF_TEXT, AT(of, member), otherwise, 0, 0, help, .check = check_by
#define LIST(of, member, check_by, help) #member, CONF_LIST, AT(of, member), NULL, 0, 0, help, .check = check_by
#define INT(of, member, otherwise, min, max, help) #member, CONF_INT, AT(of, member), otherwise, min, max, help
#define SIZE(of, member, otherwise, min, max, help) #member, CONF_SIZE, AT(of, member), otherwise, min, max, help
#define SPAN(of, member, otherwise, min, max, help) #member, CONF_SPAN, AT(of, member), otherwise, min, max, help
#define YES_NO(of, member, otherwise, help) #member, CONF_BOOL, AT(of, member), otherwise, 0, 0, help
#define BLOCK(of, member, table, help) #member, CONF_SECTION, AT(of, member), NULL, 0, 0, help, .inside = table

static const struct conf_setting tls_table[] = {
    {TEXT(config_tls, certificate, NULL, NULL, "The chain of certificates, PEM.")},
    {TEXT(config_tls, key, NULL, NULL, "The first certificate's private key, PEM.")},
    {0},
};
static const struct conf_setting listen_table[] = {
    {LIST(config_listen, address, config_check_listen_addresses,
          "Where to listen: \"ADDRESS:PORT\"; \"*\" is every address, IPv4 and IPv6.")},
    {LIST(config_listen, proxy_protocol, config_check_prefixes,
          "Load balancers that must introduce each connection with a PROXY header; from all others it is not read.")},
    {0},
};
static const struct conf_setting resolver_table[] = {
    {LIST(config_resolver, servers, config_check_servers,
          "Name servers, \"ADDRESS:PORT\" (default: those of /etc/resolv.conf).")},
    {YES_NO(config_resolver, trust_ad, "no", "Believe what servers beyond loopback say of DNSSEC.")},
    {0},
};
static const struct conf_setting relay_table[] = {
    {INT(config_relay, port, "25", 1, 65535, "The port at which mail exchangers listen.")},
    {YES_NO(config_relay, loopback, "no", "May a mail exchanger be a loopback address? For tests.")},
    {INT(config_relay, connections, "200", 1, 100000, "Connections to other hosts at once.")},
    {INT(config_relay, window, "20", 1, 10000, "Connections to one next hop at once.")},
    {LIST(config_relay, source, config_check_source,
          "Addresses to send from, one of IPv4 and one of IPv6 (default: the system's choice).")},
    {0},
};
static const struct conf_setting sendmail_table[] = {
    {TEXT(
        config_sendmail, socket, NULL, NULL,
        "The socket at which users of this machine hand in letters by sendmail(1) (default: sendmail.sock in the data "
        "folder, where only the server's user gets at it). Its folder's permissions say who may.")},
    {TEXT(config_sendmail, domain, NULL, config_check_domain,
          "What is put behind addresses without a domain (default: the hostname).")},
    {0},
};
static const struct conf_setting limits_table[] = {
    {SIZE(config_limits, message_size, "50M", 64 << 10, INT64_C(2) << 30, "The largest letter.")},
    {INT(config_limits, recipients, "1000", 100, 100000, "Recipients of one letter on port 25.")},
    {INT(config_limits, recipients_submission, "200", 100, 100000, "Recipients of one letter of a user.")},
    {INT(config_limits, per_hour, "300", 1, INT32_MAX, "Recipients an account may write to in an hour.")},
    {INT(config_limits, per_day, "1000", 1, INT32_MAX, "Recipients an account may write to in a day.")},
    {INT(config_limits, connections, "20000", 10, 1000000, "Connections at once.")},
    {INT(config_limits, connections_per_address, "100", 1, 1000000,
         "Connections at once of one client (of one /64 in IPv6); loopback and trusted clients are not counted.")},
    {INT(config_limits, handshakes, "64", 1, 10000, "TLS handshakes at once.")},
    {0},
};
static const struct conf_setting mailbox_table[] = {
    {SPAN(config_mailbox, keep_expunged, "14d", 0, DAYS(3650),
          "How long expunged letters, deleted mailboxes and removed accounts can be brought back.")},
    {YES_NO(config_mailbox, counts_in_quota, "no",
            "Do expunged letters count in their account's quotas for as long as they are kept?")},
    {0},
};
static const struct conf_setting imap_table[] = {
    {YES_NO(
        config_imap, unauthenticate, "yes",
        "Let programs log out and in again as somebody else on the same connection (UNAUTHENTICATE). \"no\" behind a "
        "proxy that looks at the first log-in alone.")},
    {YES_NO(config_imap, uidonly, "no",
            "Offer UIDONLY (RFC 9586). Microsoft 365, fetching for Outlook (15.20, 2025), switches it on where it is "
            "offered, goes on in message numbers all the same, and then gets no letters.")},
    {LIST(config_imap, administrators, config_check_accounts,
          "Accounts that may see and set the quotas of all others over IMAP (GETQUOTA, SETQUOTA), whose quota root "
          "is their address: {\"ada@example.org\"}.")},
    {0},
};
static const struct conf_setting submission_table[] = {
    {YES_NO(config_submission, hide_client, "yes",
            "Leave the user's network address out of the letter's Received field.")},
    {0},
};
static const struct conf_setting log_table[] = {
    {TEXT(config_log, level, "info", config_check_log_level, "The least that is written: debug, info, warn or error.")},
    {TEXT(config_log, format, "logfmt", config_check_log_format, "How a line looks: logfmt or json.")},
    {0},
};
static const char listen_help[] =
    "Where to listen; the title is what is served: smtp submission submissions lmtp pop3 pop3s imap imaps. Several "
    "blocks of a kind are fine. With no block: smtp 25, submission 587, submissions 465, pop3 110, pop3s 995, "
    "imap 143, imaps 993; with one, only those written.";
const struct conf_setting config_table[] = {
    {TEXT(config, hostname, NULL, config_check_hostname,
          "The name of this machine in DNS, such as mail.example.org. Must be set.")},
    {TEXT(config, data, "/var/lib/penny", NULL, "The folder that holds all mail; relative to this file.")},
    {TEXT(config, user, NULL, NULL,
          "Whom to run as when started by root (default: the owner of the data folder, or penny).")},
    {BLOCK(config, tls, tls_table, "The certificate of this host. Read again on SIGHUP."), .check = config_check_tls},
    {"listen", CONF_SECTION, AT(config, listen), "smtp", 0, 0, listen_help, .inside = listen_table,
     .size = sizeof(struct config_listen), .repeat = true, .title = AT(config_listen, title),
     .check = config_check_listen},
    {BLOCK(config, resolver, resolver_table, "Who answers questions about DNS.")},
    {BLOCK(config, relay, relay_table, "How mail leaves for other hosts.")},
    {BLOCK(config, sendmail, sendmail_table, "Letters of programs on this machine.")},
    {LIST(config, public_addresses, config_check_addresses,
          "Addresses under which others reach this machine, when they are not its own (behind a translating router): a "
          "mail exchanger there is ourselves. Read again on SIGHUP.")},
    {LIST(config, trusted, config_check_prefixes,
          "Clients that may send without a password, \"10.1.0.0/16\". Read again on SIGHUP.")},
    {LIST(config, plaintext_auth, config_check_prefixes, "Clients that may log in without TLS. Read again on SIGHUP.")},
    {BLOCK(config, limits, limits_table, "How much of what.")},
    {BLOCK(config, mailbox, mailbox_table, "What mailboxes remember.")},
    {BLOCK(config, imap, imap_table, "What IMAP offers.")},
    {BLOCK(config, submission, submission_table, "How users' letters are treated.")},
    {YES_NO(config, expn, "no", "Tell trusted clients on port 25 where an address leads (EXPN).")},
    {BLOCK(config, log, log_table, "What is written to stderr while it serves.")},
    {INT(config, loops, "0", 0, 256,
         "Threads that serve connections; 0: one less than there are processors, at least one.")},
    {0},
};

/* ---- what follows from the settings ---- */

bool ip_prefixes_have(const struct ip_prefixes *p, struct ip ip)
{
    for (size_t i = 0; i < p->n; i++)
        if (ip_within(ip, p->v[i])) return true;
    return false;
}

static struct ip_prefixes prefixes_of(struct arena *a, const struct conf_list *list)
{
    struct ip_prefixes p = {arena_array(a, list->n, sizeof *p.v), list->n};
    for (size_t i = 0; i < list->n; i++) ip_prefix_parse(list->v[i], &p.v[i]);
    return p;
}

static void add_port(struct config *c, enum service_kind kind, struct str written, struct ip_prefixes proxies)
{
    struct config_port *p = &c->ports[c->n_ports++];
    *p = (struct config_port){.kind = kind, .written = written, .proxies = proxies};
    config_listen_address(written, &p->address);
}

static void gather_ports(struct arena *a, struct config *c)
{
    size_t n = SERVICES;
    for (size_t i = 0; i < c->listen.n; i++) n += ((struct config_listen *)c->listen.v[i])->address.n;
    c->ports = arena_array(a, n, sizeof *c->ports);
    for (size_t i = 0; i < c->listen.n; i++) {
        const struct config_listen *l = c->listen.v[i];
        enum service_kind kind = SERVICE_SMTP;
        config_kind(l->title, &kind);
        for (size_t k = 0; k < l->address.n; k++)
            add_port(c, kind, l->address.v[k], prefixes_of(a, &l->proxy_protocol));
    }
    for (int k = 0; k < SERVICES && c->listen.n == 0; k++)
        if (services[k].port)
            add_port(c, (enum service_kind)k, arena_printf(a, "*:%u", services[k].port), (struct ip_prefixes){0});
}

static struct str absolute(struct arena *a, const char *folder, struct str path)
{
    if (path.n == 0 || path.p[0] == '/') return path;
    return arena_printf(a, "%s/%.*s", folder, STR_FMT(path));
}

static int complete(struct arena *a, const char *name, const char *folder, struct config *c, struct error *e)
{
    if (c->hostname.n == 0)
        return error_set(e, ERR_CONFIG, "%s: the hostname is missing (hostname = \"mail.example.org\")", name);
    domain_key(a, c->hostname, &c->hostname_key);
    c->data = absolute(a, folder, c->data);
    c->sendmail.socket = absolute(a, folder, c->sendmail.socket);
    c->local_socket = c->sendmail.socket;
    if (c->local_socket.n == 0) c->local_socket = arena_printf(a, "%.*s/sendmail.sock", STR_FMT(c->data));
    domain_key(a, c->sendmail.domain.n ? c->sendmail.domain : c->hostname, &c->local_domain);
    c->own_addresses = arena_array(a, c->public_addresses.n, sizeof *c->own_addresses);
    for (size_t i = 0; i < c->public_addresses.n; i++) ip_parse(c->public_addresses.v[i], &c->own_addresses[i]);
    for (size_t i = 0; i < c->relay.source.n; i++) {
        struct ip ip;
        ip_parse(c->relay.source.v[i], &ip);
        c->relay_source[ip.family == 6] = ip;
    }
    c->tls.certificate = absolute(a, folder, c->tls.certificate);
    c->tls.key = absolute(a, folder, c->tls.key);
    c->trusted_prefixes = prefixes_of(a, &c->trusted);
    c->plaintext_prefixes = prefixes_of(a, &c->plaintext_auth);
    c->resolver_servers = arena_array(a, c->resolver.servers.n, sizeof *c->resolver_servers);
    for (size_t i = 0; i < c->resolver.servers.n; i++)
        config_listen_address(c->resolver.servers.v[i], &c->resolver_servers[i]);
    gather_ports(a, c);
    for (size_t i = 0; i < c->n_ports && c->tls.certificate.n == 0; i++)
        if (services[c->ports[i].kind].tls)
            return error_set(e, ERR_CONFIG, "%s: listening for %s needs tls { certificate = … key = … }", name,
                             services[c->ports[i].kind].name);
    return 0;
}

int config_parse(struct arena *a, const char *name, const char *folder, struct str text, struct config *out,
                 struct error *e)
{
    *out = (struct config){.file = arena_printf(a, "%s", name)};
    int error = conf_parse(a, name, text, config_table, out, e);
    return error ? error : complete(a, name, folder, out, e);
}

int config_read(struct arena *a, const char *path, struct config *out, struct error *e)
{
    const char *folder;
    *out = (struct config){0};
    int error = conf_read(a, path, config_table, out, e);
    if (error) return error;
    error = process_folder_of(a, path, &folder, e);
    if (error) return error;
    const char *slash = strrchr(path, '/');
    out->file = arena_printf(a, "%s/%s", folder, slash ? slash + 1 : path);
    return complete(a, path, folder, out, e);
}

const char *config_find_standard(void) { return "/etc/penny/penny.conf"; }

const char *config_find_system(void)
{
    const char *said = getenv("PENNY_CONFIG");
    return said && *said ? said : config_find_standard();
}

const char *config_find(const char *named)
{
    static const char here[] = "./penny.conf";
    const char *said = named && *named ? named : getenv("PENNY_CONFIG");
    if (said && *said) return said;
    return access(here, F_OK) == 0 ? here : config_find_system();
}
