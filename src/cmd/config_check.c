/* The checks of single settings of penny.conf. */
#include "cmd/config_check.h"

#include "mail/address.h"

static int wrong(struct error *e, struct str what, const char *why)
{
    return error_set(e, ERR_CONFIG, "\"%.*s\" is %s", STR_FMT(str_head(what, 80)), why);
}

int config_check_hostname(const void *value, struct error *e)
{
    struct str name = *(const struct str *)value, key;
    struct arena *a = arena_new(NULL, 0);
    bool ok = domain_key(a, name, &key) == 0 && !domain_is_literal(name) && str_find_char(key, '.') < key.n;
    arena_free(a);
    return ok ? 0 : wrong(e, name, "no full host name; it looks like mail.example.org");
}

static int check_word(struct str word, const char *const *words, struct error *e)
{
    for (size_t i = 0; words[i]; i++)
        if (str_eq(word, str_c(words[i]))) return 0;
    struct buf all = BUF(100);
    for (size_t i = 0; words[i]; i++) buf_printf(&all, "%s%s", i ? ", " : "", words[i]);
    error_set(e, ERR_CONFIG, "\"%.*s\" is none of: %.*s", STR_FMT(str_head(word, 40)), STR_FMT(buf_str(&all)));
    buf_free(&all);
    return ERR_CONFIG;
}

int config_check_log_level(const void *value, struct error *e)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
    return check_word(*(const struct str *)value, levels, e);
}

int config_check_log_format(const void *value, struct error *e)
{
    static const char *const formats[] = {"logfmt", "json", NULL};
    return check_word(*(const struct str *)value, formats, e);
}

int config_check_prefixes(const void *value, struct error *e)
{
    const struct conf_list *list = value;
    for (size_t i = 0; i < list->n; i++) {
        struct ip_prefix p;
        if (ip_prefix_parse(list->v[i], &p) != 0)
            return wrong(e, list->v[i], "no network; it looks like 192.0.2.7, 10.1.0.0/16 or 2001:db8::/32");
    }
    return 0;
}

int config_check_addresses(const void *value, struct error *e)
{
    const struct conf_list *list = value;
    for (size_t i = 0; i < list->n; i++) {
        struct ip ip;
        if (ip_parse(list->v[i], &ip) != 0)
            return wrong(e, list->v[i], "no network address; it looks like 192.0.2.7 or 2001:db8::7");
    }
    return 0;
}

int config_check_accounts(const void *value, struct error *e)
{
    const struct conf_list *l = value;
    struct arena *a = arena_new(NULL, 0);
    struct address address;
    int error = 0;
    for (size_t i = 0; i < l->n && !error; i++)
        if (address_parse(a, l->v[i], &address) != 0)
            error = wrong(e, l->v[i], "no account; it looks like ada@example.org");
    arena_free(a);
    return error;
}

int config_check_source(const void *value, struct error *e)
{
    const struct conf_list *list = value;
    int error = config_check_addresses(value, e), seen[7] = {0};
    for (size_t i = 0; !error && i < list->n; i++) {
        struct ip ip;
        ip_parse(list->v[i], &ip);
        if (seen[ip.family]++)
            error = error_set(e, ERR_CONFIG, "one IPv%d address to send from, and not \"%.*s\" as well", ip.family,
                              STR_FMT(list->v[i]));
    }
    return error;
}

int config_check_domain(const void *value, struct error *e)
{
    struct str name = *(const struct str *)value, key;
    struct arena *a = arena_new(NULL, 0);
    bool ok = domain_key(a, name, &key) == 0 && !domain_is_literal(name);
    arena_free(a);
    return ok ? 0 : wrong(e, name, "no domain; it looks like example.org");
}

int config_listen_address(struct str text, struct endpoint *out)
{
    struct str host;
    *out = (struct endpoint){0};
    if (endpoint_split(text, &host, &out->port) != 0) return ERR_SYNTAX;
    return str_eq(host, S("*")) ? 0 : ip_parse(host, &out->ip);
}

int config_check_servers(const void *value, struct error *e)
{
    const struct conf_list *list = value;
    for (size_t i = 0; i < list->n; i++) {
        struct endpoint at;
        if (config_listen_address(list->v[i], &at) != 0 || at.ip.family == 0 || at.port == 0)
            return wrong(e, list->v[i], "no server; it looks like 127.0.0.1:53 or [2001:db8::53]:53");
    }
    return 0;
}

int config_check_listen_addresses(const void *value, struct error *e)
{
    const struct conf_list *list = value;
    for (size_t i = 0; i < list->n; i++) {
        struct endpoint at;
        if (config_listen_address(list->v[i], &at) != 0)
            return wrong(e, list->v[i], "nowhere to listen; it looks like *:25, 192.0.2.1:25 or [2001:db8::1]:25");
    }
    return 0;
}

int config_kind(struct str name, enum service_kind *out)
{
    for (int k = 0; k < SERVICES; k++)
        if (str_eq(name, str_c(service_fact((enum service_kind)k)->name))) {
            *out = (enum service_kind)k;
            return 0;
        }
    return ERR_NOT_FOUND;
}

int config_check_tls(const void *value, struct error *e)
{
    const struct config_tls *tls = value;
    if (tls->certificate.n && tls->key.n) return 0;
    return error_set(e, ERR_CONFIG, "tls wants both a certificate and a key");
}

int config_check_listen(const void *value, struct error *e)
{
    static const char *const later[] = {"managesieve", "http", "https", "proxy", NULL};
    const struct config_listen *l = value;
    enum service_kind kind;
    for (size_t i = 0; later[i]; i++)
        if (str_eq(l->title, str_c(later[i])))
            return error_set(e, ERR_CONFIG,
                             "listen \"%s\": this version of Penny Post does not serve %s yet; take the block out",
                             later[i], later[i]);
    if (config_kind(l->title, &kind) != 0)
        return error_set(e, ERR_CONFIG,
                         "listen \"%.*s\": the title is one of smtp submission submissions lmtp pop3 pop3s imap imaps",
                         STR_FMT(str_head(l->title, 40)));
    if (l->address.n == 0)
        return error_set(e, ERR_CONFIG, "listen \"%.*s\" has no address (address = {\"*:%u\"})", STR_FMT(l->title),
                         service_fact(kind)->port ? service_fact(kind)->port : 24);
    return 0;
}
