/* A store in memory: the functions of store/store.h that a POP3 session calls, for tests and fuzzing, with faults to
 * order.
 *
 * Two accounts, bob with letters and ann without; their passwords are here too. To be included in place of linking with
 * store/; pop3_store_test.c plays with the real one. */
#include <stdlib.h>

#include "store/entries.h"
#include "store/letters.h"
#include "store/mailboxes.h"
#include "wire/sasl.h"

enum { TEST_BOB = 1, TEST_ANN = 2, TEST_UID_STEP = 3 };

struct directory {
    struct directory_account accounts[2];
};

struct test_letter {
    struct str bytes;
    bool gone;
};

struct store {
    struct arena *arena;
    struct directory directory;
    struct test_letter *letters;
    uint32_t n, cap;
    bool locked[3]; /* by account */
    int64_t last_id;

    /* faults: an enum err to fail with */
    int fail_entries, fail_letter, fail_expunge;
    int fail_read, fail_read_at; /* which call of store_letter_read(), from 1 */
    bool forbidden;              /* access is denied */

    /* what happened */
    int reads, trips, expunges, pages; /* bodies read, calls of store_letters(), ... */
    int64_t bytes_read;
};

static struct store *test_store_new(void)
{
    struct arena *a = arena_new(NULL, 0);
    struct store *s = arena_new_of(a, struct store);
    s->arena = a;
    s->directory.accounts[0] = (struct directory_account){.id = TEST_BOB, .inbox = 10};
    s->directory.accounts[1] = (struct directory_account){.id = TEST_ANN, .inbox = 20};
    return s;
}

static void test_store_free(struct store *s)
{
    free(s->letters);
    arena_free(s->arena);
}

static void test_store_add(struct store *s, struct str letter) /* borrowed */
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->letters = realloc(s->letters, s->cap * sizeof *s->letters);
        if (!s->letters) abort();
    }
    s->letters[s->n++] = (struct test_letter){letter, false};
}

static inline uint32_t test_store_left(const struct store *s)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < s->n; i++) left += !s->letters[i].gone;
    return left;
}

static uid uid_at(uint32_t i) { return (i + 1) * TEST_UID_STEP; }

/* ---- store.h ---- */

int64_t store_new_id(struct store *s) { return ++s->last_id; }
const struct directory *store_directory(struct store *s) { return &s->directory; }
void directory_unref(const struct directory *d) { (void)d; }

const struct directory_account *directory_account_by_id(const struct directory *d, int64_t id)
{
    return id == TEST_BOB || id == TEST_ANN ? &d->accounts[id - 1] : NULL;
}

FIBER right_set store_rights(struct store *s, int64_t who, int64_t mailbox)
{
    fiber_yield();
    return !s->forbidden && mailbox == who * 10 ? RIGHTS_ALL : 0;
}

FIBER int store_entries(struct store *s, struct arena *a, int64_t mailbox, uid after, size_t max, bool with_sizes,
                        struct entry **out, size_t *n, bool *more, struct error *e)
{
    fiber_yield();
    s->pages++;
    if (s->fail_entries) return error_set(e, s->fail_entries, "to order");
    *out = arena_array(a, max, sizeof **out);
    *n = 0;
    *more = false;
    for (uint32_t i = after / TEST_UID_STEP; i < s->n && mailbox == 10 && !*more; i++) {
        if (s->letters[i].gone) continue;
        *more = *n == max;
        if (!*more)
            (*out)[(*n)++] = (struct entry){.uid = uid_at(i),
                                            .email = 1000 + i,
                                            .size = with_sizes ? (int64_t)s->letters[i].bytes.n : 0};
    }
    return 0;
}

static struct letter_read test_read(struct store *s, int64_t account, int64_t email, unsigned want, int64_t whole)
{
    struct letter_read l = {.letter = {.email = email, .prefix = S("")}};
    if (account != TEST_BOB || email < 1000 || email >= 1000 + s->n || s->letters[email - 1000].gone)
        l.error = ERR_NOT_FOUND;
    if (l.error) return l;
    struct str bytes = s->letters[email - 1000].bytes;
    l.letter.size = (int64_t)bytes.n;
    if (want & LETTERS_BYTES && l.letter.size <= whole) l.body = bytes;
    else if (want & LETTERS_HEADER) l.body = str_head(bytes, 6 << 10);
    else return l;
    if (++s->reads == s->fail_read_at) l.error = s->fail_read;
    s->bytes_read += (int64_t)l.body.n;
    return l;
}

FIBER int store_letters(struct store *s, struct arena *a, int64_t account, const int64_t *emails, size_t n,
                        unsigned want, int64_t whole, int64_t most, struct letter_read **out, size_t *done,
                        struct error *e)
{
    fiber_yield();
    s->trips++;
    *done = 0;
    if (s->fail_letter) return error_set(e, s->fail_letter, "to order");
    *out = arena_array(a, n, sizeof **out);
    for (; *done < n && (*done == 0 || most > 0); ++*done) {
        (*out)[*done] = test_read(s, account, emails[*done], want, whole);
        (*out)[*done].body = arena_str(a, (*out)[*done].body);
        most -= (int64_t)(*out)[*done].body.n;
    }
    return 0;
}

FIBER int store_letter_read(struct store *s, struct arena *a, struct letter *l, int64_t offset, size_t n,
                            struct str *out, struct error *e)
{
    fiber_yield();
    if (++s->reads == s->fail_read_at) return error_set(e, s->fail_read, "to order");
    *out = arena_str(a, str_head(str_skip(s->letters[l->email - 1000].bytes, (size_t)offset), n));
    s->bytes_read += (int64_t)out->n;
    return 0;
}

FIBER int store_expunge_set(struct store *s, struct arena *a, int64_t who, int64_t mailbox, const struct uid_set *uids,
                            bool deleted_only, struct uid_set *gone, struct error *e)
{
    (void)who, (void)deleted_only;
    fiber_yield();
    s->expunges++;
    if (s->fail_expunge) return error_set(e, s->fail_expunge, "to order");
    for (uint32_t i = 0; i < s->n && mailbox == 10; i++) {
        if (s->letters[i].gone || !uid_set_has(uids, uid_at(i))) continue;
        s->letters[i].gone = true;
        uid_set_add(a, gone, uid_at(i), uid_at(i));
    }
    return 0;
}

int store_maildrop_lock(struct store *s, int64_t account)
{
    if (s->locked[account]) return ERR_BUSY;
    s->locked[account] = true;
    return 0;
}

void store_maildrop_unlock(struct store *s, int64_t account) { s->locked[account] = false; }

bool store_account_is_active(struct store *s, int64_t account) { return s->locked[account]; } /* who is logged in is */

/* ---- who may log in ---- */

static const struct {
    struct str login, password;
    int64_t account;
    int error;
} test_people[] = {
    {S_INIT("bob@example.org"), S_INIT("open sesame"), TEST_BOB, 0},
    {S_INIT("ann@example.org"), S_INIT(" two  blanks "), TEST_ANN, 0},
    {S_INIT("j\xc3\xbcrgen@example.org"), S_INIT("gr\xc3\xbc\xc3\x9f"), TEST_ANN, 0},
    {S_INIT("guesser@example.org"), S_INIT("x"), 0, ERR_BUSY},
    {S_INIT("down@example.org"), S_INIT("x"), 0, ERR_UNAVAILABLE},
};

static FIBER int test_password(void *arg, struct ip client, struct arena *a, struct str login, struct str password,
                               struct sasl_identity *who)
{
    (void)arg, (void)client, (void)a;
    fiber_yield();
    for (size_t i = 0; i < sizeof test_people / sizeof *test_people; i++) {
        if (!str_eq(login, test_people[i].login) || !str_eq(password, test_people[i].password)) continue;
        *who = (struct sasl_identity){.account = test_people[i].account, .login = login};
        return test_people[i].error;
    }
    return ERR_DENIED;
}

static FIBER int test_scram(void *arg, struct ip client, struct arena *a, struct str login, struct scram_keys *keys,
                            struct sasl_identity *who)
{
    (void)arg, (void)client;
    fiber_yield();
    *keys = scram_derive(S("open sesame"), (const unsigned char *)"0123456789abcdef", 1);
    bool bob = str_eq(login, S("bob@example.org"));
    *who = (struct sasl_identity){.account = bob ? TEST_BOB : 0, .login = arena_str(a, login)};
    return 0;
}

static const struct sasl_accounts test_accounts = {.password = test_password, .scram = test_scram};
