/* sendmail(1)'s input: any bytes become a letter of CRLF lines with a From and the body they had, or an error with
 * words; every recipient is an address; what has its domains gets no more. The words of a command line, too. */
#include "cmd/sendmail.h"
#include "cmd/sendmail_letter.h"

#include <stdlib.h>

#include "proto/imf/field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok) abort();
}

static void fuzz_words(struct arena *a, struct str text)
{
    enum { WORDS = 16 };
    char *argv[WORDS];
    int argc = 0;
    struct str word;
    while (text.n && argc < WORDS) {
        str_cut(text, '\n', &word, &text);
        argv[argc++] = arena_cstr(a, word);
    }
    struct sendmail_words w;
    struct error e = {0};
    if (sendmail_words(a, argc, argv, &w, &e) != 0) must(e.text[0]);
    else must(w.recipients.n <= (size_t)argc);
}

static void fuzz_list(struct arena *a, struct str list)
{
    struct buf *once = buf_in(a, 16 << 20), *twice = buf_in(a, 16 << 20);
    struct sendmail_letter l = {0};
    struct address sender;
    struct error e = {0};
    sendmail_complete(once, list, S("h.example"));
    sendmail_complete(twice, buf_str(once), S("h.example"));
    must(str_eq(buf_str(once), buf_str(twice)));
    if (sendmail_add(a, list, S("h.example"), &l, &e) != 0) must(e.text[0]);
    if (sendmail_sender(a, list, S("h.example"), &sender, &e) == 0 && !address_is_null(sender)) must(sender.domain.n);
}

static void fuzz_letter(struct arena *a, struct str text, unsigned flags)
{
    const struct sendmail_wishes wish = {.dot_ends = flags & 1,
                                         .from_header = flags & 2,
                                         .domain = S("h.example"),
                                         .author = {S("me"), S("h.example")},
                                         .name = S("Me")};
    struct sendmail_letter l = {0};
    struct error e = {0};
    if (sendmail_letter(a, text, &wish, &l, &e) != 0) {
        must(e.text[0]);
        return;
    }
    struct str letter = buf_str(l.bytes);
    struct address key;
    struct imf_field from;
    size_t at = 0;
    must(!l.bytes->failed && str_ends(letter, S("\r\n")));
    for (size_t i = 0; i < letter.n; i++) must(letter.p[i] != '\n' || (i > 0 && letter.p[i - 1] == '\r'));
    must(imf_find_field(letter, S("From"), &at, &from));
    must(imf_header_of(letter).separated);
    must(l.n_to == 0 || wish.from_header);
    for (size_t i = 0; i < l.n_to; i++) must(address_key(a, l.to[i], &key) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1 || n > 64 << 10) return 0;
    struct arena *a = arena_new(NULL, 0);
    struct str rest = str_of(data + 1, n - 1);
    if (data[0] & 4) fuzz_words(a, rest);
    else if (data[0] & 8) fuzz_list(a, rest);
    else fuzz_letter(a, rest, data[0]);
    arena_free(a);
    return 0;
}
