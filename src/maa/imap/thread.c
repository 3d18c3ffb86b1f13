/* THREAD (RFC 5256 §3 to §5): ORDEREDSUBJECT, and REFERENCES by Jamie Zawinski's algorithm.
 *
 * Message ids are known by 64-bit hashes under the server's own key; letters' strings are not kept. */
#include "maa/imap/thread.h"

#include <stdlib.h>

#include "base/hash.h"
#include "mail/limits.h"

enum { PAGE = 1000 };

/* ---- what is known of the letters ---- */

static uint64_t hash_of(const struct hash_key *key, struct str s) { return s.n ? hash_sip(key, s) | 1 : 0; }

static FIBER int read_page(struct imap_session *s, struct imap_result *r, struct imap_threading *t, size_t from,
                           size_t n, struct error *e)
{
    const struct snapshot *shown = s->selected->shown;
    bool by_references = t->algorithm == IMAP_THREAD_REFERENCES;
    struct arena *page = arena_new(r->arena, 0);
    struct search_facts *facts = arena_array(page, n, sizeof *facts);
    int64_t *emails = arena_array(page, n, sizeof *emails);
    for (size_t i = 0; i < n; i++) emails[i] = r->v[from + i].entry->email;
    unsigned want = FACT_SENT | FACT_SUBJECT | (by_references ? FACT_IDS | FACT_REFERENCES : 0u);
    int bad = store_search_facts(s->service->store, page, shown->account, emails, n, want, NULL, NULL, facts, e);
    for (size_t i = 0; i < n && !bad; i++) {
        const struct imap_found *found = &r->v[from + i];
        struct imap_thread_letter *l = &t->letters[from + i];
        struct walk w = walk_from(shown, found->seq);
        const struct view_facts *view = walk_next(&w) ? w.chunk->facts : NULL;
        utc_us received = view ? view->received[found->entry->uid % 128] : 0;
        *l = (struct imap_thread_letter){.number = t->uids ? found->entry->uid : found->seq,
                                         .sent = facts[i].sent ? facts[i].sent : received,
                                         .subject = arena_str(r->arena, facts[i].subject),
                                         .reply = facts[i].reply,
                                         .id = hash_of(&t->key, facts[i].message_id),
                                         .n_references = facts[i].n_references};
        l->references = arena_array(r->arena, l->n_references, sizeof *l->references);
        for (size_t k = 0; k < l->n_references; k++) l->references[k] = hash_of(&t->key, facts[i].references[k]);
        bad = imap_room(r->room, 0, e);
    }
    arena_free(page);
    return bad;
}

static void run_threading(void *threading) { imap_thread(threading); }

FIBER struct imap_done imap_on_thread(struct imap_session *s, const struct imap_command *c)
{
    struct imap_result r;
    struct imap_done refusal;
    struct error why = {0};
    if (c->search.thread == IMAP_THREAD_UNKNOWN) return imap_bad(S("that way of threading is not known here"));
    if (!imap_search_charset(s, &c->search, &refusal)) return refusal;
    if (imap_search_names_modseq(c->search.key)) imap_enable(s, IMAP_CONDSTORE); /* RFC 7162 §3.1 */
    int e = imap_search_run(s, &c->search, s->selected->shown, true, &r, &why);
    const struct snapshot *shown = s->selected->shown;
    if (!e) e = store_view_facts(s->service->store, shown, 0, shown->n_chunks, &why);
    if (e) return imap_search_failed(s, &c->search, e, &why);
    struct imap_threading t = {.algorithm = c->search.thread,
                               .uids = c->uid,
                               .key = world_hash_key(loop_world(loop_self())),
                               .arena = r.arena,
                               .n = r.n};
    struct imap_progress p;
    imap_progress_begin(&p, s, r.n);
    e = imap_room(r.room, r.n * sizeof *t.letters, &why);
    if (e) return imap_search_failed(s, &c->search, e, &why);
    t.letters = arena_array(r.arena, r.n, sizeof *t.letters);
    t.out = buf_in(r.arena, SIZE_MAX / 2);
    for (size_t at = 0; at < r.n && !e; at += PAGE) {
        e = read_page(s, &r, &t, at, r.n - at < PAGE ? r.n - at : PAGE, &why);
        if (!e && !imap_progress(&p, at)) e = ERR_CANCELLED;
    }
    if (!e) e = imap_room(r.room, imap_thread_memory(&t), &why);
    if (e) return imap_search_failed(s, &c->search, e, &why);
    offload(run_threading, &t);
    imap_put(s, buf_str(t.out));
    return imap_ok(STR_NONE, S("threaded"));
}
