/* penny: one program that is a whole Internet mail system. Here its first words are read; the rest is each command's.
 */
#include <stdio.h>

#include "cmd/program.h"
#include "cmd/sendmail.h"
#include "cmd/suggest.h"

static const struct command *find_command(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(name, c->name) == 0) return c;
    return NULL;
}

static int no_command(const struct program *p, const char *name)
{
    const char *names[64];
    size_t n = 0;
    for (const struct command *c = commands; c->name && n < 64; c++) names[n++] = c->name;
    const char *near = suggest(str_c(name), names, n);
    return program_fail(p, EX_USAGE, "there is no command \"%s\"%s%s%s; `penny help` lists them", name,
                        near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static int run(struct program *p, int argc, char **argv)
{
    bool version = false, help = false;
    struct words w;
    struct error e = {0};
    const struct arg options[] = {
        {"--config", 'c', ARG_TEXT, &p->conf},
        {"--json", 0, ARG_FLAG, &p->json},
        {"--version", 'V', ARG_FLAG, &version},
        {"--help", 'h', ARG_FLAG, &help},
        {0},
    };
    if (args_read(p->arena, argc - 1, argv + 1, options, true, &w, &e) != 0)
        return program_fail(p, EX_USAGE, "%s", e.text);
    if (version) {
        printf("Penny Post %s\n", PENNY_VERSION);
        return EX_OK;
    }
    char **rest = argv + argc - w.n; /* the command and what follows it */
    p->command = find_command(w.n && !help ? rest[0] : "help");
    if (!p->command) return no_command(p, rest[0]);
    if (w.n == 0 && !help) {
        p->command->run(p, 0, NULL);
        return EX_USAGE;
    }
    if (help) return p->command->run(p, (int)w.n, rest);
    for (size_t i = 1; i < w.n && strcmp(rest[i], "--") != 0; i++)
        if (strcmp(rest[i], "--help") == 0) return find_command("help")->run(p, 1, rest);
    return p->command->run(p, (int)w.n - 1, rest + 1);
}

/* Called as sendmail, mailq or newaliases. */
static int run_sendmail(struct program *p, const char *option, int argc, char **argv)
{
    char **words = arena_array(p->arena, (size_t)argc + 1, sizeof *words);
    int n = 0;
    if (*option) words[n++] = (char *)(uintptr_t)option;
    for (int i = 1; i < argc; i++) words[n++] = argv[i];
    p->command = find_command("sendmail");
    return p->command->run(p, n, words);
}

int main(int argc, char **argv)
{
    struct program p = {.arena = arena_new(NULL, 0)};
    const char *option = sendmail_by_name(argc ? argv[0] : NULL);
    int code = option ? run_sendmail(&p, option, argc, argv) : run(&p, argc, argv);
    arena_free(p.arena);
    if (fflush(stdout) != 0 && code == EX_OK) code = EX_IOERR;
    return code;
}
