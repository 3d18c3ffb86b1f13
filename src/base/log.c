/* One line per event, built on the stack. What a peer sent is shown, never obeyed: nothing in a value can end the line,
 * close a quote, steer a terminal or turn the text around. */
#include "base/log.h"

#include "base/codec.h"
#include "base/utf8.h"

enum {
    LINE_MAX_BYTES = 2048, /* a longer line loses its last fields, whole, and says so */
    VALUE_MAX_BYTES = 512,
    END_BYTES = 16, /* kept for what closes the line */
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* Characters that a terminal or a reader would act on: controls, line and direction marks, invisible ones. */
static bool is_hidden(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
           (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff;
}

/* How many characters at the beginning are themselves between quotes. */
static size_t plain_run(struct str s)
{
    size_t i = 0;
    while (i < s.n && s.p[i] >= ' ' && s.p[i] <= '~' && s.p[i] != '"' && s.p[i] != '\\') i++;
    return i;
}

static void put_quoted(struct buf *b, struct str s) /* as a JSON string, RFC 8259 §7; logfmt readers know it too */
{
    buf_char(b, '"');
    for (;;) {
        uint32_t cp;
        size_t plain = plain_run(s);
        buf_add(b, str_head(s, plain));
        s = str_skip(s, plain);
        int n = utf8_next(s, &cp);
        if (n == 0) break;
        if (cp == '"' || cp == '\\') buf_printf(b, "\\%c", (char)cp);
        else if (cp == '\n') buf_lit(b, "\\n");
        else if (cp == '\r') buf_lit(b, "\\r");
        else if (cp == '\t') buf_lit(b, "\\t");
        else if (is_hidden(cp)) buf_printf(b, "\\u%04x", (unsigned)cp);
        else utf8_put(b, cp);
        s = str_skip(s, n > 0 ? (size_t)n : 1);
    }
    buf_char(b, '"');
}

static bool is_bare(struct str s) /* reads the same in logfmt without quotes */
{
    return s.n && plain_run(s) == s.n && str_find_char(s, ' ') == s.n && str_find_char(s, '=') == s.n;
}

static void put_text(struct buf *b, enum log_format format, struct str s)
{
    if (format == LOG_LOGFMT && s.n <= VALUE_MAX_BYTES && is_bare(s)) {
        buf_add(b, s);
        return;
    }
    put_quoted(b, utf8_head(s, VALUE_MAX_BYTES));
    if (s.n <= VALUE_MAX_BYTES || b->failed) return;
    b->n--;
    buf_lit(b, "...\"");
}

static void put_name(struct buf *b, enum log_format format, const char *name)
{
    bool json = format == LOG_JSON;
    if (b->n > json) buf_char(b, json ? ',' : ' ');
    if (json) buf_char(b, '"');
    buf_add(b, str_c(name));
    if (json) buf_char(b, '"');
    buf_char(b, json ? ':' : '=');
}

static void put_field(struct buf *b, enum log_format format, const struct log_field *f)
{
    char digits[ID_TEXT];
    struct buf id = BUF_OVER(digits);
    uint64_t size = f->i < 0 ? 0 - (uint64_t)f->i : (uint64_t)f->i;
    if ((f->kind == FIELD_STR && str_is_none(f->s)) || (f->kind == FIELD_ID && f->i == 0)) return;
    put_name(b, format, f->name);
    if (f->i < 0 && f->kind != FIELD_ID && f->kind != FIELD_STR) buf_char(b, '-');
    switch (f->kind) {
    case FIELD_STR: put_text(b, format, f->s); break;
    case FIELD_INT: buf_u64(b, size); break;
    case FIELD_MS: buf_printf(b, "%llu.%03u", (unsigned long long)(size / 1000), (unsigned)(size % 1000)); break;
    case FIELD_ID:
        id_put(&id, f->i);
        put_text(b, format, buf_str(&id));
        break;
    }
}

static void put_head(struct buf *b, const struct log *log, enum log_level level, const char *event)
{
    char moment[32];
    struct buf time = BUF_OVER(moment);
    time_put_rfc3339(&time, log->now(log->clock));
    if (log->format == LOG_JSON) buf_char(b, '{');
    put_name(b, log->format, "time");
    put_text(b, log->format, buf_str(&time));
    put_name(b, log->format, "level");
    put_text(b, log->format, str_c(level_names[level]));
    put_name(b, log->format, "event");
    put_text(b, log->format, str_c(event));
}

void log_write(const struct log *log, enum log_level level, const char *event, const struct log_field *fields)
{
    if (!log || level < log->least) return;
    char bytes[LINE_MAX_BYTES];
    struct buf line = BUF_OVER(bytes);
    line.max -= END_BYTES;
    put_head(&line, log, level, event);
    size_t whole = line.n;
    for (const struct log_field *f = fields; f->name && !line.failed; f++) {
        put_field(&line, log->format, f);
        if (!line.failed) whole = line.n;
    }
    bool cut = line.failed;
    line = (struct buf){.p = bytes, .n = whole, .cap = sizeof bytes, .max = sizeof bytes};
    if (cut) {
        put_name(&line, log->format, "cut");
        buf_lit(&line, "true");
    }
    if (log->format == LOG_JSON) buf_char(&line, '}');
    buf_char(&line, '\n');
    log->write(log->sink, buf_str(&line));
}
