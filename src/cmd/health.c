/* penny status, verify: how it is going, and whether all is whole. */
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

static void print_relay(const json_t *r)
{
    printf("relay          %" PRId64 " connections; %" PRId64 " delivered, %" PRId64 " deferred, %" PRId64
           " failed since it runs\n",
           number(r, "connections"), number(r, "delivered"), number(r, "deferred"), number(r, "failed"));
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
    if (request_bool(o, "running")) print_relay(json_object_get(o, "relay"));
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
