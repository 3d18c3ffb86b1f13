/* The log: one line per event, logfmt or JSON, typed fields, never raw bytes of a peer, never a secret.
 *
 * Library layers do not log; agents and the program do. An event is a name and its fields; the same fields make the
 * log line and the trace row. Lines go to a sink the program gives. Safe from any thread: a line is one call of the
 * sink. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/buf.h"
#include "base/time.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log {
    enum log_level least; /* below this nothing is written */
    enum log_format format;
    utc_us (*now)(void *clock);
    void (*write)(void *sink, struct str line); /* one whole line with its newline; must not suspend */
    void *clock, *sink;
};

struct log_field {
    const char *name; /* a constant: lower case, digits, '_' ; NULL ends the list */
    enum { FIELD_STR, FIELD_INT, FIELD_ID, FIELD_MS } kind;
    struct str s; /* FIELD_STR: quoted and escaped where needed, cut at 512 bytes; absent when str_is_none() */
    int64_t i;    /* FIELD_INT; FIELD_ID: absent when 0; FIELD_MS: microseconds, shown as milliseconds */
};
#define F_STR(name, value) {name, FIELD_STR, value, 0}
#define F_INT(name, value) {name, FIELD_INT, {0}, (int64_t)(value)}
#define F_ID(name, value) {name, FIELD_ID, {0}, (value)}
#define F_MS(name, value) {name, FIELD_MS, {0}, (value)}

/* log may be NULL (nothing is written). event: a constant ("smtp.rcpt"). */
void log_write(const struct log *log, enum log_level level, const char *event, const struct log_field *fields);
#define LOG(log, level, event, ...) \
    log_write((log), (level), (event), (const struct log_field[]){__VA_ARGS__, {0}})

#endif
