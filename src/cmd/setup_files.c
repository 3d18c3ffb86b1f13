/* penny setup: the configuration, the folders and the certificate. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cmd/owner.h"
#include "cmd/setup.h"
#include "io/file.h"
#include "io/tls.h"

enum { CERTIFICATE_DAYS = 3650, CONFIG_MODE = 0644 /* it holds no secrets */ };

struct work {
    struct setup *s;
    struct world *world;
    struct arena *a;
    struct process_user owner;
    bool has_owner;
    struct error e;
};

static void say(struct setup *s, const char *what, const char *path)
{
    s->changes++;
    if (!s->program->json) printf("made %-14s %s\n", what, path);
}

static int give(struct work *w, const char *path) { return w->has_owner ? process_give(path, &w->owner, &w->e) : 0; }

/* ---- the configuration ---- */

static void put_text(struct buf *b, const struct setup *s)
{
    buf_lit(b, "# Penny Post. `penny help penny.conf` tells what else can stand here.\n");
    buf_printf(b, "hostname = \"%.*s\"\ndata     = \"%.*s\"\n", STR_FMT(s->hostname), STR_FMT(s->data));
    buf_printf(b, "tls {\n    certificate = \"%.*s/tls/cert.pem\"\n    key         = \"%.*s/tls/key.pem\"\n}\n",
               STR_FMT(s->data), STR_FMT(s->data));
    if (strcmp(s->file, config_find_standard()) == 0) /* the machine's own: all its users may hand letters in */
        buf_lit(b, "sendmail { socket = \"/run/penny/sendmail.sock\" }\n");
    for (size_t i = 0; i < s->listen->n; i++) {
        struct str kind, address;
        str_cut(str_c(s->listen->v[i]), '=', &kind, &address);
        buf_printf(b, "listen \"%.*s\" { address = {\"%.*s\"} }\n", STR_FMT(kind), STR_FMT(address));
    }
}

static int write_config(struct work *w)
{
    struct setup *s = w->s;
    struct buf *text = buf_in(w->a, 64 << 10);
    struct config tried;
    put_text(text, s);
    /* nothing is written that would not be read */
    int error = config_parse(w->a, s->file, "/", buf_str(text), &tried, &w->e);
    if (!error) error = file_store(w->world, s->file, buf_str(text), 0, &w->e);
    if (error) return error;
    if (chmod(s->file, CONFIG_MODE) != 0) return error_os(&w->e, errno, "cannot change the mode of %s", s->file);
    say(s, "configuration", s->file);
    return 0;
}

static int compare_config(struct work *w)
{
    const struct setup *s = w->s;
    if (str_eq(s->config.hostname_key, s->hostname) && str_eq(s->config.data, s->data)) return 0;
    return error_set(&w->e, ERR_EXISTS, "%s says otherwise (hostname %.*s, data %.*s); --force writes it anew", s->file,
                     STR_FMT(s->config.hostname), STR_FMT(s->config.data));
}

static int make_config(struct work *w)
{
    struct setup *s = w->s;
    int error = s->force ? ERR_NOT_FOUND : config_read(s->program->arena, s->file, &s->config, &w->e);
    if (!error) return compare_config(w);
    if (error == ERR_NOT_FOUND) error = write_config(w);
    return error ? error : config_read(s->program->arena, s->file, &s->config, &w->e);
}

/* ---- the data folder and the certificate ---- */

static int make_folder(struct work *w, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0) return S_ISDIR(st.st_mode) ? 0 : error_set(&w->e, ERR_EXISTS, "%s is no folder", path);
    int error = folder_create(w->world, path, &w->e);
    if (!error) error = give(w, path);
    if (!error) say(w->s, "folder", path);
    return error;
}

static int store_pem(struct work *w, const char *what, struct str path, struct str pem, int mode)
{
    const char *name = arena_cstr(w->a, path);
    int error = file_store(w->world, name, pem, mode, &w->e);
    if (!error) error = give(w, name);
    if (!error) say(w->s, what, name);
    return error;
}

static int make_certificate(struct work *w)
{
    const struct config *c = &w->s->config;
    if (c->tls.certificate.n == 0) return 0; /* the owner wants none */
    if (file_exists(w->world, arena_cstr(w->a, c->tls.certificate))) return 0;
    struct str certificate, key;
    int error = make_folder(w, arena_cstr(w->a, str_head(c->tls.certificate, str_rfind_char(c->tls.certificate, '/'))));
    if (!error) error = tls_self_signed(w->world, w->a, c->hostname_key, CERTIFICATE_DAYS, &certificate, &key, &w->e);
    if (!error) error = store_pem(w, "key", c->tls.key, key, FILE_PRIVATE);
    if (!error) error = store_pem(w, "certificate", c->tls.certificate, certificate, 0);
    return error;
}

static int read_fingerprint(struct work *w)
{
    const struct config *c = &w->s->config;
    struct tls_context *t;
    struct tls_certificate_info info = {0};
    if (c->tls.certificate.n == 0) return 0;
    int error = tls_server_new(w->world, arena_cstr(w->a, c->tls.certificate), arena_cstr(w->a, c->tls.key), &t, &w->e);
    if (error) return error;
    tls_certificate_info(t, &info);
    memcpy(w->s->fingerprint, info.sha256, sizeof info.sha256);
    tls_unref(t);
    return 0;
}

static int make_files(struct work *w)
{
    struct str file = str_c(w->s->file);
    size_t slash = str_rfind_char(file, '/');
    const char *folder = slash < file.n && slash > 0 ? arena_cstr(w->a, str_head(file, slash)) : NULL;
    if (folder && mkdir(folder, 0755) == 0) say(w->s, "folder", folder);
    int error = make_config(w);
    if (error) return error;
    w->has_owner = owner_find(&w->s->config, &w->owner, &error, &w->e);
    if (!error) error = make_folder(w, arena_cstr(w->a, w->s->config.data));
    if (!error) error = make_certificate(w);
    return error ? error : read_fingerprint(w);
}

int setup_files(struct setup *s)
{
    struct work w = {.s = s, .world = world_real(1), .a = arena_new(NULL, 0)};
    umask(022);
    int error = make_files(&w);
    arena_free(w.a);
    world_free(w.world);
    return error ? program_error(s->program, &w.e) : 0;
}
