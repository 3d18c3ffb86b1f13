/* Digests against published vectors. */
#include "base/digest.h"

#include "base/codec.h"
#include "base/test.h"

#include <stdlib.h>

static void assert_digest(struct sha256 d, const char *hex)
{
    struct buf b = BUF(64);
    hex_put(&b, sha256_str(&d));
    assert_str(buf_str(&b), str_c(hex));
    buf_free(&b);
}

static void sha256_vectors(void **state)
{
    (void)state;
    static const struct {
        struct str s;
        const char *hex;
    } cases[] = { /* FIPS 180-4 examples */
        {{NULL, 0}, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {S_INIT("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {S_INIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_digest(sha256_of(cases[i].s), cases[i].hex);
        for (size_t cut = 0; cut <= cases[i].s.n; cut++) {
            struct sha256_stream *h = sha256_begin();
            sha256_feed(h, str_head(cases[i].s, cut));
            sha256_feed(h, str_skip(cases[i].s, cut));
            assert_digest(sha256_end(h), cases[i].hex);
        }
    }
}

static void hmac_vectors(void **state) /* RFC 4231 §4 */
{
    (void)state;
    assert_digest(sha256_hmac(S("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"),
                              S("Hi There")),
                  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_digest(sha256_hmac(S("Jefe"), S("what do ya want for nothing?")),
                  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    char key[131];
    memset(key, 0xaa, sizeof key);
    assert_digest(sha256_hmac(str_of(key, sizeof key), S("Test Using Larger Than Block-Size Key - Hash Key First")),
                  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_digest(sha256_hmac(STR_NONE, STR_NONE), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void pbkdf2_vectors(void **state)
{
    (void)state;
    assert_digest(sha256_pbkdf2(S("passwd"), S("salt"), 1), /* RFC 7914 §11, the first block */
                  "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    assert_digest(sha256_pbkdf2(S("password"), S("salt"), 4096),
                  "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
}

static void scram_keys(void **state) /* RFC 7677 §3: the whole exchange, from these three functions */
{
    (void)state;
    struct buf salt = BUF(16), proof = BUF(44);
    assert_int_equal(base64_decode(&salt, S("W22ZaJ0SNY7soEsUEjb6gQ==")), 0);
    struct sha256 salted = sha256_pbkdf2(S("pencil"), buf_str(&salt), 4096);
    struct sha256 client_key = sha256_hmac(sha256_str(&salted), S("Client Key"));
    struct sha256 stored_key = sha256_of(sha256_str(&client_key));
    struct sha256 signature = sha256_hmac(
        sha256_str(&stored_key), S("n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                   "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
                                   "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"));
    for (int i = 0; i < SHA256_SIZE; i++) client_key.b[i] ^= signature.b[i];
    base64_put(&proof, sha256_str(&client_key));
    assert_str(buf_str(&proof), S("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
    buf_free(&salt);
    buf_free(&proof);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),
        cmocka_unit_test(hmac_vectors),
        cmocka_unit_test(pbkdf2_vectors),
        cmocka_unit_test(scram_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
