/* Inside mua/: a client's session with a submission server. */
#ifndef MUA_SEND_CORE_H
#define MUA_SEND_CORE_H

#include "mua/send.h"
#include "proto/smtp/reply.h"

struct mua_session {
    struct world *world;
    struct arena *arena;
    const struct mua_server *server;
    struct stream *io;
    struct smtp_reply reply; /* the last one */
    struct mua_report *report;
    bool tls;
};

/* Reads a reply. 0 or a stream error, ERR_SYNTAX, ERR_TOO_LONG with words. */
FIBER int mua_reply(struct mua_session *s, int64_t timeout_us, struct error *e);

/* Sends a line (without its end) and reads the reply. */
FIBER int mua_command(struct mua_session *s, struct str line, int64_t timeout_us, struct error *e);

/* The last reply as an error: ERR_BUSY for 4yz, else `code`; "WHAT: the server said: 550 5.7.1 …". */
int mua_refused(struct mua_session *s, int code, const char *what, struct error *e);

/* RFC 4954: logs in by the best mechanism both know. 0, ERR_DENIED, ERR_UNSUPPORTED … */
FIBER int mua_log_in(struct mua_session *s, struct error *e);

#endif
