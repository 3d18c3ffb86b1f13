/* JSON out (RFC 8259), written straight into a buffer, value by value; commas and colons come by themselves.
 *
 * Inside an object each value is named: name NULL stands for an element of an array or for the text as a whole. Strings
 * need not be UTF-8: bad bytes become U+FFFD. No blanks, no line ends: one text is one line. */
#ifndef PROTO_JSON_WRITE_H
#define PROTO_JSON_WRITE_H

#include "base/time.h"

struct json {
    struct buf *b;
    bool comma; /* before the next value */
};
#define JSON(buffer) ((struct json){.b = (buffer)})

void json_put_object(struct json *j, const char *name); /* closed by json_put_end(j, '}') */
void json_put_array(struct json *j, const char *name);  /* closed by json_put_end(j, ']') */
void json_put_end(struct json *j, char bracket);

void json_put_str(struct json *j, const char *name, struct str value); /* STR_NONE: null */
void json_put_int(struct json *j, const char *name, int64_t value);
void json_put_bool(struct json *j, const char *name, bool value);
void json_put_null(struct json *j, const char *name);
void json_put_time(struct json *j, const char *name, utc_us t); /* RFC 3339; 0: null */
void json_put_id(struct json *j, const char *name, int64_t id); /* 13 characters; 0: null */
void json_put_raw(struct json *j, const char *name, struct str text); /* JSON already */

/* A string with its quotes, alone. */
void json_quote(struct buf *b, struct str s);

#endif
