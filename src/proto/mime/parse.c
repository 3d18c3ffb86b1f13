/* The parser of parts. Bytes are looked at line by line: of a line that may matter (of a header, or one that begins
 * with "-" while boundaries are open) the head is brought together in one piece, whatever the cuts; all other bytes
 * only pass by.
 *
 * `frames` holds the multiparts and messages around the current place. A line that begins with an open boundary ends
 * everything inside that frame (RFC 2046 §5.1.2); of several that match the longest counts, of equal ones the
 * innermost. */
#include "proto/mime/parse.h"

#include "proto/mime/parse_header.h"

enum {
    LINE_MAX = 998, /* RFC 5322 §2.1.1 */
    HEAD_MAX = LIMIT_BOUNDARY + 8, /* "--", boundary, "--", line end; and the colon of a field */
};
_Static_assert(HEAD_MAX > LIMIT_FIELD_NAME + 2, "a field's colon lies in the head of its line");

struct frame {
    struct mime_part *part, *last; /* last: child */
    struct str boundary;           /* of a multipart */
    bool closed;                   /* its closing delimiter was seen: what follows is epilogue */
    bool digest;
};

enum place { IN_HEADER, IN_BODY, IN_REST };
enum after { NOTHING, END_HEADER, OPEN_PART }; /* what the end of the current line brings */

struct mime_parser {
    struct arena *a;
    struct mime_letter *letter;
    struct frame frames[LIMIT_MIME_DEPTH];
    size_t depth;
    size_t boundaries;       /* multiparts among the frames that are not closed */
    struct mime_part *part;  /* whose header or body this is */
    enum place place;
    enum after after;
    struct mime_header *header; /* reads the fields of part */

    uint64_t at;             /* offset of the next byte */
    uint64_t line_at;        /* offset of the current line */
    uint64_t lines;          /* line ends seen */
    unsigned eol;            /* bytes of the last line end; 0 before the first */
    bool was_empty;          /* the last line had nothing else */
    bool in_line;            /* the head of this line is dealt with */
    bool to_header;          /* and its rest belongs to a field */
    char last;               /* the byte before the next */
    char head[HEAD_MAX];     /* of a line cut by the end of a chunk */
    size_t head_n;

    struct buf *shown;       /* the body whose beginning is kept for the preview, or NULL */
    const struct mime_part *shown_part;
    uint64_t crs, crlfs;
    /* there are in the line at waiting_at, of which it is not known yet whether the body begins with it */
    bool waiting_8bit;
    uint64_t waiting_at;
};

/* --- parts --- */

static struct mime_part *add_part(struct mime_parser *p, uint64_t at)
{
    struct mime_part *part = arena_new_of(p->a, struct mime_part);
    if (p->depth) {
        struct frame *f = &p->frames[p->depth - 1];
        part->parent = f->part;
        if (f->last) f->last->next = part;
        else f->part->first = part;
        f->last = part;
    }
    part->header_at = part->body_at = at;
    p->letter->parts++;
    p->part = part;
    p->place = IN_HEADER;
    mime_header_begin(p->header, part, at, !part->parent || part->parent->kind == MIME_MESSAGE);
    return part;
}

static void cut_off(struct mime_parser *p) { p->letter->truncated = true; }

static void push(struct mime_parser *p, struct mime_part *part, enum mime_kind kind, struct str boundary)
{
    part->kind = kind;
    bool multipart = kind == MIME_MULTIPART, digest = multipart && str_eq(part->subtype, S("digest"));
    p->frames[p->depth++] = (struct frame){.part = part, .boundary = boundary, .digest = digest};
    p->boundaries += multipart;
}

static void set_type(struct mime_part *part, struct str type, struct str subtype)
{
    static const struct mime_param us_ascii = {S_INIT("charset"), S_INIT("us-ascii")};
    part->type = type;
    part->subtype = subtype;
    part->params = (struct mime_params){NULL, 0};
    if (str_eq(type, S("text"))) part->params = (struct mime_params){&us_ascii, 1};
}

/* A multipart or message that is not looked into, or text nobody described. */
static void keep_as_leaf(struct mime_parser *p, struct mime_part *part)
{
    part->kind = MIME_LEAF;
    bool plain = str_eq(part->type, S("text")) && str_eq(part->subtype, S("plain"));
    bool html = str_eq(part->type, S("text")) && str_eq(part->subtype, S("html"));
    const struct mime_part **slot = plain ? &p->letter->plain : &p->letter->html;
    if ((!plain && !html) || *slot || mime_is_attachment(part)) return;
    *slot = part;
    p->shown_part = part;
    p->shown = buf_in(p->a, LIMIT_PREVIEW_RAW);
}

static bool deep(struct mime_parser *p)
{
    if (p->depth < LIMIT_MIME_DEPTH && p->letter->parts < LIMIT_MIME_PARTS) return false;
    cut_off(p);
    return true;
}

/* The header of the current part is complete; its body begins at `at`. */
static void enter_body(struct mime_parser *p, uint64_t at)
{
    struct mime_part *part = p->part;
    if (mime_header_end(p->header)) cut_off(p);
    part->header_size = at - part->header_at;
    part->body_at = at;
    part->lines = p->lines;
    p->place = IN_BODY;
    if (part->type.n == 0) { /* RFC 2045 §5.2, RFC 2046 §5.1.5 */
        if (p->depth && p->frames[p->depth - 1].digest) set_type(part, S("message"), S("rfc822"));
        else set_type(part, S("text"), S("plain"));
    }
    bool plain_bytes = part->encoding <= MIME_BINARY;
    if (str_eq(part->type, S("multipart"))) {
        struct str boundary = mime_param(part->params, S("boundary"));
        if (boundary.n == 0 || boundary.n > LIMIT_BOUNDARY) {
            set_type(part, S("text"), S("plain")); /* no parts to be found: shown as it stands */
        } else if (deep(p)) {
            set_type(part, S("application"), S("octet-stream"));
        } else {
            push(p, part, MIME_MULTIPART, boundary); /* RFC 2045 §6.4: never encoded, whatever it says */
            return;
        }
    } else if (plain_bytes && str_eq(part->type, S("message")) &&
               (str_eq(part->subtype, S("rfc822")) || str_eq(part->subtype, S("global")))) { /* RFC 6532 §3.7 */
        if (!deep(p)) {
            push(p, part, MIME_MESSAGE, STR_NONE);
            add_part(p, at);
            return;
        }
        set_type(part, S("application"), S("octet-stream"));
    }
    keep_as_leaf(p, part);
}

/* The part's last byte lies before `end`; until there were `lines` lines, those before its body included. A header the
 * boundary follows at once loses its last line end to it (RFC 2046 §5.1.1: body-part). */
static void end_part(struct mime_parser *p, struct mime_part *part, uint64_t end, uint64_t lines)
{
    if (part->header_at > end) part->header_at = end;
    if (part->body_at > end) {
        part->body_at = end;
        part->header_size = end - part->header_at;
    }
    part->body_size = end - part->body_at;
    part->lines = part->body_size ? lines - part->lines : 0; /* it held the number of lines before its body */
    if (part != p->shown_part) return;
    struct str raw = str_head(buf_str(p->shown), part->body_size);
    if (part == p->letter->plain) p->letter->plain_raw = raw;
    else p->letter->html_raw = raw;
    p->shown_part = NULL;
}

/* Ends the current part and the frames from the innermost down to, not including, number `keep`. */
static void end_parts(struct mime_parser *p, size_t keep, uint64_t end, uint64_t lines)
{
    if (p->part && (p->depth == 0 || p->part != p->frames[p->depth - 1].part)) end_part(p, p->part, end, lines);
    while (p->depth > keep) {
        struct frame *f = &p->frames[--p->depth];
        if (f->part->kind == MIME_MULTIPART && !f->closed) p->boundaries--;
        end_part(p, f->part, end, lines);
    }
}

/* --- lines --- */

/* Bytes of the chunk before the offset `end` go to the body that is kept for the preview. */
static void keep_shown(struct mime_parser *p, struct str chunk, uint64_t chunk_at, uint64_t end)
{
    if (!p->shown_part || end <= chunk_at) return;
    uint64_t from = p->shown_part->body_at + p->shown->n;
    if (from < chunk_at) return; /* it is full: bytes passed by */
    size_t room = LIMIT_PREVIEW_RAW - p->shown->n;
    struct str bytes = str_sub(chunk, (size_t)(from - chunk_at), (size_t)(end - chunk_at));
    if (from - chunk_at < chunk.n && from < end) buf_add(p->shown, str_head(bytes, room));
}

/* The frame whose boundary this line begins with; LIMIT_MIME_DEPTH when there is none. */
static size_t find_boundary(const struct mime_parser *p, struct str line)
{
    size_t found = LIMIT_MIME_DEPTH, longest = 0;
    if (!str_starts(line, S("--"))) return found;
    line = str_skip(line, 2);
    for (size_t i = p->depth; i-- > 0;) {
        const struct frame *f = &p->frames[i];
        if (f->boundary.n == 0 || f->boundary.n > line.n || f->boundary.n < longest) continue;
        bool longer = f->boundary.n > longest || (p->frames[found].closed && !f->closed);
        if (!longer || memcmp(line.p, f->boundary.p, f->boundary.n) != 0) continue;
        found = i;
        longest = f->boundary.n;
    }
    return found;
}

/* RFC 2046 §5.1.1: delimiter, close-delimiter. The line end before it belongs to it. */
static bool take_boundary(struct mime_parser *p, struct str line, struct str chunk, uint64_t chunk_at)
{
    size_t i = find_boundary(p, line);
    if (i == LIMIT_MIME_DEPTH || p->frames[i].closed) return false;
    bool closing = str_starts(str_skip(line, 2 + p->frames[i].boundary.n), S("--"));
    while (p->place == IN_HEADER) enter_body(p, p->line_at);
    if (!closing && p->letter->parts >= LIMIT_MIME_PARTS) { /* what follows belongs to the last part */
        cut_off(p);
        p->place = IN_REST;
        return true;
    }
    keep_shown(p, chunk, chunk_at, p->line_at);
    struct frame *f = &p->frames[i];
    uint64_t end = p->line_at - p->eol, least = f->last ? f->last->header_at : 0;
    end_parts(p, i + 1, end > least ? end : least, p->lines - p->was_empty);
    p->part = f->part;
    p->place = IN_BODY;
    if (closing) {
        f->closed = true;
        p->boundaries--;
    } else {
        p->after = OPEN_PART;
    }
    return true;
}

static bool is_line_end(struct str line) { return str_eq(line, S("\n")) || str_eq(line, S("\r\n")); }

/* Deals with a line by its head: the whole line when it ends in LF or the letter ends, else its first HEAD_MAX bytes.
 */
static void take_head(struct mime_parser *p, struct str head, struct str chunk, uint64_t chunk_at)
{
    p->to_header = false;
    while (p->place == IN_HEADER) { /* a message without header leaves the line to its child */
        if (is_line_end(head)) {
            p->after = END_HEADER;
            return;
        }
        if (p->boundaries && take_boundary(p, head, chunk, chunk_at)) return;
        if (mime_header_line(p->header, head, p->line_at)) {
            p->to_header = true;
            return;
        }
        enter_body(p, p->line_at);
        bool earlier = p->shown_part && p->line_at < chunk_at; /* the body begins with bytes of the chunk before */
        if (earlier) buf_add(p->shown, str_head(head, (size_t)(chunk_at - p->line_at)));
    }
    if (p->place == IN_BODY && p->boundaries) take_boundary(p, head, chunk, chunk_at);
}

static void note_line(struct mime_parser *p, uint64_t size, bool crlf)
{
    if (!crlf) p->letter->traits |= MIME_BARE_LF;
    if (size - p->eol > LINE_MAX) p->letter->traits |= MIME_LONG_LINE;
}

static void end_line(struct mime_parser *p, uint64_t end, bool crlf)
{
    uint64_t size = end - p->line_at;
    p->eol = crlf ? 2 : 1;
    p->was_empty = size == p->eol;
    p->lines++;
    p->line_at = end;
    p->in_line = false;
    p->crlfs += crlf;
    note_line(p, size, crlf);
    enum after after = p->after;
    p->after = NOTHING;
    if (after == END_HEADER) enter_body(p, end);
    else if (after == OPEN_PART) add_part(p, end);
}

/* Body lines from chunk[i] on whose heads need no look; returns where it stopped: a line to be looked at, or the end.
 */
static size_t skip_body(struct mime_parser *p, struct str chunk, uint64_t chunk_at, size_t i)
{
    bool look = p->place == IN_BODY && p->boundaries;
    const char *s = chunk.p, *lf;
    for (; i < chunk.n && !(look && s[i] == '-'); i = (size_t)(lf - s) + 1) {
        lf = memchr(s + i, '\n', chunk.n - i);
        if (!lf) {
            p->in_line = true;
            p->line_at = chunk_at + i;
            return chunk.n;
        }
        size_t end = (size_t)(lf - s) + 1, size = end - i;
        bool crlf = end >= 2 ? lf[-1] == '\r' : p->last == '\r';
        p->eol = crlf ? 2 : 1;
        p->was_empty = size == p->eol;
        p->lines++;
        p->crlfs += crlf;
        if (!crlf || size > LINE_MAX) note_line(p, size, crlf);
    }
    p->line_at = chunk_at + i;
    return i;
}

/* The rest of a line whose head is dealt with. */
static size_t skip_line(struct mime_parser *p, struct str chunk, uint64_t chunk_at, size_t i)
{
    const char *lf = memchr(chunk.p + i, '\n', chunk.n - i);
    size_t end = lf ? (size_t)(lf - chunk.p) + 1 : chunk.n;
    if (p->to_header) mime_header_more(p->header, str_sub(chunk, i, end));
    if (lf) end_line(p, chunk_at + end, end >= 2 ? lf[-1] == '\r' : p->last == '\r');
    return end;
}

/* Brings the head of the line at chunk[i] together and deals with it; with less than a head, keeps it for the next
 * chunk. */
static size_t begin_line(struct mime_parser *p, struct str chunk, uint64_t chunk_at, size_t i)
{
    size_t want = HEAD_MAX - p->head_n, n = chunk.n - i < want ? chunk.n - i : want;
    const char *lf = memchr(chunk.p + i, '\n', n);
    if (lf) n = (size_t)(lf - (chunk.p + i)) + 1;
    bool ready = lf || n == want;
    struct str head = str_sub(chunk, i, i + n);
    if (p->head_n || !ready) {
        memcpy(p->head + p->head_n, head.p, n);
        p->head_n += n;
        head = str_of(p->head, p->head_n);
    }
    if (!ready) return chunk.n;
    p->head_n = 0;
    p->in_line = true;
    take_head(p, head, chunk, chunk_at);
    if (lf) end_line(p, chunk_at + i + n, head.n >= 2 && head.p[head.n - 2] == '\r');
    return i + n;
}

/* --- what is noted of the bytes themselves --- */

typedef unsigned char bytes16 __attribute__((vector_size(16)));

/* Or of all bytes, whether one is NUL, how many are CR: 16 at a time. */
static void note_bytes(struct mime_parser *p, const char *s, size_t n, enum mime_trait if_8bit)
{
    bytes16 all = {0}, nul = {0};
    uint64_t crs = 0;
    unsigned char or = 0;
    bool has_nul = false;
    while (n >= 16) {
        bytes16 count = {0};
        size_t rounds = n / 16 < 255 ? n / 16 : 255;
        for (size_t i = 0; i < rounds; i++, s += 16) {
            bytes16 v;
            memcpy(&v, s, 16);
            all |= v;
            nul |= (bytes16)(v == 0);
            count -= (bytes16)(v == '\r');
        }
        n -= rounds * 16;
        for (int k = 0; k < 16; k++) crs += count[k];
    }
    for (int k = 0; k < 16; k++) {
        or |= all[k];
        has_nul |= nul[k] != 0;
    }
    for (; n; n--, s++) {
        or |= (unsigned char)*s;
        has_nul |= *s == 0;
        crs += *s == '\r';
    }
    p->crs += crs;
    p->letter->traits |= (or &0x80 ? if_8bit : 0u) | (has_nul ? MIME_NUL : 0u);
}

/* Whether bytes that had to wait stand in the letter's header is known once their line was understood. */
static void note_waiting(struct mime_parser *p)
{
    const struct mime_part *root = p->letter->root;
    bool in_root_header = p->part == root && p->place == IN_HEADER;
    if (!p->waiting_8bit || (in_root_header && p->line_at == p->waiting_at)) return;
    p->letter->traits |= in_root_header || p->waiting_at < root->body_at ? MIME_HEADER_8BIT : MIME_BODY_8BIT;
    p->waiting_8bit = false;
}

static void note_traits(struct mime_parser *p, struct str chunk, uint64_t chunk_at)
{
    const struct mime_part *root = p->letter->root;
    bool in_root_header = p->part == root && p->place == IN_HEADER;
    uint64_t border = in_root_header ? p->line_at : root->body_at;
    size_t header = border <= chunk_at ? 0 : border - chunk_at < chunk.n ? (size_t)(border - chunk_at) : chunk.n;
    note_waiting(p);
    note_bytes(p, chunk.p, header, MIME_HEADER_8BIT);
    if (!in_root_header) {
        note_bytes(p, chunk.p + header, chunk.n - header, MIME_BODY_8BIT);
        return;
    }
    unsigned before = p->letter->traits;
    p->letter->traits &= ~(unsigned)MIME_BODY_8BIT;
    note_bytes(p, chunk.p + header, chunk.n - header, MIME_BODY_8BIT);
    if (p->letter->traits & MIME_BODY_8BIT) {
        p->waiting_8bit = true;
        p->waiting_at = p->line_at;
    }
    p->letter->traits = (p->letter->traits & ~(unsigned)MIME_BODY_8BIT) | before;
}

/* --- the interface --- */

struct mime_parser *mime_parser_new(struct arena *a)
{
    struct mime_parser *p = arena_new_of(a, struct mime_parser);
    p->a = a;
    p->letter = arena_new_of(a, struct mime_letter);
    p->header = mime_header_new(a);
    p->letter->root = add_part(p, 0);
    return p;
}

void mime_parser_feed(struct mime_parser *p, struct str chunk)
{
    if (chunk.n == 0) return;
    uint64_t chunk_at = p->at;
    p->at += chunk.n;
    for (size_t i = 0; i < chunk.n;) {
        bool look = p->place == IN_HEADER || (p->place == IN_BODY && p->boundaries && chunk.p[i] == '-');
        if (p->in_line) i = skip_line(p, chunk, chunk_at, i);
        else if (look || p->head_n) i = begin_line(p, chunk, chunk_at, i);
        else i = skip_body(p, chunk, chunk_at, i);
    }
    p->last = chunk.p[chunk.n - 1];
    keep_shown(p, chunk, chunk_at, p->at);
    note_traits(p, chunk, chunk_at);
}

struct mime_letter *mime_parser_end(struct mime_parser *p)
{
    struct mime_letter *letter = p->letter;
    bool unfinished = p->line_at < p->at;
    if (p->head_n) take_head(p, str_of(p->head, p->head_n), STR_NONE, p->at);
    p->after = NOTHING;
    while (p->place == IN_HEADER) enter_body(p, p->at);
    note_waiting(p);
    if (p->at - p->line_at > LINE_MAX) letter->traits |= MIME_LONG_LINE;
    end_parts(p, 0, p->at, p->lines + unfinished);
    letter->size = p->at;
    if (p->crs > p->crlfs) letter->traits |= MIME_BARE_CR;
    return letter;
}

struct mime_letter *mime_parse(struct arena *a, struct str letter)
{
    struct mime_parser *p = mime_parser_new(a);
    mime_parser_feed(p, letter);
    return mime_parser_end(p);
}

const struct mime_part *mime_next(const struct mime_part *part)
{
    if (part->first) return part->first;
    while (part && !part->next) part = part->parent;
    return part ? part->next : NULL;
}

bool mime_is_attachment(const struct mime_part *part)
{
    const struct mime_part *around = part->parent;
    if (part->kind == MIME_MULTIPART || str_ends(part->subtype, S("-signature"))) return false; /* RFC 3156, RFC 8551 */
    if (str_eq(part->extra->disposition, S("attachment"))) return true;
    if (around && str_eq(around->type, S("multipart")) && str_eq(around->subtype, S("related")) && part->extra->id.n)
        return false;
    if (part->kind == MIME_MESSAGE) return true;
    if (mime_param(part->extra->disposition_params, S("filename")).n || mime_param(part->params, S("name")).n)
        return true;
    return !str_eq(part->type, S("text")) && !str_eq(part->type, S("message")); /* message: parts of reports */
}
