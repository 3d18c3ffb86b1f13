/* Inside store/: a search's question, taken apart: its texts in the normal form, and what one letter answers.
 *
 * Answers have three values: yes, no, and not known yet. A letter is asked in the order of what it costs: what the
 * caller knows, what the index excludes, the row, the text. */
#ifndef STORE_SEARCH_MATCH_H
#define STORE_SEARCH_MATCH_H

#include "proto/mime/text.h"
#include "store/search.h"

enum { SEARCH_NO = 0, SEARCH_YES = 1, SEARCH_OPEN = -1 };
enum { SEARCH_WORDS = 32 }; /* of a fuzzy text; more are not looked for */

struct search_leaf { /* a key whose text or number is looked for in letters */
    const struct search_key *key;
    struct str needle; /* in the normal form; fuzzy: without accents */
    struct str field;  /* SEARCH_HEADER: "name: ", in the normal form */
    struct str *words; /* of a fuzzy text */
    size_t n_words;
    bool in_text;      /* is answered by the letter's text, not its row */
};

struct search_plan {
    struct search_leaf *leaves; /* by search_key.leaf */
    size_t n;
    unsigned places; /* enum text_place: where any of them is looked for */
    bool fuzzy;
};
/* 0, or ERR_TOO_LONG. The keys get their `leaf`. */
int search_plan_make(struct arena *a, struct search_key *key, struct search_plan *out, struct error *e);

struct search_found { /* of a leaf, in one letter, over all pieces of its text */
    int value;
    uint32_t words, whole; /* bits: found; found as a word by itself */
    bool phrase;
};

/* What the tree says. resolve(arg, leaf) answers leaves that are open, or leaves them so; NULL: they stay. */
struct search_ask {
    const struct search *q;
    size_t i;
    struct search_found *found; /* by leaf; NULL: all are open */
    int (*resolve)(void *arg, size_t leaf);
    void *arg;
};
int search_eval(const struct search_key *k, struct search_ask *ask);
/* How well a letter for which the tree holds answers it, all leaves being resolved: 1 … 100. */
uint8_t search_score(const struct search_plan *p, struct search_ask *ask);

/* A text of the letter, or a field of its row: does it hold what the leaf looks for? `scratch` is overwritten. */
void search_look(const struct search_leaf *l, struct str text, struct buf *scratch, struct search_found *f);
void search_look_header(const struct search_leaf *l, struct str lines, struct buf *scratch, struct search_found *f);

#endif
