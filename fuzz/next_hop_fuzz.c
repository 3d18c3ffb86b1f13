/* Routes as owners write them (mail/next_hop): what is read has a key that is read as the same. */
#include <stdlib.h>

#include "base/utf8.h"
#include "mail/next_hop.h"

static void must(bool what)
{
    if (!what) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(NULL, 0);
    struct next_hop hop, again;
    struct error e = {0};
    int r = next_hop_parse(a, arena_str(a, str_of(data, size)), &hop, &e);
    must(r == 0 || (r == ERR_SYNTAX && e.text[0]));
    if (r == 0) {
        must(str_is_ascii(hop.key) && str_is_ascii(hop.host) && str_is_ascii(hop.text) && hop.user.n == 0);
        must(hop.kind != HOP_REFUSE || hop.text.n > 0);
        must(hop.kind != HOP_HOST || hop.host.n > 0);
        must(hop.kind == HOP_HOST || (!hop.lmtp && !hop.tls_first && hop.port == 0));
    }
    if (r == 0 && hop.kind == HOP_HOST) {
        must(next_hop_parse(a, hop.key, &again, &e) == 0);
        must(str_eq(again.key, hop.key) && str_eq(again.host, hop.host) && again.port == hop.port);
        must(again.lmtp == hop.lmtp && again.tls_first == hop.tls_first);
    }
    arena_free(a);
    return 0;
}
