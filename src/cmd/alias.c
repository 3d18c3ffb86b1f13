/* penny alias: addresses that stand for others. */
#include "cmd/ask.h"
#include "cmd/commands.h"

static int ask_with_targets(struct program *p, const char *op, const struct words *w, bool no_send, const char *said)
{
    struct ask q;
    ask_begin(&q, p, op);
    json_put_str(&q.json, "address", str_c(w->v[0]));
    json_put_array(&q.json, "targets");
    for (size_t i = 1; i < w->n; i++) json_put_str(&q.json, NULL, str_c(w->v[i]));
    json_put_end(&q.json, ']');
    if (no_send) json_put_bool(&q.json, "no_send", true);
    q.said = said;
    return ask_run(&q);
}

static int add(struct program *p, int argc, char **argv)
{
    bool no_send = false;
    struct words w;
    const struct arg options[] = {{"--no-send", 0, ARG_FLAG, &no_send}, {0}};
    int code = program_words(p, argc, argv, options, 2, -1, &w);
    return code ? code : ask_with_targets(p, "alias.add", &w, no_send, "added");
}

static int remove_alias(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 1, -1, &w);
    return code ? code : ask_with_targets(p, "alias.remove", &w, false, "removed");
}

static int list(struct program *p, int argc, char **argv)
{
    static const struct column columns[] = {{"address", "alias", COLUMN_TEXT},
                                            {"targets", "targets", COLUMN_LIST},
                                            {0}};
    struct words w;
    int code = program_words(p, argc, argv, NULL, 0, 0, &w);
    return code ? code : ask_list(p, "alias.list", columns);
}

static int show(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 1, 1, &w);
    return code ? code : ask_show(p, "alias.show", "address", w.v[0]);
}

int command_alias(struct program *p, int argc, char **argv)
{
    static const struct verb verbs[] = {{"add", add}, {"list", list}, {"show", show}, {"remove", remove_alias}, {0}};
    return program_verb(p, verbs, argc, argv);
}
