/* What all commands say alike: output, names, object ids (RFC 8474), and a store's refusals in the words of RFC 5530.
 */
#include "base/utf8.h"
#include "mail/limits.h"
#include "mail/unicode.h"
#include "maa/imap/session.h"

FIBER int imap_put(struct imap_session *s, struct str bytes)
{
    stream_deadline(s->io, loop_now() + imap_patience(s));
    return stream_write(s->io, bytes);
}

bool imap_utf8(const struct imap_session *s) { return s->enabled & (IMAP_UTF8 | IMAP_REV2); }

int imap_name(struct imap_session *s, struct str written, struct str *utf8)
{
    int e = imap_mailbox_decode(s->cmd, written, imap_utf8(s), utf8);
    return e || str_is_ascii(*utf8) ? e : unicode_nfc(s->cmd, *utf8, utf8); /* RFC 9051 §5.1 */
}

void imap_put_object_id(struct buf *b, char kind, int64_t id)
{
    buf_char(b, kind);
    buf_u64(b, (uint64_t)id);
}

/* ---- refusals ---- */

static const struct refusal {
    int error;
    struct str code, text;
    bool ours; /* something is wrong with us: for the log */
} refusals[] = {
    {ERR_NOT_FOUND, S_INIT("NONEXISTENT"), S_INIT("there is no such mailbox"), false},
    {ERR_DENIED, S_INIT("NOPERM"), S_INIT("you may not do that here"), false},
    {ERR_EXISTS, S_INIT("ALREADYEXISTS"), S_INIT("there is one already"), false},
    {ERR_SYNTAX, S_INIT("CANNOT"), S_INIT("that is no name for a mailbox"), false},
    {ERR_CONFLICT, S_INIT("CANNOT"), S_INIT("that cannot be done"), false},
    {ERR_TOO_LONG, S_INIT("LIMIT"), S_INIT("that is too much"), false},
    {ERR_BUDGET, S_INIT("LIMIT"), S_INIT("that takes too much memory"), false},
    {ERR_BUSY, S_INIT("INUSE"), S_INIT("somebody else is at it"), false},
    {ERR_NO_SPACE, S_INIT("UNAVAILABLE"), S_INIT("the disk is full, try again later"), true},
    {ERR_UNAVAILABLE, S_INIT("UNAVAILABLE"), S_INIT("not now, try again later"), true},
    {ERR_UNKNOWN, S_INIT("UNAVAILABLE"), S_INIT("that may or may not have been done"), true},
    {ERR_CORRUPT, S_INIT("CORRUPTION"), S_INIT("what is stored there is damaged"), true},
    {ERR_UNSUPPORTED, S_INIT("CANNOT"), S_INIT("that is not done here"), false},
};
static const struct refusal otherwise = {0, S_INIT("SERVERBUG"), S_INIT("something went wrong here"), true};

struct imap_done imap_refusal(struct imap_session *s, int error, const struct error *why)
{
    const struct refusal *r = &otherwise;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (refusals[i].error == error) r = &refusals[i];
    struct str words = why && why->code && why->text[0] ? str_c(why->text) : r->text;
    if (r->ours)
        LOG(s->service->log, LOG_ERROR, "imap.failed", F_ID("session", s->id), F_STR("login", s->who.login),
            F_STR("error", words));
    return imap_no(r->code, r->ours ? r->text : arena_str(s->cmd, words));
}
