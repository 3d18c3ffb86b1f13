/* The letter of `penny send`: from the words of a command line to bytes. */
#ifndef CMD_SEND_LETTER_H
#define CMD_SEND_LETTER_H

#include "cmd/program.h"
#include "mail/address.h"

struct letter_wishes { /* as on the command line; all UTF-8 */
    const char *from, *subject, *html, *charset;
    struct words to, cc, bcc, attach, header;
};

struct letter { /* in the program's arena */
    struct address from;
    struct address *to; /* everybody, each once */
    size_t n_to;
    struct buf *bytes;
};

/* Reads the text from stdin, the files, and writes the letter. 0 or the exit code after complaining. */
int letter_write(struct program *p, const struct letter_wishes *w, struct letter *out);

/* "application/pdf" for "a.PDF"; application/octet-stream if the ending says nothing. */
struct str letter_media_type(struct str file_name);

#endif
