/* CAPABILITY (RFC 9051 §6.1.1): what this server can do, to this client, now. Nothing stands here that does not work.
 */
#include "io/tls.h"
#include "maa/imap/login.h"
#include "maa/imap/session.h"
#include "mail/limits.h"

enum { BEFORE = 1, AFTER = 2, ALWAYS = BEFORE | AFTER }; /* log-in */

/* One line for each thing somebody has built. */
static const struct {
    unsigned when;
    struct str words;
} features[] = {
    {ALWAYS, S_INIT("IMAP4rev2 IMAP4rev1 LITERAL+ SASL-IR ID ENABLE")}, /* RFC 7888, 4959, 2971, 5161 */
    {AFTER, S_INIT("UIDPLUS MOVE MULTIAPPEND BINARY REPLACE")},           /* RFC 4315, 6851, 3502, 3516, 8508 */
    {AFTER, S_INIT("CONDSTORE QRESYNC UTF8=ACCEPT")},                     /* RFC 7162, 6855 */
    {AFTER, S_INIT("OBJECTID PREVIEW SAVEDATE")},                         /* RFC 8474, 8970, 8514 */
    {AFTER, S_INIT("ESEARCH SEARCHRES WITHIN PARTIAL MULTISEARCH")},      /* RFC 4731, 5182, 5032, 9394, 7377 */
    {AFTER, S_INIT("SORT SORT=DISPLAY ESORT")},                           /* RFC 5256, 5957, 5267 */
    {AFTER, S_INIT("CONTEXT=SEARCH CONTEXT=SORT")},                       /* RFC 5267 */
    {AFTER, S_INIT("THREAD=REFERENCES THREAD=ORDEREDSUBJECT")},           /* RFC 5256 */
    {AFTER, S_INIT("SEARCH=FUZZY INPROGRESS I18NLEVEL=1")},               /* RFC 6203, 9585, 5255 */
    {AFTER, S_INIT("IDLE UNSELECT")},                                     /* RFC 2177, 3691 */
    {AFTER, S_INIT("COMPRESS=DEFLATE")},                                  /* RFC 4978 */
    {AFTER, S_INIT("NOTIFY")},                                            /* RFC 5465 */
    {AFTER, S_INIT("NAMESPACE CHILDREN LIST-EXTENDED LIST-STATUS LIST-MYRIGHTS LIST-METADATA")}, /* RFC 2342, 5258 … */
    {AFTER, S_INIT("SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE")},       /* RFC 6154, 8438 */
    {AFTER, S_INIT("ACL RIGHTS=texk")},                                   /* RFC 4314 */
    {AFTER, S_INIT("QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE QUOTASET")}, /* RFC 9208 */
    {AFTER, S_INIT("METADATA")},                                          /* RFC 5464 */
};

static void put_tls(const struct imap_session *s, struct buf *b)
{
    struct tls_context *tls = imap_tls_to_be_had(s);
    if (tls) buf_lit(b, " STARTTLS");
    tls_unref(tls);
}

/* RFC 9051 §6.2.3: who may not log in like this is told so before he says his password. */
static void put_mechanisms(const struct imap_session *s, struct buf *b)
{
    if (!imap_may_log_in(s)) {
        buf_lit(b, " LOGINDISABLED");
        return;
    }
    for (struct str rest = sasl_mechanisms(s->io), name; (name = str_word(&rest)).n;) {
        buf_lit(b, " AUTH=");
        buf_add(b, name);
    }
}

static void put_capabilities(const struct imap_session *s, struct buf *b)
{
    bool before = s->state == IMAP_STRANGER;
    buf_lit(b, "CAPABILITY");
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        if (!(features[i].when & (before ? BEFORE : AFTER))) continue;
        buf_char(b, ' ');
        buf_add(b, features[i].words);
    }
    if (!before) {
        if (s->service->unauthenticate) buf_lit(b, " UNAUTHENTICATE"); /* RFC 8437 */
        if (s->service->uidonly) buf_lit(b, " UIDONLY");               /* RFC 9586 */
        buf_printf(b, " APPENDLIMIT=%lld", (long long)s->service->size_max); /* RFC 7889 §2 */
        return;
    }
    put_tls(s, b);
    put_mechanisms(s, b);
}

struct str imap_capability_code(struct imap_session *s)
{
    struct buf *b = buf_in(s->cmd, LIMIT_IMAP_STATUS_LINE);
    put_capabilities(s, b);
    return buf_str(b);
}

FIBER struct imap_done imap_on_capability(struct imap_session *s, const struct imap_command *c)
{
    (void)c;
    struct buf *b = buf_in(s->cmd, LIMIT_IMAP_STATUS_LINE);
    buf_lit(b, "* ");
    put_capabilities(s, b);
    buf_lit(b, "\r\n");
    imap_put(s, buf_str(b));
    return imap_ok(STR_NONE, S("that is all"));
}
