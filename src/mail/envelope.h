/* The envelope of one message: what MAIL and RCPT said (RFC 5321 §2.3.1), with the extensions' parameters. */
#ifndef MAIL_ENVELOPE_H
#define MAIL_ENVELOPE_H

#include "base/time.h"
#include "mail/address.h"
#include "mail/status.h"

enum body_kind { BODY_UNSAID, BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME }; /* RFC 6152, RFC 3030 */
enum dsn_return { DSN_RET_UNSAID, DSN_RET_FULL, DSN_RET_HDRS };            /* RFC 3461 §4.3 */
enum dsn_notify {                                                         /* RFC 3461 §4.1, a set */
    DSN_NOTIFY_UNSAID = 0,
    DSN_NOTIFY_NEVER = 1,
    DSN_NOTIFY_SUCCESS = 2,
    DSN_NOTIFY_FAILURE = 4,
    DSN_NOTIFY_DELAY = 8
};

struct reverse_path { /* MAIL FROM */
    struct address address; /* address_is_null() for <> */
    int64_t size;           /* SIZE= in bytes, -1 unsaid (RFC 1870) */
    enum body_kind body;
    bool smtputf8;         /* RFC 6531 */
    enum dsn_return ret;
    struct str envid;      /* decoded xtext, STR_NONE unsaid; at most 100 bytes (RFC 3461 §4.4) */
    struct str auth;       /* AUTH= decoded, STR_NONE unsaid (RFC 4954 §5) */
    int64_t hold_for;      /* HOLDFOR= in seconds, 0 unsaid (RFC 4865 §5) */
    utc_us hold_until;     /* HOLDUNTIL=, 0 unsaid */
};

struct forward_path { /* RCPT TO */
    struct address address;
    unsigned notify;  /* enum dsn_notify */
    struct str orcpt; /* "rfc822;..." decoded xtext, STR_NONE unsaid; at most 500 bytes */
};

#endif
