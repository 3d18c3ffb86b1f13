/* LIST with all its extensions (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 8440, RFC 9590), and LSUB (RFC 3501
 * §6.3.9). */
#include "maa/imap/tree.h"
#include "mail/limits.h"

enum { LIST_PIECE = 16 << 10 }; /* bytes of output that are sent */

struct listing {
    struct imap_session *s;
    const struct imap_list *l;
    struct imap_list_names names;
    struct imap_pattern *patterns;
    size_t n_patterns;
    struct buf *out;
};

/* ---- choosing ---- */

/* What somebody else uses his mailbox for is not what we do (RFC 6154 §2). */
static struct str use_of(const struct imap_session *s, const struct imap_list_name *it)
{
    bool own = it->mailbox && it->mailbox->account == s->who.account;
    return own ? special_use_attribute(it->mailbox->use) : S("");
}

static bool is_wanted(const struct listing *li, const struct imap_list_name *it)
{
    unsigned select = li->l->select;
    if (select & IMAP_SELECT_SUBSCRIBED && !it->subscribed) return false;
    if (select & IMAP_SELECT_SPECIAL_USE && use_of(li->s, it).n == 0) return false;
    return it->mailbox || it->left || select & IMAP_SELECT_SUBSCRIBED; /* RFC 9051 §6.3.5, its example */
}

/* By any pattern. A level without a mailbox is meant by "%" at the end, or by its very name. */
static FIBER bool is_matched(const struct listing *li, const struct imap_list_name *it)
{
    for (size_t i = 0; i < li->n_patterns; i++) {
        fiber_yield_if_long();
        if (imap_pattern_matches(&li->patterns[i], it->name)) return true;
    }
    return false;
}

static FIBER bool is_level(const struct listing *li, const struct imap_list_name *it)
{
    if (it->mailbox || !it->has_children) return false;
    for (size_t i = 0; i < li->n_patterns; i++) {
        const struct imap_pattern *p = &li->patterns[i];
        if ((p->levels || str_eq(p->text, it->name)) && imap_pattern_matches(p, it->name)) return true;
    }
    return false;
}

static FIBER void choose(struct listing *li)
{
    for (size_t i = 0; i < li->names.n; i++) {
        struct imap_list_name *it = li->names.v[i];
        it->matches = is_matched(li, it);
        it->wanted = is_wanted(li, it);
        if (!it->wanted) continue;
        for (struct imap_list_name *up = it->above; up; up = up->above) {
            if (up->wanted_below && (it->matches || up->wanted_below_unmatched)) break;
            up->wanted_below = true;
            up->wanted_below_unmatched |= !it->matches;
        }
    }
}

/* RFC 5258 §3.5, §5 examples 8 and 9: what is not wanted itself is told for the sake of what lies below, unless all of
 * that is told anyway. */
static FIBER bool is_told(const struct listing *li, const struct imap_list_name *it)
{
    if (!it->matches) return false;
    if (it->wanted) return true;
    if (li->l->select & IMAP_SELECT_RECURSIVEMATCH) return it->wanted_below_unmatched;
    return !(li->l->select & ~(unsigned)IMAP_SELECT_REMOTE) && is_level(li, it); /* RFC 9051 §6.3.9.8, example 10 */
}

/* ---- telling ---- */

static void put_attribute(struct buf *b, struct str attribute)
{
    if (b->n && b->p[b->n - 1] != '(') buf_char(b, ' ');
    buf_add(b, attribute);
}

void imap_put_list_attributes(const struct imap_session *s, struct buf *b, const struct imap_list_name *it,
                              unsigned how)
{
    bool old = how & IMAP_LIST_OLD, notify = how & IMAP_LIST_NOTIFY;
    buf_char(b, '(');
    if (!it->mailbox) put_attribute(b, old ? S("\\Noselect") : S("\\NonExistent"));
    else if (!(it->mailbox->rights & RIGHT_READ)) put_attribute(b, notify ? S("\\NoAccess") : S("\\Noselect"));
    /* RFC 3348 §3 */
    put_attribute(b, it->has_children ? S("\\HasChildren") : S("\\HasNoChildren"));
    if (how & IMAP_LIST_SUBSCRIBED && it->subscribed) put_attribute(b, S("\\Subscribed"));
    struct str use = use_of(s, it);
    if (use.n) put_attribute(b, use);
    buf_char(b, ')');
}

static void put_attributes(const struct listing *li, struct buf *b, const struct imap_list_name *it)
{
    const struct imap_list *l = li->l;
    bool old = !l->extended && !(li->s->enabled & IMAP_REV2); /* knows no \NonExistent, which implies \Noselect */
    bool subscribed = l->returns & IMAP_RETURN_SUBSCRIBED || l->select & IMAP_SELECT_SUBSCRIBED;
    imap_put_list_attributes(li->s, b, it, (old ? IMAP_LIST_OLD : 0u) | (subscribed ? IMAP_LIST_SUBSCRIBED : 0u));
}

static void put_childinfo(const struct imap_list *l, struct buf *b)
{
    bool subscribed = l->select & IMAP_SELECT_SUBSCRIBED, special = l->select & IMAP_SELECT_SPECIAL_USE;
    buf_lit(b, " (\"CHILDINFO\" (");
    if (subscribed) buf_lit(b, "\"SUBSCRIBED\"");
    if (subscribed && special) buf_char(b, ' ');
    if (special) buf_lit(b, "\"SPECIAL-USE\"");
    buf_lit(b, "))");
}

static void put_name(struct listing *li, struct buf *b, const struct imap_list_name *it)
{
    buf_lit(b, "* LIST ");
    put_attributes(li, b, it);
    buf_lit(b, " \"/\" ");
    imap_put_mailbox(b, it->name, imap_utf8(li->s));
    if (li->l->select & IMAP_SELECT_RECURSIVEMATCH && it->wanted_below) put_childinfo(li->l, b);
    buf_lit(b, "\r\n");
}

static FIBER void send(struct listing *li, size_t from)
{
    if (li->out->n < from) return;
    imap_put(li->s, buf_str(li->out));
    buf_clear(li->out);
}

static FIBER void tell_metadata(struct listing *li, const struct imap_list_name *it) /* RFC 9590 §3 */
{
    struct imap_session *s = li->s;
    struct arena *whole = s->cmd;
    struct metadata *v;
    size_t n;
    uint64_t longest;
    send(li, 0);
    s->cmd = arena_new(whole, 0); /* there may be megabytes of them at each mailbox */
    if (store_metadata(s->service->store, s->cmd, s->who.account, it->mailbox->id, &v, &n, NULL) == 0)
        imap_tell_metadata(s, it->name, v, n, &li->l->metadata, &li->l->metadata_options, &longest);
    arena_free(s->cmd);
    s->cmd = whole;
}

/* What RETURN asks for beside the name, each a response of its own behind it. */
static FIBER void put_returns(struct listing *li, struct buf *b, const struct imap_list_name *it)
{
    unsigned returns = li->l->returns;
    const struct mailbox *m = it->mailbox;
    if (!m || !it->wanted) return; /* RFC 9051 §6.3.9.8, example 11: not for its children's sake alone */
    if (returns & IMAP_RETURN_STATUS && m->rights & RIGHT_READ) {
        buf_lit(b, "* STATUS ");
        imap_put_status(li->s, b, it->name, m, li->l->status);
        buf_lit(b, "\r\n");
    }
    if (returns & IMAP_RETURN_MYRIGHTS) { /* RFC 8440 §3 */
        buf_lit(b, "* MYRIGHTS ");
        imap_put_mailbox(b, it->name, imap_utf8(li->s));
        buf_char(b, ' ');
        rights_put(b, m->rights, true);
        buf_lit(b, "\r\n");
    }
    if (returns & IMAP_RETURN_METADATA) tell_metadata(li, it);
}

/* ---- the commands ---- */

/* RFC 9051 §6.3.9: an empty name asks for the separator and where the reference's names begin. */
static FIBER struct imap_done tell_separator(struct imap_session *s, struct str reference)
{
    bool shared = str_starts(reference, S(IMAP_SHARED));
    imap_put(s,
             shared ? S("* LIST (\\Noselect) \"/\" \"" IMAP_SHARED "\"\r\n") : S("* LIST (\\Noselect) \"/\" \"\"\r\n"));
    return imap_ok(STR_NONE, S("done"));
}

/* A pattern is read together with the reference, so that "inbox" is INBOX where it is at the root alone. */
static void read_patterns(struct listing *li)
{
    struct imap_session *s = li->s;
    const struct imap_list *l = li->l;
    size_t wild = 0;
    li->patterns = arena_array(s->cmd, l->patterns.n, sizeof *li->patterns);
    for (size_t i = 0; i < l->patterns.n; i++) {
        struct str whole = l->patterns.v[i];
        if (whole.n == 0) continue; /* names nothing, except alone in a LIST of RFC 3501 */
        if (l->reference.n) whole = arena_printf(s->cmd, "%.*s%.*s", STR_FMT(l->reference), STR_FMT(whole));
        if (imap_name(s, whole, &whole)) continue; /* RFC 9051 §6.3.9: what nobody can be called, nobody is */
        struct imap_pattern p = imap_pattern_of(s->cmd, whole);
        wild += p.wild ? p.text.n : 0;
        if (p.wild && wild > LIMIT_IMAP_PATTERNS) continue; /* ignored as well */
        li->patterns[li->n_patterns++] = p;
    }
}

static FIBER int prepare(struct listing *li, bool subscriptions, struct error *why)
{
    int e = imap_list_names(li->s, 0, subscriptions, &li->names, why);
    if (e) return e;
    li->out = buf_in(li->s->cmd, SIZE_MAX);
    choose(li);
    return 0;
}

FIBER struct imap_done imap_on_list(struct imap_session *s, const struct imap_command *c)
{
    struct listing li = {.s = s, .l = &c->list};
    struct error why = {0};
    if (!c->list.extended && c->list.patterns.v[0].n == 0) return tell_separator(s, c->list.reference);
    read_patterns(&li);
    bool subscriptions = (c->list.select & IMAP_SELECT_SUBSCRIBED) || (c->list.returns & IMAP_RETURN_SUBSCRIBED);
    if (c->list.returns & IMAP_RETURN_STATUS && c->list.status & IMAP_STATUS_HIGHESTMODSEQ)
        imap_enable(s, IMAP_CONDSTORE); /* RFC 7162 §3.1 */
    int e = li.n_patterns ? prepare(&li, subscriptions, &why) : 0;
    if (e) return imap_refusal(s, e, &why);
    for (size_t i = 0; i < li.names.n; i++) {
        if (!is_told(&li, li.names.v[i])) continue;
        put_name(&li, li.out, li.names.v[i]);
        put_returns(&li, li.out, li.names.v[i]);
        send(&li, LIST_PIECE);
    }
    if (li.out) send(&li, 0);
    return imap_ok(STR_NONE, S("done"));
}

/* RFC 3501 §6.3.9: with "%" at the end, a level whose children are subscribed stands for them, though it is not. */
static bool is_told_by_lsub(const struct listing *li, const struct imap_list_name *it)
{
    return it->matches && (it->subscribed || (it->wanted_below && li->patterns[0].levels));
}

FIBER struct imap_done imap_on_lsub(struct imap_session *s, const struct imap_command *c)
{
    struct imap_list l = c->list;
    struct error why = {0};
    l.select = IMAP_SELECT_SUBSCRIBED;
    struct listing li = {.s = s, .l = &l};
    read_patterns(&li);
    int e = li.n_patterns ? prepare(&li, true, &why) : 0;
    if (e) return imap_refusal(s, e, &why);
    for (size_t i = 0; i < li.names.n; i++) {
        const struct imap_list_name *it = li.names.v[i];
        if (!is_told_by_lsub(&li, it)) continue;
        buf_add(li.out, it->subscribed && it->mailbox ? S("* LSUB () \"/\" ") : S("* LSUB (\\Noselect) \"/\" "));
        imap_put_mailbox(li.out, it->name, imap_utf8(s));
        buf_lit(li.out, "\r\n");
        send(&li, LIST_PIECE);
    }
    if (li.out) send(&li, 0);
    return imap_ok(STR_NONE, S("done"));
}
