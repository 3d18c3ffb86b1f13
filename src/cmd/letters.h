/* What the requests that carry letters and the commands that make them agree on. */
#ifndef CMD_LETTERS_H
#define CMD_LETTERS_H

enum {
    LETTERS_AT_ONCE = 200,      /* of one request, one commit */
    LETTERS_BYTES_AT_ONCE = 2 << 20, /* of theirs together, unless one letter alone is larger */
    LETTERS_FIRST_BY_NAME = 6,  /* bit of a keyword that is told by name; those below are flags everywhere */
    LETTERS_BY_BIT = (1 << LETTERS_FIRST_BY_NAME) - 1,
};

#endif
