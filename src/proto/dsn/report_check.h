/* For tests and fuzzing: is what dsn_put() wrote a report as its header promises, whatever strangers said? Read with
 * our own parsers (RFC 6522, RFC 3464). */
#ifndef PROTO_DSN_REPORT_CHECK_H
#define PROTO_DSN_REPORT_CHECK_H

#include "base/utf8.h"
#include "proto/dsn/report.h"
#include "proto/imf/field.h"
#include "proto/mime/parse.h"

struct allowed { /* fields of a block; once or not at all, or once exactly */
    struct str name;
    bool needed;
};

/* NULL, or what is wrong. */
static inline const char *check_block(struct str block, const struct allowed *v, size_t n)
{
    struct imf_fields walk = {.text = block};
    struct imf_field f;
    unsigned seen = 0;
    while (imf_next_field(&walk, &f)) {
        size_t i = 0;
        while (i < n && !str_eq(f.name, v[i].name)) i++;
        if (i == n) return "a field nobody wrote";
        if (seen & 1u << i) return "a field twice";
        if (str_trim(f.body).n == 0) return "an empty field";
        seen |= 1u << i;
    }
    if (walk.at != block.n) return "lines that are no fields";
    for (size_t i = 0; i < n; i++)
        if (v[i].needed && !(seen & 1u << i)) return "a field is missing";
    return NULL;
}

static inline const char *check_lines(struct str letter)
{
    struct str line, rest = letter;
    while (str_cut(rest, '\n', &line, &rest)) {
        if (line.n == 0 || line.p[line.n - 1] != '\r') return "a line without CR";
        if (line.n - 1 > 998) return "a line over 998 bytes"; /* RFC 5322 §2.1.1 */
        if (str_find_char(line, '\r') != line.n - 1) return "a bare CR";
        if (memchr(line.p, 0, line.n)) return "a NUL";
    }
    return line.n ? "no line end at the end" : NULL;
}

/* The part for programs: blocks with an empty line between them. */
static inline const char *check_status(struct str status, const struct dsn_report *r)
{
    static const struct allowed message[] = {{S_INIT("Original-Envelope-Id"), false},
                                             {S_INIT("Reporting-MTA"), true},
                                             {S_INIT("X-Queue-ID"), false},
                                             {S_INIT("Arrival-Date"), false}};
    static const struct allowed recipient[] = {
        {S_INIT("Original-Recipient"), false}, {S_INIT("Final-Recipient"), true},  {S_INIT("Action"), true},
        {S_INIT("Status"), true},              {S_INIT("Remote-MTA"), false},      {S_INIT("Diagnostic-Code"), false},
        {S_INIT("Last-Attempt-Date"), false},  {S_INIT("Will-Retry-Until"), false}};
    size_t blocks = 0;
    while (status.n) {
        size_t end = str_find(status, S("\r\n\r\n"));
        struct str block = str_head(status, end == status.n ? end : end + 2);
        const char *wrong = blocks ? check_block(block, recipient, 8) : check_block(block, message, 4);
        if (wrong) return wrong;
        status = str_skip(status, end + 4);
        blocks++;
    }
    return blocks == 1 + r->n ? NULL : "not a block for each recipient";
}

static inline struct str check_body(struct str letter, const struct mime_part *part)
{
    return str_sub(letter, (size_t)part->body_at, (size_t)(part->body_at + part->body_size));
}

static inline const char *check_parts(struct str letter, const struct dsn_report *r, const struct mime_part *root)
{
    const struct mime_part *words = root->first, *status = words ? words->next : NULL,
                           *returned = status ? status->next : NULL;
    if (root->kind != MIME_MULTIPART || !str_eq(root->subtype, S("report"))) return "no multipart/report";
    if (!str_eq(mime_param(root->params, S("report-type")), S("delivery-status"))) return "the wrong report-type";
    if (!status || (returned != NULL) != (r->returned.n > 0) || (returned && returned->next)) return "wrong parts";
    if (!str_eq(words->type, S("text")) || !str_eq(words->subtype, S("plain"))) return "words that are no text";
    if (!str_eq(status->type, S("message"))) return "a status of the wrong type";
    bool global = str_eq(status->subtype, S("global-delivery-status"));
    if (!global && !str_eq(status->subtype, S("delivery-status"))) return "a status of the wrong type";
    struct str blocks = check_body(letter, status);
    if (global != !str_is_ascii(blocks) || (global && !r->utf8)) return "a status in the wrong script"; /* RFC 6533 */
    if (!str_is_ascii(str_head(letter, (size_t)root->body_at)) && !r->utf8) return "a header that is not ASCII";
    if (!str_is_ascii(check_body(letter, words))) return "words that are not encoded";
    if (returned && check_lines(r->returned) == NULL && !str_eq(check_body(letter, returned), r->returned))
        return "something else is returned";
    return check_status(blocks, r);
}

static inline const char *dsn_check(struct arena *a, const struct dsn_report *r, struct str letter)
{
    static const struct allowed header[] = {
        {S_INIT("Date"), true},         {S_INIT("From"), true},        {S_INIT("To"), true},
        {S_INIT("Subject"), true},      {S_INIT("Message-ID"), true},  {S_INIT("In-Reply-To"), false},
        {S_INIT("References"), false},  {S_INIT("MIME-Version"), true}, {S_INIT("Auto-Submitted"), true},
        {S_INIT("Content-Type"), true}, {S_INIT("Content-Transfer-Encoding"), false}};
    const char *wrong = check_lines(letter);
    struct imf_header h = imf_header_of(letter);
    if (!wrong && !h.separated) wrong = "a header without an end";
    if (!wrong) wrong = check_block(str_head(letter, h.size), header, 11);
    if (wrong) return wrong;
    return check_parts(letter, r, mime_parse(a, letter)->root);
}

#endif
