/* Enhanced mail system status codes (RFC 3463), as the x.y.z after a reply code and in delivery reports. */
#ifndef MAIL_STATUS_H
#define MAIL_STATUS_H

#include <stdint.h>

struct status {
    uint8_t class;    /* 2 success, 4 temporary, 5 permanent; 0 = none given */
    uint16_t subject; /* 0-999: 1 addressing, 2 mailbox, 3 mail system, 4 network, 5 protocol, 6 content, 7 security */
    uint16_t detail;  /* 0-999 */
};

#define E(class, subject, detail) ((struct status){(class), (subject), (detail)})
#define E_NONE ((struct status){0, 0, 0})

#endif
