/* For tests and fuzzing: a parsed command written again, in one canonical form, so that what the parser understood can
 * be read and be parsed again. */
#ifndef PROTO_IMAP_TEST_REWRITE_H
#define PROTO_IMAP_TEST_REWRITE_H

#include "proto/imap/command.h"
#include "proto/imap/write.h"

static void rewrite_set(struct buf *b, const struct imap_set *s)
{
    if (s->saved) buf_char(b, '$');
    imap_put_set(b, &s->numbers);
    if (s->from == 0) return;
    if (s->numbers.n) buf_char(b, ',');
    if (s->from != UINT32_MAX) {
        buf_u64(b, s->from);
        buf_char(b, ':');
    }
    buf_char(b, '*');
}

static void rewrite_word(struct buf *b, const char *word, struct str value)
{
    buf_add(b, str_c(word));
    buf_char(b, ' ');
    imap_put_astring(b, value, false);
}

static void rewrite_strings(struct buf *b, const struct imap_strings *l, bool parentheses)
{
    if (parentheses) buf_char(b, '(');
    for (size_t i = 0; i < l->n; i++) {
        if (i) buf_char(b, ' ');
        imap_put_astring(b, l->v[i], false);
    }
    if (parentheses) buf_char(b, ')');
}

static void rewrite_bits(struct buf *b, unsigned bits, const char *const *names)
{
    bool first = true;
    for (unsigned bit = 0; bits >> bit; bit++) {
        if (!(bits >> bit & 1)) continue;
        if (!first) buf_char(b, ' ');
        buf_add(b, str_c(names[bit]));
        first = false;
    }
}

static void rewrite_status(struct buf *b, unsigned items)
{
    static const char *const names[] = {"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE",
                                        "HIGHESTMODSEQ", "APPENDLIMIT", "MAILBOXID", "DELETED-STORAGE"};
    buf_char(b, '(');
    rewrite_bits(b, items, names);
    buf_char(b, ')');
}

static void rewrite_flags(struct buf *b, const struct imap_flags *f)
{
    imap_put_flags(b, f->known, NULL, 0);
    b->n--;
    for (size_t i = 0; i < f->keywords.n; i++) {
        if (i || f->known) buf_char(b, ' ');
        buf_add(b, f->keywords.v[i]);
    }
    buf_char(b, ')');
}

static void rewrite_partial(struct buf *b, const struct imap_partial *p)
{
    const char *sign = p->from_end ? "-" : "";
    buf_printf(b, "PARTIAL %s%u:%s%u", sign, p->first, sign, p->last);
}

static void rewrite_select(struct buf *b, const struct imap_select *q)
{
    buf_char(b, ' ');
    imap_put_astring(b, q->mailbox, false);
    if (q->condstore && !q->qresync) buf_lit(b, " (CONDSTORE)");
    if (!q->qresync) return;
    buf_printf(b, " (QRESYNC (%u %llu", q->uidvalidity, (unsigned long long)q->modseq);
    if (q->has_known) {
        buf_char(b, ' ');
        rewrite_set(b, &q->known_uids);
    }
    if (q->has_match) {
        buf_lit(b, " (");
        rewrite_set(b, &q->match_numbers);
        buf_char(b, ' ');
        rewrite_set(b, &q->match_uids);
        buf_char(b, ')');
    }
    buf_lit(b, "))");
}

static void rewrite_options(struct buf *b, const struct imap_metadata_options *o)
{
    static const char *const depths[] = {"0", "1", "infinity"};
    buf_char(b, '(');
    if (o->has_maxsize) buf_printf(b, "MAXSIZE %u ", o->maxsize);
    buf_printf(b, "DEPTH %s)", depths[o->depth]);
}

static void rewrite_list(struct buf *b, const struct imap_list *l)
{
    static const char *const select[] = {"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"};
    static const char *const returns[] = {"SUBSCRIBED", "CHILDREN", "SPECIAL-USE"};
    bool first = true;
    if (l->extended) {
        buf_lit(b, " (");
        rewrite_bits(b, l->select, select);
        buf_char(b, ')');
    }
    buf_char(b, ' ');
    imap_put_astring(b, l->reference, false);
    buf_char(b, ' ');
    rewrite_strings(b, &l->patterns, l->extended);
    if (!l->extended) return;
    buf_lit(b, " RETURN (");
    for (unsigned bit = 0; bit < 3; bit++) {
        if (!(l->returns >> bit & 1)) continue;
        buf_printf(b, first ? "%s" : " %s", returns[bit]);
        first = false;
    }
    if (l->returns & IMAP_RETURN_STATUS) {
        buf_add(b, first ? S("STATUS ") : S(" STATUS "));
        rewrite_status(b, l->status);
        first = false;
    }
    if (l->returns & IMAP_RETURN_MYRIGHTS) {
        buf_add(b, first ? S("MYRIGHTS") : S(" MYRIGHTS"));
        first = false;
    }
    if (l->returns & IMAP_RETURN_METADATA) {
        buf_add(b, first ? S("METADATA ") : S(" METADATA "));
        rewrite_options(b, &l->metadata_options);
        buf_char(b, ' ');
        rewrite_strings(b, &l->metadata, true);
    }
    buf_char(b, ')');
}

static void rewrite_items(struct buf *b, const struct imap_fetch_items *items)
{
    static const char *const names[] = {
        [IMAP_ATT_ENVELOPE] = "ENVELOPE",
        [IMAP_ATT_FLAGS] = "FLAGS",
        [IMAP_ATT_INTERNALDATE] = "INTERNALDATE",
        [IMAP_ATT_RFC822] = "RFC822",
        [IMAP_ATT_RFC822_HEADER] = "RFC822.HEADER",
        [IMAP_ATT_RFC822_SIZE] = "RFC822.SIZE",
        [IMAP_ATT_RFC822_TEXT] = "RFC822.TEXT",
        [IMAP_ATT_BODY] = "BODY",
        [IMAP_ATT_BODYSTRUCTURE] = "BODYSTRUCTURE",
        [IMAP_ATT_UID] = "UID",
        [IMAP_ATT_SECTION] = "BODY",
        [IMAP_ATT_BINARY] = "BINARY",
        [IMAP_ATT_BINARY_SIZE] = "BINARY.SIZE",
        [IMAP_ATT_MODSEQ] = "MODSEQ",
        [IMAP_ATT_EMAILID] = "EMAILID",
        [IMAP_ATT_THREADID] = "THREADID",
        [IMAP_ATT_PREVIEW] = "PREVIEW",
        [IMAP_ATT_SAVEDATE] = "SAVEDATE",
    };
    buf_char(b, '(');
    for (size_t i = 0; i < items->n; i++) {
        const struct imap_fetch_item *item = &items->v[i];
        bool section = item->attribute == IMAP_ATT_SECTION || item->attribute == IMAP_ATT_BINARY;
        if (i) buf_char(b, ' ');
        buf_add(b, str_c(names[item->attribute]));
        if (section && item->peek) buf_lit(b, ".PEEK");
        if (section || item->attribute == IMAP_ATT_BINARY_SIZE) imap_put_section(b, &item->section);
        if (item->partial)
            buf_printf(b, "<%llu.%llu>", (unsigned long long)item->offset, (unsigned long long)item->length);
        if (item->lazy) buf_lit(b, " (LAZY)");
    }
    buf_char(b, ')');
}

static void rewrite_fetch(struct buf *b, const struct imap_fetch *f)
{
    buf_char(b, ' ');
    rewrite_set(b, &f->set);
    buf_char(b, ' ');
    rewrite_items(b, &f->items);
    if (!f->has_changedsince && !f->partial.given) return;
    buf_lit(b, " (");
    if (f->has_changedsince) buf_printf(b, "CHANGEDSINCE %llu", (unsigned long long)f->changedsince);
    if (f->vanished) buf_lit(b, " VANISHED");
    if (f->partial.given && f->has_changedsince) buf_char(b, ' ');
    if (f->partial.given) rewrite_partial(b, &f->partial);
    buf_char(b, ')');
}

static void rewrite_store(struct buf *b, const struct imap_store *s)
{
    buf_char(b, ' ');
    rewrite_set(b, &s->set);
    if (s->has_unchangedsince) buf_printf(b, " (UNCHANGEDSINCE %llu)", (unsigned long long)s->unchangedsince);
    buf_add(b, s->how == IMAP_STORE_ADD ? S(" +FLAGS") : s->how == IMAP_STORE_REMOVE ? S(" -FLAGS") : S(" FLAGS"));
    buf_add(b, s->silent ? S(".SILENT ") : S(" "));
    rewrite_flags(b, &s->flags);
}

static void rewrite_day(struct buf *b, utc_us day)
{
    struct civil c = civil_of(day, 0);
    buf_printf(b, "%d-%s-%04d", c.day, time_month_names[c.month - 1], c.year);
}

static void rewrite_key(struct buf *b, const struct imap_key *k);

static void rewrite_children(struct buf *b, const struct imap_key *k)
{
    for (const struct imap_key *child = k->children; child; child = child->next) {
        if (k->kind == IMAP_KEY_OR && child->next) buf_lit(b, "OR ");
        rewrite_key(b, child);
        if (child->next) buf_char(b, ' ');
    }
}

static void rewrite_key(struct buf *b, const struct imap_key *k)
{
    static const char *const names[] = {
        [IMAP_KEY_ALL] = "ALL", [IMAP_KEY_NOT] = "NOT ", [IMAP_KEY_FUZZY] = "FUZZY ", [IMAP_KEY_UID] = "UID ",
        [IMAP_KEY_KEYWORD] = "KEYWORD ", [IMAP_KEY_RECENT] = "RECENT", [IMAP_KEY_BCC] = "BCC ",
        [IMAP_KEY_BODY] = "BODY ", [IMAP_KEY_CC] = "CC ", [IMAP_KEY_FROM] = "FROM ", [IMAP_KEY_HEADER] = "HEADER ",
        [IMAP_KEY_SUBJECT] = "SUBJECT ", [IMAP_KEY_TEXT] = "TEXT ", [IMAP_KEY_TO] = "TO ",
        [IMAP_KEY_BEFORE] = "BEFORE ", [IMAP_KEY_ON] = "ON ", [IMAP_KEY_SINCE] = "SINCE ",
        [IMAP_KEY_SENTBEFORE] = "SENTBEFORE ", [IMAP_KEY_SENTON] = "SENTON ", [IMAP_KEY_SENTSINCE] = "SENTSINCE ",
        [IMAP_KEY_SAVEDBEFORE] = "SAVEDBEFORE ", [IMAP_KEY_SAVEDON] = "SAVEDON ",
        [IMAP_KEY_SAVEDSINCE] = "SAVEDSINCE ", [IMAP_KEY_SAVEDATESUPPORTED] = "SAVEDATESUPPORTED",
        [IMAP_KEY_LARGER] = "LARGER ", [IMAP_KEY_SMALLER] = "SMALLER ", [IMAP_KEY_OLDER] = "OLDER ",
        [IMAP_KEY_YOUNGER] = "YOUNGER ", [IMAP_KEY_MODSEQ] = "MODSEQ ", [IMAP_KEY_EMAILID] = "EMAILID ",
        [IMAP_KEY_THREADID] = "THREADID ",
    };
    if (k->kind < sizeof names / sizeof *names && names[k->kind]) buf_add(b, str_c(names[k->kind]));
    switch (k->kind) {
    case IMAP_KEY_AND:
        buf_char(b, '(');
        rewrite_children(b, k);
        buf_char(b, ')');
        break;
    case IMAP_KEY_OR:
    case IMAP_KEY_NOT:
    case IMAP_KEY_FUZZY: rewrite_children(b, k); break;
    case IMAP_KEY_NUMBERS:
    case IMAP_KEY_UID: rewrite_set(b, &k->set); break;
    case IMAP_KEY_FLAG: {
        struct str name = imap_flag_name((unsigned)__builtin_ctz(k->flag));
        if (name.p[0] == '$') buf_lit(b, "KEYWORD $");
        for (size_t i = 1; i < name.n; i++) buf_char(b, name.p[0] == '$' ? name.p[i] : ch_upper(name.p[i]));
        break;
    }
    case IMAP_KEY_BEFORE:
    case IMAP_KEY_ON:
    case IMAP_KEY_SINCE:
    case IMAP_KEY_SENTBEFORE:
    case IMAP_KEY_SENTON:
    case IMAP_KEY_SENTSINCE:
    case IMAP_KEY_SAVEDBEFORE:
    case IMAP_KEY_SAVEDON:
    case IMAP_KEY_SAVEDSINCE: rewrite_day(b, k->day); break;
    case IMAP_KEY_LARGER:
    case IMAP_KEY_SMALLER:
    case IMAP_KEY_OLDER:
    case IMAP_KEY_YOUNGER:
    case IMAP_KEY_MODSEQ: buf_u64(b, k->number); break;
    case IMAP_KEY_HEADER:
        imap_put_astring(b, k->field, false);
        buf_char(b, ' ');
        imap_put_astring(b, k->text, false);
        break;
    case IMAP_KEY_ALL:
    case IMAP_KEY_RECENT:
    case IMAP_KEY_SAVEDATESUPPORTED: break;
    case IMAP_KEY_KEYWORD:
    case IMAP_KEY_BCC:
    case IMAP_KEY_BODY:
    case IMAP_KEY_CC:
    case IMAP_KEY_FROM:
    case IMAP_KEY_SUBJECT:
    case IMAP_KEY_TEXT:
    case IMAP_KEY_TO:
    case IMAP_KEY_EMAILID:
    case IMAP_KEY_THREADID: imap_put_astring(b, k->text, false); break;
    }
}

static void rewrite_filter(struct buf *b, const struct imap_filter *f)
{
    static const char *const names[] = {"selected",   "selected-delayed", "personal",    "inboxes",
                                        "subscribed", "subtree",          "subtree-one", "mailboxes"};
    buf_add(b, str_c(names[f->kind]));
    if (f->names.n == 0) return;
    buf_char(b, ' ');
    rewrite_strings(b, &f->names, true);
}

static void rewrite_search(struct buf *b, const struct imap_command *c)
{
    static const char *const returns[] = {"MIN", "MAX", "ALL", "COUNT", "SAVE", "UPDATE", "CONTEXT", "RELEVANCY"};
    static const char *const sorts[] = {"ARRIVAL", "CC", "DATE", "FROM", "SIZE",
                                        "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO", "RELEVANCY"};
    static const char *const threads[] = {"ORDEREDSUBJECT", "REFERENCES", "OTHER"};
    const struct imap_search *s = &c->search;
    for (size_t i = 0; i < s->n_sources; i++) {
        buf_add(b, i ? S(" ") : S(" IN ("));
        rewrite_filter(b, &s->sources[i]);
    }
    if (s->n_sources) buf_char(b, ')');
    if (s->extended) {
        unsigned plain = s->returns & ~(unsigned)IMAP_SEARCH_PARTIAL;
        if (s->fetch.n) plain &= ~(unsigned)IMAP_SEARCH_UPDATE;
        buf_lit(b, " RETURN (");
        if (s->fetch.n) {
            buf_lit(b, "UPDATE ");
            rewrite_items(b, &s->fetch);
            if (plain) buf_char(b, ' ');
        }
        rewrite_bits(b, plain, returns);
        if ((plain || s->fetch.n) && s->partial.given) buf_char(b, ' ');
        if (s->partial.given) rewrite_partial(b, &s->partial);
        buf_char(b, ')');
    }
    if (c->verb == IMAP_SORT) {
        buf_lit(b, " (");
        for (size_t i = 0; i < s->n_sort; i++)
            buf_printf(b, "%s%s%s", i ? " " : "", s->sort[i].reverse ? "REVERSE " : "", sorts[s->sort[i].by]);
        buf_char(b, ')');
    }
    if (c->verb == IMAP_THREAD) buf_printf(b, " %s", threads[s->thread]);
    if (c->verb == IMAP_SORT || c->verb == IMAP_THREAD) rewrite_word(b, "", s->charset);
    else if (!str_is_none(s->charset)) rewrite_word(b, " CHARSET", s->charset);
    buf_char(b, ' ');
    rewrite_children(b, s->key);
}

static void rewrite_notify(struct buf *b, const struct imap_notify *n)
{
    static const char *const events[] = {
        "MessageNew",  "MessageExpunge",     "FlagChange",            "AnnotationChange",
        "MailboxName", "SubscriptionChange", "MailboxMetadataChange", "ServerMetadataChange", "Other"};
    buf_add(b, n->none ? S(" NONE") : n->status ? S(" SET STATUS") : S(" SET"));
    for (size_t i = 0; i < n->n; i++) {
        const struct imap_event_group *g = &n->groups[i];
        buf_lit(b, " (");
        rewrite_filter(b, &g->filter);
        if (g->events == 0) {
            buf_lit(b, " NONE)");
            continue;
        }
        buf_lit(b, " (");
        if (g->fetch.n) {
            buf_lit(b, "MessageNew ");
            rewrite_items(b, &g->fetch);
            if (g->events & ~1u) buf_char(b, ' ');
        }
        rewrite_bits(b, g->fetch.n ? g->events & ~1u : g->events, events);
        buf_lit(b, "))");
    }
}

static void rewrite_pairs(struct buf *b, const struct imap_pairs *p)
{
    buf_lit(b, " (");
    for (size_t i = 0; i < p->n; i++) {
        if (i) buf_char(b, ' ');
        imap_put_string(b, p->v[i].name, false);
        buf_char(b, ' ');
        if (p->v[i].value.n && memchr(p->v[i].value.p, 0, p->v[i].value.n)) {
            imap_put_literal_head(b, p->v[i].value.n, true);
            buf_add(b, p->v[i].value);
        } else {
            imap_put_nstring(b, p->v[i].value, false);
        }
    }
    buf_char(b, ')');
}

static void rewrite_admin(struct buf *b, const struct imap_command *c)
{
    if (c->verb == IMAP_GETMETADATA || c->verb == IMAP_SETMETADATA) {
        if (c->verb == IMAP_GETMETADATA) buf_char(b, ' ');
        if (c->verb == IMAP_GETMETADATA) rewrite_options(b, &c->metadata.options);
        rewrite_word(b, "", c->metadata.mailbox);
        if (c->verb == IMAP_GETMETADATA) buf_char(b, ' ');
        if (c->verb == IMAP_GETMETADATA) rewrite_strings(b, &c->metadata.entries, true);
        else rewrite_pairs(b, &c->metadata.values);
        return;
    }
    if (c->verb == IMAP_GETQUOTA || c->verb == IMAP_GETQUOTAROOT || c->verb == IMAP_SETQUOTA) {
        rewrite_word(b, "", c->quota.root);
        if (c->verb != IMAP_SETQUOTA) return;
        buf_lit(b, " (");
        for (size_t i = 0; i < c->quota.n; i++) {
            if (i) buf_char(b, ' ');
            buf_add(b, c->quota.limits[i].resource);
            buf_char(b, ' ');
            buf_u64(b, c->quota.limits[i].limit);
        }
        buf_char(b, ')');
        return;
    }
    rewrite_word(b, "", c->acl.mailbox);
    if (c->verb == IMAP_SETACL || c->verb == IMAP_DELETEACL || c->verb == IMAP_LISTRIGHTS)
        rewrite_word(b, "", c->acl.identifier);
    if (c->verb != IMAP_SETACL) return;
    buf_lit(b, " \"");
    if (c->acl.how) buf_char(b, c->acl.how);
    buf_add(b, c->acl.rights);
    buf_char(b, '"');
}

/* A right command; of APPEND and REPLACE up to the literal's head. */
static inline void rewrite(struct buf *b, const struct imap_command *c)
{
    buf_add(b, c->tag);
    buf_add(b, c->uid ? S(" UID ") : S(" "));
    buf_add(b, imap_verb_name(c->verb));
    switch (c->verb) {
    case IMAP_AUTHENTICATE:
        buf_char(b, ' ');
        buf_add(b, c->authenticate.mechanism);
        if (!str_is_none(c->authenticate.initial)) rewrite_word(b, "", c->authenticate.initial);
        break;
    case IMAP_LOGIN:
        rewrite_word(b, "", c->login.user);
        rewrite_word(b, "", c->login.password);
        break;
    case IMAP_ENABLE:
    case IMAP_CANCELUPDATE:
        buf_char(b, ' ');
        rewrite_strings(b, &c->words, false);
        break;
    case IMAP_ID: rewrite_pairs(b, &c->id); break;
    case IMAP_DELETE:
    case IMAP_SUBSCRIBE:
    case IMAP_UNSUBSCRIBE:
    case IMAP_COMPRESS: rewrite_word(b, "", c->mailbox); break;
    case IMAP_SELECT:
    case IMAP_EXAMINE: rewrite_select(b, &c->select); break;
    case IMAP_CREATE:
        rewrite_word(b, "", c->create.mailbox);
        if (c->create.uses.n == 0) break;
        buf_lit(b, " (USE (");
        for (size_t i = 0; i < c->create.uses.n; i++) {
            if (i) buf_char(b, ' ');
            buf_add(b, c->create.uses.v[i]);
        }
        buf_lit(b, "))");
        break;
    case IMAP_RENAME:
        rewrite_word(b, "", c->rename.from);
        rewrite_word(b, "", c->rename.to);
        break;
    case IMAP_LIST:
    case IMAP_LSUB: rewrite_list(b, &c->list); break;
    case IMAP_STATUS:
        rewrite_word(b, "", c->status.mailbox);
        buf_char(b, ' ');
        rewrite_status(b, c->status.items);
        break;
    case IMAP_APPEND:
    case IMAP_REPLACE:
        if (c->append.replaces_last) buf_lit(b, " *");
        else if (c->append.replaces) buf_printf(b, " %u", c->append.replaces);
        rewrite_word(b, "", c->append.mailbox);
        buf_char(b, ' ');
        rewrite_flags(b, &c->append.message.flags);
        buf_char(b, ' ');
        if (c->append.message.has_date) imap_put_date_time(b, c->append.message.date, c->append.message.offset);
        if (c->append.message.has_date) buf_char(b, ' ');
        if (c->append.message.utf8) buf_lit(b, "UTF8 (");
        if (c->append.message.literal.binary) buf_char(b, '~');
        buf_char(b, '{');
        buf_u64(b, c->append.message.literal.size);
        buf_add(b, c->append.message.literal.non_sync ? S("+}") : S("}"));
        break;
    case IMAP_FETCH: rewrite_fetch(b, &c->fetch); break;
    case IMAP_STORE: rewrite_store(b, &c->store); break;
    case IMAP_COPY:
    case IMAP_MOVE:
        buf_char(b, ' ');
        rewrite_set(b, &c->copy.set);
        rewrite_word(b, "", c->copy.mailbox);
        break;
    case IMAP_EXPUNGE:
        if (c->uid) buf_char(b, ' ');
        rewrite_set(b, &c->expunge);
        break;
    case IMAP_SEARCH:
    case IMAP_SORT:
    case IMAP_THREAD:
    case IMAP_ESEARCH: rewrite_search(b, c); break;
    case IMAP_NOTIFY: rewrite_notify(b, &c->notify); break;
    case IMAP_GETACL:
    case IMAP_SETACL:
    case IMAP_DELETEACL:
    case IMAP_LISTRIGHTS:
    case IMAP_MYRIGHTS:
    case IMAP_GETQUOTA:
    case IMAP_GETQUOTAROOT:
    case IMAP_SETQUOTA:
    case IMAP_GETMETADATA:
    case IMAP_SETMETADATA: rewrite_admin(b, c); break;
    default: break;
    }
}

#endif
