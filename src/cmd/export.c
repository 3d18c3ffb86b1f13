/* penny export: an account's letters into a Maildir with Maildir++ folders, or an mbox for each mailbox. */
#include <inttypes.h>
#include <stdio.h>

#include "base/codec.h"
#include "base/map.h"
#include "cmd/client.h"
#include "cmd/commands.h"
#include "cmd/migrate.h"
#include "cmd/request.h"
#include "io/file.h"
#include "io/process.h"
#include "mail/limits.h"
#include "proto/imap/mailbox.h"
#include "proto/json/write.h"
#include "proto/mbox/mbox.h"

struct export
{
    struct program *program;
    struct config config;
    struct world *world;
    struct client *client;
    const char *account, *folder, *only;
    bool dry, mbox;
    struct error error;
    int result;

    struct str *names; /* of mailboxes */
    size_t n_names, names_cap;
    /* of the mailbox at hand */
    struct arena *arena;
    struct str name;
    const char *path; /* its Maildir, or the mbox being written */
    struct map have; /* unique parts of file names */
    struct file *file; /* an mbox */
    int64_t offset, uid_validity;
    /* of the letter at hand */
    struct buf text, out;
    struct kept_letter letter;
    struct arena *words;
    int64_t size, uid;

    int64_t written, there, damaged;
    mono_us told;
};

static FIBER int ask(struct export *x, const char *op, struct str mailbox, const struct client_listener *l)
{
    struct arena *a = arena_new(x->program->arena, 0);
    struct buf *b = buf_in(a, LIMIT_ADMIN_REQUEST);
    struct json j = JSON(b);
    json_put_object(&j, NULL);
    json_put_str(&j, "op", str_c(op));
    json_put_str(&j, "address", str_c(x->account));
    if (mailbox.n) json_put_str(&j, "mailbox", mailbox);
    json_put_end(&j, '}');
    int error = client_ask(x->client, buf_str(b), l, &x->error);
    arena_free(a);
    return error ? error : x->result;
}

static void fail(struct export *x, int error)
{
    if (!x->result) x->result = error;
}

static void tell_progress(struct export *x, bool last)
{
    mono_us now = loop_now();
    if (!process_is_tty(PROCESS_ERR) || (!last && now - x->told < US_PER_S / 2)) return;
    x->told = now;
    fprintf(stderr, last ? "\r%" PRId64 " letters\n" : "\r%" PRId64 " letters", x->written + x->there);
}

/* ---- a letter ---- */

static const char *cstr_of(struct export *x, struct arena *a, const char *sub, struct str name)
{
    return arena_cstr(a, arena_printf(a, "%s/%s%.*s", x->path, sub, STR_FMT(name)));
}

static void write_maildir(struct export *x)
{
    struct arena *a = arena_new(x->arena, 0);
    struct str unique =
        arena_printf(a, "%" PRId64 ".U%" PRId64 "V%" PRId64 ".penny", x->letter.at / US_PER_S, x->uid, x->uid_validity);
    struct error e = {0};
    if (map_get(&x->have, unique)) {
        x->there++;
    } else if (!x->dry) {
        buf_clear(&x->out);
        for (struct str line, rest = x->letter.text; rest.n > 0;) {
            size_t n = str_find_char(rest, '\n');
            line = str_head(rest, n);
            bool ended = n < rest.n;
            if (ended && line.n && line.p[line.n - 1] == '\r') line.n--;
            buf_add(&x->out, line);
            if (ended) buf_char(&x->out, '\n');
            rest = str_skip(rest, n + 1);
        }
        struct buf name = BUF(400);
        buf_add(&name, unique);
        maildir_put_flags(&name, &x->letter);
        const char *part = cstr_of(x, a, "tmp/", unique), *whole = cstr_of(x, a, "cur/", buf_str(&name));
        struct file *f;
        int error = file_open(x->world, part, FILE_WRITE | FILE_CREATE | FILE_PRIVATE, &f, &e);
        if (!error) {
            error = file_truncate(f, 0, &e);
            if (!error) error = file_write(f, x->out.p, x->out.n, 0, &e);
            file_close(f);
        }
        if (!error) error = file_rename(x->world, part, whole, &e);
        if (error) {
            fail(x, error);
            x->error = e;
        } else {
            x->written++;
        }
        buf_free(&name);
    } else {
        x->written++;
    }
    arena_free(a);
}

static struct str sender_of(struct str text)
{
    static const struct str field = S_INIT("Return-Path:");
    if (!str_istarts(text, field)) return STR_NONE;
    struct str line = str_trim(str_skip(str_head(text, str_find_char(text, '\n')), field.n));
    return line.n > 2 && line.p[0] == '<' ? str_sub(line, 1, line.n - 1) : STR_NONE;
}

static void write_mbox(struct export *x)
{
    struct error e = {0};
    x->written++;
    if (x->dry) return;
    buf_clear(&x->out);
    mbox_put(&x->out, sender_of(x->letter.text), &x->letter);
    int error = file_write(x->file, x->out.p, x->out.n, x->offset, &e);
    x->offset += (int64_t)x->out.n;
    if (!error) return;
    fail(x, error);
    x->error = e;
}

static void begin_letter(struct export *x, const json_t *row)
{
    arena_reset(x->words);
    buf_clear(&x->text);
    x->size = request_int(row, "size", 0);
    x->uid = request_int(row, "uid", 0);
    x->letter = (struct kept_letter){.at = request_int(row, "at", 0), .flags = (flag_set)request_int(row, "flags", 0)};
    const json_t *words = json_object_get(row, "keywords");
    for (size_t i = 0; i < json_array_size(words) && i < MBOX_KEYWORDS_MAX; i++)
        x->letter.keywords[x->letter.n_keywords++] =
            arena_str(x->words, str_c(json_string_value(json_array_get(words, i))));
}

static void take_piece(void *arg, struct str text)
{
    struct export *x = arg;
    json_t *row = x->result ? NULL : json_loadb(text.p, text.n, 0, NULL);
    if (!row) return;
    if (json_object_get(row, "uid")) begin_letter(x, row);
    base64_decode(&x->text, request_text(row, "data"));
    json_decref(row);
    if ((int64_t)x->text.n < x->size) return;
    x->letter.text = buf_str(&x->text);
    if (x->mbox) write_mbox(x);
    else write_maildir(x);
    tell_progress(x, false);
}

static void take_finding(void *arg, struct str line, bool finding)
{
    struct export *x = arg;
    x->damaged += finding;
    fprintf(stderr, "%.*s: %.*s\n", STR_FMT(x->name), STR_FMT(line));
}

/* ---- a mailbox ---- */

static void take_validity(void *arg, struct str row)
{
    struct export *x = arg;
    json_t *o = json_loadb(row.p, row.n, 0, NULL);
    x->uid_validity = request_int(o, "uid_validity", 0);
    json_decref(o);
}

static int note_files(struct export *x, const char *sub, struct error *e)
{
    struct str *names;
    size_t n;
    int error = folder_list(x->world, x->arena, cstr_of(x, x->arena, sub, STR_NONE), &names, &n, e);
    for (size_t i = 0; !error && i < n; i++) map_set(&x->have, maildir_unique(names[i]), x);
    return error;
}

static int begin_maildir(struct export *x, struct error *e)
{
    static const char *const parts[] = {"", "/tmp", "/new", "/cur"};
    struct buf b = BUF(4096);
    bool inbox = str_eq(x->name, S("INBOX"));
    if (!inbox) buf_lit(&b, "/.");
    size_t begin = b.n;
    if (!inbox) imap_put_utf7(&b, x->name);
    for (size_t i = begin; i < b.n; i++)
        if (b.p[i] == '.') b.p[i] = '_'; /* a dot would be another level */
        else if (b.p[i] == '/') b.p[i] = '.';
    x->path = arena_cstr(x->arena, arena_printf(x->arena, "%s%.*s", x->folder, STR_FMT(buf_str(&b))));
    buf_free(&b);
    int error = 0;
    for (size_t i = 0; i < 4 && !error && !x->dry; i++)
        error = folder_create(x->world, arena_cstr(x->arena, arena_printf(x->arena, "%s%s", x->path, parts[i])), e);
    if (x->dry && !file_exists(x->world, x->path)) return 0;
    if (!error) error = note_files(x, "cur", e);
    return error ? error : note_files(x, "new", e);
}

static int begin_mbox(struct export *x, struct error *e)
{
    struct buf b = BUF(4096);
    imap_put_utf7(&b, x->name);
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] == '.') b.p[i] = '_';
        else if (b.p[i] == '/') b.p[i] = '.';
    x->path = arena_cstr(x->arena, arena_printf(x->arena, "%s/%.*s.mbox", x->folder, STR_FMT(buf_str(&b))));
    buf_free(&b);
    x->offset = 0;
    if (x->dry) return 0;
    int error = folder_create(x->world, x->folder, e);
    const char *part = arena_cstr(x->arena, arena_printf(x->arena, "%s.part", x->path));
    if (!error) error = file_open(x->world, part, FILE_WRITE | FILE_CREATE | FILE_PRIVATE, &x->file, e);
    return error ? error : file_truncate(x->file, 0, e);
}

/* The mbox takes its name when it is whole: what is found under it is never half a mailbox. */
static int end_mbox(struct export *x, struct error *e)
{
    if (!x->file) return 0;
    const char *part = arena_cstr(x->arena, arena_printf(x->arena, "%s.part", x->path));
    int error = x->result ? x->result : file_sync(x->file, e);
    file_close(x->file);
    x->file = NULL;
    return error ? error : file_rename(x->world, part, x->path, e);
}

static FIBER int export_mailbox(struct export *x, struct str name)
{
    const struct client_listener facts = {.row = take_validity, .arg = x},
                                 letters = {.row = take_piece, .tell = take_finding, .arg = x};
    x->arena = arena_new(x->program->arena, 0);
    x->words = arena_new(x->arena, 0);
    x->name = name;
    map_init(&x->have, (struct hash_key){0});
    struct error e = {0};
    int error = ask(x, "mailbox.show", name, &facts);
    if (!error && (error = x->mbox ? begin_mbox(x, &e) : begin_maildir(x, &e)) != 0) x->error = e;
    if (!error) error = ask(x, "letters.read", name, &letters);
    if (error) fail(x, error);
    if ((error = end_mbox(x, &e)) != 0 && !x->result) {
        x->error = e;
        fail(x, error);
    }
    map_free(&x->have);
    arena_free(x->arena);
    return x->result;
}

static void take_name(void *arg, struct str row)
{
    struct export *x = arg;
    json_t *o = json_loadb(row.p, row.n, 0, NULL);
    struct str name = request_text(o, "mailbox");
    if (!x->only || str_eq(name, str_c(x->only))) {
        x->names = arena_grow(x->program->arena, x->names, x->n_names, &x->names_cap, sizeof *x->names);
        x->names[x->n_names++] = arena_str(x->program->arena, name);
    }
    json_decref(o);
}

static FIBER int export_all(struct export *x)
{
    const struct client_listener names = {.row = take_name, .arg = x};
    int error = ask(x, "mailbox.list", STR_NONE, &names);
    if (!error && x->only && x->n_names == 0)
        error = error_set(&x->error, ERR_NOT_FOUND, "there is no mailbox \"%s\"", x->only);
    if (!error && !x->dry) error = folder_create(x->world, x->folder, &x->error);
    for (size_t i = 0; i < x->n_names && !error; i++) error = export_mailbox(x, x->names[i]);
    return error;
}

static FIBER void export_in_fiber(struct world *w, void *arg)
{
    struct export *x = arg;
    x->world = w;
    int error = client_open(w, &x->config, &x->client, &x->error);
    if (!error) error = export_all(x);
    fail(x, error);
    tell_progress(x, true);
    client_close(x->client);
}

static void export_after(void *arg) { client_free(((struct export *)arg)->client); }

int command_export(struct program *p, int argc, char **argv)
{
    struct export x = {.program = p, .text = BUF((size_t)(2 * LIMIT_MESSAGE)), .out = BUF((size_t)(4 * LIMIT_MESSAGE))};
    const char *format = "maildir";
    struct migration_wishes remote = {0};
    struct words w;
    const struct arg options[] = {{"--format", 0, ARG_TEXT, &format},
                                  {"--mailbox", 0, ARG_TEXT, &x.only},
                                  {"--dry-run", 0, ARG_FLAG, &x.dry},
                                  MIGRATION_OPTIONS(remote),
                                  {0}};
    int code = program_words(p, argc, argv, options, 2, 2, &w);
    if (code) return code;
    if (remote_is_url(w.v[1])) {
        remote.dry = x.dry;
        return export_imap(p, w.v[0], w.v[1], x.only, &remote);
    }
    if (migration_wished(&remote))
        return program_usage(p, &(struct error){.text = "such options are for imap:// and imaps:// URLs"});
    x.mbox = strcmp(format, "mbox") == 0;
    if (!x.mbox && strcmp(format, "maildir") != 0)
        return program_usage(p, &(struct error){.text = "--format is maildir or mbox"});
    if ((code = program_config(p, &x.config)) != 0) return code;
    x.account = w.v[0];
    x.folder = w.v[1];
    program_run(export_in_fiber, export_after, &x);
    buf_free(&x.text);
    buf_free(&x.out);
    if (x.result) return program_error(p, &x.error);
    if (p->json)
        printf("{\"letters\":%" PRId64 ",\"there\":%" PRId64 ",\"damaged\":%" PRId64 ",\"mailboxes\":%zu}\n", x.written,
               x.there, x.damaged, x.n_names);
    else
        printf("%s%" PRId64 " letters of %zu mailboxes; %" PRId64 " were there already\n",
               x.dry ? "would export " : "exported ", x.written, x.n_names, x.there);
    return x.damaged ? EX_DATAERR : EX_OK;
}
