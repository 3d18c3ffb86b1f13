/* JSON in: one text of one line, read by jansson after a look at how deep it nests. */
#ifndef CMD_REQUEST_H
#define CMD_REQUEST_H

#include <jansson.h>

#include "base/arena.h"

/* At most LIMIT_ADMIN_REQUEST bytes, LIMIT_JSON_DEPTH levels, an object at the top, no key twice. It is freed with `a`.
 * 0, or ERR_SYNTAX, ERR_TOO_LONG with a sentence. */
int request_read(struct arena *a, struct str text, json_t **out, struct error *e);

/* Members; STR_NONE, `otherwise` where it is absent or of another kind. Borrowed. */
struct str request_text(const json_t *r, const char *name);
int64_t request_int(const json_t *r, const char *name, int64_t otherwise);
bool request_bool(const json_t *r, const char *name);

#endif
