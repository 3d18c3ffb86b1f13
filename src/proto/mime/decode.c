/* Undoing transfer encodings and charsets. */
#include "proto/mime/decode.h"

#include "base/utf8.h"
#include "proto/imf/encoded_word.h"

void mime_decode_feed(struct mime_decoder *d, struct str raw, struct buf *out)
{
    if (d->encoding == MIME_BASE64) base64_feed(&d->base64, raw, out);
    else if (d->encoding == MIME_QP) qp_feed(&d->qp, raw, out);
    else buf_add(out, raw);
}

void mime_decode_end(struct mime_decoder *d, struct buf *out)
{
    if (d->encoding == MIME_QP) qp_end(&d->qp, out);
}

int mime_decode(enum mime_encoding encoding, struct str raw, struct buf *out)
{
    enum { PIECE = 4096 }; /* so that what fits is there when the rest does not */
    struct mime_decoder d = {.encoding = encoding};
    while (raw.n && !out->failed) {
        struct str piece = str_head(raw, PIECE);
        if (encoding != MIME_BASE64 && encoding != MIME_QP)
            piece = str_head(raw, out->max - out->n ? out->max - out->n : 1);
        mime_decode_feed(&d, piece, out);
        raw = str_skip(raw, piece.n);
    }
    mime_decode_end(&d, out);
    return out->failed;
}

int mime_decode_text(struct arena *a, const struct mime_part *part, struct str raw, size_t cap, struct buf *out)
{
    struct str charset = mime_param(part->params, S("charset"));
    struct buf *bytes = buf_in(a, raw.n + 16);
    mime_decode(part->encoding, raw, bytes);
    return charset_to_utf8(out, charset.n ? charset : S("us-ascii"), buf_str(bytes), cap);
}

/* White space, controls, and the invisible fillers that newsletters pad their first line with. */
static bool is_filler(uint32_t cp)
{
    return cp <= ' ' || (cp >= 0x7F && cp <= 0xA0) || cp == 0xAD || cp == 0x34F || cp == 0x61C || cp == 0x1680 ||
           cp == 0x180E || (cp >= 0x2000 && cp <= 0x200F) || (cp >= 0x2028 && cp <= 0x202F) ||
           (cp >= 0x205F && cp <= 0x206F) || cp == 0x3000 || cp == 0xFEFF;
}

void mime_collapse(struct str text, size_t characters, struct buf *out)
{
    bool gap = false;
    size_t count = 0;
    while (text.n) {
        uint32_t cp;
        int n = utf8_next(text, &cp);
        bool joiner = cp == 0x200D || (cp >= 0xFE00 && cp <= 0xFE0F); /* inside emoji */
        text = str_skip(text, n > 0 ? (size_t)n : 1);
        if (is_filler(cp) && !(joiner && count > 0 && !gap)) {
            gap = count > 0;
            continue;
        }
        if (count + gap >= characters) return;
        if (gap) buf_char(out, ' ');
        utf8_put(out, cp);
        count += 1u + gap;
        gap = false;
    }
}
