/* What a letter says, for searching it: its fields decoded (RFC 2047), its texts decoded (transfer encoding, charset,
 * HTML without its tags), the same of letters inside it, the names of its attachments; all in the normal form of
 * fold.h. Attachments that are no text say nothing.
 *
 * Works on the parts that were found at delivery, and reads of the letter only what it needs, front to back. Memory is
 * bounded for any letter: what is long is told in pieces. */
#ifndef PROTO_MIME_TEXT_H
#define PROTO_MIME_TEXT_H

#include "proto/mime/parse.h"

enum text_place {
    TEXT_FIELD = 1, /* lines "name: value" of the letter's own header */
    TEXT_PART = 2,  /* of the headers of its parts, and lines with file names */
    TEXT_BODY = 4,  /* texts; headers of letters inside */
};

enum {
    TEXT_NEEDLE = 4096,     /* bytes of normal form that are found wherever they lie, although texts come in pieces */
    TEXT_PIECE = 256 << 10, /* bytes of a part that are decoded at once */
};

struct text_letter {
    const struct mime_part *root; /* of a parse, or mime_structure_read() */
    struct str prefix;            /* fields that stand before those of the letter; offsets do not count them */
    /* Bytes [at, at + n) of the letter, fewer when there are none; they live until the next call. */
    struct str (*read)(void *arg, uint64_t at, size_t n);
    void *arg;
};

/* Buffers that serve one letter after another; in `a`. */
struct text_reader;
struct text_reader *text_reader_new(struct arena *a);
/* A text brought to the normal form, in `a`: what is looked for. */
struct str text_folded(struct text_reader *r, struct arena *a, struct str text);
/* A field's body decoded and brought to the normal form; lives until the next call. */
struct str text_field(struct text_reader *r, struct str raw);

/* Tells the places asked for (enum text_place, or'ed) to fn, each in one piece or several: lines that end in a line
 * feed; where a line is cut, the next piece begins with the last TEXT_NEEDLE - 1 bytes of the piece before. fn returns
 * false when it has heard enough. */
void text_of(struct text_reader *r, const struct text_letter *l, unsigned places,
             bool (*fn)(void *arg, enum text_place place, struct str text), void *arg);

#endif
