/* IMAP sessions as transcripts (tests/transcripts/imap), over a real store in the simulated world. */
#include "maa/imap/testing.h"

#include "../tests/transcripts/transcript.c"

enum { LETTERS_MAX = 50, CUTS_OF_A_FILE = 6 };

struct rig {
    struct imap_test t;
    bool furnished;
    struct str letters[LETTERS_MAX];
    size_t n_letters;
};

static void rig_begin(struct world *w, void *arg)
{
    struct rig *r = arg;
    struct error e = {0};
    *r = (struct rig){0};
    r->t.t = (struct testing){.world = w, .folder = "/data", .arena = arena_new(NULL, 0)};
    const struct store_options o = {.folder = "/data", .low_water_bytes = 1};
    ok(store_open(w, &o, &r->t.t.store, &e), &e);
    imap_test_furnish(&r->t);
}

static void rig_end(void *arg)
{
    struct rig *r = arg;
    arena_free(r->t.t.arena);
    store_close(r->t.t.store);
    tls_unref(r->t.context);
}

/* What transcripts can set: "letter TEXT" (another one in bob's INBOX; C's escapes), "plaintext yes|no" (log-in without
 * TLS), "tls yes" (there is a certificate), "tls-first yes", "proxy yes", "uidonly
 * no" (there is no UIDONLY). bob and ann log in with "secret". */
static bool rig_option(void *arg, struct str name, struct str value)
{
    struct rig *r = arg;
    if (str_eq(name, S("letter")) && r->n_letters < LETTERS_MAX)
        r->letters[r->n_letters++] = unescape(r->t.t.arena, value, S(""));
    else if (str_eq(name, S("plaintext"))) r->t.plaintext = str_eq(value, S("yes"));
    else if (str_eq(name, S("tls"))) r->t.tls = str_eq(value, S("yes"));
    else if (str_eq(name, S("tls-first"))) r->t.service.tls_first = str_eq(value, S("yes"));
    else if (str_eq(name, S("proxy"))) r->t.proxy = str_eq(value, S("yes"));
    else if (str_eq(name, S("uidonly"))) r->t.service.uidonly = str_eq(value, S("yes"));
    else return false;
    return true;
}

static FIBER void rig_serve(struct stream *s, void *arg)
{
    struct rig *r = arg;
    if (!r->furnished) {
        r->furnished = true;
        imap_test_people(&r->t);
        for (size_t i = 0; i < r->n_letters; i++) imap_letter_in(&r->t, r->t.bob, 0, r->letters[i], 0);
    }
    imap_serve(s, &r->t.service);
}

static void plays_transcripts(void **state)
{
    (void)state;
    struct rig rig;
    const struct transcript_rig tr = {rig_serve, rig_begin, rig_end, CUTS_OF_A_FILE, rig_option, &rig};
    int failed = 0, played = transcripts_play("imap", &tr, &failed);
    if (played == 0 || failed) fail_msg("%d of %d transcripts failed", failed, played);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plays_transcripts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
