/* The words of a command line. */
#include "cmd/args.h"

#include "cmd/suggest.h"

struct reading {
    struct arena *a;
    char **argv;
    int argc, at;
    const struct arg *table;
};

static void add_word(struct reading *r, struct words *w, const char *word)
{
    if (!w->v) w->v = arena_array(r->a, (size_t)r->argc, sizeof *w->v);
    w->v[w->n++] = word;
}

static const struct arg *find(const struct reading *r, struct str name)
{
    for (const struct arg *o = r->table; o->name; o++)
        if (str_eq(name, str_c(o->name)) || (name.n == 2 && o->letter && name.p[0] == '-' && name.p[1] == o->letter))
            return o;
    return NULL;
}

static int unknown(const struct reading *r, struct str name, struct error *e)
{
    const char *names[64];
    size_t n = 0;
    for (const struct arg *o = r->table; o->name && n < 64; o++) names[n++] = o->name;
    const char *near = suggest(name, names, n);
    return error_set(e, ERR_SYNTAX, "no option %.*s%s%s%s", STR_FMT(str_head(name, 60)), near ? " (did you mean " : "",
                     near ? near : "", near ? "?)" : "");
}

static int take_number(const struct arg *o, const char *value, struct error *e)
{
    uint64_t n;
    if (!str_to_u64(str_c(value), INT64_MAX, &n))
        return error_set(e, ERR_SYNTAX, "%s wants a whole number, not \"%s\"", o->name, value);
    *(int64_t *)o->to = (int64_t)n;
    return 0;
}

static int take_option(struct reading *r, const char *word, struct error *e)
{
    struct str name, value;
    bool joined = str_starts(str_c(word), S("--")) && str_cut(str_c(word), '=', &name, &value);
    if (!joined) name = str_c(word);
    const struct arg *o = find(r, name);
    if (!o) return unknown(r, name, e);
    if (o->kind == ARG_FLAG) {
        if (joined) return error_set(e, ERR_SYNTAX, "%s takes no value", o->name);
        *(bool *)o->to = true;
        return 0;
    }
    if (!joined && r->at == r->argc) return error_set(e, ERR_SYNTAX, "%s wants a value", o->name);
    const char *text = joined ? value.p : r->argv[r->at++];
    if (o->kind == ARG_NUMBER) return take_number(o, text, e);
    if (o->kind == ARG_TEXTS) add_word(r, o->to, text);
    else *(const char **)o->to = text;
    return 0;
}

int args_read(struct arena *a, int argc, char **argv, const struct arg *table, bool stop_at_word, struct words *words,
              struct error *e)
{
    struct reading r = {.a = a, .argv = argv, .argc = argc, .table = table};
    *words = (struct words){0};
    while (r.at < argc) {
        const char *word = argv[r.at++];
        if (strcmp(word, "--") == 0) break;
        if (word[0] == '-' && word[1] != 0) {
            int error = take_option(&r, word, e);
            if (error) return error;
            continue;
        }
        add_word(&r, words, word);
        if (stop_at_word) break;
    }
    while (r.at < argc) add_word(&r, words, argv[r.at++]);
    return 0;
}

int args_size(const char *text, int64_t *out, struct error *e)
{
    static const char letters[] = "KMGT";
    struct str s = str_c(text);
    int shift = 0;
    for (int i = 0; letters[i] && s.n > 1; i++)
        if (ch_upper(s.p[s.n - 1]) == letters[i]) shift = 10 * (i + 1);
    uint64_t n;
    if (!str_to_u64(str_head(s, s.n - (shift > 0)), (uint64_t)INT64_MAX >> shift, &n))
        return error_set(e, ERR_SYNTAX, "\"%s\" is no size; it looks like 500M or 2G", text);
    *out = (int64_t)(n << shift);
    return 0;
}
