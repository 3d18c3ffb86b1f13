/* Fields of interest are collected one at a time, unfolded and understood when the next one begins; others pass by. */
#include "proto/mime/parse_header.h"

#include "base/buf.h"
#include "proto/imf/field.h"
#include "proto/mime/params.h"

enum field {
    F_NONE,
    F_TYPE,
    F_ENCODING,
    F_ID,
    F_DESCRIPTION,
    F_MD5,
    F_DISPOSITION,
    F_LANGUAGE,
    F_LOCATION,
    F_OF_LETTER,
    F_DATE = F_OF_LETTER,
    F_SUBJECT,
    F_FROM,
    F_SENDER,
    F_REPLY_TO,
    F_TO,
    F_CC,
    F_BCC,
    F_IN_REPLY_TO,
    F_MESSAGE_ID,
    F_REFERENCES,
    FIELDS,
};

static const struct str names[FIELDS] = {
    [F_TYPE] = S_INIT("content-type"),
    [F_ENCODING] = S_INIT("content-transfer-encoding"),
    [F_ID] = S_INIT("content-id"),
    [F_DESCRIPTION] = S_INIT("content-description"),
    [F_MD5] = S_INIT("content-md5"),
    [F_DISPOSITION] = S_INIT("content-disposition"),
    [F_LANGUAGE] = S_INIT("content-language"),
    [F_LOCATION] = S_INIT("content-location"),
    [F_DATE] = S_INIT("date"),
    [F_SUBJECT] = S_INIT("subject"),
    [F_FROM] = S_INIT("from"),
    [F_SENDER] = S_INIT("sender"),
    [F_REPLY_TO] = S_INIT("reply-to"),
    [F_TO] = S_INIT("to"),
    [F_CC] = S_INIT("cc"),
    [F_BCC] = S_INIT("bcc"),
    [F_IN_REPLY_TO] = S_INIT("in-reply-to"),
    [F_MESSAGE_ID] = S_INIT("message-id"),
    [F_REFERENCES] = S_INIT("references"),
};

struct mime_header {
    struct arena *a;
    struct mime_part *part;
    struct mime_extra *extra;    /* NULL until something belongs there */
    struct mime_fields *fields;  /* NULL for a part that is no letter */
    uint64_t at;
    bool letter, begun, cut;
    enum field field;            /* the one being collected */
    uint32_t seen;               /* a bit for each that came before */
    size_t field_bytes;          /* looked at, of the present one */
    struct buf *body;            /* its body, unfolded */
    bool cr;                     /* its last byte was one */
    size_t budget;               /* bytes that may still be kept, of all headers of the letter */
    struct mime_scratch scratch;
};

struct mime_header *mime_header_new(struct arena *a)
{
    struct mime_header *h = arena_new_of(a, struct mime_header);
    h->a = a;
    h->budget = LIMIT_MIME_KEPT;
    h->body = buf_in(a, LIMIT_FIELD_SHOWN);
    h->scratch = mime_scratch_in(a);
    return h;
}

/* A struct of the letter's, charged like the rest; NULL when nothing is left. */
static void *keep_struct(struct mime_header *h, size_t size)
{
    if (size > h->budget) {
        h->cut = true;
        return NULL;
    }
    h->budget -= size;
    return arena_alloc(h->a, size);
}

static struct str keep(struct mime_header *h, struct str s) { return mime_keep(h->a, s, &h->budget, &h->cut); }

void mime_header_begin(struct mime_header *h, struct mime_part *part, uint64_t at, bool letter)
{
    static const struct mime_extra no_extra;
    static const struct mime_fields no_fields;
    h->part = part;
    h->extra = NULL;
    h->at = at;
    h->letter = letter;
    h->begun = h->cut = false;
    h->field = F_NONE;
    h->seen = 0;
    part->extra = &no_extra;
    h->fields = letter ? keep_struct(h, sizeof *h->fields) : NULL;
    if (letter) part->fields = h->fields ? h->fields : &no_fields;
}

static enum field field_of(const struct mime_header *h, struct str name)
{
    char first = name.n ? ch_lower(name.p[0]) : 0;
    for (enum field f = F_TYPE; f < (h->letter ? FIELDS : F_OF_LETTER); f++)
        if (names[f].n == name.n && names[f].p[0] == first && str_ieq(names[f], name)) return f;
    return F_NONE;
}

static struct mime_extra *extra(struct mime_header *h)
{
    if (!h->extra) {
        h->extra = keep_struct(h, sizeof *h->extra);
        if (h->extra) h->part->extra = h->extra;
    }
    return h->extra;
}

static void take_type(struct mime_header *h, struct str body)
{
    struct mime_value v = mime_value_parse(h->a, body, h->scratch, &h->budget);
    h->cut |= v.cut;
    if (v.type.n == 0) return; /* RFC 2045 §5.2: as if it were not there */
    if (v.subtype.n == 0) {
        if (str_eq(v.type, S("text"))) v.subtype = S("plain");
        else if (str_eq(v.type, S("multipart"))) v.subtype = S("mixed");
        else return;
    }
    h->part->type = v.type;
    h->part->subtype = v.subtype;
    h->part->params = v.params;
}

static void take_encoding(struct mime_header *h, struct str body)
{
    struct mime_value v = mime_value_parse(h->a, body, h->scratch, &h->budget); /* drops comments, lower case */
    h->part->encoding = v.type.n ? mime_encoding_of(v.type) : MIME_7BIT;
    if (h->part->encoding == MIME_OTHER_ENCODING && extra(h)) h->extra->encoding = v.type;
}

static void take_disposition(struct mime_header *h, struct str body)
{
    struct mime_value v = mime_value_parse(h->a, body, h->scratch, &h->budget);
    h->cut |= v.cut;
    if (v.type.n == 0 && v.params.n == 0) return;
    if (!extra(h)) return;
    h->extra->disposition = v.type.n ? v.type : S("attachment"); /* RFC 2183 §2.8: unknown ones are attachments */
    h->extra->disposition_params = v.params;
}

/* Content-Language = 1#Language-tag (RFC 3282) */
static void take_languages(struct mime_header *h, struct str body)
{
    enum { MOST = 32 };
    struct str *v = extra(h) ? keep_struct(h, MOST * sizeof *v) : NULL, one;
    if (!v) return;
    for (bool more = true; more && h->extra->n_languages < MOST;) {
        more = str_cut(body, ',', &one, &body);
        one = keep(h, str_trim(one));
        if (one.n) v[h->extra->n_languages++] = one;
    }
    h->extra->languages = v;
}

static void take_of_part(struct mime_header *h, struct str body)
{
    if (h->field == F_TYPE) take_type(h, body);
    else if (h->field == F_ENCODING) take_encoding(h, body);
    else if (h->field == F_DISPOSITION) take_disposition(h, body);
    else if (h->field == F_LANGUAGE) take_languages(h, body);
    else if (!extra(h)) return;
    else if (h->field == F_ID) h->extra->id = keep(h, body);
    else if (h->field == F_DESCRIPTION) h->extra->description = keep(h, body);
    else if (h->field == F_MD5) h->extra->md5 = keep(h, body);
    else h->extra->location = keep(h, body);
}

static struct str *slot_of(struct mime_fields *m, enum field f)
{
    struct str *slots[] = {&m->date, &m->subject, &m->from, &m->sender, &m->reply_to, &m->to, &m->cc, &m->bcc,
                           &m->in_reply_to, &m->message_id, &m->references};
    return slots[f - F_OF_LETTER];
}

static void take_of_letter(struct mime_header *h, struct str body, bool again)
{
    if (!h->fields) return;
    struct str *slot = slot_of(h->fields, h->field);
    again = again && !str_is_none(*slot);
    if (again && slot->n + body.n + 2 > LIMIT_FIELD_SHOWN) {
        h->cut = true;
    } else if (again) { /* RFC 5322 §4.5: To, Cc, Bcc that appear again continue the list */
        size_t cost = slot->n + body.n + 32;
        char *p = keep_struct(h, cost);
        if (!p) return;
        memcpy(p, slot->p, slot->n);
        memcpy(p + slot->n, ", ", 2);
        memcpy(p + slot->n + 2, body.p, body.n);
        *slot = str_of(p, slot->n + 2 + body.n);
    } else {
        *slot = keep(h, body);
    }
}

static void end_field(struct mime_header *h)
{
    if (h->field == F_NONE) return;
    struct str body = str_trim(buf_str(h->body));
    bool list = h->field == F_TO || h->field == F_CC || h->field == F_BCC, again = (h->seen >> h->field) & 1;
    if (h->field < F_OF_LETTER && !again) take_of_part(h, body);
    else if (h->field >= F_OF_LETTER && (!again || list)) take_of_letter(h, body, again);
    h->seen |= 1u << h->field;
    h->field = F_NONE;
}

/* Adds raw bytes of the body, unfolded (RFC 5322 §2.2.3): line ends vanish, a CR that ends no line becomes a space. */
static void add_raw(struct mime_header *h, struct str raw)
{
    size_t room = LIMIT_FIELD_SHOWN - h->field_bytes;
    if (raw.n > room) {
        h->cut = true;
        raw = str_head(raw, room);
    }
    h->field_bytes += raw.n;
    while (raw.n) {
        size_t n = 0;
        while (n < raw.n && raw.p[n] != '\r' && raw.p[n] != '\n') n++;
        if (h->cr && (n || raw.p[0] == '\r')) buf_char(h->body, ' ');
        buf_add(h->body, str_head(raw, n));
        h->cr = n < raw.n && raw.p[n] == '\r';
        raw = str_skip(raw, n + 1);
    }
}

bool mime_header_line(struct mime_header *h, struct str head, uint64_t at)
{
    if (h->begun && ch_space(head.p[0])) { /* a fold */
        if (h->field != F_NONE) add_raw(h, head);
        return true;
    }
    end_field(h);
    size_t colon, name = imf_field_name(head, &colon);
    if (name == 0) return at == h->at && h->letter && imf_is_mbox_line(head);
    h->begun = true;
    h->field = at - h->at < LIMIT_HEADER ? field_of(h, str_head(head, name)) : F_NONE;
    if (at - h->at >= LIMIT_HEADER) h->cut = true;
    if (h->field == F_NONE) return true;
    h->field_bytes = 0;
    h->cr = false;
    buf_clear(h->body);
    add_raw(h, str_skip(head, colon + 1));
    return true;
}

void mime_header_more(struct mime_header *h, struct str rest)
{
    if (h->field != F_NONE) add_raw(h, rest);
}

bool mime_header_end(struct mime_header *h)
{
    end_field(h);
    return h->cut;
}
