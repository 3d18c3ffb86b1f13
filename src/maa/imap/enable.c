/* ENABLE (RFC 9051 §6.3.1, RFC 5161): CONDSTORE and QRESYNC (RFC 7162), UTF8=ACCEPT (RFC 6855), IMAP4rev2, UIDONLY
 * (RFC 9586). */
#include "maa/imap/context.h"
#include "mail/limits.h"

static const struct {
    struct str name;
    unsigned bits;
} extensions[] = {
    {S_INIT("CONDSTORE"), IMAP_CONDSTORE},
    {S_INIT("QRESYNC"), IMAP_QRESYNC | IMAP_CONDSTORE},
    {S_INIT("UTF8=ACCEPT"), IMAP_UTF8},
    {S_INIT("IMAP4rev2"), IMAP_REV2},
    {S_INIT("UIDONLY"), IMAP_UIDONLY},
};

FIBER int imap_enable(struct imap_session *s, unsigned bits)
{
    bool modseq = bits & IMAP_CONDSTORE && !(s->enabled & IMAP_CONDSTORE);
    if (bits & IMAP_UIDONLY & ~s->enabled) imap_contexts_without_numbers(s);
    s->enabled |= bits;
    if (!modseq || !s->selected) return 0;
    struct buf *b = buf_in(s->cmd, 100); /* RFC 7162 §3.1: from here on it matters */
    buf_printf(b, "* OK [HIGHESTMODSEQ %llu] of what you have seen\r\n", (unsigned long long)s->selected->told_modseq);
    return imap_put(s, buf_str(b));
}

FIBER struct imap_done imap_on_enable(struct imap_session *s, const struct imap_command *c)
{
    struct buf *b = buf_in(s->cmd, 200);
    unsigned bits = 0;
    for (size_t i = 0; i < c->words.n; i++) {
        for (size_t k = 0; k < sizeof extensions / sizeof *extensions; k++)
            if (str_ieq(c->words.v[i], extensions[k].name)) bits |= extensions[k].bits;
    }
    if (!s->service->uidonly) bits &= ~(unsigned)IMAP_UIDONLY;
    if (s->selected && bits & IMAP_UTF8 & ~s->enabled) /* RFC 6855 §3: names would change under way */
        return imap_bad(S("UTF8=ACCEPT: not with a mailbox selected"));
    imap_enable(s, bits);
    buf_lit(b, "* ENABLED");
    for (size_t k = 0; k < sizeof extensions / sizeof *extensions; k++) {
        if ((bits & extensions[k].bits) != extensions[k].bits) continue;
        buf_char(b, ' ');
        buf_add(b, extensions[k].name);
    }
    buf_lit(b, "\r\n");
    imap_put(s, buf_str(b));
    return imap_ok(STR_NONE, S("done"));
}
