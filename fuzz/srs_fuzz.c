/* Return addresses of forwarded mail (queue, docs: "Forwarding"): any local part taken for one is refused or was made
 * by us; any sender is named so that it is found again. */
#include <stdlib.h>

#include "mail/limits.h"
#include "proto/smtp/srs.h"

#define NOW SECONDS(INT64_C(1795860000))

static void must(bool what)
{
    if (!what) abort();
}

/* Wrapped once it is not wrapped again by the next, and only its writer unwraps it. */
static void there_and_back(struct arena *a, struct address sender)
{
    struct address made, back, again, key;
    struct str domain, local;
    if (local_key(a, sender.local, &local) != 0) return; /* no path says such a name (RFC 5321 §4.1.2) */
    if (srs_forward(a, S("secret"), sender, S("ours.example"), NOW, &made) != 0) return;
    must(srs_is(made.local) && address_str(a, made).n <= LIMIT_PATH);
    int r = srs_reverse(a, S("secret"), made, NOW, &back);
    if (domain_key(a, sender.domain, &domain) != 0) return; /* nobody can be written to there */
    must(r == 0);
    must(srs_reverse(a, S("another"), made, NOW, &again) == ERR_DENIED);
    if (str_istarts(made.local, S("SRS0"))) must(str_eq(back.local, sender.local) && str_eq(back.domain, domain));
    else must(str_istarts(back.local, S("SRS0")) && domain_key(a, back.domain, &key.domain) == 0);
    if (srs_forward(a, S("secret"), made, S("ours.example"), NOW, &again) == 0 && str_istarts(made.local, S("SRS1")))
        must(str_eq(again.local, made.local));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(NULL, 0);
    struct str in = arena_str(a, str_of(data, size));
    struct address back, sender;
    int r = srs_reverse(a, S("secret"), (struct address){in, S("ours.example")}, NOW, &back);
    must(r == 0 || r == ERR_SYNTAX || r == ERR_DENIED || r == ERR_TIMEOUT);
    must(r == ERR_SYNTAX || srs_is(in));
    str_cut(in, '@', &sender.local, &sender.domain);
    if (sender.local.n && sender.domain.n) there_and_back(a, sender);
    arena_free(a);
    return 0;
}
