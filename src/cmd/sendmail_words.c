/* The options of sendmail(1): those that mean something here, and those that programs give by habit. */
#include "cmd/sendmail.h"

enum takes {
    NOTHING,
    A_VALUE, /* joined, or the next word */
    JOINED   /* joined or nothing */
};

static const struct option {
    char letter;
    enum takes takes;
} options[] = {
    {'t', NOTHING}, {'i', NOTHING}, {'v', NOTHING}, {'I', NOTHING}, {'q', JOINED},
    {'b', A_VALUE}, {'f', A_VALUE}, {'r', A_VALUE}, {'F', A_VALUE}, {'C', A_VALUE},
    {'N', A_VALUE}, {'R', A_VALUE}, {'V', A_VALUE}, {'o', A_VALUE},
    /* of no meaning here */
    {'m', NOTHING}, {'n', NOTHING}, {'s', NOTHING}, {'G', NOTHING}, {'U', NOTHING}, {'E', NOTHING},
    {'d', JOINED},  {'e', JOINED},  {'A', A_VALUE}, {'B', A_VALUE}, {'D', A_VALUE}, {'h', A_VALUE},
    {'L', A_VALUE}, {'O', A_VALUE}, {'p', A_VALUE}, {'X', A_VALUE}, {'M', A_VALUE},
};

static const struct option *find(char letter)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].letter == letter) return &options[i];
    return NULL;
}

static int take_mode(struct sendmail_words *w, const char *mode, struct error *e)
{
    switch (mode[0]) {
    case 'm': w->mode = SENDMAIL_DELIVER; return 0;
    case 's': w->mode = SENDMAIL_SPEAK; return 0;
    case 'p': w->mode = SENDMAIL_LIST; return 0;
    case 'i': w->mode = SENDMAIL_ALIASES; return 0;
    case 'd':
    case 'D':
    case 'l': return error_set(e, ERR_SYNTAX, "the server is `penny serve`; sendmail only hands letters in");
    case 'v':
    case 't': return error_set(e, ERR_SYNTAX, "`penny route test ADDRESS` tells where its mail would go");
    default: return error_set(e, ERR_SYNTAX, "there is no mode -b%s", mode);
    }
}

static int take_flush(struct sendmail_words *w, const char *how, struct error *e)
{
    w->mode = SENDMAIL_FLUSH;
    if (how[0] == 0 || strcmp(how, "f") == 0) return 0;
    if ((how[0] == 'I' || how[0] == 'R' || how[0] == 'S') && how[1]) {
        w->flush = how[0];
        w->flush_what = how + 1;
        return 0;
    }
    return error_set(e, ERR_SYNTAX, "-q%s: the server tries again by itself; -q alone makes it try now", how);
}

static int take_notify(struct sendmail_words *w, struct str list, struct error *e) /* RFC 3461 §4.1 */
{
    static const struct {
        const char *name;
        unsigned bit;
    } names[] = {{"never", DSN_NOTIFY_NEVER},
                 {"success", DSN_NOTIFY_SUCCESS},
                 {"failure", DSN_NOTIFY_FAILURE},
                 {"delay", DSN_NOTIFY_DELAY}};
    struct str all = list, word;
    w->notify = 0;
    while (list.n) {
        unsigned bit = 0;
        str_cut(list, ',', &word, &list);
        for (size_t i = 0; i < 4; i++)
            if (str_ieq(word, str_c(names[i].name))) bit = names[i].bit;
        if (!bit) return error_set(e, ERR_SYNTAX, "-N %.*s: never, or some of success,failure,delay", STR_FMT(all));
        w->notify |= bit;
    }
    if ((w->notify & DSN_NOTIFY_NEVER) && w->notify != DSN_NOTIFY_NEVER)
        return error_set(e, ERR_SYNTAX, "-N never stands alone");
    return 0;
}

static int take_return(struct sendmail_words *w, struct str how, struct error *e) /* RFC 3461 §4.3 */
{
    w->ret = str_ieq(how, S("full")) ? DSN_RET_FULL : DSN_RET_HDRS;
    if (str_ieq(how, S("full")) || str_ieq(how, S("hdrs"))) return 0;
    return error_set(e, ERR_SYNTAX, "-R is full or hdrs");
}

static int take(struct sendmail_words *w, char letter, const char *value, struct error *e)
{
    switch (letter) {
    case 't': w->from_header = true; break;
    case 'i': w->keep_dots = true; break;
    case 'v': w->verbose = true; break;
    case 'I': w->mode = SENDMAIL_ALIASES; break;
    case 'o': w->keep_dots |= value[0] == 'i'; break;
    case 'f':
    case 'r': w->from = value; break;
    case 'F': w->name = value; break;
    case 'C': w->config = value; break;
    case 'V':
        if (strlen(value) > 100) return error_set(e, ERR_SYNTAX, "-V has at most 100 bytes"); /* RFC 3461 §4.4 */
        w->envid = value;
        break;
    case 'b': return take_mode(w, value, e);
    case 'q': return take_flush(w, value, e);
    case 'N': return take_notify(w, str_c(value), e);
    case 'R': return take_return(w, str_c(value), e);
    default: break;
    }
    return 0;
}

/* One word that begins with "-": its letters, and what the last takes. */
static int take_word(struct sendmail_words *w, int argc, char **argv, int *at, struct error *e)
{
    for (const char *c = argv[(*at)++] + 1; *c;) {
        const struct option *o = find(*c);
        if (!o) return error_set(e, ERR_SYNTAX, "there is no option -%c", *c);
        const char *value = ++c;
        if (o->takes == A_VALUE && !*value) {
            if (*at == argc) return error_set(e, ERR_SYNTAX, "-%c wants a value", o->letter);
            value = argv[(*at)++];
        }
        int error = take(w, o->letter, o->takes == NOTHING ? "" : value, e);
        if (error || o->takes != NOTHING) return error;
    }
    return 0;
}

int sendmail_words(struct arena *a, int argc, char **argv, struct sendmail_words *out, struct error *e)
{
    int at = 0;
    *out = (struct sendmail_words){0};
    while (at < argc && argv[at][0] == '-' && argv[at][1]) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        int error = take_word(out, argc, argv, &at, e);
        if (error) return error;
    }
    out->recipients.v = arena_array(a, (size_t)argc, sizeof *out->recipients.v);
    for (; at < argc; at++) out->recipients.v[out->recipients.n++] = argv[at];
    return 0;
}

const char *sendmail_by_name(const char *argv0)
{
    static const struct {
        const char *name, *option;
    } names[] = {{"sendmail", ""}, {"mailq", "-bp"}, {"newaliases", "-bi"}};
    struct str path = str_c(argv0 ? argv0 : "");
    size_t slash = str_rfind_char(path, '/');
    struct str name = slash < path.n ? str_skip(path, slash + 1) : path;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eq(name, str_c(names[i].name))) return names[i].option;
    return NULL;
}
