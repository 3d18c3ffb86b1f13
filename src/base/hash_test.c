/* SipHash and CRC-32C against published vectors. The source is included, to reach the portable CRC where the processor
 * has an instruction for it. */
#include "base/hash.c"

#include "base/test.h"

static void siphash_vectors(void **state)
{
    (void)state;
    /* Key 00..0f, input 00 01 02 … of the length that is the index (reference implementation, vectors_sip64). */
    static const uint64_t expected[] = {
        0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d, 0xcf2794e0277187b7,
        0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462, 0x9e0082df0ba9e4b0,
        0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7, 0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee,
        0xa129ca6149be45e5,
    };
    const struct hash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};
    char input[64];
    for (size_t i = 0; i < sizeof input; i++) input[i] = (char)i;
    for (size_t n = 0; n < sizeof expected / sizeof *expected; n++)
        assert_true(hash_sip(&key, str_of(input, n)) == expected[n]);
    assert_true(hash_sip(&key, STR_NONE) == expected[0]);
    assert_true(hash_sip(&key, str_of(input, 63)) == 0x958a324ceb064572);
    char shifted[65];
    for (size_t n = 0; n < 64; n++) { /* any alignment */
        memcpy(shifted + 1, input, n);
        assert_true(hash_sip(&key, str_of(shifted + 1, n)) == hash_sip(&key, str_of(input, n)));
    }
}

static void crc_vectors(void **state)
{
    (void)state;
    char zeros[32] = {0}, ones[32], up[32], down[32];
    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++) up[i] = (char)i, down[i] = (char)(31 - i);
    const struct {
        struct str s;
        uint32_t crc;
    } cases[] = {
        /* RFC 3720 §B.4 */
        {str_of(zeros, 32), 0x8a9136aa}, {str_of(ones, 32), 0x62a8ab43}, {str_of(up, 32), 0x46dd794e},
        {str_of(down, 32), 0x113fdb5c},  {S("123456789"), 0xe3069283},   {S(""), 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str s = cases[i].s;
        assert_int_equal(hash_crc32c(0, s), cases[i].crc);
        assert_int_equal(~crc_portable(~0u, s), cases[i].crc);
        for (size_t cut = 0; cut <= s.n; cut++)
            assert_int_equal(hash_crc32c(hash_crc32c(0, str_head(s, cut)), str_skip(s, cut)), cases[i].crc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(siphash_vectors), cmocka_unit_test(crc_vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
