/* Writing letters (RFC 5322, RFC 2045-2049, RFC 2231): `penny send`, reports. Output is always CRLF, lines at most 998
 * bytes. */
#ifndef PROTO_MIME_WRITE_H
#define PROTO_MIME_WRITE_H

#include "base/time.h"
#include "mail/address.h"
#include "proto/mime/parse.h"

struct mime_mailbox {
    struct str name; /* UTF-8, may be empty */
    struct address address;
};

/* One field, folded, with its CRLF. Line ends and other control characters in values become spaces. */
void mime_put_field(struct buf *b, struct str name, struct str text);  /* unstructured UTF-8 */
void mime_put_mailboxes(struct buf *b, struct str name, const struct mime_mailbox *v, size_t n);
void mime_put_ids(struct buf *b, struct str name, const struct str *ids, size_t n); /* ids without brackets */

/* Appends ";" and the parameter to a field being written, folding; as token, quoted string, or RFC 2231 with
 * continuations. column: where the line stands; returns where it ends. */
size_t mime_put_param(struct buf *b, size_t column, struct str name, struct str value);

/* The fields Content-Type, Content-Transfer-Encoding, an empty line, and the body: UTF-8 or ASCII text, line ends of
 * any kind. 7bit, quoted-printable or base64, whichever is shortest and keeps lines under 998 bytes; text that is not
 * text at all (NUL) goes as base64. subtype: "plain". */
void mime_put_text(struct buf *b, struct str subtype, struct str text);

/* The same for a file: base64, name by RFC 2231 (and RFC 2183 disposition). type: "application/pdf"; a wrong one
 * becomes application/octet-stream; message/rfc822 goes unencoded. */
struct mime_attachment {
    struct str name; /* file name, UTF-8; may be empty */
    struct str type;
    struct str bytes;
    struct str content_id; /* without brackets; then the disposition is inline. May be empty */
};
void mime_put_attachment(struct buf *b, const struct mime_attachment *at);

/* A boundary that no text contains by chance: the n-th of a letter with that random seed. */
struct mime_boundary {
    char text[40];
    size_t n;
};
struct mime_boundary mime_boundary_of(uint64_t seed, unsigned n);
void mime_put_boundary(struct buf *b, const struct mime_boundary *m, bool last); /* "--b" or "--b--", each with CRLF */

/* A whole letter. */
struct mime_compose {
    /* sender: NULL or one; Bcc is written when given */
    const struct mime_mailbox *from, *sender, *reply_to, *to, *cc, *bcc;
    size_t n_from, n_reply_to, n_to, n_cc, n_bcc;
    struct str subject;      /* UTF-8 */
    struct str message_id;   /* "left@host", empty: none */
    const struct str *references; /* ids; the last one is what it replies to */
    size_t n_references;
    utc_us date;
    int offset;
    struct str extra;        /* further fields, whole, with CRLF; may be empty */
    struct str text, html;   /* both: multipart/alternative */
    struct str charset;      /* of text and html as given; empty: UTF-8 */
    const struct mime_attachment *attachments; /* any: multipart/mixed around */
    size_t n_attachments;
    uint64_t seed;           /* random, for boundaries */
};

/* 0; ERR_UNSUPPORTED for an unknown charset; ERR_TOO_LONG past b's maximum; ERR_SYNTAX for an address that cannot be
 * written. */
int mime_compose(struct buf *b, const struct mime_compose *m);

#endif
