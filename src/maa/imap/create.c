/* CREATE (RFC 9051 §6.3.4) with special uses (RFC 6154 §3) and the new mailbox's id (RFC 8474 §4.2). */
#include "maa/imap/tree.h"

FIBER void imap_tell_name(struct imap_session *s, struct str attributes, struct str name, struct str old)
{
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    buf_lit(b, "* LIST (");
    buf_add(b, attributes);
    buf_lit(b, ") \"/\" ");
    imap_put_mailbox(b, name, imap_utf8(s));
    buf_lit(b, " (\"OLDNAME\" (");
    imap_put_mailbox(b, old, imap_utf8(s));
    buf_lit(b, "))\r\n");
    imap_put(s, buf_str(b));
}

/* One use at most, of those a mailbox can have here. */
static bool use_of(const struct imap_strings *uses, enum special_use *out)
{
    *out = USE_NONE;
    for (size_t i = 0; i < uses->n; i++) {
        enum special_use use = special_use_of(uses->v[i]);
        if (use == USE_NONE || (*out != USE_NONE && *out != use)) return false;
        *out = use;
    }
    return true;
}

static struct imap_done created(struct imap_session *s, int64_t id)
{
    struct buf *code = buf_in(s->cmd, 64);
    buf_lit(code, "MAILBOXID (");
    imap_put_object_id(code, 'F', id);
    buf_char(code, ')');
    return imap_ok(buf_str(code), S("made"));
}

static struct imap_done refuse(struct imap_session *s, const struct imap_place *place, enum special_use use, int e,
                               const struct error *why)
{
    if (e == ERR_NOT_FOUND && place->other) /* whether he is there or not */
        return imap_no(S("NOPERM"), S("mailboxes of others can be made only where they let you"));
    if (e == ERR_CONFLICT && use != USE_NONE && str_find(str_c(why->text), S("used")) < str_c(why->text).n)
        return imap_no(S("USEATTR"), arena_str(s->cmd, str_c(why->text)));
    if (e == ERR_CONFLICT) return imap_no(S("LIMIT"), arena_str(s->cmd, str_c(why->text))); /* RFC 5530 §3 */
    return imap_refusal(s, e, why);
}

FIBER struct imap_done imap_on_create(struct imap_session *s, const struct imap_command *c)
{
    struct str name;
    struct imap_place place;
    struct error why = {0};
    enum special_use use;
    int64_t id = 0;
    if (imap_name(s, c->create.mailbox, &name)) return imap_no(S("CANNOT"), S("that is no name for a mailbox"));
    if (!use_of(&c->create.uses, &use)) return imap_no(S("USEATTR"), S("there is no such use here")); /* RFC 6154 §3 */
    if (str_ends(name, S("/"))) name.n--; /* RFC 9051 §6.3.4: it says there will be others below */
    int e = imap_place(s, name, &place, &why);
    if (!e) e = store_mailbox_make(s->service->store, s->who.account, place.account, place.path, use, &id, &why);
    if (e) return refuse(s, &place, use, e, &why);
    struct mailbox made;
    if (s->enabled & IMAP_REV2 && !imap_find(s, name, &made, NULL)) {
        struct str written = c->create.mailbox;
        if (str_ends(written, S("/"))) written.n--;
        imap_tell_canonical(s, S(""), imap_name_of(s, made.account, made.path), written);
    }
    return created(s, id);
}
