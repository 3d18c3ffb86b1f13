/* Rights to a mailbox (RFC 4314 §2.1): letters in text, bits in memory. */
#ifndef MAIL_RIGHTS_H
#define MAIL_RIGHTS_H

#include "base/buf.h"

enum right {
    RIGHT_LOOKUP = 1 << 0,  /* l  it is seen by LIST and may be subscribed */
    RIGHT_READ = 1 << 1,    /* r  SELECT, STATUS, FETCH, SEARCH, COPY from it */
    RIGHT_SEEN = 1 << 2,    /* s  keep \Seen */
    RIGHT_WRITE = 1 << 3,   /* w  keep the other flags but \Deleted */
    RIGHT_INSERT = 1 << 4,  /* i  APPEND, COPY to it */
    RIGHT_POST = 1 << 5,    /* p  of submission to its address; kept, not used */
    RIGHT_CREATE = 1 << 6,  /* k  CREATE below it, RENAME to below it */
    RIGHT_REMOVE = 1 << 7,  /* x  DELETE it, RENAME it */
    RIGHT_DELETE = 1 << 8,  /* t  keep \Deleted */
    RIGHT_EXPUNGE = 1 << 9, /* e  EXPUNGE */
    RIGHT_ADMIN = 1 << 10,  /* a  its ACL */
    RIGHTS_ALL = (1 << 11) - 1,
};
typedef uint32_t right_set;

/* From letters; the old "c" stands for k and x, "d" for e and t (RFC 4314 §2.1.1). ERR_SYNTAX: another letter. */
int rights_parse(struct str text, right_set *out);
/* In the order "lrswipkxtea"; with `old` the virtual "c" and "d" are added where one of their rights is given. */
void rights_put(struct buf *b, right_set rights, bool old);

#endif
