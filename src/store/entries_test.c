/* Set operations on what is in mailboxes (entries.h), in both worlds' shape: flags and keywords with rights and
 * UNCHANGEDSINCE, expunging and what is remembered of it, COPY and MOVE within an account and between accounts, APPEND
 * and REPLACE, quota. */
#include "store/keywords.h"
#include "store/testing.h"
#include "store/view.h"

struct two { /* bob's two mailboxes, and ann's */
    struct testing *t;
    int64_t archive, ann, ann_inbox;
};

static FIBER int64_t mailbox_by_use(struct testing *t, int64_t account, enum special_use use)
{
    struct error e = {0};
    struct mailbox_info m;
    ok(store_mailbox_by_use(t->store, t->arena, account, use, &m, &e), &e);
    return m.id;
}

static FIBER struct two begin(struct testing *t, int letters)
{
    struct error e = {0};
    testing_account(t);
    for (int i = 0; i < letters; i++) ok(letter_accept(t, S("Subject: x\r\n\r\nhello\r\n"), 0, NULL, &e), &e);
    struct two w = {.t = t, .archive = mailbox_by_use(t, t->account, USE_ARCHIVE), .ann = add_account(t, "ann")};
    w.ann_inbox = directory_account_by_id(store_directory_in(t->arena, t->store), w.ann)->inbox;
    return w;
}

static FIBER void grant(struct testing *t, int64_t mailbox, int64_t who, const char *rights)
{
    struct error e = {0};
    struct buf b = BUF(200);
    buf_printf(&b, "INSERT INTO acl (mailbox, principal, rights) VALUES (%lld, %lld, '%s')", (long long)mailbox,
               (long long)who, rights);
    buf_char(&b, '\0');
    ok(db_exec(t->store->writer.db, b.p, &e), &e);
    buf_free(&b);
}

static struct uid_set uids(struct testing *t, uid first, uid last)
{
    struct uid_set s = {0};
    uid_set_add(t->arena, &s, first, last);
    return s;
}

/* "1:3,7" */
static const char *shown(struct testing *t, const struct uid_set *s)
{
    struct buf *b = buf_in(t->arena, SIZE_MAX);
    for (size_t i = 0; i < s->n; i++) {
        buf_printf(b, "%s%u", i ? "," : "", s->v[i].first);
        if (s->v[i].last != s->v[i].first) buf_printf(b, ":%u", s->v[i].last);
    }
    return arena_cstr(t->arena, buf_str(b));
}

/* Its letters: "uid:flags in hex", and what the counters say. */
static FIBER const char *state_of(struct testing *t, int64_t mailbox)
{
    struct error e = {0};
    struct view *v;
    struct buf *b = buf_in(t->arena, SIZE_MAX);
    ok(store_view_open(t->store, loop_self(), mailbox, NULL, NULL, &v, &e), &e);
    const struct snapshot *s = view_newest(v);
    for (struct walk w = walk_from(s, 1); walk_next(&w);) {
        buf_printf(b, "%s%u", w.seq > 1 ? " " : "", w.entry->uid);
        for (int i = 0; i < 32; i++)
            if (w.entry->flags & 1u << i) buf_printf(b, "%.*s", STR_FMT(s->keywords->name[i]));
    }
    buf_printf(b, "; %u, %u unseen, %u deleted, next %u", s->count, s->unseen, s->deleted, s->uid_next);
    snapshot_unref(s);
    store_view_close(v);
    return arena_cstr(t->arena, buf_str(b));
}

/* ---- flags ---- */

static FIBER int change(struct testing *t, struct flags_change *c, const char *const *names)
{
    struct error e = {0};
    struct str *keywords = arena_array(t->arena, 32, sizeof *keywords);
    for (c->n_keywords = 0; names && names[c->n_keywords]; c->n_keywords++)
        keywords[c->n_keywords] = str_c(names[c->n_keywords]);
    c->keywords = keywords;
    if (!c->mailbox) c->mailbox = t->inbox;
    if (!c->unchanged_since) c->unchanged_since = UINT64_MAX;
    return store_flags_change(t->store, t->arena, c, &e);
}

static FIBER void flags(void *arg)
{
    struct testing *t = arg;
    begin(t, 4);
    struct uid_set all = uids(t, 1, 9), some = uids(t, 2, 3);
    struct flags_change c = {.who = t->account, .uids = &some, .how = FLAGS_ADD, .flags = FLAG_SEEN | FLAG_DELETED};
    assert_int_equal(change(t, &c, TO("$Forwarded", "work")), 0);
    assert_string_equal(shown(t, &c.changed), "2:3");
    assert_string_equal(state_of(t, t->inbox), "1 2\\Seen\\Deleted$Forwardedwork 3\\Seen\\Deleted$Forwardedwork 4; 4, "
                                               "2 unseen, 2 deleted, next 5");
    uint64_t first = c.modseq;
    struct uid_set one = uids(t, 4, 4);
    c = (struct flags_change){.who = t->account, .uids = &one, .how = FLAGS_ADD};
    assert_int_equal(change(t, &c, TO("WORK", "Play")), 0); /* one keyword, whatever its case */
    assert_true(c.modseq > first);
    c = (struct flags_change){.who = t->account,
                              .uids = &all,
                              .how = FLAGS_REPLACE,
                              .flags = FLAG_FLAGGED,
                              .unchanged_since = first};
    assert_int_equal(change(t, &c, TO("play")), 0);
    assert_string_equal(shown(t, &c.refused), "4"); /* RFC 7162 §3.1.3 */
    assert_string_equal(shown(t, &c.changed), "1:3");
    c = (struct flags_change){.who = t->account, .uids = &all, .how = FLAGS_REMOVE};
    assert_int_equal(change(t, &c, TO("work", "unheard of")), 0);
    assert_string_equal(state_of(t, t->inbox),
                        "1\\FlaggedPlay 2\\FlaggedPlay 3\\FlaggedPlay 4Play; 4, 4 unseen, 0 deleted, next 5");
    c = (struct flags_change){.who = t->account, .uids = &all, .how = FLAGS_REMOVE, .flags = FLAG_SEEN};
    assert_int_equal(change(t, &c, NULL), 0);
    assert_true(c.changed.n == 0 && c.modseq == 0); /* nothing has changed */
    assert_sound(t);
}

static void test_flags(void **state)
{
    (void)state;
    twice(flags);
}

/* RFC 4314 §4: what one may not set is left as it is. */
static FIBER void flags_by_rights(void *arg)
{
    struct testing *t = arg;
    struct two w = begin(t, 2);
    struct uid_set all = uids(t, 1, 9);
    struct flags_change c = {.who = w.ann, .uids = &all, .how = FLAGS_ADD, .flags = FLAG_SEEN};
    assert_int_equal(change(t, &c, NULL), ERR_NOT_FOUND);
    grant(t, t->inbox, w.ann, "lrs");
    c = (struct flags_change){.who = w.ann, .uids = &all, .how = FLAGS_ADD, .flags = FLAG_DELETED};
    assert_int_equal(change(t, &c, TO("work")), ERR_DENIED);
    c = (struct flags_change){.who = t->account, .uids = &all, .how = FLAGS_REPLACE, .flags = FLAG_ANSWERED};
    assert_int_equal(change(t, &c, TO("mine")), 0);
    c = (struct flags_change){.who = w.ann, .uids = &all, .how = FLAGS_REPLACE, .flags = FLAG_SEEN | FLAG_DELETED};
    assert_int_equal(change(t, &c, TO("hers")), 0);
    assert_string_equal(state_of(t, t->inbox),
                        "1\\Seen\\Answeredmine 2\\Seen\\Answeredmine; 2, 0 unseen, 0 deleted, next 3");
    struct uid_set gone = {0};
    struct error e = {0};
    assert_int_equal(store_expunge_set(t->store, t->arena, w.ann, t->inbox, &all, false, &gone, &e), ERR_DENIED);
    assert_sound(t);
}

static void test_flags_by_rights(void **state)
{
    (void)state;
    twice(flags_by_rights);
}

static FIBER void fill(struct testing *t, struct new_letter *l, struct body_facts *facts, const char *text)
{
    struct error e = {0};
    l->body = body_begin(t->store, t->arena);
    ok(body_write(l->body, str_c(text), &e), &e);
    ok(body_finish(l->body, &e), &e);
    *facts = (struct body_facts){.version = 1, .sha256 = body_sha256(l->body)};
    l->facts = facts;
}

static FIBER void too_many_keywords(void *arg)
{
    struct testing *t = arg;
    begin(t, 1);
    struct uid_set all = uids(t, 1, 1), none = uids(t, 7, 9);
    char name[] = "kA";
    const char *names[] = {name, NULL};
    struct flags_change c = {.who = t->account, .uids = &none, .how = FLAGS_ADD};
    assert_int_equal(change(t, &c, TO("for nobody")), 0); /* takes no bit: 22 are left */
    for (int i = 0; i <= 22; i++, name[1]++) {
        c = (struct flags_change){.who = t->account, .uids = &all, .how = FLAGS_ADD};
        assert_int_equal(change(t, &c, names), i < 22 ? 0 : ERR_CONFLICT);
    }
    /* a new letter comes without what there is no room for */
    struct error e = {0};
    struct body_facts facts;
    struct str wanted[] = {S("onemore"), S("kA")};
    struct new_letter l = {.flags = FLAG_DRAFT, .keywords = wanted, .n_keywords = 2};
    fill(t, &l, &facts, "Subject: x\r\n\r\n");
    struct appending a = {.who = t->account, .mailbox = t->inbox, .letters = &l, .n = 1};
    ok(store_append(t->store, &a, &e), &e);
    size_t n;
    const struct entry *v = entries_of(t, t->inbox, &n);
    assert_true(n == 2 && v[1].flags == (FLAG_DRAFT | 1u << FLAG_FIRST_OWN));
    assert_sound(t);
}

enum { N_KEYWORDS = 22 };

static FIBER size_t names_in(struct testing *t, int64_t mailbox)
{
    struct error e = {0};
    struct view *v;
    size_t n = 0;
    ok(store_view_open(t->store, loop_self(), mailbox, NULL, NULL, &v, &e), &e);
    const struct snapshot *s = view_newest(v);
    for (int i = FLAG_FIRST_OWN; i < 32; i++) n += s->keywords->name[i].n > 0;
    snapshot_unref(s);
    store_view_close(v);
    return n;
}

/* Twenty-two keywords, one on each letter; then they lose them, are expunged, and come back. */
static FIBER void keywords_taken_back(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct two w = begin(t, 22);
    char name[] = "kA";
    const char *names[] = {name, NULL};
    struct uid_set one, gone = {0};
    struct flags_change c;
    t->store->keep_expunged_us = DAYS(14);
    for (uid u = 1; u <= 22; u++, name[1]++) {
        one = uids(t, u, u);
        c = (struct flags_change){.who = t->account, .uids = &one, .how = FLAGS_ADD};
        assert_int_equal(change(t, &c, names), 0);
    }
    assert_int_equal(names_in(t, t->inbox), 22);
    c = (struct flags_change){.who = t->account, .uids = &one, .how = FLAGS_ADD};
    assert_int_equal(change(t, &c, TO("new")), ERR_CONFLICT);
    /* no letter has kA any more: there is room at once */
    one = uids(t, 1, 1);
    c = (struct flags_change){.who = t->account, .uids = &one, .how = FLAGS_REPLACE};
    assert_int_equal(change(t, &c, TO(NULL)), 0);
    assert_int_equal(names_in(t, t->inbox), 21);
    c.how = FLAGS_ADD;
    assert_int_equal(change(t, &c, TO("new")), 0);
    assert_int_equal(names_in(t, t->inbox), 22);
    /* what is expunged and kept has kB still, until there is no other way */
    one = uids(t, 2, 3);
    ok(store_expunge_set(t->store, t->arena, t->account, t->inbox, &one, false, &gone, &e), &e);
    assert_int_equal(names_in(t, t->inbox), 22);
    struct lost_letter *v;
    size_t n, back;
    ok(store_lost(t->store, t->arena, t->account, 0, 0, 10, &v, &n, &e), &e);
    assert_int_equal(n, 2);
    ok(store_undelete(t->store, t->account, v, 2, w.archive, &back, &e), &e);
    assert_string_equal(state_of(t, w.archive), "1kB 2kC; 2, 2 unseen, 0 deleted, next 3");
    one = uids(t, 4, 5);
    ok(store_expunge_set(t->store, t->arena, t->account, t->inbox, &one, false, &gone, &e), &e);
    one = uids(t, 1, 1);
    c = (struct flags_change){.who = t->account, .uids = &one, .how = FLAGS_ADD};
    assert_int_equal(change(t, &c, TO("a", "b")), 0); /* those of the two that were brought back from here */
    assert_int_equal(change(t, &c, TO("c", "d")), 0); /* of the two that are kept */
    assert_int_equal(change(t, &c, TO("e")), ERR_CONFLICT);
    assert_sound(t);
    ok(store_lost(t->store, t->arena, t->account, 0, 0, 10, &v, &n, &e), &e);
    ok(store_undelete(t->store, t->account, v, 2, w.archive, &back, &e), &e);
    assert_string_equal(state_of(t, w.archive), "1kB 2kC 3 4; 4, 4 unseen, 0 deleted, next 5");
    /* two in one command do not take each other's */
    one = uids(t, 1, 22);
    c = (struct flags_change){.who = t->account, .uids = &one, .how = FLAGS_REPLACE};
    char many[N_KEYWORDS + 1][3];
    const char *all[N_KEYWORDS + 2] = {NULL};
    for (int i = 0; i <= N_KEYWORDS; i++) {
        memcpy(many[i], (char[]){'m', (char)('A' + i), 0}, 3);
        all[i] = many[i];
    }
    assert_int_equal(change(t, &c, all), ERR_CONFLICT);
    all[N_KEYWORDS] = NULL;
    c = (struct flags_change){.who = t->account, .uids = &one, .how = FLAGS_REPLACE};
    assert_int_equal(change(t, &c, TO(NULL)), 0);
    c = (struct flags_change){.who = t->account, .uids = &one, .how = FLAGS_REPLACE};
    assert_int_equal(change(t, &c, all), 0);
    assert_int_equal(names_in(t, t->inbox), 22);
    assert_sound(t);
}

static void test_too_many_keywords(void **state)
{
    (void)state;
    twice(too_many_keywords);
}

static void test_keywords_taken_back(void **state)
{
    (void)state;
    twice(keywords_taken_back);
}

/* ---- expunging ---- */

static FIBER const char *vanished(struct testing *t, int64_t mailbox, uint64_t modseq, const struct uid_set *known)
{
    struct error e = {0};
    struct uid_set out = {0};
    ok(store_vanished(t->store, t->arena, mailbox, modseq, known, &out, &e), &e);
    return shown(t, &out);
}

static FIBER void expunging(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct two w = begin(t, 300);
    struct uid_set even = {0}, all = uids(t, 1, 1000), gone = {0}, known = uids(t, 100, 120);
    for (uid u = 2; u <= 300; u += 2) uid_set_add(t->arena, &even, u, u);
    ok(flag_letters(t, t->inbox, &even, FLAG_DELETED, 0, &e), &e);
    struct uid_set part = uids(t, 1, 199);
    struct view *v;
    ok(store_view_open(t->store, loop_self(), t->inbox, NULL, NULL, &v, &e), &e);
    const struct snapshot *before = view_newest(v);
    ok(store_expunge_set(t->store, t->arena, t->account, t->inbox, &part, true, &gone, &e), &e);
    assert_int_equal(uid_set_count(&gone), 99);
    uint64_t modseq = before->highest_modseq;
    assert_string_equal(vanished(t, t->inbox, modseq, &known), "100,102,104,106,108,110,112,114,116,118,120");
    assert_string_equal(vanished(t, t->inbox, 1, &known), "100,102,104,106,108,110,112,114,116,118,120");
    gone = (struct uid_set){0};
    ok(store_expunge_set(t->store, t->arena, t->account, t->inbox, &all, false, &gone, &e), &e);
    assert_int_equal(uid_set_count(&gone), 201);
    assert_string_equal(vanished(t, t->inbox, modseq, NULL), "1:300");
    assert_string_equal(vanished(t, w.archive, 0, NULL), "");
    const struct snapshot *now = view_newest(v);
    assert_string_equal(vanished(t, t->inbox, now->highest_modseq, NULL), "");
    gone = (struct uid_set){0};
    snapshot_gone(before, now, t->arena, &gone);
    assert_string_equal(shown(t, &gone), "1:300");
    snapshot_unref(before);
    snapshot_unref(now);
    store_view_close(v);
    assert_string_equal(state_of(t, t->inbox), "; 0, 0 unseen, 0 deleted, next 301");
    assert_sound(t);
    ok(letter_accept(t, S("Subject: x\r\n\r\n"), 0, NULL, &e), &e);
    ok(store_collect(t->store, &e), &e); /* nothing is kept here: what is known is what is there now */
    assert_string_equal(vanished(t, t->inbox, modseq, NULL), "1:300");
    assert_string_equal(vanished(t, t->inbox, 1, &known), "100:120");
    assert_sound(t);
}

static void test_expunging(void **state)
{
    (void)state;
    twice(expunging);
}

/* ---- COPY, MOVE ---- */

static FIBER int copy(struct testing *t, struct copying *c)
{
    struct error e = {0};
    return store_copy(t->store, t->arena, c, &e);
}

static FIBER void copying(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct two w = begin(t, 5);
    struct uid_set some = uids(t, 2, 3), all = uids(t, 1, 9);
    struct flags_change f = {.who = t->account, .uids = &some, .how = FLAGS_ADD, .flags = FLAG_SEEN};
    assert_int_equal(change(t, &f, TO("work")), 0);
    struct uid_set first = uids(t, 1, 1);
    f = (struct flags_change){.who = t->account, .mailbox = t->inbox, .uids = &first, .how = FLAGS_ADD};
    assert_int_equal(change(t, &f, TO("play")), 0);
    struct copying c = {.who = t->account, .from = t->inbox, .to = w.archive, .uids = &some};
    assert_int_equal(copy(t, &c), 0);
    assert_true(c.n == 2 && c.uid_validity != 0);
    assert_string_equal(shown(t, &c.source), "2:3");
    assert_string_equal(shown(t, &c.made), "1:2");
    c = (struct copying){.who = t->account, .from = t->inbox, .to = w.archive, .uids = &all, .move = true};
    assert_int_equal(copy(t, &c), 0);
    assert_string_equal(shown(t, &c.source), "1:5");
    assert_string_equal(shown(t, &c.made), "3:7");
    assert_string_equal(state_of(t, t->inbox), "; 0, 0 unseen, 0 deleted, next 6");
    assert_string_equal(state_of(t, w.archive),
                        "1\\Seenwork 2\\Seenwork 3play 4\\Seenwork 5\\Seenwork 6 7; 7, 3 unseen,"
                        " 0 deleted, next 8");
    assert_string_equal(vanished(t, t->inbox, 1, NULL), "1:5");
    size_t n;
    struct entry *v = entries_of(t, w.archive, &n);
    assert_true(v[0].email == v[3].email && v[0].email != v[1].email); /* the same letter */
    assert_int_equal(store_stats(t->store).messages, 7);
    assert_sound(t);
    /* whatever is expunged, the letter stays while an entry names it */
    struct uid_set gone = {0};
    some = uids(t, 1, 2);
    ok(store_expunge_set(t->store, t->arena, t->account, w.archive, &some, false, &gone, &e), &e);
    ok(store_collect(t->store, &e), &e);
    assert_true(str_eq(read_whole(t, v[3].email), S(PREFIXES "Subject: x\r\n\r\nhello\r\n")));
    assert_sound(t);
    all = uids(t, 1, 99);
    ok(store_expunge_set(t->store, t->arena, t->account, w.archive, &all, false, &gone, &e), &e);
    ok(store_collect(t->store, &e), &e);
    struct letter l;
    for (size_t i = 0; i < n; i++)
        assert_int_equal(store_letter(t->store, t->arena, t->account, v[i].email, &l, &e), ERR_NOT_FOUND);
    assert_sound(t);
}

static void test_copying(void **state)
{
    (void)state;
    twice(copying);
}

static FIBER void copying_to_itself(void *arg)
{
    struct testing *t = arg;
    begin(t, 130);
    struct uid_set most = uids(t, 1, 129), all = uids(t, 1, UINT32_MAX);
    struct copying c = {.who = t->account, .from = t->inbox, .to = t->inbox, .uids = &most, .move = true};
    assert_int_equal(copy(t, &c), 0);
    assert_string_equal(shown(t, &c.made), "131:259");
    c = (struct copying){.who = t->account, .from = t->inbox, .to = t->inbox, .uids = &all};
    assert_int_equal(copy(t, &c), 0);
    assert_string_equal(shown(t, &c.source), "130:259"); /* not what it makes */
    assert_string_equal(shown(t, &c.made), "260:389");
    assert_sound(t);
}

static void test_copying_to_itself(void **state)
{
    (void)state;
    twice(copying_to_itself);
}

static FIBER void copying_to_others(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct two w = begin(t, 3);
    struct uid_set all = uids(t, 1, 9), gone = {0};
    struct flags_change f = {.who = t->account, .uids = &all, .how = FLAGS_ADD, .flags = FLAG_SEEN | FLAG_FLAGGED};
    assert_int_equal(change(t, &f, TO("work")), 0);
    struct copying c = {.who = t->account, .from = t->inbox, .to = w.ann_inbox, .uids = &all};
    assert_int_equal(copy(t, &c), ERR_NOT_FOUND);
    grant(t, w.ann_inbox, t->account, "l");
    assert_int_equal(copy(t, &c), ERR_DENIED);
    grant(t, w.ann_inbox, PRINCIPAL_ANYONE, "is");
    assert_int_equal(copy(t, &c), 0);
    assert_string_equal(state_of(t, w.ann_inbox), "1\\Seen 2\\Seen 3\\Seen; 3, 0 unseen, 0 deleted, next 4");
    struct keyword_names *names; /* without 'w' none has been made there */
    ok(keywords_load(t->store->writer.db, w.ann_inbox, &names, &e), &e);
    assert_int_equal(keyword_bit(names, S("work")), -1);
    keywords_unref(names);
    c.move = true;
    assert_int_equal(copy(t, &c), 0);
    assert_string_equal(state_of(t, t->inbox), "; 0, 0 unseen, 0 deleted, next 4");
    size_t n;
    struct entry *v = entries_of(t, w.ann_inbox, &n);
    assert_int_equal(n, 6);
    ok(store_collect(t->store, &e), &e);
    for (size_t i = 0; i < n; i++) { /* hers now */
        struct letter l;
        struct str bytes;
        ok(store_letter(t->store, t->arena, w.ann, v[i].email, &l, &e), &e);
        ok(store_letter_read(t->store, t->arena, &l, 0, (size_t)l.size, &bytes, &e), &e);
        assert_true(str_eq(bytes, S(PREFIXES "Subject: x\r\n\r\nhello\r\n")));
    }
    int64_t quota = v[0].size * 7;
    assert_sound(t);
    /* her quota has room for one more */
    ok(store_account_change(t->store, w.ann, NULL, &quota, NULL, NULL, &e), &e);
    c = (struct copying){.who = w.ann, .from = w.ann_inbox, .to = w.ann_inbox, .uids = &all};
    assert_int_equal(copy(t, &c), ERR_CONFLICT);
    c.move = true; /* takes no more room */
    assert_int_equal(copy(t, &c), 0);
    assert_string_equal(shown(t, &c.made), "7:12");
    (void)gone;
    assert_sound(t);
    /* and so has a quota of letters */
    int64_t none = 0, letters = 7;
    ok(store_account_change(t->store, w.ann, NULL, &none, &letters, NULL, &e), &e);
    c.move = false;
    c.uids = &(struct uid_set){&(struct uid_range){7, 8}, 1, 1};
    assert_int_equal(copy(t, &c), ERR_CONFLICT);
    c.uids = &(struct uid_set){&(struct uid_range){7, 7}, 1, 1};
    assert_int_equal(copy(t, &c), 0);
    assert_int_equal(copy(t, &c), ERR_CONFLICT);
    c = (struct copying){.who = t->account, .from = t->inbox, .to = w.ann_inbox, .uids = &all, .move = true};
    ok(letter_accept(t, S("Subject: y\r\n\r\ny\r\n"), 0, NULL, &e), &e);
    assert_int_equal(copy(t, &c), ERR_CONFLICT);
    struct quota q;
    ok(store_quota(t->store, w.ann, &q, &e), &e);
    assert_true(q.used_count == 7 && q.limit_count == 7 && q.limit_bytes == 0);
    assert_sound(t);
}

static void test_copying_to_others(void **state)
{
    (void)state;
    twice(copying_to_others);
}

/* ---- APPEND ---- */

static FIBER void appending(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct two w = begin(t, 1);
    struct new_letter v[2] = {{.flags = FLAG_SEEN | FLAG_DRAFT, .received_at = 1000000}, {0}};
    struct body_facts facts[2];
    struct str names[] = {S("work")};
    v[1].keywords = names;
    v[1].n_keywords = 1;
    fill(t, &v[0], &facts[0], "Subject: one\r\n\r\n");
    fill(t, &v[1], &facts[1], "Subject: two\r\n\r\n");
    struct appending a = {.who = t->account, .mailbox = t->inbox, .letters = v, .n = 2};
    struct store_stats before = store_stats(t->store);
    ok(store_append(t->store, &a, &e), &e);
    assert_int_equal(store_stats(t->store).commits - before.commits, 1);
    assert_true(v[0].uid == 2 && v[1].uid == 3);
    assert_string_equal(state_of(t, t->inbox), "1 2\\Seen\\Draft 3work; 3, 2 unseen, 0 deleted, next 4");
    assert_true(str_eq(read_whole(t, v[1].email), S("Subject: two\r\n\r\n")));
    struct letter l;
    ok(store_letter(t->store, t->arena, t->account, v[0].email, &l, &e), &e);
    assert_true(l.received_at == 1000000 && l.saved_at > 1000000);
    /* REPLACE (RFC 8508) */
    struct new_letter draft = {.flags = FLAG_DRAFT};
    fill(t, &draft, &facts[0], "Subject: better\r\n\r\n");
    a = (struct appending){.who = t->account,
                           .mailbox = w.archive,
                           .letters = &draft,
                           .n = 1,
                           .replaced = 2,
                           .replaced_in = t->inbox};
    ok(store_append(t->store, &a, &e), &e);
    assert_string_equal(state_of(t, t->inbox), "1 3work; 2, 2 unseen, 0 deleted, next 4");
    assert_string_equal(state_of(t, w.archive), "1\\Draft; 1, 1 unseen, 0 deleted, next 2");
    fill(t, &draft, &facts[0], "Subject: too late\r\n\r\n");
    assert_int_equal(store_append(t->store, &a, &e), ERR_NOT_FOUND);
    assert_string_equal(state_of(t, w.archive), "1\\Draft; 1, 1 unseen, 0 deleted, next 2");
    /* quota */
    int64_t quota = 1;
    ok(store_account_change(t->store, t->account, NULL, &quota, NULL, NULL, &e), &e);
    a = (struct appending){.who = t->account, .mailbox = t->inbox, .letters = v, .n = 1};
    fill(t, &v[0], &facts[0], "Subject: too much\r\n\r\n");
    assert_int_equal(store_append(t->store, &a, &e), ERR_CONFLICT);
    a.who = w.ann;
    assert_int_equal(store_append(t->store, &a, &e), ERR_NOT_FOUND);
    assert_int_equal(store_stats(t->store).messages, 3);
    assert_sound(t);
    /* a quota of letters: all of them or none, and one that replaces another takes no more room */
    int64_t none = 0, letters = 4;
    ok(store_account_change(t->store, t->account, NULL, &none, &letters, NULL, &e), &e);
    a = (struct appending){.who = t->account, .mailbox = t->inbox, .letters = v, .n = 2};
    v[1] = (struct new_letter){0};
    fill(t, &v[0], &facts[0], "Subject: four\r\n\r\n");
    fill(t, &v[1], &facts[1], "Subject: five\r\n\r\n");
    assert_int_equal(store_append(t->store, &a, &e), ERR_CONFLICT);
    a.n = 1;
    fill(t, &v[0], &facts[0], "Subject: four\r\n\r\n");
    ok(store_append(t->store, &a, &e), &e);
    a.replaced = v[0].uid;
    a.replaced_in = t->inbox;
    fill(t, &v[0], &facts[0], "Subject: four and better\r\n\r\n");
    ok(store_append(t->store, &a, &e), &e);
    a.replaced = 0;
    fill(t, &v[0], &facts[0], "Subject: five\r\n\r\n");
    assert_int_equal(store_append(t->store, &a, &e), ERR_CONFLICT);
    assert_int_equal(store_stats(t->store).messages, 4);
    assert_sound(t);
}

static void test_appending(void **state)
{
    (void)state;
    twice(appending);
}

/* ---- when they came ---- */

static FIBER void arriving(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct two w = begin(t, 3);
    utc_us delivered = clock_utc(t->world);
    fiber_sleep(SECONDS(100));
    struct uid_set all = uids(t, 1, 3);
    struct copying c = {.who = t->account, .from = t->inbox, .to = w.archive, .uids = &all};
    assert_int_equal(copy(t, &c), 0);
    fiber_sleep(SECONDS(100));
    struct letter_out l;
    struct arena *a = arena_new(NULL, 0);
    ok(letter_fill(t, a, &l, S("Subject: late\r\n\r\n"), 0, &e), &e);
    l.d.mailbox = w.archive;
    ok(store_accept(t->store, &l.a, &e), &e);
    arena_free(a);
    c = (struct copying){.who = t->account, .from = t->inbox, .to = w.archive, .uids = &all};
    assert_int_equal(copy(t, &c), 0);
    size_t n;
    struct entry *v = entries_of(t, w.archive, &n);
    uid u[7];
    int64_t emails[7];
    utc_us at[7];
    assert_int_equal(n, 7);
    for (size_t i = 0; i < n; i++) {
        u[i] = v[i].uid;
        emails[i] = v[i].email;
    }
    ok(store_saved_at(t->store, w.archive, u, emails, n, at, &e), &e);
    for (size_t i = 0; i < n; i++) assert_about(at[i] + SECONDS(1) / 2, delivered + SECONDS(i < 3 ? 100 : 200));
    ok(store_saved_at(t->store, t->inbox, u, emails, 3, at, &e), &e);
    for (size_t i = 0; i < 3; i++) assert_about(at[i] + SECONDS(1) / 2, delivered);
    /* \Recent (RFC 3501 §2.3.2) */
    uid first;
    ok(store_recent(t->store, t->inbox, false, &first, &e), &e);
    assert_int_equal(first, 1);
    ok(store_recent(t->store, t->inbox, true, &first, &e), &e);
    assert_int_equal(first, 1);
    ok(store_recent(t->store, t->inbox, true, &first, &e), &e);
    assert_int_equal(first, 4);
    assert_sound(t);
}

static void test_arriving(void **state)
{
    (void)state;
    twice(arriving);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_flags_by_rights),
        cmocka_unit_test(test_keywords_taken_back),
        cmocka_unit_test(test_too_many_keywords),
        cmocka_unit_test(test_expunging),
        cmocka_unit_test(test_copying),
        cmocka_unit_test(test_copying_to_itself),
        cmocka_unit_test(test_copying_to_others),
        cmocka_unit_test(test_appending),
        cmocka_unit_test(test_arriving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
