/* Where an IMAP command ends: lines and the literals in them (RFC 9051 §4.3, RFC 7888, RFC 3516 literal8).
 *
 * A session reads a line; while it ends in a literal, the literal's bytes and another line follow. All of it goes into
 * one buffer, CRLF kept behind each literal's head, without the last line's end: "a LOGIN {3}\r\nbob {2}\r\npw", which
 * imap_parse() takes. The message of an APPEND or REPLACE does not: it is streamed, see imap_takes_message() and
 * imap_parse_append_begin(). */
#ifndef PROTO_IMAP_FRAMING_H
#define PROTO_IMAP_FRAMING_H

#include "base/str.h"

struct imap_literal {
    uint64_t size; /* bytes; UINT64_MAX: more than any number, so that nobody knows where it ends */
    bool non_sync; /* "{n+}": comes without being asked for */
    bool binary;   /* "~{n}" */
};

/* Whether a line (without its end) ends in the head of a literal. */
bool imap_literal_at_end(struct str line, struct imap_literal *out);

/* Whether the literal at the end of `so_far` (a command from its tag on, gathered as above) is the message of an
 * APPEND, REPLACE or UID REPLACE, and not, say, the mailbox's name. What ends in no literal takes none. All literals
 * after a first message are messages. Time is linear. */
bool imap_takes_message(struct str so_far);

#endif
