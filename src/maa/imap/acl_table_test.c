/* Every IMAP command that touches a mailbox, on a mailbox of somebody else, cell by cell (RFC 4314 §4): with no right,
 * with each right alone, with each and 'l' and 'r', with all but each, with all. What the client hears, and what has
 * happened in the mailbox, must be what the rights allow. Commands on the selected mailbox are also given after the
 * rights have changed under it. */
#include "maa/imap/testing.h"

#include "proto/imap/command.h"

enum {
    L = RIGHT_LOOKUP, R = RIGHT_READ, S_ = RIGHT_SEEN, W = RIGHT_WRITE, I = RIGHT_INSERT, P = RIGHT_POST,
    K = RIGHT_CREATE, X = RIGHT_REMOVE, T = RIGHT_DELETE, E = RIGHT_EXPUNGE, A = RIGHT_ADMIN,
    FREE = RIGHTS_ALL + 1, /* needs: none */
    NEVER = FREE << 1,     /* needs: more than there is */
};
#define WORK "Shared/bob@example.org/Work"
#define OPEN "Shared/bob@example.org/Open" /* ann has all rights there but 'l' */

struct scene {
    struct imap_test *t;
    struct imap_client *ann;
    int64_t work, own, open; /* bob's, ann's, bob's */
    right_set rights;        /* ann's to work */
    bool late;               /* they changed after work was selected */
};

struct row {
    const char *command;
    right_set needs, any;             /* all of these, and one of these if there are any */
    bool selected;                    /* said while WORK is selected */
    FIBER void (*before)(struct scene *s);
    FIBER void (*after)(struct scene *s, bool may); /* what must have happened, and undoing it */
};

/* ---- bob's hands ---- */

static FIBER void make_below(struct scene *s, const char *path)
{
    struct error e = {0};
    ok(store_mailbox_make(s->t->t.store, s->t->bob, s->t->bob, str_c(path), USE_NONE, &(int64_t){0}, &e), &e);
}

/* 0: there is none. */
static FIBER int64_t id_of(struct scene *s, const char *path)
{
    struct mailbox m;
    struct arena *a = arena_new(NULL, 0);
    int r = store_mailbox_find(s->t->t.store, a, s->t->bob, s->t->bob, str_c(path), &m, NULL);
    arena_free(a);
    return r ? 0 : m.id;
}

static FIBER void remove_path(struct scene *s, const char *path)
{
    struct error e = {0};
    int64_t id = id_of(s, path);
    if (id) ok(store_mailbox_delete(s->t->t.store, s->t->bob, id, &e), &e);
}

static FIBER size_t count(struct scene *s, int64_t mailbox, uid *last, flag_set *flags)
{
    size_t n;
    struct entry *v = entries_of(&s->t->t, mailbox, &n);
    *last = n ? v[n - 1].uid : 0;
    *flags = n ? v[0].flags : 0;
    return n;
}

/* Two letters in work, with no flags or with \Deleted. */
static FIBER void refill(struct scene *s, flag_set flags)
{
    struct error e = {0};
    struct arena *a = arena_new(NULL, 0);
    struct uid_set all = {&(struct uid_range){1, UINT32_MAX}, 1, 1}, gone = {0};
    ok(store_expunge_set(s->t->t.store, a, s->t->bob, s->work, &all, false, &gone, &e), &e);
    for (int i = 0; i < 2; i++) imap_letter_in(s->t, s->t->bob, s->work, S("Subject: one\r\n\r\ntext\r\n"), flags);
    arena_free(a);
}
static FIBER void plain_letters(struct scene *s) { refill(s, 0); }
static FIBER void deleted_letters(struct scene *s) { refill(s, FLAG_DELETED); }
static FIBER void seen_letters(struct scene *s) { refill(s, FLAG_SEEN | FLAG_DELETED | FLAG_FLAGGED); }

/* ---- what must have happened ---- */

static FIBER void check_count(struct scene *s, size_t want)
{
    uid last;
    flag_set flags;
    assert_int_equal(count(s, s->work, &last, &flags), want);
}
static FIBER void nothing_gone(struct scene *s, bool may) { (void)may, check_count(s, 2); }
static FIBER void all_gone(struct scene *s, bool may) { check_count(s, may ? 0 : 2); }
static FIBER void first_gone(struct scene *s, bool may) { check_count(s, may ? 1 : 2); }
static FIBER void one_more(struct scene *s, bool may) { check_count(s, may ? 3 : 2); }
static FIBER void closed_quietly(struct scene *s, bool may)
{
    (void)may;
    check_count(s, 2);
    imap_ask(s->ann, "select Own"); /* for the UNSELECT that follows */
}
static FIBER void closed(struct scene *s, bool may) /* CLOSE always works, and expunges where it may */
{
    (void)may;
    check_count(s, s->rights & E && s->rights & R ? 0 : 2);
    imap_ask(s->ann, "noop");
}

/* Flags that the rights do not allow are left as they are. */
static FIBER void flags_allowed_now(struct scene *s, flag_set asked)
{
    uid last;
    flag_set flags, want = 0;
    count(s, s->work, &last, &flags);
    if (s->rights & R && s->rights & S_) want |= asked & FLAG_SEEN;
    if (s->rights & R && s->rights & T) want |= asked & FLAG_DELETED;
    if (s->rights & R && s->rights & W) want |= asked & ~(flag_set)(FLAG_SEEN | FLAG_DELETED);
    assert_int_equal(flags & (FLAG_SEEN | FLAG_DELETED | FLAG_FLAGGED), want);
}
static FIBER void seen(struct scene *s, bool may) { (void)may, flags_allowed_now(s, FLAG_SEEN); }
static FIBER void deleted(struct scene *s, bool may) { (void)may, flags_allowed_now(s, FLAG_DELETED); }
static FIBER void flagged(struct scene *s, bool may) { (void)may, flags_allowed_now(s, FLAG_FLAGGED); }
static FIBER void three_flags(struct scene *s, bool may)
{
    (void)may;
    flags_allowed_now(s, FLAG_SEEN | FLAG_DELETED | FLAG_FLAGGED);
}
static FIBER void three_flags_away(struct scene *s, bool may)
{
    uid last;
    flag_set flags, stay = FLAG_SEEN | FLAG_DELETED | FLAG_FLAGGED;
    (void)may;
    count(s, s->work, &last, &flags);
    if (s->rights & R && s->rights & S_) stay &= ~(flag_set)FLAG_SEEN;
    if (s->rights & R && s->rights & T) stay &= ~(flag_set)FLAG_DELETED;
    if (s->rights & R && s->rights & W) stay &= ~(flag_set)FLAG_FLAGGED;
    assert_int_equal(flags, stay);
}
/* Of a letter that comes by APPEND or COPY only the flags that may be set there (RFC 4314 §4). */
static FIBER void one_more_with_flags(struct scene *s, bool may)
{
    uid last;
    size_t n;
    struct entry *v = entries_of(&s->t->t, s->work, &n);
    flag_set want = 0;
    last = n ? v[n - 1].uid : 0;
    (void)last;
    assert_int_equal(n, may ? 3 : 2);
    if (s->rights & S_) want |= FLAG_SEEN;
    if (s->rights & T) want |= FLAG_DELETED;
    if (s->rights & W) want |= FLAG_FLAGGED;
    if (may) assert_int_equal(v[2].flags & (FLAG_SEEN | FLAG_DELETED | FLAG_FLAGGED), want);
}

/* RFC 7377 §2.2: what may not be read is passed over in silence. */
static FIBER void found(struct scene *s, bool may)
{
    (void)may;
    assert_int_equal(imap_said(s->ann, "* ESEARCH *"), !!(s->rights & R));
}
static FIBER void found_by_name(struct scene *s, bool may) /* of those below a name: LIST shows them */
{
    (void)may;
    assert_int_equal(imap_said(s->ann, "* ESEARCH *"), s->rights & L && s->rights & R);
}

static FIBER void unselect(struct scene *s, bool may)
{
    if (may) imap_ask(s->ann, "unselect");
}
static FIBER void made(struct scene *s, bool may)
{
    assert_int_equal(id_of(s, "Work/new") != 0, may);
    remove_path(s, "Work/new");
}
static FIBER void doom(struct scene *s)
{
    remove_path(s, "Work/doomed");
    make_below(s, "Work/doomed");
}
static FIBER void doomed(struct scene *s, bool may)
{
    assert_int_equal(id_of(s, "Work/doomed") == 0, may);
    remove_path(s, "Work/doomed");
}
static FIBER void moved_away(struct scene *s, bool may)
{
    struct error e = {0};
    assert_int_equal(id_of(s, "Open/Work") == s->work, may);
    if (may) ok(store_mailbox_rename(s->t->t.store, s->t->bob, s->work, S("Work"), &e), &e);
}
static FIBER void something_to_move(struct scene *s)
{
    remove_path(s, "Open/mine");
    make_below(s, "Open/mine");
}
static FIBER void moved_below(struct scene *s, bool may)
{
    assert_int_equal(id_of(s, "Work/mine") != 0, may);
    remove_path(s, may ? "Work/mine" : "Open/mine");
}
static FIBER void shared_on(struct scene *s, bool may)
{
    struct error e = {0};
    struct acl_entry *v;
    size_t n;
    ok(store_acl(s->t->t.store, s->t->t.arena, s->t->bob, s->work, &v, &n, &e), &e);
    bool there = false;
    for (size_t i = 0; i < n; i++) there |= v[i].principal == PRINCIPAL_ANYONE;
    assert_int_equal(there, may);
    ok(store_acl_change(s->t->t.store, s->t->bob, s->work, PRINCIPAL_ANYONE, ACL_SET, 0, &e), &e);
}
static FIBER void listed(struct scene *s, bool may)
{
    (void)may;
    assert_int_equal(imap_said(s->ann, "* LIST (*) \"/\" " WORK), !!(s->rights & L));
    assert_int_equal(imap_said(s->ann, "* STATUS " WORK " (*)"), s->rights & L && s->rights & R);
    assert_int_equal(imap_said(s->ann, "* MYRIGHTS " WORK " *"), !!(s->rights & L));
    assert_int_equal(imap_said(s->ann, "* METADATA " WORK " *"), s->rights & L && s->rights & (R | S_ | W | I | P));
}
static FIBER void own_letters(struct scene *s)
{
    uid last;
    flag_set flags;
    plain_letters(s);
    if (count(s, s->own, &last, &flags) == 0)
        imap_letter_in(s->t, s->t->ann, s->own, S("Subject: own\r\n\r\ntext\r\n"),
                       FLAG_SEEN | FLAG_FLAGGED | FLAG_DELETED);
    imap_ask(s->ann, "select Own");
}
/* A letter of one's own goes if and only if it has arrived. */
static FIBER void own_moved(struct scene *s, bool may)
{
    uid last;
    flag_set flags;
    one_more_with_flags(s, may);
    assert_int_equal(count(s, s->own, &last, &flags), may ? 0 : 1);
    imap_ask(s->ann, "unselect");
}
static FIBER void own_copied(struct scene *s, bool may)
{
    one_more_with_flags(s, may);
    imap_ask(s->ann, "unselect");
}

/* ---- REPLACE (RFC 8508 §5): 't' and 'e' where the old one is, 'i' where the new one is to be ---- */

static FIBER void replaced_here(struct scene *s, bool may)
{
    size_t n;
    struct entry *v = entries_of(&s->t->t, s->work, &n);
    flag_set want = 0, all = FLAG_SEEN | FLAG_DELETED | FLAG_FLAGGED;
    assert_int_equal(n, 2);
    if (s->rights & S_) want |= FLAG_SEEN;
    if (s->rights & T) want |= FLAG_DELETED;
    if (s->rights & W) want |= FLAG_FLAGGED;
    assert_int_equal(v[0].size != v[1].size, may); /* the first is gone, and a new one is behind the second */
    assert_int_equal(v[1].flags & all, may ? want : 0);
}

/* ---- what NOTIFY tells (RFC 5465 §3.1): nothing of what may not be seen ---- */

static FIBER bool status_told(struct scene *s) { return imap_said(s->ann, "* STATUS " WORK " (*)"); }

/* After NOTIFY nothing is told as it is without, not even after NOTIFY NONE. */
static FIBER void come_anew(struct scene *s)
{
    imap_bye(s->ann);
    s->ann = imap_login(s->t, "ann");
}

static FIBER void check_status(struct scene *s, const char *when)
{
    char letters[32];
    struct buf b = BUF_OVER(letters);
    rights_put(&b, s->rights, false);
    if (status_told(s) == (s->rights & L && s->rights & R)) return;
    fail_msg("%s, rights \"%.*s\":\n%.*s%.*s", when, STR_FMT(buf_str(&b)), STR_FMT(s->ann->said),
             STR_FMT(s->ann->done));
}

/* News comes by another thread. */
static FIBER void letter_and_noop(struct scene *s)
{
    imap_letter_in(s->t, s->t->bob, s->work, S("Subject: more\r\n\r\n"), 0);
    fiber_sleep(SECONDS(1));
    imap_ask(s->ann, "noop");
}

static FIBER void registered(struct scene *s, bool may)
{
    (void)may;
    check_status(s, "at once");
    letter_and_noop(s);
    check_status(s, "a new letter");
    if (!(s->rights & L)) assert_false(imap_said(s->ann, "*" WORK "*"));
    come_anew(s);
}

static FIBER void give(struct scene *s, int64_t mailbox, right_set rights);

/* While she listens all is taken away, and given again. */
static FIBER void rights_come_and_go(struct scene *s, bool may)
{
    right_set then = s->rights;
    registered(s, may);
    give(s, s->work, RIGHTS_ALL);
    imap_ask(s->ann, "notify set (mailboxes " WORK " (messagenew messageexpunge mailboxname mailboxmetadatachange))");
    give(s, s->work, then);
    letter_and_noop(s);
    check_status(s, "a letter after rights have changed");
    assert_int_equal(imap_said(s->ann, "* LIST (\\NonExistent *) \"/\" " WORK), !(then & L));
    letter_and_noop(s);
    check_status(s, "and another one");
    if (!(then & L)) assert_true(s->ann->said.n == 0);
    come_anew(s);
}

/* ---- who IDLEs hears nothing of what she may not read any more ---- */

static FIBER void idle(struct scene *s, bool may)
{
    imap_say(s->ann, "i idle");
    imap_expect(s->ann, "+ *");
    imap_letter_in(s->t, s->t->bob, s->work, S("Subject: more\r\n\r\n"), 0);
    fiber_sleep(SECONDS(1));
    imap_say(s->ann, "DONE");
    if (s->rights & R) imap_expect(s->ann, "* 3 EXISTS"), imap_expect(s->ann, "* 3 RECENT");
    imap_expect(s->ann, "i OK*");
    (void)may;
}

/* ---- own rights ---- */

static FIBER void bereft(struct scene *s, bool may) /* she has taken 'p' from herself, or given it to herself */
{
    right_set now = store_rights(s->t->t.store, s->t->ann, s->work);
    assert_int_equal(now, may ? s->rights | P : s->rights);
}
static FIBER void given_up(struct scene *s, bool may)
{
    assert_int_equal(store_rights(s->t->t.store, s->t->ann, s->work), may ? 0 : s->rights);
}

/* ---- the table ---- */

#define FLAGS_ONE "(\\Seen \\Deleted \\Flagged)"
static const struct row table[] = {
    {"select " WORK, R, 0, false, NULL, unselect},
    {"examine " WORK, R, 0, false, NULL, unselect},
    {"status " WORK " (messages unseen deleted-storage recent)", R, 0, false, NULL, NULL},
    {"list \"\" " WORK " return (status (messages) myrights metadata (/shared/x))", FREE, 0, false, NULL, listed},
    {"lsub \"\" " WORK, FREE, 0, false, NULL, NULL},
    {"list (subscribed) \"\" " WORK " return (subscribed)", FREE, 0, false, NULL, NULL},
    {"subscribe " WORK, FREE, 0, false, NULL, NULL},
    {"unsubscribe " WORK, FREE, 0, false, NULL, NULL},
    {"create " WORK "/new", K, 0, false, NULL, made},
    {"delete " WORK "/doomed", X, 0, false, doom, doomed},
    {"rename " WORK " " OPEN "/Work", X, 0, false, NULL, moved_away},
    {"rename " OPEN "/mine " WORK "/mine", K, 0, false, something_to_move, moved_below},
    {"getacl " WORK, A, 0, false, NULL, NULL},
    {"setacl " WORK " anyone +p", A, 0, false, NULL, shared_on},
    {"deleteacl " WORK " anyone", A, 0, false, NULL, NULL},
    {"setacl " WORK " ann@example.org +p", A, 0, false, NULL, bereft},
    {"setacl " WORK " -ann@example.org r", NEVER, 0, false, NULL, NULL}, /* RFC 4314 §2: no negative rights here */
    {"setacl " WORK " bob@example.org r", NEVER, 0, false, NULL, NULL},  /* nor less than all for the owner */
    {"deleteacl " WORK " ann@example.org", A, 0, false, NULL, given_up},
    {"listrights " WORK " anyone", A, 0, false, NULL, NULL},
    {"myrights " WORK, 0, L | R | I | K | X | A, false, NULL, NULL},
    {"getmetadata " WORK " /shared/x", L, R | S_ | W | I | P, false, NULL, NULL},
    {"setmetadata " WORK " (/private/x \"1\")", L, R | S_ | W | I | P, false, NULL, NULL},
    {"setmetadata " WORK " (/shared/x \"1\")", L | W, 0, false, NULL, NULL},
    {"getquotaroot " WORK, R, 0, false, NULL, NULL},
    {"getquota bob@example.org", NEVER, 0, false, NULL, NULL},
    {"rename Own " WORK "/Own", NEVER, 0, false, NULL, NULL}, /* a mailbox stays with its owner */
    {"rename " WORK " Mine", NEVER, 0, false, NULL, NULL},
    {"notify set status (mailboxes " WORK " (messagenew messageexpunge))", FREE, 0, false, plain_letters, registered},
    {"notify set status (subtree Shared (messagenew messageexpunge))", FREE, 0, false, plain_letters,
     rights_come_and_go},
    {"append " WORK " " FLAGS_ONE " {4+}\r\nx: y", I, 0, false, plain_letters, one_more_with_flags},
    {"copy 1 " WORK, I, 0, false, own_letters, own_copied},
    {"uid move 1:* " WORK, I, 0, false, own_letters, own_moved},
    {"replace 1 " WORK " " FLAGS_ONE " {4+}\r\nx: y", I, 0, false, own_letters, own_moved},

    {"fetch 1 (flags envelope body.peek[])", R, 0, true, plain_letters, nothing_gone},
    {"fetch 1 body[]", R, 0, true, plain_letters, seen},
    {"search all", R, 0, true, plain_letters, nothing_gone},
    {"uid search return (count) body text", R, 0, true, plain_letters, nothing_gone},
    {"sort (subject) utf-8 all", R, 0, true, plain_letters, nothing_gone},
    {"thread references utf-8 all", R, 0, true, plain_letters, nothing_gone},
    {"esearch in (selected) return (count) all", FREE, 0, true, plain_letters, found},
    {"esearch in (mailboxes " WORK ") return (count) all", FREE, 0, false, plain_letters, found},
    {"esearch in (subtree-one Shared/bob@example.org) return (count) all", FREE, 0, false, plain_letters,
     found_by_name},
    {"noop", FREE, 0, true, plain_letters, idle},
    {"check", R, 0, true, plain_letters, nothing_gone},
    {"unselect", FREE, 0, true, plain_letters, closed_quietly},
    {"store 1 +flags (\\Seen)", R | S_, 0, true, plain_letters, seen},
    {"store 1 +flags (\\Deleted)", R | T, 0, true, plain_letters, deleted},
    {"store 1 +flags (\\Flagged)", R | W, 0, true, plain_letters, flagged},
    {"store 1 +flags " FLAGS_ONE, R, S_ | T | W, true, plain_letters, three_flags},
    {"store 1 flags " FLAGS_ONE, R, S_ | T | W, true, plain_letters, three_flags},
    {"store 1 -flags " FLAGS_ONE, R, S_ | T | W, true, seen_letters, three_flags_away},
    {"store 1 flags.silent ()", R, S_ | T | W, true, seen_letters, three_flags_away},
    {"expunge", R | E, 0, true, deleted_letters, all_gone},
    {"uid expunge 1:*", R | E, 0, true, deleted_letters, all_gone},
    {"close", R, 0, true, deleted_letters, closed},
    {"copy 1 Own2", R, 0, true, plain_letters, nothing_gone},
    {"move 1 Own2", R | T | E, 0, true, plain_letters, first_gone},
    {"copy 1 " WORK, R | I, 0, true, plain_letters, one_more},
    {"replace 1 " WORK " " FLAGS_ONE " {4+}\r\nx: y", R | T | E | I, 0, true, plain_letters, replaced_here},
    {"uid replace 999 " WORK " {4+}\r\nx: y", NEVER, 0, true, plain_letters, nothing_gone},
    {"replace * Own2 {4+}\r\nx: y", R | T | E, 0, true, plain_letters, first_gone},
};

/* Commands that say nothing of any one mailbox. IDLE is tried behind NOOP. */
static const enum imap_verb of_no_mailbox[] = {
    IMAP_AUTHENTICATE, IMAP_CANCELUPDATE, IMAP_CAPABILITY, IMAP_COMPRESS, IMAP_ENABLE,   IMAP_ID,
    IMAP_IDLE,         IMAP_LOGIN,        IMAP_LOGOUT,     IMAP_NAMESPACE, IMAP_SETQUOTA, IMAP_STARTTLS,
    IMAP_UNAUTHENTICATE,
};

/* ---- going through it ---- */

static FIBER void give(struct scene *s, int64_t mailbox, right_set rights)
{
    struct error e = {0};
    ok(store_acl_change(s->t->t.store, s->t->bob, mailbox, s->t->ann, ACL_SET, rights, &e), &e);
}

static void complain(const struct scene *s, const struct row *row, struct str want)
{
    char letters[32];
    struct buf b = BUF_OVER(letters);
    rights_put(&b, s->rights, false);
    fail_msg("%s with \"%.*s\"%s: want %.*s, got \"%.*s\"", row->command, STR_FMT(buf_str(&b)),
             s->late ? " given late" : "", STR_FMT(want), STR_FMT(s->ann->done));
}

/* Who may neither look it up nor read it must not learn that it is there: another refusal is a hole. */
static FIBER void check_answer(struct scene *s, const struct row *row, bool may)
{
    struct str said = s->ann->done;
    if (may && !str_starts(said, S("OK"))) complain(s, row, S("OK"));
    if (may) return;
    if (row->needs == NEVER && str_starts(said, S("NO"))) return; /* which, what_is_not_there() compares */
    if (!str_starts(said, S("NO ["))) complain(s, row, S("NO"));
    bool unknown = str_starts(said, S("NO [NONEXISTENT]")) || str_starts(said, S("NO [TRYCREATE]"));
    /* what may not be made is refused alike, whether something is there or not */
    bool known = row->selected || row->needs == K || s->rights & (L | R);
    if (known == unknown) complain(s, row, known ? S("that he may not") : S("that there is none"));
}

/* False: it cannot be selected with these rights. */
static FIBER bool open_it(struct scene *s, right_set rights)
{
    give(s, s->work, s->late ? RIGHTS_ALL : rights);
    imap_ask_for(s->ann, "select " WORK, "*");
    bool opened = str_starts(s->ann->done, S("OK"));
    assert_int_equal(opened, s->late || rights & R);
    give(s, s->work, rights);
    return opened;
}

static FIBER void try(struct scene *s, const struct row *row, right_set rights)
{
    s->rights = rights;
    if (row->before) row->before(s);
    give(s, s->work, rights);
    if (row->selected && !open_it(s, rights)) return;
    if (str_starts(str_c(row->command), S("delete ")) && id_of(s, "Work/doomed")) {
        give(s, id_of(s, "Work/doomed"), rights);
    }
    bool may = row->needs == FREE || (rights & row->needs) == row->needs;
    if (row->any && !(rights & row->any)) may = false;
    bool closes = str_starts(str_c(row->command), S("close"));
    imap_ask_for(s->ann, row->command, "*");
    check_answer(s, row, may || closes);
    if (row->after) row->after(s, may);
    if (row->selected && !closes) imap_ask(s->ann, "unselect");
}

static FIBER void scene_begin(struct scene *s, struct imap_test *t)
{
    struct error e = {0};
    struct store *store = t->t.store;
    *s = (struct scene){.t = t, .ann = imap_login(t, "ann")};
    ok(store_mailbox_make(store, t->bob, t->bob, S("Work"), USE_NONE, &s->work, &e), &e);
    ok(store_mailbox_make(store, t->bob, t->bob, S("Open"), USE_NONE, &s->open, &e), &e);
    ok(store_mailbox_make(store, t->ann, t->ann, S("Own"), USE_NONE, &s->own, &e), &e);
    ok(store_mailbox_make(store, t->ann, t->ann, S("Own2"), USE_NONE, &(int64_t){0}, &e), &e);
    give(s, s->open, RIGHTS_ALL & ~(right_set)RIGHT_LOOKUP);
}

static FIBER void cell_by_cell(struct imap_test *t)
{
    struct scene s;
    scene_begin(&s, t);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        for (int late = 0; late <= table[i].selected; late++) {
            s.late = late;
            try(&s, &table[i], 0);
            try(&s, &table[i], RIGHTS_ALL);
            for (right_set right = 1; right < RIGHTS_ALL; right <<= 1) {
                try(&s, &table[i], right);
                try(&s, &table[i], right | L | R);
                try(&s, &table[i], RIGHTS_ALL & ~right);
            }
        }
    }
    assert_sound(&t->t);
    imap_bye(s.ann);
}

/* ---- every command ---- */

static void every_command_is_tried(void **state)
{
    (void)state;
    bool tried[IMAP_VERBS] = {[IMAP_UNKNOWN] = true};
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof of_no_mailbox / sizeof *of_no_mailbox; i++) tried[of_no_mailbox[i]] = true;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct imap_command c;
        imap_parse(a, arena_printf(a, "a %s", table[i].command), &c);
        tried[c.verb] = true;
    }
    for (enum imap_verb v = 0; v < IMAP_VERBS; v++)
        if (!tried[v]) fail_msg("%.*s is not in the table", STR_FMT(imap_verb_name(v)));
    arena_free(a);
}

/* ---- what may not be known ---- */

/* The text with another name in place of one: the name of what is not there is as long. */
static const char *with_name(struct arena *a, struct str text, const char *name, const char *other)
{
    struct buf *b = buf_in(a, SIZE_MAX);
    for (size_t at; (at = str_find(text, str_c(name))) < text.n; text = str_skip(text, at + strlen(name)))
        buf_printf(b, "%.*s%s", (int)at, text.p, other);
    buf_add(b, text);
    return arena_cstr(a, buf_str(b));
}

/* All that the server says to it. */
static FIBER const char *answer(struct scene *s, const struct row *row, const char *name)
{
    struct arena *a = s->t->t.arena;
    if (row->before) row->before(s);
    imap_ask_for(s->ann, with_name(a, str_c(row->command), "bob@example.org/Work", name), "*");
    struct str all = arena_printf(a, "%.*s%.*s", STR_FMT(s->ann->said), STR_FMT(s->ann->done));
    imap_ask_for(s->ann, "unselect", "*");
    imap_ask(s->ann, "noop"); /* not too many errors in a row */
    if (str_starts(str_c(row->command), S("notify"))) come_anew(s);
    return with_name(a, all, name, "bob@example.org/Work");
}

/* RFC 4314 §6: whether there is something that one may not see cannot be told from the answer, byte by byte. */
static FIBER void what_is_not_there(struct imap_test *t)
{
    static const char *const pairs[][2] = {{"bob@example.org/Work", "bob@example.org/Wurk"},
                                           {"eve@example.org/Work", "joe@example.org/Work"}}; /* there is no joe */
    struct scene s;
    scene_begin(&s, t);
    struct error e = {0};
    int64_t eve = add_account(&t->t, "eve");
    ok(store_mailbox_make(t->t.store, eve, eve, S("Work"), USE_NONE, &(int64_t){0}, &e), &e);
    give(&s, s.work, 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].selected || str_find(str_c(table[i].command), S("/Work")) == strlen(table[i].command)) continue;
        for (size_t p = 0; p < 2; p++) {
            const char *hidden = answer(&s, &table[i], pairs[p][0]), *missing = answer(&s, &table[i], pairs[p][1]);
            if (strcmp(hidden, missing) != 0)
                fail_msg("%s\nis answered for %s with\n%s\nand for %s with\n%s", table[i].command, pairs[p][0], hidden,
                         pairs[p][1], missing);
        }
    }
    imap_bye(s.ann);
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    imap_twice(what_is_not_there);
}

/* ---- rights of everybody ---- */

/* What 'anyone' has, everybody has, and what is taken from one alone is nobody's loss. */
static FIBER void everybody(struct imap_test *t)
{
    struct scene s;
    scene_begin(&s, t);
    struct imap_client *bob = imap_login(t, "bob"), *ann = s.ann;
    imap_ask_for(ann, "select " WORK, "NO [NONEXISTENT]*");
    imap_ask(bob, "setacl Work anyone lr");
    imap_ask(ann, "select " WORK);
    imap_heard(ann, "* OK [PERMANENTFLAGS ()] *");
    imap_ask_for(ann, "store 1:* +flags (\\Seen)", "BAD*"); /* there is none */
    imap_ask(bob, "setacl Work ann@example.org s");
    imap_ask(ann, "myrights " WORK);
    imap_heard(ann, "* MYRIGHTS " WORK " lrs");
    imap_ask(bob, "setacl Work ann@example.org -lr"); /* she had them not */
    imap_ask(ann, "noop");
    imap_ask(bob, "setacl Work anyone -r");
    imap_ask_for(ann, "search all", "NO [NOPERM]*");
    imap_ask_for(ann, "getacl " WORK, "NO [NOPERM]*");
    imap_ask(bob, "setacl Work ann +ra");
    imap_ask(ann, "search all");
    imap_ask(ann, "getacl " WORK);
    imap_heard(ann, "* ACL " WORK " bob@example.org lrswipkxteacd anyone l ann@example.org rsa");
    imap_ask(ann, "setacl " WORK " anyone \"\"");
    imap_ask(ann, "deleteacl " WORK " ann"); /* her last deed */
    imap_ask_for(ann, "getacl " WORK, "NO [NONEXISTENT]*");
    imap_ask_for(ann, "search all", "NO [NOPERM]*");
    imap_ask(ann, "unselect");
    imap_ask_for(ann, "select " WORK, "NO [NONEXISTENT]*");
    imap_bye(bob);
    imap_bye(ann);
}

static void test_everybody(void **state)
{
    (void)state;
    imap_twice(everybody);
}

static void test_cell_by_cell(void **state)
{
    (void)state;
    imap_twice(cell_by_cell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_command_is_tried), cmocka_unit_test(test_cell_by_cell),
                                       cmocka_unit_test(test_what_is_not_there), cmocka_unit_test(test_everybody)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
