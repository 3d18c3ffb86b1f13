/* The configuration file, described by typed tables that stand beside the modules they configure.
 *
 * The parser (libconfuse syntax), the sample file and the manual page come from the same tables. An unknown or wrong
 * setting is an error with file, line and a hint; nothing is guessed: no ${VARIABLE} is expanded, nothing is included,
 * a setting or block is not set twice (lists may grow by +=). Texts are UTF-8 in "" or '' on one line, where a
 * backslash precedes only itself and quotes; plain words need no quotes. libconfuse keeps globals: one reading at a
 * time. */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/buf.h"

enum conf_kind {
    CONF_TEXT,   /* struct str */
    CONF_LIST,   /* struct conf_list of texts */
    CONF_INT,    /* int64_t within [min, max] */
    CONF_SIZE,   /* int64_t bytes; accepts 50M, 256K, 2G */
    CONF_SPAN,   /* int64_t microseconds; accepts 30s, 5m, 4h, 5d */
    CONF_BOOL,   /* bool */
    CONF_SECTION /* a block; `repeat` ones are a struct conf_blocks, others the struct itself */
};

struct conf_list {
    const struct str *v;
    size_t n;
};
struct conf_blocks {
    void **v; /* each points to a struct described by the section's table */
    size_t n;
};

struct conf_setting {
    const char *name;
    enum conf_kind kind;
    size_t offset;       /* into the module's struct */
    const char *fallback; /* as it would be written in the file; NULL: zero, empty, absent. Of a repeated block: the
                             title that the sample shows */
    int64_t min, max;    /* CONF_INT, CONF_SIZE, CONF_SPAN; both 0: any */
    const char *help;    /* one sentence for the sample file and the manual */
    /* CONF_SECTION: */
    const struct conf_setting *inside; /* ends with a NULL name */
    size_t size;                       /* of one block's struct */
    bool repeat;                       /* may appear several times, with a title */
    size_t title;                      /* offset of the block's title (struct str) in its struct; repeat only */
    /* Checks one value after reading: 0, or ERR_CONFIG with a sentence in *e (file and line are put before it). May be
     * NULL. */
    int (*check)(const void *value, struct error *e);
};

/* Reads `path` into *out (the root table's struct, filled with fallbacks first); text lives in `a`.
 * 0, ERR_NOT_FOUND when there is no such file, ERR_CONFIG with "FILE:LINE: what is wrong (hint)". */
int conf_read(struct arena *a, const char *path, const struct conf_setting *root, void *out, struct error *e);

/* The same from memory; name stands for the file in messages. */
int conf_parse(struct arena *a, const char *name, struct str text, const struct conf_setting *root, void *out,
               struct error *e);

/* A commented sample of every setting with its fallback. */
void conf_put_sample(struct buf *b, const struct conf_setting *root);

#endif
