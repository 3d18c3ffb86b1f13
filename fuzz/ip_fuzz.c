/* Network addresses as text: what is read is written in one form, and that form reads back as the same address. */
#include <stdlib.h>

#include "mail/ip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size), host;
    struct ip ip, again;
    struct ip_prefix prefix;
    uint16_t port;
    endpoint_split(text, &host, &port);
    if (ip_prefix_parse(text, &prefix) == 0 && !ip_within(prefix.ip, prefix)) abort();
    if (ip_parse(text, &ip) != 0) return 0;
    char form[64];
    struct buf b = BUF_OVER(form);
    ip_put(&b, ip);
    if (b.failed || ip_parse(buf_str(&b), &again) != 0 || !ip_eq(ip, again)) abort();
    return 0;
}
