/* penny route: where mail for somebody else goes, and what would be decided about an address. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd/ask.h"
#include "cmd/commands.h"
#include "cmd/password.h"
#include "mail/limits.h"

/* ---- add, list, show, remove ---- */

struct wishes {
    const char *sender, *tls, *user;
    struct password_source password;
    bool accept;
};

/* What the route is for: --sender, or the first word. 0 or the exit code. */
static int take_key(struct program *p, struct ask *q, const char *sender, struct words *w)
{
    if (!sender && w->n == 0) return program_usage(p, &(struct error){.text = "a route for whom?"});
    json_put_str(&q->json, "key", str_c(sender ? sender : w->v[0]));
    if (sender) json_put_bool(&q->json, "sender", true);
    if (sender) return 0;
    w->v++;
    w->n--;
    return 0;
}

static int take_log_in(struct ask *q, const struct wishes *wish, struct buf *password)
{
    if (!wish->user && !wish->password.from_stdin) return 0;
    if (!wish->user) return program_usage(q->program, &(struct error){.text = "whose password is it? --user"});
    json_put_str(&q->json, "user", str_c(wish->user));
    int code = password_read(q->program, &wish->password, wish->user, password);
    if (!code) json_put_str(&q->json, "password", buf_str(password));
    return code;
}

static int add(struct program *p, int argc, char **argv)
{
    struct wishes wish = {0};
    struct words w;
    const struct arg options[] = {
        {"--sender", 0, ARG_TEXT, &wish.sender},
        {"--tls", 0, ARG_TEXT, &wish.tls},
        {"--user", 0, ARG_TEXT, &wish.user},
        {"--password-stdin", 0, ARG_FLAG, &wish.password.from_stdin},
        {"--accept", 0, ARG_FLAG, &wish.accept},
        {0},
    };
    int code = program_words(p, argc, argv, options, 1, 2, &w);
    if (code) return code;
    struct ask q;
    ask_begin(&q, p, "route.add");
    buf_reserve(q.request, 16 << 10); /* whole from the start: growing would leave copies of the password */
    code = take_key(p, &q, wish.sender, &w);
    if (!code && w.n != 1) code = program_usage(p, &(struct error){.text = "one target"});
    if (code) return code;
    json_put_str(&q.json, "target", str_c(w.v[0]));
    if (wish.tls) json_put_str(&q.json, "tls", str_c(wish.tls));
    if (wish.accept) json_put_bool(&q.json, "accept", true);
    struct buf password = BUF(LIMIT_PASSWORD + 1);
    code = take_log_in(&q, &wish, &password);
    q.said = "added";
    if (!code) code = ask_run(&q);
    buf_wipe(q.request);
    buf_wipe(&password);
    buf_free(&password);
    return code;
}

static int list(struct program *p, int argc, char **argv)
{
    static const struct column columns[] = {
        {"for", "for", COLUMN_TEXT},   {"key", "whom", COLUMN_TEXT},      {"target", "target", COLUMN_TEXT},
        {"tls", "tls", COLUMN_TEXT},   {"user", "user", COLUMN_TEXT},     {"accept", "accept", COLUMN_FLAG},
        {0},
    };
    struct words w;
    int code = program_words(p, argc, argv, NULL, 0, 0, &w);
    return code ? code : ask_list(p, "route.list", columns);
}

static int with_key(struct program *p, int argc, char **argv, const char *op, const char *said)
{
    const char *sender = NULL;
    struct words w;
    const struct arg options[] = {{"--sender", 0, ARG_TEXT, &sender}, {0}};
    int code = program_words(p, argc, argv, options, 0, 1, &w);
    if (code) return code;
    if (sender && w.n)
        return program_usage(p, &(struct error){.text = "a sender's route or a domain's, one at a time"});
    struct ask q;
    ask_begin(&q, p, op);
    code = take_key(p, &q, sender, &w);
    q.said = said;
    q.rows = !said;
    return code ? code : ask_run(&q);
}

static int show(struct program *p, int argc, char **argv) { return with_key(p, argc, argv, "route.show", NULL); }
static int remove_route(struct program *p, int argc, char **argv)
{
    return with_key(p, argc, argv, "route.remove", "removed");
}

/* ---- test ---- */

static void say(const char *indent, const char *label, struct str text)
{
    if (text.n == 0) return;
    printf("%s%-16s", indent, label);
    print_text(text);
    printf("\n");
}

static void print_failure(const json_t *t, const char *name, const char *label)
{
    const json_t *failure = json_object_get(t, name);
    if (!failure) return;
    printf("    %-16s%" PRId64 " ", label, request_int(failure, "code", 0));
    print_text(request_text(failure, "text"));
    printf(request_bool(failure, "permanent") ? " (for good)\n" : " (for now)\n");
}

static void print_hosts(const json_t *t)
{
    const json_t *hosts = json_object_get(t, "hosts");
    bool handed_out = true;
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        const json_t *h = json_array_get(hosts, i), *addresses = json_object_get(h, "addresses");
        int64_t preference = request_int(h, "preference", -1);
        printf("    %-16s", i ? "" : preference >= 0 ? "MX hosts" : "host");
        if (preference >= 0) printf("%5" PRId64 "  ", preference);
        print_text(request_text(h, "name"));
        for (size_t k = 0; k < json_array_size(addresses); k++) {
            printf("  ");
            print_text(str_c(json_string_value(json_array_get(addresses, k))));
        }
        handed_out = json_array_size(addresses) > 0;
        printf(handed_out ? "\n" : "  (not tried)\n");
    }
    if (request_bool(t, "implicit")) say("    ", "", S("there is no MX, so the domain's own address counts"));
    print_failure(t, "trouble", "trouble");
    print_failure(t, "failure", "no way");
}

static void print_carrying(const json_t *t)
{
    static const struct {
        const char *policy, *words;
    } tls[] = {
        {"may", "if offered; no certificate is checked"},
        {"none", "never"},
        {"encrypt", "always; no certificate is checked"},
        {"verify", "always, with a certificate of the host's name"},
    };
    struct str policy = request_text(t, "tls");
    for (size_t i = 0; i < sizeof tls / sizeof *tls; i++)
        if (str_eq(policy, str_c(tls[i].policy))) policy = str_c(tls[i].words);
    say("    ", "next hop", request_text(t, "hop"));
    if (request_bool(t, "suspended")) say("    ", "", S("suspended: nothing is sent there until somebody resumes it"));
    if (request_int(t, "per_hour", 0))
        printf("    %-16s%" PRId64 " recipients an hour\n", "limit", request_int(t, "per_hour", 0));
    say("    ", "TLS", policy);
    say("    ", "log-in", request_text(t, "user"));
    say("    ", "return address", request_text(t, "return_address"));
    print_hosts(t);
}

static void print_target(const json_t *t)
{
    struct str kind = request_text(t, "kind"), account = request_text(t, "account");
    printf("  ");
    print_text(request_text(t, "to"));
    printf(request_bool(t, "forwarded") ? " (an alias leads there)\n" : "\n");
    say("    ", "mailbox of", account);
    say("    ", "because", request_text(t, "why"));
    if (str_eq(kind, S("mx")) || str_eq(kind, S("host"))) print_carrying(t);
    else if (str_eq(kind, S("discard"))) say("    ", "", S("it is accepted and thrown away"));
    else if (str_eq(kind, S("refuse"))) say("    ", "refused", request_text(t, "words"));
}

static void print_decision(struct ask *q, struct str row)
{
    json_t *o;
    if (q->program->json) {
        printf("%.*s\n", STR_FMT(row));
        return;
    }
    if (request_read(q->program->arena, row, &o, NULL) != 0) return;
    const json_t *refused = json_object_get(o, "refused"), *targets = json_object_get(o, "targets");
    print_text(request_text(o, "address"));
    printf(", from ");
    print_text(request_text(o, "from"));
    printf("\n");
    if (refused) {
        printf("  refused: %" PRId64 " ", request_int(refused, "code", 0));
        print_text(request_text(refused, "text"));
        printf("\n");
    }
    if (request_bool(o, "returns")) printf("  a return address of ours\n");
    for (size_t i = 0; i < json_array_size(targets); i++) print_target(json_array_get(targets, i));
    say("  ", "nobody is", request_text(o, "missing"));
    if (!request_bool(o, "relay")) return;
    printf(request_bool(o, "backup") ? "  Port 25 takes it from anybody: we are the domain's backup.\n"
                                     : "  Only who has logged in or is trusted may send there through us.\n");
}

static int test(struct program *p, int argc, char **argv)
{
    const char *from = NULL;
    struct words w;
    const struct arg options[] = {{"--from", 0, ARG_TEXT, &from}, {0}};
    int code = program_words(p, argc, argv, options, 1, 1, &w);
    if (code) return code;
    struct ask q;
    ask_begin(&q, p, "route.test");
    json_put_str(&q.json, "address", str_c(w.v[0]));
    if (from) json_put_str(&q.json, "from", str_c(from));
    q.rows = true;
    q.row = print_decision;
    return ask_run(&q);
}

int command_route(struct program *p, int argc, char **argv)
{
    static const struct verb verbs[] = {
        {"add", add}, {"list", list}, {"show", show}, {"remove", remove_route}, {"test", test}, {0},
    };
    return program_verb(p, verbs, argc, argv);
}
