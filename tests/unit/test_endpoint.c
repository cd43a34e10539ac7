/* Addresses of servers, and which of them stay on this machine. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/endpoint.h"

START_TEST(addresses_are_read)
{
    static const struct {
        const char *text, *host, *port;
    } right[] = {
        {"127.0.0.1:50051", "127.0.0.1", "50051"},
        {"[::1]:0", "::1", "0"},
        {"epcis.example.com:443", "epcis.example.com", "443"},
        {"unix:/run/epcisd.sock", "", "/run/epcisd.sock"},
        {"unix:relative", "", "relative"},
    };
    static const char *const wrong[] = {
        "",
        ":50051",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "::1:50051",
        "[]:1",
        "a:-1",
        "unix:",
        "127.0.0.1:99999999999999999999",
    };
    struct endpoint endpoint;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        ck_assert_int_eq(endpoint_parse(right[i].text, &endpoint), ERR_OK);
        ck_assert_str_eq(endpoint.host, right[i].host);
        ck_assert_str_eq(endpoint.port, right[i].port);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(endpoint_parse(wrong[i], &endpoint) == ERR_INPUT, "%s", wrong[i]);
    char path[128] = "unix:";
    memset(path + 5, 'a', 108);
    ck_assert_int_eq(endpoint_parse(path, &endpoint), ERR_INPUT);
    path[5 + 107] = '\0';
    ck_assert_int_eq(endpoint_parse(path, &endpoint), ERR_OK);
}
END_TEST

START_TEST(what_is_local_is_told)
{
    static const struct {
        const char *text;
        bool local;
    } cases[] = {
        {"127.0.0.1:1", true},      {"127.1.2.3:1", true},
        {"[::1]:1", true},          {"[::ffff:127.0.0.1]:1", true},
        {"unix:/tmp/socket", true}, {"0.0.0.0:1", false},
        {"[::]:1", false},          {"192.0.2.1:1", false},
        {"[2001:db8::1]:1", false}, {"128.0.0.1:1", false},
        {"no host:1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct endpoint endpoint;
        ck_assert_int_eq(endpoint_parse(cases[i].text, &endpoint), ERR_OK);
        ck_assert_msg(endpoint_is_local(&endpoint) == cases[i].local, "%s", cases[i].text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoint");
    TCase *tests = tcase_create("endpoint");
    tcase_add_test(tests, addresses_are_read);
    tcase_add_test(tests, what_is_local_is_told);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
