/* FETCH and STORE (RFC 9051 §6.4.5 and §6.4.6) with the attributes and modifiers of the extensions. */
#include "proto/imap/parse.h"

/* --- sections --- */

static bool read_field(struct imap_scan *s, void *arg)
{
    struct imap_strings *fields = arg;
    struct str field;
    if (!scan_astring(s, &field)) return false;
    if (fields->n == LIMIT_IMAP_FIELDS) return scan_fail(s, "too many header fields");
    imap_strings_add(s->a, fields, field);
    return true;
}

/* section-part = nz-number *("." nz-number); the "." before a text is taken with it */
static bool read_path(struct imap_scan *s, struct imap_section *out)
{
    uint32_t *path = NULL;
    size_t cap = 0;
    while (s->rest.n && ch_digit(s->rest.p[0])) {
        if (out->depth == LIMIT_IMAP_SECTION) return scan_fail(s, "a part too deep");
        path = arena_grow(s->a, path, out->depth, &cap, sizeof *path);
        if (!scan_u32(s, 1, &path[out->depth++])) return false;
        out->path = path;
        if (!scan_if(s, '.')) return true;
        if (scan_is(s, ']')) return scan_fail(s, "a section is wrong");
    }
    return true;
}

/* section = "[" [section-spec] "]" */
static bool read_section(struct imap_scan *s, bool binary, struct imap_section *out)
{
    static const struct imap_word texts[] = {
        {S_INIT("HEADER"), IMAP_SECTION_HEADER},
        {S_INIT("HEADER.FIELDS"), IMAP_SECTION_FIELDS},
        {S_INIT("HEADER.FIELDS.NOT"), IMAP_SECTION_FIELDS_NOT},
        {S_INIT("TEXT"), IMAP_SECTION_TEXT},
        {S_INIT("MIME"), IMAP_SECTION_MIME},
    };
    if (!scan_char(s, '[') || !read_path(s, out)) return false;
    if (scan_if(s, ']')) return true;
    int text = IMAP_WORD(texts, scan_word(s));
    if (text < 0 || binary || (text == IMAP_SECTION_MIME && out->depth == 0)) return scan_fail(s, "a section is wrong");
    out->text = (enum imap_section_text)text;
    if (text == IMAP_SECTION_FIELDS || text == IMAP_SECTION_FIELDS_NOT) {
        if (!scan_space(s) || !scan_char(s, '(') || !scan_list(s, false, read_field, &out->fields)) return false;
    }
    return scan_char(s, ']');
}

/* partial = "<" number64 "." nz-number64 ">" */
static bool read_bytes(struct imap_scan *s, struct imap_fetch_item *item)
{
    if (!scan_if(s, '<')) return true;
    item->partial = true;
    return scan_number(s, 0, INT64_MAX, &item->offset) && scan_char(s, '.') &&
           scan_number(s, 1, INT64_MAX, &item->length) && scan_char(s, '>');
}

/* --- attributes --- */

enum { PEEK = 1 << 8, MACRO_ALL = 1 << 9, MACRO_FAST, MACRO_FULL };

static const struct imap_word attributes[] = {
    {S_INIT("ENVELOPE"), IMAP_ATT_ENVELOPE},
    {S_INIT("FLAGS"), IMAP_ATT_FLAGS},
    {S_INIT("INTERNALDATE"), IMAP_ATT_INTERNALDATE},
    {S_INIT("RFC822"), IMAP_ATT_RFC822},
    {S_INIT("RFC822.HEADER"), IMAP_ATT_RFC822_HEADER},
    {S_INIT("RFC822.SIZE"), IMAP_ATT_RFC822_SIZE},
    {S_INIT("RFC822.TEXT"), IMAP_ATT_RFC822_TEXT},
    {S_INIT("BODY"), IMAP_ATT_BODY},
    {S_INIT("BODY.PEEK"), IMAP_ATT_SECTION | PEEK},
    {S_INIT("BODYSTRUCTURE"), IMAP_ATT_BODYSTRUCTURE},
    {S_INIT("UID"), IMAP_ATT_UID},
    {S_INIT("BINARY"), IMAP_ATT_BINARY},
    {S_INIT("BINARY.PEEK"), IMAP_ATT_BINARY | PEEK},
    {S_INIT("BINARY.SIZE"), IMAP_ATT_BINARY_SIZE},
    {S_INIT("MODSEQ"), IMAP_ATT_MODSEQ},
    {S_INIT("EMAILID"), IMAP_ATT_EMAILID},
    {S_INIT("THREADID"), IMAP_ATT_THREADID},
    {S_INIT("PREVIEW"), IMAP_ATT_PREVIEW},
    {S_INIT("SAVEDATE"), IMAP_ATT_SAVEDATE},
    {S_INIT("ALL"), MACRO_ALL},
    {S_INIT("FAST"), MACRO_FAST},
    {S_INIT("FULL"), MACRO_FULL},
};

static bool add_item(struct imap_scan *s, struct imap_fetch_items *items, struct imap_fetch_item item)
{
    if (items->n == LIMIT_IMAP_FETCH_ITEMS) return scan_fail(s, "too many attributes");
    items->v = arena_grow(s->a, items->v, items->n, &items->cap, sizeof *items->v);
    items->v[items->n++] = item;
    return true;
}

/* RFC 9051 §6.4.5: ALL, FAST, FULL */
static bool add_macro(struct imap_scan *s, struct imap_fetch_items *items, int macro)
{
    static const enum imap_attribute written[] = {IMAP_ATT_FLAGS, IMAP_ATT_INTERNALDATE, IMAP_ATT_RFC822_SIZE,
                                                  IMAP_ATT_ENVELOPE, IMAP_ATT_BODY};
    size_t n = macro == MACRO_FAST ? 3 : macro == MACRO_ALL ? 4 : 5;
    for (size_t i = 0; i < n; i++)
        if (!add_item(s, items, (struct imap_fetch_item){.attribute = written[i], .peek = true})) return false;
    return true;
}

/* "PREVIEW" [SP "(" "LAZY" ")"] (RFC 8970 §6) */
static bool read_lazy(struct imap_scan *s, struct imap_fetch_item *item)
{
    if (!str_starts(s->rest, S(" ("))) return true;
    s->rest = str_skip(s->rest, 2);
    item->lazy = scan_word_is(s, S("LAZY"));
    return item->lazy ? scan_char(s, ')') : scan_fail(s, "an unknown modifier of PREVIEW");
}

static bool read_attribute(struct imap_scan *s, void *arg)
{
    int word = IMAP_WORD(attributes, scan_word(s));
    if (word < 0) return scan_fail(s, "an unknown attribute");
    if (word >= MACRO_ALL) return add_macro(s, arg, word);
    struct imap_fetch_item item = {.attribute = (enum imap_attribute)(word & ~PEEK)};
    if (word == IMAP_ATT_BODY && scan_is(s, '[')) item.attribute = IMAP_ATT_SECTION;
    bool right = true;
    switch (item.attribute) {
    case IMAP_ATT_SECTION: right = read_section(s, false, &item.section) && read_bytes(s, &item); break;
    case IMAP_ATT_BINARY: right = read_section(s, true, &item.section) && read_bytes(s, &item); break;
    case IMAP_ATT_BINARY_SIZE: right = read_section(s, true, &item.section); break;
    case IMAP_ATT_PREVIEW: right = read_lazy(s, &item); break;
    default: break;
    }
    bool may_mark = item.attribute == IMAP_ATT_SECTION || item.attribute == IMAP_ATT_BINARY ||
                    item.attribute == IMAP_ATT_RFC822 || item.attribute == IMAP_ATT_RFC822_TEXT;
    item.peek = word & PEEK || !may_mark;
    return right && add_item(s, arg, item);
}

bool imap_read_fetch_items(struct imap_scan *s, struct imap_fetch_items *items)
{
    return scan_list(s, false, read_attribute, items);
}

/* --- FETCH --- */

static bool read_fetch_modifier(struct imap_scan *s, void *arg)
{
    struct imap_fetch *f = arg;
    if (scan_word_is(s, S("CHANGEDSINCE"))) {        /* RFC 7162 §3.1.4.1 */
        f->has_changedsince = true;
        return scan_space(s) && scan_modseq(s, &f->changedsince);
    }
    if (scan_word_is(s, S("PARTIAL"))) return scan_space(s) && scan_partial(s, &f->partial); /* RFC 9394 §3.2 */
    f->vanished = scan_word_is(s, S("VANISHED"));    /* RFC 7162 §3.2.6 */
    return f->vanished ? true : scan_fail(s, "an unknown modifier");
}

/* fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
 * [fetch-modifiers] */
bool imap_read_fetch(struct imap_scan *s, struct imap_command *c)
{
    struct imap_fetch *f = &c->fetch;
    if (!scan_space(s) || !scan_set(s, &f->set) || !scan_space(s)) return false;
    if (scan_if(s, '(') ? !imap_read_fetch_items(s, &f->items) : !read_attribute(s, &f->items)) return false;
    if (!scan_more(s)) return true;
    if (!scan_char(s, '(') || !scan_list(s, false, read_fetch_modifier, f)) return false;
    return !f->vanished || (c->uid && f->has_changedsince)
               ? true
               : scan_fail(s, "VANISHED is for UID FETCH with CHANGEDSINCE");
}

/* --- STORE --- */

static bool read_store_modifier(struct imap_scan *s, void *arg)
{
    struct imap_store *store = arg;
    store->has_unchangedsince = scan_word_is(s, S("UNCHANGEDSINCE")); /* RFC 7162 §3.1.3 */
    if (!store->has_unchangedsince) return scan_fail(s, "an unknown modifier");
    return scan_space(s) && scan_modseq(s, &store->unchangedsince);
}

/* store = "STORE" SP sequence-set [store-modifiers] SP store-att-flags */
bool imap_read_store(struct imap_scan *s, struct imap_command *c)
{
    struct imap_store *store = &c->store;
    if (!scan_space(s) || !scan_set(s, &store->set) || !scan_space(s)) return false;
    if (scan_if(s, '(') && (!scan_list(s, false, read_store_modifier, store) || !scan_space(s))) return false;
    store->how = scan_if(s, '+') ? IMAP_STORE_ADD : scan_if(s, '-') ? IMAP_STORE_REMOVE : IMAP_STORE_SET;
    struct str word = scan_word(s);
    store->silent = str_ieq(word, S("FLAGS.SILENT"));
    if (!store->silent && !str_ieq(word, S("FLAGS"))) return scan_fail(s, "FLAGS is missing");
    return scan_space(s) && scan_flags(s, scan_is(s, '('), &store->flags);
}
