/* The header of one part as the parser reads it: field by field, line by line. Inside of proto/mime. */
#ifndef PROTO_MIME_PARSE_HEADER_H
#define PROTO_MIME_PARSE_HEADER_H

#include "proto/mime/parse.h"

struct mime_header;
struct mime_header *mime_header_new(struct arena *a); /* one serves all parts of a letter, and keeps its budget */

/* letter: the fields of an envelope matter too. */
void mime_header_begin(struct mime_header *h, struct mime_part *part, uint64_t at, bool letter);

/* A line that is not empty, by its head, at offset `at`. False: it is no part of the header, the body begins with it.
 */
bool mime_header_line(struct mime_header *h, struct str head, uint64_t at);
void mime_header_more(struct mime_header *h, struct str rest); /* more of the same line */

/* Fills in what the fields say of the part. True when something was left out for its size. */
bool mime_header_end(struct mime_header *h);

#endif
