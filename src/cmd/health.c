/* penny status, verify, trace: how it is going, whether all is whole, and what became of a letter. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd/ask.h"
#include "cmd/commands.h"

/* ---- status ---- */

static int64_t number(const json_t *o, const char *name) { return request_int(o, name, 0); }

static void print_listeners(const json_t *list)
{
    printf("listening     ");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *l = json_array_get(list, i);
        printf("%s ", i ? "," : "");
        print_text(request_text(l, "service"));
        printf(" %" PRId64, number(l, "port"));
    }
    printf("\n");
}

static void print_span(int64_t seconds)
{
    if (seconds >= 86400) printf("%" PRId64 " d ", seconds / 86400);
    if (seconds >= 3600) printf("%" PRId64 " h ", seconds / 3600 % 24);
    printf("%" PRId64 " min", seconds / 60 % 60);
}

static void print_size(const char *what, int64_t bytes)
{
    struct buf b = BUF(64);
    print_bytes(&b, bytes);
    printf("%s%.*s\n", what, STR_FMT(buf_str(&b)));
    buf_free(&b);
}

static void print_status(struct ask *q, struct str row)
{
    json_t *o;
    if (q->program->json) {
        printf("%.*s\n", STR_FMT(row));
        return;
    }
    if (request_read(q->program->arena, row, &o, NULL) != 0) return;
    const json_t *store = json_object_get(o, "store");
    printf("Penny Post %.*s at ", STR_FMT(request_text(o, "version")));
    print_text(request_text(o, "hostname"));
    if (request_bool(o, "running")) {
        printf(", up for ");
        print_span(number(o, "uptime_s"));
        printf(" (process %" PRId64 ")\n", number(o, "pid"));
        print_listeners(json_object_get(o, "listeners"));
        printf("connections    %" PRId64 "\n", number(o, "connections"));
        print_size("memory         ", number(o, "resident_bytes"));
        printf("processor      %" PRId64 ".%03" PRId64 " s\n", number(o, "cpu_ms") / 1000, number(o, "cpu_ms") % 1000);
    } else {
        printf(", stopped\n");
    }
    printf("domains        %" PRId64 "\naccounts       %" PRId64 "\nletters        %" PRId64 "\nqueue          %" PRId64
           "\n",
           number(store, "domains"), number(store, "accounts"), number(store, "messages"), number(store, "queue"));
    print_size("free disk      ", number(store, "free_bytes"));
    if (request_bool(store, "disk_low"))
        printf("WARNING        the disk is nearly full: new mail is refused for now\n");
    if (request_bool(store, "writes_refused")) printf("WARNING        the store takes nothing: see the log\n");
}

int command_status(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 0, 0, &w);
    if (code) return code;
    struct ask q;
    ask_begin(&q, p, "status");
    q.row = print_status;
    q.rows = true;
    return ask_run(&q);
}

/* ---- verify ---- */

static void verified(struct ask *q, const json_t *facts)
{
    if (q->program->json) printf("{\"findings\":%" PRId64 "}\n", number(facts, "findings"));
    else if (number(facts, "findings")) printf("%" PRId64 " findings\n", number(facts, "findings"));
    else printf("all is well\n");
    q->findings |= number(facts, "findings") > 0;
}

int command_verify(struct program *p, int argc, char **argv)
{
    bool bodies = false;
    struct words w;
    const struct arg options[] = {{"--bodies", 0, ARG_FLAG, &bodies}, {0}};
    int code = program_words(p, argc, argv, options, 0, 0, &w);
    if (code) return code;
    struct ask q;
    ask_begin(&q, p, "verify");
    json_put_bool(&q.json, "bodies", bodies);
    q.done = verified;
    code = ask_run(&q);
    return code == EX_OK && q.findings ? EX_DATAERR : code;
}

/* ---- trace ---- */

static void print_part(const char *before, struct str text, const char *after)
{
    if (text.n == 0) return;
    printf("%s", before);
    print_text(text);
    printf("%s", after);
}

static void print_event(const json_t *event)
{
    struct str at = request_text(event, "at");
    int64_t code = number(event, "code");
    printf("    %.*s  ", STR_FMT(str_sub(at, 11, 23)));
    printf("%-12.*s", STR_FMT(request_text(event, "event")));
    print_part(" ", request_text(event, "address"), "");
    print_part(" from ", request_text(event, "peer"), "");
    print_part(" (", request_text(event, "host"), ")");
    print_part(" over ", request_text(event, "tls"), "");
    if (code) printf(": %" PRId64 "", code);
    print_part(" ", request_text(event, "status"), "");
    print_part(code ? " " : ": ", request_text(event, "text"), "");
    if (number(event, "number")) printf(" [%" PRId64 "]", number(event, "number"));
    printf("\n");
}

static void print_trace(struct ask *q, struct str row)
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
        printf("\n");
        const json_t *events = json_object_get(o, "events");
        for (size_t i = 0; i < json_array_size(events); i++) print_event(json_array_get(events, i));
    }
    arena_free(a);
}

int command_trace(struct program *p, int argc, char **argv)
{
    static const struct column whole[] = {{"seq", "seq", COLUMN_NUMBER}, {0}};
    int64_t last = 20;
    struct words w;
    const struct arg options[] = {{"--last", 'n', ARG_NUMBER, &last}, {0}};
    int code = program_words(p, argc, argv, options, 0, 1, &w);
    if (code) return code;
    struct ask q;
    ask_begin(&q, p, "trace");
    json_put_int(&q.json, "last", last);
    if (w.n) json_put_str(&q.json, "message", str_c(w.v[0]));
    q.rows = true;
    q.columns = whole; /* with --json an array; for people, each row as a story */
    if (!p->json) q.row = print_trace;
    return ask_run(&q);
}
