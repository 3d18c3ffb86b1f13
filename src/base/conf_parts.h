/* What the files of conf share: conf_scan.c reads characters, libconfuse the grammar, conf_value.c values. */
#ifndef BASE_CONF_PARTS_H
#define BASE_CONF_PARTS_H

#include "base/conf.h"

enum { CONF_FILE_MAX = 1 << 20 };

/* Never in a text of the file. Stands between a block's title and the place where it was opened ("smtp\1" "12.345":
 * line 12, byte 345), since libconfuse takes a second block of the same title for the first one; and after the values
 * of fallbacks, which otherwise look as if they came from the file. */
#define CONF_MARK '\1'

/* Checks the characters of `text` and writes it to `out` in the words libconfuse reads aright: comments blanked, every
 * word in quotes, nothing that it would expand, skip or cut. fallback: `text` is the value of one, else a whole file.
 * 0, or ERR_CONFIG with file, line and reason. */
int conf_scan(struct buf *out, const char *name, struct str text, bool fallback, struct error *e);

/* Reads one value of a leaf setting (not a list) into *value, which has the type that its kind says; text is copied
 * into `a`. 0, or ERR_CONFIG with a sentence in *e. */
int conf_value(struct arena *a, const struct conf_setting *s, struct str text, void *value, struct error *e);

/* The range of a setting as "1 to 65535" ("1s to 5d", "1K to 2G"). */
void conf_put_range(struct buf *b, const struct conf_setting *s);

#endif
