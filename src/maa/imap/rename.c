/* RENAME (RFC 9051 §6.3.6); within one account. */
#include "maa/imap/tree.h"

/* RFC 9051 §6.3.6: if either name was written otherwise than it is. */
static FIBER void tell_canonical(struct imap_session *s, const struct imap_command *c, const struct mailbox *old,
                                 struct str to)
{
    struct mailbox now;
    if (!(s->enabled & IMAP_REV2) || imap_find(s, to, &now, NULL)) return;
    struct str name = imap_name_of(s, now.account, now.path), was = imap_name_of(s, old->account, old->path);
    if (!str_eq(was, c->rename.from) || !str_eq(name, c->rename.to)) imap_tell_name(s, S(""), name, c->rename.from);
}

/* A mailbox, or a name that is left of one. */
static FIBER bool find(struct imap_session *s, struct str written, struct str *name, struct mailbox *m,
                       struct imap_done *refusal)
{
    struct imap_place place;
    if (imap_find_for(s, written, RIGHT_REMOVE, name, m, refusal)) return true;
    if (imap_name(s, written, name) || imap_place(s, *name, &place, NULL)) return false;
    *m = (struct mailbox){.account = place.account, .path = place.path};
    return place.path.n &&
           !store_level_find(s->service->store, s->who.account, place.account, place.path, &m->id, NULL);
}

FIBER struct imap_done imap_on_rename(struct imap_session *s, const struct imap_command *c)
{
    struct mailbox m;
    struct str from, to;
    struct imap_place place;
    struct imap_done refusal;
    struct error why = {0};
    if (!find(s, c->rename.from, &from, &m, &refusal)) return refusal;
    if (imap_name(s, c->rename.to, &to)) return imap_no(S("CANNOT"), S("that is no name for a mailbox"));
    int e = imap_place(s, to, &place, &why);
    bool nobody = e == ERR_NOT_FOUND && place.other; /* whether he is there or not */
    if (nobody || (!e && place.account != m.account)) return imap_no(S("CANNOT"), S("a mailbox stays with its owner"));
    if (!e) e = store_mailbox_rename(s->service->store, s->who.account, m.id, place.path, &why);
    if (e) return imap_refusal(s, e, &why);
    tell_canonical(s, c, &m, to);
    return imap_ok(STR_NONE, S("renamed"));
}
