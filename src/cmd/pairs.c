/* Pairs of letters as text: a line with the two UIDVALIDITYs, one with the keywords by bit ("-": none), then runs
 * "T,O,N,F;": N pairs, of which the first is T further on there and O further on here than the pair before, each
 * following one 1 further on both sides; F: their flags in hexadecimal. */
#include "cmd/pairs.h"

#include "mail/limits.h"

static const struct str magic = S_INIT("pairs 1 ");

void pairs_add(struct arena *a, struct pairs *p, struct pair pair)
{
    p->v = arena_grow(a, p->v, p->n, &p->cap, sizeof *p->v);
    p->v[p->n++] = pair;
}

static bool follows(const struct pair *before, const struct pair *next)
{
    return next->theirs == before->theirs + 1 && next->ours == before->ours + 1 && next->flags == before->flags;
}

void pairs_put(struct buf *b, const struct pairs *p)
{
    struct pair last = {0};
    buf_add(b, magic);
    buf_printf(b, "%u %u\n", p->their_validity, p->our_validity);
    for (int bit = FLAG_FIRST_OWN; bit < 32; bit++) {
        buf_add(b, p->words[bit].n ? p->words[bit] : S("-"));
        buf_char(b, bit < 31 ? ' ' : '\n');
    }
    for (size_t i = 0, n; i < p->n; i += n) {
        for (n = 1; i + n < p->n && follows(&p->v[i + n - 1], &p->v[i + n]);) n++;
        buf_printf(b, "%lld,%lld,%zu,%x;", (long long)p->v[i].theirs - last.theirs, (long long)p->v[i].ours - last.ours,
                   n, p->v[i].flags);
        last = p->v[i + n - 1];
    }
}

static bool take_signed(struct str text, int64_t *out)
{
    uint64_t n;
    bool minus = str_starts(text, S("-"));
    if (!str_to_u64(str_skip(text, minus), UINT32_MAX, &n)) return false;
    *out = minus ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool take_hex(struct str text, flag_set *out)
{
    *out = 0;
    if (text.n == 0 || text.n > 8) return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (!ch_digit(c) && !(c >= 'a' && c <= 'f')) return false;
        *out = *out << 4 | (flag_set)(ch_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return true;
}

static bool read_head(struct str line, struct pairs *out)
{
    uint64_t theirs, ours;
    if (!str_starts(line, magic)) return false;
    line = str_skip(line, magic.n);
    if (!str_to_u64(str_word(&line), UINT32_MAX, &theirs) || !str_to_u64(str_word(&line), UINT32_MAX, &ours))
        return false;
    out->their_validity = (uint32_t)theirs;
    out->our_validity = (uint32_t)ours;
    return line.n == 0;
}

static int read_run(struct arena *a, struct str run, struct pairs *out)
{
    struct str part[4];
    int64_t theirs, ours;
    uint64_t n;
    struct pair p = out->n ? out->v[out->n - 1] : (struct pair){0};
    for (int i = 0; i < 4; i++) str_cut(run, ',', &part[i], &run);
    if (!take_signed(part[0], &theirs) || !take_signed(part[1], &ours) || !take_hex(part[3], &p.flags))
        return ERR_SYNTAX;
    if (!str_to_u64(part[2], LIMIT_REMOTE_LETTERS, &n) || n == 0) return ERR_SYNTAX;
    if (out->n + n > LIMIT_REMOTE_LETTERS) return ERR_TOO_LONG;
    theirs += p.theirs;
    ours += p.ours;
    if (theirs < 0 || ours < 1 || theirs + (int64_t)n - 1 > UINT32_MAX || ours + (int64_t)n - 1 > UINT32_MAX)
        return ERR_SYNTAX;
    for (uint64_t i = 0; i < n; i++) {
        p.theirs = (uid)(theirs + (int64_t)i);
        p.ours = (uid)(ours + (int64_t)i);
        pairs_add(a, out, p);
    }
    return 0;
}

int pairs_read(struct arena *a, struct str text, struct pairs *out)
{
    struct str head, words, run;
    *out = (struct pairs){0};
    if (!str_cut(text, '\n', &head, &text) || !str_cut(text, '\n', &words, &text) || !read_head(head, out))
        return ERR_SYNTAX;
    for (int bit = FLAG_FIRST_OWN; bit < 32; bit++) {
        out->words[bit] = str_word(&words);
        if (str_eq(out->words[bit], S("-"))) out->words[bit] = STR_NONE;
    }
    while (text.n) {
        if (!str_cut(text, ';', &run, &text)) return ERR_SYNTAX;
        int error = read_run(a, run, out);
        if (error) return error;
    }
    return 0;
}
