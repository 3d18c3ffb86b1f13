/* Session and transaction to facts. */
#include "wire/smtp_facts.h"

struct transaction smtp_facts(const struct smtp_session *s, const struct smtp_tx *tx)
{
    const struct tls_facts *tls = stream_tls(s->io);
    struct transaction t = {
        .session = s->id,
        .at = clock_utc(loop_world(loop_self())),
        .client = s->peer.ip,
        .helo = s->helo,
        .lmtp = s->service->kind == SMTP_LMTP,
        .esmtp = s->esmtp,
        .trusted = s->trusted,
        .user = s->known ? s->who.login : S(""),
        .tls_version = str_c(tls->version),
        .tls_cipher = str_c(tls->cipher),
        .account = s->who.account,
    };
    if (tx) {
        t.id = tx->id;
        t.from = tx->from;
    }
    return t;
}
