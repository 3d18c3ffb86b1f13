/* Annotations (RFC 5464): GETMETADATA, SETMETADATA, and what LIST returns of them (RFC 9590). */
#include "maa/imap/tree.h"

#include "mail/limits.h"

enum { PIECE = 16 << 10 }; /* bytes of output that are sent */

/* ---- writing ---- */

static void put_value(struct imap_session *s, struct buf *b, struct str value)
{
    if (str_is_none(value) || str_find_char(value, '\0') == value.n) {
        imap_put_nstring(b, value, imap_utf8(s));
        return;
    }
    imap_put_literal_head(b, value.n, true); /* RFC 5464 §5: value = nstring / literal8 */
    buf_add(b, value);
}

struct telling {
    struct imap_session *s;
    struct str name;
    struct buf *b; /* sent whenever it has a PIECE */
    bool any;
};

static FIBER void put_pair(struct telling *t, struct str name, struct str value)
{
    struct buf *b = t->b;
    if (!t->any) {
        buf_lit(b, "* METADATA ");
        imap_put_mailbox(b, t->name, imap_utf8(t->s));
    }
    buf_add(b, t->any ? S(" ") : S(" ("));
    t->any = true;
    imap_put_astring(b, name, imap_utf8(t->s));
    buf_char(b, ' ');
    put_value(t->s, b, value);
    if (b->n < PIECE) return;
    imap_put(t->s, buf_str(b));
    buf_clear(b);
}

/* Is `name` the entry, or so deep below it? */
static bool is_asked(struct str name, struct str entry, const struct imap_metadata_options *o)
{
    if (!str_istarts(name, entry)) return false;
    struct str rest = str_skip(name, entry.n);
    if (rest.n == 0) return true;
    if (o->depth == IMAP_DEPTH_0 || rest.p[0] != '/') return false;
    return o->depth == IMAP_DEPTH_INFINITY || str_find_char(str_skip(rest, 1), '/') == rest.n - 1;
}

static bool asked_before(struct str name, const struct imap_strings *entries, size_t i,
                         const struct imap_metadata_options *o)
{
    while (i-- > 0)
        if (is_asked(name, entries->v[i], o)) return true;
    return false;
}

FIBER void imap_tell_metadata(struct imap_session *s, struct str name, const struct metadata *v, size_t n,
                              const struct imap_strings *entries, const struct imap_metadata_options *o,
                              uint64_t *longest)
{
    struct telling t = {.s = s, .name = name, .b = buf_in(s->cmd, SIZE_MAX)};
    *longest = 0;
    for (size_t i = 0; i < entries->n; i++) {
        bool found = false;
        for (size_t k = 0; k < n; k++) {
            if (!is_asked(v[k].name, entries->v[i], o)) continue;
            found = true;
            if (asked_before(v[k].name, entries, i, o)) continue;
            if (o->has_maxsize && v[k].value.n > o->maxsize) { /* RFC 5464 §4.2.1 */
                if (v[k].value.n > *longest) *longest = v[k].value.n;
                continue;
            }
            put_pair(&t, v[k].name, v[k].value);
        }
        if (!found && o->depth == IMAP_DEPTH_0) put_pair(&t, entries->v[i], STR_NONE);
        fiber_yield_if_long();
    }
    if (!t.any) return;
    buf_lit(t.b, ")\r\n");
    imap_put(s, buf_str(t.b));
}

/* ---- the commands ---- */

/* Mailbox 0 for the server's own; false with a refusal. */
static FIBER bool find(struct imap_session *s, struct str written, struct str *name, int64_t *mailbox,
                       struct imap_done *refusal)
{
    struct mailbox m;
    *mailbox = 0;
    *name = S("");
    if (written.n == 0) return true;
    if (!imap_find_for(s, written, 0, name, &m, refusal)) return false;
    *mailbox = m.id;
    return true;
}

FIBER struct imap_done imap_on_getmetadata(struct imap_session *s, const struct imap_command *c) /* RFC 5464 §4.2 */
{
    const struct imap_metadata *m = &c->metadata;
    struct metadata *v;
    size_t n;
    struct str name;
    int64_t mailbox;
    uint64_t longest;
    struct imap_done refusal;
    struct error why = {0};
    if (!find(s, m->mailbox, &name, &mailbox, &refusal)) return refusal;
    int e = store_metadata(s->service->store, s->cmd, s->who.account, mailbox, &v, &n, &why);
    if (e) return imap_refusal(s, e, &why);
    imap_tell_metadata(s, name, v, n, &m->entries, &m->options, &longest);
    if (longest == 0) return imap_ok(STR_NONE, S("done"));
    return imap_ok(arena_printf(s->cmd, "METADATA LONGENTRIES %llu", (unsigned long long)longest),
                   S("some are longer"));
}

/* RFC 5464 §4.3, with its response codes. */
static struct imap_done refuse(struct imap_session *s, int e, const struct error *why)
{
    struct str words = arena_str(s->cmd, str_c(why->text));
    if (e == ERR_TOO_LONG) return imap_no(arena_printf(s->cmd, "METADATA MAXSIZE %d", LIMIT_METADATA_VALUE), words);
    if (e == ERR_CONFLICT) return imap_no(S("METADATA TOOMANY"), words);
    if (e == ERR_EXISTS) return imap_no(S("USEATTR"), words); /* RFC 6154 §5.3 */
    if (e == ERR_SYNTAX) return imap_bad(words);
    return imap_refusal(s, e, why);
}

FIBER struct imap_done imap_on_setmetadata(struct imap_session *s, const struct imap_command *c)
{
    const struct imap_metadata *m = &c->metadata;
    struct str name;
    int64_t mailbox;
    struct imap_done refusal;
    struct error why = {0};
    if (!find(s, m->mailbox, &name, &mailbox, &refusal)) return refusal;
    struct metadata *v = arena_array(s->cmd, m->values.n, sizeof *v);
    for (size_t i = 0; i < m->values.n; i++) v[i] = (struct metadata){m->values.v[i].name, m->values.v[i].value};
    int e = store_metadata_set(s->service->store, s->who.account, mailbox, v, m->values.n, &why);
    return e ? refuse(s, e, &why) : imap_ok(STR_NONE, S("done"));
}
