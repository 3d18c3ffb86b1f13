/* Whose the mail is: the user the server runs as. Root becomes that user before it touches the store. */
#ifndef CMD_OWNER_H
#define CMD_OWNER_H

#include "cmd/config.h"
#include "io/process.h"

/* True and *out when we are root and have somebody to become: the user of the configuration; else whoever has the data
 * folder, unless that is root; else "penny", if there is such a user. *error: 0, or ERR_CONFIG when the configured user
 * does not exist. */
bool owner_find(const struct config *c, struct process_user *out, int *error, struct error *e);

/* Becomes that user for good; nothing happens when there is none, or when we are not root. 0, ERR_CONFIG, ERR_IO. */
int owner_become(const struct config *c, struct error *e);

#endif
