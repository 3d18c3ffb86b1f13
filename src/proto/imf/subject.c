/* Base subject: prefixes and trailers taken off as RFC 5256 §2.1 says, in linear time. */
#include "proto/imf/subject.h"

#include "mail/limits.h"
#include "proto/imf/encoded_word.h"
#include "proto/imf/field.h"

/* Step 1: decoded, white space collapsed. */
static struct str plain_subject(struct arena *a, struct str body)
{
    struct str s = imf_decode_text(a, imf_unfold(a, body, LIMIT_FIELD_SHOWN));
    char *p = arena_alloc(a, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!ch_space(s.p[i])) p[n++] = s.p[i];
        else if (n > 0 && p[n - 1] != ' ') p[n++] = ' ';
    }
    while (n > 0 && p[n - 1] == ' ') n--;
    return str_of(p, n);
}

/* subj-trailer = "(fwd)" / WSP */
static bool drop_trailers(struct str *s)
{
    bool any = false;
    for (;;) {
        while (s->n && s->p[s->n - 1] == ' ') s->n--;
        if (s->n < 5 || !str_ieq(str_skip(*s, s->n - 5), S("(fwd)"))) return any;
        s->n -= 5;
        any = true;
    }
}

/* subj-blob = "[" *BLOBCHAR "]" *WSP; length at the start of s, 0 when there is none */
static size_t blob_length(struct str s)
{
    if (s.n == 0 || s.p[0] != '[') return 0;
    size_t i = 1;
    while (i < s.n && s.p[i] != '[' && s.p[i] != ']') i++;
    if (i >= s.n || s.p[i] != ']') return 0;
    i++;
    while (i < s.n && s.p[i] == ' ') i++;
    return i;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static size_t refwd_length(struct str s)
{
    size_t i = str_istarts(s, S("fwd")) ? 3 : str_istarts(s, S("re")) || str_istarts(s, S("fw")) ? 2 : 0;
    if (i == 0) return 0;
    while (i < s.n && s.p[i] == ' ') i++;
    i += blob_length(str_skip(s, i));
    return i < s.n && s.p[i] == ':' ? i + 1 : 0;
}

/* Steps 3 to 5. Blobs before a "re:" go with it; blobs before anything else go as long as something stays. */
static bool drop_leaders(struct str *s)
{
    bool any = false;
    for (;;) {
        while (s->n && s->p[0] == ' ') *s = str_skip(*s, 1);
        struct str rest = *s;
        size_t blob, last = 0;
        while ((blob = blob_length(rest)) > 0) {
            last = blob;
            rest = str_skip(rest, blob);
        }
        size_t refwd = refwd_length(rest);
        if (refwd == 0) {
            if (rest.n == 0 && last > 0) rest = str_of(rest.p - last, last); /* step 4: not the last one */
            *s = rest;
            return any;
        }
        *s = str_skip(rest, refwd);
        any = true;
    }
}

struct imf_subject imf_subject_parse(struct arena *a, struct str body)
{
    struct imf_subject out = {.text = plain_subject(a, body)};
    struct str s = out.text;
    for (;;) {
        out.reply |= drop_trailers(&s);
        out.reply |= drop_leaders(&s);
        if (s.n < 6 || !str_istarts(s, S("[fwd:")) || s.p[s.n - 1] != ']') break; /* step 6 */
        s = str_sub(s, 5, s.n - 1);
        out.reply = true;
    }
    out.base = s;
    return out;
}
