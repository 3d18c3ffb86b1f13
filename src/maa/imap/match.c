/* The wildcards of LIST (RFC 9051 §6.3.9, RFC 3501 §6.3.8).
 *
 * A pattern is an automaton with a state for each of its characters, and all states it may be in are followed at once:
 * nothing is ever tried again, so no pattern is slow (going back over "*a*a*a*a*b" would be). */
#include "maa/imap/tree.h"

static bool is_wild(char c) { return c == '*' || c == '%'; }

struct imap_pattern imap_pattern_of(struct arena *a, struct str text)
{
    size_t n = 0;
    char *p = arena_alloc(a, text.n);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (n && is_wild(c) && is_wild(p[n - 1])) { /* together they match what the mightier does */
            if (c == '*') p[n - 1] = '*';
        } else {
            p[n++] = c;
        }
    }
    return (struct imap_pattern){.text = str_of(p, n),
                                 .levels = n && p[n - 1] == '%',
                                 .states = arena_array(a, 2 * (n + 1), sizeof(unsigned char))};
}

/* A wildcard may match nothing: the state behind it is reached with it. */
static void reach(unsigned char *states, struct str p)
{
    for (size_t i = 0; i < p.n; i++)
        if (states[i] && is_wild(p.p[i])) states[i + 1] = 1;
}

bool imap_pattern_matches(const struct imap_pattern *pattern, struct str name)
{
    struct str p = pattern->text;
    unsigned char *now = pattern->states, *next = now + p.n + 1;
    if (p.n > 2 * name.n + 1) return false; /* more characters than wildcards, but for one, must be in the name */
    memset(now, 0, p.n + 1);
    now[0] = 1;
    reach(now, p);
    for (size_t k = 0; k < name.n; k++) {
        bool any = false;
        memset(next, 0, p.n + 1);
        for (size_t i = 0; i < p.n; i++) {
            if (!now[i]) continue;
            bool stays = p.p[i] == '*' || (p.p[i] == '%' && name.p[k] != '/');
            if (stays) next[i] = 1;
            else if (!is_wild(p.p[i]) && p.p[i] == name.p[k]) next[i + 1] = 1;
            any |= next[i] || next[i + 1];
        }
        if (!any) return false;
        reach(next, p);
        unsigned char *was = now;
        now = next;
        next = was;
    }
    return now[p.n];
}
