/* Encoded words in header fields (RFC 2047, RFC 2231 §5), and the way from any charset to UTF-8. */
#ifndef PROTO_IMF_ENCODED_WORD_H
#define PROTO_IMF_ENCODED_WORD_H

#include "base/arena.h"
#include "base/buf.h"

/* Decodes unstructured text to valid UTF-8. White space between adjacent words vanishes (RFC 2047 §6.2); characters
 * split across words of one charset are joined; a broken or unknown word stays as written; bytes outside words are
 * taken as UTF-8, as windows-1252 where they are not; NUL and line ends vanish, other control characters become a
 * space. */
void imf_decode_words(struct buf *out, struct str text);
/* the same, `text` itself when plain; at most LIMIT_FIELD_SHOWN in */
struct str imf_decode_text(struct arena *a, struct str text);

/* Writes UTF-8 text as an unstructured field body, folded before column 78 where it can be: plain where it may stand
 * so, as encoded words of at most 75 characters holding whole characters (RFC 2047 §2, §5.3) elsewhere. column: where
 * the line stands; returns where it ends. */
enum imf_place {
    IMF_UNSTRUCTURED,
    IMF_PHRASE, /* where fewer characters stand for themselves (RFC 2047 §5.3) */
};
size_t imf_encode_words(struct buf *out, size_t column, struct str text, enum imf_place place);

/* Charsets. Names are matched without case, through a table of aliases and an allow-list; utf-8, us-ascii, iso-8859-1
 * and windows-1252 need no iconv. (iso-8859-1 is read as windows-1252, its superset in practice.) */
bool charset_known(struct str name);

/* Appends `bytes` as UTF-8 (at most `cap` bytes of it, whole characters); what cannot be converted becomes U+FFFD.
 * 0, or ERR_UNSUPPORTED for an unknown charset: then the bytes are taken as UTF-8 if they are that, else as
 * windows-1252. */
int charset_to_utf8(struct buf *out, struct str charset, struct str bytes, size_t cap);

#endif
