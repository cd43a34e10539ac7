#include <check.h>
#include <stdlib.h>

#include "common/base/json_text.h"

static void check_text(const char *text, const char *expected)
{
    struct buffer buffer = {0};
    json_append_string(&buffer, text);
    buffer_append(&buffer, "", 1);
    ck_assert_str_eq((char *)buffer.data, expected);
    buffer_free(&buffer);
}

START_TEST(escapes_what_json_forbids)
{
    check_text("", "\"\"");
    check_text(NULL, "null");
    check_text("urn:epc:id:sgtin:1.2.3", "\"urn:epc:id:sgtin:1.2.3\"");
    check_text("a\"b\\c\b\f\n\r\t/d", "\"a\\\"b\\\\c\\b\\f\\n\\r\\t/d\"");
    check_text("\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"");
}
END_TEST

START_TEST(keeps_utf8_and_replaces_what_is_none)
{
    check_text("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
    check_text("\xff", "\"\\ufffd\"");
    check_text("\xc0\x80", "\"\\ufffd\\ufffd\"");                       /* overlong NUL */
    check_text("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");            /* surrogate */
    check_text("\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""); /* above U+10FFFF */
    check_text("x\xe2\x82", "\"x\\ufffd\\ufffd\"");                     /* cut off */
    check_text("\xf0\x9f\x98", "\"\\ufffd\\ufffd\\ufffd\"");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_text");
    TCase *tests = tcase_create("json_text");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, escapes_what_json_forbids);
    tcase_add_test(tests, keeps_utf8_and_replaces_what_is_none);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
