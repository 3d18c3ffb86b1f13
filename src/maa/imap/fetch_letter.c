/* One letter's FETCH response (RFC 9051 §7.5.2): its attributes in the order they were asked for. */
#include "maa/imap/fetch.h"

static uint64_t size_of(const struct fetch_letter *l)
{
    return l->read ? (uint64_t)l->read->letter.size : l->chunk->facts->size[l->e->uid % 128];
}

static utc_us date_of(const struct fetch_letter *l)
{
    return l->read ? l->read->letter.received_at : l->chunk->facts->received[l->e->uid % 128];
}

static void put_number(struct buf *b, struct str label, uint64_t v)
{
    buf_add(b, label);
    buf_u64(b, v);
}

static void put_modseq(struct fetch *f, const struct fetch_letter *l)
{
    put_number(&f->out.text, S("MODSEQ ("), l->e->modseq);
    buf_char(&f->out.text, ')');
}

static void put_flags(struct fetch *f, const struct fetch_letter *l)
{
    struct view_entry now = *l->e;
    if (l->seen) now.flags |= FLAG_SEEN;
    buf_lit(&f->out.text, "FLAGS ");
    imap_put_entry_flags(f->s, &f->out.text, &now);
}

static void put_object_id(struct buf *b, struct str label, char kind, int64_t id) /* RFC 8474 §5.3 */
{
    buf_add(b, label);
    buf_lit(b, " (");
    imap_put_object_id(b, kind, id);
    buf_char(b, ')');
}

/* Attributes that are not bytes of the letter. 0 or ERR_CORRUPT. */
static int put_fact(struct fetch *f, enum imap_attribute attribute, const struct fetch_letter *l)
{
    struct buf *b = &f->out.text;
    switch (attribute) {
    case IMAP_ATT_FLAGS: put_flags(f, l); return 0;
    case IMAP_ATT_UID: put_number(b, S("UID "), l->e->uid); return 0;
    case IMAP_ATT_MODSEQ: put_modseq(f, l); return 0;
    case IMAP_ATT_RFC822_SIZE: put_number(b, S("RFC822.SIZE "), size_of(l)); return 0;
    case IMAP_ATT_INTERNALDATE:
        buf_lit(b, "INTERNALDATE ");
        imap_put_date_time(b, date_of(l), 0);
        return 0;
    case IMAP_ATT_SAVEDATE: /* RFC 8514 */
        buf_lit(b, "SAVEDATE ");
        if (l->saved_at) imap_put_date_time(b, l->saved_at, 0);
        else buf_lit(b, "NIL");
        return 0;
    case IMAP_ATT_EMAILID: put_object_id(b, S("EMAILID"), 'M', l->e->email); return 0;
    case IMAP_ATT_THREADID: put_object_id(b, S("THREADID"), 'T', l->read->thread); return 0;
    case IMAP_ATT_ENVELOPE:
        buf_lit(b, "ENVELOPE ");
        return mime_put_imap_envelope(b, l->read->letter.envelope, f->utf8);
    case IMAP_ATT_BODY:
        buf_lit(b, "BODY ");
        return mime_put_imap_bodystructure(b, l->read->letter.structure, false, f->utf8);
    case IMAP_ATT_BODYSTRUCTURE:
        buf_lit(b, "BODYSTRUCTURE ");
        return mime_put_imap_bodystructure(b, l->read->letter.structure, true, f->utf8);
    case IMAP_ATT_PREVIEW: /* RFC 8970; always there, so that LAZY asks for nothing else */
        buf_lit(b, "PREVIEW ");
        imap_put_string(b, l->read->letter.preview, f->utf8);
        return 0;
    default: return 0;
    }
}

static bool is_bytes(enum imap_attribute a)
{
    return a == IMAP_ATT_SECTION || a == IMAP_ATT_RFC822 || a == IMAP_ATT_RFC822_HEADER || a == IMAP_ATT_RFC822_TEXT ||
           a == IMAP_ATT_BINARY || a == IMAP_ATT_BINARY_SIZE;
}

static FIBER int put_item(struct fetch *f, size_t i, struct fetch_letter *l)
{
    const struct fetch_item *item = &f->items[i];
    if (!is_bytes(item->of->attribute)) return put_fact(f, item->of->attribute, l);
    buf_add(&f->out.text, item->label);
    if (item->of->attribute == IMAP_ATT_BINARY) return fetch_put_binary(f, item, &f->extents[i], l->read);
    if (item->of->attribute == IMAP_ATT_BINARY_SIZE) return fetch_put_binary_size(f, &f->extents[i], l->read);
    return fetch_put_section(f, item, &f->extents[i], l->read);
}

static void put_head(struct fetch *f, const struct fetch_letter *l)
{
    bool only = f->s->enabled & IMAP_UIDONLY; /* RFC 9586 §3.4 */
    buf_lit(&f->out.text, "* ");
    buf_u64(&f->out.text, only ? l->e->uid : l->seq);
    buf_add(&f->out.text, only ? S(" UIDFETCH (") : S(" FETCH ("));
}

static FIBER int put_response(struct fetch *f, struct fetch_letter *l)
{
    struct buf *b = &f->out.text;
    put_head(f, l);
    if (f->put_uid) put_fact(f, IMAP_ATT_UID, l);
    for (size_t i = 0; i < f->n_items; i++) {
        if (f->put_uid || i > 0) buf_char(b, ' ');
        int e = put_item(f, i, l);
        fiber_yield_if_long(); /* each may have looked at all of the letter */
        if (!e && b->n >= IMAP_OUT_MUCH) e = imap_out_send(&f->out);
        if (e) return e;
    }
    if (l->seen && f->put_flags) {
        buf_char(b, ' ');
        put_flags(f, l);
    }
    if (f->put_modseq) { /* RFC 7162 §3.1.4.1 */
        buf_char(b, ' ');
        put_modseq(f, l);
    }
    buf_lit(b, ")\r\n");
    return 0;
}

/* Before any of its bytes are sent: can all that was asked for be had? */
static int prepare(struct fetch *f, const struct fetch_letter *l)
{
    if (!l->read) return f->facts && date_of(l) == 0 ? ERR_NOT_FOUND : 0; /* RFC 2180 §4.1.3 */
    if (l->read->error) return l->read->error;
    return f->extents ? fetch_resolve(f, l->read) : 0;
}

static void log_damage(struct fetch *f, const struct fetch_letter *l, int error)
{
    f->damaged = true;
    LOG(f->s->service->log, LOG_ERROR, "imap.letter", F_ID("session", f->s->id), F_STR("login", f->s->who.login),
        F_ID("email", l->e->email), F_STR("error", str_c(f->why.code ? f->why.text : err_name(error))));
}

static void leave_out(struct fetch *f, const struct fetch_letter *l, int error)
{
    if (error == ERR_NOT_FOUND) f->gone = true;
    else if (error == ERR_UNSUPPORTED) f->undecodable = true;
    else if (!f->damaged) log_damage(f, l, error);
}

FIBER int fetch_put_letter(struct fetch *f, struct fetch_letter *l)
{
    struct imap_out_mark mark = imap_out_mark(&f->out);
    int e = prepare(f, l);
    if (!e) e = put_response(f, l);
    if (e && !stream_error(f->s->io)) {
        leave_out(f, l, e);
        f->lost |= !imap_out_back(&f->out, mark);
    }
    if (e && (f->lost || stream_error(f->s->io))) return e;
    f->s->fetched += !e;
    if (f->extents) arena_reset(f->letter);
    return f->out.text.n >= IMAP_OUT_MUCH ? imap_out_send(&f->out) : 0;
}
