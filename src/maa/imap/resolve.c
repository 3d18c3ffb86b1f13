/* Which letters a command means: sequence sets (RFC 9051 §9) and "$" (RFC 5182) as UIDs of the letters shown. */
#include "maa/imap/session.h"
#include "mail/limits.h"

/* The letters of UIDs first to last that are there. */
static void add_uids(struct arena *a, const struct snapshot *shown, uid first, uid last, struct uid_set *out)
{
    struct walk w = walk_from(shown, snapshot_seq_from(shown, first));
    while (walk_next(&w) && w.entry->uid <= last) uid_set_add(a, out, w.entry->uid, w.entry->uid);
}

static void add_numbers(struct arena *a, const struct snapshot *shown, uint32_t first, uint32_t last,
                        struct uid_set *out)
{
    struct walk w = walk_from(shown, first);
    for (uint32_t n = last - first + 1; n-- > 0 && walk_next(&w);) uid_set_add(a, out, w.entry->uid, w.entry->uid);
}

int imap_resolve(struct imap_session *s, const struct imap_set *set, bool uids, struct uid_set *out)
{
    const struct snapshot *shown = s->selected->shown;
    const struct view_entry *last = snapshot_at(shown, shown->count);
    struct uid_set meant;
    *out = (struct uid_set){0};
    if (set->saved) {
        meant = s->selected->saved;
        uids = true;
    } else {
        if (!uids && (s->enabled & IMAP_UIDONLY || !last)) return ERR_SYNTAX; /* also "*" of an empty mailbox */
        meant = imap_set_resolve(s->cmd, set, !last ? 0 : uids ? last->uid : shown->count);
        if (!uids && meant.n && (meant.v[0].first == 0 || meant.v[meant.n - 1].last > shown->count)) return ERR_SYNTAX;
    }
    for (size_t i = 0; i < meant.n; i++) {
        if (uids) add_uids(s->cmd, shown, meant.v[i].first, meant.v[i].last, out);
        else add_numbers(s->cmd, shown, meant.v[i].first, meant.v[i].last, out);
    }
    return 0;
}
