/* Header grammars (RFC 5322, 2047, 5256) on any bytes. The first byte chooses the grammar; what comes out keeps its
 * promises. */
#include <stdlib.h>

#include "base/utf8.h"
#include "proto/imf/address_list.h"
#include "proto/imf/date.h"
#include "proto/imf/edit.h"
#include "proto/imf/encoded_word.h"
#include "proto/imf/field.h"
#include "proto/imf/message_id.h"
#include "proto/imf/subject.h"

static void must(bool what)
{
    if (!what) abort();
}

static void fields(struct str s)
{
    struct imf_fields walk = {.text = s};
    struct imf_field f;
    size_t end = 0;
    while (imf_next_field(&walk, &f)) {
        must(f.at >= end && f.end > f.at && f.end <= s.n && f.name.n > 0);
        end = f.end;
    }
    struct imf_header h = imf_header_of(s);
    must(h.size == walk.at && h.body >= h.size && h.body <= s.n);
}

static void addresses(struct arena *a, struct str s)
{
    struct imf_address_list l = imf_addresses(a, s);
    if (!l.strict) return;
    for (size_t i = 0; i < l.n; i++) { /* strict ones are written and read back as the same */
        struct imf_address *m = &l.v[i];
        if (m->kind != IMF_MAILBOX) continue;
        struct buf *b = buf_in(a, s.n * 8 + 1000);
        imf_put_mailbox(b, 0, imf_display_name(a, m), (struct address){m->local, m->domain});
        struct imf_address_list again = imf_addresses(a, buf_str(b));
        must(again.n == 1 && str_eq(again.v[0].local, m->local) && str_eq(again.v[0].domain, m->domain));
    }
}

/* Removing nothing changes nothing; a second edit finds nothing left to do. */
static void edits(struct arena *a, struct str s)
{
    static const struct str bcc = S_INIT("Bcc");
    struct imf_edit e = {.remove = &bcc,
                         .removes = 1,
                         .authserv_id = S("x"),
                         .add_date = true,
                         .add_message_id = S("m@x")};
    struct buf *once = buf_in(a, s.n * 2 + 1000), *twice = buf_in(a, s.n * 2 + 1000);
    struct imf_edited r = imf_edit_header(once, s, &e);
    must(r.header <= s.n);
    r = imf_edit_header(twice, buf_str(once), &e);
    must(r.removed == 0 && !r.added_date && !r.added_message_id && str_eq(buf_str(once), buf_str(twice)));
}

static void words(struct arena *a, struct str s)
{
    struct buf *out = buf_in(a, s.n * 8 + 100), *encoded = buf_in(a, s.n * 20 + 1000),
               *back = buf_in(a, s.n * 20 + 1000);
    imf_decode_words(out, s);
    must(utf8_valid(buf_str(out)));
    imf_encode_words(encoded, 9, buf_str(out), IMF_UNSTRUCTURED);
    must(str_is_ascii(buf_str(encoded)));
    imf_decode_words(back, buf_str(encoded));
    bool silly = str_find(buf_str(out), S("                                         ")) < out->n; /* 41 blanks */
    must(silly || str_eq(buf_str(back), str_trim(buf_str(out))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct arena *a = arena_new(NULL, 0);
    struct str s = str_of(data + 1, size - 1);
    struct imf_authors who;
    struct imf_date date;
    switch (data[0] % 8) {
    case 0: fields(s); break;
    case 1: addresses(a, s); break;
    case 2: (void)imf_authors(a, s, &who, NULL); break;
    case 3: (void)imf_date_parse(s, &date); break;
    case 4: imf_message_ids(a, s, 10); break;
    case 5: words(a, s); break;
    case 6: imf_subject_parse(a, s); break;
    default: edits(a, s); break;
    }
    arena_free(a);
    return 0;
}
