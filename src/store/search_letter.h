/* Inside store/: one letter after another as searching sees it: its row, its envelope, its text. Blocking; each thread
 * has its own. */
#ifndef STORE_SEARCH_LETTER_H
#define STORE_SEARCH_LETTER_H

#include "proto/mime/derive.h"
#include "proto/mime/text.h"
#include "store/inside.h"
#include "store/search.h"

struct search_letter {
    struct store *store;
    struct arena *arena;        /* of the letter at hand */
    struct text_reader *reader;
    struct buf *field, *scratch; /* a field's body put together; for comparing */
    /* of its row: */
    int64_t thread;
    utc_us sent_at;
    struct str envelope;
    /* private: */
    struct arena *own;
    int64_t body;
    struct str prefix, structure;
    struct pack_place place;
    bool parsed, has_envelope;
    struct mime_envelope fields;
    char *window;  /* bytes of the body from window_at on */
    int64_t window_at, window_n, window_cap;
    int error;     /* of reading them */
};

void search_letter_begin(struct search_letter *l, struct store *s);
void search_letter_end(struct search_letter *l);

/* 1, 0: the account has no such letter, or an error. */
int search_letter_load(struct search_letter *l, struct db *db, int64_t account, int64_t email, struct error *e);
/* A field of the envelope in the normal form, until the next call. */
struct str search_letter_field(struct search_letter *l, enum search_kind which);
/* Parsed; empty when it is damaged. */
const struct mime_envelope *search_letter_envelope(struct search_letter *l);
/* text_of(). 0; ERR_NOT_FOUND: its pack has been compacted since the row was read; what cannot be read is left out. */
int search_letter_text(struct search_letter *l, unsigned places,
                       bool (*fn)(void *arg, enum text_place place, struct str text), void *arg);
/* The raw body of a field of its header, the first; STR_NONE. In the letter's arena. *error as above. */
struct str search_letter_header(struct search_letter *l, struct str name, int *error);

#endif
