/* penny account: the people whose mail we keep. */
#include <stdio.h>

#include "cmd/ask.h"
#include "cmd/commands.h"
#include "cmd/password.h"
#include "mail/limits.h"

static void print_made(const char *whose, struct str password)
{
    struct buf b = BUF(64 << 10);
    struct json j = JSON(&b);
    json_put_object(&j, NULL);
    json_put_str(&j, "address", str_c(whose));
    json_put_str(&j, "password", password);
    json_put_end(&j, '}');
    printf("%.*s\n", STR_FMT(buf_str(&b)));
    buf_free(&b);
}

/* Asks with the request's "password" from wherever it comes; a made-up one is printed. */
static int ask_with_password(struct ask *q, const struct password_source *source, const char *whose)
{
    struct program *p = q->program;
    struct buf password = BUF(LIMIT_PASSWORD + 1);
    buf_reserve(q->request, 16 << 10); /* whole from the start: growing would leave copies of the password */
    int code = password_read(p, source, whose, &password);
    if (!code) {
        json_put_str(&q->json, "password", buf_str(&password));
        code = ask_run(q);
    }
    if (!code && source->generate) {
        if (p->json) print_made(whose, buf_str(&password));
        else printf("password: %.*s\n", STR_FMT(buf_str(&password)));
    }
    buf_wipe(q->request);
    buf_wipe(&password);
    buf_free(&password);
    return code;
}

static int add(struct program *p, int argc, char **argv)
{
    struct password_source source = {0};
    bool no_password = false;
    const char *name = NULL, *quota = NULL;
    int64_t letters = 0;
    struct words w;
    const struct arg options[] = {
        {"--password-stdin", 0, ARG_FLAG, &source.from_stdin},
        {"--generate", 0, ARG_FLAG, &source.generate},
        {"--no-password", 0, ARG_FLAG, &no_password},
        {"--name", 0, ARG_TEXT, &name},
        {"--quota", 0, ARG_TEXT, &quota},
        {"--quota-letters", 0, ARG_NUMBER, &letters},
        {0},
    };
    int code = program_words(p, argc, argv, options, 1, 1, &w);
    if (code) return code;
    struct ask q;
    struct error e;
    int64_t bytes = 0;
    if (quota && args_size(quota, &bytes, &e) != 0) return program_usage(p, &e);
    ask_begin(&q, p, "account.add");
    json_put_str(&q.json, "address", str_c(w.v[0]));
    if (name) json_put_str(&q.json, "name", str_c(name));
    json_put_int(&q.json, "quota", bytes);
    json_put_int(&q.json, "quota_letters", letters);
    q.said = "added";
    return no_password ? ask_run(&q) : ask_with_password(&q, &source, w.v[0]);
}

static int password(struct program *p, int argc, char **argv)
{
    struct password_source source = {0};
    struct words w;
    const struct arg options[] = {
        {"--password-stdin", 0, ARG_FLAG, &source.from_stdin}, {"--generate", 0, ARG_FLAG, &source.generate}, {0}};
    int code = program_words(p, argc, argv, options, 1, 1, &w);
    if (code) return code;
    struct ask q;
    ask_begin(&q, p, "account.password");
    json_put_str(&q.json, "address", str_c(w.v[0]));
    q.said = "changed";
    return ask_with_password(&q, &source, w.v[0]);
}

static int list(struct program *p, int argc, char **argv)
{
    static const struct column columns[] = {
        {"address", "account", COLUMN_TEXT},
        {"used", "used", COLUMN_BYTES},
        {"quota", "quota", COLUMN_BYTES},
        {"letters", "letters", COLUMN_NUMBER},
        {"quota_letters", "of at most", COLUMN_NUMBER},
        {"name", "name", COLUMN_TEXT},
        {"disabled", "disabled", COLUMN_FLAG},
        {0},
    };
    struct words w;
    int code = program_words(p, argc, argv, NULL, 0, 0, &w);
    return code ? code : ask_list(p, "account.list", columns);
}

static int show(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 1, 1, &w);
    return code ? code : ask_show(p, "account.show", "address", w.v[0]);
}

static int set_disabled(struct program *p, int argc, char **argv, bool disabled)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 1, 1, &w);
    if (code) return code;
    struct ask q;
    ask_begin(&q, p, "account.change");
    json_put_str(&q.json, "address", str_c(w.v[0]));
    json_put_bool(&q.json, "disabled", disabled);
    q.said = disabled ? "disabled" : "enabled";
    return ask_run(&q);
}

static int disable(struct program *p, int argc, char **argv) { return set_disabled(p, argc, argv, true); }
static int enable(struct program *p, int argc, char **argv) { return set_disabled(p, argc, argv, false); }

static int letters_of(const char *text, int64_t *out, struct error *e)
{
    uint64_t n;
    if (!str_to_u64(str_c(text), INT64_MAX, &n))
        return error_set(e, ERR_SYNTAX, "\"%s\" is no number of letters", text);
    *out = (int64_t)n;
    return 0;
}

static int quota(struct program *p, int argc, char **argv)
{
    struct words w;
    int64_t bytes = 0, number = 0;
    struct error e;
    const char *letters = NULL;
    const struct arg options[] = {{"--letters", 0, ARG_TEXT, &letters}, {0}};
    int code = program_words(p, argc, argv, options, 1, 2, &w);
    if (code) return code;
    const char *size = w.n > 1 ? w.v[1] : NULL;
    int bad = !size && !letters ? error_set(&e, ERR_SYNTAX, "how much?") : 0;
    if (!bad && size && strcmp(size, "none") != 0) bad = args_size(size, &bytes, &e);
    if (!bad && letters && strcmp(letters, "none") != 0) bad = letters_of(letters, &number, &e);
    if (bad) return program_usage(p, &e);
    struct ask q;
    ask_begin(&q, p, "account.change");
    json_put_str(&q.json, "address", str_c(w.v[0]));
    if (size) json_put_int(&q.json, "quota", bytes);
    if (letters) json_put_int(&q.json, "quota_letters", number);
    q.said = "changed";
    return ask_run(&q);
}

static int change_grant(struct program *p, int argc, char **argv, const char *op, const char *said)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 2, 2, &w);
    if (code) return code;
    struct ask q;
    ask_begin(&q, p, op);
    json_put_str(&q.json, "address", str_c(w.v[0]));
    json_put_str(&q.json, "as", str_c(w.v[1]));
    q.said = said;
    return ask_run(&q);
}

static int grant(struct program *p, int argc, char **argv)
{
    return change_grant(p, argc, argv, "account.grant", "granted");
}

static int revoke(struct program *p, int argc, char **argv)
{
    return change_grant(p, argc, argv, "account.revoke", "revoked");
}

static int remove_account(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 1, 1, &w);
    return code ? code : ask_simple(p, "account.remove", "address", w.v[0], "removed");
}

int command_account(struct program *p, int argc, char **argv)
{
    static const struct verb verbs[] = {
        {"add", add},         {"list", list},     {"show", show},   {"password", password},
        {"disable", disable}, {"enable", enable}, {"quota", quota}, {"grant", grant},
        {"revoke", revoke},   {"remove", remove_account}, {0},
    };
    return program_verb(p, verbs, argc, argv);
}
