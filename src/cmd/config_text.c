/* The settings of penny.conf as text for people, and how two readings differ. */
#include "cmd/config.h"

static void put_escaped(struct buf *b, const char *text) /* what scdoc would take for marks */
{
    for (; *text; text++) {
        if (*text == '*' || *text == '\\' || *text == '#') buf_char(b, '\\');
        buf_char(b, *text);
    }
}

static void put_setting(struct buf *b, const struct conf_setting *s)
{
    static const char *const kinds[] = {
        [CONF_TEXT] = "\"text\"", [CONF_LIST] = "{\"text\", …}", [CONF_INT] = "number",
        [CONF_SIZE] = "size",     [CONF_SPAN] = "time",          [CONF_BOOL] = "yes|no"};
    buf_printf(b, "*%s* = %s\n\t", s->name, kinds[s->kind]);
    put_escaped(b, s->help);
    if (s->fallback) buf_printf(b, " Default: %s.", s->fallback);
    buf_lit(b, "\n\n");
}

static void put_table(struct buf *b, const struct conf_setting *table)
{
    for (const struct conf_setting *s = table; s->name; s++)
        if (s->kind != CONF_SECTION) put_setting(b, s);
    for (const struct conf_setting *s = table; s->name; s++) {
        if (s->kind != CONF_SECTION) continue;
        buf_printf(b, "## %s%s { … }\n\n", s->name, s->repeat ? " \"title\"" : "");
        put_escaped(b, s->help);
        buf_lit(b, "\n\n");
        put_table(b, s->inside);
    }
}

void config_put_manual(struct buf *b) { put_table(b, config_table); }

static bool lists_equal(const struct conf_list *a, const struct conf_list *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!str_eq(a->v[i], b->v[i])) return false;
    return true;
}

static bool tables_equal(const struct conf_setting *table, const char *a, const char *b);

static bool blocks_equal(const struct conf_setting *s, const struct conf_blocks *a, const struct conf_blocks *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct str *title_a = (const void *)((const char *)a->v[i] + s->title);
        const struct str *title_b = (const void *)((const char *)b->v[i] + s->title);
        if (!str_eq(*title_a, *title_b) || !tables_equal(s->inside, a->v[i], b->v[i])) return false;
    }
    return true;
}

static bool settings_equal(const struct conf_setting *s, const void *a, const void *b)
{
    switch (s->kind) {
    case CONF_TEXT: return str_eq(*(const struct str *)a, *(const struct str *)b);
    case CONF_LIST: return lists_equal(a, b);
    case CONF_INT:
    case CONF_SIZE:
    case CONF_SPAN: return *(const int64_t *)a == *(const int64_t *)b;
    case CONF_BOOL: return *(const bool *)a == *(const bool *)b;
    case CONF_SECTION: return s->repeat ? blocks_equal(s, a, b) : tables_equal(s->inside, a, b);
    }
    return false;
}

static bool tables_equal(const struct conf_setting *table, const char *a, const char *b)
{
    for (const struct conf_setting *s = table; s->name; s++)
        if (!settings_equal(s, a + s->offset, b + s->offset)) return false;
    return true;
}

struct str config_needs_restart(struct arena *a, const struct config *was, const struct config *is)
{
    static const char *const reloaded[] = {"tls", "public_addresses", "trusted", "plaintext_auth", NULL};
    struct buf *names = buf_in(a, 1024);
    for (const struct conf_setting *s = config_table; s->name; s++) {
        bool taken = false;
        for (size_t i = 0; reloaded[i]; i++) taken |= strcmp(reloaded[i], s->name) == 0;
        if (!taken && !settings_equal(s, (const char *)was + s->offset, (const char *)is + s->offset))
            buf_printf(names, "%s%s", names->n ? " " : "", s->name);
    }
    return buf_str(names);
}
