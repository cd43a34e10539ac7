#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/epcis/event_text.h"

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
    const char *text;
    const char *utc; /* NULL: no time */
} times[] = {
    {"2025-01-06T08:03:45.125Z", "2025-01-06T08:03:45.125Z"},
    {"2025-01-06T08:03:45.125-05:00", "2025-01-06T13:03:45.125Z"},
    {"2025-01-06T08:03:45", "2025-01-06T08:03:45Z"},
    {"2025-01-06T08:03:45.10Z", "2025-01-06T08:03:45.10Z"},
    {"2025-01-06T08:03:45.000000000123Z", "2025-01-06T08:03:45.000000000Z"},
    {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
    {"1969-12-31T23:59:59.9Z", "1969-12-31T23:59:59.9Z"},
    {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
    {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},
    {"2024-02-29T00:00:00+14:00", "2024-02-28T10:00:00Z"},
    {"2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"},
    {"2023-03-01T00:30:00+01:00", "2023-02-28T23:30:00Z"},
    {"2024-12-31T24:00:00Z", "2025-01-01T00:00:00Z"},
    {"2024-12-31T24:00:00.1Z", NULL},
    {"2024-12-31T24:00:01Z", NULL},
    {"1900-02-29T00:00:00Z", NULL},
    {"2023-02-29T00:00:00Z", NULL},
    {"2023-13-01T00:00:00Z", NULL},
    {"2023-00-01T00:00:00Z", NULL},
    {"2023-01-00T00:00:00Z", NULL},
    {"2023-01-01T23:60:00Z", NULL},
    {"2023-01-01T23:59:60Z", NULL},
    {"2023-01-01T25:00:00Z", NULL},
    {"2023-01-01T00:00:00+14:01", NULL},
    {"2023-01-01T00:00:00+0100", NULL},
    {"2023-01-01T00:00:00 Z", NULL},
    {"2023-01-01T00:00:00.Z", NULL},
    {"2023-01-01 00:00:00Z", NULL},
    {"2023-01-01T00:00Z", NULL},
    {"2023-01-01", NULL},
    {"0000-01-01T00:00:00Z", NULL},
    {"-2023-01-01T00:00:00Z", NULL},
    {"12023-01-01T00:00:00Z", NULL},
    {"22-07-2026", NULL},
};

START_TEST(reads_and_writes_times)
{
    Epcis__V1__Time time;
    char text[EVENT_TIME_TEXT];
    enum err err = event_time_parse(times[_i].text, &time);
    ck_assert_msg(err == (times[_i].utc ? ERR_OK : ERR_INPUT), "%s", times[_i].text);
    event_time_text(&time, text);
    ck_assert_str_eq(text, times[_i].utc ? times[_i].utc : times[_i].text);
    if (!times[_i].utc) {
        ck_assert_ptr_eq(time.invalid_text, times[_i].text);
        ck_assert_int_eq(time.seconds, 0);
    }
}
END_TEST

START_TEST(known_instants)
{
    Epcis__V1__Time time;
    ck_assert_int_eq(event_time_parse("2001-09-09T01:46:40.123456789Z", &time), ERR_OK);
    ck_assert_int_eq(time.seconds, 1000000000);
    ck_assert_uint_eq(time.nanos, 123456789);
    ck_assert_uint_eq(time.fraction_digits, 9);
    ck_assert_int_eq(event_time_us(&time), 1000000000123456);
    ck_assert_int_eq(event_time_us(NULL), 0);
    ck_assert_int_eq(event_time_parse("1969-12-31T23:59:59.5Z", &time), ERR_OK);
    ck_assert_int_eq(time.seconds, -1);
    ck_assert_int_eq(event_time_us(&time), -500000);
}
END_TEST

START_TEST(times_that_no_document_says_are_bounded)
{
    Epcis__V1__Time time = EPCIS__V1__TIME__INIT;
    time.seconds = INT64_MAX;
    ck_assert(event_time_us(&time) == TIME_US_MAX);
    time.seconds = INT64_MIN;
    time.nanos = 999999999;
    ck_assert(event_time_us(&time) == -TIME_US_MAX);
    time.seconds = 253402300799;
    ck_assert(event_time_us(&time) == 253402300799999999);
}
END_TEST

START_TEST(long_texts_are_cut)
{
    Epcis__V1__Time time;
    char text[EVENT_TIME_TEXT], many[200];
    memset(many, '9', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    ck_assert_int_eq(event_time_parse(many, &time), ERR_INPUT);
    event_time_text(&time, text);
    ck_assert_uint_eq(strlen(text), sizeof text - 1);
    event_time_text(NULL, text);
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(names)
{
    ck_assert_str_eq(event_type_name(EPCIS__V1__EVENT_TYPE__EVENT_TYPE_ASSOCIATION), "AssociationEvent");
    ck_assert_str_eq(event_type_name(EPCIS__V1__EVENT_TYPE__EVENT_TYPE_UNSPECIFIED), "");
    ck_assert_str_eq(event_type_name((Epcis__V1__EventType)99), "");
    ck_assert_str_eq(event_action_name(EPCIS__V1__ACTION__ACTION_DELETE), "DELETE");
    ck_assert_str_eq(event_action_name((Epcis__V1__Action)99), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("epcis_text");
    TCase *tests = tcase_create("epcis_text");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, reads_and_writes_times, 0, ROWS(times));
    tcase_add_test(tests, known_instants);
    tcase_add_test(tests, times_that_no_document_says_are_bounded);
    tcase_add_test(tests, long_texts_are_cut);
    tcase_add_test(tests, names);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
