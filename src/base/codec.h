/* Bytes as text: base64 (RFC 4648), base32 of identifiers, hexadecimal, quoted-printable (RFC 2045 §6.7). */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/buf.h"

/* Base64. Encoding adds padding and no line breaks; put_lines breaks with CRLF after every 76 characters and at the
 * end. */
void base64_put(struct buf *b, struct str bytes);
void base64_put_lines(struct buf *b, struct str bytes);

/* Strict decoding, for protocols (SASL, keys): whole groups, right padding, zero spare bits, nothing else.
 * 0, ERR_SYNTAX, or ERR_TOO_LONG past b's maximum; nothing is added on error. */
int base64_decode(struct buf *b, struct str text);

/* Incremental, tolerant decoding, for bodies: characters outside the alphabet are skipped, padding ends a group,
 * a missing tail is dropped. Start with zeroes; feed any cuts. */
struct base64_decoder {
    uint32_t bits;
    int count;
    bool damaged; /* something was skipped that is not a line break */
};
void base64_feed(struct base64_decoder *d, struct str text, struct buf *out);

/* Quoted-printable bodies. Encoding makes text lines of at most 76 characters; `text` has CRLF line ends, which
 * stay (bare CR and LF are encoded). Feeding is tolerant (a broken escape stays as it is) and works at any cut; white
 * space before a line end vanishes. Start with zeroes; qp_end() closes the body and makes the decoder new again. */
void qp_put(struct buf *b, struct str text);
enum { QP_BLANKS = 1024 }; /* white space held back at most; no legal line has so much */
struct qp_decoder {
    enum { QP_TEXT, QP_CR, QP_ESCAPE, QP_ESCAPE_DIGIT, QP_ESCAPE_CR } state; /* after: - CR = =X =CR */
    char digit;                    /* X */
    bool damaged;                  /* a broken escape was seen */
    size_t blanks;                 /* white space held back until it is known whether the line ends, */
    uint64_t tabs[QP_BLANKS / 64]; /* a bit for each: tab or space */
};
void qp_feed(struct qp_decoder *d, struct str text, struct buf *out);
void qp_end(struct qp_decoder *d, struct buf *out);

void hex_put(struct buf *b, struct str bytes); /* lower case */
int hex_decode(struct buf *b, struct str text); /* either case; errors as base64_decode */

/* An identifier (not negative) as 13 characters of 0-9 a-v, order-preserving; and back: 0 or ERR_SYNTAX. */
enum { ID_TEXT = 13 };
void id_put(struct buf *b, int64_t id);
int id_parse(struct str text, int64_t *id);

#endif
