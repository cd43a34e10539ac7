/* Ed25519 by the vectors of RFC 8032 7.1, and what this program adds to it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/digest.h"
#include "common/base/signature.h"

static const struct {
    const char *seed, *public_key, *message, *signature;
} vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f"
     "0"
     "595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2ea"
     "e"
     "b4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e"
     "9"
     "716ed28dc027beceea1ec40a"},
};

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t bytes = strlen(hex) / 2;
    for (size_t i = 0; i < bytes; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return bytes;
}

/* The key of the first vector. */
static struct signature_key *known_key(void)
{
    uint8_t seed[SIGNATURE_SEED_BYTES];
    struct signature_key *key = NULL;
    from_hex(vectors[0].seed, seed);
    ck_assert_int_eq(signature_key_from_seed(seed, &key), ERR_OK);
    return key;
}

START_TEST(rfc_8032_vector)
{
    uint8_t seed[32], public_key[32], message[2], expected[64], signature[64];
    struct signature_key *key = NULL;
    from_hex(vectors[_i].seed, seed);
    from_hex(vectors[_i].public_key, public_key);
    from_hex(vectors[_i].signature, expected);
    size_t bytes = from_hex(vectors[_i].message, message);
    ck_assert_int_eq(signature_key_from_seed(seed, &key), ERR_OK);
    ck_assert_mem_eq(signature_key_public(key), public_key, sizeof public_key);
    ck_assert_int_eq(signature_make(key, "", message, bytes, signature), ERR_OK);
    ck_assert_mem_eq(signature, expected, sizeof expected);
    ck_assert(signature_ok(public_key, "", message, bytes, signature, sizeof signature));
    signature_key_free(&key);
}
END_TEST

START_TEST(the_domain_is_a_line_before_the_bytes)
{
    static const char bytes[] = "what is signed", whole[] = "epcisd test 1\nwhat is signed";
    uint8_t with_domain[64], alone[64];
    struct signature_key *key = known_key();
    const uint8_t *public_key = signature_key_public(key);
    ck_assert_int_eq(signature_make(key, "epcisd test 1", bytes, strlen(bytes), with_domain), ERR_OK);
    ck_assert_int_eq(signature_make(key, "", whole, strlen(whole), alone), ERR_OK);
    ck_assert_mem_eq(with_domain, alone, sizeof alone);
    ck_assert(signature_ok(public_key, "epcisd test 1", bytes, strlen(bytes), with_domain, 64));
    ck_assert(!signature_ok(public_key, "epcisd test 2", bytes, strlen(bytes), with_domain, 64));
    ck_assert(!signature_ok(public_key, "", bytes, strlen(bytes), with_domain, 64));
    signature_key_free(&key);
}
END_TEST

START_TEST(a_message_may_be_long)
{
    enum { BYTES = 100000 };
    uint8_t *message = calloc(1, BYTES), signature[64];
    struct signature_key *key = known_key();
    ck_assert_int_eq(signature_make(key, "epcisd test 1", message, BYTES, signature), ERR_OK);
    ck_assert(signature_ok(signature_key_public(key), "epcisd test 1", message, BYTES, signature, 64));
    message[BYTES - 1] = 1;
    ck_assert(!signature_ok(signature_key_public(key), "epcisd test 1", message, BYTES, signature, 64));
    signature_key_free(&key);
    free(message);
}
END_TEST

START_TEST(any_changed_bit_is_found)
{
    uint8_t message[] = "some bytes", signature[64], public_key[32];
    struct signature_key *key = known_key();
    memcpy(public_key, signature_key_public(key), sizeof public_key);
    ck_assert_int_eq(signature_make(key, "d", message, sizeof message, signature), ERR_OK);
    struct {
        uint8_t *data;
        size_t bytes;
    } parts[] = {{message, sizeof message}, {signature, sizeof signature}, {public_key, sizeof public_key}};
    for (size_t part = 0; part < sizeof parts / sizeof parts[0]; part++) {
        for (size_t bit = 0; bit < 8 * parts[part].bytes; bit++) {
            uint8_t *byte = &parts[part].data[bit / 8];
            *byte ^= (uint8_t)(1 << bit % 8);
            ck_assert_msg(!signature_ok(public_key, "d", message, sizeof message, signature, 64),
                          "part %zu, bit %zu", part, bit);
            *byte ^= (uint8_t)(1 << bit % 8);
        }
    }
    ck_assert(signature_ok(public_key, "d", message, sizeof message, signature, 64));
    ck_assert(!signature_ok(public_key, "d", message, sizeof message, signature, 63));
    ck_assert(!signature_ok(public_key, "d", message, sizeof message, signature, 0));
    signature_key_free(&key);
}
END_TEST

START_TEST(keys_go_through_pem)
{
    char pem[SIGNATURE_PEM_MAX];
    struct signature_key *key = NULL, *again = NULL, *other = NULL;
    ck_assert_int_eq(signature_key_make(&key), ERR_OK);
    ck_assert_int_eq(signature_key_make(&other), ERR_OK);
    ck_assert_mem_ne(signature_key_public(key), signature_key_public(other), SIGNATURE_PUBLIC_BYTES);
    ck_assert_int_eq(signature_key_write(key, pem), ERR_OK);
    ck_assert_int_eq(signature_key_read(pem, strlen(pem), &again), ERR_OK);
    ck_assert_mem_eq(signature_key_public(key), signature_key_public(again), SIGNATURE_PUBLIC_BYTES);
    ck_assert_str_eq(signature_key_id(key), signature_key_id(again));
    signature_key_free(&again);
    ck_assert_int_eq(signature_key_read(pem, strlen(pem) / 2, &again), ERR_INPUT);
    ck_assert_int_eq(signature_key_read("", 0, &again), ERR_INPUT);
    ck_assert_ptr_null(again);
    signature_key_free(&key);
    signature_key_free(&other);
}
END_TEST

/* Written with `openssl pkey -pubout` from the second vector's seed. */
static const char public_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                                 "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n"
                                 "-----END PUBLIC KEY-----\n";

START_TEST(public_keys_are_read_from_pem_and_hex)
{
    uint8_t expected[32], public_key[32];
    char hex[80];
    snprintf(hex, sizeof hex, "  %s\n", vectors[1].public_key);
    from_hex(vectors[1].public_key, expected);
    ck_assert_int_eq(signature_public_read(hex, strlen(hex), public_key), ERR_OK);
    ck_assert_mem_eq(public_key, expected, sizeof expected);
    memset(public_key, 0, sizeof public_key);
    ck_assert_int_eq(signature_public_read(public_pem, strlen(public_pem), public_key), ERR_OK);
    ck_assert_mem_eq(public_key, expected, sizeof expected);
    hex[10] = 'g';
    ck_assert_int_eq(signature_public_read(hex, strlen(hex), public_key), ERR_INPUT);
    ck_assert_int_eq(signature_public_read(hex, 20, public_key), ERR_INPUT);
    ck_assert_int_eq(signature_public_read("", 0, public_key), ERR_INPUT);
}
END_TEST

START_TEST(a_key_id_begins_its_digest)
{
    struct signature_key *key = known_key();
    /* printf KEY | xxd -r -p | sha256sum | head -c 16 */
    ck_assert_str_eq(signature_key_id(key), "21fe31dfa154a261");
    signature_key_free(&key);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("signature");
    TCase *tests = tcase_create("signature");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, rfc_8032_vector, 0, sizeof vectors / sizeof vectors[0]);
    tcase_add_test(tests, the_domain_is_a_line_before_the_bytes);
    tcase_add_test(tests, a_message_may_be_long);
    tcase_add_test(tests, any_changed_bit_is_found);
    tcase_add_test(tests, keys_go_through_pem);
    tcase_add_test(tests, public_keys_are_read_from_pem_and_hex);
    tcase_add_test(tests, a_key_id_begins_its_digest);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
