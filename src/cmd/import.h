/* Letters on their way from files into an account. */
#ifndef CMD_IMPORT_H
#define CMD_IMPORT_H

#include "base/map.h"
#include "cmd/client.h"
#include "cmd/program.h"
#include "proto/mbox/mbox.h"

struct import {
    struct program *program;
    struct config config;
    struct world *world;
    struct client *client;
    const char *account, *source, *under; /* under: --mailbox, or NULL */
    bool dry;
    struct error error;
    int result;

    /* of the mailbox at hand */
    struct arena *arena;
    struct str mailbox;
    struct map have; /* digests of its letters, and of those that came */
    /* of the letters that wait to be sent */
    struct arena *batch;
    struct buf bytes, items; /* their texts; their JSON */
    size_t n;

    int64_t taken, there, too_large, mailboxes; /* letters: new, already there, refused */
    int64_t done, total; /* of the source, in its own measure: bytes or files */
    mono_us began, told;
};

/* Opens a mailbox for letters: it is made if need be, and what it has is asked for. */
FIBER int import_mailbox(struct import *im, struct str name, struct error *e);
/* One letter of it; strings are borrowed until it returns. Sends when enough have been gathered. */
FIBER int import_letter(struct import *im, const struct kept_letter *l, struct error *e);
FIBER int import_mailbox_end(struct import *im, struct error *e);

/* A Maildir with the folders of Maildir++ (import_maildir.c). */
FIBER int import_maildir(struct import *im, struct error *e);
bool import_is_maildir(const struct str *names, size_t n);

/* From another IMAP server (import_imap.c). under: --mailbox, or NULL. Returns the exit code. */
struct migration_wishes;
int import_imap(struct program *p, const char *account, const char *url, const char *under,
                const struct migration_wishes *w);

#endif
