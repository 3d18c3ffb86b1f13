/* JSON out (RFC 8259). */
#include "proto/json/write.h"

#include "base/codec.h"
#include "base/utf8.h"

#include <inttypes.h>

static void put_escaped(struct buf *b, char c)
{
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    unsigned char u = (unsigned char)c;
    if (c == '"' || c == '\\') buf_printf(b, "\\%c", c);
    else if (u < sizeof letters && letters[u]) buf_printf(b, "\\%c", letters[u]);
    else buf_printf(b, "\\u%04x", u);
}

static bool plain(char c) { return (unsigned char)c >= 0x20 && c != '"' && c != '\\' && c != 0x7f; }

void json_quote(struct buf *b, struct str s) /* RFC 8259 §7 */
{
    buf_char(b, '"');
    while (s.n > 0) {
        size_t n = 0;
        while (n < s.n && plain(s.p[n])) n++;
        utf8_put_repaired(b, str_head(s, n));
        if (n < s.n) put_escaped(b, s.p[n++]);
        s = str_skip(s, n);
    }
    buf_char(b, '"');
}

static void begin(struct json *j, const char *name)
{
    if (j->comma) buf_char(j->b, ',');
    j->comma = true;
    if (!name) return;
    json_quote(j->b, str_c(name));
    buf_char(j->b, ':');
}

static void open_with(struct json *j, const char *name, char bracket)
{
    begin(j, name);
    buf_char(j->b, bracket);
    j->comma = false;
}

void json_put_object(struct json *j, const char *name) { open_with(j, name, '{'); }
void json_put_array(struct json *j, const char *name) { open_with(j, name, '['); }

void json_put_end(struct json *j, char bracket)
{
    buf_char(j->b, bracket);
    j->comma = true;
}

void json_put_null(struct json *j, const char *name)
{
    begin(j, name);
    buf_lit(j->b, "null");
}

void json_put_str(struct json *j, const char *name, struct str value)
{
    begin(j, name);
    if (str_is_none(value)) buf_lit(j->b, "null");
    else json_quote(j->b, value);
}

void json_put_int(struct json *j, const char *name, int64_t value)
{
    begin(j, name);
    buf_printf(j->b, "%" PRId64, value);
}

void json_put_bool(struct json *j, const char *name, bool value)
{
    begin(j, name);
    buf_add(j->b, value ? S("true") : S("false"));
}

void json_put_time(struct json *j, const char *name, utc_us t)
{
    begin(j, name);
    if (t == 0) {
        buf_lit(j->b, "null");
        return;
    }
    buf_char(j->b, '"');
    time_put_rfc3339(j->b, t);
    buf_char(j->b, '"');
}

void json_put_id(struct json *j, const char *name, int64_t id)
{
    begin(j, name);
    if (id == 0) {
        buf_lit(j->b, "null");
        return;
    }
    buf_char(j->b, '"');
    id_put(j->b, id);
    buf_char(j->b, '"');
}

void json_put_raw(struct json *j, const char *name, struct str text)
{
    begin(j, name);
    buf_add(j->b, text);
}
