/* The steps of `penny setup`, apart from asking for what they need to know. */
#ifndef CMD_SETUP_H
#define CMD_SETUP_H

#include "cmd/program.h"

struct setup {
    struct program *program;
    const char *file;                /* the configuration to write */
    struct str domain, hostname;     /* keys */
    struct str data;                 /* absolute */
    struct str account;              /* NAME@DOMAIN */
    struct buf *password;            /* empty when the account is there already */
    const struct words *listen;      /* KIND=ADDRESS:PORT */
    bool force;
    bool tell_password; /* it was made up here, so it is shown */

    struct config config; /* as it was read back */
    char fingerprint[65]; /* SHA-256 of the certificate, hex */
    int changes;          /* things that had to be made */
};

/* Makes whatever is not there yet; says what it makes. 0 or the exit code after complaining. */
int setup_files(struct setup *s);  /* configuration, folders, certificate */
int setup_people(struct setup *s); /* domains, first account, postmaster */

/* The DNS records to publish and the settings of mail programs; with --json as one object. */
void setup_print_advice(const struct setup *s);

/* Is the first account there already? For not asking for a password nobody needs. False also when the store cannot be
 * asked. */
bool setup_has_account(struct setup *s);

#endif
