/* An IMAP server from which letters are taken, or to which they are brought: its URL, whom to believe, the way in.
 *
 * imaps://USER@HOST[:PORT][/MAILBOX] is TLS from the first byte (RFC 8314), imap:// STARTTLS; neither goes on without,
 * unless plaintext is wished for. Passwords never stand in URLs: everybody sees the command lines of this machine. */
#ifndef CMD_REMOTE_H
#define CMD_REMOTE_H

#include "cmd/program.h"
#include "io/tls.h"
#include "wire/imap_client.h"

struct remote_url { /* parts with %XX undone, in an arena */
    bool tls; /* imaps */
    struct str user, host; /* host: lower case, without brackets */
    uint16_t port;
    struct str mailbox; /* UTF-8, levels joined by '/', none at the end; empty: none */
};
bool remote_is_url(const char *word); /* imap:// or imaps:// in any case */
/* 0 or ERR_SYNTAX with a sentence. */
int remote_url(struct arena *a, struct str text, struct remote_url *out, struct error *e);

struct remote_wishes { /* of the command line */
    const char *password_file, *ca, *fingerprint;
    bool password_stdin, plaintext;
};
#define REMOTE_OPTIONS(w) \
    {"--password-file", 0, ARG_TEXT, &(w).password_file}, {"--password-stdin", 0, ARG_FLAG, &(w).password_stdin}, \
        {"--ca", 0, ARG_TEXT, &(w).ca}, {"--fingerprint", 0, ARG_TEXT, &(w).fingerprint}, \
        {"--plaintext", 0, ARG_FLAG, &(w).plaintext}

struct remote {
    struct program *program;
    struct remote_url url;
    struct remote_wishes wishes;
    struct str fingerprint; /* SHA-256 of the certificate that is accepted; none: its chain is verified */
    struct buf password;
    struct imap_client *client; /* NULL: not open */
    struct tls_context *tls;
};

/* Reads URL and wishes, asks for the password. 0 or the exit code after complaining. */
int remote_begin(struct remote *r, struct program *p, const char *url, const struct remote_wishes *wishes);
/* Connects and logs in. 0; ERR_UNAVAILABLE (no such host), ERR_BUSY (no connection), ERR_TLS, ERR_DENIED (password),
 * and what imap_client.h says, with a sentence that names the host. */
FIBER int remote_open(struct remote *r, struct world *w, struct error *e);
FIBER void remote_close(struct remote *r);
void remote_end(struct remote *r); /* forgets the password */

#endif
