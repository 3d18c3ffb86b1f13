/* penny serve: the process around the server; signals, privileges, the service manager, the log. */
#include <stdio.h>

#include "cmd/commands.h"
#include "cmd/owner.h"
#include "cmd/server.h"
#include "io/process.h"
#include "mail/limits.h"

struct serving {
    struct program *program;
    struct world *world;
    struct config config;
    struct log log;
    struct server *server;
};

static utc_us log_time(void *world) { return clock_utc(world); }

static void log_line(void *sink, struct str line)
{
    (void)sink;
    process_write(PROCESS_ERR, line);
}

static struct log log_of(const struct config *c, struct world *w)
{
    static const char *const levels[] =
        {[LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};
    struct log log = {.least = LOG_INFO, .now = log_time, .write = log_line, .clock = w};
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++)
        if (str_eq(c->log.level, str_c(levels[i]))) log.least = (enum log_level)i;
    if (str_eq(c->log.format, S("json"))) log.format = LOG_JSON;
    return log;
}

/* A certificate changes by `penny` and by hand; whoever sends SIGHUP wants the file as it is now. */
static void reload(struct serving *s)
{
    struct arena *a = arena_new(NULL, 0);
    struct config fresh;
    struct error e = {0};
    struct str ignored = STR_NONE;
    char state[80];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono(s->world));
    process_notify(state);
    int error = config_read(a, arena_cstr(a, s->config.file), &fresh, &e);
    if (!error) error = server_reload(s->server, a, &fresh, &ignored, &e);
    if (error)
        LOG(&s->log, LOG_ERROR, "serve.reload", F_STR("error", str_c(e.text)),
            F_STR("outcome", S("everything stays as it was")));
    else LOG(&s->log, LOG_INFO, "serve.reload", F_STR("needs_restart", ignored.n ? ignored : STR_NONE));
    process_notify("READY=1");
    arena_free(a);
}

#define SPAN_MEMORY_TRIM SECONDS(10)

static void serve_until_told(struct serving *s)
{
    LOG(&s->log, LOG_INFO, "serve.ready", F_STR("version", S(PENNY_VERSION)), F_STR("hostname", s->config.hostname));
    printf("ready\n");
    fflush(stdout);
    process_notify("READY=1");
    for (enum process_event what; (what = process_wait(SPAN_MEMORY_TRIM)) != PROCESS_STOP;)
        if (what == PROCESS_RELOAD) reload(s);
        else process_trim();
    process_notify("STOPPING=1");
    LOG(&s->log, LOG_INFO, "serve.stopping", F_STR("hostname", s->config.hostname));
    process_last_resort(3 * TIMEOUT_STOP); /* sessions end at once; the store may have much to write */
}

static void look_at_privileges(struct serving *s, int64_t files)
{
    if (process_is_root())
        LOG(&s->log, LOG_WARN, "serve.root",
            F_STR("hint", S("it runs as root; make a user: adduser --system --group penny")));
    if (files >= 0 && files < s->config.limits.connections + 100)
        LOG(&s->log, LOG_WARN, "serve.files", F_INT("limit", files),
            F_STR("hint", S("fewer open files than limits.connections needs")));
}

static int serve(struct serving *s)
{
    struct error e = {0};
    int64_t files = process_harden();
    s->server = server_new(s->world, &s->config, &s->log, &e);
    if (!s->server) return program_error(s->program, &e);
    int error = owner_become(&s->config, &e);
    if (!error) error = server_start(s->server, &e);
    if (!error) {
        look_at_privileges(s, files);
        serve_until_told(s);
    }
    server_stop(s->server);
    return error ? program_error(s->program, &e) : EX_OK;
}

int command_serve(struct program *p, int argc, char **argv)
{
    struct serving s = {.program = p};
    struct words w;
    int code = program_words(p, argc, argv, NULL, 0, 0, &w);
    if (!code) code = program_config(p, &s.config);
    if (code) return code;
    process_signals_begin();
    s.world = world_real(0);
    s.log = log_of(&s.config, s.world);
    code = serve(&s);
    world_free(s.world);
    return code;
}
