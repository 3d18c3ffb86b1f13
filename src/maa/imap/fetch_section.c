/* Sections of a letter (RFC 9051 §6.4.5.1, RFC 3516 §4): from part numbers to the bytes they mean.
 *
 * A stored letter is a prefix of trace fields and, behind it, the bytes that were parsed when it came: offsets of its
 * parts count from the prefix's end, and the letter's own header is both. */
#include "maa/imap/fetch.h"

/* ---- parts ---- */

static const struct mime_part *child_of(const struct mime_part *p, uint32_t number)
{
    const struct mime_part *c = p->first;
    while (c && --number > 0) c = c->next;
    return c;
}

/* Of a letter: a part of its multipart; what is no multipart is its own part 1. */
static const struct mime_part *part_of_letter(const struct mime_part *letter, uint32_t number)
{
    if (letter->kind == MIME_MULTIPART) return child_of(letter, number);
    return number == 1 ? letter : NULL;
}

const struct mime_part *fetch_part(const struct mime_part *root, const uint32_t *path, size_t depth)
{
    const struct mime_part *p = part_of_letter(root, path[0]);
    for (size_t i = 1; i < depth && p; i++) {
        if (p->kind == MIME_MULTIPART) p = child_of(p, path[i]);
        else if (p->kind == MIME_MESSAGE && p->first) p = part_of_letter(p->first, path[i]);
        else p = NULL;
    }
    return p;
}

/* ---- bytes ---- */

static struct fetch_extent header_of(const struct letter_read *l, const struct mime_part *p)
{
    uint64_t prefix = l->letter.prefix.n;
    if (!p->parent) return (struct fetch_extent){.size = prefix + p->header_size};
    return (struct fetch_extent){.from = prefix + p->header_at, .size = p->header_size};
}

static struct fetch_extent body_of(const struct letter_read *l, const struct mime_part *p)
{
    return (struct fetch_extent){.from = l->letter.prefix.n + p->body_at, .size = p->body_size};
}

static struct fetch_extent whole_of(const struct letter_read *l)
{
    return (struct fetch_extent){.size = (uint64_t)l->letter.size};
}

static struct fetch_extent extent_of(const struct letter_read *l, const struct mime_part *root,
                                     const struct imap_section *s)
{
    const struct fetch_extent none = {.none = true};
    const struct mime_part *p = root;
    if (s->depth) {
        p = fetch_part(root, s->path, s->depth);
        if (!p) return none;
        if (s->text == IMAP_SECTION_ALL) return body_of(l, p);
        if (s->text == IMAP_SECTION_MIME) return header_of(l, p);
        if (p->kind != MIME_MESSAGE || !p->first) return none; /* only letters have the rest */
        p = p->first;
    } else if (s->text == IMAP_SECTION_ALL) {
        return whole_of(l);
    }
    struct fetch_extent x = s->text == IMAP_SECTION_TEXT ? body_of(l, p) : header_of(l, p);
    x.filtered = s->text == IMAP_SECTION_FIELDS || s->text == IMAP_SECTION_FIELDS_NOT;
    return x;
}

/* A damaged tree leads outside of the letter. */
static bool is_inside(const struct fetch_extent *x, int64_t size)
{
    return x->none || (x->from <= (uint64_t)size && x->size <= (uint64_t)size - x->from);
}

static int binary_of(const struct letter_read *l, const struct mime_part *root, const struct imap_section *s,
                     struct fetch_extent *x)
{
    const struct mime_part *p = s->depth ? fetch_part(root, s->path, s->depth) : NULL;
    *x = extent_of(l, root, s);
    if (!p || p->kind != MIME_LEAF) { /* composite ones are not encoded (RFC 2045 §6.4) */
        x->encoding = MIME_BINARY;
        return 0;
    }
    x->encoding = p->encoding;
    return p->encoding == MIME_OTHER_ENCODING ? ERR_UNSUPPORTED : 0;
}

int fetch_resolve(struct fetch *f, const struct letter_read *l)
{
    struct mime_part *root = NULL, only = {0};
    int e = 0;
    if (f->parts) {
        e = mime_structure_read(f->letter, l->letter.structure, &root);
    } else if (f->root) {
        e = mime_structure_root(l->letter.structure, &only);
        root = &only;
    }
    if (e) return ERR_CORRUPT;
    for (size_t i = 0; i < f->n_items; i++) {
        static const struct imap_section header = {.text = IMAP_SECTION_HEADER}, text = {.text = IMAP_SECTION_TEXT};
        struct fetch_extent *x = &f->extents[i];
        const struct imap_fetch_item *item = f->items[i].of;
        switch (item->attribute) {
        case IMAP_ATT_RFC822: *x = whole_of(l); break;
        case IMAP_ATT_RFC822_HEADER: *x = extent_of(l, root, &header); break;
        case IMAP_ATT_RFC822_TEXT: *x = extent_of(l, root, &text); break;
        case IMAP_ATT_SECTION: *x = extent_of(l, root, &item->section); break;
        case IMAP_ATT_BINARY:
        case IMAP_ATT_BINARY_SIZE:
            e = binary_of(l, root, &item->section, x);
            if (e) return e;
            break;
        default: continue;
        }
        if (!is_inside(x, l->letter.size)) return ERR_CORRUPT;
    }
    return 0;
}
