/* For the tests of maa/imap: a store in the simulated world with two accounts, an IMAP server on several loops before
 * it, and clients that speak to it over the simulated network.
 *
 *     static FIBER void expunging(struct imap_test *t)
 *     {
 *         imap_letter(t, t->bob, "INBOX", "Subject: one\r\n\r\ntext\r\n", 0);
 *         struct imap_client *c = imap_login(t, "bob");
 *         imap_ask(c, "select inbox");                      // must be OK; what was said is in c->said
 *         imap_heard(c, "* 1 EXISTS");                      // one of those lines; '*' in front alone is itself
 *         imap_ask_for(c, "fetch 2 flags", "BAD *");
 *         imap_bye(c);
 *     }
 *     static void expunges(void **state) { (void)state; imap_twice(expunging); }
 *
 * bob and ann log in with "bob", "ann" or their whole addresses, and "secret". */
#ifndef MAA_IMAP_TESTING_H
#define MAA_IMAP_TESTING_H

#include "store/testing.h"

#include "base/test.h"
#include "io/listen.h"
#include "io/connect.h"
#include "io/tls.h"
#include "maa/imap.h"
#include "mail/limits.h"
#include "proto/mime/derive.h"

enum { IMAP_TEST_LOOPS = 3, IMAP_TEST_LINE = 4 << 20, IMAP_TEST_PORT = 143 };

struct imap_test {
    struct testing t; /* its account is bob */
    struct loop *loops[IMAP_TEST_LOOPS]; /* the first is t.loop, where tests run; sessions run on all of them */
    struct listener *listener;
    struct imap_service service;
    struct sasl_accounts accounts;
    struct tls_context *context;
    struct ip trusted;
    bool tls, plaintext, proxy;
    int64_t bob, ann;
    FIBER void (*script)(struct imap_test *t);
    void *arg; /* the script's */
    bool over;
};

/* ---- who may log in ---- */

static inline int64_t imap_test_person(struct imap_test *t, struct str login)
{
    str_cut(login, '@', &login, &(struct str){0});
    return str_eq(login, S("bob")) ? t->bob : str_eq(login, S("ann")) ? t->ann : 0;
}

static FIBER int imap_test_password(void *arg, struct ip client, struct arena *a, struct str login, struct str password,
                                    struct sasl_identity *who)
{
    struct imap_test *t = arg;
    int64_t account = imap_test_person(t, login);
    (void)client;
    fiber_yield();
    if (str_eq(login, S("guesser"))) return ERR_BUSY;
    if (str_eq(login, S("down"))) return ERR_UNAVAILABLE;
    if (!account || !str_eq(password, S("secret"))) return ERR_DENIED;
    *who = (struct sasl_identity){.account = account, .login = arena_str(a, login)};
    return 0;
}

static FIBER int imap_test_scram(void *arg, struct ip client, struct arena *a, struct str login,
                                 struct scram_keys *keys, struct sasl_identity *who)
{
    (void)client;
    fiber_yield();
    *keys = scram_derive(S("secret"), (const unsigned char *)"0123456789abcdef", 1);
    *who = (struct sasl_identity){.account = imap_test_person(arg, login), .login = arena_str(a, login)};
    return 0;
}

static struct tls_context *imap_test_tls(void *arg)
{
    struct imap_test *t = arg;
    return t->tls ? tls_ref(t->context) : NULL;
}
static bool imap_test_plaintext(void *arg, struct ip peer)
{
    return peer.family && ((struct imap_test *)arg)->plaintext;
}
static bool imap_test_trusted(void *arg, struct ip peer) { return ip_eq(peer, ((struct imap_test *)arg)->trusted); }
static bool imap_test_proxy(void *arg, struct ip peer) { return peer.family == 4 && ((struct imap_test *)arg)->proxy; }

/* The server's side, over the store that is open. */
TESTING void imap_test_furnish(struct imap_test *t)
{
    t->plaintext = true;
    t->trusted = (struct ip){4, {192, 0, 2, 99}};
    t->accounts = (struct sasl_accounts){.password = imap_test_password, .scram = imap_test_scram, .arg = t};
    if (!t->context) assert_int_equal(tls_server_new(t->t.world, "", "", &t->context, NULL), 0);
    t->service = (struct imap_service){.store = t->t.store,
                                       .accounts = &t->accounts,
                                       .tls = imap_test_tls,
                                       .plaintext_auth = imap_test_plaintext,
                                       .trusted = imap_test_trusted,
                                       .proxy_allowed = imap_test_proxy,
                                       .arg = t,
                                       .hostname = S("imap.example.org"),
                                       .size_max = LIMIT_MESSAGE,
                                       .unauthenticate = true,
                                       .uidonly = true};
}

TESTING FIBER void imap_test_people(struct imap_test *t)
{
    testing_account(&t->t);
    t->bob = t->t.account;
    t->ann = add_account(&t->t, "ann");
}

/* ---- letters ---- */

TESTING const struct body_facts *imap_test_facts(struct arena *a, struct str text, const struct body *b)
{
    struct mime_derived d = mime_derive(a, mime_parse(a, text));
    struct body_facts *f = arena_new_of(a, struct body_facts);
    uint64_t *refs = arena_array(a, d.n_references + 1, sizeof *refs);
    *f = (struct body_facts){.sha256 = body_sha256(b),
                             .version = MIME_DERIVED_VERSION,
                             .envelope = d.envelope,
                             .structure = d.structure,
                             .preview = d.preview,
                             .sent_at = d.has_date ? d.sent.utc : 0,
                             .has_attachment = d.has_attachment,
                             .message_id = d.message_id,
                             .subject = d.subject,
                             .thread_refs = refs};
    for (size_t i = 0; i <= d.n_references; i++) {
        struct str id = i < d.n_references ? d.references[i] : d.message_id;
        struct sha256 h = sha256_of(id);
        if (id.n) memcpy(&refs[f->n_thread_refs++], h.b, sizeof *refs);
    }
    return f;
}

/* A letter into a mailbox (0: the account's INBOX), as it is; its UID. */
TESTING FIBER uid imap_letter_in(struct imap_test *t, int64_t account, int64_t mailbox, struct str text, flag_set flags)
{
    struct error e = {0};
    struct arena *a = arena_new(NULL, 0);
    struct letter_out l;
    ok(letter_fill(&t->t, a, &l, text, 0, &e), &e);
    l.a.facts = imap_test_facts(a, text, l.a.body);
    l.a.prefix = STR_NONE;
    l.d = (struct delivery){.account = account, .mailbox = mailbox, .flags = flags};
    ok(store_accept(t->t.store, &l.a, &e), &e);
    arena_free(a);
    return l.d.uid;
}

/* ---- clients ---- */

struct imap_client {
    struct imap_test *t;
    struct stream *stream;
    struct arena *arena;
    struct str said; /* by imap_ask(): all that came before the tagged line, lines with their CRLF */
    struct str done; /* the tagged line without its tag: "OK [READ-WRITE] here it is" */
    int tag;
};

TESTING bool imap_matches(struct str pattern, struct str text)
{
    if (pattern.n == 0) return text.n == 0;
    if (pattern.p[0] == '*') {
        for (size_t i = 0; i <= text.n; i++)
            if (imap_matches(str_skip(pattern, 1), str_skip(text, i))) return true;
        return false;
    }
    return text.n && text.p[0] == pattern.p[0] && imap_matches(str_skip(pattern, 1), str_skip(text, 1));
}

TESTING FIBER struct str imap_hear(struct imap_client *c) /* a line */
{
    struct str line;
    stream_deadline(c->stream, loop_now() + HOURS(5));
    int e = stream_line(c->stream, IMAP_TEST_LINE, &line);
    if (e) fail_msg("no line: %s", err_name(e));
    return arena_str(c->arena, line);
}

TESTING FIBER void imap_say(struct imap_client *c, const char *line)
{
    stream_write(c->stream, str_c(line));
    stream_write(c->stream, S("\r\n"));
    stream_flush(c->stream);
}

/* The next line; a star in the pattern is anything, and "* " in front is itself too. */
TESTING FIBER void imap_expect(struct imap_client *c, const char *pattern)
{
    struct str line = imap_hear(c);
    if (!imap_matches(str_c(pattern), line)) fail_msg("want \"%s\", got \"%.*s\"", pattern, STR_FMT(line));
}

/* Says a command with a tag of its own and hears all up to its end. */
TESTING FIBER void imap_ask_for(struct imap_client *c, const char *command, const char *pattern)
{
    struct str tag = arena_printf(c->arena, "t%d ", ++c->tag), line;
    struct buf *b = buf_in(c->arena, 64 << 20);
    stream_write(c->stream, tag);
    imap_say(c, command);
    while (!str_starts(line = imap_hear(c), tag)) {
        buf_add(b, line);
        buf_lit(b, "\r\n");
    }
    c->said = buf_str(b);
    c->done = str_skip(line, tag.n);
    if (imap_matches(str_c(pattern), c->done)) return;
    fail_msg("%s: want \"%s\", got \"%.*s\" after\n%.*s", command, pattern, STR_FMT(c->done), STR_FMT(c->said));
}
TESTING FIBER void imap_ask(struct imap_client *c, const char *command) { imap_ask_for(c, command, "OK*"); }

/* All that comes before the tagged line. */
TESTING FIBER void imap_answers(struct imap_client *c, const char *command, const char *said)
{
    imap_ask(c, command);
    assert_str(c->said, str_c(said));
}

/* Was there such a line before the last tagged one? */
TESTING bool imap_said(const struct imap_client *c, const char *pattern)
{
    struct str rest = c->said, line;
    while (rest.n) {
        str_cut(rest, '\n', &line, &rest);
        if (imap_matches(str_c(pattern), str_head(line, line.n - (line.n > 0)))) return true;
    }
    return false;
}
TESTING void imap_heard(const struct imap_client *c, const char *pattern)
{
    if (!imap_said(c, pattern)) fail_msg("no \"%s\" in\n%.*s", pattern, STR_FMT(c->said));
}

TESTING FIBER struct imap_client *imap_visit(struct imap_test *t)
{
    struct imap_client *c = arena_new_of(t->t.arena, struct imap_client);
    struct error e = {0};
    *c = (struct imap_client){.t = t, .arena = arena_new(t->t.arena, 0)};
    struct endpoint server = {test_ip, IMAP_TEST_PORT};
    ok(stream_connect(server, (struct ip){0}, loop_now() + MINUTES(1), &c->stream, &e), &e);
    imap_expect(c, "* OK *");
    return c;
}

TESTING FIBER struct imap_client *imap_login(struct imap_test *t, const char *who)
{
    struct imap_client *c = imap_visit(t);
    imap_ask(c, arena_cstr(c->arena, arena_printf(c->arena, "login %s secret", who)));
    return c;
}

/* bob, in his INBOX. */
TESTING FIBER struct imap_client *imap_in_inbox(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob");
    imap_ask(c, "enable imap4rev2"); /* no \Recent */
    imap_ask(c, "select inbox");
    return c;
}

/* Goes away, and lets the server notice. */
TESTING FIBER void imap_bye(struct imap_client *c)
{
    stream_abort(c->stream);
    fiber_sleep(SECONDS(1));
    arena_free(c->arena);
}

/* ---- running ---- */

static FIBER void imap_test_serve(struct stream *s, void *arg) { imap_serve(s, &((struct imap_test *)arg)->service); }

static FIBER void imap_test_script(void *arg)
{
    struct imap_test *t = arg;
    imap_test_people(t);
    t->script(t);
    t->over = true;
    listener_stop(t->listener);
}

TESTING void imap_test_begin(struct imap_test *t, struct sim *sim)
{
    struct error e = {0};
    testing_begin(&t->t, sim);
    imap_test_furnish(t);
    t->proxy = false;
    t->loops[0] = t->t.loop;
    for (int i = 1; i < IMAP_TEST_LOOPS; i++) t->loops[i] = loop_new(t->t.world);
    const struct listen_options o = {
        .name = "imap", .address = {test_ip, IMAP_TEST_PORT}, .serve = imap_test_serve, .arg = t};
    ok(listener_open(t->t.world, &o, &t->listener, &e), &e);
    listener_start(t->listener, NULL, t->loops, IMAP_TEST_LOOPS);
}

TESTING void imap_test_end(struct imap_test *t)
{
    for (int i = 1; i < IMAP_TEST_LOOPS; i++) loop_stop(t->loops[i]);
    loop_stop(t->t.loop);
    sim_run(t->t.sim, FOREVER);
    for (int i = 1; i < IMAP_TEST_LOOPS; i++) loop_free(t->loops[i]);
    listener_free(t->listener);
    testing_close(&t->t);
    tls_unref(t->context);
}

/* Runs the script in a world of its own. */
TESTING void imap_run(struct sim *sim, void *arg)
{
    struct imap_test *with = arg, t = {.script = with->script, .arg = with->arg};
    imap_test_begin(&t, sim);
    testing_run(&t.t, imap_test_script, &t);
    assert_true(t.over);
    imap_test_end(&t);
}

TESTING void imap_twice_with(FIBER void (*script)(struct imap_test *t), void *arg)
{
    struct imap_test t = {.script = script, .arg = arg};
    sim_twice(1, imap_run, &t);
}
TESTING void imap_twice(FIBER void (*script)(struct imap_test *t)) { imap_twice_with(script, NULL); }

#endif
