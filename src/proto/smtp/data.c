/* Dot-stuffing and line ends of a letter in transfer (RFC 5321 §4.5.2, §2.3.8), made to run at memchr's speed. */
#include "proto/smtp/data.h"

/* searched at a time, so that bytes are not searched again and again behind many bare newlines */
enum { WINDOW = 1024 };

static const struct str crlf = S_INIT("\r\n");

/* What stands for a newline that is not CRLF. Where dots count it does not make the next one special. */
static struct str bare(struct smtp_data *d, struct str seen)
{
    d->bare_newlines = true;
    d->state = d->normalise && !d->dots ? DATA_BEGIN : DATA_LINE;
    return d->normalise ? crlf : seen;
}

/* Behind a CR, which was held back. Like the next two, returns how many bytes are taken. */
static size_t behind_cr(struct smtp_data *d, struct str in, struct str *piece)
{
    if (in.p[0] == '\n') {
        d->state = DATA_BEGIN;
        *piece = crlf;
        return 1;
    }
    *piece = bare(d, S("\r"));
    return 0;
}

/* Behind a dot that began a line, and is dropped unless it stands alone. */
static size_t behind_dot(struct smtp_data *d, struct str in)
{
    if (d->state == DATA_DOT) {
        d->state = in.p[0] == '\r' ? DATA_DOT_CR : DATA_LINE;
        return in.p[0] == '\r';
    }
    if (in.p[0] == '\n') {
        d->state = DATA_ENDED;
        return 1;
    }
    d->state = DATA_LINE_CR; /* ".\rX": the CR is held back as any other */
    return 0;
}

/* A bare LF at `at`: what stands before it goes first. */
static size_t before_lf(struct smtp_data *d, struct str in, size_t at, struct str *piece)
{
    d->state = DATA_LINE;
    *piece = at ? str_head(in, at) : bare(d, S("\n"));
    return at ? at : 1;
}

/* From inside a line or its beginning: as much as can be passed on as it is, up to where something must change. */
static size_t plain(struct smtp_data *d, struct str in, struct str *piece)
{
    size_t i = 0;
    bool begin = d->state == DATA_BEGIN;
    while (i < in.n) {
        const char *at = in.p + i;
        if (begin && d->dots && *at == '.') {
            d->state = i ? DATA_BEGIN : DATA_DOT;
            *piece = str_head(in, i);
            return i ? i : 1;
        }
        size_t n = in.n - i < WINDOW ? in.n - i : WINDOW;
        const char *cr = memchr(at, '\r', n);
        if (cr) n = (size_t)(cr - at);
        const char *lf = memchr(at, '\n', n);
        if (lf) return before_lf(d, in, (size_t)(lf - in.p), piece);
        i += n;
        begin = false;
        if (!cr) continue;
        if (i + 1 == in.n || in.p[i + 1] != '\n') {
            d->state = DATA_LINE_CR;
            *piece = str_head(in, i);
            return i + 1;
        }
        i += 2;
        begin = true;
    }
    d->state = begin ? DATA_BEGIN : DATA_LINE;
    *piece = in;
    return i;
}

size_t smtp_data_take(struct smtp_data *d, struct str in, struct str *piece)
{
    *piece = S("");
    size_t taken = 0;
    while (taken < in.n && d->state != DATA_ENDED) {
        struct str rest = str_skip(in, taken);
        if (d->state == DATA_LINE_CR) {
            taken += behind_cr(d, rest, piece);
        } else if (d->state == DATA_DOT || d->state == DATA_DOT_CR) {
            taken += behind_dot(d, rest);
        } else {
            taken += plain(d, rest, piece);
        }
        if (piece->n) break;
    }
    return taken;
}

struct str smtp_data_finish(struct smtp_data *d)
{
    bool held = d->state == DATA_LINE_CR, open = d->state == DATA_LINE;
    d->state = DATA_ENDED;
    if (held) d->bare_newlines = true;
    if (held && !d->normalise) return S("\r\r\n");
    return held || open ? crlf : S("");
}

/* ---- sending ---- */

void smtp_stuff(struct smtp_stuffer *w, struct str bytes, struct buf *out)
{
    while (bytes.n) {
        if (w->state == STUFF_CR) {
            buf_add(out, crlf);
            w->state = STUFF_BEGIN;
            if (bytes.p[0] == '\n') {
                bytes = str_skip(bytes, 1);
                continue;
            }
        }
        if (w->state == STUFF_BEGIN && bytes.p[0] == '.' && !w->counted) buf_char(out, '.');
        size_t end = bytes.n < WINDOW ? bytes.n : WINDOW;
        const char *cr = memchr(bytes.p, '\r', end);
        if (cr) end = (size_t)(cr - bytes.p);
        const char *lf = memchr(bytes.p, '\n', end);
        if (lf) end = (size_t)(lf - bytes.p);
        buf_add(out, str_head(bytes, end));
        if (lf) buf_add(out, crlf);
        w->state = lf ? STUFF_BEGIN : cr ? STUFF_CR : STUFF_LINE;
        bytes = str_skip(bytes, end + (lf || cr ? 1 : 0));
    }
}

void smtp_stuff_end(struct smtp_stuffer *w, struct buf *out)
{
    if (w->state != STUFF_BEGIN) buf_add(out, crlf);
    if (!w->counted) buf_lit(out, ".\r\n");
    w->state = STUFF_BEGIN;
}

bool smtp_stuff_needless(struct smtp_stuffer *w, struct str bytes)
{
    const char *at = bytes.p, *end = bytes.p + bytes.n;
    if (w->state == STUFF_CR) return bytes.n == 0;
    for (bool begin = w->state == STUFF_BEGIN; at < end; begin = true) {
        if (begin && *at == '.' && !w->counted) return false;
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = lf ? lf - 1 : end;
        if (lf && (lf == at || *line_end != '\r')) return false;
        if (memchr(at, '\r', (size_t)(line_end - at))) return false;
        at = lf ? lf + 1 : end;
        if (!lf) break;
    }
    if (bytes.n) w->state = end[-1] == '\n' ? STUFF_BEGIN : STUFF_LINE;
    return true;
}
