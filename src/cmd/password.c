/* Passwords on their way in. */
#include "cmd/password.h"

#include <stdio.h>

#include "io/process.h"
#include "mail/limits.h"

/* 20 characters of 32, none of which look alike: 100 bits. */
static void make_up(struct buf *b)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    unsigned char random[20];
    struct world *w = world_real(1);
    world_random(w, random, sizeof random);
    world_free(w);
    for (size_t i = 0; i < sizeof random; i++) {
        if (i && i % 5 == 0) buf_char(b, '-');
        buf_char(b, letters[random[i] % 32]);
    }
    explicit_bzero(random, sizeof random);
}

static int ask(struct program *p, const char *prompt, struct buf *b)
{
    int e = process_ask(prompt, true, LIMIT_PASSWORD, b);
    if (e == ERR_TOO_LONG) return program_fail(p, EX_DATAERR, "a password has at most %d bytes", LIMIT_PASSWORD);
    if (e || b->n == 0) return program_fail(p, EX_NOINPUT, "there is no password");
    return 0;
}

int password_read(struct program *p, const struct password_source *source, const char *whose, struct buf *b)
{
    if (!buf_reserve(b, LIMIT_PASSWORD + 1)) return program_fail(p, EX_OSERR, "no memory");
    if (source->generate) make_up(b);
    if (source->generate) return 0;
    if (source->from_stdin) return ask(p, "", b);
    if (!process_is_tty(PROCESS_IN))
        return program_fail(p, EX_USAGE, "no terminal to ask for a password on; use --password-stdin or --generate");
    struct str prompt = arena_printf(p->arena, "Password for %s: ", whose);
    struct buf again = BUF(LIMIT_PASSWORD + 1);
    buf_reserve(&again, LIMIT_PASSWORD + 1);
    int code = ask(p, arena_cstr(p->arena, prompt), b);
    if (!code) code = ask(p, "Once more: ", &again);
    if (!code && !str_eq_secret(buf_str(b), buf_str(&again)))
        code = program_fail(p, EX_DATAERR, "the two are not the same");
    buf_wipe(&again);
    buf_free(&again);
    return code;
}

int password_for(struct program *p, const char *file, bool from_stdin, const char *whose, struct buf *b)
{
    struct error e = {0};
    if (!buf_reserve(b, LIMIT_PASSWORD + 3)) return program_fail(p, EX_OSERR, "no memory");
    if (file) {
        if (process_read(file, LIMIT_PASSWORD + 2, b, &e) != 0) return program_fail(p, EX_NOINPUT, "%s", e.text);
        b->n = str_find_char(buf_str(b), '\n');
        b->n = str_trim(buf_str(b)).n;
    } else if (from_stdin || (whose && process_is_tty(PROCESS_IN))) {
        if (!from_stdin) fprintf(stderr, "Password for %s: ", whose);
        int code = ask(p, "", b);
        if (code) return code;
    }
    if (b->n || !whose) return 0;
    return program_usage(p, &(struct error){.text = "a log-in needs --password-stdin or --password-file"});
}
