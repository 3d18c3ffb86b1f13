/* SipHash-2-4 (Aumasson and Bernstein, 2012) and CRC-32C (RFC 3720 §B.4 has test vectors). */
#include "base/hash.h"

static inline uint64_t rotl(uint64_t x, int b) { return (x << b) | (x >> (64 - b)); }

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = rotl(v[1], 13), v[1] ^= v[0], v[0] = rotl(v[0], 32);
    v[2] += v[3], v[3] = rotl(v[3], 16), v[3] ^= v[2];
    v[0] += v[3], v[3] = rotl(v[3], 21), v[3] ^= v[0];
    v[2] += v[1], v[1] = rotl(v[1], 17), v[1] ^= v[2], v[2] = rotl(v[2], 32);
}

static uint64_t load64(const char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w; /* little-endian hosts only; see the assertion below */
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "packed rows and packs are written little-endian");

static void sip_word(uint64_t v[4], uint64_t m)
{
    v[3] ^= m;
    sip_round(v);
    sip_round(v);
    v[0] ^= m;
}

uint64_t hash_sip(const struct hash_key *key, struct str s)
{
    uint64_t v[4] = {key->k[0] ^ 0x736f6d6570736575, key->k[1] ^ 0x646f72616e646f6d,
                     key->k[0] ^ 0x6c7967656e657261, key->k[1] ^ 0x7465646279746573};
    size_t whole = s.n / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) sip_word(v, load64(s.p + i));
    uint64_t last = (uint64_t)s.n << 56;
    for (size_t i = whole; i < s.n; i++) last |= (uint64_t)(unsigned char)s.p[i] << (8 * (i - whole));
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* One byte at a time through a table of 16 entries (nibbles): the portable way. */
static uint32_t crc_portable(uint32_t crc, struct str s)
{
    static const uint32_t nibble[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    for (size_t i = 0; i < s.n; i++) {
        crc ^= (unsigned char)s.p[i];
        crc = (crc >> 4) ^ nibble[crc & 15];
        crc = (crc >> 4) ^ nibble[crc & 15];
    }
    return crc;
}

#ifdef __x86_64__
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, struct str s)
{
    uint64_t c = crc;
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) c = _mm_crc32_u64(c, load64(s.p + i));
    crc = (uint32_t)c;
    for (; i < s.n; i++) crc = _mm_crc32_u8(crc, (unsigned char)s.p[i]);
    return crc;
}
#endif

uint32_t hash_crc32c(uint32_t crc, struct str s)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2")) return ~crc_sse42(~crc, s);
#endif
    return ~crc_portable(~crc, s);
}
