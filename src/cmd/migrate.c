/* Letters between an account here and one on another IMAP server: the frame of both ways, and what there is on both
 * sides. Which letter is which is migrate_match.c's. */
#include "cmd/migrate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/digest.h"
#include "cmd/admin.h"
#include "cmd/commands.h"
#include "cmd/letters.h"

#define SPAN_PROGRESS (US_PER_S / 2) /* between two looks of a terminal */
enum { MEMORY_MOST = 16 << 20 };

/* ---- what is told ---- */

void migration_progress(struct migration *m, bool last)
{
    mono_us now = loop_now();
    if (!process_is_tty(PROCESS_ERR) || (!last && now - m->told < SPAN_PROGRESS)) return;
    m->told = now;
    double seconds = (double)(now - m->began) / (double)US_PER_S;
    fprintf(stderr, "\r\033[K%" PRId64 " letters, %.0f/s", m->carried, seconds > 0 ? (double)m->carried / seconds : 0);
    if (!last && m->total) fprintf(stderr, "; %.*s: %" PRId64 " of %" PRId64, STR_FMT(m->name), m->done, m->total);
    if (last) fprintf(stderr, "\n");
    fflush(stderr);
}

void migration_finding(struct migration *m, uid u, const char *fmt, ...)
{
    struct error text;
    char words[sizeof text.text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(words, sizeof words, fmt, ap);
    va_end(ap);
    error_set(&text, ERR_IO, "%s", words); /* without control characters */
    if (process_is_tty(PROCESS_ERR)) fprintf(stderr, "\r\033[K");
    if (u) fprintf(stderr, "%.*s: UID %u %s\n", STR_FMT(m->name), u, text.text);
    else fprintf(stderr, "%.*s: %s\n", STR_FMT(m->name), text.text);
}

/* ---- requests ---- */

struct json migration_request(struct migration *m, struct buf *b, const char *op)
{
    struct json j = JSON(b);
    buf_clear(b);
    json_put_object(&j, NULL);
    json_put_str(&j, "op", str_c(op));
    json_put_str(&j, "address", str_c(m->account));
    json_put_str(&j, "mailbox", m->name);
    return j;
}

void migration_put_flags(struct migration *m, struct json *j, flag_set flags)
{
    json_put_int(j, "flags", flags & LETTERS_BY_BIT);
    json_put_array(j, "keywords");
    for (unsigned bit = LETTERS_FIRST_BY_NAME; bit < 32; bit++) {
        struct str word = bit < FLAG_FIRST_OWN ? imap_flag_name(bit) : m->pairs.words[bit];
        if (flags & (flag_set)1 << bit && word.n) json_put_str(j, NULL, word);
    }
    json_put_end(j, ']');
}

flag_set migration_word(struct migration *m, struct str word)
{
    int free_bit = 0;
    for (int bit = FLAG_FIRST_OWN; bit < 32; bit++) {
        if (str_ieq(m->pairs.words[bit], word)) return (flag_set)1 << bit;
        if (!free_bit && m->pairs.words[bit].n == 0) free_bit = bit;
    }
    bool sayable = word.n > 0 && word.n <= 100; /* and it is a word of the memory's */
    for (size_t i = 0; i < word.n && sayable; i++) sayable = word.p[i] > ' ' && word.p[i] != 0x7f;
    if (free_bit && sayable && !str_eq(word, S("-"))) {
        m->pairs.words[free_bit] = arena_str(m->arena, word);
        return (flag_set)1 << free_bit;
    }
    if (!m->words_lost)
        migration_finding(m, 0, "has more keywords than a mailbox has room for; \"%.*s\" is left out",
                          STR_FMT(str_head(word, 60)));
    m->words_lost = true;
    return 0;
}

enum special_use migration_use(struct str word)
{
    char attribute[32] = "\\";
    struct buf b = {.p = attribute, .n = 1, .cap = sizeof attribute, .max = sizeof attribute};
    buf_add(&b, word);
    return special_use_of(buf_str(&b));
}

/* ---- a mailbox ---- */

void migration_enter(struct migration *m, struct str name, struct str raw)
{
    m->arena = arena_new(m->program->arena, 0);
    m->name = arena_str(m->arena, name);
    m->raw = arena_str(m->arena, raw);
    m->pairs = m->unsure = (struct pairs){0};
    m->settable = ~0u;
    m->ours = m->theirs = (struct siblings){0};
    m->memory = BUF(MEMORY_MOST);
    m->words_lost = m->changed = false;
    m->saved = 0;
    m->done = m->total = 0;
    struct str where = arena_printf(m->arena, "%.*s\n%.*s\n%.*s", STR_FMT(m->remote.url.host),
                                    STR_FMT(m->remote.url.user), STR_FMT(raw));
    struct sha256 d = sha256_of(where);
    struct buf key = BUF_OVER(m->key);
    hex_put(&key, str_head(sha256_str(&d), 16));
    m->mailboxes++;
}

void migration_leave(struct migration *m)
{
    buf_free(&m->memory);
    arena_free(m->arena);
    m->arena = NULL;
}

struct sibling *siblings_find(const struct siblings *s, uid u)
{
    size_t from = 0, to = s->n;
    while (from < to) {
        size_t at = (from + to) / 2;
        if (s->v[at].uid < u) from = at + 1;
        else to = at;
    }
    return from < s->n && s->v[from].uid == u ? &s->v[from] : NULL;
}

static void add_sibling(struct migration *m, struct siblings *s, struct sibling new)
{
    new.pair = NO_PAIR;
    s->v = arena_grow(m->arena, s->v, s->n, &s->cap, sizeof *s->v);
    s->v[s->n++] = new;
}

/* ---- our side ---- */

static void take_words(struct migration *m, const json_t *o)
{
    const json_t *words = json_object_get(o, "words");
    m->pairs.our_validity = (uint32_t)request_int(o, "validity", 0);
    for (size_t i = 0; i < json_array_size(words) && FLAG_FIRST_OWN + i < 32; i++)
        m->pairs.words[FLAG_FIRST_OWN + i] = arena_str(m->arena, str_c(json_string_value(json_array_get(words, i))));
}

static void take_ours(void *arg, struct str row)
{
    struct migration *m = arg;
    json_t *o = json_loadb(row.p, row.n, 0, NULL);
    const json_t *letters = json_object_get(o, "letters");
    if (json_object_get(o, "words")) take_words(m, o);
    buf_add(&m->memory, request_text(o, "memory"));
    for (size_t i = 0; i + 3 < json_array_size(letters); i += 4) {
        int64_t v[4];
        for (size_t k = 0; k < 4; k++) v[k] = json_integer_value(json_array_get(letters, i + k));
        int64_t seconds = v[2] / US_PER_S - (v[2] % US_PER_S < 0);
        add_sibling(m, &m->ours,
                    (struct sibling){.uid = (uid)v[0], .flags = (flag_set)v[1], .at = seconds, .size = v[3]});
    }
    json_decref(o);
}

FIBER int migration_survey_ours(struct migration *m, bool make, enum special_use use, bool subscribe, struct error *e)
{
    const struct client_listener l = {.row = take_ours, .arg = m};
    struct buf *b = buf_in(m->arena, LIMIT_ADMIN_REQUEST);
    struct json j = migration_request(m, b, "letters.survey");
    json_put_str(&j, "key", str_c(m->key));
    json_put_bool(&j, "make", make);
    json_put_bool(&j, "subscribe", subscribe);
    if (use) json_put_str(&j, "use", special_use_attribute(use));
    json_put_end(&j, '}');
    return client_ask(m->client, buf_str(b), &l, e);
}

/* ---- their side ---- */

struct surveying {
    struct migration *m;
    uint32_t exists;
    bool in_order;
};

/* PERMANENTFLAGS (RFC 9051 §7.1): with "\\*" new keywords can be made. */
static void take_settable(struct migration *m, const struct imap_value *list)
{
    struct imap_flags flags;
    if (!list || !imap_value_flags(m->arena, list, &flags) || imap_values_have(list->first, S("\\*"))) return;
    m->settable = flags.known;
    for (size_t i = 0; i < flags.keywords.n; i++) m->settable |= migration_word(m, flags.keywords.v[i]);
}

static FIBER bool hear_select(void *arg, const struct imap_client *c)
{
    struct surveying *s = arg;
    const struct imap_response *r = &c->said;
    uint64_t validity;
    if (r->has_number && str_ieq(r->name, S("EXISTS"))) s->exists = r->number;
    if (str_ieq(r->code, S("UIDVALIDITY")) && str_to_u64(r->code_text, UINT32_MAX, &validity))
        s->m->pairs.their_validity = (uint32_t)validity;
    if (str_ieq(r->code, S("PERMANENTFLAGS"))) take_settable(s->m, r->codes);
    return false; /* there are few of them */
}

/* What names a letter in all mailboxes, if there is such a thing. */
static struct str object_of(const struct imap_client *c)
{
    return c->offers & IMAP_OFFERS_GMAIL ? S(" X-GM-MSGID") : c->offers & IMAP_OFFERS_OBJECTID ? S(" EMAILID") : S("");
}

static uint64_t object_id(const struct surveying *s, const struct imap_value *all)
{
    struct str name = str_trim(object_of(s->m->remote.client));
    const struct imap_value *v = name.n ? imap_value_after(all, name) : NULL;
    if (v && v->kind == IMAP_VALUE_LIST) v = v->first; /* EMAILID (M6d99ac3275bb4e) */
    return v && v->text.n ? hash_sip(&s->m->hash, v->text) | 1 : 0;
}

static FIBER bool hear_letter(void *arg, const struct imap_client *c)
{
    struct surveying *s = arg;
    struct migration *m = s->m;
    struct imap_fetched f;
    struct arena *a = arena_new(m->arena, 0);
    bool right = imap_fetched(a, &c->said, &f) && f.uid && f.has_size;
    bool room = m->theirs.n < (size_t)s->exists + 1000; /* letters may come meanwhile */
    if (right && room) {
        struct sibling new = {.uid = f.uid, .flags = f.flags.known, .size = (int64_t)(f.size & INT64_MAX)};
        for (size_t i = 0; i < f.flags.keywords.n; i++) new.flags |= migration_word(m, f.flags.keywords.v[i]);
        if (f.has_date) new.at = f.date / US_PER_S;
        new.object = object_id(s, f.all);
        if (m->theirs.n && m->theirs.v[m->theirs.n - 1].uid >= f.uid) s->in_order = false;
        add_sibling(m, &m->theirs, new);
    }
    arena_free(a);
    return right && room;
}

static int by_uid(const void *a, const void *b)
{
    const struct sibling *x = a, *y = b;
    return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static void put_in_order(struct siblings *s)
{
    size_t n = 0;
    qsort(s->v, s->n, sizeof *s->v, by_uid);
    for (size_t i = 0; i < s->n; i++)
        if (n == 0 || s->v[n - 1].uid != s->v[i].uid) s->v[n++] = s->v[i];
    s->n = n;
}

FIBER int migration_survey_theirs(struct migration *m, bool write, struct error *e)
{
    struct imap_client *c = m->remote.client;
    struct surveying s = {.m = m, .in_order = true};
    c->arg = &s;
    c->heard = hear_select;
    buf_add(imap_client_begin(c), write ? S("SELECT ") : S("EXAMINE "));
    int error = imap_client_string(c, m->raw, e);
    if (error == 1) error = imap_client_refused(c, ERR_UNAVAILABLE, "it cannot be opened", e);
    if (!error) error = imap_client_finish(c, ERR_UNAVAILABLE, "it cannot be opened", e);
    if (!error && s.exists > LIMIT_REMOTE_LETTERS)
        error = error_set(e, ERR_UNAVAILABLE, "there are more than %d letters", LIMIT_REMOTE_LETTERS);
    if (!error && s.exists) {
        c->heard = hear_letter;
        struct buf *line = imap_client_begin(c);
        buf_lit(line, "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE");
        buf_add(line, object_of(c));
        buf_char(line, ')');
        error = imap_client_finish(c, ERR_UNAVAILABLE, "its letters are not told", e);
    }
    c->heard = NULL;
    if (!s.in_order) put_in_order(&m->theirs);
    return error;
}

/* ---- the command ---- */

struct run {
    struct migration *m;
    FIBER int (*fn)(struct migration *m, struct error *e);
};

static FIBER void run_in_fiber(struct world *w, void *arg)
{
    struct run *r = arg;
    struct migration *m = r->m;
    m->world = w;
    m->began = loop_now();
    m->hash = world_hash_key(w);
    map_init(&m->seen, m->hash);
    m->result = remote_open(&m->remote, w, &m->error);
    if (!m->result) m->result = client_open(w, &m->config, &m->client, &m->error);
    if (!m->result) m->result = r->fn(m, &m->error);
    migration_progress(m, true);
    remote_close(&m->remote);
    client_close(m->client);
    map_free(&m->seen);
}

static void run_after(void *arg) { client_free(((struct run *)arg)->m->client); }

static void print_counts(const struct migration *m, const char *done, const char *would)
{
    if (m->program->json) {
        printf("{\"letters\":%" PRId64 ",\"there\":%" PRId64 ",\"flags\":%" PRId64 ",\"too_large\":%" PRId64
               ",\"refused\":%" PRId64 ",\"mailboxes\":%" PRId64 "}\n",
               m->carried, m->there, m->flagged, m->too_large, m->refused, m->mailboxes);
    } else {
        printf("%s %" PRId64 " letters of %" PRId64 " mailboxes; %" PRId64 " were there already", m->dry ? would : done,
               m->carried, m->mailboxes, m->there);
        printf(m->flagged ? ", of %" PRId64 " the flags changed\n" : "\n", m->flagged);
        if (m->too_large) printf("%" PRId64 " are too large and stay out\n", m->too_large);
        if (m->refused) printf("%" PRId64 " could not be carried\n", m->refused);
    }
    fflush(stdout);
}

bool migration_wished(const struct migration_wishes *w)
{
    const struct remote_wishes *r = &w->remote;
    return r->password_file || r->ca || r->fingerprint || r->password_stdin || r->plaintext || w->exclude.n ||
           w->since || w->again;
}

int migration_run(struct migration *m, struct program *p, const char *account, const char *url,
                  const struct migration_wishes *w, FIBER int (*fn)(struct migration *m, struct error *e))
{
    struct error e = {0};
    struct run r = {m, fn};
    m->program = p;
    m->account = account;
    m->exclude = w->exclude;
    m->dry = w->dry;
    m->again = w->again;
    struct world *now = world_real(1);
    int error = w->since ? admin_time(str_c(w->since), clock_utc(now), &m->since, &e) : 0;
    world_free(now);
    if (error) return program_usage(p, &e);
    int code = program_config(p, &m->config);
    if (!code) code = remote_begin(&m->remote, p, url, &w->remote);
    if (!code) {
        program_run(run_in_fiber, run_after, &r);
        bool import = p->command->run == command_import;
        if (!m->result || m->carried)
            print_counts(m, import ? "imported" : "exported", import ? "would import" : "would export");
        code = m->result ? program_error(p, &m->error) : m->refused || m->too_large ? EX_DATAERR : EX_OK;
    }
    remote_end(&m->remote);
    return code;
}
