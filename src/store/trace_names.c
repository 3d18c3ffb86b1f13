/* What a row of the record can be found by: addresses, their domains, the Message-ID, words of the subject. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "mail/unicode.h"
#include "store/trace_index.h"

struct str trace_fold(struct arena *a, struct str text)
{
    struct str folded;
    if (!str_is_ascii(text)) return unicode_caseless(a, text, &folded) == 0 ? folded : text;
    char *lower = arena_alloc(a, text.n + 1);
    for (size_t i = 0; i < text.n; i++) lower[i] = ch_lower(text.p[i]);
    return str_of(lower, text.n);
}

struct str trace_fold_address(struct arena *a, struct str text)
{
    size_t at = str_rfind_char(text, '@');
    struct str domain = at < text.n ? str_skip(text, at + 1) : text, key;
    if (str_is_ascii(domain) || domain_key(a, domain, &key) != 0) return trace_fold(a, text);
    if (at == text.n) return key;
    struct str local = trace_fold(a, str_head(text, at));
    return arena_printf(a, "%.*s@%.*s", STR_FMT(local), STR_FMT(key));
}

static bool in_word(unsigned char c) { return c >= 0x80 || ch_alnum(c); }

struct str trace_word(struct str *rest)
{
    size_t begin = 0, end;
    while (begin < rest->n && !in_word((unsigned char)rest->p[begin])) begin++;
    for (end = begin; end < rest->n && in_word((unsigned char)rest->p[end]);) end++;
    struct str word = str_sub(*rest, begin, end);
    *rest = str_skip(*rest, end);
    return word;
}

uint64_t trace_name_hash(enum trace_name kind, struct str folded)
{
    const struct hash_key key = {{(uint64_t)kind, 0x7472616365}}; /* kept on disk: never another */
    return hash_sip(&key, folded);
}

static void add(struct trace_names *out, enum trace_name kind, struct str folded)
{
    if (folded.n == 0 || out->n == TRACE_NAMES) return;
    out->v[out->n++] = trace_name_hash(kind, folded);
}

static void add_address(struct arena *a, struct trace_names *out, struct str text)
{
    struct str folded = trace_fold_address(a, text);
    size_t at = str_rfind_char(folded, '@');
    if (at == folded.n) return;
    add(out, NAME_ADDRESS, folded);
    add(out, NAME_DOMAIN, str_skip(folded, at + 1));
}

bool trace_is_told(const struct record *r)
{
    if (r->message == 0) return false;
    if (r->n_recipients > 0) return true;
    for (size_t i = 0; i < r->n_events; i++)
        if (r->events[i].kind == TRACE_REFUSED) return true;
    return false;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static size_t without_doubles(uint64_t *v, size_t n)
{
    size_t kept = 0;
    qsort(v, n, sizeof *v, by_value);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || v[i] != v[i - 1]) v[kept++] = v[i];
    return kept;
}

void trace_names_of(struct arena *a, const struct record *r, struct trace_names *out)
{
    out->n = 0;
    if (!address_is_null(r->sender)) add_address(a, out, address_str(a, r->sender));
    for (size_t i = 0; i < r->n_recipients; i++) {
        add_address(a, out, address_str(a, r->recipients[i].path.address));
        if (!address_is_null(r->recipients[i].final)) add_address(a, out, address_str(a, r->recipients[i].final));
    }
    for (size_t i = 0; i < r->n_events; i++) add_address(a, out, r->events[i].address);
    add(out, NAME_MESSAGE_ID, trace_fold(a, r->message_id));
    struct str subject = trace_fold(a, r->subject), word;
    for (int i = 0; i < TRACE_WORDS && (word = trace_word(&subject)).n; i++) add(out, NAME_WORD, word);
    out->n = without_doubles(out->v, out->n);
}
