/* Reading PROXY headers: exactly their bytes, as what follows belongs to the protocol behind, or to TLS. */
#include "wire/proxy.h"

#include "mail/limits.h"

/* Version 1, of which `line` holds n bytes already: up to its CRLF. */
static FIBER int read_line(struct stream *s, char line[PROXY_V1_MAX], size_t n, struct proxy_header *out)
{
    while (n < 2 || line[n - 2] != '\r' || line[n - 1] != '\n') {
        if (n == PROXY_V1_MAX) return ERR_SYNTAX;
        int e = stream_read(s, line + n++, 1);
        if (e) return e;
    }
    return proxy_parse_line(str_of(line, n - 2), out);
}

static FIBER int read_binary(struct stream *s, unsigned char head[PROXY_V2_HEAD], struct proxy_header *out)
{
    char body[PROXY_V2_MAX];
    int e = stream_read(s, head + proxy_v2_signature.n, PROXY_V2_HEAD - proxy_v2_signature.n);
    int length = e ? e : proxy_v2_length(head);
    if (length < 0) return length;
    e = stream_read(s, body, (size_t)length);
    return e ? e : proxy_parse_binary(head, str_of(body, (size_t)length), out);
}

FIBER int proxy_accept(struct stream *s, struct proxy_header *out)
{
    char begin[PROXY_V1_MAX];
    size_t n = proxy_v2_signature.n; /* shorter than any line of version 1 */
    stream_deadline(s, loop_now() + TIMEOUT_PROXY);
    int e = stream_read(s, begin, n);
    if (e) return e;
    if (str_eq(str_of(begin, n), proxy_v2_signature)) e = read_binary(s, (unsigned char *)begin, out);
    else if (str_starts(str_of(begin, n), S("PROXY "))) e = read_line(s, begin, n, out);
    else e = ERR_SYNTAX;
    if (e) return e;
    stream_set_peer(s, out->source);
    return out->named ? stream_count_as(s, out->source.ip) : 0;
}
