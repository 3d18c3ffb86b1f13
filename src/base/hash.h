/* Short hashes: SipHash-2-4 for tables whose keys an attacker may choose, CRC32C for stored records. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

struct hash_key {
    uint64_t k[2]; /* random, from io's world; equal keys give equal orders (the simulation relies on it) */
};

uint64_t hash_sip(const struct hash_key *key, struct str s);

/* CRC-32C (Castagnoli). Start with crc = 0; feed on with the last result. */
uint32_t hash_crc32c(uint32_t crc, struct str s);

#endif
