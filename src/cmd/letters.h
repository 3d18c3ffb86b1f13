/* What the requests that carry letters and the commands that make them agree on. */
#ifndef CMD_LETTERS_H
#define CMD_LETTERS_H

enum {
    LETTERS_AT_ONCE = 200,      /* of one request, one commit */
    LETTERS_BYTES_AT_ONCE = 2 << 20, /* of theirs together, unless one letter alone is larger */
};

#endif
