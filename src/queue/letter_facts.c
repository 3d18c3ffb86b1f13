/* The facts of a letter (letter_facts.h), from its parse. */
#include "queue/letter_facts.h"

#include "proto/mime/derive.h"

static void set_thread_refs(struct arena *a, const struct mime_derived *d, struct body_facts *f)
{
    uint64_t *refs = arena_array(a, d->n_references + 1, sizeof *refs);
    if (d->message_id.n) refs[f->n_thread_refs++] = store_thread_ref(d->message_id);
    for (size_t i = 0; i < d->n_references; i++) refs[f->n_thread_refs++] = store_thread_ref(d->references[i]);
    f->thread_refs = refs;
}

struct body_facts *letter_facts(struct arena *a, const struct mime_letter *letter, const struct body *body)
{
    struct mime_derived d = mime_derive(a, letter);
    struct body_facts *f = arena_new_of(a, struct body_facts);
    *f = (struct body_facts){
        .sha256 = body_sha256(body),
        .version = MIME_DERIVED_VERSION,
        .envelope = d.envelope,
        .structure = d.structure,
        .preview = d.preview,
        .sent_at = d.has_date ? d.sent.utc : 0,
        .has_attachment = d.has_attachment,
        .message_id = d.message_id,
        .subject = d.subject,
    };
    set_thread_refs(a, &d, f);
    return f;
}
