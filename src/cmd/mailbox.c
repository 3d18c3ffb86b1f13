/* penny mailbox: the mailboxes of an account, and what was deleted from them. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd/ask.h"
#include "cmd/commands.h"

static void begin(struct ask *q, struct program *p, const char *op, const struct words *w)
{
    ask_begin(q, p, op);
    json_put_str(&q->json, "address", str_c(w->v[0]));
    if (w->n > 1) json_put_str(&q->json, "mailbox", str_c(w->v[1]));
}

static int list(struct program *p, int argc, char **argv)
{
    static const struct column columns[] = {
        {"mailbox", "mailbox", COLUMN_TEXT},
        {"messages", "letters", COLUMN_NUMBER},
        {"unseen", "unseen", COLUMN_NUMBER},
        {"bytes", "size", COLUMN_BYTES},
        {"use", "use", COLUMN_TEXT},
        {"subscribed", "subscribed", COLUMN_FLAG},
        {0},
    };
    struct words w;
    int code = program_words(p, argc, argv, NULL, 1, 1, &w);
    if (code) return code;
    struct ask q;
    begin(&q, p, "mailbox.list", &w);
    q.columns = columns;
    q.rows = true;
    return ask_run(&q);
}

static int show(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 2, 2, &w);
    if (code) return code;
    struct ask q;
    begin(&q, p, "mailbox.show", &w);
    q.rows = true;
    return ask_run(&q);
}

static int create(struct program *p, int argc, char **argv)
{
    const char *use = NULL;
    struct words w;
    const struct arg options[] = {{"--use", 0, ARG_TEXT, &use}, {0}};
    int code = program_words(p, argc, argv, options, 2, 2, &w);
    if (code) return code;
    struct ask q;
    begin(&q, p, "mailbox.create", &w);
    if (use) json_put_str(&q.json, "use", str_c(use));
    q.said = "created";
    return ask_run(&q);
}

static int rename_it(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 3, 3, &w);
    if (code) return code;
    struct ask q;
    begin(&q, p, "mailbox.rename", &w);
    json_put_str(&q.json, "to", str_c(w.v[2]));
    q.said = "renamed";
    return ask_run(&q);
}

static void tell_count(struct ask *q, const json_t *facts)
{
    int64_t n = request_int(facts, "letters", 0);
    if (q->program->json) printf("{\"letters\":%" PRId64 "}\n", n);
    else printf("%s %" PRId64 " letter%s\n", (const char *)q->arg, n, n == 1 ? "" : "s");
}

static int delete_it(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 2, 2, &w);
    if (code) return code;
    struct ask q;
    begin(&q, p, "mailbox.delete", &w);
    q.done = tell_count;
    q.arg = (void *)(uintptr_t) "deleted, with";
    return ask_run(&q);
}

static int change_subscription(struct program *p, int argc, char **argv, bool not, const char *said)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 2, 2, &w);
    if (code) return code;
    struct ask q;
    begin(&q, p, "mailbox.subscribe", &w);
    json_put_bool(&q.json, "not", not );
    q.said = said;
    return ask_run(&q);
}

static int subscribe(struct program *p, int argc, char **argv)
{
    return change_subscription(p, argc, argv, false, "subscribed");
}

static int unsubscribe(struct program *p, int argc, char **argv)
{
    return change_subscription(p, argc, argv, true, "unsubscribed");
}

static int lost(struct program *p, int argc, char **argv)
{
    static const struct column columns[] = {
        {"gone_at", "gone", COLUMN_TEXT}, {"mailbox", "mailbox", COLUMN_TEXT}, {"uid", "uid", COLUMN_NUMBER},
        {"size", "size", COLUMN_BYTES},   {"subject", "subject", COLUMN_TEXT}, {0},
    };
    const char *since = NULL;
    struct words w;
    const struct arg options[] = {{"--since", 0, ARG_TEXT, &since}, {0}};
    int code = program_words(p, argc, argv, options, 1, 2, &w);
    if (code) return code;
    struct ask q;
    begin(&q, p, "mailbox.lost", &w);
    if (since) json_put_str(&q.json, "since", str_c(since));
    q.columns = columns;
    q.rows = true;
    return ask_run(&q);
}

static int undelete(struct program *p, int argc, char **argv)
{
    const char *since = NULL, *into = NULL;
    struct words w;
    const struct arg options[] = {{"--since", 0, ARG_TEXT, &since}, {"--into", 0, ARG_TEXT, &into}, {0}};
    int code = program_words(p, argc, argv, options, 1, 2, &w);
    if (code) return code;
    struct ask q;
    begin(&q, p, "mailbox.undelete", &w);
    if (since) json_put_str(&q.json, "since", str_c(since));
    if (into) json_put_str(&q.json, "into", str_c(into));
    q.done = tell_count;
    q.arg = (void *)(uintptr_t) "brought back";
    return ask_run(&q);
}

int command_mailbox(struct program *p, int argc, char **argv)
{
    static const struct verb verbs[] = {
        {"list", list},
        {"show", show},
        {"create", create},
        {"rename", rename_it},
        {"delete", delete_it},
        {"subscribe", subscribe},
        {"unsubscribe", unsubscribe},
        {"lost", lost},
        {"undelete", undelete},
        {0},
    };
    return program_verb(p, verbs, argc, argv);
}
