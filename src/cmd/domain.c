/* penny domain: the domains whose mail we take. */
#include "cmd/ask.h"
#include "cmd/commands.h"

static int add(struct program *p, int argc, char **argv)
{
    const char *alias_of = NULL;
    struct words w;
    const struct arg options[] = {{"--alias-of", 0, ARG_TEXT, &alias_of}, {0}};
    int code = program_words(p, argc, argv, options, 1, 1, &w);
    if (code) return code;
    struct ask q;
    ask_begin(&q, p, "domain.add");
    json_put_str(&q.json, "domain", str_c(w.v[0]));
    if (alias_of) json_put_str(&q.json, "alias_of", str_c(alias_of));
    q.said = "added";
    return ask_run(&q);
}

static int list(struct program *p, int argc, char **argv)
{
    static const struct column columns[] = {
        {"shown", "domain", COLUMN_TEXT},      {"accounts", "accounts", COLUMN_NUMBER},
        {"aliases", "aliases", COLUMN_NUMBER}, {"catch_all", "catch-all", COLUMN_TEXT},
        {"alias_of", "alias of", COLUMN_TEXT}, {0},
    };
    struct words w;
    int code = program_words(p, argc, argv, NULL, 0, 0, &w);
    return code ? code : ask_list(p, "domain.list", columns);
}

static int show(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 1, 1, &w);
    return code ? code : ask_show(p, "domain.show", "domain", w.v[0]);
}

static int catch_all(struct program *p, int argc, char **argv)
{
    bool none = false;
    struct words w;
    const struct arg options[] = {{"--none", 0, ARG_FLAG, &none}, {0}};
    int code = program_words(p, argc, argv, options, 1, 2, &w);
    if (code) return code;
    if (none == (w.n == 2)) return program_usage(p, &(struct error){.text = "a target, or --none"});
    struct ask q;
    ask_begin(&q, p, "domain.catch_all");
    json_put_str(&q.json, "domain", str_c(w.v[0]));
    if (!none) json_put_str(&q.json, "target", str_c(w.v[1]));
    q.said = none ? "mail to unknown addresses is refused" : "mail to unknown addresses goes there";
    return ask_run(&q);
}

static int remove_domain(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 1, 1, &w);
    return code ? code : ask_simple(p, "domain.remove", "domain", w.v[0], "removed");
}

int command_domain(struct program *p, int argc, char **argv)
{
    static const struct verb verbs[] = {
        {"add", add}, {"list", list}, {"show", show}, {"catch-all", catch_all}, {"remove", remove_domain}, {0},
    };
    return program_verb(p, verbs, argc, argv);
}
