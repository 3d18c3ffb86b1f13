/* Letters as searching reads them. Most are read with one call: the first bytes bring header and text along; of long
 * ones what is no text stays in the pack. */
#include "store/search_letter.h"

#include <stdlib.h>

#include "proto/imf/field.h"
#include "store/search_match.h"

enum { AHEAD = 32 << 10 }; /* bytes read at once at least: nearly all letters without attachments */

void search_letter_begin(struct search_letter *l, struct store *s)
{
    *l = (struct search_letter){.store = s, .arena = arena_new(NULL, 0), .own = arena_new(NULL, 0)};
    l->reader = text_reader_new(l->own);
    l->field = buf_in(l->own, MIME_ENVELOPE_MAX + LIMIT_FIELD_SHOWN);
    l->scratch = buf_in(l->own, SIZE_MAX / 2);
}

void search_letter_end(struct search_letter *l)
{
    arena_free(l->arena);
    arena_free(l->own);
    free(l->window);
    l->window = NULL;
}

int search_letter_load(struct search_letter *l, struct db *db, int64_t account, int64_t email, struct error *e)
{
    arena_reset(l->arena);
    l->parsed = l->has_envelope = false;
    l->window_n = l->error = 0;
    struct query q = db_query(db, SQL_SEARCH_LETTER);
    q_int(&q, email);
    q_int(&q, account);
    int r = q_row(&q, e);
    if (r <= 0) return r;
    l->body = q_get_int(&q, 0);
    l->prefix = arena_str(l->arena, q_get(&q, 1));
    l->thread = q_get_int(&q, 2);
    l->sent_at = q_get_int(&q, 3);
    l->envelope = arena_str(l->arena, q_get(&q, 4));
    if (place_unpack(q_get(&q, 5), &l->place)) l->place = (struct pack_place){0};
    l->structure = arena_str(l->arena, q_get(&q, 6));
    q_end(&q);
    return 1;
}

const struct mime_envelope *search_letter_envelope(struct search_letter *l)
{
    if (!l->parsed) l->has_envelope = mime_envelope_read(l->arena, l->envelope, &l->fields) == 0;
    if (!l->parsed && !l->has_envelope) l->fields = (struct mime_envelope){0};
    l->parsed = true;
    return &l->fields;
}

/* "Name <local@domain>, …" */
static struct str addresses(struct search_letter *l, const struct imf_address_list *list)
{
    buf_clear(l->field);
    for (size_t i = 0; i < list->n; i++) {
        const struct imf_address *m = &list->v[i];
        if (m->kind == IMF_GROUP_END) continue;
        if (i > 0) buf_lit(l->field, ", ");
        buf_add(l->field, m->name);
        if (m->kind == IMF_GROUP_BEGIN) continue;
        if (m->name.n) buf_char(l->field, ' ');
        buf_char(l->field, '<');
        buf_add(l->field, m->local);
        buf_char(l->field, '@');
        buf_add(l->field, m->domain);
        buf_char(l->field, '>');
    }
    return buf_str(l->field);
}

struct str search_letter_field(struct search_letter *l, enum search_kind which)
{
    const struct mime_envelope *f = search_letter_envelope(l);
    switch (which) {
    case SEARCH_SUBJECT: return text_field(l->reader, f->subject);
    case SEARCH_FROM: return text_field(l->reader, addresses(l, &f->from));
    case SEARCH_TO: return text_field(l->reader, addresses(l, &f->to));
    case SEARCH_CC: return text_field(l->reader, addresses(l, &f->cc));
    case SEARCH_BCC: return text_field(l->reader, addresses(l, &f->bcc));
    default: return S("");
    }
}

/* ---- bytes ---- */

static void fill_window(struct search_letter *l, int64_t at, int64_t n)
{
    l->window_n = 0;
    l->window_at = at;
    if (n > l->window_cap) {
        l->window = realloc(l->window, (size_t)n);
        if (!l->window) abort();
        l->window_cap = n;
    }
    int64_t got = packs_read(l->store->packs, &l->place, l->body, l->window, (size_t)n, at, NULL);
    if (got < 0) l->error = (int)got;
    else l->window_n = got;
}

static struct str read_body(void *arg, uint64_t from, size_t wanted)
{
    struct search_letter *l = arg;
    int64_t size = l->place.length, at = from < (uint64_t)size ? (int64_t)from : size;
    int64_t n = (int64_t)wanted < size - at ? (int64_t)wanted : size - at;
    if (n == 0 || l->error) return S("");
    if (at < l->window_at || at + n > l->window_at + l->window_n) {
        int64_t most = n > AHEAD ? n : AHEAD;
        fill_window(l, at, most < size - at ? most : size - at);
        if (l->error) return S("");
    }
    return str_head(str_of(l->window + (at - l->window_at), (size_t)(l->window_n - (at - l->window_at))), (size_t)n);
}

/* The parts as its row has them; of a row that does not, as they are. */
static struct mime_part *parts_of(struct search_letter *l)
{
    struct mime_part *root;
    if (mime_structure_read(l->arena, l->structure, &root) == 0) return root;
    struct mime_parser *p = mime_parser_new(l->arena);
    uint64_t at = 0;
    for (struct str piece; (piece = read_body(l, at, TEXT_PIECE)).n; at += piece.n) mime_parser_feed(p, piece);
    return mime_parser_end(p)->root;
}

int search_letter_text(struct search_letter *l, unsigned places,
                       bool (*fn)(void *arg, enum text_place place, struct str text), void *arg)
{
    struct text_letter t = {.prefix = l->prefix, .root = parts_of(l), .read = read_body, .arg = l};
    text_of(l->reader, &t, places, fn, arg);
    return l->error == ERR_NOT_FOUND ? ERR_NOT_FOUND : 0;
}

struct str search_letter_header(struct search_letter *l, struct str name, int *error)
{
    struct mime_part *root = parts_of(l);
    struct str header = read_body(l, 0, root->header_size < LIMIT_HEADER ? (size_t)root->header_size : LIMIT_HEADER);
    struct imf_field f;
    size_t at = 0;
    *error = l->error == ERR_NOT_FOUND ? ERR_NOT_FOUND : 0;
    return imf_find_field(header, name, &at, &f) ? arena_str(l->arena, f.body) : STR_NONE;
}
