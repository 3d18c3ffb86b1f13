/* Rows for people, or as JSON. */
#include "cmd/listing.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/utf8.h"
#include "mail/limits.h"

enum { COLUMNS_MAX = 12, CELL_MAX = 64 << 10 };

struct listing {
    struct arena *arena;
    const struct column *columns;
    bool json;
    size_t n, cap;
    struct str *cells; /* n rows of COLUMNS_MAX */
};

struct listing *listing_begin(struct arena *a, const struct column *columns, bool json)
{
    struct listing *l = arena_new_of(a, struct listing);
    *l = (struct listing){.arena = a, .columns = columns, .json = json};
    return l;
}

size_t listing_count(const struct listing *l) { return l->n; }

void print_text(struct str s)
{
    for (uint32_t cp; s.n > 0;) {
        int n = utf8_next(s, &cp);
        bool control = n < 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x202a && cp <= 0x202e) ||
                       (cp >= 0x2066 && cp <= 0x2069);
        if (control) putchar('?');
        else fwrite(s.p, 1, (size_t)n, stdout);
        s = str_skip(s, n < 0 ? 1 : (size_t)n);
    }
}

void print_bytes(struct buf *b, int64_t n)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    size_t unit = 0;
    double v = (double)n;
    while (v >= 1024 && unit < 4) {
        v /= 1024;
        unit++;
    }
    buf_printf(b, unit && v < 10 ? "%.1f %s" : "%.0f %s", v, units[unit]);
}

/* ---- a value as text ---- */

static void put_value(struct buf *b, const json_t *v);

static void put_members(struct buf *b, json_t *object)
{
    const char *name;
    json_t *v;
    json_object_foreach(object, name, v)
    {
        if (b->n && b->p[b->n - 1] != '\n') buf_char(b, ' ');
        buf_printf(b, "%s=", name);
        put_value(b, v);
    }
}

static void put_value(struct buf *b, const json_t *v)
{
    if (json_is_string(v)) buf_add(b, str_of(json_string_value(v), json_string_length(v)));
    else if (json_is_integer(v)) buf_printf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_boolean(v)) buf_add(b, json_is_true(v) ? S("yes") : S("no"));
    else if (json_is_object(v)) put_members(b, (json_t *)(uintptr_t)v);
    else if (!json_is_array(v)) buf_lit(b, "-");
    for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++) {
        if (i) buf_char(b, ' ');
        put_value(b, json_array_get(v, i));
    }
}

static void put_cell(struct buf *b, const struct column *c, const json_t *v)
{
    if (c->kind == COLUMN_FLAG) buf_add(b, json_is_true(v) ? str_c(c->heading) : S(""));
    else if (c->kind == COLUMN_BYTES && json_integer_value(v) > 0) print_bytes(b, json_integer_value(v));
    else if (c->kind == COLUMN_BYTES) buf_char(b, '-');
    else put_value(b, v);
}

/* ---- one thing ---- */

static void show_list(const json_t *list)
{
    printf("\n");
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct buf b = BUF(CELL_MAX);
        put_value(&b, json_array_get(list, i));
        printf("    ");
        print_text(buf_str(&b));
        printf("\n");
        buf_free(&b);
    }
}

static void show(json_t *object)
{
    const char *name;
    json_t *v;
    json_object_foreach(object, name, v)
    {
        struct buf b = BUF(CELL_MAX);
        printf("%-20s ", name);
        put_value(&b, v);
        if (json_is_array(v)) show_list(v);
        else print_text(buf_str(&b));
        if (!json_is_array(v)) printf("\n");
        buf_free(&b);
    }
}

/* ---- rows ---- */

static void keep_row(struct listing *l, const json_t *object)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        struct str *more = arena_array(l->arena, cap * COLUMNS_MAX, sizeof *more);
        if (l->n) memcpy(more, l->cells, l->n * COLUMNS_MAX * sizeof *more);
        l->cells = more;
        l->cap = cap;
    }
    struct str *row = &l->cells[COLUMNS_MAX * l->n++];
    for (size_t i = 0; i < COLUMNS_MAX && l->columns[i].member; i++) {
        struct buf b = BUF(CELL_MAX);
        put_cell(&b, &l->columns[i], json_object_get(object, l->columns[i].member));
        row[i] = arena_str(l->arena, buf_str(&b));
        buf_free(&b);
    }
}

void listing_row(struct listing *l, struct str row)
{
    if (l->json) {
        if (l->columns) printf(l->n ? ",\n " : "[\n ");
        fwrite(row.p, 1, row.n, stdout);
        if (!l->columns) printf("\n");
        l->n++;
        return;
    }
    json_t *object = json_loadb(row.p, row.n, 0, NULL);
    if (l->columns) {
        keep_row(l, object);
    } else {
        show(object);
        l->n++;
    }
    json_decref(object);
}

static bool to_the_right(const struct column *c) { return c->kind == COLUMN_NUMBER || c->kind == COLUMN_BYTES; }

static void print_cell(struct str text, size_t width, bool right, bool last)
{
    size_t n = utf8_count(text);
    int blanks = n < width ? (int)(width - n) : 0;
    if (right) printf("%*s", blanks, "");
    print_text(text);
    if (!last) printf("%*s", right ? 2 : blanks + 2, "");
}

static void print_rows(const struct listing *l)
{
    size_t width[COLUMNS_MAX] = {0}, columns = 0;
    while (columns < COLUMNS_MAX && l->columns[columns].member) columns++;
    for (size_t c = 0; c < columns; c++) {
        width[c] = strlen(l->columns[c].heading);
        for (size_t r = 0; r < l->n; r++) {
            size_t n = utf8_count(l->cells[COLUMNS_MAX * r + c]);
            if (n > width[c]) width[c] = n;
        }
    }
    for (size_t c = 0; c < columns; c++)
        print_cell(str_c(l->columns[c].kind == COLUMN_FLAG ? "" : l->columns[c].heading), width[c],
                   to_the_right(&l->columns[c]), c + 1 == columns);
    printf("\n");
    for (size_t r = 0; r < l->n; r++) {
        for (size_t c = 0; c < columns; c++)
            print_cell(l->cells[COLUMNS_MAX * r + c], width[c], to_the_right(&l->columns[c]), c + 1 == columns);
        printf("\n");
    }
}

void listing_end(struct listing *l)
{
    if (l->json && l->columns) printf(l->n ? "\n]\n" : "[]\n");
    if (!l->json && l->columns && l->n) print_rows(l);
    fflush(stdout);
}
