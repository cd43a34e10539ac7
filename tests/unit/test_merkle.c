/* Merkle trees against RFC 6962, whose definitions were worked out for these leaves by another program, and
 * paths against the roots that they must lead to. */
#include <check.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/merkle.h"

enum { LEAVES_MAX = 70 };

static uint8_t leaves[LEAVES_MAX][DIGEST_BYTES];

static void setup(void)
{
    for (int i = 0; i < LEAVES_MAX; i++) {
        uint8_t byte = (uint8_t)i;
        digest_of(&byte, 1, leaves[i]);
    }
}

static const uint8_t (*const_leaves(void))[DIGEST_BYTES]
{
    return (const uint8_t(*)[DIGEST_BYTES])leaves;
}

static void assert_digest(const uint8_t *digest, size_t bytes, const char *wanted)
{
    char hex[DIGEST_HEX + 1];
    digest_hex(digest, bytes, hex);
    ck_assert_str_eq(hex, wanted);
}

START_TEST(roots_are_the_rfcs)
{
    static const char *const wanted[] = {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "d9de27625445003d8a9739a851e3ff8d41c0683630b4d63a88327a6aaa37c409",
        "604d540f09268b91672ab011394d5266ccd7d4484d0d109411a55848126a1b2c",
        "d1f13800048f5909d4043fc0c152f6643280cba608b672715e56ce159a20629f",
        "0dcc2b645c00dfa2338e1c7ac2c4b570beda5a476d58836e55e28bde55e6bee1",
        "6b313b611b40676b9e1dfd70c4503f2379f88f0f1c2740fb7e1cacc32c113465",
        "33d501ae67e6e5745c0aa49e3aff95130969b568208b07210c508caa5ff39b3c",
        "bee2275db16667589a4515f63e0d053a2fa602c1d9f9703e98920a5bdad59baf",
    };
    for (size_t count = 0; count < sizeof wanted / sizeof wanted[0]; count++) {
        uint8_t root[DIGEST_BYTES];
        merkle_root(const_leaves(), count, root);
        assert_digest(root, sizeof root, wanted[count]);
    }
}
END_TEST

START_TEST(paths_are_the_rfcs)
{
    static const struct {
        size_t index, length;
        const char *starts[3]; /* first eight bytes of each hash */
    } wanted[] = {
        {0, 3, {"9d1843c1a24a654a", "22e77bd10c45b927", "8da0dadfa0aaea7d"}},
        {3, 3, {"27d02c8f713c90ea", "604d540f09268b91", "8da0dadfa0aaea7d"}},
        {4, 3, {"d43e0bc415d9fa5b", "f00d6bcebbc5b0e3", "0dcc2b645c00dfa2"}},
        {6, 2, {"8759d0890547f393", "0dcc2b645c00dfa2"}},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        uint8_t path[MERKLE_PATH_MAX][DIGEST_BYTES];
        ck_assert_uint_eq(merkle_path(const_leaves(), 7, wanted[i].index, path), wanted[i].length);
        for (size_t step = 0; step < wanted[i].length; step++)
            assert_digest(path[step], 8, wanted[i].starts[step]);
    }
}
END_TEST

/* As RFC 9162 section 2.1.3.2 has it: from the leaf up, on the side that its number tells. */
static void root_by_path(const uint8_t *leaf, size_t index, size_t count,
                         uint8_t path[MERKLE_PATH_MAX][DIGEST_BYTES], size_t length,
                         uint8_t out[DIGEST_BYTES])
{
    uint8_t text[1 + 2 * DIGEST_BYTES] = {0};
    size_t last = count - 1;
    memcpy(text + 1, leaf, DIGEST_BYTES);
    digest_of(text, 1 + DIGEST_BYTES, out);
    for (size_t step = 0; step < length; step++, index /= 2, last /= 2) {
        bool right = index % 2 || index == last;
        while (index % 2 == 0 && index == last && index) {
            index /= 2;
            last /= 2;
        }
        text[0] = 1;
        memcpy(text + 1, right ? path[step] : out, DIGEST_BYTES);
        memcpy(text + 1 + DIGEST_BYTES, right ? out : path[step], DIGEST_BYTES);
        digest_of(text, sizeof text, out);
    }
}

START_TEST(every_path_leads_to_the_root)
{
    for (size_t count = 1; count <= LEAVES_MAX; count++) {
        uint8_t root[DIGEST_BYTES];
        merkle_root(const_leaves(), count, root);
        for (size_t index = 0; index < count; index++) {
            uint8_t path[MERKLE_PATH_MAX][DIGEST_BYTES], got[DIGEST_BYTES];
            size_t length = merkle_path(const_leaves(), count, index, path);
            root_by_path(leaves[index], index, count, path, length, got);
            ck_assert_mem_eq(got, root, DIGEST_BYTES);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("merkle");
    TCase *tests = tcase_create("merkle");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, roots_are_the_rfcs);
    tcase_add_test(tests, paths_are_the_rfcs);
    tcase_add_test(tests, every_path_leads_to_the_root);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
