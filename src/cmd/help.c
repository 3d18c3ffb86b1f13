/* penny help: the manual page, by man(1) where there is one and somebody to read it, else from the text the build put
 * in here. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/suggest.h"
#include "io/process.h"

/* struct { const char *name, *text; } manual_pages[], made of docs/ by tools/manual-text */
#include <cmd/manual_pages.h>

#define SETTINGS_MARK "@SETTINGS@\n" /* in penny.conf's page: where the table goes */

static bool show_by_man(const char *page)
{
    if (!process_is_tty(PROCESS_OUT)) return false;
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(127);
        execlp("man", "man", page, (char *)NULL);
        _exit(127);
    }
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool word_at(struct str text, size_t i) { return i < text.n && (ch_alnum(text.p[i]) || text.p[i] == '_'); }

/* One line without scdoc's marks: *bold*, _underlined_, # headings, ++ line breaks. */
static void print_line(struct str line)
{
    if (str_ends(line, S("++"))) line.n -= 2;
    while (str_starts(line, S("#"))) line = str_trim(str_skip(line, 1));
    for (size_t i = 0; i < line.n; i++) {
        char c = line.p[i];
        bool inside_word = i > 0 && word_at(line, i - 1) && word_at(line, i + 1);
        if (c == '\\' && i + 1 < line.n) putchar(line.p[++i]);
        else if (c != '*' && (c != '_' || inside_word)) putchar(c);
    }
    putchar('\n');
}

static void print_plain(struct str text)
{
    bool literal = false; /* between ``` and ``` */
    while (text.n) {
        struct str line;
        str_cut(text, '\n', &line, &text);
        bool fence = str_starts(line, S("```"));
        literal ^= fence;
        if (literal && !fence) printf("    %.*s\n", STR_FMT(line));
        else if (!fence) print_line(line);
    }
}

static void print_page(struct str text)
{
    size_t at = str_find(text, S(SETTINGS_MARK));
    print_plain(str_head(text, at));
    if (at == text.n) return;
    struct buf b = BUF(1 << 20);
    config_put_manual(&b);
    print_plain(buf_str(&b));
    buf_free(&b);
    print_plain(str_skip(text, at + sizeof SETTINGS_MARK - 1));
}

static int show_page(const struct program *p, const char *page)
{
    if (show_by_man(page)) return EX_OK;
    for (size_t i = 0; i < sizeof manual_pages / sizeof *manual_pages; i++) {
        if (strcmp(manual_pages[i].name, page) != 0) continue;
        print_page(str_c(manual_pages[i].text));
        return EX_OK;
    }
    return program_fail(p, EX_UNAVAILABLE, "there is no page %s", page);
}

static void print_overview(void)
{
    printf("Penny Post %s, a whole mail system\n\nusage: penny [-c FILE] COMMAND ...\n\n", PENNY_VERSION);
    for (const struct command *c = commands; c->name; c++) printf("  %-9s %s\n", c->name, c->help);
    printf("\n`penny help COMMAND` tells more. The configuration is -c FILE, $PENNY_CONFIG, ./penny.conf or\n"
           "/etc/penny/penny.conf.\n");
}

int command_help(struct program *p, int argc, char **argv)
{
    struct words w;
    int code = program_words(p, argc, argv, NULL, 0, 1, &w);
    if (code) return code;
    if (w.n == 0) {
        print_overview();
        return EX_OK;
    }
    const char *names[32] = {"penny", "penny.conf"};
    size_t n = 2;
    for (const struct command *c = commands; c->name && n < 32; c++) {
        if (strcmp(w.v[0], c->name) == 0) return show_page(p, c->manual);
        names[n++] = c->name;
    }
    if (strcmp(w.v[0], "penny") == 0 || strcmp(w.v[0], "penny.conf") == 0) return show_page(p, w.v[0]);
    const char *near = suggest(str_c(w.v[0]), names, n);
    return program_fail(p, EX_USAGE, "there is no command \"%s\"%s%s%s", w.v[0], near ? " (did you mean " : "",
                        near ? near : "", near ? "?)" : "");
}
