/* Which mailbox a client's name means (RFC 2342): one's own, or below "Shared/" one of somebody else's, by his login.
 * Who may not see a mailbox hears the same as if there were none (RFC 4314 §6). */
#include "maa/imap/tree.h"

#include "mail/address.h"
#include "store/directory.h"

/* The login that a name below "Shared/" begins with. A local part may have a '/', so the '@' is looked for first. */
static struct str login_of(struct str name)
{
    size_t at = str_find_char(name, '@');
    return str_head(name, at + str_find_char(str_skip(name, at), '/'));
}

int64_t imap_account_named(struct imap_session *s, struct str login)
{
    struct address address, key;
    const struct directory *d = store_directory_in(s->cmd, s->service->store);
    if (str_find_char(login, '@') == login.n) { /* of one's own domain */
        const struct directory_account *self = directory_account_by_id(d, s->who.account);
        if (!self) return 0;
        login = arena_printf(s->cmd, "%.*s@%.*s", STR_FMT(login), STR_FMT(self->key.domain));
    }
    if (address_parse(s->cmd, login, &address) || address_key(s->cmd, address, &key)) return 0;
    const struct directory_account *a = directory_account(d, key);
    return a ? a->id : 0;
}

struct str imap_login_of(struct imap_session *s, int64_t account)
{
    const struct directory *d = store_directory_in(s->cmd, s->service->store);
    const struct directory_account *a = directory_account_by_id(d, account);
    if (!a) return S("");
    return arena_printf(s->cmd, "%.*s@%.*s", STR_FMT(a->shown.local), STR_FMT(a->shown.domain));
}

FIBER int imap_place(struct imap_session *s, struct str name, struct imap_place *out, struct error *e)
{
    *out = (struct imap_place){.account = s->who.account, .path = name};
    if (!str_eq(str_head(name, IMAP_SHARED_NAMESPACE_N - 1), S("Shared"))) return 0;
    if (name.n >= IMAP_SHARED_NAMESPACE_N && name.p[IMAP_SHARED_NAMESPACE_N - 1] != '/') return 0;
    struct str rest = str_skip(name, IMAP_SHARED_NAMESPACE_N), login = login_of(rest);
    *out = (struct imap_place){.other = true, .path = str_skip(rest, login.n + 1)};
    if (rest.n == 0) return 0;
    out->account = imap_account_named(s, login);
    if (out->account && out->account != s->who.account) return 0;
    return error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
}

FIBER int imap_accounts_below(struct imap_session *s, const struct imap_place *place, int64_t **v, size_t *n,
                              struct error *e)
{
    if (place->other && place->account == 0)
        return store_shared_accounts(s->service->store, s->cmd, s->who.account, v, n, e);
    *v = arena_array(s->cmd, 1, sizeof **v);
    (*v)[0] = place->account;
    *n = 1;
    return 0;
}

FIBER int imap_find(struct imap_session *s, struct str name, struct mailbox *out, struct error *e)
{
    struct imap_place place;
    int r = imap_place(s, name, &place, e);
    if (r) return r;
    if (place.path.n == 0) return error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
    return store_mailbox_find(s->service->store, s->cmd, s->who.account, place.account, place.path, out, e);
}

FIBER bool imap_find_for(struct imap_session *s, struct str written, right_set needed, struct str *name,
                         struct mailbox *out, struct imap_done *refusal)
{
    struct error why = {0};
    *refusal = imap_no(S("CANNOT"), S("that is no name for a mailbox"));
    if (imap_name(s, written, name)) return false;
    int e = imap_find(s, *name, out, &why);
    if (!e && (out->rights & needed) != needed) {
        bool seen = out->rights & (RIGHT_LOOKUP | RIGHT_READ);
        e = seen ? error_set(&why, ERR_DENIED, "you have no right to do this in the mailbox")
                 : error_set(&why, ERR_NOT_FOUND, "there is no such mailbox");
    }
    if (e) *refusal = imap_refusal(s, e, &why);
    return e == 0;
}

FIBER void imap_tell_canonical(struct imap_session *s, struct str attributes, struct str name, struct str written)
{
    if (s->enabled & IMAP_REV2 && !str_eq(name, written)) imap_tell_name(s, attributes, name, written);
}

struct str imap_name_of(struct imap_session *s, int64_t account, struct str path)
{
    if (account == s->who.account) return arena_str(s->cmd, path);
    struct str login = imap_login_of(s, account);
    return arena_printf(s->cmd, IMAP_SHARED "%.*s%s%.*s", STR_FMT(login), path.n ? "/" : "", STR_FMT(path));
}
