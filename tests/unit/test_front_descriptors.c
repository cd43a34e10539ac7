/* The services' definitions, as they are found by file and by symbol. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/front/descriptors.h"

START_TEST(files_are_found)
{
    static const char *const names[] = {"epcis/v1/event.proto", "epcis/v1/capture_service.proto",
                                        "grpc/reflection/v1/reflection.proto", "google/rpc/status.proto",
                                        "google/protobuf/any.proto"};
    const uint8_t *data;
    size_t length;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(descriptors_file(names[i], &data, &length), ERR_OK);
        ck_assert_mem_eq(data + 2, names[i], strlen(names[i])); /* its name comes first */
    }
    ck_assert_int_eq(descriptors_file("", &data, &length), ERR_NOT_FOUND);
    ck_assert_int_eq(descriptors_file("event.proto", &data, &length), ERR_NOT_FOUND);
    ck_assert_int_eq(descriptors_file("epcis/v1/event.proto2", &data, &length), ERR_NOT_FOUND);
    ck_assert_int_eq(descriptors_file("epcis/store/v1/journal.proto", &data, &length), ERR_NOT_FOUND);
}
END_TEST

START_TEST(symbols_are_found)
{
    static const struct {
        const char *symbol, *file;
    } known[] = {
        {"epcis.v1.CaptureService", "epcis/v1/capture_service.proto"},
        {"epcis.v1.CaptureService.GetCapture", "epcis/v1/capture_service.proto"},
        {"epcis.v1.CaptureState", "epcis/v1/capture_service.proto"},
        {"epcis.v1.Event", "epcis/v1/event.proto"},
        {"epcis.v1.TradingPartner.OverridesEntry", "epcis/v1/partner_service.proto"},
        {"grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"},
        {"grpc.reflection.v1alpha.ErrorResponse", "grpc/reflection/v1alpha/reflection.proto"},
        {"google.rpc.BadRequest.FieldViolation", "google/rpc/error_details.proto"},
    };
    static const char *const unknown[] = {
        "",
        ".",
        "epcis",
        "epcis.v1",
        "epcis.v1.",
        "epcis.v1..Event",
        "epcis.v1.Even",
        "epcis.v1.Events2",
        "epcis.v1.Event.",
        "epcis.v1.Event.Nothing",
        "epcis.v1.CaptureService.GetCapture.x",
        ".epcis.v1.Event",
        "Event",
    };
    const uint8_t *data;
    size_t length;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        ck_assert_msg(!descriptors_symbol(known[i].symbol, &data, &length), "%s", known[i].symbol);
        ck_assert_mem_eq(data + 2, known[i].file, strlen(known[i].file));
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        ck_assert_msg(descriptors_symbol(unknown[i], &data, &length) == ERR_NOT_FOUND, "%s", unknown[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("front_descriptors");
    TCase *tests = tcase_create("descriptors");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, files_are_found);
    tcase_add_test(tests, symbols_are_found);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
