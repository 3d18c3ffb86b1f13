/* penny.conf: what the machine needs to know. Domains, accounts and aliases are data and live in the store.
 *
 * The typed table of config.c is the one place where settings are named: the parser, `penny config sample` and the
 * manual come from it. Paths in the file are relative to the folder the file lies in. */
#ifndef CMD_CONFIG_H
#define CMD_CONFIG_H

#include "base/conf.h"
#include "mail/ip.h"

enum service_kind {
    SERVICE_SMTP,
    SERVICE_SUBMISSION,
    SERVICE_SUBMISSIONS,
    SERVICE_LMTP,
    SERVICE_POP3,
    SERVICE_POP3S,
    SERVICE_IMAP,
    SERVICE_IMAPS,
    SERVICES
};

struct service_fact {
    const char *name;
    uint16_t port;  /* where it listens without any listen block; 0: nowhere */
    bool tls;       /* from the first byte on (RFC 8314 §3) */
    bool announced; /* people configure their mail programs with it */
};
const struct service_fact *service_fact(enum service_kind kind);

struct ip_prefixes {
    struct ip_prefix *v;
    size_t n;
};
bool ip_prefixes_have(const struct ip_prefixes *p, struct ip ip);

struct config_listen { /* one listen block */
    struct str title;
    struct conf_list address;
    struct conf_list proxy_protocol;
};

struct config {
    /* as written, paths made absolute */
    struct str hostname, data, user;
    struct config_tls {
        struct str certificate, key;
    } tls;
    struct conf_blocks listen; /* struct config_listen */
    struct config_resolver {
        struct conf_list servers;
        bool trust_ad;
    } resolver;
    struct config_relay {
        int64_t port;
        bool loopback;
        int64_t connections, window;
        struct conf_list source;
    } relay;
    struct config_sendmail {
        struct str socket, domain;
    } sendmail;
    struct conf_list public_addresses;
    struct conf_list trusted, plaintext_auth;
    struct config_limits {
        int64_t message_size, recipients, recipients_submission, per_hour, per_day;
        int64_t connections, connections_per_address, handshakes;
    } limits;
    struct config_mailbox {
        int64_t keep_expunged; /* microseconds */
        bool counts_in_quota;  /* what is kept so */
    } mailbox;
    struct config_imap {
        bool unauthenticate, uidonly;
        struct conf_list administrators;
    } imap;
    struct config_submission {
        bool hide_client;
    } submission;
    bool expn;
    struct config_log {
        struct str level, format;
    } log;
    int64_t loops;

    /* what follows from it */
    struct str file;         /* absolute */
    struct str hostname_key; /* as A-label */
    struct str local_socket, local_domain; /* of sendmail: as set, or as they are otherwise; the domain is a key */
    struct ip_prefixes trusted_prefixes, plaintext_prefixes;
    struct endpoint *resolver_servers;
    struct ip relay_source[2]; /* IPv4, IPv6; family 0: the system's choice */
    struct ip *own_addresses;  /* public_addresses */
    struct config_port { /* one address to listen at */
        enum service_kind kind;
        struct str written;      /* "*:25" */
        struct endpoint address; /* family 0: any */
        struct ip_prefixes proxies;
    } * ports;
    size_t n_ports;
};

/* The file that was named, or the first there is: $PENNY_CONFIG, ./penny.conf, /etc/penny/penny.conf. The last when
 * there is none. */
const char *config_find(const char *named);

/* /etc/penny/penny.conf: where the machine's own is. */
const char *config_find_standard(void);

/* The same without ./penny.conf: for programs that are called in other people's folders. */
const char *config_find_system(void);

/* Reads and checks it; everything lies in `a`. 0; ERR_NOT_FOUND; ERR_CONFIG with "FILE:LINE: ...". */
int config_read(struct arena *a, const char *path, struct config *out, struct error *e);

/* The same from memory, for tests: `name` is the file's, `folder` the one it would lie in. */
int config_parse(struct arena *a, const char *name, const char *folder, struct str text, struct config *out,
                 struct error *e);

/* The table, for the sample and for comparing two readings. */
extern const struct conf_setting config_table[];

/* The settings as paragraphs of a manual page in scdoc's language. */
void config_put_manual(struct buf *b);

/* Names of the settings that differ between two readings and that a running server cannot take over ("listen",
 * "limits.connections"), separated by blanks. */
struct str config_needs_restart(struct arena *a, const struct config *was, const struct config *is);

#endif
