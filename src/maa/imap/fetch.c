/* FETCH and UID FETCH (RFC 9051 §6.4.5): which letters, and page by page what was asked of them.
 *
 * A page is read from the store on a thread while the one before it is written, so that disk, formatting and the
 * client's reading go on at the same time; a client that does not read stops all of it with two pages in memory. */
#include "maa/imap/change.h"
#include "maa/imap/fetch.h"

#include <stdlib.h>

#include "mail/limits.h"

/* ---- what is asked for ---- */

static void want_section(struct fetch *f, const struct imap_section *s)
{
    bool header = s->depth == 0 && (s->text == IMAP_SECTION_HEADER || s->text == IMAP_SECTION_FIELDS ||
                                    s->text == IMAP_SECTION_FIELDS_NOT);
    f->want |= header ? LETTERS_HEADER : LETTERS_BYTES;
    if (s->depth) f->parts = true;
    else if (s->text != IMAP_SECTION_ALL) f->root = true;
}

static void want_item(struct fetch *f, const struct imap_fetch_item *item)
{
    static const struct imap_section whole = {0}, header = {.text = IMAP_SECTION_HEADER},
                                     text = {.text = IMAP_SECTION_TEXT};
    f->marks |= !item->peek;
    f->reads |= item->attribute != IMAP_ATT_FLAGS && item->attribute != IMAP_ATT_UID &&
                item->attribute != IMAP_ATT_MODSEQ && item->attribute != IMAP_ATT_EMAILID &&
                item->attribute != IMAP_ATT_SAVEDATE && item->attribute != IMAP_ATT_RFC822_SIZE &&
                item->attribute != IMAP_ATT_INTERNALDATE;
    switch (item->attribute) {
    case IMAP_ATT_ENVELOPE: f->want |= LETTERS_ENVELOPE; break;
    case IMAP_ATT_BODY:
    case IMAP_ATT_BODYSTRUCTURE: f->want |= LETTERS_STRUCTURE; break;
    case IMAP_ATT_PREVIEW: f->want |= LETTERS_PREVIEW; break;
    case IMAP_ATT_RFC822: want_section(f, &whole); break;
    case IMAP_ATT_RFC822_HEADER: want_section(f, &header); break;
    case IMAP_ATT_RFC822_TEXT: want_section(f, &text); break;
    case IMAP_ATT_SECTION:
    case IMAP_ATT_BINARY:
    case IMAP_ATT_BINARY_SIZE: want_section(f, &item->section); break;
    case IMAP_ATT_RFC822_SIZE:
    case IMAP_ATT_INTERNALDATE: f->facts = true; break;
    case IMAP_ATT_SAVEDATE: f->saved = true; break;
    case IMAP_ATT_UID: f->put_uid = false; break;
    case IMAP_ATT_FLAGS: f->put_flags = false; break;
    case IMAP_ATT_MODSEQ: f->put_modseq = false; break;
    case IMAP_ATT_EMAILID:
    case IMAP_ATT_THREADID: break;
    }
}

static int by_name(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    for (size_t i = 0; i < n; i++)
        if (ch_lower(x->p[i]) != ch_lower(y->p[i])) return ch_lower(x->p[i]) - ch_lower(y->p[i]);
    return (x->n > y->n) - (x->n < y->n);
}

static struct str label_of(struct arena *a, const struct imap_fetch_item *item)
{
    struct buf *b = buf_in(a, LIMIT_IMAP_COMMAND + 1024);
    switch (item->attribute) {
    case IMAP_ATT_RFC822: return S("RFC822 ");
    case IMAP_ATT_RFC822_HEADER: return S("RFC822.HEADER ");
    case IMAP_ATT_RFC822_TEXT: return S("RFC822.TEXT ");
    case IMAP_ATT_SECTION: buf_lit(b, "BODY"); break;
    case IMAP_ATT_BINARY: buf_lit(b, "BINARY"); break;
    case IMAP_ATT_BINARY_SIZE: buf_lit(b, "BINARY.SIZE"); break;
    default: return S("");
    }
    imap_put_section(b, &item->section);
    if (item->partial) buf_printf(b, "<%llu>", (unsigned long long)item->offset);
    buf_char(b, ' ');
    return buf_str(b);
}

static bool asks_modseq(const struct fetch *f)
{
    for (size_t i = 0; i < f->n_items; i++)
        if (f->items[i].of->attribute == IMAP_ATT_MODSEQ) return true;
    return false;
}

static void make_ready(struct fetch *f)
{
    struct arena *a = f->s->cmd;
    f->put_uid = f->by_uid && !(f->s->enabled & IMAP_UIDONLY);
    f->put_flags = true;
    f->put_modseq = f->c->has_changedsince;
    f->n_items = f->c->items.n;
    f->items = arena_array(a, f->n_items, sizeof *f->items);
    for (size_t i = 0; i < f->n_items; i++) {
        const struct imap_fetch_item *item = &f->c->items.v[i];
        f->items[i] = (struct fetch_item){.of = item, .label = label_of(a, item)};
        want_item(f, item);
        size_t n = item->section.fields.n;
        if (n == 0) continue;
        f->items[i].fields = arena_array(a, n, sizeof(struct str));
        f->items[i].n_fields = n;
        memcpy(f->items[i].fields, item->section.fields.v, n * sizeof(struct str));
        qsort(f->items[i].fields, n, sizeof(struct str), by_name);
    }
    if (f->parts || f->root) f->want |= LETTERS_STRUCTURE;
    if (f->want & (LETTERS_BYTES | LETTERS_HEADER)) f->extents = arena_array(a, f->n_items, sizeof *f->extents);
    const struct imap_selected *m = f->s->selected;
    if (m->read_only || !(m->rights & RIGHT_SEEN)) f->marks = false; /* RFC 4314 §4 */
}

/* ---- which letters ---- */

struct cursor { /* over the letters of a set that are to be told of, in order */
    const struct snapshot *shown;
    const struct uid_set *set;
    uint64_t since;       /* told are those with a higher MODSEQ */
    size_t range;
    bool inside;          /* the range: walk stands in it */
    struct walk walk;
    uint64_t skip, left;  /* RFC 9394: letters to pass over, and then to choose from */
};

static bool next_of_set(struct cursor *c)
{
    while (c->range < c->set->n) {
        if (!c->inside) c->walk = walk_from(c->shown, snapshot_seq_from(c->shown, c->set->v[c->range].first));
        c->inside = true;
        if (walk_next(&c->walk) && c->walk.entry->uid <= c->set->v[c->range].last) return true;
        c->inside = false;
        c->range++;
    }
    return false;
}

static bool next_letter(struct cursor *c)
{
    for (; c->skip > 0; c->skip--)
        if (!next_of_set(c)) return false;
    while (c->left > 0 && next_of_set(c)) {
        c->left--;
        if (c->walk.entry->modseq > c->since) return true;
    }
    return false;
}

/* Of what PARTIAL chooses CHANGEDSINCE tells a part (RFC 9394 §3.4). */
static struct cursor begin_at(struct fetch *f, const struct uid_set *set)
{
    struct cursor c = {.shown = f->shown, .set = set, .left = UINT64_MAX};
    const struct imap_partial *p = &f->c->partial;
    if (f->c->has_changedsince) c.since = f->c->changedsince;
    if (!p->given) return c;
    c.skip = p->first - 1;
    c.left = p->last - p->first + UINT64_C(1);
    if (!p->from_end) return c;
    struct cursor all = c;
    uint64_t n = 0;
    while (next_of_set(&all)) n++;
    if (p->first > n) c.left = 0;
    else if (p->last > n) c.left = n - p->first + 1;
    c.skip = p->last < n ? n - p->last : 0;
    return c;
}

/* ---- pages ---- */

struct page {
    struct arena *a; /* its memory; NULL: nobody has filled it yet */
    struct fetch_letter *v;
    size_t n;        /* 0: there are no more */
    size_t first_chunk; /* of the first letter */
    int error;
    struct error why;
};

/* Takes the next letters off the cursor. */
static void choose(struct page *p, struct cursor *at)
{
    p->v = arena_array(p->a, FETCH_LETTERS, sizeof *p->v);
    for (p->n = 0; p->n < FETCH_LETTERS && next_letter(at); p->n++) {
        if (p->n == 0) p->first_chunk = at->walk.chunk_index;
        p->v[p->n] = (struct fetch_letter){.seq = at->walk.seq, .e = at->walk.entry, .chunk = at->walk.chunk};
    }
}

static FIBER int read_letters(const struct fetch *f, struct page *p)
{
    struct store *s = f->s->service->store;
    int64_t *emails = arena_array(p->a, p->n, sizeof *emails);
    for (size_t i = 0; i < p->n; i++) emails[i] = p->v[i].e->email;
    for (size_t i = 0; i < p->n;) {
        struct letter_read *read;
        size_t done;
        int e = store_letters(s, p->a, f->shown->account, emails + i, p->n - i, f->want, FETCH_WHOLE, FETCH_BYTES,
                              &read, &done, &p->why);
        if (e) return e;
        for (size_t k = 0; k < done; k++) p->v[i + k].read = &read[k];
        i += done;
        if (f->want & LETTERS_BYTES) p->n = i; /* enough; the others are another page's */
    }
    return 0;
}

static FIBER int read_facts(const struct fetch *f, struct page *p)
{
    const struct snapshot *shown = f->shown;
    if (p->n == 0) return 0;
    size_t first = p->first_chunk, last = first;
    while (shown->chunks[last] != p->v[p->n - 1].chunk) last++;
    return store_view_facts(f->s->service->store, shown, first, last - first + 1, &p->why);
}

static FIBER int read_saved(const struct fetch *f, struct page *p)
{
    uid *uids = arena_array(p->a, p->n, sizeof *uids);
    int64_t *emails = arena_array(p->a, p->n, sizeof *emails);
    utc_us *at = arena_array(p->a, p->n, sizeof *at);
    for (size_t i = 0; i < p->n; i++) {
        uids[i] = p->v[i].e->uid;
        emails[i] = p->v[i].e->email;
    }
    int e = store_saved_at(f->s->service->store, f->shown->mailbox, uids, emails, p->n, at, &p->why);
    for (size_t i = 0; i < p->n && !e; i++) p->v[i].saved_at = at[i];
    return e;
}

/* Fills the page with what comes next. False: that was the last one. */
static FIBER bool read_page(const struct fetch *f, struct page *p, struct cursor *at)
{
    struct cursor before = *at;
    *p = (struct page){.a = arena_new(NULL, 0)};
    choose(p, at);
    size_t chosen = p->n;
    if (f->reads) p->error = read_letters(f, p);
    else if (f->facts) p->error = read_facts(f, p);
    if (!p->error && f->saved) p->error = read_saved(f, p);
    if (p->error) return false;
    if (p->n == chosen) return chosen == FETCH_LETTERS;
    *at = before; /* back to the first letter left over */
    for (size_t i = 0; i < p->n; i++) next_letter(at);
    return true;
}

/* ---- \Seen ---- */

/* Letters whose bytes are shown become \Seen, a page with one change (RFC 9051 §6.4.5). Should that fail, they are
 * shown all the same. With CONDSTORE imap_sync() tells of it, for there each change comes with its MODSEQ. */
static FIBER void mark_seen(struct fetch *f, struct page *p)
{
    struct uid_set fresh = {0};
    for (size_t i = 0; i < p->n; i++)
        if (!(p->v[i].e->flags & FLAG_SEEN) && !p->v[i].read->error)
            uid_set_add(p->a, &fresh, p->v[i].e->uid, p->v[i].e->uid);
    if (fresh.n == 0) return;
    struct flags_change c = {.who = f->s->who.account,
                             .mailbox = f->shown->mailbox,
                             .uids = &fresh,
                             .how = FLAGS_ADD,
                             .flags = FLAG_SEEN,
                             .unchanged_since = UINT64_MAX};
    if (store_flags_change(f->s->service->store, p->a, &c, NULL)) return;
    f->s->owes = f->s->enabled & IMAP_CONDSTORE;
    if (f->s->owes) return;
    for (size_t i = 0; i < p->n; i++) p->v[i].seen = uid_set_has(&c.changed, p->v[i].e->uid);
    for (size_t i = 0; i < c.changed.n; i++)
        uid_set_add(f->memory, &f->seen, c.changed.v[i].first, c.changed.v[i].last);
}

/* ---- all of them ---- */

static FIBER int write_page(struct fetch *f, struct page *p)
{
    int e = 0;
    if (p->error) {
        f->why = p->why;
        return p->error;
    }
    if (f->marks) mark_seen(f, p);
    for (size_t i = 0; i < p->n && !e; i++) {
        e = fetch_put_letter(f, &p->v[i]);
        fiber_yield_if_long();
    }
    return e ? e : imap_out_send(&f->out);
}

static void free_page(struct page *p)
{
    arena_free(p->a);
    p->a = NULL;
}

struct pipe { /* between the fiber that reads pages and the one that writes them */
    struct fetch *f;
    struct cursor at;
    struct page pages[2];
    struct event turned; /* a page was filled, or emptied */
    bool stop;
};

static FIBER bool wait_until(struct pipe *q, const struct page *p, bool filled)
{
    while ((p->a != NULL) != filled) {
        if (q->stop) return false;
        event_clear(&q->turned);
        if (event_wait(&q->turned, FOREVER)) return false;
    }
    return true;
}

static FIBER void read_on(void *arg)
{
    struct pipe *q = arg;
    bool more = true;
    for (int i = 1; more && wait_until(q, &q->pages[i], false) && !q->stop; i = !i) {
        struct page page; /* it is not filled before it is whole */
        more = read_page(q->f, &page, &q->at);
        q->pages[i] = page;
        event_set(&q->turned);
    }
    q->stop = true;
    event_set(&q->turned);
}

static FIBER int write_all(struct fetch *f, const struct cursor *at)
{
    struct pipe q = {.f = f, .at = *at};
    struct scope scope;
    int e = 0;
    scope_init(&scope);
    event_init(&q.turned);
    if (read_page(f, &q.pages[0], &q.at)) fiber_spawn(&scope, read_on, &q);
    else q.stop = true;
    for (int i = 0; !e && wait_until(&q, &q.pages[i], true); i = !i) {
        e = write_page(f, &q.pages[i]);
        free_page(&q.pages[i]);
        event_set(&q.turned);
    }
    if (!e && fiber_cancelled()) e = ERR_CANCELLED;
    q.stop = true;
    event_set(&q.turned);
    scope_join(&scope);
    for (int i = 0; i < 2; i++) free_page(&q.pages[i]);
    return e;
}

/* ---- the command ---- */

/* Adds what of the range is not among the letters shown. */
static void leave_out_shown(struct imap_session *s, const struct uid_range *r, struct uid_set *out)
{
    const struct snapshot *shown = s->selected->shown;
    uid from = r->first;
    struct walk w = walk_from(shown, snapshot_seq_from(shown, from));
    while (walk_next(&w) && w.entry->uid <= r->last) {
        if (w.entry->uid > from) uid_set_add(s->cmd, out, from, w.entry->uid - 1);
        if (w.entry->uid == r->last) return;
        from = w.entry->uid + 1;
    }
    uid_set_add(s->cmd, out, from, r->last);
}

/* UIDs of the set that are gone since (RFC 7162 §3.2.6). Those the client still has will be told of by imap_sync(). */
static FIBER int tell_vanished(struct fetch *f, struct error *e)
{
    struct imap_session *s = f->s;
    struct uid_set known, gone = {0}, told = {0};
    const struct view_entry *last = snapshot_at(f->shown, f->shown->count);
    uid highest = f->shown->uid_next - 1;
    known = f->c->set.saved ? s->selected->saved : imap_set_resolve(s->cmd, &f->c->set, last ? last->uid : highest);
    if (known.n == 0) return 0;
    int r = store_vanished(s->service->store, s->cmd, f->shown->mailbox, f->c->changedsince, &known, &gone, e);
    if (r) return r;
    for (size_t i = 0; i < gone.n; i++) leave_out_shown(s, &gone.v[i], &told);
    struct buf *b = buf_in(s->cmd, 32 << 10);
    imap_tell_vanished(s, b, true, &told);
    imap_put(s, buf_str(b));
    return 0;
}

static struct imap_done answer(struct fetch *f, int e)
{
    if (f->lost) { /* bytes were promised that cannot be had: only the end of the connection tells */
        f->s->end = "a letter could not be read";
        return (struct imap_done){.said = true, .close = true};
    }
    if (e == ERR_CANCELLED || stream_error(f->s->io)) return (struct imap_done){.said = true};
    if (e) return imap_refusal(f->s, e, &f->why);
    if (f->undecodable) return imap_no(S("UNKNOWN-CTE"), S("a part's encoding is not known here")); /* RFC 3516 §4.3 */
    if (f->damaged) return imap_no(S("SERVERBUG"), S("some of these messages cannot be read"));
    if (f->gone) return imap_no(S("EXPUNGEISSUED"), S("some of these messages are gone")); /* RFC 2180 §4.1.3 */
    return imap_ok(STR_NONE, S("that is all"));
}

static void free_memory(void *a) { arena_free(a); }

/* Once pages are read nothing in here allocates under the session's budget: a fiber must not be left behind. */
static FIBER int tell(struct fetch *f, const struct uid_set *set)
{
    struct cursor at = begin_at(f, set);
    f->memory = arena_new(NULL, 0);
    arena_defer(f->s->cmd, free_memory, f->memory);
    f->letter = arena_new(f->memory, 0);
    imap_out_begin(&f->out, f->s);
    snapshot_ref(f->shown);
    int e = write_all(f, &at);
    snapshot_unref(f->shown);
    imap_out_end(&f->out);
    return e;
}

/* Somebody else's mailbox: its owner may have taken the right away since it was selected (RFC 4314 §4). */
static FIBER bool may_still_read(struct imap_session *s)
{
    const struct imap_selected *m = s->selected;
    return m->account == s->who.account || store_rights(s->service->store, s->who.account, m->mailbox) & RIGHT_READ;
}

FIBER struct imap_done imap_on_fetch(struct imap_session *s, const struct imap_command *c)
{
    struct uid_set set;
    struct error why = {0};
    if (c->fetch.vanished && !(s->enabled & IMAP_QRESYNC)) return imap_bad(S("ENABLE QRESYNC first"));
    if (imap_resolve(s, &c->fetch.set, c->uid, &set)) return imap_bad(S("there is no such message number"));
    struct fetch f = {
        .s = s, .c = &c->fetch, .by_uid = c->uid, .shown = s->selected->shown, .utf8 = imap_utf8(s)};
    make_ready(&f);
    if (!may_still_read(s)) return imap_no(S("NOPERM"), S("you may not read this mailbox any more"));
    if (c->fetch.has_changedsince || asks_modseq(&f)) imap_enable(s, IMAP_CONDSTORE);
    if (c->fetch.vanished) {
        int e = tell_vanished(&f, &why);
        if (e) return imap_refusal(s, e, &why);
    }
    int e = tell(&f, &set);
    if (f.seen.n && !e) {
        struct flags_change seen = {.how = FLAGS_ADD, .flags = FLAG_SEEN, .changed = f.seen};
        imap_sync_silent(s, c->uid, &seen); /* it has been told */
    }
    return answer(&f, e);
}

static bool is_same(const struct fetch_item *a, const struct fetch_item *b)
{
    const struct imap_fetch_item *x = a->of, *y = b->of;
    return x->attribute == y->attribute && str_eq(a->label, b->label) && x->partial == y->partial &&
           x->length == y->length && x->lazy == y->lazy;
}

/* Several may have asked: each thing is told once (RFC 5465 §5.2). */
static void drop_doubles(struct fetch *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n_items; i++) {
        size_t k = 0;
        while (k < n && !is_same(&f->items[k], &f->items[i])) k++;
        if (k == n) f->items[n++] = f->items[i];
    }
    f->n_items = n;
}

FIBER int imap_tell_letters(struct imap_session *s, const struct imap_fetch_items *items, const struct uid_set *uids)
{
    const struct imap_fetch c = {.items = *items};
    struct fetch f = {.s = s, .c = &c, .shown = s->selected->shown, .utf8 = imap_utf8(s)};
    make_ready(&f);
    drop_doubles(&f);
    f.marks = false;
    int e = tell(&f, uids);
    if (f.lost) { /* nor can the command at hand be answered any more */
        stream_flush(s->io);
        s->end = "a letter could not be read";
        return stream_fail(s->io, ERR_CORRUPT);
    }
    return stream_error(s->io) ? stream_error(s->io) : e == ERR_CANCELLED ? e : 0;
}
