/* The checks of single settings: each is 0, or ERR_CONFIG with a sentence (file and line are put before it by
 * base/conf). */
#ifndef CMD_CONFIG_CHECK_H
#define CMD_CONFIG_CHECK_H

#include "cmd/config.h"

int config_check_hostname(const void *value, struct error *e);         /* struct str */
int config_check_log_level(const void *value, struct error *e);        /* struct str */
int config_check_log_format(const void *value, struct error *e);       /* struct str */
int config_check_prefixes(const void *value, struct error *e);         /* struct conf_list */
int config_check_servers(const void *value, struct error *e);          /* struct conf_list */
int config_check_addresses(const void *value, struct error *e);        /* struct conf_list */
int config_check_accounts(const void *value, struct error *e);         /* struct conf_list */
int config_check_source(const void *value, struct error *e);           /* struct conf_list */
int config_check_domain(const void *value, struct error *e);           /* struct str */
int config_check_listen_addresses(const void *value, struct error *e); /* struct conf_list */
int config_check_tls(const void *value, struct error *e);              /* struct config_tls */
int config_check_listen(const void *value, struct error *e);           /* struct config_listen */

/* "ADDRESS:PORT", "*:PORT": 0 or ERR_SYNTAX. */
int config_listen_address(struct str text, struct endpoint *out);

/* The service of that name: 0 or ERR_NOT_FOUND. */
int config_kind(struct str name, enum service_kind *out);

#endif
