/* From the charsets mail is written in to UTF-8 (RFC 2978 names): our own tables for the four common ones, iconv behind
 * an allow-list for the others. A name never reaches iconv as a letter wrote it. */
#include <errno.h>
#include <iconv.h>

#include "base/utf8.h"
#include "mail/limits.h"
#include "proto/imf/encoded_word.h"

static const char as_utf8[] = "UTF-8", as_windows_1252[] = "windows-1252";

/* Sorted for reading, not for searching. Where a charset is written under the name of a smaller one, the larger is
 * meant: gb2312 by GB18030, shift_jis by CP932, ks_c_5601 by CP949, as the WHATWG encoding table has it. */
static const struct {
    const char *name, *iconv;
} charsets[] = {
    {"utf-8", as_utf8},
    {"utf8", as_utf8},
    {"us-ascii", as_utf8},
    {"ascii", as_utf8},
    {"ansi_x3.4-1968", as_utf8},
    {"unicode-1-1-utf-8", as_utf8},
    {"646", as_utf8},
    {"iso-8859-1", as_windows_1252},
    {"iso8859-1", as_windows_1252},
    {"iso_8859-1", as_windows_1252},
    {"latin1", as_windows_1252},
    {"l1", as_windows_1252},
    {"windows-1252", as_windows_1252},
    {"cp1252", as_windows_1252},
    {"x-cp1252", as_windows_1252},
    {"8859-1", as_windows_1252},
    {"ansi", as_windows_1252},
    {"iso-8859-2", "ISO-8859-2"},
    {"iso8859-2", "ISO-8859-2"},
    {"iso_8859-2", "ISO-8859-2"},
    {"latin2", "ISO-8859-2"},
    {"iso-8859-3", "ISO-8859-3"},
    {"iso-8859-4", "ISO-8859-4"},
    {"iso-8859-5", "ISO-8859-5"},
    {"iso8859-5", "ISO-8859-5"},
    {"iso-8859-6", "ISO-8859-6"},
    {"iso-8859-6-e", "ISO-8859-6"},
    {"iso-8859-6-i", "ISO-8859-6"},
    {"iso-8859-7", "ISO-8859-7"},
    {"iso8859-7", "ISO-8859-7"},
    {"iso-8859-8", "ISO-8859-8"},
    {"iso-8859-8-i", "ISO-8859-8"},
    {"iso-8859-8-e", "ISO-8859-8"},
    {"logical", "ISO-8859-8"},
    {"iso-8859-9", "WINDOWS-1254"},
    {"iso8859-9", "WINDOWS-1254"},
    {"latin5", "WINDOWS-1254"},
    {"iso-8859-10", "ISO-8859-10"},
    {"iso-8859-11", "CP874"},
    {"iso-8859-13", "ISO-8859-13"},
    {"iso-8859-14", "ISO-8859-14"},
    {"iso-8859-15", "ISO-8859-15"},
    {"iso8859-15", "ISO-8859-15"},
    {"iso_8859-15", "ISO-8859-15"},
    {"latin-9", "ISO-8859-15"},
    {"iso-8859-16", "ISO-8859-16"},
    {"windows-1250", "WINDOWS-1250"},
    {"cp1250", "WINDOWS-1250"},
    {"windows-1251", "WINDOWS-1251"},
    {"cp1251", "WINDOWS-1251"},
    {"x-cp1251", "WINDOWS-1251"},
    {"windows-1253", "WINDOWS-1253"},
    {"windows-1254", "WINDOWS-1254"},
    {"cp1254", "WINDOWS-1254"},
    {"windows-1255", "WINDOWS-1255"},
    {"windows-1256", "WINDOWS-1256"},
    {"cp1256", "WINDOWS-1256"},
    {"windows-1257", "WINDOWS-1257"},
    {"windows-1258", "WINDOWS-1258"},
    {"windows-874", "CP874"},
    {"tis-620", "CP874"},
    {"cp874", "CP874"},
    {"koi8-r", "KOI8-R"},
    {"koi8r", "KOI8-R"},
    {"koi8", "KOI8-R"},
    {"koi8-u", "KOI8-U"},
    {"koi8-ru", "KOI8-RU"},
    {"ibm437", "IBM437"},
    {"cp437", "IBM437"},
    {"ibm850", "IBM850"},
    {"cp850", "IBM850"},
    {"ibm852", "IBM852"},
    {"cp852", "IBM852"},
    {"ibm855", "IBM855"},
    {"ibm858", "CP858"},
    {"ibm866", "IBM866"},
    {"cp866", "IBM866"},
    {"macintosh", "MACINTOSH"},
    {"x-mac-roman", "MACINTOSH"},
    {"mac", "MACINTOSH"},
    {"x-mac-cyrillic", "MAC-CYRILLIC"},
    {"x-mac-ce", "MAC-CENTRALEUROPE"},
    {"viscii", "VISCII"},
    {"tcvn", "TCVN"},
    {"armscii-8", "ARMSCII-8"},
    {"gb2312", "GB18030"},
    {"gb_2312-80", "GB18030"},
    {"x-gbk", "GB18030"},
    {"gbk", "GB18030"},
    {"cp936", "GB18030"},
    {"gb18030", "GB18030"},
    {"euc-cn", "GB18030"},
    {"big5", "BIG5-HKSCS"},
    {"big5-hkscs", "BIG5-HKSCS"},
    {"x-x-big5", "BIG5-HKSCS"},
    {"cp950", "CP950"},
    {"euc-tw", "EUC-TW"},
    {"iso-2022-jp", "ISO-2022-JP"},
    {"iso-2022-jp-1", "ISO-2022-JP-2"},
    {"iso-2022-jp-2", "ISO-2022-JP-2"},
    {"csiso2022jp", "ISO-2022-JP"},
    {"cp50220", "ISO-2022-JP"},
    {"euc-jp", "EUC-JP-MS"},
    {"x-euc-jp", "EUC-JP-MS"},
    {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},
    {"sjis", "CP932"},
    {"x-sjis", "CP932"},
    {"cp932", "CP932"},
    {"windows-31j", "CP932"},
    {"ms_kanji", "CP932"},
    {"euc-kr", "CP949"},
    {"ks_c_5601-1987", "CP949"},
    {"ks_c_5601", "CP949"},
    {"cp949", "CP949"},
    {"korean", "CP949"},
    {"uhc", "CP949"},
    {"windows-949", "CP949"},
    {"iso-2022-kr", "ISO-2022-KR"},
    {"johab", "JOHAB"},
    {"utf-7", "UTF-7"},
    {"unicode-1-1-utf-7", "UTF-7"},
    {"utf-16", "UTF-16"},
    {"utf-16le", "UTF-16LE"},
    {"utf-16be", "UTF-16BE"},
    {"utf-32", "UTF-32"},
    {"utf-32le", "UTF-32LE"},
    {"utf-32be", "UTF-32BE"},
};

static const char *iconv_name(struct str name)
{
    name = str_trim(name);
    if (name.n > LIMIT_CHARSET_NAME) return NULL;
    for (size_t i = 0; i < sizeof charsets / sizeof *charsets; i++)
        if (str_ieq(name, str_c(charsets[i].name))) return charsets[i].iconv;
    return NULL;
}

bool charset_known(struct str name) { return iconv_name(name) != NULL; }

/* Adds whole characters of UTF-8, bad bytes as U+FFFD, while *room lasts. */
static void add_utf8(struct buf *out, struct str s, size_t *room)
{
    struct str fits = utf8_head(s, *room);
    if (utf8_valid(fits)) {
        buf_add(out, fits);
        *room = fits.n < s.n ? 0 : *room - fits.n;
        return;
    }
    while (s.n) {
        uint32_t cp;
        int n = utf8_next(s, &cp);
        size_t size = n > 0 ? (size_t)n : 3;
        if (size > *room) {
            *room = 0;
            return;
        }
        if (n > 0) buf_add(out, str_head(s, size));
        else buf_lit(out, "\xEF\xBF\xBD");
        *room -= size;
        s = str_skip(s, n > 0 ? size : 1);
    }
}

/* 0x80 - 0x9f; the five unassigned stay the C1 controls they are in iso-8859-1. */
static const uint16_t windows_1252[32] = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178,
};

static void add_windows_1252(struct buf *out, struct str s, size_t *room)
{
    size_t i = 0;
    while (i < s.n) {
        size_t from = i;
        while (i < s.n && (unsigned char)s.p[i] < 0x80) i++;
        size_t ascii = i - from < *room ? i - from : *room;
        buf_add(out, str_of(s.p + from, ascii));
        *room -= ascii;
        if (i >= s.n || ascii < i - from) return;
        unsigned char c = (unsigned char)s.p[i++];
        uint32_t cp = c < 0xA0 ? windows_1252[c - 0x80] : c;
        size_t size = cp < 0x800 ? 2 : 3;
        if (size > *room) {
            *room = 0;
            return;
        }
        utf8_put(out, cp);
        *room -= size;
    }
}

/* Every turn consumes input or ends: linear. */
static void add_converted(struct buf *out, iconv_t cd, struct str s, size_t *room)
{
    char *in = (char *)(uintptr_t)s.p; /* iconv's prototype lacks the const */
    size_t left = s.n;
    bool flushing = false;
    while (*room > 0 && !out->failed) {
        char chunk[512], *to = chunk;
        size_t space = sizeof chunk;
        size_t r = left > 0 ? iconv(cd, &in, &left, &to, &space) : iconv(cd, NULL, NULL, &to, &space);
        int error = r == (size_t)-1 ? errno : 0;
        flushing = flushing || left == 0;
        add_utf8(out, str_of(chunk, sizeof chunk - space), room);
        if (error == E2BIG) continue;
        if (error != 0) {
            add_utf8(out, S("\xEF\xBF\xBD"), room);
            if (error == EINVAL || left <= 1) return; /* cut off in the middle of a character */
            in++;
            left--;
            continue;
        }
        if (flushing && left == 0) return;
    }
}

int charset_to_utf8(struct buf *out, struct str charset, struct str bytes, size_t cap)
{
    const char *name = iconv_name(charset);
    if (name == as_windows_1252) {
        add_windows_1252(out, bytes, &cap);
        return 0;
    }
    if (name == as_utf8 && str_istarts(str_trim(charset), S("u")) && !str_ieq(str_trim(charset), S("us-ascii"))) {
        add_utf8(out, bytes, &cap);
        return 0;
    }
    iconv_t cd = name && name != as_utf8 ? iconv_open(as_utf8, name) : (iconv_t)-1;
    if (cd != (iconv_t)-1) {
        add_converted(out, cd, bytes, &cap);
        iconv_close(cd);
        return 0;
    }
    /* ASCII with other bytes in it, or a charset nobody knows. */
    if (utf8_valid(bytes)) add_utf8(out, bytes, &cap);
    else add_windows_1252(out, bytes, &cap);
    return name == as_utf8 ? 0 : ERR_UNSUPPORTED;
}
