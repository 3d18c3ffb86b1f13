/* Rows for people: columns that fit their widest value, or one thing with all it has. With --json the rows as they are.
 */
#ifndef CMD_LISTING_H
#define CMD_LISTING_H

#include "base/buf.h"
#include "cmd/request.h"

enum column_kind {
    COLUMN_TEXT,
    COLUMN_NUMBER,
    COLUMN_BYTES /* 0: "-" */,
    COLUMN_FLAG /* true: the heading's word */,
    COLUMN_LIST
};
struct column {
    const char *member, *heading; /* NULL member ends the table */
    enum column_kind kind;
};

struct listing;

/* columns: NULL for one thing shown whole. json: print the rows as an array (or the thing as an object). */
struct listing *listing_begin(struct arena *a, const struct column *columns, bool json);
void listing_row(struct listing *l, struct str row);
void listing_end(struct listing *l); /* prints what is left; without it an array stays open */
size_t listing_count(const struct listing *l);

/* Text of others on the terminal: control characters become '?'. */
void print_text(struct str s);
void print_bytes(struct buf *b, int64_t n); /* "1.2 MB" */

#endif
