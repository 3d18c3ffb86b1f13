/* Letters that no session brings: routed, planned and kept like any other; and what was held back, handed over. */
#include "base/codec.h"
#include "queue/post_fixture.h"

void scheduler_accepted(struct scheduler *s, const struct acceptance *a, struct str body)
{
    (void)s, (void)a, (void)body;
    fail_msg("there is no scheduler");
}

#define LETTER \
    "From: ann@example.net\r\nTo: bob@example.org\r\nSubject: a letter\r\nMessage-ID: <1@example.net>\r\n\r\nHello.\r\n"

static struct forward_path to(struct arena *a, const char *address)
{
    return (struct forward_path){.address = address_of(a, address)};
}

static FIBER void test_to_mailbox_and_away(struct post_room *p)
{
    struct error e = {0};
    struct acceptance out;
    struct forward_path paths[] = {to(p->arena, "carol@example.org"), to(p->arena, "away@example.org"),
                                   to(p->arena, "nobody@example.org")};
    const struct posting posting = {.from = {.address = address_of(p->arena, "ann@example.net"), .size = -1},
                                    .to = paths,
                                    .n = 3,
                                    .bytes = S(LETTER),
                                    .origin = S("a test")};
    right(posting_accept(&p->queue, p->arena, &posting, &out, &e), &e);
    assert_int_equal(out.n_deliveries, 1);
    assert_int_equal(out.n_queue, 1);
    assert_false(out.authenticated);
    assert_str(address_str(p->arena, out.queue[0].final), S("friend@elsewhere.example"));
    assert_true(out.queue[0].forwarded);
    assert_str(out.queue[0].next_hop, S("elsewhere.example"));
    right(store_accept(p->store, &out, &e), &e);
    posting_accepted(&p->queue, &out, 1);

    size_t n;
    struct str *letters = inbox_of(p, "carol@example.org", &n);
    assert_int_equal(n, 1);
    assert_str(letters[0], S("Return-Path: <ann@example.net>\r\nDelivered-To: carol@example.org\r\n" LETTER));
    assert_contains(record_of(p, out.id), S("a test"));
}

static FIBER void test_to_nobody(struct post_room *p)
{
    struct error e = {0};
    struct acceptance out;
    struct forward_path path = to(p->arena, "nobody@example.org");
    struct posting posting = {.to = &path, .n = 1, .bytes = S(LETTER)};
    assert_int_equal(posting_accept(&p->queue, p->arena, &posting, &out, &e), ERR_NOT_FOUND);
    assert_contains(str_c(e.text), S("no such address here"));
    posting.n = 0;
    assert_int_equal(posting_accept(&p->queue, p->arena, &posting, &out, &e), ERR_NOT_FOUND);
}

/* RFC 5321 §6.3: it has been in this mailbox, or everywhere. */
static FIBER void test_loops(struct post_room *p)
{
    struct error e = {0};
    struct acceptance out;
    struct forward_path paths[] = {to(p->arena, "carol@example.org"), to(p->arena, "alice@example.org")};
    struct posting posting = {.to = paths, .n = 1, .bytes = S("Delivered-To: CAROL@example.org\r\n" LETTER)};
    assert_int_equal(posting_accept(&p->queue, p->arena, &posting, &out, &e), ERR_NOT_FOUND);
    posting.n = 2;
    right(posting_accept(&p->queue, p->arena, &posting, &out, &e), &e);
    assert_int_equal(out.n_deliveries, 1);
    assert_int_equal(out.deliveries[0].recipient, 1);

    struct buf *b = buf_in(p->arena, 1 << 20);
    for (int i = 0; i < LIMIT_RECEIVED_FIELDS; i++) buf_lit(b, "Received: from there\r\n");
    buf_lit(b, LETTER);
    posting.bytes = buf_str(b);
    right(posting_accept(&p->queue, p->arena, &posting, &out, &e), &e);
    buf_clear(b);
    for (int i = 0; i <= LIMIT_RECEIVED_FIELDS; i++) buf_lit(b, "Received: from there\r\n");
    buf_lit(b, LETTER);
    posting.bytes = buf_str(b);
    assert_int_equal(posting_accept(&p->queue, p->arena, &posting, &out, &e), ERR_NOT_FOUND);
    assert_contains(str_c(e.text), S("circles"));
}

/* ---- what was held back ---- */

/* Takes a letter in as a session would, held back for an hour. */
static FIBER int64_t hold_letter(struct post_room *p, const char *sender, struct forward_path *paths, size_t n,
                                 struct str bytes)
{
    const struct sending s = {.from = {.address = address_of(p->arena, sender),
                                       .size = -1,
                                       .ret = DSN_RET_FULL,
                                       .envid = S("envelope 1"),
                                       .hold_for = 3600},
                              .trusted = true,
                              .to = paths,
                              .n = n,
                              .bytes = bytes};
    return post_take_in(p, &s);
}

/* Hands it over and settles, as the scheduler does. */
static FIBER void hand_over(struct post_room *p, int64_t message, struct parcel *parcel, struct acceptance **letters,
                            size_t *n)
{
    struct error e = {0};
    post_parcel(p, message, S("local"), parcel);
    right(posting_hand_over(&p->queue, p->arena, parcel, letters, n, &e), &e);
    struct settled *settled = arena_array(p->arena, parcel->n, sizeof *settled);
    size_t gone = 0;
    for (size_t i = 0; i < parcel->n; i++)
        if (parcel->v[i].outcome.kind == OUTCOME_DELIVERED)
            settled[gone++] = (struct settled){.number = parcel->v[i].item.number, .what = SETTLE_GONE};
    struct settlement s = {.message = message, .recipients = settled, .n = gone, .letters = *letters, .n_letters = *n};
    store_settle(p->store, &s, 1);
    right(s.result, &s.error);
}

static FIBER void test_held_letter_is_handed_over(struct post_room *p)
{
    struct parcel parcel;
    struct acceptance *letters;
    size_t n;
    struct forward_path paths[] = {to(p->arena, "nick@example.org"), to(p->arena, "team@example.org"),
                                   to(p->arena, "Postmaster@mail.example.org")};
    paths[1].orcpt = S("rfc822;team@somewhere.example");
    int64_t id = hold_letter(p, "ann@example.net", paths, 3, S(LETTER));
    assert_int_equal((inbox_of(p, "carol@example.org", &n), n), 0);
    hand_over(p, id, &parcel, &letters, &n);
    assert_int_equal(parcel.n, 3);
    for (size_t i = 0; i < 3; i++) assert_int_equal(parcel.v[i].outcome.kind, OUTCOME_DELIVERED);
    assert_int_equal(n, 1); /* nobody asked for reports */
    assert_true(letters[0].id != id);
    assert_true(letters[0].authenticated);
    assert_str(letters[0].from.envid, S("envelope 1"));
    assert_int_equal(letters[0].from.ret, DSN_RET_FULL);
    assert_int_equal(letters[0].from.hold_for, 0);

    /* nick and team both lead to carol: one copy. The whole letter, with the Received it got when it came */
    struct str *inbox = inbox_of(p, "carol@example.org", &n);
    assert_int_equal(n, 1);
    assert_contains(inbox[0], S("Return-Path: <ann@example.net>\r\nDelivered-To: carol@example.org\r\n"
                                "X-Original-To: nick@example.org\r\nReceived: "));
    assert_contains(inbox[0], S("\r\n" LETTER));
    assert_int_equal((inbox_of(p, "bob@example.org", &n), n), 1);
    assert_int_equal((inbox_of(p, "alice@example.org", &n), n), 1);

    /* dave is elsewhere, bob's private address too: rows of the new message, with what was asked for */
    assert_int_equal(letters[0].n_queue, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_str(letters[0].recipients[letters[0].queue[i].recipient].path.orcpt, S("rfc822;team@somewhere.example"));
        assert_true(letters[0].queue[i].forwarded);
        assert_true(letters[0].queue[i].not_before < clock_utc(p->world) + 1);
    }

    struct error e = {0};
    struct queue_letter gone;
    assert_int_equal(store_queue_letter(p->store, p->arena, id, &gone, &e), ERR_NOT_FOUND);
    struct buf *b = buf_in(p->arena, 100);
    buf_lit(b, "message ");
    id_put(b, id);
    buf_lit(b, ", held back until now");
    assert_contains(record_of(p, letters[0].id), buf_str(b));
}

/* Success is reported when it happens, not when the letter came. */
static FIBER void test_success_is_told_at_the_hand_over(struct post_room *p)
{
    struct parcel parcel;
    struct acceptance *letters;
    size_t n;
    struct forward_path paths[] = {to(p->arena, "nick@example.org"), to(p->arena, "team@example.org")};
    for (size_t i = 0; i < 2; i++) paths[i].notify = DSN_NOTIFY_SUCCESS;
    int64_t id = hold_letter(p, "alice@example.org", paths, 2, S(LETTER));
    assert_int_equal((inbox_of(p, "alice@example.org", &n), n), 0);
    hand_over(p, id, &parcel, &letters, &n);
    assert_int_equal(n, 2);
    struct str *inbox = inbox_of(p, "alice@example.org", &n);
    assert_int_equal(n, 1);
    struct str status = part_of(p->arena, inbox[0], 1);
    assert_contains(status, S("Original-Envelope-Id: envelope 1\r\n"));
    assert_contains(status, S("Final-Recipient: rfc822; nick@example.org\r\nAction: delivered\r\n"));
    assert_contains(status, S("Final-Recipient: rfc822; team@example.org\r\nAction: expanded\r\n"));
    for (size_t i = 0; i < letters[0].n_queue; i++) /* RFC 3461 §5.2.7 */
        assert_int_equal(letters[0].queue[i].notify, DSN_NOTIFY_NEVER);
}

/* Its mailbox went while it waited. */
static FIBER void test_hand_over_to_nobody(struct post_room *p)
{
    struct parcel parcel;
    struct acceptance *letters;
    struct error e = {0};
    size_t n;
    struct forward_path path = to(p->arena, "carol@example.org");
    int64_t id = hold_letter(p, "ann@example.net", &path, 1, S(LETTER));
    const struct directory *d = store_directory_in(p->arena, p->store);
    struct address targets[] = {key_of_text(p->arena, "carol@example.org")};
    right(store_alias_remove(p->store, key_of_text(p->arena, "team@example.org"), targets, 1, &e), &e);
    right(store_alias_remove(p->store, key_of_text(p->arena, "nick@example.org"), targets, 1, &e), &e);
    right(store_account_remove(p->store, directory_account(d, targets[0])->id, &e), &e);
    hand_over(p, id, &parcel, &letters, &n);
    assert_int_equal(n, 0);
    assert_int_equal(parcel.v[0].outcome.kind, OUTCOME_FAILED);
    assert_int_equal(parcel.v[0].outcome.code, 550);
    assert_false(parcel.v[0].outcome.remote);
    assert_str(parcel.v[0].outcome.text, S("no such address here"));
}

/* A letter larger than memory keeps: read in pieces, byte for byte. */
static FIBER void test_large_letter(struct post_room *p)
{
    struct parcel parcel;
    struct acceptance *letters;
    struct buf *b = buf_in(p->arena, 4 << 20);
    size_t n;
    buf_lit(b, LETTER);
    for (int i = 0; b->n < 3 << 20; i++)
        buf_printf(b, "line %d of a long letter, .............................\r\n", i);
    struct forward_path path = to(p->arena, "carol@example.org");
    int64_t id = hold_letter(p, "ann@example.net", &path, 1, buf_str(b));
    hand_over(p, id, &parcel, &letters, &n);
    struct str *inbox = inbox_of(p, "carol@example.org", &n);
    assert_int_equal(n, 1);
    assert_true(str_ends(inbox[0], buf_str(b)));
}

IN_POST_ROOM(test_to_mailbox_and_away)
IN_POST_ROOM(test_to_nobody)
IN_POST_ROOM(test_loops)
IN_POST_ROOM(test_held_letter_is_handed_over)
IN_POST_ROOM(test_success_is_told_at_the_hand_over)
IN_POST_ROOM(test_hand_over_to_nobody)
IN_POST_ROOM(test_large_letter)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_mailbox_and_away_room),
        cmocka_unit_test(test_to_nobody_room),
        cmocka_unit_test(test_loops_room),
        cmocka_unit_test(test_held_letter_is_handed_over_room),
        cmocka_unit_test(test_success_is_told_at_the_hand_over_room),
        cmocka_unit_test(test_hand_over_to_nobody_room),
        cmocka_unit_test(test_large_letter_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
