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

/* Goes through a header piece by piece, however it is cut, and takes the fields wanted, as imf_next_field() has them.
 */
struct choosing {
    const struct fetch_item *item;
    struct buf *b;
    char line[LIMIT_FIELD_NAME + 1]; /* the beginning of one, until it is known what it is */
    size_t n;
    bool top, field, within; /* nothing came yet; a field did; in a line that is known */
    bool keeps, open;        /* the field; what was kept is no whole line */
    bool over;
};

static void begin_choosing(struct choosing *c) { *c = (struct choosing){.item = c->item, .b = c->b, .top = true}; }

static void keep(struct choosing *c, struct str bytes)
{
    if (!c->keeps || !bytes.n) return;
    buf_add(c->b, bytes);
    c->open = !str_ends(bytes, S("\n"));
}

/* A line begins so: it is a field's first, or an mbox line on top, or the header is over. */
static void know_line(struct choosing *c)
{
    struct str line = str_of(c->line, c->n);
    size_t name = imf_field_name(line, NULL);
    bool unnamed = c->item->of->section.text == IMAP_SECTION_FIELDS_NOT;
    c->over = !name && !(c->top && imf_is_mbox_line(line));
    c->top = false;
    c->field = name > 0;
    c->keeps = name && is_named(c->item, str_head(line, name)) != unnamed;
    keep(c, line);
    c->within = !str_ends(line, S("\n"));
    c->n = 0;
}

static struct str choose_line(struct choosing *c, struct str s) /* what is left of it */
{
    size_t n = str_find_char(s, '\n') + 1;
    if (!c->within && !c->n && c->field && ch_space(s.p[0])) c->within = true; /* a fold */
    if (n > s.n) n = s.n;
    if (c->within) {
        keep(c, str_head(s, n));
        c->within = s.p[n - 1] != '\n';
        return str_skip(s, n);
    }
    if (n > sizeof c->line - c->n) n = sizeof c->line - c->n;
    memcpy(c->line + c->n, s.p, n);
    c->n += n;
    if (c->n == sizeof c->line || s.p[n - 1] == '\n') know_line(c);
    return str_skip(s, n);
}

static void choose(struct choosing *c, struct str s)
{
    while (s.n && !c->over) s = choose_line(c, s);
}

static void end_choosing(struct choosing *c)
{
    if (c->n && !c->over) know_line(c);
    if (c->open) buf_lit(c->b, "\r\n");
}

static void put_chosen(struct fetch *f, struct choosing *c, const struct str header[2])
{
    struct buf *b = c->b;
    for (int i = 0; i < 2; i++) {
        begin_choosing(c);
        choose(c, header[i]);
        end_choosing(c);
    }
    buf_lit(b, "\r\n"); /* RFC 9051 §6.4.5.1: the empty line is always there */
    struct range p = partial_of(c->item->of, b->n);
    imap_put_literal_head(&f->out.text, p.size, false);
    buf_add(&f->out.text, without_nul(b->p + p.from, (size_t)p.size));
}

/* ---- what is made of a range, in two passes: how long it is, then the bytes wanted of it ---- */

struct pass {
    struct buf *b;      /* what was made of the last piece */
    uint64_t size;      /* bytes so far */
    bool nul;           /* among those wanted */
    bool text;          /* NUL must not be sent */
    struct range want;
    bool sends;
};

/* Takes the wanted part of what was just made. */
static FIBER int take(struct fetch *f, struct pass *d)
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
            imap_out_bytes(&f->out, d->text ? without_nul(d->b->p + from, to - from) : part);
            e = imap_out_send(&f->out);
        }
    }
    buf_clear(d->b);
    return e;
}

/* ---- header fields of a header too long for memory ---- */

struct choosing_pass {
    struct choosing *c;
    struct pass d;
};

static FIBER int choose_block(struct fetch *f, struct str block, void *arg)
{
    struct choosing_pass *p = arg;
    choose(p->c, block);
    return take(f, &p->d);
}

static FIBER int choose_range(struct fetch *f, struct letter_read *l, struct range r, struct choosing_pass *p)
{
    begin_choosing(p->c);
    int e = each_block(f, l, r, choose_block, p);
    if (!e) end_choosing(p->c);
    return e;
}

static FIBER int choose_pass(struct fetch *f, struct letter_read *l, struct range r, struct choosing_pass *p)
{
    uint64_t prefix = l->letter.prefix.n;
    struct range before = {r.from, r.from < prefix ? prefix - r.from : 0};
    if (before.size > r.size) before.size = r.size;
    p->d.size = 0;
    int e = choose_range(f, l, before, p);
    if (!e) e = choose_range(f, l, (struct range){r.from + before.size, r.size - before.size}, p);
    if (e) return e;
    buf_lit(p->d.b, "\r\n"); /* as in put_chosen() */
    return take(f, &p->d);
}

static FIBER int send_chosen(struct fetch *f, struct letter_read *l, struct range r, struct choosing *c)
{
    struct choosing_pass p = {.c = c, .d = {.b = c->b, .text = true}};
    int e = choose_pass(f, l, r, &p);
    if (e) return e;
    p.d.want = partial_of(c->item->of, p.d.size);
    p.d.sends = true;
    imap_put_literal_head(&f->out.text, p.d.want.size, false);
    return p.d.want.size ? choose_pass(f, l, r, &p) : 0;
}

static FIBER int put_fields(struct fetch *f, const struct fetch_item *item, const struct fetch_extent *x,
                            struct letter_read *l)
{
    struct str v[2];
    struct range r = {x->from, x->size};
    int e = 0;
    struct buf b = BUF(2 * LETTERS_HEADER_MOST);
    struct choosing c = {.item = item, .b = &b};
    if (in_memory(l, r, v)) put_chosen(f, &c, v);
    else e = send_chosen(f, l, r, &c);
    buf_free(&b);
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

struct decoding {
    struct mime_decoder decoder;
    struct pass d;
};

static FIBER int decode_block(struct fetch *f, struct str block, void *arg)
{
    enum { STEP = 64 << 10 };
    struct decoding *d = arg;
    int e = 0;
    while (block.n > 0 && !e) {
        mime_decode_feed(&d->decoder, str_head(block, STEP), d->d.b);
        block = str_skip(block, block.n < STEP ? block.n : STEP);
        e = take(f, &d->d);
    }
    return e;
}

static FIBER int decode_range(struct fetch *f, const struct fetch_extent *x, struct letter_read *l, struct decoding *d)
{
    d->decoder = (struct mime_decoder){.encoding = x->encoding};
    d->d.size = 0;
    int e = each_block(f, l, (struct range){x->from, x->size}, decode_block, d);
    if (e) return e;
    mime_decode_end(&d->decoder, d->d.b);
    return take(f, &d->d);
}

enum { DECODED = 1 << 20 }; /* bytes of a step; what it may come to is less */

FIBER int fetch_put_binary_size(struct fetch *f, const struct fetch_extent *x, struct letter_read *l)
{
    struct buf b = BUF(DECODED);
    struct decoding d = {.d = {.b = &b}};
    int e = x->none ? 0 : decode_range(f, x, l, &d);
    buf_u64(&f->out.text, d.d.size);
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
    struct decoding d = {.d = {.b = &b, .want = all}};
    int e = decode_range(f, x, l, &d);
    struct range r = partial_of(item->of, d.d.size);
    if (!e) imap_put_literal_head(&f->out.text, r.size, d.d.nul); /* RFC 3516 §4.2: literal8 only if it must be */
    d.d.want = r;
    d.d.sends = true;
    if (!e && r.size) e = decode_range(f, x, l, &d);
    buf_free(&b);
    return e;
}
