/* Commands on mailboxes: SELECT and EXAMINE with CONDSTORE and QRESYNC (RFC 7162), CREATE with uses (RFC 6154), LIST in
 * all its forms (RFC 5258 and what was built on it), LSUB, STATUS. */
#include "proto/imap/parse.h"

/* --- SELECT, EXAMINE --- */

/* "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")" (RFC 7162 §7) */
static bool read_qresync(struct imap_scan *s, struct imap_select *q)
{
    q->qresync = q->condstore = true;
    if (!scan_space(s) || !scan_char(s, '(') || !scan_u32(s, 1, &q->uidvalidity) || !scan_space(s) ||
        !scan_modseq(s, &q->modseq))
        return false;
    bool more = scan_more(s);
    if (more && !scan_is(s, '(')) {
        q->has_known = true;
        if (!scan_set(s, &q->known_uids)) return false;
        more = scan_more(s);
    }
    if (more && scan_if(s, '(')) {
        q->has_match = true;
        if (!scan_set(s, &q->match_numbers) || !scan_space(s) || !scan_set(s, &q->match_uids) || !scan_char(s, ')'))
            return false;
        scan_more(s);
    }
    if (q->known_uids.from || q->match_numbers.from || q->match_uids.from || q->known_uids.saved ||
        q->match_numbers.saved || q->match_uids.saved)
        return scan_fail(s, "\"*\" and \"$\" are no known numbers");
    if (uid_set_count(&q->match_numbers.numbers) != uid_set_count(&q->match_uids.numbers))
        return scan_fail(s, "not as many message numbers as UIDs");
    return scan_char(s, ')');
}

static bool read_select_parameter(struct imap_scan *s, void *arg)
{
    struct imap_select *q = arg;
    if (scan_word_is(s, S("QRESYNC"))) return q->qresync ? scan_fail(s, "QRESYNC twice") : read_qresync(s, q);
    if (!scan_word_is(s, S("CONDSTORE"))) return scan_fail(s, "an unknown parameter");
    q->condstore = true;
    return true;
}

bool imap_read_select(struct imap_scan *s, struct imap_command *c)
{
    if (!scan_space(s) || !scan_astring(s, &c->select.mailbox)) return false;
    return !scan_more(s) || (scan_char(s, '(') && scan_list(s, false, read_select_parameter, &c->select));
}

/* --- CREATE --- */

static bool read_use(struct imap_scan *s, void *arg)
{
    struct imap_strings *uses = arg;
    struct str whole = s->rest, word;
    if (!scan_char(s, '\\') || !scan_atom(s, &word)) return false;
    if (uses->n == LIMIT_IMAP_WORDS) return scan_fail(s, "too many uses");
    imap_strings_add(s->a, uses, str_head(whole, word.n + 1));
    return true;
}

static bool read_create_parameter(struct imap_scan *s, void *arg)
{
    if (!scan_word_is(s, S("USE"))) return scan_fail(s, "an unknown parameter");
    return scan_space(s) && scan_char(s, '(') && scan_list(s, true, read_use, arg);
}

/* create-param = "USE" SP "(" [use-attr *(SP use-attr)] ")" (RFC 6154 §6) */
bool imap_read_create(struct imap_scan *s, struct imap_command *c)
{
    if (!scan_space(s) || !scan_astring(s, &c->create.mailbox)) return false;
    return !scan_more(s) || (scan_char(s, '(') && scan_list(s, true, read_create_parameter, &c->create.uses));
}

/* --- STATUS --- */

static bool read_status_item(struct imap_scan *s, void *arg)
{
    static const struct imap_word items[] = {
        {S_INIT("MESSAGES"), IMAP_STATUS_MESSAGES},
        {S_INIT("RECENT"), IMAP_STATUS_RECENT},
        {S_INIT("UIDNEXT"), IMAP_STATUS_UIDNEXT},
        {S_INIT("UIDVALIDITY"), IMAP_STATUS_UIDVALIDITY},
        {S_INIT("UNSEEN"), IMAP_STATUS_UNSEEN},
        {S_INIT("DELETED"), IMAP_STATUS_DELETED},
        {S_INIT("SIZE"), IMAP_STATUS_SIZE},
        {S_INIT("HIGHESTMODSEQ"), IMAP_STATUS_HIGHESTMODSEQ},
        {S_INIT("APPENDLIMIT"), IMAP_STATUS_APPENDLIMIT},
        {S_INIT("MAILBOXID"), IMAP_STATUS_MAILBOXID},
        {S_INIT("DELETED-STORAGE"), IMAP_STATUS_DELETED_STORAGE},
    };
    int item = IMAP_WORD(items, scan_word(s));
    if (item < 0) return scan_fail(s, "an unknown status item");
    *(unsigned *)arg |= (unsigned)item;
    return true;
}

bool imap_read_status_items(struct imap_scan *s, unsigned *items)
{
    return scan_char(s, '(') && scan_list(s, false, read_status_item, items);
}

bool imap_read_status(struct imap_scan *s, struct imap_command *c)
{
    return scan_space(s) && scan_astring(s, &c->status.mailbox) && scan_space(s) &&
           imap_read_status_items(s, &c->status.items);
}

/* --- LIST --- */

static bool read_selection(struct imap_scan *s, void *arg)
{
    static const struct imap_word options[] = {
        {S_INIT("SUBSCRIBED"), IMAP_SELECT_SUBSCRIBED},
        {S_INIT("REMOTE"), IMAP_SELECT_REMOTE},
        {S_INIT("RECURSIVEMATCH"), IMAP_SELECT_RECURSIVEMATCH},
        {S_INIT("SPECIAL-USE"), IMAP_SELECT_SPECIAL_USE},
    };
    int option = IMAP_WORD(options, scan_word(s));
    if (option < 0) return scan_fail(s, "an unknown selection option");
    *(unsigned *)arg |= (unsigned)option;
    return true;
}

static bool read_return(struct imap_scan *s, void *arg)
{
    static const struct imap_word options[] = {
        {S_INIT("SUBSCRIBED"), IMAP_RETURN_SUBSCRIBED},   {S_INIT("CHILDREN"), IMAP_RETURN_CHILDREN},
        {S_INIT("SPECIAL-USE"), IMAP_RETURN_SPECIAL_USE}, {S_INIT("STATUS"), IMAP_RETURN_STATUS},
        {S_INIT("MYRIGHTS"), IMAP_RETURN_MYRIGHTS},       {S_INIT("METADATA"), IMAP_RETURN_METADATA},
    };
    struct imap_list *l = arg;
    int option = IMAP_WORD(options, scan_word(s));
    if (option < 0) return scan_fail(s, "an unknown return option");
    l->returns |= (unsigned)option;
    if (option == IMAP_RETURN_STATUS) return scan_space(s) && imap_read_status_items(s, &l->status); /* RFC 5819 §3 */
    if (option == IMAP_RETURN_METADATA)
        return scan_space(s) && imap_read_entries(s, &l->metadata_options, &l->metadata);
    return true;
}

static bool read_pattern(struct imap_scan *s, void *arg)
{
    struct imap_strings *patterns = arg;
    struct str pattern;
    if (!scan_list_mailbox(s, &pattern)) return false;
    if (patterns->n == LIMIT_IMAP_WORDS) return scan_fail(s, "too many patterns");
    imap_strings_add(s->a, patterns, pattern);
    return true;
}

/* list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts] (RFC 9051 §9) */
bool imap_read_list(struct imap_scan *s, struct imap_command *c)
{
    struct imap_list *l = &c->list;
    if (!scan_space(s)) return false;
    if (scan_if(s, '(')) {
        l->extended = true;
        if (!scan_list(s, true, read_selection, &l->select) || !scan_space(s)) return false;
        /* RFC 9051 §6.3.9.1: neither alone nor with REMOTE alone */
        if (l->select & IMAP_SELECT_RECURSIVEMATCH && !(l->select & (IMAP_SELECT_SUBSCRIBED | IMAP_SELECT_SPECIAL_USE)))
            return scan_fail(s, "RECURSIVEMATCH needs something to match");
    }
    if (!scan_astring(s, &l->reference) || !scan_space(s)) return false;
    if (scan_if(s, '(')) {
        l->extended = true;
        if (!scan_list(s, false, read_pattern, &l->patterns)) return false;
    } else if (!read_pattern(s, &l->patterns)) {
        return false;
    }
    if (!scan_more(s)) return true;
    l->extended = true;
    if (!scan_word_is(s, S("RETURN"))) return scan_fail(s, "too many arguments");
    return scan_space(s) && scan_char(s, '(') && scan_list(s, true, read_return, l);
}

bool imap_read_lsub(struct imap_scan *s, struct imap_command *c)
{
    return scan_space(s) && scan_astring(s, &c->list.reference) && scan_space(s) && read_pattern(s, &c->list.patterns);
}
