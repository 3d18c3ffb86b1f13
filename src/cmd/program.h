/* What every subcommand has: the words it was called with, the configuration, the ways to end. */
#ifndef CMD_PROGRAM_H
#define CMD_PROGRAM_H

#include <sysexits.h>

#include "cmd/args.h"
#include "cmd/config.h"
#include "io/fiber.h"

struct program {
    struct arena *arena; /* lives to the end */
    const char *conf;    /* -c FILE, or NULL */
    bool json;
    const struct command *command;
};

struct command {
    const char *name;
    /* argv[0..argc) are the words behind the name. Returns the exit code. */
    int (*run)(struct program *p, int argc, char **argv);
    const char *usage; /* of the words behind the name */
    const char *help;  /* one line */
    const char *manual; /* the page that tells about it */
};
extern const struct command commands[]; /* ends with a NULL name */

/* Says "penny: TEXT" on stderr and returns the exit code. */
int program_fail(const struct program *p, int exit_code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int program_error(const struct program *p, const struct error *e); /* with the exit code that fits */
int program_usage(const struct program *p, const struct error *e); /* the error and the usage; EX_USAGE */

/* sysexits.h for an enum err. */
int program_exit_code(int error);

/* Reads the words of a command: its own options and --json. 0, or the exit code after complaining. least, most: how
 * many words may be left (most < 0: any). */
int program_words(struct program *p, int argc, char **argv, const struct arg *table, size_t least, int most,
                  struct words *words);

/* Reads the configuration; 0 or the exit code after complaining. */
int program_config(struct program *p, struct config *out);

/* Runs fn(arg) in a fiber of a real world, waits for it and for all fibers it left behind, then calls after(arg) (may
 * be NULL) while the world is still there. */
void program_run(FIBER void (*fn)(struct world *w, void *arg), void (*after)(void *arg), void *arg);

/* One of a list of subcommands ("add", "list" …) by its name; NULL after complaining. */
struct verb {
    const char *name;
    int (*run)(struct program *p, int argc, char **argv);
};
int program_verb(struct program *p, const struct verb *verbs, int argc, char **argv);

#endif
