/* File names of a Maildir (Bernstein's maildir(5); Maildir++ for keywords by Dovecot's convention). */
#include "proto/mbox/mbox.h"

static const struct {
    char letter;
    flag_set flag;
} letters[] = {{'D', FLAG_DRAFT},    {'F', FLAG_FLAGGED}, {'P', FLAG_FORWARDED},
               {'R', FLAG_ANSWERED}, {'S', FLAG_SEEN},    {'T', FLAG_DELETED}};

struct str maildir_unique(struct str name)
{
    for (size_t i = name.n; i-- > 0;)
        if (name.n - i >= 3 && (name.p[i] == ':' || name.p[i] == ';' || name.p[i] == '!') && name.p[i + 1] == '2' &&
            name.p[i + 2] == ',')
            return str_head(name, i);
    return name;
}

static void read_letter(char c, const struct str names[26], struct kept_letter *out)
{
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (c == letters[i].letter) out->flags |= letters[i].flag;
    bool keyword = c >= 'a' && c <= 'z' && names && names[c - 'a'].n > 0;
    if (keyword && out->n_keywords < MBOX_KEYWORDS_MAX) out->keywords[out->n_keywords++] = names[c - 'a'];
}

void maildir_read_name(struct str name, const struct str names[26], struct kept_letter *out)
{
    struct str unique = maildir_unique(name), flags = str_skip(name, unique.n + 3), seconds, rest;
    uint64_t s;
    str_cut(unique, '.', &seconds, &rest);
    /* since 1980, and no more digits than such a time has: other names are not times */
    if (seconds.n >= 9 && seconds.n <= 10 && str_to_u64(seconds, 9999999999, &s) && s > 315532800)
        out->at = (utc_us)s * US_PER_S;
    for (size_t i = 0; i < flags.n; i++) read_letter(flags.p[i], names, out);
}

void maildir_put_flags(struct buf *b, const struct kept_letter *l)
{
    buf_lit(b, ":2,");
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (l->flags & letters[i].flag) buf_char(b, letters[i].letter);
}
