/* penny config: is the configuration right, and what could stand in it. */
#include <stdio.h>

#include "cmd/commands.h"

static int check(struct program *p, int argc, char **argv)
{
    struct words w;
    struct config c;
    int code = program_words(p, argc, argv, NULL, 0, 0, &w);
    if (!code) code = program_config(p, &c);
    if (!code) printf("%.*s is right\n", STR_FMT(c.file));
    return code;
}

static int print(void (*put)(struct buf *b))
{
    struct buf b = BUF(1 << 20);
    put(&b);
    fwrite(b.p, 1, b.n, stdout);
    buf_free(&b);
    return EX_OK;
}

static void put_sample(struct buf *b) { conf_put_sample(b, config_table); }

static int sample(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 0, 0, &w);
    return code ? code : print(put_sample);
}

static int manual(struct program *p, int argc, char **argv) /* for the build, which makes a page of it */
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 0, 0, &w);
    return code ? code : print(config_put_manual);
}

int command_config(struct program *p, int argc, char **argv)
{
    static const struct verb verbs[] = {{"check", check}, {"sample", sample}, {"manual", manual}, {0}};
    return program_verb(p, verbs, argc, argv);
}
