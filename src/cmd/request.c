/* JSON in. */
#include "cmd/request.h"

#include "mail/limits.h"

/* jansson recurses once a level; a fiber's stack is small. */
static bool too_deep(struct str text)
{
    int depth = 0;
    bool inside = false; /* a string */
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (inside && c == '\\') i++;
        else if (c == '"') inside = !inside;
        else if (!inside && (c == '{' || c == '[') && ++depth > LIMIT_JSON_DEPTH) return true;
        else if (!inside && (c == '}' || c == ']')) depth--;
    }
    return false;
}

static void release(void *json) { json_decref(json); }

int request_read(struct arena *a, struct str text, json_t **out, struct error *e)
{
    if (text.n > LIMIT_ADMIN_REQUEST) return error_set(e, ERR_TOO_LONG, "the request is too long");
    if (too_deep(text)) return error_set(e, ERR_TOO_LONG, "the request nests too deeply");
    json_error_t wrong;
    json_t *json = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &wrong);
    if (!json) return error_set(e, ERR_SYNTAX, "not JSON: %s", wrong.text);
    arena_defer(a, release, json);
    if (!json_is_object(json)) return error_set(e, ERR_SYNTAX, "the request is no object");
    *out = json;
    return 0;
}

struct str request_text(const json_t *r, const char *name)
{
    const json_t *v = json_object_get(r, name);
    return json_is_string(v) ? str_of(json_string_value(v), json_string_length(v)) : STR_NONE;
}

int64_t request_int(const json_t *r, const char *name, int64_t otherwise)
{
    const json_t *v = json_object_get(r, name);
    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

bool request_bool(const json_t *r, const char *name) { return json_is_true(json_object_get(r, name)); }
