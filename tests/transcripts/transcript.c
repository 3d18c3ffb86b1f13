/* Playing transcripts: see transcript.h. */
#include "transcript.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "mail/ip.h"

enum kind { SEND, EXPECT, EXPECT_END, SYNC, WAIT, HANG_UP };

struct step {
    enum kind kind;
    int line;        /* of the file */
    int who;         /* which connection, 0 or 1 */
    struct str text; /* SEND: bytes; EXPECT: pattern */
    int64_t span;    /* WAIT */
};

struct script {
    struct arena *arena;
    char path[512];
    struct step steps[400];
    size_t n;
    struct str options[20]; /* "name value" */
    size_t n_options;
    struct endpoint client;
    bool whole;     /* not to be cut */
    size_t longest; /* bytes sent between two syncs at most */
};

enum { CUTS = 1000, CONNECTIONS = 2 };
enum mode { LOCK_STEP, PIPELINED, BYTEWISE, CUT };
static const char *const mode_names[] = {"in lock step", "pipelined", "byte by byte", "cut in two"};

/* ---- reading ---- */

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static struct str unescape(struct arena *a, struct str text, struct str end)
{
    struct buf *b = buf_in(a, 1 << 20);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c != '\\' || i + 1 == text.n) {
            buf_char(b, c);
            continue;
        }
        c = text.p[++i];
        if (c == 'x' && i + 2 < text.n) {
            buf_char(b, (char)(hex_digit(text.p[i + 1]) * 16 + hex_digit(text.p[i + 2])));
            i += 2;
        } else if (c == 'R') {
            int count = 0;
            for (i++; i < text.n && text.p[i] != ':'; i++) count = count * 10 + (text.p[i] - '0');
            for (i++; count > 0; count--) buf_char(b, text.p[i]);
        } else {
            buf_char(b, (char)(c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c));
        }
    }
    buf_add(b, end);
    return buf_str(b);
}

static void bad_script(const struct script *t, int line, const char *why)
{
    fprintf(stderr, "%s:%d: %s\n", t->path, line, why);
    abort();
}

static void read_option(struct script *t, struct str text, int number)
{
    struct str rest = text, name = str_word(&rest);
    if (str_eq(name, S("client"))) {
        if (ip_parse(str_trim(rest), &t->client.ip)) bad_script(t, number, "no address");
    } else if (str_eq(name, S("whole"))) {
        t->whole = true;
    } else {
        t->options[t->n_options++] = text;
    }
}

static void read_line(struct script *t, struct str line, int number)
{
    struct step s = {.line = number, .who = t->n ? t->steps[t->n - 1].who : 0};
    uint64_t seconds;
    if (line.n == 0 || line.p[0] == '#') return;
    if (str_starts(line, S("@ "))) {
        read_option(t, str_skip(line, 2), number);
        return;
    }
    if (str_starts(line, S("2"))) s.who = 1, line = str_skip(line, 1);
    else if (ch_alpha(line.p[0]) && (str_starts(str_skip(line, 1), S(":")))) s.who = 0;
    if (str_starts(line, S("C: "))) s.kind = SEND, s.text = unescape(t->arena, str_skip(line, 3), S("\r\n"));
    else if (str_eq(line, S("C:"))) s.kind = SEND, s.text = S("\r\n");
    else if (str_starts(line, S("c: "))) s.kind = SEND, s.text = unescape(t->arena, str_skip(line, 3), S(""));
    else if (str_starts(line, S("S: "))) s.kind = EXPECT, s.text = str_skip(line, 3);
    else if (str_eq(line, S("S:end"))) s.kind = EXPECT_END;
    else if (str_eq(line, S("--"))) s.kind = SYNC;
    else if (str_eq(line, S("hang up"))) s.kind = HANG_UP;
    else if (str_starts(line, S("wait ")) && str_to_u64(str_skip(line, 5), 1000000, &seconds))
        s.kind = WAIT, s.span = SECONDS((int64_t)seconds);
    else bad_script(t, number, "what is that?");
    if (t->n == sizeof t->steps / sizeof *t->steps) bad_script(t, number, "too long");
    t->steps[t->n++] = s;
}

static bool ends_group(enum kind k) { return k == SYNC || k == WAIT || k == HANG_UP; }

/* text must stay as long as the script. */
static struct script *parse_script(struct arena *a, const char *path, struct str text)
{
    struct script *t = arena_new_of(a, struct script);
    t->arena = a;
    t->client = (struct endpoint){{4, {198, 51, 100, 7}}, 40025};
    snprintf(t->path, sizeof t->path, "%s", path);
    if (!str_starts(text, S("# RFC "))) bad_script(t, 1, "names no RFC");
    struct str line;
    for (int number = 1; text.n; number++) {
        str_cut(text, '\n', &line, &text);
        read_line(t, line, number);
    }
    size_t sent = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (ends_group(t->steps[i].kind) || (i && t->steps[i].who != t->steps[i - 1].who)) sent = 0;
        if (t->steps[i].kind == SEND) sent += t->steps[i].text.n;
        if (sent > t->longest) t->longest = sent;
    }
    return t;
}

static struct script *read_script(struct arena *a, const char *folder, const char *name)
{
    struct buf *text = buf_in(a, 1 << 20);
    const char *path = arena_cstr(a, arena_printf(a, "%s/%s", folder, name));
    FILE *f = fopen(path, "rb");
    if (!f) perror(path), abort();
    text->n = fread(buf_reserve(text, 1 << 20), 1, 1 << 20, f);
    fclose(f);
    return parse_script(a, path, buf_str(text));
}

/* ---- playing ---- */

struct play {
    const struct script *script;
    const struct transcript_rig *rig;
    enum mode mode;
    size_t cut; /* CUT: bytes of each first write */
    struct side {
        struct play *play;
        struct stream *client, *server;
    } sides[CONNECTIONS];
    struct arena *arena;
    int begun;     /* connections */
    int over;      /* fibers that ended */
    bool stopped;  /* this run has gone wrong */
    bool failed;   /* one has */
};

static bool matches(struct str pattern, struct str text)
{
    if (pattern.n == 0) return text.n == 0;
    if (pattern.p[0] == '*') {
        for (size_t i = 0; i <= text.n; i++)
            if (matches(str_skip(pattern, 1), str_skip(text, i))) return true;
        return false;
    }
    return text.n && text.p[0] == pattern.p[0] && matches(str_skip(pattern, 1), str_skip(text, 1));
}

static void complain(struct play *p, const struct step *s, const char *got, struct str text)
{
    p->stopped = p->failed = true;
    fprintf(stderr, "%s:%d (%s, cut %zu): want \"%.*s\", got %s\"%.*s\"\n", p->script->path, s->line,
            mode_names[p->mode], p->cut, STR_FMT(s->kind == EXPECT_END ? S("the end") : s->text), got, STR_FMT(text));
}

static FIBER void hear(struct play *p, const struct step *s)
{
    struct str line;
    if (p->stopped) return;
    struct stream *client = p->sides[s->who].client;
    stream_deadline(client, loop_now() + HOURS(5));
    int e = stream_line(client, 1 << 16, &line);
    if (s->kind == EXPECT_END ? e == ERR_EOF : e == 0 && matches(s->text, line)) return;
    complain(p, s, e ? "error: " : "", e ? str_c(err_name(e)) : line);
}

static FIBER void put(struct stream *client, struct str bytes) /* a server may have gone: what we hear will tell */
{
    if (bytes.n == 0 || stream_write(client, bytes)) return;
    stream_flush(client);
}

/* Sends steps [from, to) as the mode has it. */
static FIBER void send_group(struct play *p, size_t from, size_t to)
{
    struct buf all = BUF(1 << 20);
    for (size_t i = from; i < to; i++)
        if (p->script->steps[i].kind == SEND) buf_add(&all, p->script->steps[i].text);
    struct str rest = buf_str(&all);
    size_t n = p->mode == BYTEWISE ? 1 : p->mode == CUT ? p->cut : rest.n;
    while (rest.n) {
        put(p->sides[p->script->steps[from].who].client, str_head(rest, n));
        rest = str_skip(rest, n);
        if (rest.n) fiber_sleep(50); /* everybody else runs until nothing is left to do */
        if (p->mode != BYTEWISE) n = rest.n;
    }
    buf_free(&all);
}

static FIBER void play_group(struct play *p, size_t from, size_t to)
{
    const struct step *steps = p->script->steps;
    if (p->mode != LOCK_STEP) send_group(p, from, to);
    for (size_t i = from; i < to; i++) {
        if (steps[i].kind == EXPECT || steps[i].kind == EXPECT_END) hear(p, &steps[i]);
        else if (p->mode == LOCK_STEP) put(p->sides[steps[i].who].client, steps[i].text);
    }
}

static FIBER void server_fiber(void *arg)
{
    struct side *side = arg;
    struct play *p = side->play;
    stream_set_peer(side->server, p->script->client);
    p->rig->serve(side->server, p->rig->arg);
    p->over++;
}

static FIBER void connect_side(struct play *p, int who)
{
    struct side *side = &p->sides[who];
    if (side->client) return;
    side->play = p;
    stream_pair(p->arena, 1 << 17, &side->client, &side->server);
    p->begun++;
    loop_spawn(loop_self(), server_fiber, side);
}

/* Where the group that begins at a step ends. */
static size_t group_end(const struct script *t, size_t from)
{
    size_t to = from;
    while (to < t->n && !ends_group(t->steps[to].kind) && t->steps[to].who == t->steps[from].who) to++;
    return to;
}

static FIBER void client_fiber(void *arg)
{
    struct play *p = arg;
    const struct script *t = p->script;
    for (size_t from = 0, to; from < t->n; from = to) {
        connect_side(p, t->steps[from].who);
        to = group_end(t, from);
        play_group(p, from, to);
        if (to == t->n || t->steps[to].kind == HANG_UP) break;
        if (t->steps[to].kind == WAIT) fiber_sleep(t->steps[to].span);
        if (ends_group(t->steps[to].kind)) to++;
    }
    for (int i = 0; i < CONNECTIONS; i++)
        if (p->sides[i].client) stream_abort(p->sides[i].client);
    p->over++;
}

static void play_in_sim(struct sim *sim, void *arg)
{
    struct play *p = arg;
    const struct script *t = p->script;
    struct world *w = sim_node(sim, "server", (struct ip){4, {192, 0, 2, 25}});
    struct loop *l = loop_new(w);
    p->rig->begin(w, p->rig->arg);
    for (size_t i = 0; i < t->n_options; i++) {
        struct str rest = t->options[i], name = str_word(&rest);
        if (!p->rig->option || !p->rig->option(p->rig->arg, name, str_trim(rest))) bad_script(t, 0, "unknown setting");
    }
    p->arena = arena_new(NULL, 0);
    p->over = p->begun = 0;
    p->stopped = false;
    memset(p->sides, 0, sizeof p->sides);
    loop_spawn(l, client_fiber, p);
    sim_run(sim, FOREVER);
    if (p->over != p->begun + 1 && !p->stopped) {
        fprintf(stderr, "%s (%s): a side never ended\n", t->path, mode_names[p->mode]);
        p->failed = true;
    }
    loop_free(l);
    arena_free(p->arena);
    if (p->rig->end) p->rig->end(p->rig->arg);
}

static bool play(const struct script *t, const struct transcript_rig *rig)
{
    struct play p = {.script = t, .rig = rig};
    for (p.mode = LOCK_STEP; p.mode <= (t->whole ? PIPELINED : BYTEWISE) && !p.failed; p.mode++)
        sim_twice(5, play_in_sim, &p);
    p.mode = CUT;
    size_t stride = t->longest / (size_t)(rig->cuts ? rig->cuts : CUTS) + 1;
    for (p.cut = 1; !t->whole && p.cut < t->longest && !p.failed; p.cut += stride) {
        struct sim *sim = sim_new(p.cut);
        play_in_sim(sim, &p);
        sim_free(sim);
    }
    return !p.failed;
}

bool transcript_play_text(const char *name, const char *text, const struct transcript_rig *rig)
{
    struct arena *a = arena_new(NULL, 0);
    bool right = play(parse_script(a, name, str_c(text)), rig);
    arena_free(a);
    return right;
}

int transcripts_play(const char *folder, const struct transcript_rig *rig, int *failed)
{
    char path[400];
    struct dirent **names;
    const char *only = getenv("TRANSCRIPT"); /* plays one file alone */
    int played = 0;
    snprintf(path, sizeof path, "%s/tests/transcripts/%s", PENNY_SOURCE, folder);
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (str_ends(str_c(names[i]->d_name), S(".txt")) && (!only || strcmp(only, names[i]->d_name) == 0)) {
            struct arena *a = arena_new(NULL, 0);
            played++;
            if (!play(read_script(a, path, names[i]->d_name), rig)) ++*failed;
            arena_free(a);
        }
        free(names[i]);
    }
    if (n >= 0) free(names);
    return played;
}
