/* What every subcommand has. */
#include "cmd/program.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/suggest.h"

int program_fail(const struct program *p, int exit_code, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fflush(stdout);
    if (p && p->command) fprintf(stderr, "penny %s: %s\n", p->command->name, text);
    else fprintf(stderr, "penny: %s\n", text);
    return exit_code;
}

int program_exit_code(int error)
{
    switch ((enum err)error) {
    case ERR_NOT_FOUND: return EX_NOUSER;
    case ERR_EXISTS: return EX_CANTCREAT;
    case ERR_SYNTAX:
    case ERR_TOO_LONG: return EX_DATAERR;
    case ERR_DENIED: return EX_NOPERM;
    case ERR_CONFIG: return EX_CONFIG;
    case ERR_IO: return EX_IOERR;
    case ERR_TIMEOUT:
    case ERR_BUSY:
    case ERR_NO_SPACE:
    case ERR_UNKNOWN:
    case ERR_EOF:
    case ERR_CANCELLED:
    case ERR_TOO_SLOW: return EX_TEMPFAIL;
    case ERR_UNAVAILABLE:
    case ERR_CONFLICT:
    case ERR_TLS:
    case ERR_UNSUPPORTED:
    case ERR_TOO_NEW: return EX_UNAVAILABLE;
    case ERR_CORRUPT:
    case ERR_BUDGET: return EX_SOFTWARE;
    }
    return error ? EX_SOFTWARE : EX_OK;
}

int program_error(const struct program *p, const struct error *e)
{
    return program_fail(p, program_exit_code(e->code), "%s", e->text[0] ? e->text : err_name(e->code));
}

int program_usage(const struct program *p, const struct error *e)
{
    if (e) program_fail(p, EX_USAGE, "%s", e->text);
    if (p->command) fprintf(stderr, "usage: penny [-c FILE] %s %s\n", p->command->name, p->command->usage);
    return EX_USAGE;
}

int program_words(struct program *p, int argc, char **argv, const struct arg *table, size_t least, int most,
                  struct words *words)
{
    struct arg all[64];
    size_t n = 0;
    while (table && table[n].name && n < 62) {
        all[n] = table[n];
        n++;
    }
    all[n] = (struct arg){"--json", 0, ARG_FLAG, &p->json};
    all[n + 1] = (struct arg){0};
    struct error e = {0};
    if (args_read(p->arena, argc, argv, all, false, words, &e) != 0) return program_usage(p, &e);
    if (words->n < least || (most >= 0 && words->n > (size_t)most)) {
        error_set(&e, ERR_SYNTAX, words->n < least ? "something is missing" : "\"%s\" is one word too many",
                  words->n ? words->v[words->n - 1] : "");
        return program_usage(p, &e);
    }
    return 0;
}

int program_config(struct program *p, struct config *out)
{
    struct error e = {0};
    const char *path = config_find(p->conf);
    int error = config_read(p->arena, path, out, &e);
    if (error == ERR_NOT_FOUND)
        return program_fail(p, EX_CONFIG,
                            "there is no configuration %s (`penny setup` writes one; -c FILE names another)", path);
    return error ? program_fail(p, EX_CONFIG, "%s", e.text) : 0;
}

struct running {
    struct world *world;
    struct loop *loop;
    FIBER void (*fn)(struct world *w, void *arg);
    void *arg;
};

static FIBER void run_in_fiber(void *arg)
{
    struct running *r = arg;
    r->fn(r->world, r->arg);
    loop_stop(r->loop);
}

void program_run(FIBER void (*fn)(struct world *w, void *arg), void (*after)(void *arg), void *arg)
{
    struct running r = {.world = world_real(0), .fn = fn, .arg = arg};
    r.loop = loop_new(r.world);
    loop_spawn(r.loop, run_in_fiber, &r);
    loop_run(r.loop);
    loop_free(r.loop);
    if (after) after(arg);
    world_free(r.world);
}

int program_verb(struct program *p, const struct verb *verbs, int argc, char **argv)
{
    const char *names[32];
    size_t n = 0;
    for (; verbs[n].name && n < 32; n++) names[n] = verbs[n].name;
    struct error e = {0};
    if (argc < 1 || argv[0][0] == '-') {
        error_set(&e, ERR_SYNTAX, "what shall be done?");
        return program_usage(p, &e);
    }
    for (size_t i = 0; i < n; i++)
        if (strcmp(argv[0], names[i]) == 0) return verbs[i].run(p, argc - 1, argv + 1);
    const char *near = suggest(str_c(argv[0]), names, n);
    error_set(&e, ERR_SYNTAX, "\"%s\" is nothing it does%s%s%s", argv[0], near ? " (did you mean " : "",
              near ? near : "", near ? "?)" : "");
    return program_usage(p, &e);
}
