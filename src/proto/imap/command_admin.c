/* Rights, quotas, metadata and ID (RFC 4314, RFC 9208, RFC 5464, RFC 2971). */
#include "proto/imap/parse.h"

/* --- rights --- */

/* SETACL: mod-rights = ["+" / "-"] rights, lower-case letters and digits (RFC 4314 §4) */
static bool read_rights(struct imap_scan *s, struct imap_acl *acl)
{
    if (!scan_space(s) || !scan_astring(s, &acl->rights)) return false;
    if (acl->rights.n && (acl->rights.p[0] == '+' || acl->rights.p[0] == '-')) {
        acl->how = acl->rights.p[0];
        acl->rights = str_skip(acl->rights, 1);
    }
    for (size_t i = 0; i < acl->rights.n; i++)
        if (!ch_digit(acl->rights.p[i]) && !(acl->rights.p[i] >= 'a' && acl->rights.p[i] <= 'z'))
            return scan_fail(s, "rights are lower-case letters and digits");
    return true;
}

bool imap_read_acl(struct imap_scan *s, struct imap_command *c)
{
    bool has_identifier = c->verb == IMAP_SETACL || c->verb == IMAP_DELETEACL || c->verb == IMAP_LISTRIGHTS;
    if (!scan_space(s) || !scan_astring(s, &c->acl.mailbox)) return false;
    if (has_identifier && (!scan_space(s) || !scan_astring(s, &c->acl.identifier))) return false;
    return c->verb != IMAP_SETACL || read_rights(s, &c->acl);
}

/* --- quotas --- */

static bool read_limit(struct imap_scan *s, void *arg)
{
    struct imap_quota *q = arg;
    struct imap_quota_limit l;
    if (!scan_atom(s, &l.resource) || !scan_space(s) || !scan_number(s, 0, INT64_MAX, &l.limit)) return false;
    if (q->n == LIMIT_IMAP_WORDS) return scan_fail(s, "too many limits");
    q->limits = arena_grow(s->a, q->limits, q->n, &q->cap, sizeof *q->limits);
    q->limits[q->n++] = l;
    return true;
}

/* SETQUOTA: setquota-list = "(" [setquota-resource *(SP setquota-resource)] ")" (RFC 9208 §7) */
bool imap_read_quota(struct imap_scan *s, struct imap_command *c)
{
    if (!scan_space(s) || !scan_astring(s, &c->quota.root)) return false;
    return c->verb != IMAP_SETQUOTA ||
           (scan_space(s) && scan_char(s, '(') && scan_list(s, true, read_limit, &c->quota));
}

/* --- metadata --- */

static bool read_option(struct imap_scan *s, void *arg)
{
    struct imap_metadata_options *o = arg;
    if (scan_word_is(s, S("MAXSIZE"))) {
        o->has_maxsize = true;
        return scan_space(s) && scan_u32(s, 0, &o->maxsize);
    }
    if (!scan_word_is(s, S("DEPTH"))) return scan_fail(s, "an unknown option");
    if (!scan_space(s)) return false;
    if (scan_word_is(s, S("0"))) o->depth = IMAP_DEPTH_0;
    else if (scan_word_is(s, S("1"))) o->depth = IMAP_DEPTH_1;
    else if (scan_word_is(s, S("infinity"))) o->depth = IMAP_DEPTH_INFINITY;
    else return scan_fail(s, "a depth is 0, 1 or infinity");
    return true;
}

/* entry = astring, which begins with "/" and has no wildcards, no empty part, no control and no 8-bit characters (RFC
 * 5464 §3.2) */
static bool read_entry_name(struct imap_scan *s, struct str *entry)
{
    if (!scan_astring(s, entry)) return false;
    if (!str_starts(*entry, S("/"))) return scan_fail(s, "an entry begins with \"/\"");
    for (size_t i = 0; i < entry->n; i++) {
        unsigned char c = (unsigned char)entry->p[i];
        if (c == '*' || c == '%') return scan_fail(s, "an entry has no wildcards");
        if (c < 0x20 || c >= 0x7f) return scan_fail(s, "an entry is printable ASCII");
        if (c == '/' && (i + 1 == entry->n || entry->p[i + 1] == '/'))
            return scan_fail(s, "an entry has no empty part");
    }
    return true;
}

static bool read_entry(struct imap_scan *s, void *arg)
{
    struct imap_strings *entries = arg;
    struct str entry;
    if (!read_entry_name(s, &entry)) return false;
    if (entries->n == LIMIT_IMAP_WORDS) return scan_fail(s, "too many entries");
    imap_strings_add(s->a, entries, entry);
    return true;
}

static bool options_ahead(const struct imap_scan *s)
{
    return s->rest.n >= 2 && s->rest.p[0] == '(' && ch_alpha(s->rest.p[1]);
}

bool imap_read_entries(struct imap_scan *s, struct imap_metadata_options *options, struct imap_strings *entries)
{
    if (options_ahead(s)) {
        s->rest = str_skip(s->rest, 1);
        if (!scan_list(s, false, read_option, options) || !scan_space(s)) return false;
    }
    return scan_if(s, '(') ? scan_list(s, false, read_entry, entries) : read_entry(s, entries);
}

static bool read_entry_value(struct imap_scan *s, void *arg)
{
    struct imap_pairs *values = arg;
    struct imap_pair p;
    if (!read_entry_name(s, &p.name) || !scan_space(s) || !scan_value(s, &p.value)) return false;
    if (values->n == LIMIT_IMAP_WORDS) return scan_fail(s, "too many entries");
    values->v = arena_grow(s->a, values->v, values->n, &values->cap, sizeof *values->v);
    values->v[values->n++] = p;
    return true;
}

/* GETMETADATA has its options before the mailbox in the grammar of RFC 5464 §5, behind it in the examples of §4.2:
 * both are taken. SETMETADATA: entry-values = "(" entry-value *(SP entry-value) ")". */
bool imap_read_metadata(struct imap_scan *s, struct imap_command *c)
{
    struct imap_metadata *m = &c->metadata;
    if (!scan_space(s)) return false;
    if (c->verb == IMAP_GETMETADATA && options_ahead(s)) {
        s->rest = str_skip(s->rest, 1);
        if (!scan_list(s, false, read_option, &m->options) || !scan_space(s)) return false;
    }
    if (!scan_astring(s, &m->mailbox) || !scan_space(s)) return false;
    if (c->verb == IMAP_GETMETADATA) return imap_read_entries(s, &m->options, &m->entries);
    return scan_char(s, '(') && scan_list(s, false, read_entry_value, &m->values);
}

/* --- ID --- */

static bool read_pair(struct imap_scan *s, void *arg)
{
    struct imap_pairs *id = arg;
    struct imap_pair p;
    if (!scan_string(s, &p.name) || !scan_space(s) || !scan_nstring(s, &p.value)) return false;
    if (id->n == LIMIT_IMAP_ID) return scan_fail(s, "too many fields");
    id->v = arena_grow(s->a, id->v, id->n, &id->cap, sizeof *id->v);
    id->v[id->n++] = p;
    return true;
}

/* "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil) (RFC 2971 §4) */
bool imap_read_id(struct imap_scan *s, struct imap_command *c)
{
    if (!scan_space(s) || scan_word_is(s, S("NIL"))) return s->error == NULL;
    return scan_char(s, '(') && scan_list(s, true, read_pair, &c->id);
}
