/* The list behind a POP3 session: read once, by pages, so that the store is not held and memory stays small. */
#include "maa/maildrop.h"

#include "base/codec.h"
#include "mail/limits.h"
#include "store/entries.h"

enum { PAGE = 1000 }; /* entries asked of the store at a time */

static struct maildrop_letter *letters_of(const struct maildrop *d)
{
    return (struct maildrop_letter *)(void *)d->letters.p;
}

static void add(struct maildrop *d, const struct entry *e)
{
    if (e->size > UINT32_MAX || d->n == LIMIT_POP3_MESSAGES) return;
    struct maildrop_letter l = {.email = e->email, .uid = e->uid, .size = (uint32_t)e->size};
    buf_add(&d->letters, str_of(&l, sizeof l));
    if (d->letters.failed) return;
    d->n++;
    d->octets += e->size;
}

/* A bit for each letter, none set; false without memory, also for the letters before. */
static bool clear_marks(struct maildrop *d)
{
    size_t bytes = (d->n + 7) / 8;
    buf_clear(&d->marks);
    char *at = d->letters.failed ? NULL : buf_reserve(&d->marks, bytes);
    if (!at) return false;
    memset(at, 0, bytes);
    d->marks.n = bytes;
    return true;
}

FIBER int maildrop_open(struct maildrop *d, struct store *s, struct arena *a, int64_t account, int64_t inbox,
                        struct error *e)
{
    *d = (struct maildrop){
        .account = account,
        .mailbox = inbox,
        .letters = BUF(LIMIT_POP3_MESSAGES * sizeof(struct maildrop_letter)),
        .marks = BUF((LIMIT_POP3_MESSAGES + 7) / 8),
    };
    struct arena *page = arena_new(a, 0);
    int error = 0;
    uid after = 0;
    for (bool more = true; more && !error && d->n < LIMIT_POP3_MESSAGES;) {
        struct entry *entries;
        size_t n;
        arena_reset(page);
        error = store_entries(s, page, inbox, after, PAGE, true, &entries, &n, &more, e);
        for (size_t i = 0; !error && i < n; i++) {
            add(d, &entries[i]);
            after = entries[i].uid;
        }
    }
    arena_free(page);
    if (!error && !clear_marks(d)) error = error_set(e, ERR_UNAVAILABLE, "no memory for a maildrop");
    if (error) maildrop_close(d);
    return error;
}

void maildrop_close(struct maildrop *d)
{
    buf_free(&d->letters);
    buf_free(&d->marks);
    *d = (struct maildrop){0};
}

const struct maildrop_letter *maildrop_letter(const struct maildrop *d, uint32_t number)
{
    return number >= 1 && number <= d->n ? &letters_of(d)[number - 1] : NULL;
}

/* ---- marks ---- */

static size_t byte_of(uint32_t number) { return (number - 1) / 8; }
static unsigned bit_of(uint32_t number) { return 1u << (number - 1) % 8; }

bool maildrop_marked(const struct maildrop *d, uint32_t number)
{
    return (unsigned char)d->marks.p[byte_of(number)] & bit_of(number);
}

void maildrop_mark(struct maildrop *d, uint32_t number)
{
    d->marks.p[byte_of(number)] = (char)((unsigned char)d->marks.p[byte_of(number)] | bit_of(number));
    d->n_marked++;
    d->octets_marked += maildrop_letter(d, number)->size;
}

void maildrop_unmark_all(struct maildrop *d)
{
    clear_marks(d); /* in the memory it has */
    d->n_marked = 0;
    d->octets_marked = 0;
}

FIBER int maildrop_update(struct maildrop *d, struct store *s, struct arena *a, size_t *gone, struct error *e)
{
    *gone = 0;
    if (d->n_marked == 0) return 0;
    struct uid_set uids = {0};
    for (uint32_t i = 1; i <= d->n; i++) {
        uid u = maildrop_letter(d, i)->uid;
        if (maildrop_marked(d, i)) uid_set_add(a, &uids, u, u);
    }
    struct uid_set done = {0};
    int error = store_expunge_set(s, a, d->account, d->mailbox, &uids, false, &done, e);
    *gone = (size_t)uid_set_count(&done);
    return error;
}

void maildrop_put_unique_id(struct buf *b, const struct maildrop_letter *l)
{
    id_put(b, l->email);
    buf_char(b, '.');
    buf_u64(b, l->uid);
}
