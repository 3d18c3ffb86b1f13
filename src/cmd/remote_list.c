/* The mailboxes of another IMAP server: NAMESPACE (RFC 2342), LIST with what it can return (RFC 5258, RFC 6154), LSUB.
 *
 * Their names are data and nothing else: no name of theirs is a path here. */
#include "cmd/remote_list.h"

#include "base/map.h"
#include "base/utf8.h"

/* ---- names ---- */

/* Something readable of bytes that are no name in any encoding. */
static struct str made_readable(struct arena *a, struct str raw)
{
    char *p = arena_cstr(a, raw);
    for (size_t i = 0; i < raw.n; i++)
        if ((unsigned char)p[i] < ' ' || (unsigned char)p[i] >= 0x7f) p[i] = '_';
    return str_of(p, raw.n);
}

static struct str with_char(struct arena *a, struct str s, char from, char to)
{
    char *p = arena_cstr(a, s);
    for (size_t i = 0; i < s.n; i++)
        if (p[i] == from) p[i] = to;
    return str_of(p, s.n);
}

static void add_level(struct arena *a, struct buf *b, struct str level, char separator)
{
    struct str clean;
    if (separator != '/') level = with_char(a, level, '/', '_');
    if (mailbox_level(a, level, &clean) != 0) {
        level = made_readable(a, str_head(level, LIMIT_MAILBOX_NAME));
        if (level.n == 0 || mailbox_level(a, level, &clean) != 0) level = clean = S("_");
    }
    if (b->n) buf_char(b, '/');
    buf_add(b, clean);
}

struct str place_name(struct arena *a, struct str raw, char separator, struct str prefix, bool utf8)
{
    struct str name, level;
    struct buf *b = buf_in(a, 8 * raw.n + 64);
    if (prefix.n && raw.n > prefix.n && str_istarts(raw, prefix)) raw = str_skip(raw, prefix.n);
    if (imap_mailbox_decode(a, raw, utf8, &name) != 0) name = made_readable(a, raw);
    if (str_ieq(name, S("INBOX"))) return S("INBOX");
    while (name.n) {
        if (separator && name.p[0] == separator) { /* an empty level is none */
            name = str_skip(name, 1);
            continue;
        }
        if (separator) str_cut(name, separator, &level, &name);
        else level = name, name = STR_NONE;
        if (b->n == 0 && str_ieq(level, S("INBOX"))) level = S("INBOX");
        add_level(a, b, level, separator);
    }
    return b->n && !b->failed ? buf_str(b) : STR_NONE;
}

struct str place_raw(struct arena *a, struct str name, char separator, struct str prefix, bool utf8)
{
    struct buf *b = buf_in(a, prefix.n + 8 * name.n + 16);
    if (str_eq(name, S("INBOX"))) return name;
    buf_add(b, prefix);
    if (separator && separator != '/') name = with_char(a, with_char(a, name, separator, '_'), '/', separator);
    if (!separator) name = with_char(a, name, '/', '_');
    if (utf8) buf_add(b, name);
    else imap_put_utf7(b, name);
    return buf_str(b);
}

static bool glob(struct str pattern, struct str text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, from = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            from = t;
        } else if (p < pattern.n && pattern.p[p] == text.p[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') p++;
    return p == pattern.n;
}

bool place_matches(struct str pattern, struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '/' && glob(pattern, str_head(name, i))) return true;
    return glob(pattern, name);
}

/* ---- asking ---- */

struct listing_of {
    struct arena *arena;
    struct places *places;
    struct map by_raw;
    struct str foreign[2]; /* prefixes of other people's and of shared mailboxes */
    bool lsub, utf8, too_many;
    size_t heard; /* responses */
};

static bool hear_namespace(struct listing_of *l, const struct imap_response *r)
{
    struct str prefix;
    char separator;
    if (imap_namespace_of(r, 0, &prefix, &separator)) {
        l->places->prefix = arena_str(l->arena, prefix);
        l->places->separator = separator;
    }
    for (int i = 0; i < 2; i++)
        if (imap_namespace_of(r, i + 1, &prefix, &separator)) l->foreign[i] = arena_str(l->arena, prefix);
    return str_ieq(r->name, S("NAMESPACE"));
}

static void add_place(struct listing_of *l, const struct imap_listed *listed)
{
    struct places *p = l->places;
    const struct imap_value *is = listed->attributes;
    struct place *known = map_get(&l->by_raw, listed->name);
    if (known) { /* of LSUB, or told twice */
        known->subscribed |= l->lsub;
        return;
    }
    for (int i = 0; i < 2; i++)
        if (l->foreign[i].n && str_istarts(listed->name, l->foreign[i])) return;
    if (l->lsub || (l->too_many = p->n == LIMIT_MAILBOXES) != 0) return;
    if (listed->separator) p->separator = listed->separator;
    struct place *new = &p->v[p->n++];
    *new =
        (struct place){.raw = arena_str(l->arena, listed->name),
                       .holds_none = imap_values_have(is, S("\\Noselect")) || imap_values_have(is, S("\\NonExistent")),
                       .all = imap_values_have(is, S("\\All")),
                       .is_virtual = imap_values_have(is, S("\\Flagged")) || imap_values_have(is, S("\\Important")),
                       .subscribed = imap_values_have(is, S("\\Subscribed"))};
    for (; is; is = is->next)
        if (!new->use) new->use = special_use_of(is->text);
    if (new->raw.n <= LIMIT_REMOTE_NAME)
        new->name = place_name(l->arena, new->raw, listed->separator, p->prefix, l->utf8);
    map_set(&l->by_raw, new->raw, new);
}

static FIBER bool hear(void *arg, const struct imap_client *c)
{
    struct listing_of *l = arg;
    struct imap_listed listed;
    if (hear_namespace(l, &c->said)) return true;
    if (!imap_listed(&c->said, &listed)) return false;
    add_place(l, &listed);
    return ++l->heard <= 2 * LIMIT_MAILBOXES; /* each in LIST and LSUB */
}

static FIBER int ask_all(struct imap_client *c, struct listing_of *l, struct error *e)
{
    const unsigned extended = IMAP_OFFERS_LIST_EXTENDED, both = extended | IMAP_OFFERS_SPECIAL_USE;
    static const char *const what = "the mailboxes are not told";
    int error = 0;
    if (c->offers & IMAP_OFFERS_NAMESPACE) error = imap_client_ask(c, S("NAMESPACE"), ERR_UNAVAILABLE, what, e);
    if (error) return error;
    struct str list = (c->offers & both) == both ? S("LIST \"\" \"*\" RETURN (SUBSCRIBED SPECIAL-USE)")
                      : c->offers & extended     ? S("LIST \"\" \"*\" RETURN (SUBSCRIBED)")
                                                 : S("LIST \"\" \"*\"");
    error = imap_client_ask(c, list, ERR_UNAVAILABLE, what, e);
    if (error || c->offers & extended) return error;
    l->lsub = true;
    return imap_client_ask(c, S("LSUB \"\" \"*\""), ERR_UNAVAILABLE, what, e);
}

FIBER int remote_list(struct remote *r, struct places *out, struct error *e)
{
    struct imap_client *c = r->client;
    struct listing_of l = {.arena = r->program->arena, .places = out, .utf8 = c->utf8};
    *out = (struct places){.prefix = S("")};
    out->v = arena_array(l.arena, LIMIT_MAILBOXES, sizeof *out->v); /* their addresses stay */
    map_init(&l.by_raw, world_hash_key(c->world));
    c->heard = hear;
    c->arg = &l;
    int error = ask_all(c, &l, e);
    c->heard = NULL;
    map_free(&l.by_raw);
    if (!error && l.too_many) error = error_set(e, ERR_TOO_LONG, "there are more than %d mailboxes", LIMIT_MAILBOXES);
    return error;
}
