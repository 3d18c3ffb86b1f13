/* Reading a command: a line, and while it ends in a literal, that and another line (RFC 9051 §4.3, RFC 7888).
 *
 * Literals the client asks leave for are refused before they come; others that are too large are read and thrown away
 * (RFC 7888 §4), within reason. Where nobody can tell any more what belongs to the command, the connection ends: what
 * was meant as data must not be taken for commands. */
#include "mail/limits.h"
#include "maa/imap/session.h"

enum { MESSAGE_LITERAL = 2 }; /* of APPEND and REPLACE; before it only the mailbox's name may be one */

static size_t most_of(const struct imap_session *s)
{
    return s->state == IMAP_STRANGER ? LIMIT_IMAP_COMMAND_EARLY : LIMIT_IMAP_COMMAND;
}

mono_us imap_patience(const struct imap_session *s)
{
    return s->state == IMAP_STRANGER ? TIMEOUT_IMAP_LOGIN : TIMEOUT_IMAP_IDLE;
}

FIBER int imap_go_ahead(struct imap_session *s) { return imap_put(s, S("+ go ahead\r\n")); }

FIBER int imap_skip(struct imap_session *s, uint64_t n)
{
    while (n > 0) {
        struct str bytes;
        int e = stream_peek(s->io, &bytes);
        if (e) return e;
        size_t part = bytes.n < n ? bytes.n : (size_t)n;
        stream_take(s->io, part);
        n -= part;
        fiber_yield_if_long();
    }
    return 0;
}

/* The rest of a command whose literal is too large, as far as it comes without being asked for. */
static FIBER int skip_command(struct imap_session *s, struct imap_input *in, struct imap_literal l)
{
    uint64_t left = LIMIT_IMAP_SKIPPED;
    in->kind = IMAP_INPUT_TOO_BIG;
    while (l.non_sync) {
        struct str line;
        if (l.size > left) {
            in->kind = IMAP_INPUT_LOST;
            return 0;
        }
        left -= l.size;
        int e = imap_skip(s, l.size);
        if (!e) e = stream_line(s->io, most_of(s), &line);
        if (e == ERR_TOO_LONG) in->kind = IMAP_INPUT_LOST;
        if (e) return e == ERR_TOO_LONG ? 0 : e;
        if (!imap_literal_at_end(line, &l)) return 0;
    }
    return 0; /* one that waits for our leave hears the tagged response */
}

/* One literal and the line behind it. */
static FIBER int take_literal(struct imap_session *s, struct buf *b, const struct imap_literal *l, struct str *line)
{
    buf_lit(b, "\r\n");
    int e = l->non_sync ? 0 : imap_go_ahead(s);
    if (!e && l->size) e = stream_read(s->io, buf_reserve(b, (size_t)l->size), (size_t)l->size);
    if (e) return e;
    b->n += (size_t)l->size;
    e = stream_line(s->io, b->max - b->n, line);
    if (!e) buf_add(b, *line);
    return e;
}

static FIBER int gather(struct imap_session *s, struct imap_input *in, struct str line, struct imap_literal l)
{
    struct buf *b = buf_in(s->cmd, most_of(s) + 2);
    buf_add(b, line);
    for (int n = 1;; n++) {
        in->text = buf_str(b);
        if (n <= MESSAGE_LITERAL && s->state != IMAP_STRANGER && imap_takes_message(in->text)) {
            in->kind = IMAP_INPUT_MESSAGE;
            return 0;
        }
        if (b->n + 4 > b->max || l.size > b->max - b->n - 4) return skip_command(s, in, l);
        int e = take_literal(s, b, &l, &line);
        in->text = buf_str(b);
        if (e == ERR_TOO_LONG) in->kind = IMAP_INPUT_LOST;
        if (e) return e == ERR_TOO_LONG ? 0 : e;
        if (!imap_literal_at_end(line, &l)) return 0;
    }
}

/* Waits for input, and tells news meanwhile to a client that asked for that (RFC 5465 §3). */
static FIBER int await(struct imap_session *s, mono_us deadline)
{
    while (imap_notified(s) && !stream_has_input(s->io)) {
        event_clear(&s->news);
        if (!imap_is_served(s)) return ERR_DENIED;
        imap_tell_unasked(s);
        arena_reset(s->cmd);
        mono_us due = imap_unasked_due(s);
        int r = wait_any(s->io, &s->news, due < deadline ? due : deadline);
        if (r < 0 && !(r == ERR_TIMEOUT && due < deadline)) return r;
        if (r == WAIT_INPUT) break;
    }
    return 0;
}

FIBER int imap_read_command(struct imap_session *s, struct imap_input *in)
{
    struct str line;
    struct imap_literal l;
    mono_us deadline = loop_now() + imap_patience(s); /* RFC 9051 §5.4 */
    *in = (struct imap_input){.kind = IMAP_INPUT_COMMAND};
    int e = await(s, deadline);
    stream_deadline(s->io, deadline); /* for all of it: no trickling */
    if (!e) e = stream_line(s->io, most_of(s), &line);
    if (e == ERR_TOO_LONG) in->kind = IMAP_INPUT_LOST;
    if (e) return e == ERR_TOO_LONG ? 0 : e;
    if (imap_literal_at_end(line, &l)) return gather(s, in, line, l);
    in->text = arena_str(s->cmd, line); /* the stream's is gone with the next read */
    return 0;
}
