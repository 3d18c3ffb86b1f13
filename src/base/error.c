/* The words for errors. Texts may carry bytes from outside, so control characters never pass. */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [0] = "no error",
    [-ERR_EOF] = "end of input",
    [-ERR_TIMEOUT] = "timed out",
    [-ERR_CANCELLED] = "cancelled",
    [-ERR_IO] = "input/output error",
    [-ERR_TOO_LONG] = "too long",
    [-ERR_BUDGET] = "memory budget exceeded",
    [-ERR_SYNTAX] = "syntax error",
    [-ERR_TLS] = "TLS failure",
    [-ERR_NOT_FOUND] = "not found",
    [-ERR_EXISTS] = "exists already",
    [-ERR_DENIED] = "not allowed",
    [-ERR_BUSY] = "in use",
    [-ERR_NO_SPACE] = "no space left",
    [-ERR_CORRUPT] = "stored data is damaged",
    [-ERR_UNAVAILABLE] = "not available now",
    [-ERR_UNKNOWN] = "outcome unknown",
    [-ERR_CONFIG] = "wrong configuration",
    [-ERR_TOO_SLOW] = "peer is too slow",
    [-ERR_TOO_NEW] = "written by a newer version",
    [-ERR_CONFLICT] = "changed meanwhile",
    [-ERR_UNSUPPORTED] = "not supported",
};

const char *err_name(int code)
{
    size_t i = code <= 0 ? (size_t) - (long)code : sizeof names;
    if (i >= sizeof names / sizeof *names || !names[i]) return "unknown error";
    return names[i];
}

static void make_printable(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f) *s = '?';
}

int error_set(struct error *e, int code, const char *fmt, ...)
{
    if (!e) return code;
    va_list ap;
    va_start(ap, fmt);
    e->code = code;
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    make_printable(e->text);
    return code;
}

static int err_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT: return ERR_NOT_FOUND;
    case EEXIST: return ERR_EXISTS;
    case EACCES:
    case EPERM: return ERR_DENIED;
    case ENOSPC:
    case EDQUOT: return ERR_NO_SPACE;
    case EADDRINUSE:
    case EBUSY: return ERR_BUSY;
    case ETIMEDOUT: return ERR_TIMEOUT;
    default: return ERR_IO;
    }
}

int error_os(struct error *e, int errnum, const char *fmt, ...)
{
    int code = err_of_errno(errnum);
    if (!e) return code;
    char what[160], why[80];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return error_set(e, code, "%s: %s", what, strerror_r(errnum, why, sizeof why));
}

void error_prefix(struct error *e, const char *fmt, ...)
{
    if (!e) return;
    char before[sizeof e->text], after[sizeof e->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(before, sizeof before, fmt, ap);
    va_end(ap);
    memcpy(after, e->text, sizeof after);
    error_set(e, e->code, "%s%s", before, after);
}
