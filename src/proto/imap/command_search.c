/* SEARCH, SORT, THREAD and ESEARCH (RFC 9051 §6.4.4, RFC 5256, RFC 5267, RFC 7377): keys as a tree.
 *
 * The recursion is as deep as LIMIT_IMAP_DEPTH lets parentheses, NOT and FUZZY be; ORs, which programs write by the
 * hundred in each other, are one flat list. */
#include "proto/imap/parse.h"

/* --- keys --- */

enum argument { NONE, SET, FLAG_ON, FLAG_OFF, KEYWORD, TEXT, FIELD, DAY, SIZE, AGE, MODSEQ, ID, GROUP };

static const struct {
    struct str name;
    enum imap_key_kind kind;
    enum argument argument;
    flag_set flag;
} keys[] = {
    {S_INIT("ALL"), IMAP_KEY_ALL, NONE, 0},
    {S_INIT("ANSWERED"), IMAP_KEY_FLAG, FLAG_ON, FLAG_ANSWERED},
    {S_INIT("BCC"), IMAP_KEY_BCC, TEXT, 0},
    {S_INIT("BEFORE"), IMAP_KEY_BEFORE, DAY, 0},
    {S_INIT("BODY"), IMAP_KEY_BODY, TEXT, 0},
    {S_INIT("CC"), IMAP_KEY_CC, TEXT, 0},
    {S_INIT("DELETED"), IMAP_KEY_FLAG, FLAG_ON, FLAG_DELETED},
    {S_INIT("DRAFT"), IMAP_KEY_FLAG, FLAG_ON, FLAG_DRAFT},
    {S_INIT("EMAILID"), IMAP_KEY_EMAILID, ID, 0},
    {S_INIT("FLAGGED"), IMAP_KEY_FLAG, FLAG_ON, FLAG_FLAGGED},
    {S_INIT("FROM"), IMAP_KEY_FROM, TEXT, 0},
    {S_INIT("FUZZY"), IMAP_KEY_FUZZY, GROUP, 0},
    {S_INIT("HEADER"), IMAP_KEY_HEADER, FIELD, 0},
    {S_INIT("KEYWORD"), IMAP_KEY_KEYWORD, KEYWORD, 0},
    {S_INIT("LARGER"), IMAP_KEY_LARGER, SIZE, 0},
    {S_INIT("MODSEQ"), IMAP_KEY_MODSEQ, MODSEQ, 0},
    {S_INIT("NEW"), IMAP_KEY_RECENT, GROUP, 0},
    {S_INIT("NOT"), IMAP_KEY_NOT, GROUP, 0},
    {S_INIT("OLD"), IMAP_KEY_RECENT, FLAG_OFF, 0},
    {S_INIT("OLDER"), IMAP_KEY_OLDER, AGE, 0},
    {S_INIT("ON"), IMAP_KEY_ON, DAY, 0},
    {S_INIT("OR"), IMAP_KEY_OR, GROUP, 0},
    {S_INIT("RECENT"), IMAP_KEY_RECENT, NONE, 0},
    {S_INIT("SAVEDATESUPPORTED"), IMAP_KEY_SAVEDATESUPPORTED, NONE, 0},
    {S_INIT("SAVEDBEFORE"), IMAP_KEY_SAVEDBEFORE, DAY, 0},
    {S_INIT("SAVEDON"), IMAP_KEY_SAVEDON, DAY, 0},
    {S_INIT("SAVEDSINCE"), IMAP_KEY_SAVEDSINCE, DAY, 0},
    {S_INIT("SEEN"), IMAP_KEY_FLAG, FLAG_ON, FLAG_SEEN},
    {S_INIT("SENTBEFORE"), IMAP_KEY_SENTBEFORE, DAY, 0},
    {S_INIT("SENTON"), IMAP_KEY_SENTON, DAY, 0},
    {S_INIT("SENTSINCE"), IMAP_KEY_SENTSINCE, DAY, 0},
    {S_INIT("SINCE"), IMAP_KEY_SINCE, DAY, 0},
    {S_INIT("SMALLER"), IMAP_KEY_SMALLER, SIZE, 0},
    {S_INIT("SUBJECT"), IMAP_KEY_SUBJECT, TEXT, 0},
    {S_INIT("TEXT"), IMAP_KEY_TEXT, TEXT, 0},
    {S_INIT("THREADID"), IMAP_KEY_THREADID, ID, 0},
    {S_INIT("TO"), IMAP_KEY_TO, TEXT, 0},
    {S_INIT("UID"), IMAP_KEY_UID, SET, 0},
    {S_INIT("UNANSWERED"), IMAP_KEY_FLAG, FLAG_OFF, FLAG_ANSWERED},
    {S_INIT("UNDELETED"), IMAP_KEY_FLAG, FLAG_OFF, FLAG_DELETED},
    {S_INIT("UNDRAFT"), IMAP_KEY_FLAG, FLAG_OFF, FLAG_DRAFT},
    {S_INIT("UNFLAGGED"), IMAP_KEY_FLAG, FLAG_OFF, FLAG_FLAGGED},
    {S_INIT("UNKEYWORD"), IMAP_KEY_NOT, KEYWORD, 0},
    {S_INIT("UNSEEN"), IMAP_KEY_FLAG, FLAG_OFF, FLAG_SEEN},
    {S_INIT("YOUNGER"), IMAP_KEY_YOUNGER, AGE, 0},
};

struct keys {
    size_t n; /* of the whole command */
    int depth;
};

static struct imap_key *new_key(struct imap_scan *s, enum imap_key_kind kind, struct imap_key *children)
{
    struct imap_key *k = arena_new_of(s->a, struct imap_key);
    k->kind = kind;
    k->children = children;
    return k;
}

static struct imap_key *negated(struct imap_scan *s, struct imap_key *k)
{
    return k->kind == IMAP_KEY_NOT ? k->children : new_key(s, IMAP_KEY_NOT, k);
}

/* SP entry-name SP entry-type-req, both before the number, and both without effect on ours (RFC 7162 §3.1.5) */
static bool read_modseq(struct imap_scan *s, struct imap_key *k)
{
    struct str entry;
    if (scan_is(s, '"')) {
        if (!scan_string(s, &entry) || !scan_space(s)) return false;
        struct str type = scan_word(s);
        if (!str_ieq(type, S("priv")) && !str_ieq(type, S("shared")) && !str_ieq(type, S("all")))
            return scan_fail(s, "an entry's type is missing");
        if (!scan_space(s)) return false;
    }
    return scan_modseq(s, &k->number);
}

static bool read_keyword(struct imap_scan *s, struct imap_key *k)
{
    if (!scan_atom(s, &k->text)) return false;
    k->flag = imap_flag_bit(k->text);
    k->kind = k->flag ? IMAP_KEY_FLAG : IMAP_KEY_KEYWORD;
    return true;
}

static bool read_argument(struct imap_scan *s, enum argument what, struct imap_key *k)
{
    switch (what) {
    case SET: return scan_space(s) && scan_set(s, &k->set);
    case KEYWORD: return scan_space(s) && read_keyword(s, k);
    case TEXT: return scan_space(s) && scan_astring(s, &k->text);
    case FIELD: return scan_space(s) && scan_astring(s, &k->field) && scan_space(s) && scan_astring(s, &k->text);
    case DAY: return scan_space(s) && scan_date(s, &k->day);
    case SIZE: return scan_space(s) && scan_number(s, 0, INT64_MAX, &k->number);
    case AGE: return scan_space(s) && scan_number(s, 1, UINT32_MAX, &k->number);
    case MODSEQ: return scan_space(s) && read_modseq(s, k);
    case ID: return scan_space(s) && scan_astring(s, &k->text);
    case NONE:
    case FLAG_ON:
    case FLAG_OFF:
    case GROUP: break;
    }
    return true;
}

/* Each of these returns NULL with an error. */
static struct imap_key *read_key(struct imap_scan *s, struct keys *state);

static __attribute__((noinline)) struct imap_key *read_parentheses(struct imap_scan *s, struct keys *state)
{
    struct imap_key *all = new_key(s, IMAP_KEY_AND, NULL), **next = &all->children;
    do {
        while (scan_if(s, ' ')) {
        }
        *next = read_key(s, state);
        if (!*next) return NULL;
        next = &(*next)->next;
        while (scan_if(s, ' ')) {
        }
    } while (s->rest.n && !scan_is(s, ')'));
    return scan_char(s, ')') ? all : NULL;
}

/* "OR" SP search-key SP search-key; "OR a OR b c" and "OR OR a b c" are both a, b or c. "OR" has been taken. */
static __attribute__((noinline)) struct imap_key *read_or(struct imap_scan *s, struct keys *state)
{
    struct imap_key *any = new_key(s, IMAP_KEY_OR, NULL), **next = &any->children;
    for (size_t wanted = 2; wanted;) {
        if (!scan_space(s)) return NULL;
        if (scan_word_is(s, S("OR"))) {
            wanted++;
            continue;
        }
        *next = read_key(s, state);
        if (!*next) return NULL;
        next = &(*next)->next;
        wanted--;
    }
    return any;
}

static struct imap_key *read_inner(struct imap_scan *s, enum imap_key_kind kind, struct keys *state)
{
    struct imap_key *inner = scan_space(s) ? read_key(s, state) : NULL;
    if (!inner) return NULL;
    return kind == IMAP_KEY_NOT ? negated(s, inner) : new_key(s, kind, inner);
}

static __attribute__((noinline)) struct imap_key *read_named(struct imap_scan *s, struct keys *state)
{
    struct str word = scan_word(s);
    size_t i = 0;
    while (i < sizeof keys / sizeof *keys && !str_ieq(keys[i].name, word)) i++;
    if (i == sizeof keys / sizeof *keys) {
        scan_fail(s, "an unknown search key");
        return NULL;
    }
    if (keys[i].argument == GROUP && keys[i].kind == IMAP_KEY_OR) return read_or(s, state);
    if (keys[i].argument == GROUP && keys[i].kind != IMAP_KEY_RECENT) return read_inner(s, keys[i].kind, state);
    struct imap_key *k = new_key(s, keys[i].kind, NULL);
    k->flag = keys[i].flag;
    if (!read_argument(s, keys[i].argument, k)) return NULL;
    if (keys[i].argument == GROUP) { /* RFC 3501 §6.4.4: NEW */
        struct imap_key *seen = new_key(s, IMAP_KEY_FLAG, NULL);
        seen->flag = FLAG_SEEN;
        k->next = negated(s, seen);
        return new_key(s, IMAP_KEY_AND, k);
    }
    bool off = keys[i].argument == FLAG_OFF || keys[i].kind == IMAP_KEY_NOT;
    return off ? negated(s, k) : k;
}

static struct imap_key *read_key(struct imap_scan *s, struct keys *state)
{
    if (state->depth == LIMIT_IMAP_DEPTH || state->n == LIMIT_IMAP_KEYS) {
        scan_fail(s, state->depth == LIMIT_IMAP_DEPTH ? "search keys too deep in each other" : "too many search keys");
        return NULL;
    }
    state->n++;
    state->depth++;
    struct imap_key *k;
    if (scan_if(s, '(')) {
        k = read_parentheses(s, state);
    } else if (s->rest.n && (ch_digit(s->rest.p[0]) || s->rest.p[0] == '*' || s->rest.p[0] == '$')) {
        k = new_key(s, IMAP_KEY_NUMBERS, NULL);
        if (!scan_set(s, &k->set)) k = NULL;
    } else {
        k = read_named(s, state);
    }
    state->depth--;
    return k;
}

/* search-program = ["CHARSET" SP charset SP] search-key *(SP search-key); the blank before it has been taken */
static bool read_keys(struct imap_scan *s, struct imap_search *out)
{
    struct keys state = {0};
    struct imap_key **next;
    out->key = new_key(s, IMAP_KEY_AND, NULL);
    next = &out->key->children;
    do {
        *next = read_key(s, &state);
        if (!*next) return false;
        next = &(*next)->next;
    } while (scan_more(s));
    return true;
}

static bool read_program(struct imap_scan *s, struct imap_search *out)
{
    if (scan_word_is(s, S("CHARSET"))) {
        if (!scan_space(s) || !scan_astring(s, &out->charset) || !scan_space(s)) return false;
    }
    return read_keys(s, out);
}

/* --- return options --- */

/* modifier-update = "UPDATE" ["(" fetch-att *(SP fetch-att) ")"] (RFC 5465 §8), whose example has a blank in between */
static bool read_update(struct imap_scan *s, struct imap_search *out)
{
    if (!scan_if(s, '(')) {
        if (!str_starts(s->rest, S(" ("))) return true;
        s->rest = str_skip(s->rest, 2);
    }
    return imap_read_fetch_items(s, &out->fetch);
}

static bool read_return_option(struct imap_scan *s, void *arg)
{
    static const struct imap_word options[] = {
        {S_INIT("MIN"), IMAP_SEARCH_MIN},         {S_INIT("MAX"), IMAP_SEARCH_MAX},
        {S_INIT("ALL"), IMAP_SEARCH_ALL},         {S_INIT("COUNT"), IMAP_SEARCH_COUNT},
        {S_INIT("SAVE"), IMAP_SEARCH_SAVE},       {S_INIT("UPDATE"), IMAP_SEARCH_UPDATE},
        {S_INIT("CONTEXT"), IMAP_SEARCH_CONTEXT}, {S_INIT("RELEVANCY"), IMAP_SEARCH_RELEVANCY},
        {S_INIT("PARTIAL"), IMAP_SEARCH_PARTIAL},
    };
    struct imap_search *out = arg;
    int option = IMAP_WORD(options, scan_word(s));
    if (option < 0) return scan_fail(s, "an unknown return option");
    if (option == IMAP_SEARCH_PARTIAL) {
        if (out->returns & IMAP_SEARCH_PARTIAL) return scan_fail(s, "PARTIAL twice"); /* RFC 9394 §3.1 */
        if (!scan_space(s) || !scan_partial(s, &out->partial)) return false;
    }
    out->returns |= (unsigned)option;
    return option == IMAP_SEARCH_UPDATE ? read_update(s, out) : true;
}

/* [SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"] SP; the first blank has been taken */
static bool read_returns(struct imap_scan *s, struct imap_search *out)
{
    out->charset = STR_NONE;
    if (!scan_word_is(s, S("RETURN"))) return true;
    out->extended = true;
    if (!scan_space(s) || !scan_char(s, '(') || !scan_list(s, true, read_return_option, out)) return false;
    if (out->returns == 0) out->returns = IMAP_SEARCH_ALL; /* RFC 9051 §6.4.4 */
    if (out->returns & IMAP_SEARCH_PARTIAL && out->returns & IMAP_SEARCH_ALL)
        return scan_fail(s, "ALL and PARTIAL exclude each other"); /* RFC 9394 §3.1 */
    return scan_space(s);
}

bool imap_read_search(struct imap_scan *s, struct imap_command *c)
{
    return scan_space(s) && read_returns(s, &c->search) && read_program(s, &c->search);
}

/* --- SORT, THREAD --- */

static bool read_sort_key(struct imap_scan *s, void *arg)
{
    static const struct imap_word names[] = {
        {S_INIT("ARRIVAL"), IMAP_SORT_ARRIVAL},
        {S_INIT("CC"), IMAP_SORT_CC},
        {S_INIT("DATE"), IMAP_SORT_DATE},
        {S_INIT("FROM"), IMAP_SORT_FROM},
        {S_INIT("SIZE"), IMAP_SORT_SIZE},
        {S_INIT("SUBJECT"), IMAP_SORT_SUBJECT},
        {S_INIT("TO"), IMAP_SORT_TO},
        {S_INIT("DISPLAYFROM"), IMAP_SORT_DISPLAYFROM},
        {S_INIT("DISPLAYTO"), IMAP_SORT_DISPLAYTO},
        {S_INIT("RELEVANCY"), IMAP_SORT_RELEVANCY},
    };
    struct imap_search *out = arg;
    struct imap_sort_key key = {.reverse = scan_word_is(s, S("REVERSE"))};
    if (key.reverse && !scan_space(s)) return false;
    int by = IMAP_WORD(names, scan_word(s));
    if (by < 0) return scan_fail(s, "an unknown sort key");
    key.by = (enum imap_sort_by)by;
    for (size_t i = 0; i < out->n_sort; i++) /* what comes again decides nothing, and so there are ten at most */
        if (out->sort[i].by == key.by) return true;
    out->sort = arena_grow(s->a, out->sort, out->n_sort, &out->cap_sort, sizeof *out->sort);
    out->sort[out->n_sort++] = key;
    return true;
}

/* SP charset SP search-key *(SP search-key) (RFC 5256 §5) */
static bool read_criteria(struct imap_scan *s, struct imap_search *out)
{
    return scan_space(s) && scan_astring(s, &out->charset) && scan_space(s) && read_keys(s, out);
}

bool imap_read_sort(struct imap_scan *s, struct imap_command *c)
{
    return scan_space(s) && read_returns(s, &c->search) && scan_char(s, '(') &&
           scan_list(s, false, read_sort_key, &c->search) && read_criteria(s, &c->search);
}

bool imap_read_thread(struct imap_scan *s, struct imap_command *c)
{
    static const struct imap_word names[] = {
        {S_INIT("ORDEREDSUBJECT"), IMAP_THREAD_ORDEREDSUBJECT},
        {S_INIT("REFERENCES"), IMAP_THREAD_REFERENCES},
    };
    struct str algorithm;
    if (!scan_space(s) || !scan_atom(s, &algorithm)) return false;
    int found = IMAP_WORD(names, algorithm);
    c->search.thread = found < 0 ? IMAP_THREAD_UNKNOWN : (enum imap_thread_algorithm)found;
    return read_criteria(s, &c->search);
}

/* --- ESEARCH --- */

static bool read_source(struct imap_scan *s, void *arg)
{
    struct imap_search *out = arg;
    struct imap_filter f;
    if (scan_is(s, '(')) return scan_fail(s, "unknown scope options"); /* none are defined */
    if (!imap_read_filter(s, false, &f)) return false;
    if (out->n_sources == LIMIT_IMAP_WORDS) return scan_fail(s, "too many sources");
    out->sources = arena_grow(s->a, out->sources, out->n_sources, &out->cap_sources, sizeof *out->sources);
    out->sources[out->n_sources++] = f;
    return true;
}

/* "ESEARCH" [SP "IN" SP "(" source-mbox [SP "(" scope-options ")"] ")"] [SP search-return-opts] SP search-program
 * (RFC 7377 §3) */
bool imap_read_esearch(struct imap_scan *s, struct imap_command *c)
{
    if (!scan_space(s)) return false;
    if (scan_word_is(s, S("IN")) &&
        (!scan_space(s) || !scan_char(s, '(') || !scan_list(s, false, read_source, &c->search) || !scan_space(s)))
        return false;
    if (!read_returns(s, &c->search)) return false;
    if (!c->search.extended) c->search.returns = IMAP_SEARCH_ALL;
    c->search.extended = true;
    return read_program(s, &c->search);
}
