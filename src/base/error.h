/* What can go wrong, said the same way everywhere.
 *
 * Low layers return 0 (or a count) for success and a negative `enum err`. Where a person
 * will want the details they are put into a `struct error`, the last parameter, which may
 * be NULL and is untouched on success. Protocol handlers turn these into replies. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>

enum err {
    ERR_EOF = -1,         /* the peer has said all it will say */
    ERR_TIMEOUT = -2,     /* a deadline passed */
    ERR_CANCELLED = -3,   /* the fiber or job was told to stop */
    ERR_IO = -4,          /* the operating system refused; details in struct error */
    ERR_TOO_LONG = -5,    /* a named limit was passed */
    ERR_BUDGET = -6,      /* an arena's byte budget was passed */
    ERR_SYNTAX = -7,      /* input does not follow its grammar */
    ERR_TLS = -8,         /* handshake or record layer failed */
    ERR_NOT_FOUND = -9,   /* no such thing */
    ERR_EXISTS = -10,     /* there is one already */
    ERR_DENIED = -11,     /* not allowed */
    ERR_BUSY = -12,       /* in use by another */
    ERR_NO_SPACE = -13,   /* disk or quota is full */
    ERR_CORRUPT = -14,    /* stored bytes are not what was stored */
    ERR_UNAVAILABLE = -15, /* cannot be answered now, may be later (DNS failure, store closed) */
    ERR_UNKNOWN = -16,    /* a commit may or may not have happened */
    ERR_CONFIG = -17,     /* a setting is unknown or wrong */
    ERR_TOO_SLOW = -18,   /* the peer fell below the minimum data rate */
    ERR_TOO_NEW = -19,    /* written by a newer Penny Post */
    ERR_CONFLICT = -20,   /* changed meanwhile by another; look again */
    ERR_UNSUPPORTED = -21 /* well-formed, but not something we do */
};

struct error {
    int code;       /* enum err, 0 when nothing happened */
    char text[252]; /* one line for a person, no newline, NUL-terminated */
};

/* A short English phrase for an `enum err` ("timed out"), static storage. */
const char *err_name(int code);

/* Fills *e (when e is not NULL) and returns code, so that a function can
 * `return error_set(e, ERR_IO, "cannot open %s", path);`. Control characters in the text become '?'. */
int error_set(struct error *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same with the operating system's words for `errnum` appended ("cannot open x: No such file"). */
int error_os(struct error *e, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts words before the text that is there already ("penny.conf: ..."). */
void error_prefix(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
