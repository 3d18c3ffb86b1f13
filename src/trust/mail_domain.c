/* MX, then A and AAAA (RFC 5321 §5.1), the null MX (RFC 7505), and the way back from an address to a name. */
#include "trust/mail_domain.h"

#include "mail/address.h"

static bool is_null_mx(const struct dns_answer *mx) /* RFC 7505 §3 */
{
    return mx->n == 1 && mx->records[0].name.n == 0;
}

FIBER enum mail_domain mail_domain_check(struct resolver *r, struct arena *a, struct str key)
{
    if (domain_is_literal(key)) return MAIL_DOMAIN_OK;
    struct dns_answer mx;
    if (dns_query(r, a, key, DNS_MX, &mx) != 0) return MAIL_DOMAIN_FAILURE;
    if (mx.status == DNS_FAILURE) return MAIL_DOMAIN_FAILURE;
    if (mx.status == DNS_NXDOMAIN) return MAIL_DOMAIN_NONE;
    if (mx.status == DNS_OK && mx.n > 0) return is_null_mx(&mx) ? MAIL_DOMAIN_NULL_MX : MAIL_DOMAIN_OK;

    struct ip address;
    size_t n;
    bool secure;
    enum dns_status host = dns_host(r, a, key, &address, 1, &n, &secure);
    if (host == DNS_FAILURE) return MAIL_DOMAIN_FAILURE;
    return host == DNS_OK && n > 0 ? MAIL_DOMAIN_OK : MAIL_DOMAIN_NONE;
}

enum { NAMES_TRIED = 3, ADDRESSES_TRIED = 16 };
#define SPAN_CLIENT_NAME SECONDS(10) /* then no further name is tried: a slow DNS must not hold up the letter */

static FIBER bool leads_back(struct resolver *r, struct arena *a, struct str name, struct ip client)
{
    struct ip found[ADDRESSES_TRIED];
    size_t n = 0;
    bool secure;
    if (dns_host(r, a, name, found, ADDRESSES_TRIED, &n, &secure) != DNS_OK) return false;
    for (size_t i = 0; i < n; i++)
        if (ip_eq(found[i], client)) return true;
    return false;
}

FIBER struct str mail_client_name(struct resolver *r, struct arena *a, struct ip client)
{
    struct dns_answer ptr;
    mono_us enough = loop_now() + SPAN_CLIENT_NAME;
    if (dns_query_ptr(r, a, client, &ptr) != 0 || ptr.status != DNS_OK) return S("");
    for (size_t i = 0; i < ptr.n && i < NAMES_TRIED && loop_now() < enough; i++)
        if (ptr.records[i].type == DNS_PTR && leads_back(r, a, ptr.records[i].name, client)) return ptr.records[i].name;
    return S("");
}
