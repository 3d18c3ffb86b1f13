/* Routing: each rule of the order of look-up, and what it answers. */
#include "base/test.h"
#include "mail/limits.h"
#include "proto/smtp/srs.h"
#include "queue/directory_fixture.h"
#include "queue/route.h"

static const char town[] = "domain example.org\n"
                           "domain mail.example.org\n"
                           "domain old.example = example.org\n"
                           "domain caught.example\n"
                           "account alice@example.org\n"
                           "account bob@example.org\n"
                           "account bob+special@example.org\n"
                           "account off@example.org disabled\n"
                           "account full@example.org quota 1000 used 1090\n"
                           "account over@example.org quota 1000 used 1200\n"
                           "account many@example.org quota-letters 25 letters 26\n"
                           "account crowded@example.org quota-letters 25 letters 27 quota 1000 used 1\n"
                           "account jürgen@example.org\n"
                           "catch caught.example -> alice@example.org\n"
                           "alias postmaster@mail.example.org -> alice@example.org\n"
                           "alias team@example.org -> alice@example.org bob@example.org ALICE@example.org\n"
                           "alias bob@example.org -> bob@example.org alice@example.org\n"
                           "alias away@example.org -> friend@elsewhere.example\n"
                           "alias both@example.org -> bob+special@example.org friend@elsewhere.example\n"
                           "alias two@example.org -> one@example.org\n"
                           "alias one@example.org -> two@example.org\n"
                           "alias dead@example.org -> off@example.org\n"
                           "alias abuse@caught.example -> off@example.org\n"
                           "alias half@example.org -> off@example.org alice@example.org\n"
                           "alias nowhere@example.org -> nobody@example.org\n"
                           "alias fullteam@example.org -> over@example.org alice@example.org\n"
                           "alias fixed@example.org -> alice+fixed@example.org\n";

/* want: the code and status, or the final addresses separated by spaces ("!" before a foreign one). */
static const struct {
    const char *rcpt, *want;
    int64_t size;
} cases[] = {
    {"alice@example.org", "alice@example.org", -1},
    {"ALICE@EXAMPLE.ORG", "alice@example.org", -1},
    {"\"alice\"@example.org", "alice@example.org", -1},
    {"alice@old.example", "alice@example.org", -1},
    {"alice+news@example.org", "alice+news@example.org", -1},
    {"alice+@example.org", "alice+@example.org", -1},
    {"JÜRGEN@example.org", "jürgen@example.org", -1},
    {"bob+special@example.org", "bob+special@example.org", -1},
    {"bob@example.org", "bob@example.org alice@example.org", -1},
    {"bob+x@example.org", "bob+x@example.org alice+x@example.org", -1},
    {"team@example.org", "alice@example.org bob@example.org", -1},
    {"team+urgent@example.org", "alice+urgent@example.org bob+urgent@example.org", -1},
    {"fixed+x@example.org", "alice+fixed@example.org", -1},
    {"away@example.org", "!friend@elsewhere.example", -1},
    {"away+x@example.org", "!friend+x@elsewhere.example", -1},
    {"both@example.org", "bob+special@example.org !friend@elsewhere.example", -1},
    {"half@example.org", "alice@example.org", -1},
    {"anybody@caught.example", "alice@example.org", -1},
    {"postmaster@caught.example", "alice@example.org", -1},
    {"nobody@example.org", "550 5.1.1", -1},
    {"nowhere@example.org", "550 5.1.1", -1},
    {"off@example.org", "550 5.2.1", -1},
    {"dead@example.org", "550 5.2.1", -1},
    {"abuse@caught.example", "off@example.org", -1},
    {"one@example.org", "550 5.4.6", -1},
    {"a@elsewhere.example", "!a@elsewhere.example", -1},
    {"a@[192.0.2.9]", "!a@[192.0.2.9]", -1},
    {"alice@[192.0.2.1]", "550 5.1.1", -1},
    {"postmaster@[192.0.2.1]", "alice@example.org", -1},
    {"postmaster@[192.0.2.2]", "!postmaster@[192.0.2.2]", -1},
    {"Postmaster", "alice@example.org", -1},
    {"PostMaster@mail.example.org", "alice@example.org", -1},
    {"abuse@example.org", "alice@example.org", -1},
    {"mailer-daemon@old.example", "alice@example.org", -1},
    {"postmaster+x@example.org", "550 5.1.1", -1},
    {"full@example.org", "full@example.org", 10},
    {"full@example.org", "552 5.2.2", 11},
    {"over@example.org", "552 5.2.2", -1},
    {"many@example.org", "many@example.org", -1}, /* ten percent of 25 are two */
    {"crowded@example.org", "552 5.2.2", -1},
    {"crowded@example.org", "552 5.2.2", 10},
    {"fullteam@example.org", "over@example.org alice@example.org", 5000},
};

static struct str shown(struct arena *a, const struct route *r)
{
    if (r->refusal.code)
        return arena_printf(a, "%d %d.%d.%d", r->refusal.code, r->refusal.status.class, r->refusal.status.subject,
                            r->refusal.status.detail);
    struct buf *b = buf_in(a, 65536);
    for (size_t i = 0; i < r->n; i++) {
        if (i) buf_char(b, ' ');
        if (!r->targets[i].account) buf_char(b, '!');
        address_put(b, r->targets[i].final);
    }
    return buf_str(b);
}

static struct address typed(struct arena *a, const char *text)
{
    struct address address;
    if (str_find_char(str_c(text), '@') == strlen(text)) return (struct address){str_c(text), STR_NONE};
    size_t at = str_rfind_char(str_c(text), '@');
    if (text[at + 1] == '[') return (struct address){str_head(str_c(text), at), str_c(text + at + 1)};
    assert_int_equal(address_parse(a, str_c(text), &address), 0);
    return address;
}

static const struct route_rules rules = {{"mail.example.org", 16}, '+'};
static const struct ip own_address = {4, {192, 0, 2, 1}};

#define NOW SECONDS(INT64_C(1795860000))
#define SECRET S("0123456789abcdef")

/* As a session asks: from `sender` ("": <>), after the route `earlier`. */
static void ask(struct arena *a, const struct directory *d, const char *rcpt, const char *sender, int64_t size,
                const struct route *earlier, struct route *out)
{
    const struct route_question q = {.rcpt = typed(a, rcpt),
                                     .sender = *sender ? typed(a, sender) : (struct address){0},
                                     .our_address = own_address,
                                     .size = size,
                                     .srs_secret = SECRET,
                                     .now = NOW,
                                     .earlier = earlier};
    route_resolve(a, d, &rules, &q, out);
}

static void test_order_of_look_up(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, town);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route r;
        ask(a, d, cases[i].rcpt, "", cases[i].size, NULL, &r);
        struct str got = shown(a, &r);
        if (!str_eq(got, str_c(cases[i].want))) print_error("%s:\n", cases[i].rcpt);
        assert_str(got, str_c(cases[i].want));
    }
    directory_unref(d);
    arena_free(a);
}

static void test_relay_is_told_from_forwarding(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, town);
    struct route r;
    ask(a, d, "a@elsewhere.example", "", -1, NULL, &r);
    assert_true(r.relay && r.foreign);
    ask(a, d, "away@example.org", "", -1, NULL, &r);
    assert_true(!r.relay && r.foreign);
    ask(a, d, "alice@example.org", "", -1, NULL, &r);
    assert_true(!r.relay && !r.foreign && !r.role);
    directory_unref(d);
    arena_free(a);
}

static void test_missing_target_is_named(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, "domain example.org\naccount alice@example.org\n"
                                               "alias team@example.org -> gone@example.org alice@example.org\n");
    struct route r;
    ask(a, d, "team@example.org", "", -1, NULL, &r);
    assert_str(shown(a, &r), S("alice@example.org"));
    assert_str(address_str(a, r.missing), S("gone@example.org"));
    ask(a, d, "alice@example.org", "", -1, NULL, &r);
    assert_true(address_is_null(r.missing));
    directory_unref(d);
    arena_free(a);
}

/* A chain of aliases as deep as allowed, and one deeper. */
static void test_depth(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct buf *text = buf_in(a, 65536);
    buf_lit(text, "domain example.org\naccount end@example.org\n");
    for (int i = 1; i <= LIMIT_ALIAS_DEPTH + 1; i++) {
        buf_printf(text, "alias a%d@example.org -> ", i);
        if (i == 1) buf_lit(text, "end@example.org\n");
        else buf_printf(text, "a%d@example.org\n", i - 1);
    }
    buf_char(text, '\0');
    struct directory *d = directory_fixture(a, text->p);
    struct route r;
    ask(a, d, "a10@example.org", "", -1, NULL, &r);
    assert_int_equal(LIMIT_ALIAS_DEPTH, 10);
    assert_int_equal(r.refusal.code, 0);
    ask(a, d, "a11@example.org", "", -1, NULL, &r);
    assert_int_equal(r.refusal.code, 550);
    assert_int_equal(r.refusal.status.subject, 4);
    directory_unref(d);
    arena_free(a);
}

/* Layers of aliases each of which leads to all of the next: few addresses, more ways than anybody can walk. */
static void test_a_web_of_aliases_ends(void **state)
{
    (void)state;
    enum { LAYERS = 9, WIDTH = 10 };
    struct arena *a = arena_new(NULL, 0);
    struct buf *text = buf_in(a, 65536);
    buf_lit(text, "domain example.org\naccount end@example.org\n");
    for (int layer = 0; layer < LAYERS; layer++)
        for (int i = 0; i < WIDTH; i++) {
            buf_printf(text, "alias a%d.%d@example.org ->", layer, i);
            for (int k = 0; layer && k < WIDTH; k++) buf_printf(text, " a%d.%d@example.org", layer - 1, k);
            buf_add(text, layer ? S("\n") : S(" end@example.org\n"));
        }
    buf_char(text, '\0');
    struct directory *d = directory_fixture(a, text->p);
    struct route r;
    ask(a, d, "a2.0@example.org", "", -1, NULL, &r);
    assert_int_equal(r.refusal.code, 0);
    assert_int_equal(r.n, 1);
    ask(a, d, "a8.0@example.org", "", -1, NULL, &r);
    assert_int_equal(r.refusal.code, 550);
    assert_int_equal(r.refusal.status.subject, 4);
    directory_unref(d);
    arena_free(a);
}

/* ---- next hops ---- */

static const char routes[] = "domain example.org\n"
                             "account alice@example.org\n"
                             "alias away@example.org -> friend@elsewhere.example\n"
                             "alias mixed@example.org -> alice@example.org x@refused.example\n"
                             "alias lost@example.org -> x@refused.example y@refused.example\n"
                             "route * smtp://smart.example:587 user bob tls verify\n"
                             "route elsewhere.example smtp://relay.example accept\n"
                             "route sub.elsewhere.example mx\n"
                             "route *.elsewhere.example lmtp://boxes.example:2003\n"
                             "route *.co.example mx://mail.example\n"
                             "route own.example mx tls encrypt\n"
                             "route refused.example refuse:gone-away\n"
                             "route hole.example discard\n"
                             "route deep.co.example mx://deep.co.example\n"
                             "route-of alice@example.org smtp://personal.example:2525\n"
                             "route-of example.net smtp://company.example\n"
                             "route-of bounce.example refuse:not-from-you\n"
                             "route broken.example nonsense\n";

static const struct {
    const char *sender, *rcpt, *key, *why;
    enum hop_kind kind;
} hops[] = {
    {"", "a@elsewhere.example", "smtp://relay.example", "the route of elsewhere.example, smtp://relay.example",
     HOP_HOST},
    {"", "a@ELSEWHERE.example", "smtp://relay.example", "the route of elsewhere.example, smtp://relay.example",
     HOP_HOST},
    /* its own, before its parents' */
    {"", "a@sub.elsewhere.example", "sub.elsewhere.example", "the route of sub.elsewhere.example, mx", HOP_MX},
    {"", "a@x.elsewhere.example", "lmtp://boxes.example:2003",
     "the route of *.elsewhere.example, lmtp://boxes.example:2003", HOP_HOST},
    {"", "a@y.x.elsewhere.example", "lmtp://boxes.example:2003",
     "the route of *.elsewhere.example, lmtp://boxes.example:2003", HOP_HOST},
    /* a parent's "*." is not for the parent itself */
    {"", "a@co.example", "smtp://bob@smart.example:587;tls=verify", "the default route, smtp://smart.example:587",
     HOP_HOST},
    {"", "a@x.co.example", "mx://mail.example", "the route of *.co.example, mx://mail.example", HOP_MX},
    /* other mail to those hosts shares the connection, other demands do not */
    {"", "a@deep.co.example", "deep.co.example", "the route of deep.co.example, mx://deep.co.example", HOP_MX},
    {"", "a@own.example", "own.example", "the route of own.example, mx", HOP_MX},
    {"", "a@anywhere.test", "smtp://bob@smart.example:587;tls=verify", "the default route, smtp://smart.example:587",
     HOP_HOST},
    {"", "a@[192.0.2.9]", "smtp://bob@smart.example:587;tls=verify", "the default route, smtp://smart.example:587",
     HOP_HOST},
    {"", "a@hole.example", "discard", "the route of hole.example, discard", HOP_DISCARD},
    /* the sender's comes first: address, then domain */
    {"alice@example.org", "a@elsewhere.example", "smtp://personal.example:2525",
     "the route of sender alice@example.org, smtp://personal.example:2525", HOP_HOST},
    {"ALICE@example.org", "a@hole.example", "smtp://personal.example:2525",
     "the route of sender alice@example.org, smtp://personal.example:2525", HOP_HOST},
    {"bob@example.org", "a@elsewhere.example", "smtp://relay.example",
     "the route of elsewhere.example, smtp://relay.example", HOP_HOST},
    {"any@example.net", "a@elsewhere.example", "smtp://company.example",
     "the route of sender example.net, smtp://company.example", HOP_HOST},
    {"any@sub.example.net", "a@elsewhere.example", "smtp://relay.example",
     "the route of elsewhere.example, smtp://relay.example", HOP_HOST},
    /* a forward goes as if it had been addressed there */
    {"", "away@example.org", "smtp://relay.example", "the route of elsewhere.example, smtp://relay.example", HOP_HOST},
};

static void test_next_hops(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, routes);
    for (size_t i = 0; i < sizeof hops / sizeof *hops; i++) {
        struct route r;
        ask(a, d, hops[i].rcpt, hops[i].sender, -1, NULL, &r);
        if (r.refusal.code || r.n != 1) fail_msg("%s: %d %s", hops[i].rcpt, r.refusal.code, r.refusal.text);
        assert_str(r.targets[0].hop->key, str_c(hops[i].key));
        assert_str(r.targets[0].why, str_c(hops[i].why));
        assert_int_equal(r.targets[0].hop->kind, hops[i].kind);
    }
    struct route r;
    ask(a, d, "a@anywhere.test", "", -1, NULL, &r);
    assert_str(r.targets[0].hop->user, S("bob"));
    assert_str(r.targets[0].hop->password, S("bob"));
    assert_int_equal(r.targets[0].hop->tls, TLS_POLICY_VERIFY);
    assert_int_equal(r.targets[0].hop->port, 587);
    ask(a, d, "a@own.example", "", -1, NULL, &r);
    assert_int_equal(r.targets[0].hop->tls, TLS_POLICY_ENCRYPT);
    directory_unref(d);
    arena_free(a);
}

/* Without routes of the owner's: MX, and addresses at network addresses go there. */
static void test_no_routes(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, town);
    struct route r;
    ask(a, d,
        "a@B\xC3\x9C"
        "CHER.example",
        "", -1, NULL, &r);
    assert_int_equal(r.targets[0].hop->kind, HOP_MX);
    assert_str(r.targets[0].hop->key, S("xn--bcher-kva.example"));
    assert_str(r.targets[0].hop->host, S("xn--bcher-kva.example"));
    assert_str(r.targets[0].why, S("the MX hosts of xn--bcher-kva.example"));
    ask(a, d, "a@[192.0.2.9]", "", -1, NULL, &r);
    assert_str(r.targets[0].hop->host, S("[192.0.2.9]"));
    assert_str(r.targets[0].why, S("the address [192.0.2.9]"));
    struct next_hop hop;
    struct str why;
    route_next_hop(a, d, &rules, (struct address){0}, (struct address){S("x"), S("old.example")}, &hop, &why);
    assert_int_equal(hop.kind, HOP_LOCAL);
    assert_str(hop.key, S("local"));
    route_next_hop(a, d, &rules, (struct address){0}, (struct address){S("x"), S("mail.example.org")}, &hop, NULL);
    assert_int_equal(hop.kind, HOP_LOCAL);
    directory_unref(d);
    arena_free(a);
}

/* The host gets the local part as it was written (RFC 5321 §2.4), the domain as every host understands it. */
static void test_what_the_next_host_hears(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, town);
    struct route r;
    ask(a, d,
        "CaMeL@B\xC3\x9C"
        "CHER.example",
        "", -1, NULL, &r);
    assert_str(address_str(a, r.targets[0].final), S("camel@xn--bcher-kva.example"));
    assert_str(address_str(a, r.targets[0].shown), S("CaMeL@xn--bcher-kva.example"));
    assert_false(r.targets[0].forwarded);
    ask(a, d, "away@example.org", "", -1, NULL, &r);
    assert_true(r.targets[0].forwarded);
    directory_unref(d);
    arena_free(a);
}

static void test_refusing_routes(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, routes);
    struct route r;
    ask(a, d, "a@refused.example", "", -1, NULL, &r);
    assert_str(shown(a, &r), S("550 5.7.1"));
    assert_str(str_c(r.refusal.text), S("gone-away"));
    ask(a, d, "a@elsewhere.example", "x@bounce.example", -1, NULL, &r);
    assert_str(str_c(r.refusal.text), S("not-from-you"));
    ask(a, d, "alice@example.org", "x@bounce.example", -1, NULL, &r); /* not a matter of routes */
    assert_int_equal(r.refusal.code, 0);
    ask(a, d, "mixed@example.org", "", -1, NULL, &r); /* one of two is taken */
    assert_int_equal(r.refusal.code, 0);
    assert_int_equal(r.targets[1].hop->kind, HOP_REFUSE);
    ask(a, d, "lost@example.org", "", -1, NULL, &r);
    assert_str(shown(a, &r), S("550 5.7.1"));
    ask(a, d, "a@broken.example", "", -1, NULL, &r); /* it must not leave another way */
    assert_str(shown(a, &r), S("550 5.7.1"));
    directory_unref(d);
    arena_free(a);
}

/* Port 25 takes mail for what the owner said we are an MX of; what comes after "*" never counts. */
static void test_backup(void **state)
{
    static const struct {
        const char *rcpt;
        bool backup;
    } wanted[] = {
        {"a@elsewhere.example", true}, {"a@sub.elsewhere.example", false}, {"a@x.elsewhere.example", false},
        {"a@anywhere.test", false},    {"away@example.org", false},
        {"a@x.wild.example", true},    {"a@wild.example", false},
    };
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(
        a, "domain example.org\nalias away@example.org -> friend@elsewhere.example\nroute * smtp://x.example accept\n"
           "route elsewhere.example mx accept\nroute sub.elsewhere.example mx\nroute *.elsewhere.example mx\n"
           "route *.wild.example mx accept\n");
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct route r;
        ask(a, d, wanted[i].rcpt, "", -1, NULL, &r);
        if (r.backup != wanted[i].backup) fail_msg("%s: %d", wanted[i].rcpt, r.backup);
    }
    directory_unref(d);
    arena_free(a);
}

/* ---- return addresses of ours ---- */

static struct str srs_of(struct arena *a, const char *sender, utc_us at)
{
    struct address made;
    assert_int_equal(srs_forward(a, SECRET, typed(a, sender), S("example.org"), at, &made), 0);
    return address_str(a, made);
}

static void test_return_addresses(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, town);
    struct route r;
    char *good = arena_cstr(a, srs_of(a, "Ann@elsewhere.example", NOW - DAYS(3)));
    ask(a, d, good, "", -1, NULL, &r);
    assert_int_equal(r.refusal.code, 0);
    assert_true(r.returns && r.foreign && !r.relay);
    assert_str(address_str(a, r.targets[0].shown), S("Ann@elsewhere.example"));
    assert_false(r.targets[0].forwarded); /* the next hop must not be told another return address */

    char *ours = arena_cstr(a, srs_of(a, "bob+special@example.org", NOW));
    ask(a, d, ours, "", -1, NULL, &r);
    assert_str(shown(a, &r), S("bob+special@example.org"));

    char *old = arena_cstr(a, srs_of(a, "ann@elsewhere.example", NOW - SPAN_SRS - DAYS(1)));
    ask(a, d, old, "", -1, NULL, &r);
    assert_str(shown(a, &r), S("550 5.7.1"));
    assert_false(r.returns);

    char *forged = arena_cstr(a, str_c(good));
    memcpy(strstr(forged, "Ann"), "Eve", 3);
    ask(a, d, forged, "", -1, NULL, &r);
    assert_str(shown(a, &r), S("550 5.7.1"));
    ask(a, d, "SRS0=AAAAAA=@example.org", "", -1, NULL, &r); /* no such address, and no return address either */
    assert_str(shown(a, &r), S("550 5.1.1"));
    ask(a, d, "SRS0=AAAAAA=AA=elsewhere.example=x@away.test", "", -1, NULL, &r); /* another's */
    assert_true(r.relay && !r.returns);
    directory_unref(d);
    arena_free(a);

    a = arena_new(NULL, 0); /* a domain that takes everything: only what is signed goes back */
    d = directory_fixture(a, "domain example.org\naccount alice@example.org\ncatch example.org -> alice@example.org\n");
    ask(a, d, arena_cstr(a, srs_of(a, "ann@elsewhere.example", NOW)), "", -1, NULL, &r);
    assert_str(shown(a, &r), S("!ann@elsewhere.example"));
    directory_unref(d);
    arena_free(a);
}

/* ---- room ---- */

/* Recipients of one letter that lead to the same account fill it together. */
static void test_room_for_several(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, "domain example.org\n"
                                               "account full@example.org quota 1000 used 500\n" /* room for 600 */
                                               "account wide@example.org\n"
                                               "alias both@example.org -> full@example.org full+x@example.org\n"
                                               "alias some@example.org -> full@example.org wide@example.org\n");
    struct route first, second, third, r;
    ask(a, d, "full@example.org", "", 200, NULL, &first);
    ask(a, d, "full+a@example.org", "", 200, &first, &second);
    ask(a, d, "full+b@example.org", "", 200, &second, &third);
    assert_int_equal(third.refusal.code, 0);
    ask(a, d, "full+c@example.org", "", 200, &third, &r);
    assert_str(shown(a, &r), S("552 5.2.2"));
    ask(a, d, "FULL+a@example.org", "", 200, &third, &r); /* the same copy once more */
    assert_int_equal(r.refusal.code, 0);
    ask(a, d, "both@example.org", "", 300, NULL, &r);
    assert_int_equal(r.refusal.code, 0);
    ask(a, d, "both@example.org", "", 301, NULL, &r);
    assert_str(shown(a, &r), S("552 5.2.2"));
    ask(a, d, "some@example.org", "", 10000, NULL, &r); /* somebody has room */
    assert_int_equal(r.refusal.code, 0);
    directory_unref(d);
    d = directory_fixture(a, "domain example.org\n"
                             "account few@example.org quota-letters 10 letters 9\n" /* room for 2 */
                             "alias three@example.org -> few@example.org few+x@example.org few+y@example.org\n");
    ask(a, d, "few@example.org", "", -1, NULL, &first);
    ask(a, d, "few+a@example.org", "", -1, &first, &second);
    assert_int_equal(second.refusal.code, 0);
    ask(a, d, "few+b@example.org", "", -1, &second, &r);
    assert_str(shown(a, &r), S("552 5.2.2"));
    ask(a, d, "three@example.org", "", -1, NULL, &r);
    assert_str(shown(a, &r), S("552 5.2.2"));
    directory_unref(d);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_look_up),
        cmocka_unit_test(test_relay_is_told_from_forwarding),
        cmocka_unit_test(test_missing_target_is_named),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_a_web_of_aliases_ends),
        cmocka_unit_test(test_next_hops),
        cmocka_unit_test(test_no_routes),
        cmocka_unit_test(test_what_the_next_host_hears),
        cmocka_unit_test(test_refusing_routes),
        cmocka_unit_test(test_backup),
        cmocka_unit_test(test_return_addresses),
        cmocka_unit_test(test_room_for_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
