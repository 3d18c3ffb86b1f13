/* Access control (RFC 4314): GETACL, SETACL, DELETEACL, LISTRIGHTS, MYRIGHTS.
 *
 * An identifier is a login, or "anyone". There are no negative rights (§2): "-bob" names nobody. */
#include "maa/imap/tree.h"

#include "mail/unicode.h"

static void put_head(struct imap_session *s, struct buf *b, const char *response, struct str name)
{
    buf_lit(b, "* ");
    buf_add(b, str_c(response));
    buf_char(b, ' ');
    imap_put_mailbox(b, name, imap_utf8(s));
}

static struct str identifier_of(struct imap_session *s, int64_t principal)
{
    return principal == PRINCIPAL_ANYONE ? S("anyone") : imap_login_of(s, principal);
}

/* Those of accounts that are gone are passed over. */
static void put_entry(struct imap_session *s, struct buf *b, int64_t principal, right_set rights)
{
    struct str who = identifier_of(s, principal);
    if (who.n == 0) return;
    buf_char(b, ' ');
    imap_put_astring(b, who, imap_utf8(s));
    buf_char(b, ' ');
    rights_put(b, rights, true);
}

FIBER struct imap_done imap_on_getacl(struct imap_session *s, const struct imap_command *c) /* RFC 4314 §3.3 */
{
    struct mailbox m;
    struct str name;
    struct imap_done refusal;
    struct error why = {0};
    struct acl_entry *v;
    size_t n;
    if (!imap_find_for(s, c->acl.mailbox, RIGHT_ADMIN, &name, &m, &refusal)) return refusal;
    int e = store_acl(s->service->store, s->cmd, s->who.account, m.id, &v, &n, &why);
    if (e) return imap_refusal(s, e, &why);
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    put_head(s, b, "ACL", name);
    put_entry(s, b, m.account, RIGHTS_ALL);
    for (size_t i = 0; i < n; i++) put_entry(s, b, v[i].principal, v[i].rights);
    buf_lit(b, "\r\n");
    imap_put(s, buf_str(b));
    return imap_ok(STR_NONE, S("done"));
}

/* RFC 4314 §3: one that cannot be prepared is BAD. Those of accounts are addresses, whose keys mind more than SASLprep
 * does. */
static bool is_identifier(struct imap_session *s, struct str text)
{
    struct str prepared;
    return text.n > 0 && unicode_nfc(s->cmd, text, &prepared) == 0;
}

/* 0: nobody is called so. */
static int64_t principal_of(struct imap_session *s, struct str identifier)
{
    if (str_eq(identifier, S("anyone"))) return PRINCIPAL_ANYONE;
    return imap_account_named(s, identifier);
}

static FIBER struct imap_done change(struct imap_session *s, const struct imap_acl *acl, enum acl_change how,
                                     right_set rights)
{
    struct mailbox m;
    struct str name;
    struct imap_done refusal;
    struct error why = {0};
    if (!is_identifier(s, acl->identifier)) return imap_bad(S("that is no identifier"));
    if (!imap_find_for(s, acl->mailbox, RIGHT_ADMIN, &name, &m, &refusal)) return refusal;
    if (str_starts(acl->identifier, S("-"))) return imap_no(S("CANNOT"), S("rights cannot be denied, only not given"));
    int64_t principal = principal_of(s, acl->identifier);
    if (principal == 0) return imap_no(S("CANNOT"), S("there is nobody of that name"));
    if (principal == m.account) return imap_no(S("CANNOT"), S("the owner has all rights, always"));
    int e = store_acl_change(s->service->store, s->who.account, m.id, principal, how, rights, &why);
    if (e == ERR_CONFLICT) return imap_no(S("LIMIT"), arena_str(s->cmd, str_c(why.text)));
    return e ? imap_refusal(s, e, &why) : imap_ok(STR_NONE, S("done"));
}

FIBER struct imap_done imap_on_setacl(struct imap_session *s, const struct imap_command *c) /* RFC 4314 §3.1 */
{
    right_set rights;
    if (rights_parse(c->acl.rights, &rights)) return imap_bad(S("there is no such right"));
    return change(s, &c->acl, c->acl.how == '+' ? ACL_ADD : c->acl.how == '-' ? ACL_TAKE : ACL_SET, rights);
}

FIBER struct imap_done imap_on_deleteacl(struct imap_session *s, const struct imap_command *c) /* RFC 4314 §3.2 */
{
    return change(s, &c->acl, ACL_SET, 0);
}

/* RFC 4314 §3.4. All rights can be given one by one; the owner's cannot be taken. */
FIBER struct imap_done imap_on_listrights(struct imap_session *s, const struct imap_command *c)
{
    struct mailbox m;
    struct str name;
    struct imap_done refusal;
    if (!is_identifier(s, c->acl.identifier)) return imap_bad(S("that is no identifier"));
    if (!imap_find_for(s, c->acl.mailbox, RIGHT_ADMIN, &name, &m, &refusal)) return refusal;
    int64_t principal = principal_of(s, c->acl.identifier);
    if (principal == 0) return imap_no(S("CANNOT"), S("there is nobody of that name"));
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    put_head(s, b, "LISTRIGHTS", name);
    buf_char(b, ' ');
    imap_put_astring(b, c->acl.identifier, imap_utf8(s));
    if (principal == m.account) buf_lit(b, " lrswipkxteacd\r\n");
    else buf_lit(b, " \"\" l r s w i p k x t e a c d\r\n");
    imap_put(s, buf_str(b));
    return imap_ok(STR_NONE, S("done"));
}

FIBER struct imap_done imap_on_myrights(struct imap_session *s, const struct imap_command *c) /* RFC 4314 §3.5 */
{
    static const right_set any = RIGHT_LOOKUP | RIGHT_READ | RIGHT_INSERT | RIGHT_CREATE | RIGHT_REMOVE | RIGHT_ADMIN;
    struct mailbox m;
    struct str name;
    struct imap_done refusal;
    if (!imap_find_for(s, c->acl.mailbox, 0, &name, &m, &refusal)) return refusal;
    if (!(m.rights & any)) return imap_refusal(s, ERR_NOT_FOUND, NULL);
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    put_head(s, b, "MYRIGHTS", name);
    buf_char(b, ' ');
    rights_put(b, m.rights, true);
    buf_lit(b, "\r\n");
    imap_put(s, buf_str(b));
    return imap_ok(STR_NONE, S("done"));
}
