/* The MIME parser (RFC 2045, 2046, 2231): any letter, fed whole and in pieces, gives one tree; what is derived from it
 * can be read back and shown. The first byte is the size of the pieces. */
#include <stdlib.h>

#include "base/utf8.h"
#include "proto/mime/decode.h"
#include "proto/mime/derive.h"
#include "proto/mime/test_tree.h"
#include "proto/mime/text.h"

static void must(bool what)
{
    if (!what) abort();
}

static struct mime_letter *in_pieces(struct arena *a, struct str s, size_t step)
{
    struct mime_parser *p = mime_parser_new(a);
    for (; s.n; s = str_skip(s, step)) mime_parser_feed(p, str_head(s, step));
    return mime_parser_end(p);
}

/* What a letter says, for searching: lines that say the same when they are folded again. */
struct heard {
    struct arena *a;
    struct text_reader *again;
};

static bool hear(void *arg, enum text_place place, struct str text)
{
    struct heard *h = arg;
    must(text.n > 0 && text.p[text.n - 1] == '\n' && utf8_valid(text));
    if (place == TEXT_FIELD) must(str_find(text, S(": ")) < text.n);
    for (struct str line; text.n;) {
        str_cut(text, '\n', &line, &text);
        must(str_eq(text_folded(h->again, h->a, line), line));
    }
    return true;
}

static struct str read_letter(void *arg, uint64_t at, size_t n)
{
    const struct str *s = arg;
    must(at <= s->n && n <= s->n - at);
    return str_sub(*s, at, at + n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct arena *a = arena_new(NULL, 0);
    struct str s = str_of(data + 1, size - 1);
    struct buf *whole = buf_in(a, 1 << 26), *pieces = buf_in(a, 1 << 26), *imap = buf_in(a, 1 << 26),
               *text = buf_in(a, 1 << 20);
    struct mime_letter *l = mime_parse(a, s);
    tree_put(whole, l);
    tree_put(pieces, in_pieces(a, s, 1 + data[0] % 64));
    must(str_eq(buf_str(whole), buf_str(pieces)) && l->size == s.n);

    for (const struct mime_part *p = l->root; p; p = mime_next(p)) {
        must(p->body_at == p->header_at + p->header_size && p->body_at + p->body_size <= s.n);
        if (p->parent)
            must(p->header_at >= p->parent->body_at &&
                 p->body_at + p->body_size <= p->parent->body_at + p->parent->body_size);
        buf_clear(text);
        if (p->kind == MIME_LEAF) mime_decode_text(a, p, str_sub(s, p->body_at, p->body_at + p->body_size), 1000, text);
        must(utf8_valid(buf_str(text)));
    }

    struct mime_derived d = mime_derive(a, l);
    struct mime_part *root;
    struct mime_envelope envelope;
    must(mime_structure_read(a, d.structure, &root) == 0 && mime_envelope_read(a, d.envelope, &envelope) == 0);
    must(mime_put_imap_envelope(imap, d.envelope, false) == 0 &&
         mime_put_imap_bodystructure(imap, d.structure, true, true) == 0);
    must(utf8_valid(d.preview) && utf8_count(d.preview) <= LIMIT_PREVIEW && utf8_valid(d.subject));
    must(!memchr(imap->p, 0, imap->n));
    struct heard h = {a, text_reader_new(a)};
    struct text_letter searched = {.root = root, .read = read_letter, .arg = &s};
    text_of(text_reader_new(a), &searched, TEXT_FIELD | TEXT_PART | TEXT_BODY, hear, &h);
    buf_clear(imap);
    (void)mime_put_imap_bodystructure(imap, s, true, true); /* any bytes as a blob */
    (void)mime_structure_read(a, s, &root);
    (void)mime_envelope_read(a, s, &envelope);
    (void)mime_put_imap_envelope(imap, s, false);
    buf_clear(text);
    mime_html_text(s, 1 << 20, text);
    must(utf8_valid(buf_str(text)));
    arena_free(a);
    return 0;
}
