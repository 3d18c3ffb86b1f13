/* Modified UTF-7 (RFC 3501 §5.1.3, after RFC 2152) and mailbox names.
 *
 * What is decoded is encoded again and compared: there is one way to write a name, and no other is taken. */
#include "proto/imap/mailbox.h"

#include "base/utf8.h"
#include "proto/imap/write.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool is_direct(uint32_t c) { return c >= ' ' && c < 0x7f; }

/* --- encoding --- */

struct sextets {
    struct buf *b;
    uint32_t bits;
    int n; /* of them, below 6 between two calls */
};

static void put_unit(struct sextets *o, uint32_t utf16)
{
    o->bits = o->bits << 16 | utf16;
    for (o->n += 16; o->n >= 6; o->n -= 6) buf_char(o->b, digits[o->bits >> (o->n - 6) & 63]);
    o->bits &= (1u << o->n) - 1;
}

/* A run of what is not printable ASCII; returns what follows. */
static struct str put_shifted(struct buf *b, struct str s)
{
    struct sextets o = {b, 0, 0};
    uint32_t c;
    buf_char(b, '&');
    for (int n; (n = utf8_next(s, &c)) != 0 && !is_direct(c); s = str_skip(s, n < 0 ? 1 : (size_t)n)) {
        if (c >= 0x10000) {
            put_unit(&o, 0xd800 + ((c - 0x10000) >> 10));
            put_unit(&o, 0xdc00 + (c & 0x3ff));
        } else {
            put_unit(&o, c);
        }
    }
    if (o.n) buf_char(b, digits[o.bits << (6 - o.n) & 63]);
    buf_char(b, '-');
    return s;
}

void imap_put_utf7(struct buf *b, struct str name)
{
    while (name.n) {
        size_t n = 0;
        while (n < name.n && is_direct((unsigned char)name.p[n]) && name.p[n] != '&') n++;
        buf_add(b, str_head(name, n));
        name = str_skip(name, n);
        if (name.n == 0) return;
        if (name.p[0] == '&') {
            buf_lit(b, "&-");
            name = str_skip(name, 1);
        } else {
            name = put_shifted(b, name);
        }
    }
}

/* --- decoding --- */

static int sextet(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* What stands between "&" and "-" */
static int put_unshifted(struct buf *b, struct str s)
{
    uint32_t bits = 0, high = 0;
    int n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int v = sextet(s.p[i]);
        if (v < 0) return ERR_SYNTAX;
        bits = bits << 6 | (uint32_t)v;
        n += 6;
        if (n < 16) continue;
        n -= 16;
        uint32_t unit = bits >> n & 0xffff;
        bits &= (1u << n) - 1;
        bool is_low = unit >= 0xdc00 && unit <= 0xdfff;
        if ((high != 0) != is_low) return ERR_SYNTAX;
        if (unit >= 0xd800 && unit <= 0xdbff) high = unit;
        else utf8_put(b, high ? 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00) : unit);
        if (is_low) high = 0;
    }
    return high ? ERR_SYNTAX : 0;
}

static int decode_utf7(struct arena *a, struct str written, struct str *out)
{
    struct buf *b = buf_in(a, 3 * written.n + 1), *again = buf_in(a, written.n);
    struct str rest = written;
    while (rest.n) {
        struct str before, after, coded;
        bool shift = str_cut(rest, '&', &before, &after);
        buf_add(b, before);
        if (!shift) break;
        if (!str_cut(after, '-', &coded, &rest)) return ERR_SYNTAX;
        if (coded.n == 0) buf_char(b, '&');
        else if (put_unshifted(b, coded)) return ERR_SYNTAX;
    }
    *out = buf_str(b);
    imap_put_utf7(again, *out);
    return again->failed || !str_eq(buf_str(again), written) ? ERR_SYNTAX : 0;
}

static bool has_controls(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f) return true;
    return false;
}

int imap_mailbox_decode(struct arena *a, struct str written, bool utf8, struct str *out)
{
    struct str name = written;
    bool ascii = str_is_ascii(written);
    if (!ascii && !utf8_valid(written)) return ERR_SYNTAX;
    /* what has bytes from 0x80 on cannot be UTF-7: it comes from clients that always write UTF-8 */
    if (!utf8 && ascii && memchr(written.p ? written.p : "", '&', written.n)) {
        int e = decode_utf7(a, written, &name);
        if (e) return e;
    }
    if (has_controls(name)) return ERR_SYNTAX;
    /* RFC 9051 §5.1: INBOX in any case */
    if (str_istarts(name, S("INBOX")) && (name.n == 5 || name.p[5] == '/') && !str_starts(name, S("INBOX"))) {
        char *p = arena_alloc(a, name.n);
        memcpy(p, name.p, name.n);
        memcpy(p, "INBOX", 5);
        name.p = p;
    }
    *out = name;
    return 0;
}

/* --- writing --- */

static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_direct((unsigned char)s.p[i]) || s.p[i] == '&') return false;
    return true;
}

void imap_put_mailbox(struct buf *b, struct str name, bool utf8)
{
    if (utf8 || is_printable(name)) {
        imap_put_astring(b, name, utf8);
        return;
    }
    struct buf coded = BUF(8 * name.n + 16); /* a byte between two '&' gives the most */
    imap_put_utf7(&coded, name);
    imap_put_astring(b, buf_str(&coded), false);
    if (coded.failed) b->failed = coded.failed;
    buf_free(&coded);
}
