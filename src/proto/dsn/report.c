/* A delivery status notification as a letter (RFC 6522): words for the sender, the same for programs (RFC 3464), and
 * what is returned of the letter (RFC 3461 §6.2).
 *
 * Everything that strangers said (addresses, ENVID, ORCPT, replies, the letter itself) is cleaned before it is written:
 * no control characters, no line ends but ours, no 8-bit bytes towards readers without SMTPUTF8 (RFC 6533). Who gets a
 * report, and when, is the queue's to say. */
#include "proto/dsn/report.h"

#include "base/codec.h"
#include "base/digest.h"
#include "base/utf8.h"
#include "proto/dsn/explain.h"
#include "proto/imf/address_list.h"
#include "proto/imf/encoded_word.h"
#include "proto/imf/field.h"
#include "proto/mime/write.h"

enum {
    COLUMNS = 76,
    WORD_LONGEST = 900, /* of a folded field; a line has 998 (RFC 5322 §2.1.1) */
    LINE_LONGEST = 998,
    PART_MAX = 64 << 20, /* a thousand recipients with their replies are far below */
};

/* What is said of each action; in order of urgency, of which the first that occurs makes the subject. */
static const struct wording {
    enum dsn_action action;
    struct str name, subject, heading, advice;
} wordings[] = {
    {DSN_FAILED, S_INIT("failed"), S_INIT("Not delivered"), S_INIT("Your letter could not be delivered to:"),
     S_INIT("It is not tried again. Once the cause is mended, please send the letter anew.")},
    {DSN_DELAYED, S_INIT("delayed"), S_INIT("Delayed"), S_INIT("Your letter has not arrived yet at:"),
     S_INIT("You need not do anything: it is tried again and again, and you are told if that has to end.")},
    {DSN_EXPANDED, S_INIT("expanded"), S_INIT("Passed on to a list"),
     S_INIT("Your letter was passed on to everybody behind this address:"),
     S_INIT("Whether each of them receives it is not reported, unless it fails.")},
    {DSN_RELAYED, S_INIT("relayed"), S_INIT("Passed on"), S_INIT("Your letter was handed to the next mail server for:"),
     S_INIT("That server does not report success, so you will hear no more of it, unless it fails.")},
    {DSN_DELIVERED, S_INIT("delivered"), S_INIT("Delivered"), S_INIT("Your letter was delivered to:"),
     S_INIT("It lies in the mailbox. Whether it has been read is not known.")},
};
enum { WORDINGS = sizeof wordings / sizeof *wordings };

/* Of a failure, to whom an alias belongs that passed a stranger's letter on. */
static const struct wording owners_wording = {
    DSN_FAILED, S_INIT("failed"), S_INIT("Not passed on"),
    S_INIT("A letter to an address of yours could not be passed on to:"),
    S_INIT(
        "Its sender has not been told, because it is not certain who that is. If this happens more often, please look "
        "where the address leads, and whether that is still right.")};

static const struct wording *wording_of(const struct dsn_report *r, const struct wording *w)
{
    return r->to_owner && w->action == DSN_FAILED ? &owners_wording : w;
}

/* ---- strangers' words ---- */

/* Without control characters but LF; of one character each what cannot be written becomes '?'. */
static struct str clean(struct arena *a, struct str text, bool utf8)
{
    struct buf *b = buf_in(a, 3 * text.n + 1); /* U+FFFD for a byte at most */
    while (text.n && !b->failed) {
        uint32_t cp;
        int n = utf8_next(text, &cp);
        if (cp == '\t' || cp == '\r') buf_char(b, ' ');
        else if (cp == '\n') buf_char(b, '\n');
        else if (cp < ' ' || (cp >= 0x7f && cp < 0xa0)) buf_char(b, '?');
        else if (cp < 0x7f) buf_char(b, (char)cp);
        else if (utf8) utf8_put(b, cp);
        else buf_char(b, '?');
        text = str_skip(text, n > 0 ? (size_t)n : 1);
    }
    return buf_str(b);
}

/* The same on one line. */
static struct str clean_line(struct arena *a, struct str text, bool utf8)
{
    struct str line = clean(a, text, utf8);
    char *p = arena_alloc(a, line.n);
    for (size_t i = 0; i < line.n; i++) p[i] = line.p[i] == '\n' ? ' ' : line.p[i];
    return str_trim(str_of(p, line.n));
}

/* utf-8-addr-xtext (RFC 6533 §3): "\x{FC}" for what is not ASCII, for backslash, plus and equals sign. */
static void put_address_xtext(struct buf *b, struct str text)
{
    while (text.n) {
        uint32_t cp;
        int n = utf8_next(text, &cp);
        if (cp > ' ' && cp < 0x7f && cp != '\\' && cp != '+' && cp != '=') buf_char(b, (char)cp);
        else buf_printf(b, "\\x{%02X}", (unsigned)cp);
        text = str_skip(text, n > 0 ? (size_t)n : 1);
    }
}

/* "rfc822; bob@example.org"; an address that is not ASCII has a type of its own (RFC 6533 §3). */
static struct str typed_address(struct arena *a, struct str type, struct str text, bool utf8)
{
    struct buf *b = buf_in(a, PART_MAX);
    bool ascii = str_is_ascii(text);
    buf_add(b, ascii ? clean_line(a, type, false) : S("utf-8"));
    buf_lit(b, "; ");
    if (ascii || utf8) buf_add(b, clean_line(a, text, utf8));
    else put_address_xtext(b, text);
    return buf_str(b);
}

/* ---- the part for programs ---- */

/* Lines (LF between them) as one folded field body. Folds at blanks, and inside words no line could hold. */
static void put_folded(struct buf *b, size_t column, struct str text)
{
    bool fresh = true; /* nothing stands on this line yet */
    while (text.n) {
        struct str line, word;
        str_cut(text, '\n', &line, &text);
        for (word = str_word(&line); word.n; word = str_word(&line)) {
            if (!fresh && column + 1 + word.n > COLUMNS) {
                buf_lit(b, "\r\n");
                column = 0;
            }
            if (!fresh) buf_char(b, ' ');
            for (; word.n > WORD_LONGEST; word = str_skip(word, utf8_head(word, WORD_LONGEST).n)) {
                buf_add(b, utf8_head(word, WORD_LONGEST));
                buf_lit(b, "\r\n ");
                column = 0;
            }
            buf_add(b, word);
            column += word.n + !fresh;
            fresh = false;
        }
        if (!fresh) column = COLUMNS; /* the reply's next line begins a line here too */
    }
    buf_lit(b, "\r\n");
}

static void put_item(struct buf *b, struct str name, struct str type, struct str text)
{
    if (text.n == 0) return;
    buf_add(b, name);
    buf_lit(b, ": ");
    buf_add(b, type);
    put_folded(b, name.n + 2 + type.n, text);
}

static void put_date_item(struct buf *b, struct str name, utc_us t)
{
    if (t == 0) return;
    buf_add(b, name);
    buf_lit(b, ": ");
    time_put_rfc5322(b, t, 0);
    buf_lit(b, "\r\n");
}

static struct status status_of(const struct dsn_recipient *to) /* RFC 3464 §2.3.4: there always is one */
{
    if (to->status.class) return to->status;
    return to->action == DSN_FAILED ? E(5, 0, 0) : to->action == DSN_DELAYED ? E(4, 0, 0) : E(2, 0, 0);
}

static struct str host_of(struct arena *a, const struct dsn_recipient *to, bool utf8)
{
    struct buf *b = buf_in(a, PART_MAX);
    if (to->remote_host.n == 0 && to->remote_ip.family == 0) return S("");
    buf_add(b, clean_line(a, to->remote_host, utf8));
    if (to->remote_ip.family == 0) return buf_str(b);
    if (to->remote_host.n == 0) {
        ip_put_literal(b, to->remote_ip);
        return buf_str(b);
    }
    buf_lit(b, " (");
    ip_put(b, to->remote_ip);
    buf_char(b, ')');
    return buf_str(b);
}

/* per-recipient-fields (RFC 3464 §2.3) */
static void put_recipient_status(struct buf *b, struct arena *a, const struct dsn_recipient *to, bool utf8)
{
    struct str type, original;
    struct status status = status_of(to);
    const struct wording *w = wordings;
    while (w->action != to->action) w++;
    buf_lit(b, "\r\n");
    if (str_cut(to->original, ';', &type, &original) && original.n)
        put_item(b, S("Original-Recipient"), S(""), typed_address(a, type, original, utf8));
    put_item(b, S("Final-Recipient"), S(""), typed_address(a, S("rfc822"), address_str(a, to->final), utf8));
    put_item(b, S("Action"), S(""), w->name);
    buf_printf(b, "Status: %u.%u.%u\r\n", status.class, status.subject, status.detail);
    put_item(b, S("Remote-MTA"), S("dns; "), host_of(a, to, utf8));
    put_item(b, S("Diagnostic-Code"), S("smtp; "), clean(a, to->diagnostic, utf8));
    put_date_item(b, S("Last-Attempt-Date"), to->last_attempt);
    if (to->action == DSN_DELAYED) put_date_item(b, S("Will-Retry-Until"), to->will_retry_until);
}

static struct str delivery_status(struct arena *a, const struct dsn_report *r)
{
    struct buf *b = buf_in(a, PART_MAX);
    put_item(b, S("Original-Envelope-Id"), S(""), clean_line(a, r->envid, r->utf8));
    put_item(b, S("Reporting-MTA"), S("dns; "), clean_line(a, r->hostname, false));
    if (r->queue_id) {
        buf_lit(b, "X-Queue-ID: ");
        id_put(b, r->queue_id);
        buf_lit(b, "\r\n");
    }
    put_date_item(b, S("Arrival-Date"), r->arrived);
    for (size_t i = 0; i < r->n; i++) put_recipient_status(b, a, &r->v[i], r->utf8);
    return buf_str(b);
}

/* ---- the part for people ---- */

static void put_words(struct buf *b, unsigned indent, struct str text) /* LF between lines */
{
    while (text.n) {
        struct str line, word;
        size_t column = 0;
        str_cut(text, '\n', &line, &text);
        for (word = str_word(&line); word.n; word = str_word(&line)) {
            if (column && column + 1 + word.n > COLUMNS) {
                buf_lit(b, "\r\n");
                column = 0;
            }
            if (column == 0) buf_printf(b, "%*s", (int)indent, "");
            else buf_char(b, ' ');
            column = (column ? column + 1 : indent) + word.n;
            buf_add(b, word);
        }
        if (column) buf_lit(b, "\r\n");
    }
}

/* Whom they meant and whom it went to may be two. */
static void put_whom(struct buf *b, struct arena *a, const struct dsn_recipient *to)
{
    struct str type, original, final = clean_line(a, address_str(a, to->final), true);
    put_words(b, 4, final);
    if (!str_cut(to->original, ';', &type, &original) || original.n == 0) return;
    original = clean_line(a, original, true);
    if (!str_ieq(original, final)) put_words(b, 4, arena_printf(a, "(to which %.*s leads)", STR_FMT(original)));
}

static void put_recipient_words(struct buf *b, struct arena *a, const struct dsn_recipient *to)
{
    put_whom(b, a, to);
    put_words(b, 4, clean(a, to->reason, true));
    if (to->action == DSN_FAILED || to->action == DSN_DELAYED) {
        struct status status = status_of(to);
        bool told = to->reason.n && status.subject == 4 && status.detail == 7; /* "too late" is what reasons say */
        struct str meaning = dsn_explain(status);
        if (!told && !str_eq(meaning, to->reason)) put_words(b, 4, meaning);
    }
    if (to->diagnostic.n) {
        struct str host = host_of(a, to, true);
        put_words(b, 4, host.n ? arena_printf(a, "The server %.*s said:", STR_FMT(host)) : S("What was said:"));
        put_words(b, 8, clean(a, to->diagnostic, true));
    }
    if (to->action == DSN_DELAYED && to->will_retry_until) {
        buf_lit(b, "    It is tried until ");
        time_put_rfc5322(b, to->will_retry_until, 0);
        buf_lit(b, ".\r\n");
    }
    buf_lit(b, "\r\n");
}

static void put_letter_words(struct buf *b, struct arena *a, const struct dsn_report *r)
{
    struct str subject = clean_line(a, imf_decode_text(a, r->subject), true);
    buf_lit(b, "The letter in question:\r\n\r\n");
    if (subject.n) put_words(b, 4, arena_printf(a, "Subject: %.*s", STR_FMT(subject)));
    if (r->arrived) {
        buf_lit(b, "    Taken in: ");
        time_put_rfc5322(b, r->arrived, 0);
        buf_lit(b, "\r\n");
    }
    if (r->queue_id) {
        buf_lit(b, "    Number: ");
        id_put(b, r->queue_id);
        buf_lit(b, "\r\n");
    }
    buf_lit(b, "\r\n");
    if (r->returned.n)
        put_words(b, 0, r->returned_whole ? S("The letter itself is attached.") : S("Its header is attached."));
    put_words(b, 0,
              arena_printf(a,
                           "This report was made by the mail server of %.*s, not by a person. If you need help, "
                           "write to postmaster@%.*s and say the number above.",
                           STR_FMT(r->hostname), STR_FMT(r->hostname)));
}

static struct str human_part(struct arena *a, const struct dsn_report *r)
{
    struct buf *text = buf_in(a, PART_MAX), *part = buf_in(a, 4 * PART_MAX);
    for (size_t k = 0; k < WORDINGS; k++) {
        const struct wording *w = wording_of(r, &wordings[k]);
        bool any = false;
        for (size_t i = 0; i < r->n; i++) {
            if (r->v[i].action != w->action) continue;
            if (!any) put_words(text, 0, w->heading);
            if (!any) buf_lit(text, "\r\n");
            any = true;
            put_recipient_words(text, a, &r->v[i]);
        }
        if (any) put_words(text, 0, w->advice);
        if (any) buf_lit(text, "\r\n");
    }
    put_letter_words(text, a, r);
    mime_put_text(part, S("plain"), buf_str(text));
    return buf_str(part);
}

/* ---- the part that is returned ---- */

/* One line without its end: NUL and stray CR cannot travel, longer ones than a line may be are cut (of a field: folded)
 * . */
static void put_returned_line(struct buf *b, struct str line, bool in_header)
{
    size_t room = LINE_LONGEST;
    do {
        struct str piece = str_head(line, room);
        line = str_skip(line, piece.n);
        for (size_t i = 0; i < piece.n; i++) buf_char(b, piece.p[i] == 0 || piece.p[i] == '\r' ? '?' : piece.p[i]);
        buf_lit(b, "\r\n");
        if (line.n && in_header) buf_char(b, ' ');
        room = in_header ? LINE_LONGEST - 1 : LINE_LONGEST;
    } while (line.n);
}

static struct str returned_part(struct arena *a, const struct dsn_report *r)
{
    struct buf *b = buf_in(a, PART_MAX);
    struct str text = r->returned, line;
    size_t header = r->returned_whole ? imf_header_of(text).body : text.n;
    bool global = r->utf8 && !str_is_ascii(str_head(text, header)); /* RFC 6532 §3.7, RFC 6533 §4 */
    buf_lit(b, "Content-Type: ");
    if (r->returned_whole) buf_add(b, global ? S("message/global") : S("message/rfc822"));
    else buf_add(b, global ? S("message/global-headers") : S("text/rfc822-headers"));
    buf_lit(b, "\r\n");
    if (!str_is_ascii(text)) buf_lit(b, "Content-Transfer-Encoding: 8bit\r\n");
    buf_lit(b, "\r\n");
    for (size_t at = 0; at < text.n;) {
        str_cut(str_skip(text, at), '\n', &line, &(struct str){0});
        size_t next = at + line.n + 1;
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        put_returned_line(b, line, at < header);
        at = next;
    }
    return buf_str(b);
}

/* ---- the letter ---- */

/* Can an id stand in a header as it is? */
static bool is_id(struct str id, bool utf8)
{
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] == '<' || id.p[i] == '>' || id.p[i] == 0x7f || (id.p[i] >= 0 && id.p[i] <= ' ')) return false;
    return id.n > 0 && id.n <= WORD_LONGEST && (str_is_ascii(id) || (utf8 && utf8_valid(id)));
}

/* Can an address stand in a header as it is? */
static bool is_writable(struct str text, bool utf8)
{
    for (size_t i = 0; i < text.n; i++)
        if ((text.p[i] >= 0 && text.p[i] < ' ') || text.p[i] == 0x7f) return false;
    return str_is_ascii(text) || (utf8 && utf8_valid(text));
}

static void put_to(struct buf *b, struct arena *a, const struct dsn_report *r)
{
    struct mime_mailbox to = {.address = r->to};
    struct str key;
    if (!str_is_ascii(r->to.domain) && !r->utf8 && !domain_key(a, r->to.domain, &key)) to.address.domain = key;
    if (is_writable(address_str(a, to.address), r->utf8)) mime_put_mailboxes(b, S("To"), &to, 1);
    else buf_lit(b, "To: sender:;\r\n"); /* RFC 6854: a reader whose name cannot be said here */
}

static void put_header(struct buf *b, struct arena *a, const struct dsn_report *r)
{
    struct mime_mailbox from = {.name = S("Mail Delivery System"), .address = r->from};
    struct str subject = clean_line(a, imf_decode_text(a, r->subject), true);
    size_t k = 0;
    for (size_t i = 0; k + 1 < WORDINGS && i < r->n; i++) {
        if (r->v[i].action == wordings[k].action) break;
        if (i + 1 == r->n) k++, i = (size_t)-1;
    }
    struct str title = wording_of(r, &wordings[k])->subject;
    buf_lit(b, "Date: ");
    time_put_rfc5322(b, r->now, 0);
    buf_lit(b, "\r\n");
    mime_put_mailboxes(b, S("From"), &from, 1);
    put_to(b, a, r);
    mime_put_field(b, S("Subject"),
                   subject.n ? arena_printf(a, "%.*s: %.*s", STR_FMT(title), STR_FMT(subject)) : title);
    mime_put_ids(b, S("Message-ID"), &r->message_id, 1);
    if (is_id(r->in_reply_to, r->utf8)) {
        mime_put_ids(b, S("In-Reply-To"), &r->in_reply_to, 1);
        mime_put_ids(b, S("References"), &r->in_reply_to, 1);
    }
    buf_lit(b, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"); /* RFC 3834 §5 */
}

/* A boundary that stands in none of the parts. */
static struct mime_boundary boundary_of(struct str message_id, const struct str *parts, size_t n)
{
    struct sha256 digest = sha256_of(message_id);
    uint64_t seed;
    memcpy(&seed, digest.b, sizeof seed);
    for (unsigned round = 0;; round++) {
        struct mime_boundary m = mime_boundary_of(seed, round);
        size_t i = 0;
        while (i < n && str_find(parts[i], str_of(m.text, m.n)) == parts[i].n) i++;
        if (i == n) return m;
    }
}

void dsn_put(struct buf *b, struct arena *a, const struct dsn_report *r)
{
    struct str status = delivery_status(a, r);
    bool global = !str_is_ascii(status); /* RFC 6533 §3 */
    struct str parts[3] = {
        human_part(a, r),
        arena_printf(a, "Content-Type: message/%s\r\n%s\r\n%.*s", global ? "global-delivery-status" : "delivery-status",
                     global ? "Content-Transfer-Encoding: 8bit\r\n" : "", STR_FMT(status)),
        r->returned.n ? returned_part(a, r) : STR_NONE,
    };
    size_t n = r->returned.n ? 3 : 2;
    struct mime_boundary m = boundary_of(r->message_id, parts, n);
    put_header(b, a, r);
    buf_lit(b, "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"");
    buf_add(b, str_of(m.text, m.n));
    buf_lit(b, "\"\r\n");
    if (global || (n == 3 && !str_is_ascii(r->returned))) buf_lit(b, "Content-Transfer-Encoding: 8bit\r\n");
    for (size_t i = 0; i < n; i++) {
        buf_lit(b, "\r\n");
        mime_put_boundary(b, &m, false);
        buf_add(b, parts[i]);
    }
    buf_lit(b, "\r\n");
    mime_put_boundary(b, &m, true);
}
