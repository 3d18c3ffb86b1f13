/* Writing a delivery status notification: multipart/report with a part for people, one for programs, and the returned
 * header or message (RFC 3461, RFC 3462 and 6522, RFC 3464; RFC 6533 towards SMTPUTF8). */
#ifndef PROTO_DSN_REPORT_H
#define PROTO_DSN_REPORT_H

#include "base/time.h"
#include "mail/address.h"
#include "mail/ip.h"
#include "mail/status.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED }; /* RFC 3464 §2.3.3 */

struct dsn_recipient {
    struct str original;   /* ORCPT: "rfc822;bob@example.org"; empty: none was said */
    struct address final;
    enum dsn_action action;
    struct status status;
    struct str remote_host; /* empty: nobody was reached */
    struct ip remote_ip;    /* family 0: none */
    struct str diagnostic;  /* the remote's words, "550 5.1.1 no such user"; empty: none. LF between lines */
    struct str reason;      /* a sentence for people: what happened and what to do */
    utc_us last_attempt;    /* 0: none */
    utc_us will_retry_until; /* of DSN_DELAYED */
};

struct dsn_report {
    struct str hostname;   /* reporting MTA */
    struct address from;   /* MAILER-DAEMON@hostname */
    struct address to;     /* the reader */
    bool to_owner;         /* he did not write the letter: an alias of his passed it on */
    struct str message_id; /* of the report, without <> */
    struct str in_reply_to; /* of the letter it is about, without <>; empty: none */
    utc_us now, arrived;   /* the letter's arrival */
    struct str envid, subject; /* the letter's; may be empty */
    int64_t queue_id;      /* our id of the letter, for people and for the trace */
    bool utf8;             /* the reader's path takes SMTPUTF8 */
    const struct dsn_recipient *v;
    size_t n;
    struct str returned;   /* the letter, or its header; CRLF lines */
    bool returned_whole;   /* message/rfc822, else text/rfc822-headers */
};

/* Writes the letter: all lines CRLF, none over 998 bytes, ASCII unless utf8 (what is 8-bit in `returned` makes a part
 * of 8-bit encoding). Subject, text, Date, Message-ID, Auto-Submitted: auto-replied (RFC 3834 §5). The boundary occurs
 * nowhere in what it separates. */
void dsn_put(struct buf *b, struct arena *a, const struct dsn_report *r);

#endif
