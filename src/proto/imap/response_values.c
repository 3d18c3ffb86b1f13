/* What clients ask of responses (RFC 9051 §7.2 to §7.5): the values of a response's tree, read. */
#include "proto/imap/response.h"
#include "proto/imap/scan.h"

/* --- single values --- */

bool imap_value_is(const struct imap_value *v, struct str word)
{
    return v && v->kind == IMAP_VALUE_ATOM && str_ieq(v->text, word);
}

bool imap_value_number(const struct imap_value *v, uint64_t max, uint64_t *out)
{
    return v && v->kind == IMAP_VALUE_ATOM && str_to_u64(v->text, max, out);
}

bool imap_value_set(struct arena *a, const struct imap_value *v, struct uid_set *out)
{
    struct imap_set set;
    if (!v || v->kind != IMAP_VALUE_ATOM || imap_set_parse(a, v->text, &set) || set.saved || set.from) return false;
    *out = set.numbers;
    return true;
}

bool imap_value_flags(struct arena *a, const struct imap_value *v, struct imap_flags *out)
{
    *out = (struct imap_flags){0};
    if (!v || v->kind != IMAP_VALUE_LIST) return false;
    for (v = v->first; v; v = v->next) {
        if (v->kind == IMAP_VALUE_LIST) return false;
        flag_set bit = imap_flag_bit(v->text);
        out->known |= bit;
        if (!bit && v->text.n && v->text.p[0] != '\\') imap_strings_add(a, &out->keywords, v->text);
    }
    return true;
}

const struct imap_value *imap_value_after(const struct imap_value *v, struct str name)
{
    for (; v && v->next; v = v->next->next)
        if (imap_value_is(v, name)) return v->next;
    return NULL;
}

bool imap_values_have(const struct imap_value *v, struct str word)
{
    for (; v; v = v->next)
        if (imap_value_is(v, word)) return true;
    return false;
}

/* An atom or a string; NIL is a name too where there must be one. */
static bool is_text(const struct imap_value *v) { return v && v->kind != IMAP_VALUE_LIST; }

/* nil or a quoted character */
static char separator_of(const struct imap_value *v)
{
    return v && v->kind == IMAP_VALUE_STRING && v->text.n == 1 ? v->text.p[0] : 0;
}

static bool is_named(const struct imap_response *r, struct str name)
{
    return r->kind == IMAP_UNTAGGED && !r->is_condition && str_ieq(r->name, name);
}

/* --- responses --- */

bool imap_listed(const struct imap_response *r, struct imap_listed *out)
{
    const struct imap_value *v = r->values;
    if (!is_named(r, S("LIST")) && !is_named(r, S("LSUB"))) return false;
    if (!v || v->kind != IMAP_VALUE_LIST || !is_text(v->next) || !is_text(v->next->next)) return false;
    *out = (struct imap_listed){v->first, separator_of(v->next), v->next->next->text};
    return true;
}

bool imap_status_of(const struct imap_response *r, struct str *mailbox, const struct imap_value **items)
{
    const struct imap_value *v = r->values;
    if (!is_named(r, S("STATUS")) || !is_text(v) || !v->next || v->next->kind != IMAP_VALUE_LIST) return false;
    *mailbox = v->text;
    *items = v->next->first;
    return true;
}

/* "RFC822", "BODY[]", "BODY[]<0>", "BINARY[]" */
static bool is_whole_body(struct str name)
{
    return str_ieq(name, S("RFC822")) || str_istarts(name, S("BODY[]")) || str_istarts(name, S("BINARY[]"));
}

static bool read_date(const struct imap_value *v, struct imap_fetched *out)
{
    if (v->kind != IMAP_VALUE_STRING) return false;
    char quoted[64];
    struct buf b = BUF_OVER(quoted);
    buf_char(&b, '"');
    buf_add(&b, v->text);
    buf_char(&b, '"');
    struct imap_scan s = {.rest = buf_str(&b)};
    return !b.failed && scan_date_time(&s, &out->date, &out->offset);
}

/* One attribute; those that are not known stay in the list. A date nobody can read is as good as none. */
static bool read_attribute(struct arena *a, struct str name, const struct imap_value *v, struct imap_fetched *out)
{
    uint64_t number;
    if (str_ieq(name, S("UID"))) {
        if (!imap_value_number(v, UINT32_MAX, &number) || number == 0) return false;
        out->uid = (uint32_t)number;
    } else if (str_ieq(name, S("FLAGS"))) {
        out->has_flags = true;
        out->recent = v->kind == IMAP_VALUE_LIST && imap_values_have(v->first, S("\\Recent"));
        return imap_value_flags(a, v, &out->flags);
    } else if (str_ieq(name, S("RFC822.SIZE"))) {
        out->has_size = true;
        return imap_value_number(v, UINT64_MAX, &out->size);
    } else if (str_ieq(name, S("INTERNALDATE"))) {
        out->has_date = read_date(v, out);
    } else if (str_ieq(name, S("MODSEQ"))) {
        out->has_modseq = true;
        return v->kind == IMAP_VALUE_LIST && imap_value_number(v->first, INT64_MAX, &out->modseq);
    } else if (is_whole_body(name)) {
        if (v->kind == IMAP_VALUE_STRING) out->body = v->text;
        return v->kind == IMAP_VALUE_STRING || v->kind == IMAP_VALUE_NIL;
    }
    return true;
}

bool imap_fetched(struct arena *a, const struct imap_response *r, struct imap_fetched *out)
{
    bool by_uid = is_named(r, S("UIDFETCH"));
    if ((!by_uid && !is_named(r, S("FETCH"))) || !r->has_number || r->number == 0) return false;
    if (!r->values || r->values->kind != IMAP_VALUE_LIST || r->values->next) return false;
    *out = (struct imap_fetched){.number = by_uid ? 0 : r->number, .body = STR_NONE, .all = r->values->first};
    if (by_uid) out->uid = r->number;
    const struct imap_value *v = out->all;
    for (; v; v = v->next->next)
        if (v->kind != IMAP_VALUE_ATOM || !v->next || !read_attribute(a, v->text, v->next, out)) return false;
    return true;
}

static bool take_number(const struct imap_value *items, struct str name, uint64_t *out, bool *has)
{
    const struct imap_value *v = imap_value_after(items, name);
    *has = v != NULL;
    return !v || imap_value_number(v, UINT64_MAX, out);
}

/* esearch-response = "ESEARCH" [SP "(" "TAG" SP string ")"] [SP "UID"] *(SP name SP value) */
bool imap_esearched(struct arena *a, const struct imap_response *r, struct imap_esearched *out)
{
    const struct imap_value *v = r->values;
    if (!is_named(r, S("ESEARCH"))) return false;
    *out = (struct imap_esearched){.tag = STR_NONE};
    if (v && v->kind == IMAP_VALUE_LIST) {
        const struct imap_value *tag = imap_value_after(v->first, S("TAG"));
        if (is_text(tag)) out->tag = tag->text;
        v = v->next;
    }
    out->uid = imap_value_is(v, S("UID"));
    out->items = out->uid ? v->next : v;
    if (!take_number(out->items, S("MIN"), &out->min, &out->has_min) ||
        !take_number(out->items, S("MAX"), &out->max, &out->has_max) ||
        !take_number(out->items, S("COUNT"), &out->count, &out->has_count) ||
        !take_number(out->items, S("MODSEQ"), &out->modseq, &out->has_modseq))
        return false;
    v = imap_value_after(out->items, S("ALL"));
    out->has_all = v != NULL;
    return !v || imap_value_set(a, v, &out->all);
}

bool imap_searched(struct arena *a, const struct imap_response *r, struct uid_set *numbers, uint64_t *modseq)
{
    if (!is_named(r, S("SEARCH"))) return false;
    *numbers = (struct uid_set){0};
    *modseq = 0;
    for (const struct imap_value *v = r->values; v; v = v->next) {
        uint64_t number;
        if (v->kind == IMAP_VALUE_LIST && !v->next) { /* RFC 7162 §3.1.6 */
            if (!imap_value_number(imap_value_after(v->first, S("MODSEQ")), INT64_MAX, modseq)) return false;
            break;
        }
        if (!imap_value_number(v, UINT32_MAX, &number) || number == 0) return false;
        imap_ranges_add(a, numbers, (struct uid_range){(uid)number, (uid)number});
    }
    imap_ranges_sort(a, numbers);
    return true;
}

bool imap_vanished(struct arena *a, const struct imap_response *r, bool *earlier, struct uid_set *uids)
{
    const struct imap_value *v = r->values;
    if (!is_named(r, S("VANISHED"))) return false;
    *earlier = v && v->kind == IMAP_VALUE_LIST && imap_value_is(v->first, S("EARLIER"));
    return imap_value_set(a, *earlier ? v->next : v, uids);
}

bool imap_namespace_of(const struct imap_response *r, int which, struct str *prefix, char *separator)
{
    const struct imap_value *v = r->values;
    if (!is_named(r, S("NAMESPACE"))) return false;
    for (; v && which; which--) v = v->next;
    if (!v || v->kind != IMAP_VALUE_LIST || !v->first || v->first->kind != IMAP_VALUE_LIST) return false;
    const struct imap_value *first = v->first->first;
    if (!first || first->kind != IMAP_VALUE_STRING || !first->next) return false;
    *prefix = first->text;
    *separator = separator_of(first->next);
    return true;
}
