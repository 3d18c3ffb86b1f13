/* IMAP commands: tags, names, and the arguments of those that have few (RFC 9051 §6, RFC 3501 §6). */
#include "proto/imap/parse.h"

/* --- arguments --- */

/* SP mailbox, or SP mechanism of COMPRESS (RFC 4978 §3) */
static bool read_mailbox(struct imap_scan *s, struct imap_command *c)
{
    return scan_space(s) && scan_astring(s, &c->mailbox);
}

/* SP auth-type [SP initial-resp] (RFC 9051 §6.2.2, RFC 4959) */
static bool read_authenticate(struct imap_scan *s, struct imap_command *c)
{
    c->authenticate.initial = STR_NONE;
    if (!scan_space(s) || !scan_atom(s, &c->authenticate.mechanism)) return false;
    return !scan_more(s) || scan_atom(s, &c->authenticate.initial);
}

static bool read_login(struct imap_scan *s, struct imap_command *c)
{
    return scan_space(s) && scan_astring(s, &c->login.user) && scan_space(s) && scan_astring(s, &c->login.password);
}

/* 1*(SP capability) (RFC 5161 §3.1); 1*(SP quoted) (RFC 5267 §4.2) */
static bool read_words(struct imap_scan *s, struct imap_command *c)
{
    struct str word;
    if (!scan_space(s)) return false;
    do {
        if (!scan_astring(s, &word)) return false;
        if (c->words.n == LIMIT_IMAP_WORDS) return scan_fail(s, "too many arguments");
        imap_strings_add(s->a, &c->words, word);
    } while (scan_more(s));
    return true;
}

static bool read_rename(struct imap_scan *s, struct imap_command *c)
{
    return scan_space(s) && scan_astring(s, &c->rename.from) && scan_space(s) && scan_astring(s, &c->rename.to);
}

static bool read_copy(struct imap_scan *s, struct imap_command *c)
{
    return scan_space(s) && scan_set(s, &c->copy.set) && scan_space(s) && scan_astring(s, &c->copy.mailbox);
}

/* EXPUNGE, UID EXPUNGE SP sequence-set (RFC 9051 §6.4.9) */
static bool read_expunge(struct imap_scan *s, struct imap_command *c)
{
    return !c->uid || (scan_space(s) && scan_set(s, &c->expunge));
}

static bool read_append(struct imap_scan *s, struct imap_command *c)
{
    (void)c;
    return scan_fail(s, "a message as a literal is missing");
}

/* --- names --- */

static const struct {
    struct str name;
    bool (*read)(struct imap_scan *, struct imap_command *); /* NULL: no arguments */
    enum { NO_UID, MAY_UID } uid;
} verbs[IMAP_VERBS] = {
    [IMAP_UNKNOWN] = {S_INIT(""), NULL, NO_UID},
    [IMAP_APPEND] = {S_INIT("APPEND"), read_append, NO_UID},
    [IMAP_AUTHENTICATE] = {S_INIT("AUTHENTICATE"), read_authenticate, NO_UID},
    [IMAP_CANCELUPDATE] = {S_INIT("CANCELUPDATE"), read_words, NO_UID},
    [IMAP_CAPABILITY] = {S_INIT("CAPABILITY"), NULL, NO_UID},
    [IMAP_CHECK] = {S_INIT("CHECK"), NULL, NO_UID},
    [IMAP_CLOSE] = {S_INIT("CLOSE"), NULL, NO_UID},
    [IMAP_COMPRESS] = {S_INIT("COMPRESS"), read_mailbox, NO_UID},
    [IMAP_COPY] = {S_INIT("COPY"), read_copy, MAY_UID},
    [IMAP_CREATE] = {S_INIT("CREATE"), imap_read_create, NO_UID},
    [IMAP_DELETE] = {S_INIT("DELETE"), read_mailbox, NO_UID},
    [IMAP_DELETEACL] = {S_INIT("DELETEACL"), imap_read_acl, NO_UID},
    [IMAP_ENABLE] = {S_INIT("ENABLE"), read_words, NO_UID},
    [IMAP_ESEARCH] = {S_INIT("ESEARCH"), imap_read_esearch, NO_UID},
    [IMAP_EXAMINE] = {S_INIT("EXAMINE"), imap_read_select, NO_UID},
    [IMAP_EXPUNGE] = {S_INIT("EXPUNGE"), read_expunge, MAY_UID},
    [IMAP_FETCH] = {S_INIT("FETCH"), imap_read_fetch, MAY_UID},
    [IMAP_GETACL] = {S_INIT("GETACL"), imap_read_acl, NO_UID},
    [IMAP_GETMETADATA] = {S_INIT("GETMETADATA"), imap_read_metadata, NO_UID},
    [IMAP_GETQUOTA] = {S_INIT("GETQUOTA"), imap_read_quota, NO_UID},
    [IMAP_GETQUOTAROOT] = {S_INIT("GETQUOTAROOT"), imap_read_quota, NO_UID},
    [IMAP_ID] = {S_INIT("ID"), imap_read_id, NO_UID},
    [IMAP_IDLE] = {S_INIT("IDLE"), NULL, NO_UID},
    [IMAP_LIST] = {S_INIT("LIST"), imap_read_list, NO_UID},
    [IMAP_LISTRIGHTS] = {S_INIT("LISTRIGHTS"), imap_read_acl, NO_UID},
    [IMAP_LOGIN] = {S_INIT("LOGIN"), read_login, NO_UID},
    [IMAP_LOGOUT] = {S_INIT("LOGOUT"), NULL, NO_UID},
    [IMAP_LSUB] = {S_INIT("LSUB"), imap_read_lsub, NO_UID},
    [IMAP_MOVE] = {S_INIT("MOVE"), read_copy, MAY_UID},
    [IMAP_MYRIGHTS] = {S_INIT("MYRIGHTS"), imap_read_acl, NO_UID},
    [IMAP_NAMESPACE] = {S_INIT("NAMESPACE"), NULL, NO_UID},
    [IMAP_NOOP] = {S_INIT("NOOP"), NULL, NO_UID},
    [IMAP_NOTIFY] = {S_INIT("NOTIFY"), imap_read_notify, NO_UID},
    [IMAP_RENAME] = {S_INIT("RENAME"), read_rename, NO_UID},
    [IMAP_REPLACE] = {S_INIT("REPLACE"), read_append, MAY_UID},
    [IMAP_SEARCH] = {S_INIT("SEARCH"), imap_read_search, MAY_UID},
    [IMAP_SELECT] = {S_INIT("SELECT"), imap_read_select, NO_UID},
    [IMAP_SETACL] = {S_INIT("SETACL"), imap_read_acl, NO_UID},
    [IMAP_SETMETADATA] = {S_INIT("SETMETADATA"), imap_read_metadata, NO_UID},
    [IMAP_SETQUOTA] = {S_INIT("SETQUOTA"), imap_read_quota, NO_UID},
    [IMAP_SORT] = {S_INIT("SORT"), imap_read_sort, MAY_UID},
    [IMAP_STARTTLS] = {S_INIT("STARTTLS"), NULL, NO_UID},
    [IMAP_STATUS] = {S_INIT("STATUS"), imap_read_status, NO_UID},
    [IMAP_STORE] = {S_INIT("STORE"), imap_read_store, MAY_UID},
    [IMAP_SUBSCRIBE] = {S_INIT("SUBSCRIBE"), read_mailbox, NO_UID},
    [IMAP_THREAD] = {S_INIT("THREAD"), imap_read_thread, MAY_UID},
    [IMAP_UNAUTHENTICATE] = {S_INIT("UNAUTHENTICATE"), NULL, NO_UID},
    [IMAP_UNSELECT] = {S_INIT("UNSELECT"), NULL, NO_UID},
    [IMAP_UNSUBSCRIBE] = {S_INIT("UNSUBSCRIBE"), read_mailbox, NO_UID},
};

struct str imap_verb_name(enum imap_verb v) { return verbs[v].name; }

/* tag = 1*<any ASTRING-CHAR except "+"> */
static bool read_tag(struct imap_scan *s, struct str *tag)
{
    size_t n = 0;
    while (n < s->rest.n && (imap_atom_char(s->rest.p[n]) || s->rest.p[n] == ']') && s->rest.p[n] != '+') n++;
    if (n == 0 || (n < s->rest.n && s->rest.p[n] != ' ')) return scan_fail(s, "a command begins with a tag");
    *tag = str_head(s->rest, n);
    s->rest = str_skip(s->rest, n);
    return true;
}

bool imap_read_verb(struct imap_scan *s, struct imap_command *c)
{
    *c = (struct imap_command){.tag = STR_NONE};
    struct str word;
    if (!read_tag(s, &c->tag) || !scan_space(s) || !scan_atom(s, &word)) return false;
    if (str_ieq(word, S("UID"))) {
        c->uid = true;
        if (!scan_space(s) || !scan_atom(s, &word)) return false;
    }
    for (enum imap_verb v = IMAP_APPEND; v < IMAP_VERBS; v++)
        if (str_ieq(word, verbs[v].name)) c->verb = v;
    if (c->verb == IMAP_UNKNOWN) return scan_fail(s, "unknown command");
    return !c->uid || verbs[c->verb].uid == MAY_UID ? true : scan_fail(s, "a command that UID cannot stand before");
}

int imap_parse(struct arena *a, struct str whole, struct imap_command *out)
{
    struct imap_scan s = {.a = a, .rest = whole};
    if (imap_read_verb(&s, out) && (!verbs[out->verb].read || verbs[out->verb].read(&s, out)) && scan_end(&s)) return 0;
    out->error = s.error ? s.error : "wrong arguments";
    return ERR_SYNTAX;
}
