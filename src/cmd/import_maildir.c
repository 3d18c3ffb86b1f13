/* A Maildir and the folders of Maildir++ beside it (".Work.Old"). */
#include "cmd/import.h"
#include "io/file.h"
#include "mail/limits.h"
#include "proto/imap/mailbox.h"

static bool has_name(const struct str *names, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(names[i], name)) return true;
    return false;
}

bool import_is_maildir(const struct str *names, size_t n) { return has_name(names, n, S("cur")); }

static const char *path_in(struct arena *a, const char *folder, struct str name)
{
    return arena_cstr(a, arena_printf(a, "%s/%.*s", folder, STR_FMT(name)));
}

/* "0 $MDNSent" lines: which keyword each of the letters a-z is. */
static void read_keyword_names(struct import *im, const char *folder, struct str names[26])
{
    struct str all, line;
    struct error e;
    if (file_load(im->world, im->arena, path_in(im->arena, folder, S("dovecot-keywords")), 64 << 10, &all, &e)) return;
    while (all.n) {
        str_cut(all, '\n', &line, &all);
        uint64_t number;
        if (str_to_u64(str_word(&line), 25, &number)) names[number] = str_trim(line);
    }
}

static FIBER int import_file(struct import *im, const char *path, struct str name, const struct str *keywords,
                             struct error *e)
{
    struct arena *a = arena_new(im->arena, 0);
    struct str all;
    struct buf text = BUF((size_t)(2 * LIMIT_MESSAGE));
    struct error why = {0};
    int error = file_load(im->world, a, path, (size_t)LIMIT_MESSAGE, &all, &why);
    if (!error) {
        struct kept_letter l = {0};
        maildir_read_name(name, keywords, &l);
        mbox_put_crlf(&text, all);
        l.text = buf_str(&text);
        error = import_letter(im, &l, e);
    } else if (error == ERR_TOO_LONG) {
        im->too_large++;
        error = 0;
    } else if (error == ERR_NOT_FOUND) { /* another program renamed or removed it meanwhile: it comes next time */
        error = 0;
    } else {
        *e = why;
    }
    buf_free(&text);
    arena_free(a);
    return error;
}

static FIBER int import_part(struct import *im, const char *folder, struct str part, const struct str *keywords,
                             struct error *e)
{
    struct str *names;
    size_t n;
    const char *path = path_in(im->arena, folder, part);
    struct error none;
    if (folder_list(im->world, im->arena, path, &names, &n, &none) != 0) return 0;
    im->total += (int64_t)n;
    int error = 0;
    for (size_t i = 0; i < n && !error; i++) {
        if (names[i].n && names[i].p[0] != '.')
            error = import_file(im, path_in(im->arena, path, names[i]), names[i], keywords, e);
        im->done++;
    }
    return error;
}

static FIBER int import_one(struct import *im, const char *folder, struct str mailbox, struct error *e)
{
    struct str keywords[26] = {{0}};
    int error = import_mailbox(im, mailbox, e);
    if (!error) {
        read_keyword_names(im, folder, keywords);
        error = import_part(im, folder, S("cur"), keywords, e);
    }
    if (!error) error = import_part(im, folder, S("new"), NULL, e);
    if (error) import_mailbox_end(im, &(struct error){0});
    return error ? error : import_mailbox_end(im, e);
}

/* ".Work.Old" is Work/Old, its name in modified UTF-7 unless it is UTF-8 already. */
static struct str mailbox_of(struct import *im, struct str folder)
{
    struct arena *a = im->program->arena;
    struct str name = arena_str(a, str_skip(folder, folder.p[0] == '.')), decoded;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '.') ((char *)(uintptr_t)name.p)[i] = '/';
    if (imap_mailbox_decode(a, name, false, &decoded) == 0) name = decoded;
    return im->under ? arena_printf(a, "%s/%.*s", im->under, STR_FMT(name)) : name;
}

FIBER int import_maildir(struct import *im, struct error *e)
{
    struct arena *a = im->program->arena;
    struct str *names;
    size_t n;
    int error = folder_list(im->world, a, im->source, &names, &n, e);
    if (!error) error = import_one(im, im->source, str_c(im->under ? im->under : "INBOX"), e);
    for (size_t i = 0; i < n && !error; i++) {
        struct str *inside;
        size_t n_inside;
        struct error none;
        const char *path = path_in(a, im->source, names[i]);
        if (names[i].p[0] != '.' || folder_list(im->world, a, path, &inside, &n_inside, &none) != 0) continue;
        if (import_is_maildir(inside, n_inside)) error = import_one(im, path, mailbox_of(im, names[i]), e);
    }
    return error;
}
