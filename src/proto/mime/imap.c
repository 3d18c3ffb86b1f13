/* ENVELOPE, BODY and BODYSTRUCTURE (RFC 9051 §7.5.2) straight from the blobs, without building structs.
 *
 * The recursion into parts keeps a few words a level (LIMIT_MIME_DEPTH of them), for it runs on a fiber's stack. */
#include "base/utf8.h"
#include "proto/imf/encoded_word.h"
#include "proto/mime/blob.h"
#include "proto/mime/derive.h"
#include "proto/mime/params.h"

/* --- strings --- */

static bool can_be_quoted(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || (unsigned char)s.p[i] >= 127) return false;
    return true;
}

static void put_literal(struct buf *b, struct str s)
{
    buf_char(b, '{');
    buf_u64(b, s.n);
    buf_lit(b, "}\r\n");
    size_t at = b->n;
    buf_add(b, s);
    for (; at < b->n; at++) /* RFC 9051 §9: CHAR8 has no NUL */
        if (b->p[at] == 0) b->p[at] = (char)0x80;
}

/* Bytes from `high` on may stand in quotes: 0x80 of ASCII, 0x100 when all of it is UTF-8. */
static bool put_quoted(struct buf *b, struct str s, unsigned high)
{
    char *p = buf_reserve(b, 2 * s.n + 2), *at = p;
    if (!p) return true;
    *at++ = '"';
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < ' ' || c == 127 || c >= high) return false;
        if (c == '"' || c == '\\') *at++ = '\\';
        *at++ = (char)c;
    }
    *at++ = '"';
    b->n += (size_t)(at - p);
    return true;
}

static void put_string(struct buf *b, struct str s)
{
    if (!put_quoted(b, s, 0x80)) put_literal(b, s);
}

static void put_nstring(struct buf *b, struct str s)
{
    if (str_is_none(s)) buf_lit(b, "NIL");
    else put_string(b, s);
}

/* Words for people, which may be 8-bit: as they are for clients that know UTF-8 (RFC 6855 §3), else as encoded words.
 */
static __attribute__((noinline)) void put_8bit(struct buf *b, struct str s, enum imf_place place, bool utf8)
{
    if (utf8) {
        if (!utf8_valid(s) || !put_quoted(b, s, 0x100)) put_literal(b, s);
        return;
    }
    struct buf words = BUF(4 * LIMIT_FIELD_SHOWN), encoded = BUF(16 * LIMIT_FIELD_SHOWN);
    imf_decode_words(&words, s);
    imf_encode_words(&encoded, 0, buf_str(&words), place);
    size_t n = 0;
    for (size_t i = 0; i < encoded.n; i++) /* what was folded is one line again */
        if (encoded.p[i] != '\r' && encoded.p[i] != '\n') encoded.p[n++] = encoded.p[i];
    put_string(b, str_of(encoded.p, n));
    buf_free(&words);
    buf_free(&encoded);
}

static void put_words(struct buf *b, struct str s, enum imf_place place, bool utf8)
{
    if (str_is_none(s)) buf_lit(b, "NIL");
    else if (!put_quoted(b, s, 0x80)) {
        if (str_is_ascii(s)) put_literal(b, s);
        else put_8bit(b, s, place, utf8);
    }
}

/* --- envelope --- */

/* address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")", a group as two of them */
static void put_address(struct buf *b, struct blob *r, bool utf8)
{
    uint64_t flags = blob_number(r);
    struct str name = flags & HAS_NAME ? blob_str(r) : STR_NONE, route = flags & HAS_ROUTE ? blob_str(r) : STR_NONE;
    struct str local = flags & HAS_LOCAL ? blob_str(r) : S(""), domain = flags & HAS_DOMAIN ? blob_str(r) : S("");
    enum imf_address_kind kind = (enum imf_address_kind)(flags & 3);
    buf_char(b, '(');
    put_words(b, kind == IMF_MAILBOX ? name : STR_NONE, IMF_PHRASE, utf8);
    buf_char(b, ' ');
    put_nstring(b, route);
    buf_char(b, ' ');
    if (kind == IMF_MAILBOX) put_string(b, local);
    else put_words(b, kind == IMF_GROUP_BEGIN ? str_is_none(name) ? S("") : name : STR_NONE, IMF_PHRASE, utf8);
    buf_char(b, ' ');
    put_nstring(b, kind == IMF_MAILBOX ? domain : STR_NONE);
    buf_char(b, ')');
}

static bool put_list(struct buf *b, struct str list, bool utf8)
{
    struct blob r = {list, false};
    buf_char(b, ' ');
    if (list.n == 0) {
        buf_lit(b, "NIL");
        return true;
    }
    buf_char(b, '(');
    while (r.rest.n && !r.bad) put_address(b, &r, utf8);
    buf_char(b, ')');
    return !r.bad;
}

static int put_envelope(struct buf *b, struct str blob, bool utf8)
{
    struct blob r = {blob, false};
    uint64_t version = blob_number(&r);
    if (r.bad || version == 0) return ERR_CORRUPT;
    if (version > MIME_DERIVED_VERSION) return ERR_TOO_NEW;
    struct str date = blob_str(&r), subject = blob_str(&r), in_reply_to = blob_str(&r), message_id = blob_str(&r);
    struct str from = blob_str(&r), sender = blob_str(&r), reply_to = blob_str(&r);
    bool ok = true;
    buf_char(b, '(');
    put_nstring(b, date);
    buf_char(b, ' ');
    put_words(b, subject, IMF_UNSTRUCTURED, utf8);
    ok &= put_list(b, from, utf8);
    ok &= put_list(b, sender.n ? sender : from, utf8);
    ok &= put_list(b, reply_to.n ? reply_to : from, utf8);
    for (int i = 0; i < 3; i++) ok &= put_list(b, blob_str(&r), utf8); /* to, cc, bcc */
    buf_char(b, ' ');
    put_nstring(b, in_reply_to);
    buf_char(b, ' ');
    put_nstring(b, message_id);
    buf_char(b, ')');
    return ok && !r.bad && r.rest.n == 0 ? 0 : ERR_CORRUPT;
}

int mime_put_imap_envelope(struct buf *b, struct str blob, bool utf8)
{
    size_t before = b->n;
    int bad = put_envelope(b, blob, utf8);
    if (bad) b->n = before;
    return bad;
}

/* --- structure --- */

struct manner {
    bool extended; /* BODYSTRUCTURE */
    bool utf8;
};

/* A part as the blob has it; lists are left in the blob, to be read when they are written. */
struct item {
    enum mime_kind kind;
    enum mime_encoding encoding;
    uint64_t body_size, lines;
    struct str type, subtype, params, id, description, other_encoding, md5, disposition, disposition_params, languages,
        location, envelope;
    uint64_t children;
};

/* Steps over a count and that many strings (times `each`); returns the bytes. */
static struct str skip_strings(struct blob *r, unsigned each)
{
    struct str from = r->rest;
    for (uint64_t n = blob_number(r) & 0xFFFFFFFF; n && !r->bad; n--)
        for (unsigned i = 0; i < each; i++) blob_str(r);
    return str_head(from, (size_t)(from.n - r->rest.n));
}

static struct item read_item(struct blob *r)
{
    struct item it = {0};
    uint64_t flags = blob_number(r);
    it.kind = (enum mime_kind)(flags & 3);
    it.encoding = (enum mime_encoding)(flags >> ENCODING_SHIFT & ENCODING_MASK);
    if (it.kind > MIME_MESSAGE || it.encoding > MIME_OTHER_ENCODING) r->bad = true;
    blob_number(r); /* header's offset and size */
    blob_number(r);
    it.body_size = blob_number(r);
    it.lines = blob_number(r);
    it.type = blob_str(r);
    it.subtype = blob_str(r);
    it.params = skip_strings(r, 2);
    if (flags & IS_EXTRA) {
        it.id = blob_str(r);
        it.description = blob_str(r);
        it.other_encoding = blob_str(r);
        it.md5 = blob_str(r);
        it.disposition = blob_str(r);
        it.disposition_params = skip_strings(r, 2);
        it.languages = skip_strings(r, 1);
        it.location = blob_str(r);
    }
    if (flags & IS_LETTER) it.envelope = blob_str(r);
    it.children = it.kind == MIME_LEAF ? 0 : blob_number(r);
    return r->bad ? (struct item){.kind = MIME_LEAF} : it;
}

static void put_extended_value(struct buf *b, struct str name, struct str value) /* RFC 2231 §4 */
{
    static const char digits[] = "0123456789ABCDEF";
    buf_char(b, '"');
    buf_add(b, name);
    buf_lit(b, "*\" \"utf-8''");
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if (ch_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            buf_char(b, (char)c);
        } else {
            buf_char(b, '%');
            buf_char(b, digits[c >> 4]);
            buf_char(b, digits[c & 15]);
        }
    }
    buf_char(b, '"');
}

/* body-fld-param = "(" string SP string *(SP string SP string) ")" / nil */
static void put_params(struct buf *b, struct str params)
{
    struct blob r = {params, false};
    uint64_t n = params.n ? blob_number(&r) : 0;
    if (n == 0) buf_lit(b, "NIL");
    for (uint64_t i = 0; i < n; i++) {
        struct str name = blob_str(&r), value = blob_str(&r);
        buf_char(b, i == 0 ? '(' : ' ');
        if (can_be_quoted(value) || !can_be_quoted(name) || str_find_char(name, '"') < name.n) {
            put_string(b, name);
            buf_char(b, ' ');
            put_string(b, value);
        } else {
            put_extended_value(b, name, value);
        }
    }
    if (n) buf_char(b, ')');
}

/* SP body-fld-dsp SP body-fld-lang SP body-fld-loc */
static void put_extension(struct buf *b, const struct item *it)
{
    buf_char(b, ' ');
    if (str_is_none(it->disposition)) {
        buf_lit(b, "NIL");
    } else {
        buf_char(b, '(');
        put_string(b, it->disposition);
        buf_char(b, ' ');
        put_params(b, it->disposition_params);
        buf_char(b, ')');
    }
    struct blob r = {it->languages, false};
    uint64_t n = it->languages.n ? blob_number(&r) : 0;
    buf_char(b, ' ');
    if (n == 0) buf_lit(b, "NIL");
    for (uint64_t i = 0; i < n; i++) {
        buf_char(b, i == 0 ? '(' : ' ');
        put_string(b, blob_str(&r));
    }
    if (n) buf_char(b, ')');
    buf_char(b, ' ');
    put_nstring(b, it->location);
}

/* body-fields = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets */
static void put_fields(struct buf *b, const struct item *it, bool utf8)
{
    put_params(b, it->params);
    buf_char(b, ' ');
    put_nstring(b, it->id);
    buf_char(b, ' ');
    put_words(b, it->description, IMF_UNSTRUCTURED, utf8);
    buf_char(b, ' ');
    put_string(b, it->other_encoding.n ? it->other_encoding : mime_encoding_name(it->encoding));
    buf_char(b, ' ');
    buf_u64(b, it->body_size);
}

static void put_type(struct buf *b, struct item *it)
{
    bool message =
        str_eq(it->type, S("message")) && (str_eq(it->subtype, S("rfc822")) || str_eq(it->subtype, S("global")));
    if (message && it->kind != MIME_MESSAGE) {
        it->type = S("application");
        it->subtype = S("octet-stream");
        it->params = STR_NONE;
    }
    put_string(b, it->type);
    buf_char(b, ' ');
    put_string(b, it->subtype);
    buf_char(b, ' ');
}

static __attribute__((noinline)) void put_leaf(struct buf *b, struct item *it, struct manner m)
{
    buf_char(b, '(');
    put_type(b, it);
    put_fields(b, it, m.utf8);
    if (str_eq(it->type, S("text"))) {
        buf_char(b, ' ');
        buf_u64(b, it->lines);
    }
    if (m.extended) {
        buf_char(b, ' ');
        put_nstring(b, it->md5);
        put_extension(b, it);
    }
    buf_char(b, ')');
}

/* Of a part with children: 0 its opening, 1 its end. It is read twice rather than kept while its children are written.
 */
static __attribute__((noinline)) uint64_t put_around(struct buf *b, struct blob at, int which, struct manner m,
                                                     struct blob *after)
{
    struct item it = read_item(&at);
    if (which == 0) {
        *after = at;
        if (at.bad) return 0;
        if (it.kind == MIME_LEAF) {
            put_leaf(b, &it, m);
            return 0;
        }
        buf_char(b, '(');
        if (it.kind == MIME_MESSAGE) {
            put_type(b, &it);
            put_fields(b, &it, m.utf8);
            struct blob child = at;
            struct item letter = read_item(&child);
            buf_char(b, ' ');
            if (it.children != 1 || put_envelope(b, letter.envelope, m.utf8) != 0) after->bad = true;
            buf_char(b, ' ');
        } else if (it.children == 0) { /* the grammar wants a part */
            buf_lit(b, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)");
        }
        return it.children;
    }
    buf_char(b, ' ');
    if (it.kind == MIME_MESSAGE) {
        buf_u64(b, it.lines);
        if (m.extended) {
            buf_char(b, ' ');
            put_nstring(b, it.md5);
        }
    } else {
        put_string(b, it.subtype);
        if (m.extended) {
            buf_char(b, ' ');
            put_params(b, it.params);
        }
    }
    if (m.extended) put_extension(b, &it);
    buf_char(b, ')');
    return 0;
}

static bool is_leaf(const struct blob *r) { return r->rest.n == 0 || (r->rest.p[0] & 3) == MIME_LEAF; }

static void put_part(struct buf *b, struct blob *r, struct manner m, int depth)
{
    struct blob here = *r;
    bool leaf = is_leaf(r);
    if (depth > LIMIT_MIME_DEPTH) r->bad = true;
    if (r->bad) return;
    for (uint64_t children = put_around(b, here, 0, m, r); children && !r->bad; children--)
        put_part(b, r, m, depth + 1);
    if (!leaf) put_around(b, here, 1, m, NULL);
}

int mime_put_imap_bodystructure(struct buf *b, struct str blob, bool extended, bool utf8)
{
    struct blob r = {blob, false};
    size_t before = b->n;
    uint64_t version = blob_number(&r);
    if (!r.bad && version > MIME_DERIVED_VERSION) return ERR_TOO_NEW;
    if (version == 0) r.bad = true;
    if (!r.bad) put_part(b, &r, (struct manner){extended, utf8}, 0);
    if (!r.bad && r.rest.n == 0) return 0;
    b->n = before;
    return ERR_CORRUPT;
}
