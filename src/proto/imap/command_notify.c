/* NOTIFY (RFC 5465 §8) and the mailbox filters it shares with ESEARCH (RFC 7377 §3). */
#include "proto/imap/parse.h"

/* --- filters --- */

static bool read_name(struct imap_scan *s, void *arg)
{
    struct imap_strings *names = arg;
    struct str name;
    if (!scan_astring(s, &name)) return false;
    if (names->n == LIMIT_IMAP_WORDS) return scan_fail(s, "too many mailboxes");
    imap_strings_add(s->a, names, name);
    return true;
}

/* filter-mailboxes; one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")" */
bool imap_read_filter(struct imap_scan *s, bool of_notify, struct imap_filter *f)
{
    static const struct imap_word kinds[] = {
        {S_INIT("selected"), IMAP_FILTER_SELECTED},       {S_INIT("selected-delayed"), IMAP_FILTER_SELECTED_DELAYED},
        {S_INIT("personal"), IMAP_FILTER_PERSONAL},       {S_INIT("inboxes"), IMAP_FILTER_INBOXES},
        {S_INIT("subscribed"), IMAP_FILTER_SUBSCRIBED},   {S_INIT("subtree"), IMAP_FILTER_SUBTREE},
        {S_INIT("subtree-one"), IMAP_FILTER_SUBTREE_ONE}, {S_INIT("mailboxes"), IMAP_FILTER_MAILBOXES},
    };
    *f = (struct imap_filter){0};
    int kind = IMAP_WORD(kinds, scan_word(s));
    if (kind < 0 || kind == (of_notify ? IMAP_FILTER_SUBTREE_ONE : IMAP_FILTER_SELECTED_DELAYED))
        return scan_fail(s, "an unknown mailbox filter");
    f->kind = (__typeof__(f->kind))kind;
    if (kind != IMAP_FILTER_SUBTREE && kind != IMAP_FILTER_SUBTREE_ONE && kind != IMAP_FILTER_MAILBOXES) return true;
    if (!scan_space(s)) return false;
    return scan_if(s, '(') ? scan_list(s, false, read_name, &f->names) : read_name(s, &f->names);
}

/* --- events --- */

static bool read_event(struct imap_scan *s, void *arg)
{
    static const struct imap_word events[] = {
        {S_INIT("MessageNew"), IMAP_EVENT_MESSAGE_NEW},
        {S_INIT("MessageExpunge"), IMAP_EVENT_MESSAGE_EXPUNGE},
        {S_INIT("FlagChange"), IMAP_EVENT_FLAG_CHANGE},
        {S_INIT("AnnotationChange"), IMAP_EVENT_ANNOTATION_CHANGE},
        {S_INIT("MailboxName"), IMAP_EVENT_MAILBOX_NAME},
        {S_INIT("SubscriptionChange"), IMAP_EVENT_SUBSCRIPTION_CHANGE},
        {S_INIT("MailboxMetadataChange"), IMAP_EVENT_MAILBOX_METADATA_CHANGE},
        {S_INIT("ServerMetadataChange"), IMAP_EVENT_SERVER_METADATA_CHANGE},
    };
    struct imap_event_group *g = arg;
    struct str name;
    if (!scan_atom(s, &name)) return false;
    int event = IMAP_WORD(events, name);
    g->events |= event < 0 ? IMAP_EVENT_UNKNOWN : (unsigned)event;
    if (event != IMAP_EVENT_MESSAGE_NEW || !str_starts(s->rest, S(" ("))) return true;
    s->rest = str_skip(s->rest, 2);
    if (g->filter.kind != IMAP_FILTER_SELECTED && g->filter.kind != IMAP_FILTER_SELECTED_DELAYED)
        return scan_fail(s, "attributes are for selected mailboxes"); /* RFC 5465 §5.2 */
    return imap_read_fetch_items(s, &g->fetch);
}

/* RFC 5465 §5: MessageNew and MessageExpunge go together; flags and annotations need them; only what happens to
 * messages can be asked for of the selected mailbox alone (§6.1) */
static bool check_events(struct imap_scan *s, const struct imap_event_group *g)
{
    bool new = g->events &IMAP_EVENT_MESSAGE_NEW, expunge = g->events &IMAP_EVENT_MESSAGE_EXPUNGE;
    if (new != expunge) return scan_fail(s, "MessageNew and MessageExpunge go together");
    if (g->events & (IMAP_EVENT_FLAG_CHANGE | IMAP_EVENT_ANNOTATION_CHANGE) && !new)
        return scan_fail(s, "changes of flags need MessageNew and MessageExpunge");
    bool selected = g->filter.kind == IMAP_FILTER_SELECTED || g->filter.kind == IMAP_FILTER_SELECTED_DELAYED;
    unsigned others = IMAP_EVENT_MAILBOX_NAME | IMAP_EVENT_SUBSCRIPTION_CHANGE | IMAP_EVENT_MAILBOX_METADATA_CHANGE |
                      IMAP_EVENT_SERVER_METADATA_CHANGE;
    return selected && g->events & others ? scan_fail(s, "only events of messages are for selected mailboxes") : true;
}

/* event-group = "(" filter-mailboxes SP events ")"; events = "(" event *(SP event) ")" / "NONE" */
static bool read_group(struct imap_scan *s, struct imap_event_group *g)
{
    *g = (struct imap_event_group){0};
    if (!scan_char(s, '(') || !imap_read_filter(s, true, &g->filter) || !scan_space(s)) return false;
    if (scan_if(s, '(')) {
        if (!scan_list(s, false, read_event, g) || !check_events(s, g)) return false;
    } else if (!scan_word_is(s, S("NONE"))) {
        return scan_fail(s, "a list of events is missing");
    }
    return scan_char(s, ')');
}

/* notify = "NOTIFY" SP ("SET" [SP "STATUS"] SP event-groups / "NONE") */
bool imap_read_notify(struct imap_scan *s, struct imap_command *c)
{
    struct imap_notify *n = &c->notify;
    if (!scan_space(s)) return false;
    n->none = scan_word_is(s, S("NONE"));
    if (n->none) return true;
    if (!scan_word_is(s, S("SET"))) return scan_fail(s, "SET or NONE is missing");
    if (!scan_space(s)) return false;
    n->status = scan_word_is(s, S("STATUS"));
    if (n->status && !scan_space(s)) return false;
    do {
        struct imap_event_group g;
        if (!read_group(s, &g)) return false;
        if (n->n == LIMIT_IMAP_WORDS) return scan_fail(s, "too many groups of events");
        n->groups = arena_grow(s->a, n->groups, n->n, &n->cap, sizeof *n->groups);
        n->groups[n->n++] = g;
    } while (scan_more(s));
    return true;
}
