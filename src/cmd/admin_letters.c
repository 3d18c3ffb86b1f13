/* Requests that carry letters: into a mailbox, many in one commit, and out of it. What is there already is known by the
 * digest of a letter's bytes, so that an import that is begun again goes on where it was. */
#include "cmd/admin.h"

#include "base/codec.h"
#include "cmd/letters.h"
#include "mail/limits.h"
#include "proto/imap/set.h"
#include "proto/mime/parse.h"
#include "queue/letter_facts.h"
#include "store/entries.h"
#include "store/letters.h"
#include "store/mailboxes.h"
#include "store/view.h"

enum {
    PAGE = 256, /* entries read at once */
    PAGE_BYTES = 4 << 20, /* of their letters */
    WHOLE = 1 << 20, /* larger letters are read in pieces */
    PIECE = 1 << 20,
};

/* ---- walking through a mailbox ---- */

struct reader {
    const struct admin *admin;
    struct answer *a;
    int64_t account;
    const struct keyword_names *keywords;
    const struct uid_set *only; /* NULL: all */
    /* Each letter in order; its bytes by read_all() or read_pieces(). */
    FIBER int (*one)(struct reader *r, const struct entry *entry, struct letter_read *l, struct error *e);
};

static FIBER int each_of_page(struct reader *r, struct arena *page, const struct entry *v, size_t n, struct error *e)
{
    int64_t *emails = arena_array(page, n, sizeof *emails);
    for (size_t i = 0; i < n; i++) emails[i] = v[i].email;
    for (size_t at = 0, done; at < n; at += done) {
        struct arena *some = arena_new(page, 0);
        struct letter_read *letters;
        int error = store_letters(r->admin->store, some, r->account, emails + at, n - at, LETTERS_BYTES, WHOLE,
                                  PAGE_BYTES, &letters, &done, e);
        for (size_t i = 0; !error && i < done && !r->a->failed; i++)
            if (letters[i].error != ERR_NOT_FOUND) error = r->one(r, &v[at + i], &letters[i], e);
        arena_free(some);
        if (error || r->a->failed) return error;
    }
    return 0;
}

/* Takes out of a page what was not asked for. */
static size_t asked_of(const struct reader *r, struct entry *v, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!r->only || uid_set_has(r->only, v[i].uid)) v[kept++] = v[i];
    return kept;
}

static FIBER int each_letter(struct reader *r, int64_t mailbox, uid after, struct error *e)
{
    bool more = true;
    int error = 0;
    while (more && !error && !r->a->failed) {
        struct arena *page = arena_new(r->a->arena, 0);
        struct entry *v;
        size_t n;
        error = store_entries(r->admin->store, page, mailbox, after, PAGE, false, &v, &n, &more, e);
        if (!error && n) after = v[n - 1].uid;
        if (!error) error = each_of_page(r, page, v, asked_of(r, v, n), e);
        arena_free(page);
    }
    return error;
}

/* Calls fn with the letter's bytes, piece by piece. */
static FIBER int read_pieces(struct reader *r, struct letter_read *l,
                             FIBER int (*fn)(void *arg, int64_t offset, struct str piece), void *arg, struct error *e)
{
    if (l->error) return error_set(e, l->error, "a letter cannot be read: %s", err_name(l->error));
    struct str prefix = l->letter.prefix;
    int error = 0;
    if (!str_is_none(l->body)) {
        if (prefix.n) error = fn(arg, 0, prefix);
        return error ? error : fn(arg, (int64_t)prefix.n, l->body);
    }
    for (int64_t at = 0; !error && at < l->letter.size;) {
        struct arena *a = arena_new(r->a->arena, 0);
        struct str piece;
        error = store_letter_read(r->admin->store, a, &l->letter, at, PIECE, &piece, e);
        if (!error && piece.n == 0) error = error_set(e, ERR_CORRUPT, "a letter is shorter than its size");
        if (!error) error = fn(arg, at, piece);
        at += (int64_t)piece.n;
        arena_free(a);
    }
    return error;
}

/* ---- what is there ---- */

static FIBER int feed_digest(void *arg, int64_t offset, struct str piece)
{
    (void)offset;
    sha256_feed(arg, piece);
    return 0;
}

static FIBER int put_digest(struct reader *r, const struct entry *entry, struct letter_read *l, struct error *e)
{
    (void)entry;
    struct error why;
    struct sha256_stream *h = sha256_begin();
    int error = read_pieces(r, l, feed_digest, h, &why);
    struct sha256 d = sha256_end(h);
    if (error == ERR_CORRUPT) return 0; /* then it may come again */
    if (error) return *e = why, error;
    struct buf hex = BUF(128);
    hex_put(&hex, sha256_str(&d));
    json_put_str(answer_row(r->a), "sha256", buf_str(&hex));
    buf_free(&hex);
    return answer_send(r->a) ? ERR_CANCELLED : 0;
}

/* Makes the mailbox ready for letters and tells which it has. "dry": it is not made. */
static FIBER int begin(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t id;
    struct mailbox m;
    struct reader r = {.admin = admin, .a = a, .one = put_digest};
    struct str path = request_text(request, "mailbox");
    int error = admin_account(admin, request, a, &r.account, e);
    if (error) return error;
    error = store_mailbox_find(admin->store, a->arena, r.account, r.account, path, &m, e);
    if (!error) return each_letter(&r, m.id, 0, e);
    if (error != ERR_NOT_FOUND || request_bool(request, "dry")) return error == ERR_NOT_FOUND ? 0 : error;
    error = store_mailbox_make(admin->store, r.account, r.account, path, USE_NONE, &id, e);
    return error ? error : store_subscribe(admin->store, r.account, path, true, e);
}

/* ---- in ---- */

static FIBER int read_letter(const struct admin *admin, struct answer *a, const json_t *item, struct new_letter *out,
                             struct error *e)
{
    int64_t left = request_int(item, "size", -1);
    if (left <= 0 || left > LIMIT_MESSAGE) return error_set(e, ERR_TOO_LONG, "a letter has more than 50 MB");
    struct body *body = body_begin(admin->store, a->arena);
    struct mime_parser *parser = mime_parser_new(a->arena);
    int error = 0;
    while (left > 0 && !error) {
        struct str bytes;
        error = answer_bytes(a, left < PIECE ? (size_t)left : PIECE, &bytes);
        if (error) return error_set(e, error, "there were fewer bytes than announced");
        left -= (int64_t)bytes.n;
        mime_parser_feed(parser, bytes);
        error = body_write(body, bytes, e);
        fiber_yield_if_long();
    }
    if (!error) error = body_finish(body, e);
    if (error) return error;
    *out = (struct new_letter){.body = body,
                               .facts = letter_facts(a->arena, mime_parser_end(parser), body),
                               .flags = (flag_set)request_int(item, "flags", 0) & LETTERS_BY_BIT,
                               .received_at = request_int(item, "at", 0)};
    const json_t *words = json_object_get(item, "keywords");
    struct str *keywords = arena_array(a->arena, json_array_size(words), sizeof *keywords);
    for (size_t i = 0; i < json_array_size(words); i++) {
        const json_t *w = json_array_get(words, i);
        struct str word = json_is_string(w) ? str_of(json_string_value(w), json_string_length(w)) : S("");
        if (keyword_check(word) == 0) keywords[out->n_keywords++] = word; /* others could not be told to anybody */
    }
    out->keywords = keywords;
    return 0;
}

static FIBER int append(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct mailbox m;
    struct appending all = {0};
    const json_t *items = json_object_get(request, "letters");
    int error = admin_mailbox_of(admin, request, a, &all.who, &m, e);
    if (error) return error;
    size_t n = json_array_size(items);
    if (n == 0 || n > LETTERS_AT_ONCE)
        return error_set(e, ERR_SYNTAX, "up to %d letters come at once", LETTERS_AT_ONCE);
    all.mailbox = m.id;
    all.letters = arena_array(a->arena, n, sizeof *all.letters);
    for (; !error && all.n < n; all.n++)
        error = read_letter(admin, a, json_array_get(items, all.n), &all.letters[all.n], e);
    if (!error) error = store_append(admin->store, &all, e);
    if (error) return error;
    json_put_int(&a->done, "letters", (int64_t)all.n);
    json_put_array(&a->done, "uids");
    for (size_t i = 0; i < all.n; i++) json_put_int(&a->done, NULL, all.letters[i].uid);
    json_put_end(&a->done, ']');
    return 0;
}

/* ---- out ---- */

struct sending {
    struct reader *reader;
    const struct entry *entry;
    const struct letter_read *letter;
};

/* The piece that begins a letter has what a mailbox says of it. */
static FIBER int send_piece(void *arg, int64_t offset, struct str piece)
{
    struct sending *s = arg;
    struct reader *r = s->reader;
    struct json *j = answer_row(r->a);
    if (offset == 0) {
        json_put_int(j, "uid", s->entry->uid);
        json_put_int(j, "flags", s->entry->flags & LETTERS_BY_BIT);
        json_put_int(j, "at", s->letter->letter.received_at);
        json_put_int(j, "size", s->letter->letter.size);
        json_put_array(j, "keywords");
        for (int bit = LETTERS_FIRST_BY_NAME; r->keywords && bit < 32; bit++)
            if (s->entry->flags & (1u << bit)) json_put_str(j, NULL, r->keywords->name[bit]);
        json_put_end(j, ']');
    }
    struct buf text = BUF(2 * PIECE);
    base64_put(&text, piece);
    json_put_str(j, "data", buf_str(&text));
    buf_free(&text);
    return answer_send(r->a) ? ERR_CANCELLED : 0;
}

static FIBER int send_letter(struct reader *r, const struct entry *entry, struct letter_read *l, struct error *e)
{
    struct sending s = {r, entry, l};
    struct error why;
    int error = read_pieces(r, l, send_piece, &s, &why);
    if (error == ERR_CORRUPT) { /* one bad letter does not keep the others */
        struct buf line = BUF(200);
        buf_printf(&line, "UID %u is damaged and left out", entry->uid);
        answer_tell(r->a, buf_str(&line), true);
        buf_free(&line);
        return 0;
    }
    if (error) *e = why;
    return error;
}

static FIBER int read_all(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct mailbox m;
    struct reader r = {.admin = admin, .a = a, .one = send_letter};
    int error = admin_mailbox_of(admin, request, a, &r.account, &m, e);
    if (error) return error;
    struct imap_set only = {0};
    struct str uids = request_text(request, "uids");
    if (uids.n && imap_set_parse(a->arena, uids, &only) != 0) return error_set(e, ERR_SYNTAX, "no set of UIDs");
    if (uids.n) r.only = &only.numbers;
    struct view *view;
    error = store_view_open(admin->store, loop_self(), m.id, NULL, NULL, &view, e);
    if (error) return error;
    const struct snapshot *now = view_newest(view);
    r.keywords = now->keywords;
    json_put_int(&a->done, "uid_validity", m.uid_validity);
    error = each_letter(&r, m.id, (uid)request_int(request, "after", 0), e);
    snapshot_unref(now);
    store_view_close(view);
    return error;
}

const struct admin_op admin_letter_ops[] = {
    {"letters.begin", begin, "address"},
    {"letters.append", append, NULL},
    {"letters.read", read_all, NULL},
    {0},
};
