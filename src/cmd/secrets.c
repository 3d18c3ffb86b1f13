/* The server's own secrets. */
#include "cmd/secrets.h"

#include "base/codec.h"

FIBER int secret_of_server(struct world *w, struct store *s, struct arena *a, struct str *out, struct error *e)
{
    unsigned char fresh[32];
    char text[2 * sizeof fresh];
    struct buf hex = BUF_OVER(text);
    world_random(w, fresh, sizeof fresh);
    hex_put(&hex, str_of(fresh, sizeof fresh));
    return store_setting(s, a, S("server_secret"), buf_str(&hex), out, e);
}

struct str secret_of_returns(struct arena *a, struct str server_secret)
{
    struct sha256 mac = sha256_hmac(server_secret, S("return addresses"));
    struct buf *hex = buf_in(a, 2 * sizeof mac);
    hex_put(hex, sha256_str(&mac));
    return buf_str(hex);
}
