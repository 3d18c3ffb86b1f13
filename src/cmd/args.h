/* The words of a command line: options by a table, the rest in order. */
#ifndef CMD_ARGS_H
#define CMD_ARGS_H

#include "base/arena.h"

struct words { /* C strings of argv */
    const char **v;
    size_t n;
};

enum arg_kind {
    ARG_FLAG,   /* --name: *(bool *)to = true */
    ARG_TEXT,   /* --name TEXT or --name=TEXT: *(const char **)to */
    ARG_TEXTS,  /* several times: *(struct words *)to */
    ARG_NUMBER, /* a whole number, not negative: *(int64_t *)to */
};
struct arg {
    const char *name; /* "--name"; NULL ends the table */
    char letter;      /* 'n' for "-n", or 0 */
    enum arg_kind kind;
    void *to;
};

/* Reads argv[0..argc): options of the table go where it says, other words into *words, everything behind "--" too. If
 * `stop_at_word`, the first word ends the reading and all from it on are words. 0, or ERR_SYNTAX with a sentence. */
int args_read(struct arena *a, int argc, char **argv, const struct arg *table, bool stop_at_word, struct words *words,
              struct error *e);

/* "50M" and the like as bytes: 0 or ERR_SYNTAX. */
int args_size(const char *text, int64_t *out, struct error *e);

#endif
