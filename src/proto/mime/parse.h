/* The parts of a letter (RFC 2045, 2046, 2183, 2231, 3282, 2557): one pass, as the bytes flow by.
 *
 * A parser is fed any cuts of the letter and keeps offsets and the few header fields that describe a part or show a
 * letter; bodies pass through. It takes at most MIME_ARENA bytes of its arena for any letter, works in linear time, and
 * never fails: past a limit of mail/limits.h the rest of the letter is one leaf and `truncated` is set. */
#ifndef PROTO_MIME_PARSE_H
#define PROTO_MIME_PARSE_H

#include "base/arena.h"
#include "mail/limits.h"

enum { MIME_ARENA = 3 << 20 };

enum mime_kind {
    MIME_LEAF,
    MIME_MULTIPART, /* has children, perhaps none */
    MIME_MESSAGE,   /* message/rfc822 or message/global, not encoded: one child, a letter */
};

enum mime_encoding { MIME_7BIT, MIME_8BIT, MIME_BINARY, MIME_QP, MIME_BASE64, MIME_OTHER_ENCODING };

struct mime_param {
    struct str name;  /* lower case, without RFC 2231's "*0*" */
    struct str value; /* unquoted, continuations joined, charset decoded to UTF-8 */
};
struct mime_params {
    const struct mime_param *v;
    size_t n;
};
struct str mime_param(struct mime_params params, struct str name); /* STR_NONE when absent; name in lower case */

/* What describes a part and most parts lack. */
struct mime_extra {
    struct str id;                  /* Content-ID with its brackets */
    struct str description;         /* as written, unfolded */
    struct str encoding;            /* name of a MIME_OTHER_ENCODING, lower case */
    struct str md5;
    struct str disposition;         /* lower case; STR_NONE without Content-Disposition */
    struct mime_params disposition_params;
    const struct str *languages;
    size_t n_languages;
    struct str location;
};

/* The fields of a letter's header that are kept, unfolded, otherwise as written; STR_NONE when absent. To, Cc and Bcc
 * that appear several times are joined by a comma (RFC 5322 §4.5), of the others the first counts. */
struct mime_fields {
    struct str date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id, references;
};

struct mime_part {
    enum mime_kind kind;
    enum mime_encoding encoding;
    struct mime_part *parent, *first, *next; /* first: child */
    struct str type, subtype;          /* lower case; text/plain or message/rfc822 by default (RFC 2046 §5.1.5) */
    struct mime_params params;         /* of Content-Type */
    const struct mime_extra *extra;    /* never NULL */
    const struct mime_fields *fields;  /* of a letter: the root and the child of a MIME_MESSAGE; else NULL */
    /* the same of a nested letter that was read back from a blob: mime_envelope_read() */
    struct str envelope;
    uint64_t header_at, header_size;   /* with the empty line */
    uint64_t body_at, body_size;       /* without the line end that belongs to the boundary */
    uint64_t lines;                    /* of the body; an unfinished last line counts */
};

enum mime_trait {
    MIME_HEADER_8BIT = 1,  /* bytes over 127 in the letter's own header: needs SMTPUTF8 (RFC 6531) */
    MIME_BODY_8BIT = 2,    /* elsewhere: needs 8BITMIME (RFC 6152) */
    MIME_NUL = 4,
    MIME_BARE_LF = 8,      /* a line end that is no CRLF */
    MIME_BARE_CR = 16,
    MIME_LONG_LINE = 32,   /* over 998 bytes (RFC 5322 §2.1.1) */
};

struct mime_letter {
    struct mime_part *root;
    size_t parts;        /* all nodes of the tree */
    uint64_t size;       /* bytes fed */
    unsigned traits;     /* enum mime_trait */
    bool truncated;      /* a limit was passed */
    /* For the preview: the first leaf of each kind that is no attachment, and the first bytes of its body as they
     * are in the letter (at most LIMIT_PREVIEW_RAW). NULL when there is none. */
    const struct mime_part *plain, *html;
    struct str plain_raw, html_raw;
};

struct mime_parser;
struct mime_parser *mime_parser_new(struct arena *a); /* everything lies in `a` */
void mime_parser_feed(struct mime_parser *p, struct str chunk);
/* no feed after it. Strings do not point into what was fed */
struct mime_letter *mime_parser_end(struct mime_parser *p);

struct mime_letter *mime_parse(struct arena *a, struct str letter); /* all at once; the same result */

/* The next part in order of the letter (children before siblings), NULL after the last. */
const struct mime_part *mime_next(const struct mime_part *part);

/* True when a person would call it an attachment: disposition attachment, or a leaf with a file name, or neither text
 * nor multipart nor shown inside the letter (a Content-ID under multipart/related). */
bool mime_is_attachment(const struct mime_part *part);

#endif
