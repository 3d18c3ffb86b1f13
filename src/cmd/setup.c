/* penny setup: from nothing to a server that runs, in one step that can be repeated. */
#include "cmd/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/config_check.h"
#include "cmd/password.h"
#include "io/process.h"
#include "mail/address.h"
#include "mail/limits.h"

struct wishes { /* the command line */
    const char *domain, *hostname, *data, *account;
    struct password_source password;
    struct words listen;
    bool force;
};

/* What was not said is asked for on a terminal, with a proposal. NULL after complaining. */
static const char *wish(struct program *p, const char *said, const char *option, const char *question,
                        struct str proposal)
{
    if (said) return said;
    if (!process_is_tty(PROCESS_IN)) {
        program_usage(p, &(struct error){0});
        program_fail(p, EX_USAGE, "%s is missing, and there is no terminal to ask on", option);
        return NULL;
    }
    struct buf *answer = buf_in(p->arena, 4096);
    struct str prompt = arena_printf(p->arena, proposal.n ? "%s [%.*s]: " : "%s: ", question, STR_FMT(proposal));
    if (process_ask(arena_cstr(p->arena, prompt), false, 1024, answer) != 0) return NULL;
    struct str text = str_trim(buf_str(answer));
    return arena_cstr(p->arena, text.n ? text : proposal);
}

static int wish_all(struct program *p, struct wishes *w)
{
    w->domain = wish(p, w->domain, "the domain", "Which domain's mail is it for (example.org)?", STR_NONE);
    if (!w->domain) return EX_USAGE;
    w->hostname = wish(p, w->hostname, "--hostname", "The name of this machine in DNS",
                       arena_printf(p->arena, "mail.%s", w->domain));
    if (!w->hostname) return EX_USAGE;
    w->data = wish(p, w->data, "--data", "The folder for all mail", S("/var/lib/penny"));
    if (!w->data) return EX_USAGE;
    w->account = wish(p, w->account, "--account", "The name of the first account, before the @", S("postmaster"));
    return w->account ? 0 : EX_USAGE;
}

static int take_domain(struct setup *s, const char *what, const char *text, struct str *key)
{
    struct str t = str_c(text);
    if (str_ends(t, S("."))) t.n--;
    if (domain_key(s->program->arena, t, key) == 0 && !domain_is_literal(t) && str_find_char(*key, '.') < key->n)
        return 0;
    return program_fail(s->program, EX_DATAERR, "the %s \"%s\" is no full domain name; it looks like mail.example.org",
                        what, text);
}

static int take_account(struct setup *s, const char *name)
{
    struct address address;
    s->account = strchr(name, '@') ? arena_printf(s->program->arena, "%s", name)
                                   : arena_printf(s->program->arena, "%s@%.*s", name, STR_FMT(s->domain));
    if (address_parse(s->program->arena, s->account, &address) == 0) return 0;
    return program_fail(s->program, EX_DATAERR, "\"%.*s\" is no address", STR_FMT(s->account));
}

static int take_data(struct setup *s, const char *path)
{
    struct str given = str_c(path);
    while (given.n > 1 && str_ends(given, S("/"))) given.n--;
    for (size_t i = 0; i < given.n; i++)
        if ((unsigned char)given.p[i] < 0x20 || given.p[i] == '"' || given.p[i] == '\\')
            return program_fail(s->program, EX_DATAERR,
                                "the data folder's name may not have quotes, backslashes or control characters");
    if (given.n == 0) return program_fail(s->program, EX_USAGE, "--data is empty");
    s->data = given;
    if (given.p[0] == '/') return 0;
    char *here = getcwd(NULL, 0);
    if (!here) return program_fail(s->program, EX_OSERR, "the current folder cannot be found");
    s->data = arena_printf(s->program->arena, "%s/%.*s", here, STR_FMT(given));
    free(here);
    return 0;
}

static int take_listen(struct setup *s, const struct words *listen)
{
    s->listen = listen;
    for (size_t i = 0; i < listen->n; i++) {
        struct str kind, address;
        struct endpoint at;
        enum service_kind k;
        if (!str_cut(str_c(listen->v[i]), '=', &kind, &address) || config_kind(kind, &k) != 0 ||
            config_listen_address(address, &at) != 0)
            return program_fail(s->program, EX_USAGE, "--listen %s: it looks like submission=127.0.0.1:5870",
                                listen->v[i]);
    }
    return 0;
}

static int set_up(struct setup *s, const struct wishes *w)
{
    int code = take_domain(s, "domain", w->domain, &s->domain);
    if (!code) code = take_domain(s, "hostname", w->hostname, &s->hostname);
    if (!code) code = take_data(s, w->data);
    if (!code) code = take_account(s, w->account);
    if (!code) code = take_listen(s, &w->listen);
    if (!code) code = setup_files(s);
    if (code) return code;
    bool new_account = !setup_has_account(s);
    if (new_account)
        code = password_read(s->program, &w->password, arena_cstr(s->program->arena, s->account), s->password);
    if (!code) code = setup_people(s);
    if (code) return code;
    if (!s->changes && !s->program->json) printf("everything was there already; nothing has changed\n");
    s->tell_password = new_account && w->password.generate;
    setup_print_advice(s);
    return EX_OK;
}

int command_setup(struct program *p, int argc, char **argv)
{
    struct wishes w = {0};
    struct words words;
    const struct arg options[] = {
        {"--hostname", 0, ARG_TEXT, &w.hostname},
        {"--data", 0, ARG_TEXT, &w.data},
        {"--account", 0, ARG_TEXT, &w.account},
        {"--password-stdin", 0, ARG_FLAG, &w.password.from_stdin},
        {"--generate", 0, ARG_FLAG, &w.password.generate},
        {"--listen", 0, ARG_TEXTS, &w.listen},
        {"--force", 0, ARG_FLAG, &w.force},
        {0},
    };
    int code = program_words(p, argc, argv, options, 0, 1, &words);
    if (code) return code;
    w.domain = words.n ? words.v[0] : NULL;
    code = wish_all(p, &w);
    if (code) return code;
    struct buf password = BUF(LIMIT_PASSWORD + 1);
    struct setup s = {.program = p, .file = config_find(p->conf), .password = &password, .force = w.force};
    code = set_up(&s, &w);
    buf_wipe(&password);
    buf_free(&password);
    return code;
}
