/* penny queue: what waits to be sent on, why, and until when; and what its owner can do about it. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd/ask.h"
#include "cmd/commands.h"
#include "io/process.h"

/* ---- which ---- */

enum { FILTERS = 4 };
static const char *const filter_names[FILTERS] = {"to", "from", "domain", "hop"};

struct which {
    const char *filters[FILTERS];
    bool held, all;
    struct words messages;
};

static bool is_any(const struct which *w)
{
    bool any = w->held || w->messages.n;
    for (size_t i = 0; i < FILTERS; i++) any |= w->filters[i] != NULL;
    return any;
}

static void put_which(struct json *j, const struct which *w)
{
    for (size_t i = 0; i < FILTERS; i++)
        if (w->filters[i]) json_put_str(j, filter_names[i], str_c(w->filters[i]));
    if (w->held) json_put_bool(j, "held", true);
    if (w->all) json_put_bool(j, "all", true);
    if (w->messages.n == 0) return;
    json_put_array(j, "messages");
    for (size_t i = 0; i < w->messages.n; i++) json_put_str(j, NULL, str_c(w->messages.v[i]));
    json_put_end(j, ']');
}

/* Options of all commands that choose; others may be NULL. */
static int read_which(struct program *p, int argc, char **argv, struct which *w, int most, bool *yes)
{
    bool unused;
    const struct arg options[] = {
        {"--to", 0, ARG_TEXT, &w->filters[0]},     {"--from", 0, ARG_TEXT, &w->filters[1]},
        {"--domain", 0, ARG_TEXT, &w->filters[2]}, {"--hop", 0, ARG_TEXT, &w->filters[3]},
        {"--held", 0, ARG_FLAG, &w->held},         {"--all", 0, ARG_FLAG, &w->all},
        {"--yes", 'y', ARG_FLAG, yes ? yes : &unused}, {0},
    };
    return program_words(p, argc, argv, options, 0, most, &w->messages);
}

/* ---- listing ---- */

struct seen { /* the letter whose recipients are being printed */
    struct program *program;
    char message[32];
    bool details;
    int64_t rows;
};

static void print_time(const char *label, struct str rfc3339)
{
    if (rfc3339.n) printf("%s%.*s %.*s", label, STR_FMT(str_head(rfc3339, 10)), STR_FMT(str_sub(rfc3339, 11, 19)));
}

static void print_letter(struct seen *seen, const json_t *o)
{
    struct str message = request_text(o, "message");
    char room[64];
    struct buf size = BUF_OVER(room);
    if (str_eq(str_c(seen->message), message)) return;
    snprintf(seen->message, sizeof seen->message, "%.*s", STR_FMT(message));
    printf("%.*s", STR_FMT(message));
    print_time("  ", request_text(o, "received"));
    print_bytes(&size, request_int(o, "size", 0));
    printf("  %.*s  from ", STR_FMT(buf_str(&size)));
    print_text(request_text(o, "from"));
    if (request_text(o, "subject").n) {
        printf("  \"");
        print_text(request_text(o, "subject"));
        printf("\"");
    }
    printf("\n");
    if (!seen->details || !request_text(o, "message_id").n) return;
    printf("    Message-ID <");
    print_text(request_text(o, "message_id"));
    printf(">\n");
}

static void print_details(const json_t *o)
{
    printf("        next hop ");
    print_text(request_text(o, "hop").n ? request_text(o, "hop") : S("not decided yet"));
    printf(", attempts %" PRId64, request_int(o, "attempts", 0));
    print_time(", due ", request_text(o, "due"));
    print_time(", gives up ", request_text(o, "expires"));
    printf("\n");
}

static void print_item(struct ask *q, struct str row)
{
    struct seen *seen = q->arg;
    struct arena *a = arena_new(NULL, 0);
    json_t *o;
    if (request_read(a, row, &o, NULL) == 0) {
        print_letter(seen, o);
        printf("    ");
        print_text(request_text(o, "to"));
        if (request_text(o, "original").n) {
            printf(" (for ");
            print_text(request_text(o, "original"));
            printf(")");
        }
        printf("\n        ");
        print_text(request_text(o, "why"));
        printf("\n");
        if (seen->details) print_details(o);
        seen->rows++;
    }
    arena_free(a);
}

static void print_sum(struct ask *q, const json_t *facts)
{
    int64_t recipients = request_int(facts, "recipients", 0), messages = request_int(facts, "messages", 0);
    const struct seen *seen = q->arg;
    if (q->program->json || seen->details) return;
    if (recipients == 0) printf("nothing waits\n");
    else
        printf("%" PRId64 " recipient%s of %" PRId64 " message%s wait%s\n", recipients, recipients == 1 ? "" : "s",
               messages, messages == 1 ? "" : "s", recipients == 1 ? "s" : "");
}

static int ask_items(struct program *p, struct ask *q, bool details)
{
    static const struct column whole[] = {{"message", "message", COLUMN_TEXT}, {0}};
    struct seen *seen = arena_new_of(p->arena, struct seen);
    *seen = (struct seen){.program = p, .details = details};
    q->rows = true;
    q->columns = whole; /* with --json an array; for people line by line, however many there are */
    q->done = print_sum;
    q->arg = seen;
    if (!p->json) q->row = print_item;
    return ask_run(q);
}

static int list(struct program *p, int argc, char **argv)
{
    struct which w = {0};
    int code = read_which(p, argc, argv, &w, 0, NULL);
    if (code) return code;
    struct ask q;
    ask_begin(&q, p, "queue.list");
    put_which(&q.json, &w);
    return ask_items(p, &q, false);
}

static int show(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 1, 1, &w);
    if (code) return code;
    struct ask q;
    ask_begin(&q, p, "queue.list");
    json_put_str(&q.json, "message", str_c(w.v[0]));
    return ask_items(p, &q, true);
}

/* ---- changing ---- */

static void print_changed(struct ask *q, const json_t *facts)
{
    int64_t n = request_int(facts, "changed", 0);
    if (q->program->json) printf("{\"changed\":%" PRId64 "}\n", n);
    else
        printf("%s: %" PRId64 " recipient%s%s\n", (const char *)q->arg, n, n == 1 ? "" : "s",
               str_starts(str_c(q->arg), S("removed")) ? "; nobody is told" : "");
}

static int change(struct program *p, const struct which *w, const char *what, const char *said)
{
    struct ask q;
    ask_begin(&q, p, "queue.change");
    json_put_str(&q.json, "what", str_c(what));
    put_which(&q.json, w);
    q.done = print_changed;
    q.arg = (void *)(uintptr_t)said;
    return ask_run(&q);
}

static int read_and_change(struct program *p, int argc, char **argv, const char *what, const char *said)
{
    struct which w = {0};
    int code = read_which(p, argc, argv, &w, -1, NULL);
    if (code) return code;
    if (!is_any(&w) && !w.all)
        return program_usage(p, &(struct error){.text = "which? IDs, --to, --from, --domain, --hop, --held or --all"});
    return change(p, &w, what, said);
}

static int hold(struct program *p, int argc, char **argv) { return read_and_change(p, argc, argv, "hold", "held"); }
static int release(struct program *p, int argc, char **argv)
{
    return read_and_change(p, argc, argv, "release", "released");
}
static int retry(struct program *p, int argc, char **argv)
{
    return read_and_change(p, argc, argv, "retry", "tried now");
}
static int reroute(struct program *p, int argc, char **argv)
{
    return read_and_change(p, argc, argv, "reroute", "routed anew");
}

struct counted {
    int64_t recipients, messages;
    bool more;
};

static void take_count(struct ask *q, const json_t *facts)
{
    struct counted *c = q->arg;
    *c = (struct counted){request_int(facts, "recipients", 0), request_int(facts, "messages", 0),
                          request_bool(facts, "more")};
}

/* Asks before more than one message goes. 0: go on; else the exit code. */
static int confirm(struct program *p, const struct which *w)
{
    struct counted c = {0};
    struct ask q;
    ask_begin(&q, p, "queue.count");
    put_which(&q.json, w);
    q.done = take_count;
    q.arg = &c;
    int code = ask_run(&q);
    if (code || (c.messages <= 1 && !c.more)) return code;
    struct buf answer = BUF(64);
    struct str prompt = arena_printf(p->arena,
                                     "Remove %s%" PRId64 " messages for %" PRId64
                                     " recipients? Nobody is told, and nothing brings them back. [y/N] ",
                                     c.more ? "more than " : "", c.messages, c.recipients);
    process_ask(arena_cstr(p->arena, prompt), false, 60, &answer);
    bool yes = answer.n && ch_lower(answer.p[0]) == 'y';
    buf_free(&answer);
    return yes ? 0 : program_fail(p, EX_NOPERM, "nothing was removed");
}

static int remove_messages(struct program *p, int argc, char **argv)
{
    struct which w = {0};
    bool yes = false;
    int code = read_which(p, argc, argv, &w, -1, &yes);
    if (code) return code;
    if (!is_any(&w) && !w.all)
        return program_usage(p, &(struct error){.text = "which? IDs, --to, --from, --domain, --hop, --held or --all"});
    if (!yes && process_is_tty(PROCESS_IN) && process_is_tty(PROCESS_ERR)) code = confirm(p, &w);
    return code ? code : change(p, &w, "remove", "removed");
}

/* ---- next hops ---- */

static int hops(struct program *p, int argc, char **argv)
{
    static const struct column columns[] = {
        {"hop", "next hop", COLUMN_TEXT},          {"connections", "connections", COLUMN_NUMBER},
        {"window", "window", COLUMN_NUMBER},       {"waiting", "letters", COLUMN_NUMBER},
        {"more", "and more", COLUMN_FLAG},         {"suspended", "suspended", COLUMN_FLAG},
        {"per_hour", "per hour", COLUMN_NUMBER},   {"rests_until", "rests until", COLUMN_TEXT},
        {"last_words", "because", COLUMN_TEXT},    {0},
    };
    struct words w;
    int code = program_words(p, argc, argv, NULL, 0, 0, &w);
    return code ? code : ask_list(p, "queue.hops", columns);
}

static int one_hop(struct program *p, int argc, char **argv, const char *op, const char *said)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 1, 1, &w);
    return code ? code : ask_simple(p, op, "hop", w.v[0], said);
}

static int suspend(struct program *p, int argc, char **argv)
{
    return one_hop(p, argc, argv, "queue.suspend", "suspended");
}
static int resume(struct program *p, int argc, char **argv)
{
    return one_hop(p, argc, argv, "queue.resume", "resumed");
}

/* "100/hour", "100/h", "100", "none". */
static bool read_limit(struct str text, int64_t *out)
{
    uint64_t n;
    if (str_ends(text, S("/hour"))) text.n -= 5;
    else if (str_ends(text, S("/h"))) text.n -= 2;
    *out = 0;
    if (str_eq(text, S("none"))) return true;
    if (!str_to_u64(text, INT32_MAX, &n) || n == 0) return false;
    *out = (int64_t)n;
    return true;
}

static int limit(struct program *p, int argc, char **argv)
{
    struct words w;
    int64_t per_hour;
    int code = program_words(p, argc, argv, NULL, 2, 2, &w);
    if (code) return code;
    if (!read_limit(str_c(w.v[1]), &per_hour))
        return program_usage(p, &(struct error){.text = "a limit looks like 100/hour, or none"});
    struct ask q;
    ask_begin(&q, p, "queue.limit");
    json_put_str(&q.json, "hop", str_c(w.v[0]));
    json_put_int(&q.json, "per_hour", per_hour);
    q.said = per_hour ? "limited" : "as many as it takes";
    return ask_run(&q);
}

int command_queue(struct program *p, int argc, char **argv)
{
    static const struct verb verbs[] = {
        {"list", list},     {"show", show},       {"retry", retry},   {"hold", hold},   {"release", release},
        {"remove", remove_messages}, {"reroute", reroute}, {"hops", hops}, {"suspend", suspend}, {"resume", resume},
        {"limit", limit},   {0},
    };
    return argc == 0 || argv[0][0] == '-' ? list(p, argc, argv) : program_verb(p, verbs, argc, argv);
}
