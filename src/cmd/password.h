/* Passwords on their way in: from stdin, typed twice on a terminal, or made up. */
#ifndef CMD_PASSWORD_H
#define CMD_PASSWORD_H

#include "cmd/program.h"

struct password_source {
    bool from_stdin; /* --password-stdin: the first line of it */
    bool generate;   /* --generate: made up here, and printed */
};

/* Fills b, which has room for a whole password. 0 or the exit code after complaining. *made: it was made up, so it must
 * be shown. */
int password_read(struct program *p, const struct password_source *source, const char *whose, struct buf *b);

#endif
