/* The request decoder over bytes cut in every way. */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "epcis/v1/capture_service.pb-c.h"
#include "server/front/capture_request.h"

/* Runs of `step` bytes each, the last one shorter; step 0: one byte, then an empty run, and so on. */
struct cuts {
    const uint8_t *data;
    size_t size;
    size_t step;
};

static void run_at(const void *runs, size_t index, const uint8_t **data, size_t *length)
{
    const struct cuts *cuts = runs;
    if (cuts->step == 0) {
        *data = cuts->data + index / 2;
        *length = index % 2 ? 0 : 1;
        return;
    }
    *data = cuts->data + index * cuts->step;
    *length = cuts->size - index * cuts->step < cuts->step ? cuts->size - index * cuts->step : cuts->step;
}

static struct cursor_source source_of(const struct cuts *cuts)
{
    size_t count = cuts->step == 0 ? 2 * cuts->size : (cuts->size + cuts->step - 1) / cuts->step;
    return (struct cursor_source){.runs = cuts, .count = count, .run_at = run_at};
}

START_TEST(requests_are_read_however_they_are_cut)
{
    Epcis__V1__CaptureRequest message = EPCIS__V1__CAPTURE_REQUEST__INIT;
    uint8_t document[300], packed[400], got[300];
    for (size_t i = 0; i < sizeof document; i++)
        document[i] = (uint8_t)i;
    message.document = (ProtobufCBinaryData){.len = sizeof document, .data = document};
    message.partner = "0614141000005";
    size_t size = epcis__v1__capture_request__pack(&message, packed);
    for (size_t step = 0; step <= size; step++) {
        struct cuts cuts = {packed, size, step};
        struct cursor_source source = source_of(&cuts);
        struct cursor cursor;
        struct capture_request request;
        const char *why;
        cursor_init(&cursor, &source);
        ck_assert_int_eq(capture_request_read(&cursor, &request, &why), ERR_OK);
        ck_assert_str_eq(request.partner, message.partner);
        ck_assert_uint_eq(request.document.left, sizeof document);
        cursor_copy(&request.document, got);
        ck_assert_mem_eq(got, document, sizeof document);
        /* Cut off anywhere it is malformed, but between its fields. */
        if (step == 0)
            continue;
        for (size_t end = 1; end < size; end++) {
            bool between = end == sizeof document + 3;
            cuts.size = end;
            source = source_of(&cuts);
            cursor_init(&cursor, &source);
            ck_assert_int_eq(capture_request_read(&cursor, &request, &why), between ? ERR_OK : ERR_INPUT);
        }
    }
}
END_TEST

/* What is read borrows the source, until the next call. */
static enum err read_request(const char *bytes, size_t size, struct capture_request *out)
{
    static struct cuts cuts;
    static struct cursor_source source;
    cuts = (struct cuts){(const uint8_t *)bytes, size, 1};
    source = source_of(&cuts);
    struct cursor cursor;
    const char *why;
    cursor_init(&cursor, &source);
    return capture_request_read(&cursor, out, &why);
}

START_TEST(the_last_of_several_counts)
{
    struct capture_request request;
    char got;
    ck_assert_int_eq(read_request("\x0a\x01"
                                  "a"
                                  "\x12\x01"
                                  "1"
                                  "\x0a\x01"
                                  "b"
                                  "\x12\x01"
                                  "2",
                                  12, &request),
                     ERR_OK);
    ck_assert_uint_eq(request.document.left, 1);
    cursor_copy(&request.document, &got);
    ck_assert_int_eq(got, 'b');
    ck_assert_str_eq(request.partner, "2");
}
END_TEST

START_TEST(terms_are_read)
{
    struct capture_request request;
    ck_assert_int_eq(read_request("\x18\x02\x20\x01", 4, &request), ERR_OK);
    ck_assert(request.terms.rollback && request.terms.validate_only);
    ck_assert_int_eq(read_request("\x18\x01", 2, &request), ERR_OK);
    ck_assert(!request.terms.rollback && !request.terms.validate_only);
    ck_assert_int_eq(read_request("\x18\x03", 2, &request), ERR_INPUT);
    ck_assert_int_eq(read_request("\x20", 1, &request), ERR_INPUT);
}
END_TEST

START_TEST(unknown_fields_are_passed_over)
{
    struct capture_request request;
    /* 15: varint, 4: fixed64, 5: bytes, 6: fixed32, 1 as a varint */
    ck_assert_int_eq(read_request("\x78\x96\x01"
                                  "\x21"
                                  "12345678"
                                  "\x2a\x02"
                                  "xy"
                                  "\x35"
                                  "1234"
                                  "\x08\x05"
                                  "\x0a\x01"
                                  "a",
                                  26, &request),
                     ERR_OK);
    ck_assert_uint_eq(request.document.left, 1);
    ck_assert_str_eq(request.partner, "");
}
END_TEST

START_TEST(malformed_requests_are_refused)
{
    static const struct {
        const char *bytes;
        size_t size;
    } malformed[] = {
        {"\x00", 1},     /* field 0 */
        {"\x0b", 1},     /* a group */
        {"\x0f\x00", 2}, /* wire type 7 */
        {"\x0a", 1},     /* no length */
        {"\x0a\x02"
         "a",
         3},                                                  /* too short */
        {"\x18", 1},                                          /* no number */
        {"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11}, /* 65 bits */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* a length of 2^64 - 1 */
        {"\x21"
         "1234567",
         8},                                 /* half a fixed64 */
        {"\xfa\xff\xff\xff\xff\x0f\x00", 7}, /* a field number beyond 32 bits */
        {"\x12\x03"
         "1\0002",
         5}, /* NUL in the partner */
    };
    struct capture_request request;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        ck_assert_int_eq(read_request(malformed[i].bytes, malformed[i].size, &request), ERR_INPUT);
    ck_assert_int_eq(read_request("", 0, &request), ERR_OK);
    ck_assert_uint_eq(request.document.left, 0);
}
END_TEST

static enum err read_step(const char *bytes, size_t size, struct capture_stream_request *out)
{
    struct cuts cuts = {(const uint8_t *)bytes, size, 1};
    struct cursor_source source = source_of(&cuts);
    struct cursor cursor;
    const char *why;
    cursor_init(&cursor, &source);
    return capture_stream_request_read(&cursor, out, &why);
}

START_TEST(a_stream_message_holds_one_step)
{
    struct capture_stream_request request;
    ck_assert_int_eq(read_step("\x0a\x00", 2, &request), ERR_OK);
    ck_assert_int_eq(request.step, CAPTURE_STEP_START);
    ck_assert_int_eq(read_step("\x12\x00", 2, &request), ERR_OK);
    ck_assert_int_eq(request.step, CAPTURE_STEP_PIECE);
    ck_assert_int_eq(read_step("", 0, &request), ERR_INPUT);
    ck_assert_int_eq(read_step("\x0a\x00\x12\x00", 4, &request), ERR_INPUT);
    ck_assert_int_eq(read_step("\x1a\x02\x08\x05", 4, &request), ERR_INPUT); /* a finish without digest */
    ck_assert_int_eq(read_step("\x1a\x24\x08\x05\x12\x20"
                               "0123456789abcdef0123456789abcdef",
                               38, &request),
                     ERR_OK);
    ck_assert_int_eq(request.step, CAPTURE_STEP_FINISH);
    ck_assert_uint_eq(request.length, 5);
    ck_assert_mem_eq(request.sha256, "0123456789abcdef", 16);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("front_cursor");
    TCase *tests = tcase_create("front_cursor");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, requests_are_read_however_they_are_cut);
    tcase_add_test(tests, the_last_of_several_counts);
    tcase_add_test(tests, terms_are_read);
    tcase_add_test(tests, unknown_fields_are_passed_over);
    tcase_add_test(tests, malformed_requests_are_refused);
    tcase_add_test(tests, a_stream_message_holds_one_step);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
