/* Message flags: the system flags of RFC 9051 §2.3.2 and a mailbox's keywords, as bits of one 32-bit word. */
#ifndef MAIL_FLAGS_H
#define MAIL_FLAGS_H

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum flag {
    FLAG_SEEN = 1u << 0,
    FLAG_ANSWERED = 1u << 1,
    FLAG_FLAGGED = 1u << 2,
    FLAG_DELETED = 1u << 3,
    FLAG_DRAFT = 1u << 4,
    /* The keywords everybody uses have fixed bits; the other bits belong to the mailbox's own table of names. */
    FLAG_FORWARDED = 1u << 5, /* $Forwarded */
    FLAG_MDN_SENT = 1u << 6,  /* $MDNSent */
    FLAG_JUNK = 1u << 7,      /* $Junk */
    FLAG_NOT_JUNK = 1u << 8,  /* $NotJunk */
    FLAG_PHISHING = 1u << 9,  /* $Phishing */
    FLAG_FIRST_OWN = 10       /* number of the first bit a mailbox gives out itself */
};

typedef uint32_t flag_set;

/* May a keyword be called so? ERR_SYNTAX: it is no atom, and in a list of flags nobody could read it; ERR_TOO_LONG:
 * over LIMIT_KEYWORD_NAME. */
int keyword_check(struct str name);

#endif
