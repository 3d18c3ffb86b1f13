/* penny trace: what became of a letter, as a timeline for people. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd/ask.h"
#include "cmd/commands.h"

static void print_part(const char *before, struct str text, const char *after)
{
    if (text.n == 0) return;
    printf("%s", before);
    print_text(text);
    printf("%s", after);
}

/* The remote's words as they were; those of several lines one under the other. */
static void print_words(const json_t *event, bool behind)
{
    int64_t code = request_int(event, "code", 0);
    struct str text = request_text(event, "text"), status = request_text(event, "status"), line;
    const char *before = behind ? ": " : " ";
    if (code) printf("%s%" PRId64, before, code);
    print_part(code ? " " : before, status, "");
    for (bool first = true; text.n; first = false) {
        str_cut(text, '\n', &line, &text);
        print_part(!first ? "\n                                 " : code || status.n ? " " : before, line, "");
    }
}

static void print_number(struct str kind, int64_t number)
{
    if (number == 0) return;
    if (str_eq(kind, S("received"))) printf(", %" PRId64 " bytes", number);
    else if (str_eq(kind, S("delivered"))) printf(" as UID %" PRId64, number);
    else if (str_eq(kind, S("refused many"))) printf(", %" PRId64 " times", number);
}

/* Outgoing events name a host that was talked to, incoming ones a client. */
static bool print_peer(const json_t *event, bool outgoing)
{
    struct str host = request_text(event, "host"), peer = request_text(event, "peer");
    if (host.n + peer.n == 0) return false;
    printf("%s", outgoing ? " by " : " from ");
    if (host.n) print_text(host);
    print_part(host.n ? " [" : "[", peer, "]");
    print_part(" over ", request_text(event, "tls"), "");
    return true;
}

static void print_event(const json_t *event)
{
    struct str at = request_text(event, "at"), kind = request_text(event, "event");
    bool outgoing = !str_eq(kind, S("received")) && !str_starts(kind, S("refused")) && !str_starts(kind, S("login")) &&
                    !str_eq(kind, S("lost"));
    printf("    %.*s %.*s  ", STR_FMT(str_head(at, 10)), STR_FMT(str_sub(at, 11, 19)));
    printf("%-10.*s", STR_FMT(kind));
    print_part(" ", request_text(event, "address"), "");
    bool behind = print_peer(event, outgoing) || request_text(event, "address").n;
    print_words(event, behind);
    print_number(kind, request_int(event, "number", 0));
    printf("\n");
}

static void print_journey(struct ask *q, struct str row)
{
    json_t *o;
    struct arena *a = arena_new(q->program->arena, 0);
    if (request_read(a, row, &o, NULL) == 0) {
        struct str at = request_text(o, "at"), message = request_text(o, "message");
        printf("%.*s %.*s  ", STR_FMT(str_head(at, 10)), STR_FMT(str_sub(at, 11, 19)));
        printf("%.*s", STR_FMT(message.n ? message : S("-")));
        print_part("  from ", request_text(o, "from"), "");
        const json_t *to = json_object_get(o, "recipients");
        for (size_t i = 0; i < json_array_size(to); i++)
            print_part(i ? ", " : " to ", request_text(json_array_get(to, i), "to"), "");
        print_part("  \"", request_text(o, "subject"), "\"");
        print_part("  <", request_text(o, "message_id"), ">");
        printf("\n");
        const json_t *events = json_object_get(o, "events");
        for (size_t i = 0; i < json_array_size(events); i++) print_event(json_array_get(events, i));
    }
    arena_free(a);
}

int command_trace(struct program *p, int argc, char **argv)
{
    static const struct column whole[] = {{"seq", "seq", COLUMN_NUMBER}, {0}};
    static const char *const names[] = {"address", "message_id", "subject", "since", "until"};
    const char *texts[5] = {0};
    int64_t last = 20;
    struct words w;
    const struct arg options[] = {{"--last", 'n', ARG_NUMBER, &last},      {"--address", 'a', ARG_TEXT, &texts[0]},
                                  {"--message-id", 0, ARG_TEXT, &texts[1]}, {"--subject", 's', ARG_TEXT, &texts[2]},
                                  {"--since", 0, ARG_TEXT, &texts[3]},      {"--until", 0, ARG_TEXT, &texts[4]},
                                  {0}};
    int code = program_words(p, argc, argv, options, 0, 1, &w);
    if (code) return code;
    struct ask q;
    ask_begin(&q, p, "trace");
    json_put_int(&q.json, "last", last);
    if (w.n) json_put_str(&q.json, "what", str_c(w.v[0]));
    for (size_t i = 0; i < 5; i++)
        if (texts[i]) json_put_str(&q.json, names[i], str_c(texts[i]));
    q.rows = true;
    q.columns = whole; /* with --json an array; for people, each row as a story */
    if (!p->json) q.row = print_journey;
    return ask_run(&q);
}
