/* POP3's TRANSACTION state without the letters themselves (RFC 1939 §5, §7): STAT, LIST, UIDL, DELE, RSET, NOOP. */
#include "maa/pop3_session.h"

enum { LISTING_BLOCK = 8 << 10 }; /* bytes of a listing made at a time */

struct str pop3_summary(struct pop3_session *p)
{
    return arena_printf(p->cmd, "%u letters (%lld octets)", maildrop_count(&p->drop),
                        (long long)maildrop_octets(&p->drop));
}

const struct maildrop_letter *pop3_find(struct pop3_session *p, const struct pop3_command *c,
                                        struct pop3_reply *refusal)
{
    const struct maildrop_letter *l = maildrop_letter(&p->drop, c->message);
    if (l && !maildrop_marked(&p->drop, c->message)) return l;
    *refusal = pop3_no(NULL, arena_printf(p->cmd, l ? "letter %u is deleted" : "there is no letter %u", c->message));
    return NULL;
}

FIBER struct pop3_reply pop3_on_stat(struct pop3_session *p, const struct pop3_command *c)
{
    (void)c;
    return pop3_yes(arena_printf(p->cmd, "%u %lld", maildrop_count(&p->drop), (long long)maildrop_octets(&p->drop)));
}

/* ---- listings ---- */

typedef void put_fact(struct buf *b, const struct maildrop_letter *l);

static void put_size(struct buf *b, const struct maildrop_letter *l) { buf_u64(b, l->size); }

static void put_row(struct buf *b, uint32_t number, const struct maildrop_letter *l, put_fact *put)
{
    buf_u64(b, number);
    buf_char(b, ' ');
    put(b, l);
}

static FIBER struct pop3_reply list_one(struct pop3_session *p, const struct pop3_command *c, put_fact *put)
{
    struct pop3_reply refusal;
    const struct maildrop_letter *l = pop3_find(p, c, &refusal);
    if (!l) return refusal;
    struct buf *row = buf_in(p->cmd, 100);
    put_row(row, c->message, l, put);
    return pop3_yes(buf_str(row));
}

static FIBER struct pop3_reply list(struct pop3_session *p, const struct pop3_command *c, put_fact *put)
{
    if (c->message) return list_one(p, c, put);
    struct buf *b = buf_in(p->cmd, LISTING_BLOCK + 256);
    pop3_ok(b, pop3_summary(p));
    for (uint32_t i = 1; i <= p->drop.n; i++) {
        if (maildrop_marked(&p->drop, i)) continue;
        put_row(b, i, maildrop_letter(&p->drop, i), put);
        buf_lit(b, "\r\n");
        if (b->n < LISTING_BLOCK) continue;
        if (pop3_put(p, buf_str(b))) return POP3_HANG_UP;
        buf_clear(b);
        fiber_yield_if_long();
    }
    buf_lit(b, ".\r\n");
    pop3_put(p, buf_str(b));
    return POP3_NOTHING_MORE;
}

FIBER struct pop3_reply pop3_on_list(struct pop3_session *p, const struct pop3_command *c)
{
    return list(p, c, put_size);
}
FIBER struct pop3_reply pop3_on_uidl(struct pop3_session *p, const struct pop3_command *c)
{
    return list(p, c, maildrop_put_unique_id);
}

/* ---- marks ---- */

FIBER struct pop3_reply pop3_on_dele(struct pop3_session *p, const struct pop3_command *c)
{
    struct pop3_reply refusal;
    if (!pop3_find(p, c, &refusal)) return refusal;
    maildrop_mark(&p->drop, c->message);
    return pop3_yes(arena_printf(p->cmd, "letter %u deleted", c->message));
}

FIBER struct pop3_reply pop3_on_rset(struct pop3_session *p, const struct pop3_command *c)
{
    (void)c;
    maildrop_unmark_all(&p->drop);
    return pop3_yes(pop3_summary(p));
}

FIBER struct pop3_reply pop3_on_noop(struct pop3_session *p, const struct pop3_command *c)
{
    (void)p, (void)c;
    return pop3_yes(S(""));
}
