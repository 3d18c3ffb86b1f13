/* IDLE (RFC 9051 §6.3.13, RFC 2177): the client waits, and hears at once what happens. */
#include "maa/imap/context.h"
#include "mail/limits.h"

enum { DONE_LINE = 100 };

/* Until there is input. `s->cmd` is emptied between the news. */
static FIBER int idle(struct imap_session *s, mono_us deadline)
{
    for (;;) {
        event_clear(&s->news);
        if (!imap_is_served(s)) return ERR_DENIED;
        imap_sync_asked(s, true); /* RFC 5465 §4 */
        imap_tell_news(s);
        arena_reset(s->cmd);
        if (stream_error(s->io)) return stream_error(s->io);
        mono_us due = imap_contexts_due(s);
        int r = wait_any(s->io, &s->news, due < deadline ? due : deadline);
        if (r == WAIT_INPUT) return 0;
        if (r < 0 && !(r == ERR_TIMEOUT && due < deadline)) return r;
    }
}

FIBER struct imap_done imap_on_idle(struct imap_session *s, const struct imap_command *c)
{
    (void)c;
    struct arena *whole = s->cmd;
    struct str line;
    mono_us deadline = loop_now() + TIMEOUT_IMAP_IDLE; /* of silence: what we say does not count */
    imap_put(s, S("+ idling\r\n"));
    s->cmd = arena_new(whole, 0);
    int e = idle(s, deadline);
    s->cmd = whole;
    stream_deadline(s->io, deadline);
    if (!e) e = stream_line(s->io, DONE_LINE, &line);
    if (e && e != ERR_TOO_LONG) {
        imap_throw_out(s, e);
        s->end = s->end ? s->end : err_name(e);
        return (struct imap_done){.said = true, .close = true};
    }
    if (e || !str_ieq(line, S("DONE"))) return imap_bad(S("DONE ends it, and nothing else"));
    return imap_ok(STR_NONE, S("done"));
}
