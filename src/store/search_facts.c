/* What sorting (RFC 5256 §3, RFC 5957) and threading need of many letters: from rows, and of References, which no row
 * has, from their headers. */
#include <stdlib.h>

#include "proto/imf/encoded_word.h"
#include "proto/imf/field.h"
#include "proto/imf/message_id.h"
#include "proto/imf/subject.h"
#include "store/search_letter.h"

struct reading {
    struct search_letter letter;
    struct arena *kept; /* strings of the page, until the fiber has copied them */
    int64_t account;
    const int64_t *emails;
    size_t n, at;
    unsigned want;
    struct search_facts *out;
    bool again;
};

static struct str keep_field(struct reading *re, struct str body)
{
    return arena_str(re->kept, text_field(re->letter.reader, body));
}

static const struct imf_address *first_of(const struct imf_address_list *list)
{
    return list->n ? &list->v[0] : NULL; /* a group's name is its "mailbox" (RFC 5256 §3) */
}

static struct str mailbox_of(struct reading *re, const struct imf_address_list *list)
{
    const struct imf_address *m = first_of(list);
    if (!m) return S("");
    return keep_field(re, m->kind == IMF_MAILBOX ? m->local : m->name);
}

/* RFC 5957 §3: the display name, else the address. */
static struct str shown_of(struct reading *re, const struct imf_address_list *list)
{
    const struct imf_address *m = first_of(list);
    if (!m) return S("");
    struct str name = keep_field(re, m->name);
    if (name.n || m->kind != IMF_MAILBOX) return name;
    return keep_field(re, arena_printf(re->letter.arena, "%.*s@%.*s", STR_FMT(m->local), STR_FMT(m->domain)));
}

static void take_subject(struct reading *re, struct search_facts *f)
{
    struct imf_subject s = imf_subject_parse(re->letter.arena, search_letter_envelope(&re->letter)->subject);
    f->subject = keep_field(re, s.base);
    f->reply = s.reply;
}

static struct imf_ids kept_ids(struct reading *re, struct imf_ids ids)
{
    struct str *v = arena_array(re->kept, ids.n, sizeof *v);
    for (size_t i = 0; i < ids.n; i++) v[i] = arena_str(re->kept, ids.v[i]);
    return (struct imf_ids){v, ids.n};
}

static int take_references(struct reading *re, struct search_facts *f)
{
    struct search_letter *l = &re->letter;
    int error;
    struct str body = search_letter_header(l, S("References"), &error);
    if (error && !re->again) return error;
    struct imf_ids ids = imf_message_ids(l->arena, imf_unfold(l->arena, body, LIMIT_FIELD_SHOWN), LIMIT_REFERENCES);
    if (ids.n == 0) ids = imf_message_ids(l->arena, search_letter_envelope(l)->in_reply_to, 1); /* RFC 5256 §3 */
    ids = kept_ids(re, ids);
    f->references = ids.v;
    f->n_references = ids.n;
    return 0;
}

static int take_facts(struct reading *re, struct search_facts *f)
{
    const struct mime_envelope *v = search_letter_envelope(&re->letter);
    *f = (struct search_facts){.sent = re->letter.sent_at, .thread = re->letter.thread, .message_id = STR_NONE};
    if (re->want & FACT_SUBJECT) take_subject(re, f);
    if (re->want & FACT_FROM) f->from = mailbox_of(re, &v->from);
    if (re->want & FACT_TO) f->to = mailbox_of(re, &v->to);
    if (re->want & FACT_CC) f->cc = mailbox_of(re, &v->cc);
    if (re->want & FACT_SHOWN) {
        f->shown_from = shown_of(re, &v->from);
        f->shown_to = shown_of(re, &v->to);
    }
    if (re->want & FACT_IDS) {
        struct str id = imf_message_id(re->letter.arena, v->message_id);
        if (!str_is_none(id)) f->message_id = arena_str(re->kept, id);
    }
    return re->want & FACT_REFERENCES ? take_references(re, f) : 0;
}

static int read_page(struct store *s, struct db *db, void *arg, struct error *e)
{
    enum { LOOK = 32 };
    struct reading *re = arg;
    mono_us end = clock_mono(s->world) + READ_US;
    for (size_t n = 1; re->at < re->n; n++) {
        struct search_facts *f = &re->out[re->at];
        int r = search_letter_load(&re->letter, db, re->account, re->emails[re->at], e);
        if (r < 0) return r;
        if (r == 0) *f = (struct search_facts){.gone = true, .message_id = STR_NONE};
        else if (take_facts(re, f) != 0) {
            re->again = true; /* its pack was compacted: the row is read again, once */
            return 0;
        }
        re->again = false;
        re->at++;
        if (n % LOOK == 0 && clock_mono(s->world) > end) return 0;
    }
    return 0;
}

static void copy_strings(struct arena *a, struct search_facts *f)
{
    struct str *strings[] = {&f->subject, &f->from, &f->to, &f->cc, &f->shown_from, &f->shown_to, &f->message_id};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        if (!str_is_none(*strings[i])) *strings[i] = arena_str(a, *strings[i]);
    struct str *ids = f->n_references ? arena_array(a, f->n_references, sizeof *ids) : NULL;
    for (size_t i = 0; i < f->n_references; i++) ids[i] = arena_str(a, f->references[i]);
    f->references = ids;
}

static void end_reading(void *arg)
{
    struct reading *re = arg;
    search_letter_end(&re->letter);
    arena_free(re->kept);
}

FIBER int store_search_facts(struct store *s, struct arena *a, int64_t account, const int64_t *emails, size_t n,
                             unsigned want, FIBER bool (*progress)(void *arg, size_t done), void *progress_arg,
                             struct search_facts *out, struct error *e)
{
    struct arena *own = arena_new(a, 0); /* what is held is given back whatever happens */
    struct reading *re = arena_new_of(own, struct reading);
    *re = (struct reading){.account = account, .emails = emails, .n = n, .want = want, .out = out};
    search_letter_begin(&re->letter, s);
    re->kept = arena_new(NULL, 0);
    arena_defer(own, end_reading, re);
    int r = 0;
    while (re->at < n && !r) {
        size_t before = re->at;
        r = store_read(s, read_page, re, e);
        for (size_t i = before; i < re->at && !r; i++) copy_strings(a, &out[i]);
        arena_reset(re->kept);
        if (!r && progress && !progress(progress_arg, re->at))
            r = error_set(e, ERR_CANCELLED, "the search was given up");
    }
    arena_free(own);
    return r;
}
