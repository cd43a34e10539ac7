/* The front on a real port, before fakes: what is asked of it, by epcisctl's client and, for what that client
 * would never send, by bare gRPC. */
#include <check.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "epcis/v1/acknowledgment_service.pb-c.h"
#include "epcis/v1/partner_service.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "tests/component/front_bench.h"

static const char health_query[] = "/grpc.health.v1.Health/Check";

static void check_query_refused(const char *method, const ProtobufCMessage *request, int code,
                                const char *text)
{
    struct client_status status;
    ProtobufCMessage *response;
    client_call(client, method, request, &epcis__v1__get_capture_response__descriptor, soon(), &response,
                &status);
    ck_assert_ptr_null(response);
    ck_assert_msg(status.code == code, "%s: %s", client_code_name(status.code), status.message);
    ck_assert_msg(strstr(status.message, text) != NULL, "%s", status.message);
}

START_TEST(captures_are_asked_for)
{
    Epcis__V1__GetCaptureRequest request = EPCIS__V1__GET_CAPTURE_REQUEST__INIT;
    struct client_status status;
    ProtobufCMessage *message;
    char long_id[FRONT_QUERY_MAX + 1];
    begin();
    request.capture_id = (char *)known_capture;
    client_call(client, capture_query, &request.base, &epcis__v1__get_capture_response__descriptor, soon(),
                &message, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    Epcis__V1__GetCaptureResponse *response = (Epcis__V1__GetCaptureResponse *)message;
    ck_assert_str_eq(response->capture->receipt->capture_id, known_capture);
    ck_assert_uint_eq(response->capture->committed, 998);
    protobuf_c_message_free_unpacked(message, NULL);

    request.capture_id = "0190d6a0-1111-7000-8000-000000000002";
    check_query_refused(capture_query, &request.base, CLIENT_NOT_FOUND, request.capture_id);
    request.capture_id = "42";
    check_query_refused(capture_query, &request.base, CLIENT_INVALID_ARGUMENT, "UUID");
    request.capture_id = "\xff\xfe";
    check_query_refused(capture_query, &request.base, CLIENT_INVALID_ARGUMENT, "UTF-8");
    memset(long_id, 'x', sizeof long_id);
    long_id[FRONT_QUERY_MAX] = '\0';
    request.capture_id = long_id;
    check_query_refused(capture_query, &request.base, CLIENT_INVALID_ARGUMENT, "at most 16384");
    end();
}
END_TEST

START_TEST(text_inside_messages_is_looked_at)
{
    static const char method[] = "/epcis.v1.PartnerService/CreatePartner";
    Epcis__V1__CreatePartnerRequest request = EPCIS__V1__CREATE_PARTNER_REQUEST__INIT;
    Epcis__V1__TradingPartner partner = EPCIS__V1__TRADING_PARTNER__INIT;
    Epcis__V1__TradingPartner__OverridesEntry entry = EPCIS__V1__TRADING_PARTNER__OVERRIDES_ENTRY__INIT;
    Epcis__V1__TradingPartner__OverridesEntry *overrides = &entry;
    begin();
    check_query_refused(method, &request.base, CLIENT_INVALID_ARGUMENT, "`partner` is missing");
    request.partner = &partner;
    partner.name = "Acme";
    check_query_refused(method, &request.base, CLIENT_INVALID_ARGUMENT, "`glns` has 0 entries");
    partner.overrides = &overrides;
    partner.n_overrides = 1;
    entry.key = "\xff\xfe";
    check_query_refused(method, &request.base, CLIENT_INVALID_ARGUMENT,
                        "`partner.overrides.key` is not UTF-8");
    end();
}
END_TEST

START_TEST(history_comes_in_pages)
{
    Epcis__V1__GetItemHistoryRequest request = EPCIS__V1__GET_ITEM_HISTORY_REQUEST__INIT;
    struct client_status status;
    char token[STORE_CURSOR] = "";
    size_t entries = 0, pages = 0;
    begin();
    request.epc = "urn:epc:id:sgtin:0614141.107346.2017";
    request.page_size = 2;
    do {
        ProtobufCMessage *message;
        request.page_token = token;
        client_call(client, history_query, &request.base, &epcis__v1__get_item_history_response__descriptor,
                    soon(), &message, &status);
        ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
        Epcis__V1__GetItemHistoryResponse *response = (Epcis__V1__GetItemHistoryResponse *)message;
        entries += response->n_history;
        pages++;
        strcpy(token, response->next_page_token);
        protobuf_c_message_free_unpacked(message, NULL);
    } while (token[0]);
    ck_assert_uint_eq(entries, FAKE_HISTORY);
    ck_assert_uint_eq(pages, 2);

    char long_token[STORE_CURSOR + 1];
    memset(long_token, '1', sizeof long_token);
    long_token[STORE_CURSOR] = '\0';
    request.page_token = long_token;
    check_query_refused(history_query, &request.base, CLIENT_INVALID_ARGUMENT, "page_token");
    request.page_token = "";
    request.epc = "2017";
    check_query_refused(history_query, &request.base, CLIENT_INVALID_ARGUMENT, "Digital Link");
    request.epc = "https://id.gs1.org/01/10614141073465/21/2017"; /* check digit */
    check_query_refused(history_query, &request.base, CLIENT_INVALID_ARGUMENT, "GTIN_CHECK");
    request.epc = "urn:epc:id:sgtin:0614141.107346.1";
    check_query_refused(history_query, &request.base, CLIENT_NOT_FOUND, request.epc);
    end();
}
END_TEST

START_TEST(containers_are_asked_for)
{
    static const char contents_query[] = "/epcis.v1.TraceService/GetContents";
    static const char containers_query[] = "/epcis.v1.TraceService/GetContainers";
    Epcis__V1__GetContentsRequest contents = EPCIS__V1__GET_CONTENTS_REQUEST__INIT;
    Epcis__V1__GetContainersRequest containers = EPCIS__V1__GET_CONTAINERS_REQUEST__INIT;
    struct client_status status;
    ProtobufCMessage *message;
    begin();
    contents.epc = "urn:epc:id:sscc:0614141.0000000001";
    contents.page_size = 2;
    contents.at_ms = INT64_MAX; /* as far as microseconds reach */
    client_call(client, contents_query, &contents.base, &epcis__v1__get_contents_response__descriptor, soon(),
                &message, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    ck_assert_uint_eq(((Epcis__V1__GetContentsResponse *)message)->n_items, 2);
    ck_assert_str_eq(((Epcis__V1__GetContentsResponse *)message)->next_page_token, "2");
    ck_assert_uint_eq(((Epcis__V1__GetContentsResponse *)message)->items[0]->packed_sequence,
                      INT64_MAX / 1000 * 1000);
    protobuf_c_message_free_unpacked(message, NULL);
    contents.page_token = "second";
    check_query_refused(contents_query, &contents.base, CLIENT_INVALID_ARGUMENT, "`page_token`");
    contents.page_token = "";
    contents.epc = "1";
    check_query_refused(contents_query, &contents.base, CLIENT_INVALID_ARGUMENT, "Digital Link");
    contents.epc = "urn:epc:id:sgtin:0614141.107346.2017";
    check_query_refused(contents_query, &contents.base, CLIENT_NOT_FOUND, contents.epc);

    containers.epc = "urn:epc:id:sgtin:0614141.107346.2017";
    client_call(client, containers_query, &containers.base, &epcis__v1__get_containers_response__descriptor,
                soon(), &message, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    ck_assert_uint_eq(((Epcis__V1__GetContainersResponse *)message)->containers[0]->packed_sequence, 5);
    protobuf_c_message_free_unpacked(message, NULL);
    containers.epc = "urn:epc:id:sgtin:0614141.107346.1";
    check_query_refused(containers_query, &containers.base, CLIENT_NOT_FOUND, containers.epc);
    containers.epc = "";
    check_query_refused(containers_query, &containers.base, CLIENT_INVALID_ARGUMENT, "Digital Link");
    end();
}
END_TEST

START_TEST(events_are_listed)
{
    static const char events_query[] = "/epcis.v1.TraceService/ListEvents";
    Epcis__V1__ListEventsRequest request = EPCIS__V1__LIST_EVENTS_REQUEST__INIT;
    const Epcis__V1__ListEventsRequest nothing = request;
    struct client_status status;
    ProtobufCMessage *message;
    begin();
    request.gtin = "10614141073464";
    request.lot = "L1";
    client_call(client, events_query, &request.base, &epcis__v1__list_events_response__descriptor, soon(),
                &message, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    Epcis__V1__ListEventsResponse *response = (Epcis__V1__ListEventsResponse *)message;
    ck_assert_str_eq(response->events[0]->biz_step, "lot 10614141073464 L1");
    ck_assert_str_eq(response->next_page_token, "1");
    protobuf_c_message_free_unpacked(message, NULL);

    request.gln = "0614141000012";
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "one of");
    check_query_refused(events_query, &nothing.base, CLIENT_INVALID_ARGUMENT, "one of");
    request.gln = "";
    request.from_ms = 1;
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "go with `gln`");
    request.from_ms = 0;
    request.lot = "";
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "1 to 20");
    request.lot = "123456789012345678901";
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "21 characters");
    request.lot = "L1";
    request.gtin = "10614141073465";
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "check digit");

    request = nothing;
    request.gln = "somewhere";
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "SGLN");
    request.gln = "0614141000012";
    request.from_ms = 2;
    request.to_ms = 1;
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "before `from_ms`");

    request = nothing;
    request.capture_id = "42";
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "UUID");
    request.capture_id = "0190d6a0-1111-7000-8000-000000000002";
    check_query_refused(events_query, &request.base, CLIENT_NOT_FOUND, request.capture_id);
    request.capture_id = (char *)known_capture; /* the journal knows it, the store has no event */
    request.page_token = "2";
    client_call(client, events_query, &request.base, &epcis__v1__list_events_response__descriptor, soon(),
                &message, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    response = (Epcis__V1__ListEventsResponse *)message;
    ck_assert_uint_eq(response->n_events, 0);
    ck_assert_str_eq(response->next_page_token, "");
    protobuf_c_message_free_unpacked(message, NULL);
    end();
}
END_TEST

START_TEST(events_and_dead_letters_are_asked_for)
{
    static const char event_query[] = "/epcis.v1.TraceService/GetEvent";
    static const char letter_query[] = "/epcis.v1.DeadLetterService/GetDeadLetter";
    static const char letters_query[] = "/epcis.v1.DeadLetterService/ListDeadLetters";
    Epcis__V1__GetEventRequest event = EPCIS__V1__GET_EVENT_REQUEST__INIT;
    Epcis__V1__GetDeadLetterRequest letter = EPCIS__V1__GET_DEAD_LETTER_REQUEST__INIT;
    Epcis__V1__ListDeadLettersRequest letters = EPCIS__V1__LIST_DEAD_LETTERS_REQUEST__INIT;
    struct client_status status;
    ProtobufCMessage *message;
    begin();
    event.sequence = 7;
    client_call(client, event_query, &event.base, &epcis__v1__get_event_response__descriptor, soon(),
                &message, &status);
    ck_assert_int_eq(status.code, CLIENT_OK);
    protobuf_c_message_free_unpacked(message, NULL);
    event.sequence = 0;
    check_query_refused(event_query, &event.base, CLIENT_INVALID_ARGUMENT, "from 1");
    event.sequence = 8;
    check_query_refused(event_query, &event.base, CLIENT_NOT_FOUND, "event 8");
    event.sequence = 13;
    check_query_refused(event_query, &event.base, CLIENT_INTERNAL, "event 13");

    letter.dead_letter_id = "1";
    client_call(client, letter_query, &letter.base, &epcis__v1__get_dead_letter_response__descriptor, soon(),
                &message, &status);
    ck_assert_int_eq(status.code, CLIENT_OK);
    protobuf_c_message_free_unpacked(message, NULL);
    letter.dead_letter_id = "9";
    check_query_refused(letter_query, &letter.base, CLIENT_NOT_FOUND, "dead letter 9");
    letter.dead_letter_id = "";
    check_query_refused(letter_query, &letter.base, CLIENT_INVALID_ARGUMENT, "empty");

    client_call(client, letters_query, &letters.base, &epcis__v1__list_dead_letters_response__descriptor,
                soon(), &message, &status);
    ck_assert_int_eq(status.code, CLIENT_OK);
    ck_assert_uint_eq(((Epcis__V1__ListDeadLettersResponse *)message)->n_dead_letters, FAKE_LETTERS);
    protobuf_c_message_free_unpacked(message, NULL);
    letters.capture_id = "42";
    check_query_refused(letters_query, &letters.base, CLIENT_INVALID_ARGUMENT, "UUID");
    end();
}
END_TEST

START_TEST(dead_letters_are_closed_with_who_and_why)
{
    static const char resubmit[] = "/epcis.v1.DeadLetterService/ResubmitDeadLetter";
    static const char discard[] = "/epcis.v1.DeadLetterService/DiscardDeadLetter";
    static const char discard_all[] = "/epcis.v1.DeadLetterService/DiscardDeadLetters";
    enum { MOST = 4 << 20 };
    Epcis__V1__ResubmitDeadLetterRequest again = EPCIS__V1__RESUBMIT_DEAD_LETTER_REQUEST__INIT;
    Epcis__V1__DiscardDeadLetterRequest one = EPCIS__V1__DISCARD_DEAD_LETTER_REQUEST__INIT;
    Epcis__V1__DiscardDeadLettersRequest all = EPCIS__V1__DISCARD_DEAD_LETTERS_REQUEST__INIT;
    Epcis__V1__ListDeadLettersRequest filter = EPCIS__V1__LIST_DEAD_LETTERS_REQUEST__INIT;
    uint8_t *corrected = calloc(1, 2 * MOST);
    begin();
    again.dead_letter_id = one.dead_letter_id = "1";
    check_query_refused(discard, &one.base, CLIENT_INVALID_ARGUMENT, "`who`");
    one.who = again.who = all.who = "A. Smith";
    check_query_refused(discard, &one.base, CLIENT_INVALID_ARGUMENT, "`why`");
    one.why = "test data";
    check_query_refused(discard, &one.base, CLIENT_UNAVAILABLE, "disk"); /* as the journal answers here */
    one.dead_letter_id = "9";
    check_query_refused(discard, &one.base, CLIENT_NOT_FOUND, "dead letter 9");

    again.corrected = (ProtobufCBinaryData){MOST, corrected}; /* more than other requests may have */
    check_query_refused(resubmit, &again.base, CLIENT_INVALID_ARGUMENT, "`why`");
    again.corrected.len = 2 * MOST;
    check_query_refused(resubmit, &again.base, CLIENT_INVALID_ARGUMENT, "at most");
    again.corrected.len = 0;
    again.why = "all well now";
    atomic_store(&ingest->admit, ERR_DISK);
    check_query_refused(resubmit, &again.base, CLIENT_UNAVAILABLE, "disk");
    atomic_store(&ingest->admit, ERR_OK);

    all.filter = &filter;
    check_query_refused(discard_all, &all.base, CLIENT_INVALID_ARGUMENT, "`why`");
    all.why = "test data";
    filter.code = "\xff";
    check_query_refused(discard_all, &all.base, CLIENT_INVALID_ARGUMENT, "`filter.code`");
    filter.code = "";
    filter.gtin = "1";
    check_query_refused(discard_all, &all.base, CLIENT_INVALID_ARGUMENT, "`gtin`");
    filter.gtin = "";
    check_query_refused(discard_all, &all.base, CLIENT_UNAVAILABLE, "disk");
    end();
    free(corrected);
}
END_TEST

/* ---- bytes that no generated client sends
 * ------------------------------------------------------------------ */

/* The status of one unary call with these bytes for a message; NULL: no message. */
static int bare_call(const char *method, const void *data, size_t bytes)
{
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(front_address(front), credentials, NULL);
    grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
    gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(PATIENCE_MS, GPR_TIMESPAN));
    grpc_call *call = grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue,
                                               grpc_slice_from_static_string(method), NULL, deadline, NULL);
    grpc_slice slice = grpc_slice_from_copied_buffer(data ? data : "", bytes);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1), *response = NULL;
    grpc_metadata_array initial, trailing;
    grpc_status_code code;
    grpc_slice details;
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata.recv_initial_metadata = &initial},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &response},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {&trailing, &code, &details, NULL}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message},
    };
    grpc_metadata_array_init(&initial);
    grpc_metadata_array_init(&trailing);
    ck_assert_int_eq(grpc_call_start_batch(call, ops, data ? 6 : 5, ops, NULL), GRPC_CALL_OK);
    grpc_completion_queue_pluck(queue, ops, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    if (response)
        grpc_byte_buffer_destroy(response);
    grpc_byte_buffer_destroy(message);
    grpc_slice_unref(slice);
    grpc_slice_unref(details);
    grpc_metadata_array_destroy(&initial);
    grpc_metadata_array_destroy(&trailing);
    grpc_call_unref(call);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
    grpc_channel_destroy(channel);
    grpc_channel_credentials_release(credentials);
    return (int)code;
}

START_TEST(garbage_is_refused)
{
    static const char *const methods[] = {capture_method,
                                          stream_method,
                                          capture_query,
                                          history_query,
                                          "/epcis.v1.TraceService/GetEvent",
                                          "/epcis.v1.DeadLetterService/ListDeadLetters",
                                          "/epcis.v1.DeadLetterService/GetDeadLetter",
                                          "/epcis.v1.DeadLetterService/ResubmitDeadLetter",
                                          "/epcis.v1.DeadLetterService/DiscardDeadLetter",
                                          "/epcis.v1.DeadLetterService/ResubmitDeadLetters",
                                          "/epcis.v1.DeadLetterService/DiscardDeadLetters",
                                          health_query,
                                          "/grpc.health.v1.Health/Watch"};
    static const struct {
        const char *data;
        size_t bytes;
    } garbage[] = {
        {"\xff\xff\xff\xff", 4}, /* an endless number */
        {"\x0a\x7f\x01", 3},     /* a field longer than the message */
        {"\x0b\x0c", 2},         /* groups */
        {"\x02\x00", 2},         /* field number 0 */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11},
    };
    begin();
    for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
        for (size_t g = 0; g < sizeof garbage / sizeof garbage[0]; g++)
            ck_assert_int_eq(bare_call(methods[m], garbage[g].data, garbage[g].bytes),
                             CLIENT_INVALID_ARGUMENT);
        ck_assert_int_eq(bare_call(methods[m], NULL, 0), CLIENT_INVALID_ARGUMENT);
    }
    /* A NUL inside text, which protobuf-c would cut there. */
    ck_assert_int_eq(bare_call(capture_query,
                               "\x0a\x03"
                               "a\0b",
                               5),
                     CLIENT_INVALID_ARGUMENT);
    ck_assert_int_eq(bare_call(capture_method,
                               "\x0a\x01x\x12\x03"
                               "1\0002",
                               8),
                     CLIENT_INVALID_ARGUMENT);
    end();
}
END_TEST

START_TEST(unknown_methods_are_refused)
{
    begin();
    ck_assert_int_eq(bare_call("/epcis.v1.CaptureService/Nothing", "", 0), CLIENT_UNIMPLEMENTED);
    ck_assert_int_eq(bare_call("/nothing", "", 0), CLIENT_UNIMPLEMENTED);
    end();
}
END_TEST

static void check_health(const char *service, int wanted)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct client_status status;
    ProtobufCMessage *message;
    request.service = (char *)service;
    client_call(client, health_query, &request.base, &grpc__health__v1__health_check_response__descriptor,
                soon(), &message, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    ck_assert_int_eq((int)((Grpc__Health__V1__HealthCheckResponse *)message)->status, wanted);
    protobuf_c_message_free_unpacked(message, NULL);
}

START_TEST(health_is_told)
{
    enum { SERVING = 1, NOT_SERVING = 2 };
    static const char capture_service[] = "epcis.v1.CaptureService";
    begin();
    check_health("", SERVING);
    check_health(capture_service, SERVING);
    atomic_store(&ingest->admit, ERR_FULL);
    check_health(capture_service, NOT_SERVING);
    check_health("epcis.v1.TraceService", SERVING);
    check_health("", SERVING);
    atomic_store(&ingest->admit, ERR_DISK);
    check_health(capture_service, NOT_SERVING);
    atomic_store(&ingest->admit, ERR_OK);
    atomic_store(&fake_store_fails, true);
    check_health(capture_service, NOT_SERVING);
    atomic_store(&fake_store_fails, false);
    check_health(capture_service, SERVING);

    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = "epcis.v1.Capture";
    check_query_refused(health_query, &request.base, CLIENT_NOT_FOUND, "service epcis.v1.Capture:");
    request.service = "epcis.v1.CaptureService/Capture";
    check_query_refused(health_query, &request.base, CLIENT_NOT_FOUND, "service");
    end();
}
END_TEST

/* What falls out of the journal before a watcher has it is not passed over in silence. */
START_TEST(watchers_learn_of_what_is_pruned)
{
    static const char method[] = "/epcis.v1.AcknowledgmentService/WatchAcknowledgments";
    const ProtobufCMessageDescriptor *type = &epcis__v1__watch_acknowledgments_response__descriptor;
    Epcis__V1__WatchAcknowledgmentsRequest request = EPCIS__V1__WATCH_ACKNOWLEDGMENTS_REQUEST__INIT;
    struct client_stream *stream;
    struct client_status status;
    ProtobufCMessage *message;
    begin();
    atomic_store(&fake_news_last, 5);
    request.cursor = "begin";
    ck_assert_int_eq(client_stream_read(client, method, &request.base, soon(), &stream), ERR_OK);
    ck_assert(client_stream_next(stream, type, &message));
    const Epcis__V1__WatchAcknowledgmentsResponse *first =
        (const Epcis__V1__WatchAcknowledgmentsResponse *)message;
    ck_assert_uint_eq(first->n_acknowledgments, 5);
    char other[40];
    snprintf(other, sizeof other, "%s", first->cursor);
    ck_assert_msg(strncmp(other, "5-", 2) == 0 && strlen(other) == 10, "%s", other);
    ck_assert_str_eq(first->acknowledgments[4]->cursor, other);
    protobuf_c_message_free_unpacked(message, NULL);
    other[9] = other[9] == '0' ? '1' : '0';
    request.cursor = other;
    check_query_refused(method, &request.base, GRPC_STATUS_INVALID_ARGUMENT, "other news than are here");
    request.cursor = "5 ";
    check_query_refused(method, &request.base, GRPC_STATUS_INVALID_ARGUMENT, "is none");

    atomic_store(&fake_news_first, 11);
    atomic_store(&fake_news_last, 20);
    ck_assert(!client_stream_next(stream, type, &message));
    client_stream_finish(&stream, NULL, NULL, &status);
    ck_assert_int_eq(status.code, GRPC_STATUS_OUT_OF_RANGE);
    ck_assert_str_eq(status.reason, "NEWS_PRUNED");
    ck_assert_msg(strstr(status.message, "can be used is 10") != NULL, "%s", status.message);

    request.cursor = "9";
    check_query_refused(method, &request.base, GRPC_STATUS_OUT_OF_RANGE, "can be used is 10");
    request.cursor = "10";
    ck_assert_int_eq(client_stream_read(client, method, &request.base, soon(), &stream), ERR_OK);
    ck_assert(client_stream_next(stream, type, &message));
    protobuf_c_message_free_unpacked(message, NULL);
    client_stream_cancel(&stream);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("front_queries");
    TCase *tests = tcase_create("queries");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, captures_are_asked_for);
    tcase_add_test(tests, text_inside_messages_is_looked_at);
    tcase_add_test(tests, history_comes_in_pages);
    tcase_add_test(tests, containers_are_asked_for);
    tcase_add_test(tests, events_are_listed);
    tcase_add_test(tests, events_and_dead_letters_are_asked_for);
    tcase_add_test(tests, dead_letters_are_closed_with_who_and_why);
    tcase_add_test(tests, garbage_is_refused);
    tcase_add_test(tests, unknown_methods_are_refused);
    tcase_add_test(tests, health_is_told);
    tcase_add_test(tests, watchers_learn_of_what_is_pruned);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
