/* For the tests of POP3 sessions: a client, line by line. */
#ifndef MAA_TEST_CLIENT_H
#define MAA_TEST_CLIENT_H

#include "base/buf.h"
#include "base/test.h"
#include "io/stream.h"

enum { TEST_LINE = 1 << 16 };

static inline FIBER struct str hear_line(struct arena *a, struct stream *c)
{
    struct str line;
    int e = stream_line(c, TEST_LINE, &line);
    if (e) fail_msg("no line: %s", err_name(e));
    return arena_str(a, line);
}

/* The pattern may end with a star, which stands for anything. */
static inline FIBER void expect(struct stream *c, struct str pattern)
{
    struct str line;
    int e = stream_line(c, TEST_LINE, &line);
    if (e) fail_msg("want \"%.*s\", got no line: %s", STR_FMT(pattern), err_name(e));
    bool open = str_ends(pattern, S("*"));
    if (open ? str_starts(line, str_head(pattern, pattern.n - 1)) : str_eq(line, pattern)) return;
    fail_msg("want \"%.*s\", got \"%.*s\"", STR_FMT(pattern), STR_FMT(line));
}

static inline FIBER void ask_for(struct stream *c, struct str command, struct str pattern)
{
    stream_write(c, command);
    stream_write(c, S("\r\n"));
    expect(c, pattern);
}

/* What RETR or TOP sends behind its first line: dots undone, without the last one. */
static inline FIBER struct str hear_letter(struct arena *a, struct stream *c)
{
    struct buf *b = buf_in(a, 32 << 20);
    for (struct str line = hear_line(a, c); !str_eq(line, S(".")); line = hear_line(a, c)) {
        buf_add(b, str_starts(line, S(".")) ? str_skip(line, 1) : line);
        buf_lit(b, "\r\n");
    }
    return buf_str(b);
}

/* Goes away, and lets the server notice. */
static inline FIBER void hang_up(struct stream *c)
{
    stream_abort(c);
    fiber_sleep(SECONDS(1));
}

#endif
