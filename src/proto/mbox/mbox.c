/* mbox files (RFC 4155). Quoting is mboxrd's: each line of '>'s and "From " has one '>' more in the file. Of mboxo
 * files, where only "From " itself was quoted, a ">>From " loses one too many; nobody can tell them apart. */
#include "proto/mbox/mbox.h"

#include "proto/imf/date.h"

static const struct str from_ = S_INIT("From ");

/* ---- where letters begin ---- */

static struct str line_at(struct str all, size_t at)
{
    struct str rest = str_skip(all, at);
    return str_head(rest, str_find_char(rest, '\n'));
}

static bool has_time(struct str line) /* "01:30" */
{
    for (size_t i = 0; i + 5 <= line.n; i++)
        if (ch_digit(line.p[i]) && ch_digit(line.p[i + 1]) && line.p[i + 2] == ':' && ch_digit(line.p[i + 3]) &&
            ch_digit(line.p[i + 4]))
            return true;
    return false;
}

static bool is_from_line(struct str line) { return str_starts(line, from_) && has_time(line); }

bool mbox_looks_right(struct str all) { return all.n == 0 || is_from_line(line_at(all, 0)); }

static bool empty_line_before(struct str all, size_t at)
{
    if (at < 2 || all.p[at - 1] != '\n') return at == 0;
    return all.p[at - 2] == '\n' || (at >= 3 && all.p[at - 2] == '\r' && all.p[at - 3] == '\n');
}

/* The next From_ line at or behind `at`; all.n: there is none. */
static size_t find_from_line(struct str all, size_t at)
{
    while (at < all.n) {
        size_t i = at + str_find(str_skip(all, at), from_);
        if (i >= all.n) break;
        if (empty_line_before(all, i) && is_from_line(line_at(all, i))) return i;
        at = i + 1;
    }
    return all.n;
}

bool mbox_next(struct str all, size_t *at, struct str *from_line, struct str *raw)
{
    size_t begin = find_from_line(all, *at);
    if (begin >= all.n) return false;
    *from_line = line_at(all, begin);
    size_t text = begin + from_line->n + 1;
    if (text > all.n) text = all.n;
    size_t end = find_from_line(all, text);
    *at = end;
    *raw = str_sub(all, text, end);
    if (str_ends(*raw, S("\r\n\r\n"))) raw->n -= 2; /* the empty line between letters */
    else if (str_ends(*raw, S("\n\n"))) raw->n -= 1;
    return true;
}

/* ---- a letter ---- */

static bool quoted_from(struct str line)
{
    size_t i = 0;
    while (i < line.n && line.p[i] == '>') i++;
    return str_starts(str_skip(line, i), from_);
}

static void put_line(struct buf *b, struct str line, bool ended)
{
    if (line.n && line.p[line.n - 1] == '\r') line.n--;
    buf_add(b, line);
    if (ended) buf_lit(b, "\r\n");
}

static void read_status(struct str value, struct kept_letter *out)
{
    for (size_t i = 0; i < value.n; i++) switch (value.p[i]) {
        case 'R': out->flags |= FLAG_SEEN; break;
        case 'A': out->flags |= FLAG_ANSWERED; break;
        case 'F': out->flags |= FLAG_FLAGGED; break;
        case 'T': out->flags |= FLAG_DRAFT; break;
        case 'D': out->flags |= FLAG_DELETED; break;
        default: break;
        }
}

static void read_keywords(struct arena *a, struct str value, struct kept_letter *out)
{
    for (struct str word; (word = str_word(&value)).n > 0;)
        if (out->n_keywords < MBOX_KEYWORDS_MAX) out->keywords[out->n_keywords++] = arena_str(a, word);
}

/* Is this a field in which flags are kept? Which one, and its value; 0: it is not. */
static int note_of(struct str line, struct str *value)
{
    static const struct str names[] = {S_INIT("Status:"), S_INIT("X-Status:"), S_INIT("X-Keywords:"),
                                       S_INIT("X-UID:"),  S_INIT("X-IMAP:"),   S_INIT("X-IMAPbase:")};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!str_istarts(line, names[i])) continue;
        *value = str_trim(str_skip(line, names[i].n));
        return (int)i + 1;
    }
    return 0;
}

static bool take_note(struct arena *a, struct str line, struct kept_letter *out)
{
    struct str value;
    int note = note_of(line, &value);
    if (note == 1 || note == 2) read_status(value, out);
    else if (note == 3) read_keywords(a, value, out);
    return note != 0;
}

static utc_us time_of(struct str from_line)
{
    struct imf_date d;
    struct str rest = str_skip(from_line, from_.n);
    str_word(&rest); /* the sender */
    return imf_date_parse(str_trim(rest), &d) ? 0 : d.utc;
}

bool mbox_letter(struct arena *a, struct buf *b, struct str from_line, struct str raw, struct kept_letter *out)
{
    bool header = true, passing = false, internal = false;
    *out = (struct kept_letter){.at = time_of(from_line)};
    size_t begin = b->n;
    while (raw.n > 0) {
        size_t n = str_find_char(raw, '\n');
        struct str line = str_head(raw, n);
        bool ended = n < raw.n, folded = line.n && ch_space(line.p[0]);
        raw = str_skip(raw, n + 1);
        if (header && (line.n == 0 || str_eq(line, S("\r")))) header = false;
        if (header && !folded) {
            passing = take_note(a, line, out);
            internal |= str_istarts(line, S("Subject: DON'T DELETE THIS MESSAGE"));
        }
        if (header && passing) continue;
        if (quoted_from(line) && line.p[0] == '>') line = str_skip(line, 1);
        put_line(b, line, ended);
    }
    out->text = str_skip(buf_str(b), begin);
    return !internal;
}

void mbox_put_crlf(struct buf *b, struct str text)
{
    while (text.n > 0) {
        size_t n = str_find_char(text, '\n');
        bool ended = n<text.n, has_cr = n> 0 && ended && text.p[n - 1] == '\r';
        buf_add(b, str_head(text, has_cr ? n - 1 : n));
        if (ended) buf_lit(b, "\r\n");
        text = str_skip(text, n + 1);
    }
}

/* ---- writing ---- */

static void put_asctime(struct buf *b, utc_us at)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil c = civil_of(at, 0);
    buf_printf(b, "%.3s %.3s %2d %02d:%02d:%02d %d", days + 3 * c.weekday, months + 3 * (c.month - 1), c.day, c.hour,
               c.minute, c.second, c.year);
}

static void put_notes(struct buf *b, const struct kept_letter *l)
{
    static const struct {
        flag_set flag;
        char letter;
    } more[] = {{FLAG_ANSWERED, 'A'}, {FLAG_FLAGGED, 'F'}, {FLAG_DRAFT, 'T'}, {FLAG_DELETED, 'D'}};
    buf_lit(b, "Status: ");
    if (l->flags & FLAG_SEEN) buf_char(b, 'R');
    buf_lit(b, "O\n");
    size_t before = b->n;
    buf_lit(b, "X-Status: ");
    size_t begin = b->n;
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (l->flags & more[i].flag) buf_char(b, more[i].letter);
    if (b->n == begin) b->n = before;
    else buf_char(b, '\n');
    if (l->n_keywords == 0) return;
    buf_lit(b, "X-Keywords:");
    for (size_t i = 0; i < l->n_keywords; i++) {
        buf_char(b, ' ');
        buf_add(b, l->keywords[i]);
    }
    buf_char(b, '\n');
}

void mbox_put(struct buf *b, struct str sender, const struct kept_letter *l)
{
    bool header = true, passing = false;
    struct str value;
    buf_lit(b, "From ");
    if (sender.n == 0) sender = S("MAILER-DAEMON");
    for (size_t i = 0; i < sender.n; i++)
        buf_char(b, (unsigned char)sender.p[i] > ' ' && sender.p[i] != 127 ? sender.p[i] : '-');
    buf_char(b, ' ');
    put_asctime(b, l->at);
    buf_char(b, '\n');
    put_notes(b, l); /* first, where nothing of the letter can be taken for a fold of it */
    for (struct str rest = l->text; rest.n > 0;) {
        size_t n = str_find_char(rest, '\n');
        struct str line = str_head(rest, n);
        rest = str_skip(rest, n + 1);
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (line.n == 0) header = false;
        if (!line.n || !ch_space(line.p[0])) passing = header && note_of(line, &value); /* would be read as ours */
        if (header && passing) continue;
        if (quoted_from(line)) buf_char(b, '>');
        buf_add(b, line);
        buf_char(b, '\n');
    }
    buf_char(b, '\n');
}
