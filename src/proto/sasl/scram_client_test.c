#include "base/test.h"
#include "proto/sasl/scram_client.h"

/* RFC 7677 §3 */
#define SERVER_FIRST "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

static struct str begin(struct arena *a, struct scram_client *c)
{
    return scram_client_first(a, c, S("user"), S("rOprNGfwEbeRWgbNEkqO"));
}

static void example_of_the_rfc(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct scram_client c;
    struct str final;
    assert_str(begin(a, &c), S("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
    assert_int_equal(scram_client_final(a, &c, S("pencil"), S(SERVER_FIRST), &final), 0);
    assert_str(final, S("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
    assert_int_equal(scram_client_verify(&c, S("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")), 0);
    assert_int_equal(scram_client_verify(&c, S("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,x=y")), 0);
    assert_int_equal(scram_client_verify(&c, S("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")), ERR_DENIED);
    assert_int_equal(scram_client_verify(&c, S("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95A==")), ERR_DENIED);
    assert_int_equal(scram_client_verify(&c, S("e=invalid-proof")), ERR_DENIED);
    assert_int_equal(scram_client_verify(&c, S("")), ERR_DENIED);
    arena_free(a);
}

static void servers_that_are_wrong(void **state)
{
    (void)state;
    static const struct {
        struct str first;
        int result;
    } cases[] = {
        {S_INIT("r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), ERR_SYNTAX},  /* added nothing */
        {S_INIT("r=xOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), ERR_SYNTAX}, /* not ours */
        {S_INIT("r=rOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1"), ERR_DENIED},
        {S_INIT("r=rOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000"), ERR_DENIED},
        {S_INIT("r=rOprNGfwEbeRWgbNEkqOabc,s=W22Z!,i=4096"), ERR_SYNTAX},
        {S_INIT("r=rOprNGfwEbeRWgbNEkqOabc,s=,i=4096"), ERR_SYNTAX},
        {S_INIT("r=rOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-4096"), ERR_SYNTAX},
        {S_INIT("m=ext,r=rOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), ERR_SYNTAX},
        {S_INIT("e=other-error"), ERR_SYNTAX},
        {S_INIT(""), ERR_SYNTAX},
    };
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scram_client c;
        struct str final;
        begin(a, &c);
        assert_int_equal(scram_client_final(a, &c, S("pencil"), cases[i].first, &final), cases[i].result);
    }
    arena_free(a);
}

static void names_are_escaped(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct scram_client c;
    assert_str(scram_client_first(a, &c, S("a=b,c"), S("xyz")), S("n,,n=a=3Db=2Cc,r=xyz"));
    arena_free(a);
}

static void every_cut_of_the_server_first_is_survived(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    for (size_t n = 0; n < sizeof SERVER_FIRST - 1; n++) {
        struct scram_client c;
        struct str final, cut = arena_str(a, str_of(SERVER_FIRST, n));
        begin(a, &c);
        assert_true(scram_client_final(a, &c, S("pencil"), cut, &final) < 0);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_of_the_rfc),
        cmocka_unit_test(servers_that_are_wrong),
        cmocka_unit_test(names_are_escaped),
        cmocka_unit_test(every_cut_of_the_server_first_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
