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

/* A password for another server, by which we log in there: the first line of `file` ("-": stdin) or, with from_stdin,
 * of stdin; else a terminal is asked, if there is one. b as above. 0 or the exit code after complaining, also when it
 * is empty. whose: may be NULL, then no terminal is asked and an empty one is none. */
int password_for(struct program *p, const char *file, bool from_stdin, const char *whose, struct buf *b);

#endif
