/* ID (RFC 2971): who we are; what the client says of itself goes to the log of those who want to know. */
#include "maa/imap/session.h"
#include "mail/limits.h"

static struct str said(const struct imap_pairs *p, struct str name)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_ieq(p->v[i].name, name)) return p->v[i].value;
    return STR_NONE;
}

FIBER struct imap_done imap_on_id(struct imap_session *s, const struct imap_command *c)
{
    LOG(s->service->log, LOG_DEBUG, "imap.id", F_ID("session", s->id), F_STR("name", said(&c->id, S("name"))),
        F_STR("version", said(&c->id, S("version"))), F_STR("os", said(&c->id, S("os"))));
    imap_put(s, S("* ID (\"name\" \"Penny Post\")\r\n"));
    return imap_ok(STR_NONE, S("pleased to meet you"));
}
