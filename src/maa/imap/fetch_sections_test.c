/* Every section of many letters: what BODY[…] answers for each part of a letter is the bytes that the parser says it
 * has, and its header, text and fields likewise. Letters: those below, and other people's where they are at hand
 * (PENNY_SHARED_DATA, or ../shared/data beside the source). */
#include "maa/imap/testing.h"

#include <dirent.h>

#include "proto/imf/field.h"

/* ---- what a client is to hear ---- */

struct asking {
    struct imap_client *c;
    struct arena *a;
    struct str letter;
    int asked;
};

/* The literal of an answer to a FETCH of one item; STR_NONE for NIL. */
static struct str literal_of(struct str said)
{
    size_t head = str_find(said, S("]"));
    struct str rest = str_skip(said, head + 2);
    if (str_starts(rest, S("NIL)"))) return STR_NONE;
    uint64_t n = 0;
    struct str number, body;
    assert_true(str_starts(rest, S("{")));
    assert_true(str_cut(str_skip(rest, 1), '}', &number, &body));
    assert_true(str_to_u64(number, SIZE_MAX, &n));
    body = str_skip(body, 2);
    assert_true(str_starts(str_skip(body, (size_t)n), S(")\r\n")));
    return str_head(body, (size_t)n);
}

static struct str without_nul(struct arena *a, struct str s)
{
    char *p = (char *)(uintptr_t)arena_str(a, s).p;
    for (size_t i = 0; i < s.n; i++)
        if (p[i] == 0) p[i] = (char)0x80;
    return str_of(p, s.n);
}

static FIBER void assert_section(struct asking *q, struct str path, const char *text, struct str expected)
{
    const char *dot = path.n && *text ? "." : "";
    struct str command = arena_printf(q->a, "fetch 1 body.peek[%.*s%s%s]", STR_FMT(path), dot, text);
    imap_ask(q->c, arena_cstr(q->a, command));
    q->asked++;
    struct str heard = literal_of(q->c->said);
    if (str_is_none(heard) == str_is_none(expected) && str_eq(heard, without_nul(q->a, expected))) return;
    fail_msg("%.*s: %zu bytes, not %zu, of\n%.*s", STR_FMT(command), heard.n, expected.n, STR_FMT(q->letter));
}

static struct str header_of(const struct asking *q, const struct mime_part *p)
{
    return str_sub(q->letter, (size_t)p->header_at, (size_t)(p->header_at + p->header_size));
}
static struct str body_of(const struct asking *q, const struct mime_part *p)
{
    return str_sub(q->letter, (size_t)p->body_at, (size_t)(p->body_at + p->body_size));
}

static struct str subject_of(struct arena *a, struct str header)
{
    struct imf_fields walk = {.text = header};
    struct imf_field f;
    struct buf *b = buf_in(a, 1 << 20);
    while (imf_next_field(&walk, &f))
        if (str_ieq(f.name, S("Subject"))) {
            buf_add(b, str_sub(header, f.at, f.end));
            if (!str_ends(buf_str(b), S("\n"))) buf_lit(b, "\r\n");
        }
    buf_lit(b, "\r\n");
    return buf_str(b);
}

/* What only a letter has: the root, or what a message/rfc822 holds. */
static FIBER void assert_letter(struct asking *q, struct str path, const struct mime_part *letter)
{
    struct str header = header_of(q, letter);
    assert_section(q, path, "HEADER", header);
    assert_section(q, path, "TEXT", body_of(q, letter));
    assert_section(q, path, "HEADER.FIELDS (subject)", subject_of(q->a, header));
}

/* Paths as RFC 9051 §6.4.5.1 counts: what is no multipart is part 1 of its letter; numbers are built from the outside
 * in, from the tree alone. */
static struct str path_of(struct arena *a, const struct mime_part *p)
{
    const struct mime_part *up = p->parent;
    struct str before = up ? path_of(a, up) : S("");
    uint32_t number = 1;
    if (!up) return p->kind == MIME_MULTIPART ? S("") : S("1");
    if (up->kind == MIME_MESSAGE && p->kind == MIME_MULTIPART) return before; /* numbered by its parts */
    for (const struct mime_part *c = up->first; up->kind == MIME_MULTIPART && c != p; c = c->next) number++;
    return before.n ? arena_printf(a, "%.*s.%u", STR_FMT(before), number) : arena_printf(a, "%u", number);
}

static FIBER void assert_part(struct asking *q, const struct mime_part *p)
{
    struct str path = path_of(q->a, p);
    bool letter_multipart = p->kind == MIME_MULTIPART && (!p->parent || p->parent->kind == MIME_MESSAGE);
    if (letter_multipart) return; /* has no number of its own */
    assert_section(q, path, "", body_of(q, p));
    assert_section(q, path, "MIME", header_of(q, p));
    if (p->kind == MIME_MESSAGE) assert_letter(q, path, p->first);
    else assert_section(q, path, "TEXT", STR_NONE);
}

enum { PARTS_ASKED = 40 };

static FIBER int assert_sections(struct imap_test *t, struct str letter)
{
    struct arena *a = arena_new(NULL, 0);
    struct asking q = {.a = a, .letter = letter};
    uid u = imap_letter_in(t, t->bob, 0, letter, FLAG_SEEN);
    struct imap_client *c = q.c = imap_login(t, "bob");
    int parts = 0;
    imap_ask(c, "select inbox");
    const struct mime_letter *l = mime_parse(a, letter);
    assert_section(&q, S(""), "", letter);
    assert_letter(&q, S(""), l->root);
    for (const struct mime_part *p = l->root; p && parts++ < PARTS_ASKED; p = mime_next(p)) assert_part(&q, p);
    imap_ask(c, "fetch 1 (bodystructure body envelope binary.size[1])");
    struct uid_set one = {&(struct uid_range){u, u}, 1, 1};
    struct uid_set gone = {0};
    struct error e = {0};
    ok(store_expunge_set(t->t.store, a, t->bob, t->t.inbox, &one, false, &gone, &e), &e);
    imap_bye(c);
    arena_free(a);
    return q.asked;
}

/* ---- the letters ---- */

static struct str deep(struct arena *a, int depth) /* multiparts in each other */
{
    struct buf *b = buf_in(a, 4 << 20);
    buf_lit(b, "Subject: deep\r\n");
    for (int i = 0; i < depth; i++) buf_printf(b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
    buf_lit(b, "\r\nat the bottom\r\n");
    for (int i = depth; i-- > 0;) buf_printf(b, "\r\n--b%d--\r\n", i);
    return buf_str(b);
}

static struct str wrapped(struct arena *a, int depth) /* letters in letters */
{
    struct buf *b = buf_in(a, 4 << 20);
    for (int i = 0; i < depth; i++) buf_printf(b, "Subject: %d\r\nContent-Type: message/rfc822\r\n\r\n", i);
    buf_lit(b, "Subject: in\r\n\r\ntext\r\n");
    return buf_str(b);
}

static FIBER void ours(struct imap_test *t)
{
    static const struct str letters[] = {
        S_INIT("Subject: a\r\n\r\ntext"),
        S_INIT("text without header"),
        S_INIT("\r\n"),
        S_INIT("Subject: a\0b\r\n\r\nc\0d"),
        S_INIT("Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntext\r\n"),
        S_INIT(
            "Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n"
            "--b\r\nContent-Type: multipart/digest; boundary=c\r\n\r\n"
            "--c\r\n\r\nSubject: d\r\n\r\ntwo\r\n--c--\r\n--b--"),
        S_INIT("Content-Type: multipart/mixed; boundary=b\r\n\r\nno part"),
        S_INIT("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nnever closed\r\n--b\r\nX: y\r\n"),
    };
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) assert_sections(t, letters[i]);
    struct arena *a = arena_new(NULL, 0);
    assert_sections(t, deep(a, 20));
    assert_sections(t, deep(a, 1000));
    assert_sections(t, wrapped(a, 20));
    assert_sections(t, wrapped(a, 1000));
    arena_free(a);
}

/* ---- a header of more than a MiB ---- */

enum { FILLERS = 1300 }; /* of a kibibyte each */

static struct str long_header(struct arena *a)
{
    struct buf *b = buf_in(a, 4 << 20);
    buf_lit(b, "Subject: first\r\nX-Cut: one\r\n");
    for (int i = 0; i < FILLERS; i++) {
        if (i == 300) buf_lit(b, "to: ann\r\n folded\r\n");
        if (i == 600) buf_lit(b, "Subject : behind\r\n");
        buf_printf(b, "X-Filler-%04d: %01007d\r\n", i, i);
        if (i % 50 == 0) buf_printf(b, "X-Fold: %d\r\n\t%0300d\r\n", i, i);
    }
    buf_lit(b, "X-Long: ");
    for (int i = 0; i < 6000; i++) buf_printf(b, "%099d\r\n ", i);
    buf_lit(b, "end\r\nX-Nul: a");
    buf_char(b, 0);
    buf_lit(b, "b\r\nSubject: last\r\n\r\ntext\r\n");
    return buf_str(b);
}

/* The fields chosen by looking at the whole header at once. */
static struct str chosen(struct arena *a, struct str letter, bool others, const char *const *names)
{
    struct imf_fields walk = {.text = letter};
    struct imf_field f;
    struct buf *b = buf_in(a, 4 << 20);
    while (imf_next_field(&walk, &f)) {
        bool named = false;
        for (const char *const *name = names; *name; name++) named |= str_ieq(f.name, str_c(*name));
        if (named != others) buf_add(b, str_sub(letter, f.at, f.end));
    }
    buf_lit(b, "\r\n");
    return without_nul(a, buf_str(b));
}

static FIBER void assert_fields(struct asking *q, bool others, const char *const *names)
{
    static const struct { uint64_t from, n; } parts[] = {
        {0, 10}, {3, 1}, {14, 40}, {200000, 300000}, {262143, 2}, {0, 4000000}, {900000, 4000000}, {4000000, 1}};
    struct buf *list = buf_in(q->a, 4096);
    for (const char *const *name = names; *name; name++) buf_printf(list, "%s%s", name == names ? "" : " ", *name);
    struct str what = arena_printf(q->a, "HEADER.FIELDS%s (%.*s)", others ? ".NOT" : "", STR_FMT(buf_str(list)));
    struct str all = chosen(q->a, q->letter, others, names);
    assert_section(q, S(""), arena_cstr(q->a, what), all);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct str command = arena_printf(q->a, "fetch 1 body.peek[%.*s]<%llu.%llu>", STR_FMT(what),
                                          (unsigned long long)parts[i].from, (unsigned long long)parts[i].n);
        imap_ask(q->c, arena_cstr(q->a, command));
        struct str said = str_skip(q->c->said, str_find(q->c->said, S("]<")) + 1);
        struct str rest = str_skip(said, str_find_char(said, '>') + 2), number, body;
        struct str want = str_head(str_skip(all, parts[i].from < all.n ? (size_t)parts[i].from : all.n), parts[i].n);
        uint64_t n = 0;
        if (want.n == 0 && str_starts(rest, S("\"\""))) continue;
        assert_true(str_cut(str_skip(rest, str_starts(rest, S("{"))), '}', &number, &body));
        assert_true(str_to_u64(number, SIZE_MAX, &n));
        assert_int_equal(n, want.n);
        assert_true(str_eq(str_head(str_skip(body, 2), (size_t)n), want));
        assert_true(str_starts(str_skip(body, 2 + (size_t)n), S(")\r\n")));
    }
}

static FIBER void long_headers(struct imap_test *t)
{
    struct arena *a = arena_new(NULL, 0);
    struct asking q = {.a = a, .letter = long_header(a)};
    static const char *const subject[] = {"Subject", NULL}, *const few[] = {"To", "X-Fold", "X-Nul", "X-Cut", NULL},
                             *const big[] = {"X-Long", NULL}, *const none[] = {"X-None", NULL},
                             *const fillers[] = {"X-Filler-0255", "X-Filler-0256", "X-Filler-0510", "X-Filler-0511",
                                                 "X-Filler-0512", "X-Filler-0513", "X-Filler-1299", NULL};
    imap_letter_in(t, t->bob, 0, q.letter, FLAG_SEEN);
    q.c = imap_login(t, "bob");
    imap_ask(q.c, "select inbox");
    assert_fields(&q, false, subject);
    assert_fields(&q, false, few);
    assert_fields(&q, false, big);
    assert_fields(&q, false, none);
    assert_fields(&q, false, fillers);
    assert_fields(&q, true, subject);
    assert_fields(&q, true, big);
    imap_ask(q.c, "fetch 1 (body.peek[header.fields (x-nul)] uid)");
    imap_heard(q.c, "*X-Nul: a*b");
    static const struct { const char *keys, *found; } searches[] = {
        {"header subject first", "* SEARCH 1"},
        {"header subject behind", "* SEARCH 1"},
        {"header subject last", "* SEARCH 1"},
        {"header subject nowhere", "* SEARCH"},
        {"header to \"ann folded\"", "* SEARCH 1"},
        {"header x-fold 1250", "* SEARCH 1"},
        {"header x-filler-1299 1299", "* SEARCH 1"},
        {"header x-filler-0255 255", "* SEARCH 1"},
        {"header x-filler-0256 256", "* SEARCH 1"},
        {"header x-long \"\"", "* SEARCH 1"},
        {"header x-nul \"\"", "* SEARCH 1"},
        {"header x-none \"\"", "* SEARCH"},
        {"text x-filler-0800", "* SEARCH 1"},
    };
    for (size_t i = 0; i < sizeof searches / sizeof *searches; i++) {
        imap_ask(q.c, arena_cstr(a, arena_printf(a, "search %s", searches[i].keys)));
        if (!imap_said(q.c, searches[i].found)) fail_msg("%s: %.*s", searches[i].keys, STR_FMT(q.c->said));
    }
    imap_bye(q.c);
    arena_free(a);
}

static struct str load(struct arena *a, const char *path)
{
    struct buf *b = buf_in(a, 1 << 24);
    FILE *f = fopen(path, "rb");
    if (!f) return STR_NONE;
    for (size_t n; (n = fread(buf_reserve(b, 65536), 1, 65536, f)) > 0;) b->n += n;
    fclose(f);
    return buf_str(b);
}

static const char *folder;

static FIBER void others(struct imap_test *t)
{
    struct dirent *d;
    DIR *dir = opendir(folder);
    int letters = 0, asked = 0;
    while (dir && (d = readdir(dir))) {
        struct arena *a = arena_new(NULL, 0);
        struct str name = str_c(d->d_name);
        struct str letter = STR_NONE;
        if (str_ends(name, S(".msg")) || str_ends(name, S(".eml")))
            letter = load(a, arena_cstr(a, arena_printf(a, "%s/%s", folder, d->d_name)));
        if (letter.n) asked += assert_sections(t, letter);
        letters += letter.n > 0;
        arena_free(a);
    }
    if (dir) closedir(dir);
    print_message("%s: %d letters, %d sections\n", folder, letters, asked);
}

static void test_ours(void **state)
{
    (void)state;
    imap_twice(ours);
}

static void test_long_headers(void **state)
{
    (void)state;
    imap_twice(long_headers);
}

static void test_others(void **state)
{
    (void)state;
    const char *data = getenv("PENNY_SHARED_DATA");
    struct arena *a = arena_new(NULL, 0);
    struct str here = data ? str_c(data) : arena_printf(a, "%s/../shared/data", PENNY_SOURCE);
    static const char *const folders[] = {"mime4j/testmsgs", "mail-parser/rfc"};
    for (size_t i = 0; i < 2; i++) {
        folder = arena_cstr(a, arena_printf(a, "%.*s/%s", STR_FMT(here), folders[i]));
        struct imap_test t = {.script = others};
        struct sim *sim = sim_new(1);
        imap_run(sim, &t);
        sim_free(sim);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ours), cmocka_unit_test(test_long_headers),
                                       cmocka_unit_test(test_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
