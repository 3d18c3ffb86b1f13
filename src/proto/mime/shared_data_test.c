/* Other people's tables and letters, where they are at hand (PENNY_SHARED_DATA, or ../shared/data beside the source):
 * mail-parser's header tables and trees with offsets, mime4j's test letters. Where we differ the case is named below,
 * with the reason. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/utf8.h"
#include "proto/imf/address_list.h"
#include "proto/imf/date.h"
#include "proto/imf/encoded_word.h"
#include "proto/imf/field.h"
#include "proto/imf/message_id.h"
#include "proto/mime/decode.h"
#include "proto/mime/params.h"
#include "proto/mime/test_json.h"

/* What we read otherwise, and why. */
static const struct {
    const char *file;
    int number; /* of the case, from 0; -1: any */
    const char *reason;
} differences[] = {
#include "proto/mime/shared_data_differences.h"
};

static const char *reason_for(const char *file, int number)
{
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++)
        if (strcmp(differences[i].file, file) == 0 && (differences[i].number == number || differences[i].number < 0))
            return differences[i].reason;
    return NULL;
}

static int bad;

static void compare(const char *file, int number, struct str input, struct str ours, struct str theirs)
{
    const char *reason = reason_for(file, number);
    if (str_eq(ours, theirs) == !reason) return;
    if (reason) print_error("%s %d: no difference any more (%s)\n", file, number, reason);
    else
        print_error("%s %d\n  input:  %.*s\n  ours:   %.*s\n  theirs: %.*s\n", file, number, STR_FMT(input),
                    STR_FMT(ours), STR_FMT(theirs));
    bad++;
}

static char *data_path(struct arena *a, const char *name)
{
    const char *dir = getenv("PENNY_SHARED_DATA"), *root = getenv("MESON_SOURCE_ROOT");
    struct str here = str_c(__FILE__), path;
    if (dir) path = arena_printf(a, "%s/%s", dir, name);
    else if (root) path = arena_printf(a, "%s/../shared/data/%s", root, name);
    else path = arena_printf(a, "%.*s../shared/data/%s", (int)str_find(here, S("src/proto/")), here.p, name);
    return arena_cstr(a, path);
}

static bool have_data(void)
{
    struct arena *a = arena_new(NULL, 0);
    FILE *f = fopen(data_path(a, "README.md"), "r");
    arena_free(a);
    if (f) fclose(f);
    else print_message("skipped: no shared data here\n");
    return f != NULL;
}

static bool load(struct arena *a, const char *name, struct str *out)
{
    struct buf *b = buf_in(a, 1 << 26);
    FILE *f = fopen(data_path(a, name), "rb");
    if (!f) return false;
    size_t n;
    while ((n = fread(buf_reserve(b, 65536), 1, 65536, f)) > 0) b->n += n;
    fclose(f);
    *out = buf_str(b);
    return true;
}

/* The field body a table's "header" stands for. */
static struct str body_of(struct arena *a, const struct json *row)
{
    struct imf_fields walk = {.text = arena_printf(a, "X:%.*s", STR_FMT(json_text(row, "header")))};
    struct imf_field f = {.body = STR_NONE};
    imf_next_field(&walk, &f);
    return f.body;
}

static void table(const char *name, void (*ours)(struct arena *, struct buf *, struct str),
                  void (*theirs)(struct buf *, const struct json *))
{
    struct arena *a = arena_new(NULL, 0);
    struct str text;
    if (!have_data()) return arena_free(a);
    assert_true(load(a, arena_cstr(a, arena_printf(a, "mail-parser/%s", name)), &text));
    const struct json *rows = json_read(a, &text);
    int i = 0;
    for (const struct json *row = rows->first; row; row = row->next, i++) {
        struct buf *mine = buf_in(a, 1 << 20), *other = buf_in(a, 1 << 20);
        const struct json *expected = json_get(row, "expected");
        ours(a, mine, body_of(a, row));
        if (expected) theirs(other, expected);
        compare(name, i, json_text(row, "header"), buf_str(mine), buf_str(other));
    }
    assert_true(i > 5);
    arena_free(a);
    assert_int_equal(bad, 0);
}

/* --- addresses: {group: "name" <address>, ...} --- */

static void put_named(struct buf *b, struct str name, struct str address)
{
    buf_printf(b, "\"%.*s\"<%.*s>", STR_FMT(name), STR_FMT(address));
}

static void our_addresses(struct arena *a, struct buf *b, struct str body)
{
    struct imf_address_list l = imf_addresses(a, body);
    bool group = false, groups = false;
    for (size_t i = 0; i < l.n; i++) groups |= l.v[i].kind != IMF_MAILBOX;
    for (size_t i = 0; i < l.n; i++) {
        struct imf_address *m = &l.v[i];
        if (groups && (m->kind == IMF_GROUP_BEGIN || (m->kind == IMF_MAILBOX && !group))) {
            if (m->kind == IMF_GROUP_BEGIN || i == 0 || l.v[i - 1].kind == IMF_GROUP_END) buf_lit(b, "{");
            if (m->kind == IMF_GROUP_BEGIN) buf_printf(b, "%.*s:", STR_FMT(imf_display_name(a, m)));
            else buf_lit(b, ":");
            group = true;
        }
        if (m->kind == IMF_MAILBOX) {
            struct str address =
                m->domain.n ? arena_printf(a, "%.*s@%.*s", STR_FMT(m->local), STR_FMT(m->domain)) : m->local;
            put_named(b, imf_display_name(a, m), address);
        }
        bool last = i + 1 == l.n || l.v[i + 1].kind == IMF_GROUP_BEGIN;
        if (group && (m->kind == IMF_GROUP_END || last)) {
            buf_lit(b, "}");
            group = false;
        }
    }
}

static void their_list(struct buf *b, const struct json *list)
{
    for (const struct json *m = list ? list->first : NULL; m; m = m->next)
        put_named(b, json_text(m, "name"), json_text(m, "address"));
}

static void their_addresses(struct buf *b, const struct json *expected)
{
    their_list(b, json_get(expected, "List"));
    const struct json *groups = json_get(expected, "Group");
    for (const struct json *g = groups ? groups->first : NULL; g; g = g->next) {
        buf_printf(b, "{%.*s:", STR_FMT(json_text(g, "name")));
        their_list(b, json_get(g, "addresses"));
        buf_lit(b, "}");
    }
}

static void test_addresses(void **state)
{
    (void)state;
    table("address.json", our_addresses, their_addresses);
}

/* --- content types --- */

static void our_type(struct arena *a, struct buf *b, struct str body)
{
    size_t budget = 1 << 20;
    struct mime_value v = mime_value_parse(a, body, mime_scratch_in(a), &budget);
    if (v.type.n == 0) return;
    buf_printf(b, "%.*s/%.*s", STR_FMT(v.type), STR_FMT(v.subtype));
    for (size_t i = 0; i < v.params.n; i++)
        buf_printf(b, ";%.*s=%.*s", STR_FMT(v.params.v[i].name), STR_FMT(v.params.v[i].value));
}

static void put_lower(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) buf_char(b, ch_lower(s.p[i]));
}

static void their_type(struct buf *b, const struct json *expected)
{
    put_lower(b, json_text(expected, "c_type"));
    buf_char(b, '/');
    put_lower(b, json_text(expected, "c_subtype"));
    const struct json *attributes = json_get(expected, "attributes");
    for (const struct json *p = attributes ? attributes->first : NULL; p; p = p->next) {
        buf_char(b, ';');
        put_lower(b, p->first->text);
        buf_printf(b, "=%.*s", STR_FMT(p->first->next->text));
    }
}

static void test_types(void **state)
{
    (void)state;
    table("content_type.json", our_type, their_type);
}

/* --- dates --- */

static void our_date(struct arena *a, struct buf *b, struct str body)
{
    (void)a;
    struct imf_date d;
    if (imf_date_parse(body, &d)) return;
    struct civil c = civil_of(d.utc, d.offset);
    buf_printf(b, "%d-%d-%d %d:%d:%d %d", c.year, c.month, c.day, c.hour, c.minute, c.second, d.offset);
}

static void their_date(struct buf *b, const struct json *e)
{
    long long minutes = json_number(e, "tz_hour") * 60 + json_number(e, "tz_minute");
    buf_printf(b, "%lld-%lld-%lld %lld:%lld:%lld %lld", json_number(e, "year"), json_number(e, "month"),
               json_number(e, "day"), json_number(e, "hour"), json_number(e, "minute"), json_number(e, "second"),
               json_number(e, "tz_before_gmt") ? -minutes : minutes);
}

static void test_dates(void **state)
{
    (void)state;
    table("date.json", our_date, their_date);
}

/* --- ids, texts --- */

static void our_ids(struct arena *a, struct buf *b, struct str body)
{
    struct imf_ids ids = imf_message_ids(a, body, LIMIT_REFERENCES);
    for (size_t i = 0; i < ids.n; i++) buf_printf(b, "<%.*s>", STR_FMT(ids.v[i]));
}

static void their_ids(struct buf *b, const struct json *e)
{
    for (const struct json *id = e->first; id; id = id->next) buf_printf(b, "<%.*s>", STR_FMT(id->text));
}

static void test_ids(void **state)
{
    (void)state;
    table("id.json", our_ids, their_ids);
}

static void our_text(struct arena *a, struct buf *b, struct str body)
{
    buf_add(b, imf_decode_text(a, imf_unfold(a, body, SIZE_MAX)));
}

static void their_text(struct buf *b, const struct json *e) { buf_add(b, e->text); }

static void test_texts(void **state)
{
    (void)state;
    table("unstructured.json", our_text, their_text);
}

/* --- trees with offsets --- */

/* Parts in our order: a message's own parts follow it. */
static void their_parts(struct buf *b, const struct json *letter, long long number, int depth)
{
    long long i = 0;
    const struct json *parts = json_get(letter, "parts"), *part = parts->first;
    for (; i < number; i++) part = part->next;
    const struct json *body = json_get(part, "body"), *children = json_get(body, "Multipart"),
                      *message = json_get(body, "Message");
    buf_printf(b, "%*s%s h=%lld b=%lld e=%lld\n", depth * 2, "",
               children  ? "multi"
               : message ? "message"
                         : "leaf",
               json_number(part, "offset_header"), json_number(part, "offset_body"), json_number(part, "offset_end"));
    if (message) their_parts(b, message, 0, depth + 1);
    for (const struct json *c = children ? children->first : NULL; c; c = c->next)
        their_parts(b, letter, c->number, depth + 1);
}

static void our_parts(struct buf *b, const struct mime_part *part, int depth)
{
    static const char *const kinds[] = {"leaf", "multi", "message"};
    buf_printf(b, "%*s%s h=%llu b=%llu e=%llu\n", depth * 2, "", kinds[part->kind], (unsigned long long)part->header_at,
               (unsigned long long)part->body_at, (unsigned long long)(part->body_at + part->body_size));
    for (const struct mime_part *c = part->first; c; c = c->next) our_parts(b, c, depth + 1);
}

static struct str with_crlf(struct arena *a, struct str s)
{
    struct buf *b = buf_in(a, s.n * 2 + 1);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r')) buf_char(b, '\r');
        buf_char(b, s.p[i]);
    }
    return buf_str(b);
}

static void test_offsets(void **state)
{
    (void)state;
    if (!have_data()) return;
    for (int i = 0; i < 20; i++) {
        int number = i / 2;
        bool crlf = i % 2;
        struct arena *a = arena_new(NULL, 0);
        struct str letter, text;
        char *base = arena_cstr(a, arena_printf(a, "mail-parser/rfc/%03d", number));
        assert_true(load(a, arena_cstr(a, arena_printf(a, "%s.eml", base)), &letter));
        assert_true(load(a, arena_cstr(a, arena_printf(a, "%s%s.json", base, crlf ? ".crlf" : "")), &text));
        struct buf *mine = buf_in(a, 1 << 20), *other = buf_in(a, 1 << 20);
        their_parts(other, json_read(a, &text), 0, 0);
        our_parts(mine, mime_parse(a, crlf ? with_crlf(a, letter) : letter)->root, 0);
        compare(crlf ? "rfc.crlf" : "rfc", number, str_c(base), buf_str(mine), buf_str(other));
        arena_free(a);
    }
    assert_int_equal(bad, 0);
}

/* --- mime4j: the stream of events, with the decoded bodies in files --- */

/* Appends an element's text, entities decoded, line ends as LF. */
static void put_xml_text(struct buf *b, struct str s)
{
    static const struct {
        struct str entity;
        char c;
    } entities[] = {{S_INIT("&lt;"), '<'},
                    {S_INIT("&gt;"), '>'},
                    {S_INIT("&amp;"), '&'},
                    {S_INIT("&quot;"), '"'},
                    {S_INIT("&apos;"), '\''}};
    while (s.n) {
        size_t n = 1;
        char c = s.p[0];
        for (size_t i = 0; i < 5; i++)
            if (str_starts(s, entities[i].entity)) {
                c = entities[i].c;
                n = entities[i].entity.n;
            }
        if (c != '\r') buf_char(b, c);
        s = str_skip(s, n);
    }
}

/* Kinds of nodes, fields and decoded bodies from the XML; preamble and epilogue are left out, for we do not keep them.
 */
static void put_theirs(struct arena *a, struct buf *b, const char *dir, struct str xml)
{
    while (xml.n) {
        struct str before, tag, rest;
        if (!str_cut(xml, '<', &before, &rest) || !str_cut(rest, '>', &tag, &xml)) break;
        struct str content = str_head(xml, str_find_char(xml, '<'));
        if (str_eq(tag, S("message"))) buf_lit(b, "(message ");
        else if (str_eq(tag, S("multipart"))) buf_lit(b, "(multipart ");
        else if (str_eq(tag, S("body-part"))) buf_lit(b, "(part ");
        else if (str_eq(tag, S("/message")) || str_eq(tag, S("/multipart")) || str_eq(tag, S("/body-part")))
            buf_lit(b, ")");
        else if (str_eq(tag, S("field"))) {
            buf_lit(b, "[");
            put_xml_text(b, str_trim(content));
            buf_lit(b, "]\n");
        } else if (str_starts(tag, S("text-body")) || str_starts(tag, S("binary-body"))) {
            struct str name, file;
            str_cut(tag, '"', &before, &name);
            name = str_head(name, str_find_char(name, '"'));
            assert_true(load(a, arena_cstr(a, arena_printf(a, "%s/%.*s", dir, STR_FMT(name))), &file));
            buf_lit(b, "{");
            for (size_t i = 0; i < file.n; i++)
                if (file.p[i] != '\r') buf_char(b, file.p[i]);
            buf_lit(b, "}");
        }
    }
}

/* "isolated": a message's own header is that of its part, as mime4j nests them: part > header, message > header, body.
 */
static void put_ours(struct arena *a, struct buf *b, struct str letter, const struct mime_part *part)
{
    bool top = !part->parent || part->parent->kind == MIME_MESSAGE;
    buf_add(b, top ? S("(message ") : S("(part "));
    struct imf_fields walk = {.text = str_sub(letter, part->header_at, part->header_at + part->header_size)};
    struct imf_field f;
    while (imf_next_field(&walk, &f)) {
        buf_lit(b, "[");
        struct str whole = str_trim(str_sub(walk.text, f.at, f.end));
        for (size_t i = 0; i < whole.n; i++)
            if (whole.p[i] != '\r') buf_char(b, whole.p[i]);
        buf_lit(b, "]\n");
    }
    if (part->kind == MIME_LEAF) {
        struct buf *decoded = buf_in(a, 1 << 24);
        mime_decode(part->encoding, str_sub(letter, part->body_at, part->body_at + part->body_size), decoded);
        buf_lit(b, "{");
        for (size_t i = 0; i < decoded->n; i++)
            if (decoded->p[i] != '\r') buf_char(b, decoded->p[i]);
        buf_lit(b, "}");
    }
    if (part->kind == MIME_MULTIPART) buf_lit(b, "(multipart ");
    for (const struct mime_part *c = part->first; c; c = c->next) put_ours(a, b, letter, c);
    if (part->kind == MIME_MULTIPART) buf_lit(b, ")");
    buf_lit(b, ")");
}

static void test_mime4j(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    if (!have_data()) return arena_free(a);
    DIR *dir = opendir(data_path(a, "mime4j/testmsgs"));
    assert_non_null(dir);
    int seen = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        struct str name = str_c(e->d_name), letter, xml;
        if (!str_ends(name, S(".msg"))) continue;
        name.n -= 4;
        char *base = arena_cstr(a, name);
        assert_true(load(a, arena_cstr(a, arena_printf(a, "mime4j/testmsgs/%s.msg", base)), &letter));
        assert_true(load(a, arena_cstr(a, arena_printf(a, "mime4j/testmsgs/%s_decoded.xml", base)), &xml));
        struct buf *mine = buf_in(a, 1 << 24), *other = buf_in(a, 1 << 24);
        put_ours(a, mine, letter, mime_parse(a, letter)->root);
        put_theirs(a, other, "mime4j/testmsgs", xml);
        compare(base, 0, S(""), buf_str(mine), buf_str(other));
        seen++;
    }
    closedir(dir);
    assert_true(seen > 20);
    arena_free(a);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_types), cmocka_unit_test(test_dates),
        cmocka_unit_test(test_ids),       cmocka_unit_test(test_texts), cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_mime4j),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
