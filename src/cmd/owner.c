/* Whose the mail is. */
#include "cmd/owner.h"

static int configured(struct arena *a, const struct config *c, struct process_user *out, struct error *e)
{
    const char *name = arena_cstr(a, c->user);
    if (process_user_find(name, out, NULL) == 0) return 0;
    return error_set(e, ERR_CONFIG, "%.*s: there is no user \"%s\" (adduser --system --group %s)", STR_FMT(c->file),
                     name, name);
}

bool owner_find(const struct config *c, struct process_user *out, int *error, struct error *e)
{
    *error = 0;
    if (!process_is_root()) return false;
    struct arena *a = arena_new(NULL, 0);
    bool found;
    if (c->user.n) found = (*error = configured(a, c, out, e)) == 0;
    else if (process_owner_of(arena_cstr(a, c->data), out, NULL) == 0 && out->uid != 0) found = true;
    else found = process_user_find("penny", out, NULL) == 0;
    arena_free(a);
    return found && out->uid != 0;
}

int owner_become(const struct config *c, struct error *e)
{
    struct process_user u;
    int error;
    if (owner_find(c, &u, &error, e)) error = process_become(&u, e);
    return error;
}
