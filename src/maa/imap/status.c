/* STATUS (RFC 9051 §6.3.11, RFC 3501 §6.3.10) with all items of its extensions: RFC 7162, 7889, 8438, 8474, 9208. */
#include "maa/imap/tree.h"

/* RFC 9208 §5.2.2, DELETED-STORAGE: octets that EXPUNGE would free. The letters are asked, for nobody counts them. */
static FIBER int64_t deleted_octets(struct imap_session *s, const struct mailbox *m)
{
    enum { PAGE = 1000 };
    int64_t sum = 0;
    uid after = 0;
    for (bool more = m->deleted > 0; more;) {
        struct arena *a = arena_new(s->cmd, 0);
        struct entry *v;
        size_t n = 0;
        if (store_entries(s->service->store, a, m->id, after, PAGE, true, &v, &n, &more, NULL)) more = false;
        for (size_t i = 0; i < n; i++)
            if (v[i].flags & FLAG_DELETED) sum += v[i].size;
        if (n) after = v[n - 1].uid;
        arena_free(a);
    }
    return sum;
}

/* RFC 3501 §2.3.2: letters no session was told of. */
static FIBER int64_t recent(struct imap_session *s, const struct mailbox *m)
{
    enum { PAGE = 1000 };
    uid first;
    if (store_recent(s->service->store, m->id, false, &first, NULL) || first >= m->uid_next) return 0;
    int64_t count = 0;
    uid after = first - 1;
    for (bool more = true; more;) {
        struct arena *a = arena_new(s->cmd, 0);
        struct entry *v;
        size_t n = 0;
        if (store_entries(s->service->store, a, m->id, after, PAGE, false, &v, &n, &more, NULL)) more = false;
        count += (int64_t)n;
        if (n) after = v[n - 1].uid;
        arena_free(a);
    }
    return count;
}

static void put_number(struct buf *b, const char *item, int64_t v)
{
    if (b->n && b->p[b->n - 1] != '(') buf_char(b, ' ');
    buf_add(b, str_c(item));
    buf_char(b, ' ');
    buf_u64(b, (uint64_t)(v < 0 ? 0 : v));
}

FIBER void imap_put_status(struct imap_session *s, struct buf *b, struct str name, const struct mailbox *m,
                           unsigned items)
{
    imap_put_mailbox(b, name, imap_utf8(s));
    buf_lit(b, " (");
    if (items & IMAP_STATUS_MESSAGES) put_number(b, "MESSAGES", m->messages);
    if (items & IMAP_STATUS_RECENT) put_number(b, "RECENT", recent(s, m));
    if (items & IMAP_STATUS_UIDNEXT) put_number(b, "UIDNEXT", m->uid_next);
    if (items & IMAP_STATUS_UIDVALIDITY) put_number(b, "UIDVALIDITY", m->uid_validity);
    if (items & IMAP_STATUS_UNSEEN) put_number(b, "UNSEEN", m->unseen);
    if (items & IMAP_STATUS_DELETED) put_number(b, "DELETED", m->deleted);
    if (items & IMAP_STATUS_SIZE) put_number(b, "SIZE", m->bytes);
    if (items & IMAP_STATUS_HIGHESTMODSEQ) put_number(b, "HIGHESTMODSEQ", (int64_t)m->highest_modseq);
    if (items & IMAP_STATUS_APPENDLIMIT) put_number(b, "APPENDLIMIT", s->service->size_max);
    if (items & IMAP_STATUS_DELETED_STORAGE) put_number(b, "DELETED-STORAGE", deleted_octets(s, m));
    if (items & IMAP_STATUS_MAILBOXID) {
        buf_add(b, b->p[b->n - 1] == '(' ? S("MAILBOXID (") : S(" MAILBOXID ("));
        imap_put_object_id(b, 'F', m->id);
        buf_char(b, ')');
    }
    buf_char(b, ')');
}

FIBER struct imap_done imap_on_status(struct imap_session *s, const struct imap_command *c)
{
    struct mailbox m;
    struct str name;
    struct imap_done refusal;
    if (!imap_find_for(s, c->status.mailbox, RIGHT_READ, &name, &m, &refusal)) return refusal;
    if (c->status.items & IMAP_STATUS_HIGHESTMODSEQ) imap_enable(s, IMAP_CONDSTORE); /* RFC 7162 §3.1 */
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    buf_lit(b, "* STATUS ");
    imap_put_status(s, b, name, &m, c->status.items);
    buf_lit(b, "\r\n");
    imap_put(s, buf_str(b));
    return imap_ok(STR_NONE, S("done"));
}
