/* penny import: letters from mbox files and Maildirs into an account; from other servers, import_imap.c. The files are
 * read here, by whoever calls; letters go in many at a time, by the requests of admin_letters.c, so that a running
 * server needs no stop. What a mailbox has already, by the digest of its bytes, is passed over: a second run makes no
 * duplicates, and one that was cut off goes on where it was. */
#include "cmd/import.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/codec.h"
#include "base/digest.h"
#include "cmd/commands.h"
#include "cmd/letters.h"
#include "cmd/migrate.h"
#include "cmd/request.h"
#include "io/file.h"
#include "io/process.h"
#include "mail/limits.h"
#include "proto/json/write.h"

#define SPAN_PROGRESS (US_PER_S / 2) /* between two looks of a terminal */
#define LIMIT_MBOX (INT64_C(64) << 30)

/* ---- what is told meanwhile ---- */

static void tell_progress(struct import *im, bool last)
{
    mono_us now = loop_now();
    if (!process_is_tty(PROCESS_ERR) || (!last && now - im->told < SPAN_PROGRESS)) return;
    im->told = now;
    double seconds = (double)(now - im->began) / (double)US_PER_S;
    int64_t letters = im->taken + im->there;
    fprintf(stderr, "\r%" PRId64 " letters, %.0f/s", letters, seconds > 0 ? (double)letters / seconds : 0);
    if (!last && im->total > 0 && im->done > 0)
        fprintf(stderr, ", %.0f s left ", seconds * (double)(im->total - im->done) / (double)im->done);
    fprintf(stderr, last ? "                \n" : "    ");
    fflush(stderr);
}

/* ---- into a mailbox ---- */

static struct json begin_request(struct import *im, struct buf *b, const char *op)
{
    struct json j = JSON(b);
    json_put_object(&j, NULL);
    json_put_str(&j, "op", str_c(op));
    json_put_str(&j, "address", str_c(im->account));
    json_put_str(&j, "mailbox", im->mailbox);
    return j;
}

static bool remember(struct import *im, struct str digest)
{
    if (map_get(&im->have, digest)) return false;
    struct str key = arena_str(im->arena, digest);
    map_set(&im->have, key, im);
    return true;
}

static void take_digest(void *arg, struct str row)
{
    struct import *im = arg;
    static const struct str before = S_INIT("{\"sha256\":\"");
    struct buf digest = BUF(64);
    if (hex_decode(&digest, str_head(str_skip(row, before.n), (size_t)2 * SHA256_SIZE)) == 0)
        remember(im, buf_str(&digest));
    buf_free(&digest);
}

FIBER int import_mailbox(struct import *im, struct str name, struct error *e)
{
    im->arena = arena_new(im->program->arena, 0);
    im->batch = arena_new(im->arena, 0);
    im->mailbox = arena_str(im->arena, name);
    im->mailboxes++;
    map_init(&im->have, (struct hash_key){0});
    struct buf *b = buf_in(im->arena, LIMIT_ADMIN_REQUEST);
    struct json j = begin_request(im, b, "letters.begin");
    json_put_bool(&j, "dry", im->dry);
    json_put_end(&j, '}');
    const struct client_listener l = {.row = take_digest, .arg = im};
    return client_ask(im->client, buf_str(b), &l, e);
}

static FIBER int send_batch(struct import *im, struct error *e)
{
    if (im->n == 0) return 0;
    struct buf *b = buf_in(im->batch, LIMIT_ADMIN_REQUEST);
    struct json j = begin_request(im, b, "letters.append");
    json_put_int(&j, "bytes", (int64_t)im->bytes.n);
    buf_lit(b, ",\"letters\":[");
    buf_add(b, buf_str(&im->items));
    buf_lit(b, "]}");
    int error = b->failed ? error_set(e, ERR_TOO_LONG, "that is too much for one request")
                          : client_ask_with(im->client, buf_str(b), buf_str(&im->bytes), NULL, e);
    if (!error) im->taken += (int64_t)im->n;
    im->n = 0;
    buf_clear(&im->bytes);
    buf_clear(&im->items);
    arena_reset(im->batch);
    return error;
}

static void put_item(struct import *im, const struct kept_letter *l)
{
    if (im->n) buf_char(&im->items, ',');
    struct json j = JSON(&im->items);
    json_put_object(&j, NULL);
    json_put_int(&j, "size", (int64_t)l->text.n);
    json_put_int(&j, "flags", l->flags);
    json_put_int(&j, "at", l->at);
    json_put_array(&j, "keywords");
    for (size_t i = 0; i < l->n_keywords; i++) json_put_str(&j, NULL, l->keywords[i]);
    json_put_end(&j, ']');
    json_put_end(&j, '}');
}

FIBER int import_letter(struct import *im, const struct kept_letter *l, struct error *e)
{
    tell_progress(im, false);
    if (l->text.n == 0) return 0;
    if ((int64_t)l->text.n > LIMIT_MESSAGE) {
        im->too_large++;
        return 0;
    }
    struct sha256 d = sha256_of(l->text);
    if (!remember(im, sha256_str(&d))) {
        im->there++;
        return 0;
    }
    if (im->dry) {
        im->taken++;
        return 0;
    }
    int error = 0;
    if (im->n == LETTERS_AT_ONCE || (im->n && im->bytes.n + l->text.n > LETTERS_BYTES_AT_ONCE) ||
        im->items.n > LIMIT_ADMIN_REQUEST / 2)
        error = send_batch(im, e);
    if (error) return error;
    buf_add(&im->bytes, l->text);
    put_item(im, l);
    im->n++;
    return 0;
}

FIBER int import_mailbox_end(struct import *im, struct error *e)
{
    int error = send_batch(im, e);
    map_free(&im->have);
    arena_free(im->arena);
    im->arena = NULL;
    return error;
}

/* ---- mbox ---- */

static FIBER int import_letters_of(struct import *im, struct str all, struct error *e)
{
    struct str from_line, raw;
    int64_t before = im->done;
    int error = 0;
    for (size_t at = 0; !error && mbox_next(all, &at, &from_line, &raw);) {
        struct arena *a = arena_new(im->arena, 0);
        struct buf text = BUF((size_t)(2 * LIMIT_MESSAGE));
        struct kept_letter l;
        if ((int64_t)raw.n > LIMIT_MESSAGE) im->too_large++;
        else if (mbox_letter(a, &text, from_line, raw, &l)) error = import_letter(im, &l, e);
        buf_free(&text);
        arena_free(a);
        im->done = before + (int64_t)at;
    }
    return error;
}

static FIBER int import_mbox(struct import *im, const char *path, struct str name, struct error *e)
{
    struct file *f;
    int error = file_open(im->world, path, FILE_READ, &f, e);
    if (error) return error;
    int64_t size = file_size(f);
    const void *map = size > 0 && size < LIMIT_MBOX ? file_map(f, (size_t)size) : NULL;
    struct str all = str_of(map, map ? (size_t)size : 0);
    if (size < 0 || (size > 0 && !map)) error = error_set(e, ERR_IO, "%s cannot be read", path);
    else if (!mbox_looks_right(all))
        error = error_set(e, ERR_SYNTAX, "%s is no mbox: it does not begin with \"From \"", path);
    if (!error) error = import_mailbox(im, name, e);
    if (!error) error = import_letters_of(im, all, e);
    if (im->arena) {
        int ended = error ? import_mailbox_end(im, &(struct error){0}) : import_mailbox_end(im, e);
        if (!error) error = ended;
    }
    if (map) file_unmap(f, map, (size_t)size);
    file_close(f);
    return error;
}

static struct str stem(struct str name) { return str_ends(name, S(".mbox")) ? str_head(name, name.n - 5) : name; }

/* A folder of mbox files: each is a mailbox, named after it ("Work.mbox"; '.' in between are levels). */
static FIBER int import_folder(struct import *im, const struct str *names, size_t n, struct error *e)
{
    struct arena *a = im->program->arena;
    int error = 0;
    size_t found = 0;
    for (size_t i = 0; i < n && !error; i++) {
        if (!str_ends(names[i], S(".mbox"))) continue;
        found++;
        struct str name = arena_str(a, stem(names[i]));
        for (size_t k = 0; k < name.n; k++)
            if (name.p[k] == '.') ((char *)(uintptr_t)name.p)[k] = '/';
        if (im->under) name = arena_printf(a, "%s/%.*s", im->under, STR_FMT(name));
        error = import_mbox(im, arena_cstr(a, arena_printf(a, "%s/%.*s", im->source, STR_FMT(names[i]))), name, e);
    }
    if (!error && !found) return error_set(e, ERR_SYNTAX, "%s is no Maildir, and has no .mbox files", im->source);
    return error;
}

/* ---- the command ---- */

static FIBER int import_source(struct import *im, struct error *e)
{
    struct str *names;
    size_t n;
    struct error no_folder;
    if (folder_list(im->world, im->program->arena, im->source, &names, &n, &no_folder) != 0) {
        struct file *f;
        if (file_open(im->world, im->source, FILE_READ, &f, e) != 0) return e->code;
        im->total = file_size(f);
        file_close(f);
        return import_mbox(im, im->source, str_c(im->under ? im->under : "INBOX"), e);
    }
    return import_is_maildir(names, n) ? import_maildir(im, e) : import_folder(im, names, n, e);
}

static FIBER void import_in_fiber(struct world *w, void *arg)
{
    struct import *im = arg;
    im->world = w;
    im->began = loop_now();
    im->result = client_open(w, &im->config, &im->client, &im->error);
    if (!im->result) im->result = import_source(im, &im->error);
    tell_progress(im, true);
    client_close(im->client);
}

static void import_after(void *arg) { client_free(((struct import *)arg)->client); }

static void print_counts(const struct import *im)
{
    if (im->program->json)
        printf("{\"letters\":%" PRId64 ",\"there\":%" PRId64 ",\"too_large\":%" PRId64 ",\"mailboxes\":%" PRId64 "}\n",
               im->taken, im->there, im->too_large, im->mailboxes);
    else
        printf("%s%" PRId64 " letters into %" PRId64 " mailboxes; %" PRId64 " were there already\n",
               im->dry ? "would import " : "imported ", im->taken, im->mailboxes, im->there);
    if (im->too_large && !im->program->json) printf("%" PRId64 " are larger than 50 MB and stay out\n", im->too_large);
    fflush(stdout);
}

int command_import(struct program *p, int argc, char **argv)
{
    struct import im = {.program = p, .bytes = BUF((size_t)(2 * LIMIT_MESSAGE)), .items = BUF(LIMIT_ADMIN_REQUEST)};
    struct words w;
    struct migration_wishes remote = {0};
    const struct arg options[] = {
        {"--mailbox", 0, ARG_TEXT, &im.under}, {"--dry-run", 0, ARG_FLAG, &im.dry}, MIGRATION_OPTIONS(remote), {0}};
    int code = program_words(p, argc, argv, options, 2, 2, &w);
    if (!code && remote_is_url(w.v[1])) {
        remote.dry = im.dry;
        return import_imap(p, w.v[0], w.v[1], im.under, &remote);
    }
    if (!code && migration_wished(&remote))
        return program_usage(p, &(struct error){.text = "such options are for imap:// and imaps:// URLs"});
    if (!code) code = program_config(p, &im.config);
    if (code) return code;
    im.account = w.v[0];
    im.source = w.v[1];
    program_run(import_in_fiber, import_after, &im);
    buf_free(&im.bytes);
    buf_free(&im.items);
    if (!im.result || im.taken) print_counts(&im);
    return im.result ? program_error(p, &im.error) : EX_OK;
}
