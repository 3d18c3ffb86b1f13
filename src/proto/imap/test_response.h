/* For tests and fuzzing: a response as it was understood, on one line; strings in quotes, nothing escaped. */
#ifndef PROTO_IMAP_TEST_RESPONSE_H
#define PROTO_IMAP_TEST_RESPONSE_H

#include "proto/imap/response.h"

static void show_values(struct buf *b, const struct imap_value *v)
{
    for (const struct imap_value *at = v; at; at = at->next) {
        if (at != v) buf_char(b, ' ');
        if (at->kind == IMAP_VALUE_LIST) {
            buf_char(b, '(');
            show_values(b, at->first);
            buf_char(b, ')');
        } else if (at->kind == IMAP_VALUE_STRING) {
            buf_char(b, '"');
            buf_add(b, at->text);
            buf_char(b, '"');
        } else {
            buf_add(b, at->kind == IMAP_VALUE_NIL ? S("NIL") : at->text);
        }
    }
}

/* A code whose values cannot be read stands as text between question marks. */
static void show_response(struct buf *b, const struct imap_response *r)
{
    buf_add(b, r->kind == IMAP_CONTINUATION ? S("+") : r->kind == IMAP_TAGGED ? r->tag : S("*"));
    if (r->has_number) buf_printf(b, " %u", r->number);
    if (r->name.n) buf_char(b, ' ');
    buf_add(b, r->name);
    if (!str_is_none(r->code)) {
        buf_lit(b, " [");
        buf_add(b, r->code);
        if (r->code_text.n) buf_char(b, ' ');
        if (r->codes) show_values(b, r->codes);
        else if (r->code_text.n) buf_printf(b, "?%.*s?", STR_FMT(r->code_text));
        buf_char(b, ']');
    }
    if (r->is_condition || r->kind == IMAP_CONTINUATION) {
        buf_lit(b, " '");
        buf_add(b, r->text);
        buf_char(b, '\'');
    } else if (r->values) {
        buf_char(b, ' ');
        show_values(b, r->values);
    }
}

#endif
