/* Reading ahead: clients take letter after letter, and a trip to the store costs more than a letter does. So when one
 * follows the other the next ones come along, twice as many each time. A session that falls silent gives them back. */
#include "maa/pop3_session.h"
#include "mail/limits.h"

void pop3_forget_ahead(struct pop3_session *p)
{
    arena_free(p->ahead.arena);
    p->ahead = (struct pop3_ahead){0};
}

/* Of a letter too long for LETTERS_BYTES nothing is there that LETTERS_HEADER asks for. */
static bool is_good_for(const struct pop3_ahead *a, const struct letter_read *l, unsigned want)
{
    return !l->error && (a->want == want || (a->want == LETTERS_BYTES && !str_is_none(l->body)));
}

static struct letter_read *find(struct pop3_ahead *a, int64_t email, unsigned want)
{
    for (; a->at < a->n; a->at++) /* they are asked for in order, or all of it was in vain */
        if (a->v[a->at].letter.email == email) return is_good_for(a, &a->v[a->at], want) ? &a->v[a->at] : NULL;
    return NULL;
}

/* The letters from this one on that are there and not marked, `most` at most; *next: the number behind the last. */
static size_t following(const struct maildrop *d, uint32_t number, size_t most, int64_t *emails, uint32_t *next)
{
    size_t n = 0;
    for (; number <= d->n && n < most; number++)
        if (!maildrop_marked(d, number)) emails[n++] = maildrop_letter(d, number)->email;
    *next = number;
    return n;
}

FIBER int pop3_letter_at(struct pop3_session *p, uint32_t number, unsigned want, struct letter_read **out,
                         struct error *e)
{
    struct pop3_ahead *a = &p->ahead;
    int64_t emails[LIMIT_POP3_AHEAD];
    *out = find(a, maildrop_letter(&p->drop, number)->email, want);
    if (*out) return 0;
    a->run = number == a->next ? a->run * 2 : 1;
    if (a->run > LIMIT_POP3_AHEAD) a->run = LIMIT_POP3_AHEAD;
    size_t n = following(&p->drop, number, a->run, emails, &a->next), done = 0;
    if (a->arena) arena_reset(a->arena);
    else a->arena = arena_new(p->arena, 0);
    a->n = a->at = 0;
    a->want = want;
    int error = store_letters(p->service->store, a->arena, p->drop.account, emails, n, want, LIMIT_POP3_WHOLE,
                              LIMIT_POP3_AHEAD_BYTES, &a->v, &done, e);
    if (error) return error;
    if (done < n) following(&p->drop, number, done, emails, &a->next);
    a->n = done;
    *out = &a->v[0];
    return a->v[0].error ? error_set(e, a->v[0].error, "%s", err_name(a->v[0].error)) : 0;
}
