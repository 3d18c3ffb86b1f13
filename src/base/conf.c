/* Typed tables over libconfuse, which knows the grammar: names, blocks, lists. conf_scan() stands before it, and all
 * values reach us as text. libconfuse keeps its lexer in globals: one reading at a time in a process. */
#include "base/conf.h"

#include "base/conf_parts.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct reading {
    struct arena *a;
    const char *name; /* of the file */
    cfg_t *cfg;
    struct error error; /* the first one libconfuse had to tell */
};

/* Every list of options begins with one that cannot be written in a file: its value leads the callbacks here. */
struct level {
    struct reading *r;
    const struct conf_setting *table;
};

static struct level *level_of(const cfg_t *cfg) { return (void *)cfg->opts[0].simple_value.ptr; }

/* --- what libconfuse tells us --- */

static void unknown_setting(const cfg_t *cfg, struct str name, struct error *e)
{
    const struct conf_setting *nearest = NULL;
    size_t least = name.n < 3 ? 1 : 1 + name.n / 3; /* more is no misspelling */
    for (const struct conf_setting *s = level_of(cfg)->table; s->name; s++) {
        size_t d = str_distance(name, str_c(s->name));
        if (d >= least + (nearest == NULL)) continue;
        least = d;
        nearest = s;
    }
    struct buf hint = BUF(256);
    if (cfg != level_of(cfg)->r->cfg) buf_printf(&hint, " in block \"%s\"", cfg->name);
    if (nearest) buf_printf(&hint, " (did you mean \"%s\"?)", nearest->name);
    error_set(e, ERR_CONFIG, "no setting \"%.*s\"%.*s", STR_FMT(str_head(name, 64)), STR_FMT(buf_str(&hint)));
    buf_free(&hint);
}

static void on_error(cfg_t *cfg, const char *format, va_list arguments)
{
    struct reading *r = level_of(cfg)->r;
    if (r->error.code) return;
    if (strcmp(format, "no such option '%s'") == 0) {
        unknown_setting(cfg, str_c(va_arg(arguments, const char *)), &r->error);
    } else {
        char text[sizeof r->error.text];
        vsnprintf(text, sizeof text, format, arguments);
        error_set(&r->error, ERR_CONFIG, "%s", text);
    }
    error_prefix(&r->error, "%s:%d: ", r->name, cfg->line);
}

/* Before CONF_MARK; *mark is what follows it. */
static struct str unmarked(const char *text, struct str *mark)
{
    struct str before;
    str_cut(str_c(text), CONF_MARK, &before, mark);
    return before;
}

static bool is_fallback(const cfg_opt_t *option)
{
    return option->type == CFGT_STR && strchr(option->values[option->nvalues - 1]->string, CONF_MARK);
}

/* Called after each value and at the end of a block. The line is kept as the option's comment, which nothing else uses:
 * it stays NULL for what the file does not say. */
static int on_set(cfg_t *cfg, cfg_opt_t *option)
{
    struct reading *r = level_of(cfg)->r;
    if (is_fallback(option)) return 0;
    bool once = !(option->flags & (CFGF_LIST | CFGF_MULTI));
    if (once && option->comment) {
        error_set(&r->error, ERR_CONFIG, "%s:%d: \"%s\" is set a second time, first in line %s", r->name, cfg->line,
                  option->name, option->comment);
        return -1;
    }
    char line[16];
    snprintf(line, sizeof line, "%d", cfg->line);
    return cfg_opt_setcomment(option, line);
}

/* --- tables to options --- */

static cfg_opt_t *options_of(struct reading *r, const struct conf_setting *table);

static void option_of(struct reading *r, const struct conf_setting *s, cfg_opt_t *option)
{
    *option = (cfg_opt_t){.name = s->name, .type = CFGT_STR, .validcb = on_set};
    if (s->kind == CONF_SECTION) {
        option->type = CFGT_SEC;
        option->flags = s->repeat ? CFGF_MULTI | CFGF_TITLE : CFGF_NONE;
        option->subopts = options_of(r, s->inside);
        return;
    }
    option->flags = s->kind == CONF_LIST ? CFGF_LIST : CFGF_NONE;
    if (!s->fallback) {
        option->flags |= CFGF_NODEFAULT;
        return;
    }
    struct buf *fallback = buf_in(r->a, CONF_FILE_MAX);
    int error = conf_scan(fallback, s->name, str_c(s->fallback), true, NULL);
    if (error) abort(); /* a table of ours is wrong */
    option->def.parsed = fallback->p;
}

static cfg_opt_t *options_of(struct reading *r, const struct conf_setting *table)
{
    size_t n = 0;
    while (table[n].name) n++;
    struct level *level = arena_new_of(r->a, struct level);
    *level = (struct level){r, table};
    cfg_opt_t *options = arena_array(r->a, n + 2, sizeof *options); /* ours before, CFG_END() after */
    options[0] = (cfg_opt_t){.name = " level", .type = CFGT_INT, .simple_value.ptr = (void *)level};
    for (size_t i = 0; i < n; i++) option_of(r, &table[i], &options[i + 1]);
    return options;
}

/* --- values to the module's struct --- */

static int wrong_at(const struct reading *r, unsigned long line, struct error *e)
{
    error_prefix(e, "%s:%lu: ", r->name, line);
    return ERR_CONFIG;
}

static int store(struct reading *r, const cfg_t *cfg, char *out, struct error *e);

static int store_list(struct reading *r, const cfg_opt_t *option, struct conf_list *list)
{
    struct str *v = arena_array(r->a, option->nvalues, sizeof *v);
    struct str mark;
    for (unsigned i = 0; i < option->nvalues; i++) v[i] = arena_str(r->a, unmarked(option->values[i]->string, &mark));
    *list = (struct conf_list){v, option->nvalues};
    return 0;
}

static int store_blocks(struct reading *r, const struct conf_setting *s, const cfg_opt_t *option,
                        struct conf_blocks *blocks, struct error *e)
{
    *blocks = (struct conf_blocks){arena_array(r->a, option->nvalues, sizeof *blocks->v), option->nvalues};
    for (unsigned i = 0; i < option->nvalues; i++) {
        const cfg_t *section = option->values[i]->section;
        char *block = blocks->v[i] = arena_alloc(r->a, s->size);
        struct str place;
        *(struct str *)(void *)(block + s->title) = arena_str(r->a, unmarked(section->title, &place));
        int error = store(r, section, block, e);
        if (error) return error;
        if (s->check && s->check(block, e)) return wrong_at(r, strtoul(place.p, NULL, 10), e);
    }
    return 0;
}

static int store_one(struct reading *r, const struct conf_setting *s, const cfg_opt_t *option, char *value,
                     struct error *e)
{
    static const size_t sizes[] = {
        [CONF_TEXT] = sizeof(struct str), [CONF_INT] = sizeof(int64_t),  [CONF_SIZE] = sizeof(int64_t),
        [CONF_SPAN] = sizeof(int64_t),    [CONF_BOOL] = sizeof(bool),
    };
    struct str mark;
    int error = 0;
    if (s->kind == CONF_SECTION && s->repeat) return store_blocks(r, s, option, (struct conf_blocks *)(void *)value, e);
    if (s->kind == CONF_SECTION) {
        error = store(r, option->values[0]->section, value, e);
        if (error) return error;
    } else if (s->kind == CONF_LIST) {
        error = store_list(r, option, (struct conf_list *)(void *)value);
    } else if (option->nvalues) {
        error = conf_value(r->a, s, unmarked(option->values[0]->string, &mark), value, e);
    } else {
        memset(value, 0, sizes[s->kind]);
    }
    if (!error && s->check && option->comment) error = s->check(value, e);
    return error ? wrong_at(r, option->comment ? strtoul(option->comment, NULL, 10) : 0, e) : 0;
}

static int store(struct reading *r, const cfg_t *cfg, char *out, struct error *e)
{
    const struct conf_setting *table = level_of(cfg)->table;
    for (size_t i = 0; table[i].name; i++) {
        int error = store_one(r, &table[i], &cfg->opts[i + 1], out + table[i].offset, e);
        if (error) return error;
    }
    return 0;
}

/* --- reading --- */

static void close_reading(void *of)
{
    struct reading *r = of;
    if (r->cfg) cfg_free(r->cfg);
    r->cfg = NULL;
}

int conf_parse(struct arena *a, const char *name, struct str text, const struct conf_setting *root, void *out,
               struct error *e)
{
    struct reading *r = arena_new_of(a, struct reading);
    *r = (struct reading){.a = a, .name = name};
    arena_defer(a, close_reading, r);
    struct buf *clean = buf_in(a, 8 * CONF_FILE_MAX);
    if (text.n > CONF_FILE_MAX) return error_set(e, ERR_CONFIG, "%s: longer than a configuration can be", name);
    int error = conf_scan(clean, name, text, false, e);
    if (error) return error;
    cfg_opt_t *options = options_of(r, root);
    r->cfg = cfg_init(options, CFGF_NONE);
    if (!r->cfg) return error_set(e, ERR_CONFIG, "%s: no memory", name);
    cfg_set_error_function(r->cfg, on_error);
    if (cfg_parse_buf(r->cfg, clean->p) != CFG_SUCCESS) {
        if (!r->error.code) error_set(&r->error, ERR_CONFIG, "%s: not a configuration", name);
        error = error_set(e, ERR_CONFIG, "%s", r->error.text);
    } else {
        error = store(r, r->cfg, out, e);
    }
    close_reading(r);
    return error;
}

int conf_read(struct arena *a, const char *path, const struct conf_setting *root, void *out, struct error *e)
{
    struct buf *text = buf_in(a, CONF_FILE_MAX + 1);
    FILE *file = fopen(path, "re");
    if (!file) return error_os(e, errno, "cannot read %s", path);
    char *room = buf_reserve(text, CONF_FILE_MAX + 1);
    if (room) text->n = fread(room, 1, CONF_FILE_MAX + 1, file);
    int failed = ferror(file) ? errno : 0;
    fclose(file);
    if (failed) return error_os(e, failed, "cannot read %s", path);
    return conf_parse(a, path, buf_str(text), root, out, e);
}

/* --- the sample --- */

static const char *written(const struct conf_setting *s)
{
    static const char *const nothing[] = {[CONF_TEXT] = "\"\"", [CONF_LIST] = "{}", [CONF_INT] = "0",
                                          [CONF_SIZE] = "0",    [CONF_SPAN] = "0",  [CONF_BOOL] = "no"};
    return s->fallback ? s->fallback : nothing[s->kind];
}

static void put_table(struct buf *b, const struct conf_setting *table, int depth)
{
    for (const struct conf_setting *s = table; s->name; s++) {
        int indent = 4 * depth;
        if (s != table) buf_lit(b, "\n");
        buf_printf(b, "%*s# %s", indent, "", s->help ? s->help : s->name);
        if (s->min || s->max) {
            buf_lit(b, " (");
            conf_put_range(b, s);
            buf_lit(b, ")");
        }
        if (s->kind != CONF_SECTION) {
            buf_printf(b, "\n%*s#%s = %s\n", indent, "", s->name, written(s));
            continue;
        }
        buf_printf(b, "\n%*s#%s ", indent, "", s->name);
        if (s->repeat) buf_printf(b, "\"%s\" ", s->fallback ? s->fallback : "title");
        buf_lit(b, "{\n");
        put_table(b, s->inside, depth + 1);
        buf_printf(b, "%*s#}\n", indent, "");
    }
}

void conf_put_sample(struct buf *b, const struct conf_setting *root) { put_table(b, root, 0); }
