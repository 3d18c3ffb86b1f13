/* Responses of IMAP servers (RFC 9051 §7, RFC 3501 §7): into tag, name, number, code, text and a tree of values.
 *
 * The tree is built without recursion: what servers send may be nested as deep as a letter. */
#include "proto/imap/response.h"

#include "proto/imap/scan.h"

/* --- values --- */

/* Attributes with a section, in which there are blanks, parentheses and quoted strings */
static bool has_section(struct str s)
{
    return str_istarts(s, S("BODY[")) || str_istarts(s, S("BINARY[")) || str_istarts(s, S("BINARY.SIZE["));
}

static size_t section_end(struct str s)
{
    bool quoted = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"') quoted = !quoted;
        else if (quoted && s.p[i] == '\\') i++;
        else if (!quoted && s.p[i] == ']') return i;
    }
    return s.n;
}

/* Anything up to a blank, a parenthesis, a quote or a literal; in a code up to its "]" too */
static struct str take_atom(struct imap_scan *s, bool in_code)
{
    size_t n = has_section(s->rest) ? section_end(s->rest) : 0;
    while (n < s->rest.n && (unsigned char)s->rest.p[n] > ' ' && !strchr("()\"{\177", s->rest.p[n]) &&
           !(in_code && s->rest.p[n] == ']'))
        n++;
    struct str atom = str_head(s->rest, n);
    s->rest = str_skip(s->rest, n);
    return atom;
}

static bool read_single(struct imap_scan *s, bool in_code, struct imap_value *v)
{
    if (scan_is(s, '"') || scan_is(s, '{') || str_starts(s->rest, S("~{"))) {
        v->kind = IMAP_VALUE_STRING;
        return scan_octets(s, &v->text);
    }
    v->text = take_atom(s, in_code);
    if (v->text.n == 0) return scan_fail(s, "a value is missing");
    v->kind = str_ieq(v->text, S("NIL")) ? IMAP_VALUE_NIL : IMAP_VALUE_ATOM;
    return true;
}

/* Values with or without blanks between them, to the end or, in a code, to its "]", which is left. */
static bool read_values(struct imap_scan *s, bool in_code, struct imap_value **out)
{
    struct imap_value **tail[LIMIT_IMAP_RESPONSE_DEPTH]; /* of each open list: where its next value goes */
    int depth = 0;
    *out = NULL;
    tail[0] = out;
    for (;;) {
        while (scan_if(s, ' ')) {
        }
        if (s->rest.n == 0 || (in_code && depth == 0 && scan_is(s, ']')))
            return depth == 0 ? true : scan_fail(s, "a closing parenthesis is missing");
        if (scan_if(s, ')')) {
            if (depth == 0) return scan_fail(s, "an unexpected character");
            depth--;
            continue;
        }
        struct imap_value *v = arena_new_of(s->a, struct imap_value);
        *tail[depth] = v;
        tail[depth] = &v->next;
        if (scan_if(s, '(')) {
            v->kind = IMAP_VALUE_LIST;
            if (++depth == LIMIT_IMAP_RESPONSE_DEPTH) return scan_fail(s, "lists too deep in each other");
            tail[depth] = &v->first;
        } else if (!read_single(s, in_code, v)) {
            return false;
        }
    }
}

/* --- responses --- */

static bool condition_of(struct str name, enum imap_condition *out)
{
    static const struct imap_word names[] = {
        {S_INIT("OK"), IMAP_OK},   {S_INIT("NO"), IMAP_NO},           {S_INIT("BAD"), IMAP_BAD},
        {S_INIT("BYE"), IMAP_BYE}, {S_INIT("PREAUTH"), IMAP_PREAUTH},
    };
    int found = IMAP_WORD(names, name);
    if (found >= 0) *out = (enum imap_condition)found;
    return found >= 0;
}

/* Tag, number and name; the name of a continuation is empty. */
static bool read_head(struct imap_scan *s, struct imap_response *r)
{
    *r = (struct imap_response){.kind = IMAP_UNTAGGED, .tag = STR_NONE, .code = STR_NONE};
    if (scan_if(s, '+')) {
        r->kind = IMAP_CONTINUATION;
        scan_if(s, ' ');
        return true;
    }
    if (!scan_if(s, '*')) {
        r->kind = IMAP_TAGGED;
        if (!scan_atom(s, &r->tag)) return false;
    }
    if (!scan_space(s) || !scan_atom(s, &r->name)) return false;
    uint64_t number;
    r->has_number = r->kind == IMAP_UNTAGGED && str_to_u64(r->name, UINT32_MAX, &number);
    if (r->has_number) {
        r->number = (uint32_t)number;
        if (!scan_space(s) || !scan_atom(s, &r->name)) return false;
    }
    r->is_condition = !r->has_number && condition_of(r->name, &r->condition);
    return r->kind == IMAP_UNTAGGED || r->is_condition ? true : scan_fail(s, "a tagged response is a condition");
}

bool imap_response_literal(struct str so_far, struct imap_literal *out)
{
    struct imap_scan s = {.rest = so_far};
    struct imap_response r;
    bool goes_on = imap_literal_at_end(so_far, out);
    return goes_on && read_head(&s, &r) && !r.is_condition && r.kind == IMAP_UNTAGGED;
}

/* resp-text = ["[" resp-text-code "]" SP] text; a code that is none is text */
static void read_text(struct imap_scan *s, struct imap_response *r)
{
    while (scan_if(s, ' ')) {
    }
    r->text = s->rest;
    if (!scan_if(s, '[')) return;
    struct imap_scan code = *s, plain = *s;
    struct str name = take_atom(s, true);
    code.rest = s->rest;
    if (name.n && read_values(&code, true, &r->codes) && scan_is(&code, ']')) {
        r->code_text = str_of(s->rest.p, s->rest.n - code.rest.n);
    } else { /* [BADURL ...] and whatever else there is: up to the first "]" */
        r->codes = NULL;
        code.rest = str_skip(plain.rest, str_find_char(plain.rest, ']'));
        if (code.rest.n == 0 || name.n == 0) return;
        r->code_text = str_head(s->rest, s->rest.n - code.rest.n);
    }
    r->code = name;
    r->code_text = str_trim(r->code_text);
    r->text = str_skip(code.rest, 1);
    if (str_starts(r->text, S(" "))) r->text = str_skip(r->text, 1);
}

int imap_response_parse(struct arena *a, struct str whole, struct imap_response *out)
{
    struct imap_scan s = {.a = a, .rest = whole};
    if (!read_head(&s, out)) return ERR_SYNTAX;
    if (out->kind == IMAP_CONTINUATION) out->text = s.rest;
    else if (out->is_condition) read_text(&s, out);
    else if (!read_values(&s, false, &out->values)) return ERR_SYNTAX;
    return 0;
}
