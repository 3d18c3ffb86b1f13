/* The bytes of sections: from memory without a copy, or block by block from the store; header fields chosen; transfer
 * encodings undone (RFC 3516). NUL, which CHAR8 has not, is sent as 0x80 but in binary literals. */
#include "maa/imap/fetch.h"
#include "mail/limits.h"
#include "proto/imf/field.h"

/* ---- bytes of a letter, wherever they are ---- */

struct range {
    uint64_t from, size; /* bytes of the letter */
};

/* What of the range lies in memory: the prefix's end, the body's beginning. False: some of it must be read. */
static bool in_memory(const struct letter_read *l, struct range r, struct str v[2])
{
    uint64_t prefix = l->letter.prefix.n, end = r.from + r.size;
    v[0] = v[1] = S("");
    if (r.from < prefix) v[0] = str_sub(l->letter.prefix, (size_t)r.from, end < prefix ? (size_t)end : (size_t)prefix);
    if (end <= prefix) return true;
    if (end - prefix > l->body.n) return false;
    v[1] = str_sub(l->body, r.from > prefix ? (size_t)(r.from - prefix) : 0, (size_t)(end - prefix));
    return true;
}

/* Reads the range's next block; *r moves on. */
static FIBER int read_block(struct fetch *f, struct arena *a, struct letter_read *l, struct range *r, struct str *out)
{
    size_t n = r->size < FETCH_BLOCK ? (size_t)r->size : FETCH_BLOCK;
    int e = store_letter_read(f->s->service->store, a, &l->letter, (int64_t)r->from, n, out, &f->why);
    if (!e && out->n < n) e = error_set(&f->why, ERR_CORRUPT, "the letter is shorter than it should be");
    r->from += n;
    r->size -= n;
    return e;
}

static struct str without_nul(char *p, size_t n)
{
    for (char *nul = n ? memchr(p, 0, n) : NULL; nul; nul = memchr(nul, 0, n - (size_t)(nul - p))) *nul = (char)0x80;
    return str_of(p, n);
}

/* Calls fn for all bytes of the range, in order. */
static FIBER int each_block(struct fetch *f, struct letter_read *l, struct range r,
                            FIBER int (*fn)(struct fetch *f, struct str block, void *arg), void *arg)
{
    struct str v[2];
    if (in_memory(l, r, v)) {
        int e = v[0].n ? fn(f, v[0], arg) : 0;
        return e || !v[1].n ? e : fn(f, v[1], arg);
    }
    struct arena *a = arena_new(NULL, 0);
    int e = 0;
    while (r.size > 0 && !e) {
        struct str block;
        arena_reset(a);
        e = read_block(f, a, l, &r, &block);
        if (e) f->lost = true;
        else e = fn(f, block, arg);
        fiber_yield_if_long();
    }
    arena_free(a);
    return e;
}

static FIBER int send_block(struct fetch *f, struct str block, void *arg)
{
    (void)arg; /* of a buffer of our own, which may be changed */
    imap_out_bytes(&f->out, without_nul((char *)(uintptr_t)block.p, block.n));
    return imap_out_send(&f->out);
}

/* Bytes with NULs among them: by copies, which are sent before the next is made. */
static FIBER int send_copy(struct fetch *f, struct str bytes, void *arg)
{
    struct arena *a = arena_new(NULL, 0);
    int e = 0;
    for (; bytes.n > 0 && !e; bytes = str_skip(bytes, FETCH_BLOCK)) {
        arena_reset(a);
        e = send_block(f, arena_str(a, str_head(bytes, FETCH_BLOCK)), arg);
    }
    arena_free(a);
    return e;
}

static FIBER int put_range(struct fetch *f, struct letter_read *l, struct range r)
{
    struct str v[2];
    imap_put_literal_head(&f->out.text, r.size, false);
    if (!in_memory(l, r, v)) return each_block(f, l, r, send_block, NULL);
    if (l->nul) return each_block(f, l, r, send_copy, NULL);
    for (int i = 0; i < 2; i++) imap_out_bytes(&f->out, v[i]);
    return 0;
}

/* <offset.length> of `size` bytes. */
static struct range partial_of(const struct imap_fetch_item *item, uint64_t size)
{
    if (!item->partial) return (struct range){0, size};
    if (item->offset >= size) return (struct range){size, 0}; /* RFC 9051 §6.4.5: an empty string */
    uint64_t rest = size - item->offset;
    return (struct range){item->offset, item->length < rest ? item->length : rest};
}

/* ---- header fields ---- */

static int compare_names(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    for (size_t i = 0; i < n; i++) {
        int d = ch_lower(a.p[i]) - ch_lower(b.p[i]);
        if (d) return d;
    }
    return (a.n > b.n) - (a.n < b.n);
}

static bool is_named(const struct fetch_item *item, struct str name)
{
    size_t low = 0, high = item->n_fields;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int d = compare_names(name, item->fields[mid]);
        if (d == 0) return true;
        if (d < 0) high = mid;
        else low = mid + 1;
    }
    return false;
}

static void choose_fields(const struct fetch_item *item, struct str header, struct buf *out)
{
    bool unnamed = item->of->section.text == IMAP_SECTION_FIELDS_NOT;
    struct imf_fields walk = {.text = header};
    struct imf_field field;
    while (imf_next_field(&walk, &field)) {
        if (is_named(item, field.name) == unnamed) continue;
        struct str text = str_sub(header, field.at, field.end);
        buf_add(out, text);
        if (!str_ends(text, S("\n"))) buf_lit(out, "\r\n");
    }
}

static FIBER int gather_block(struct fetch *f, struct str block, void *arg)
{
    (void)f;
    struct buf *b = arg;
    buf_add(b, block);
    return 0;
}

static void put_chosen(struct fetch *f, const struct fetch_item *item, const struct str header[2])
{
    struct buf chosen = BUF(2 * LETTERS_HEADER_MOST);
    for (int i = 0; i < 2; i++) choose_fields(item, header[i], &chosen);
    buf_lit(&chosen, "\r\n"); /* RFC 9051 §6.4.5.1: the empty line is always there */
    struct range p = partial_of(item->of, chosen.n);
    imap_put_literal_head(&f->out.text, p.size, false);
    buf_add(&f->out.text, without_nul(chosen.p + p.from, (size_t)p.size));
    buf_free(&chosen);
}

/* The fields of a header's first LETTERS_HEADER_MOST bytes: nobody writes longer ones. */
static FIBER int put_fields(struct fetch *f, const struct fetch_item *item, const struct fetch_extent *x,
                            struct letter_read *l)
{
    struct str v[2];
    struct range r = {x->from, x->size < LETTERS_HEADER_MOST ? x->size : LETTERS_HEADER_MOST};
    if (in_memory(l, r, v)) {
        put_chosen(f, item, v);
        return 0;
    }
    struct buf all = BUF(LETTERS_HEADER_MOST);
    int e = each_block(f, l, r, gather_block, &all);
    if (!e) put_chosen(f, item, (const struct str[2]){S(""), buf_str(&all)});
    buf_free(&all);
    return e;
}

FIBER int fetch_put_section(struct fetch *f, const struct fetch_item *item, const struct fetch_extent *x,
                            struct letter_read *l)
{
    if (x->none) {
        buf_lit(&f->out.text, "NIL");
        return 0;
    }
    if (x->filtered) return put_fields(f, item, x, l);
    struct range r = partial_of(item->of, x->size);
    r.from += x->from;
    return put_range(f, l, r);
}

/* ---- decoded ---- */

/* Decodes a range twice: what it comes to, then the bytes wanted of it. */
struct decoding {
    struct mime_decoder decoder;
    struct buf *b;
    uint64_t size;      /* bytes so far */
    bool nul;           /* among those wanted */
    struct range want;  /* of the decoded bytes */
    bool sends;
};

/* Takes the wanted part of what was just decoded. */
static FIBER int take_decoded(struct fetch *f, struct decoding *d)
{
    uint64_t at = d->size, end = d->want.from + d->want.size, n = d->b->n;
    d->size += n;
    size_t from = at < d->want.from ? (size_t)(d->want.from - at < n ? d->want.from - at : n) : 0;
    size_t to = end <= at ? 0 : (size_t)(end - at < n ? end - at : n);
    int e = 0;
    if (to > from) {
        struct str part = str_sub(buf_str(d->b), from, to);
        d->nul |= memchr(part.p, 0, part.n) != NULL;
        if (d->sends) {
            imap_out_bytes(&f->out, part);
            e = imap_out_send(&f->out);
        }
    }
    buf_clear(d->b);
    return e;
}

static FIBER int decode_block(struct fetch *f, struct str block, void *arg)
{
    enum { STEP = 64 << 10 };
    struct decoding *d = arg;
    int e = 0;
    while (block.n > 0 && !e) {
        mime_decode_feed(&d->decoder, str_head(block, STEP), d->b);
        block = str_skip(block, block.n < STEP ? block.n : STEP);
        e = take_decoded(f, d);
    }
    return e;
}

static FIBER int decode_range(struct fetch *f, const struct fetch_extent *x, struct letter_read *l, struct decoding *d)
{
    d->decoder = (struct mime_decoder){.encoding = x->encoding};
    d->size = 0;
    int e = each_block(f, l, (struct range){x->from, x->size}, decode_block, d);
    if (e) return e;
    mime_decode_end(&d->decoder, d->b);
    return take_decoded(f, d);
}

enum { DECODED = 1 << 20 }; /* bytes of a step; what it may come to is less */

FIBER int fetch_put_binary_size(struct fetch *f, const struct fetch_extent *x, struct letter_read *l)
{
    struct buf b = BUF(DECODED);
    struct decoding d = {.b = &b};
    int e = x->none ? 0 : decode_range(f, x, l, &d);
    buf_u64(&f->out.text, d.size);
    buf_free(&b);
    return e;
}

FIBER int fetch_put_binary(struct fetch *f, const struct fetch_item *item, const struct fetch_extent *x,
                           struct letter_read *l)
{
    if (x->none) {
        buf_lit(&f->out.text, "NIL");
        return 0;
    }
    struct buf b = BUF(DECODED);
    struct range all = {0, UINT64_MAX};
    if (item->of->partial) all = (struct range){item->of->offset, item->of->length};
    if (all.size > UINT64_MAX - all.from) all.size = UINT64_MAX - all.from;
    struct decoding d = {.b = &b, .want = all};
    int e = decode_range(f, x, l, &d);
    struct range r = partial_of(item->of, d.size);
    if (!e) imap_put_literal_head(&f->out.text, r.size, d.nul); /* RFC 3516 §4.2: literal8 only if it must be */
    d.want = r;
    d.sends = true;
    if (!e && r.size) e = decode_range(f, x, l, &d);
    buf_free(&b);
    return e;
}
