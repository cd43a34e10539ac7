/* Refusals: the table of reasons, the page that lists it, and what a refusal looks like to a client. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "server/front/reply.h"

/* ---- the table -------------------------------------------------------------------------------------------
 */

static char *read_page(void)
{
    enum { PAGE_MAX = 64 << 10 };
    char *page = calloc(1, PAGE_MAX);
    FILE *file = fopen(FIXTURES "/../../proto/errors.md", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_lt(fread(page, 1, PAGE_MAX, file), PAGE_MAX - 1);
    fclose(file);
    return page;
}

START_TEST(the_page_lists_the_table)
{
    char *page = read_page(), *at = page;
    size_t rows = 0;
    for (enum reason reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
        const struct reason_row *row = reason_row(reason);
        char line[1024];
        snprintf(line, sizeof line, "\n| %s | %s | %s | %s | %s |\n", row->name, row->status_name,
                 row->retry_ms ? "yes" : "", row->meaning, row->remedy);
        ck_assert_msg(strstr(page, line) != NULL, "proto/errors.md lacks this line:%s", line);
        ck_assert_int_ne(row->status, GRPC_STATUS_OK);
    }
    while ((at = strstr(at, "\n| ")))
        rows++, at++;
    ck_assert_uint_eq(rows, REASON_COUNT - 1 + 2); /* and two lines of heading: no other row is left */
    free(page);
}
END_TEST

/* The operator and the client hear the same word. */
START_TEST(refusals_keep_their_names)
{
    for (enum refusal_reason why = REFUSAL_DISK_SPACE; why < REFUSAL_REASONS; why++) {
        struct reply reply = {0};
        struct refusal refusal = {.reason = why, .retry_after_ms = 1234, .text = "no room"};
        reply_refused(&reply, &refusal);
        ck_assert_str_eq(reason_row(reply.reason)->name, refusal_code(why));
        ck_assert_str_eq(reply.details, "no room");
        ck_assert_uint_eq(reply.retry_after_ms, 1234);
    }
}
END_TEST

/* ---- what is sent ----------------------------------------------------------------------------------------
 */

struct seen {
    Google__Rpc__Status *status;
    Google__Rpc__ErrorInfo *info;
    Google__Rpc__BadRequest *request;
    Google__Rpc__RetryInfo *retry;
    Google__Rpc__ResourceInfo *resource;
};

static ProtobufCMessage *find(const struct seen *seen, const ProtobufCMessageDescriptor *type)
{
    char url[128];
    snprintf(url, sizeof url, "type.googleapis.com/%s", type->name);
    for (size_t i = 0; i < seen->status->n_details; i++) {
        const Google__Protobuf__Any *detail = seen->status->details[i];
        if (strcmp(detail->type_url, url) == 0)
            return protobuf_c_message_unpack(type, NULL, detail->value.len, detail->value.data);
    }
    return NULL;
}

static struct seen see(const struct reply *reply)
{
    struct seen seen;
    grpc_slice slice = reply_status(reply);
    seen.status = google__rpc__status__unpack(NULL, GRPC_SLICE_LENGTH(slice), GRPC_SLICE_START_PTR(slice));
    grpc_slice_unref(slice);
    ck_assert_ptr_nonnull(seen.status);
    ck_assert_int_eq(seen.status->code, (int)reply->status);
    ck_assert_str_eq(seen.status->message, reply->details);
    seen.info = (Google__Rpc__ErrorInfo *)find(&seen, &google__rpc__error_info__descriptor);
    seen.request = (Google__Rpc__BadRequest *)find(&seen, &google__rpc__bad_request__descriptor);
    seen.retry = (Google__Rpc__RetryInfo *)find(&seen, &google__rpc__retry_info__descriptor);
    seen.resource = (Google__Rpc__ResourceInfo *)find(&seen, &google__rpc__resource_info__descriptor);
    ck_assert_ptr_nonnull(seen.info);
    ck_assert_str_eq(seen.info->domain, "epcisd");
    ck_assert_str_eq(seen.info->reason, reason_row(reply->reason)->name);
    ck_assert_str_eq(seen.info->metadata[0]->key, "remedy");
    ck_assert_str_eq(seen.info->metadata[0]->value, reason_row(reply->reason)->remedy);
    return seen;
}

static void assert_utf8(const char *text)
{
    for (size_t i = 0, length; text[i]; i += length) {
        length = utf8_length((const unsigned char *)text + i);
        ck_assert_msg(length > 0, "no UTF-8 at byte %zu: %s", i, text);
    }
}

static void forget(struct seen *seen)
{
    ProtobufCMessage *all[] = {(ProtobufCMessage *)seen->status, (ProtobufCMessage *)seen->info,
                               (ProtobufCMessage *)seen->request, (ProtobufCMessage *)seen->retry,
                               (ProtobufCMessage *)seen->resource};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i])
            protobuf_c_message_free_unpacked(all[i], NULL);
}

START_TEST(wrong_fields_are_named)
{
    struct reply reply = {0};
    reply_input(&reply, "`elements[%d].id` is empty", 2);
    ck_assert_int_eq(reply.status, GRPC_STATUS_INVALID_ARGUMENT);
    struct seen seen = see(&reply);
    ck_assert_int_eq(reply.reason, REASON_FIELD_INVALID);
    ck_assert_uint_eq(seen.request->n_field_violations, 1);
    ck_assert_str_eq(seen.request->field_violations[0]->field, "elements[2].id");
    ck_assert_str_eq(seen.request->field_violations[0]->description, "`elements[2].id` is empty");
    ck_assert_ptr_null(seen.retry);
    ck_assert_ptr_null(seen.resource);
    forget(&seen);

    reply_input(&reply, "the request is no message");
    seen = see(&reply);
    ck_assert_int_eq(reply.reason, REASON_REQUEST_MALFORMED);
    ck_assert_ptr_null(seen.request);
    forget(&seen);

    reply_input(&reply, "an `unfinished field"); /* of a hostile text, say */
    seen = see(&reply);
    ck_assert_str_eq(seen.request->field_violations[0]->field, "unfinished field");
    forget(&seen);
}
END_TEST

START_TEST(waiting_is_told)
{
    struct reply reply = {0};
    reply_refuse(&reply, REASON_CALLS_FULL, "%d calls are under way", 7);
    ck_assert_int_eq(reply.status, GRPC_STATUS_RESOURCE_EXHAUSTED);
    ck_assert_str_eq(reply.details, "7 calls are under way: try again after retry-after-ms");
    struct seen seen = see(&reply);
    ck_assert_int_eq(seen.retry->retry_delay->seconds, 1);
    ck_assert_int_eq(seen.retry->retry_delay->nanos, 0);
    forget(&seen);

    reply = (struct reply){.retry_after_ms = 2345}; /* somebody knows better */
    reply_err(&reply, ERR_FULL, "the document");
    seen = see(&reply);
    ck_assert_int_eq(seen.retry->retry_delay->seconds, 2);
    ck_assert_int_eq(seen.retry->retry_delay->nanos, 345000000);
    forget(&seen);
}
END_TEST

START_TEST(what_it_is_about_is_told)
{
    struct reply reply = {0};
    reply_err(&reply, ERR_NOT_FOUND, "capture %s", "42");
    reply_about(&reply, "capture", "42");
    ck_assert_int_eq(reply.status, GRPC_STATUS_NOT_FOUND);
    struct seen seen = see(&reply);
    ck_assert_str_eq(seen.resource->resource_type, "capture");
    ck_assert_str_eq(seen.resource->resource_name, "42");
    forget(&seen);
}
END_TEST

/* What came from a client is cut anywhere, here and before: what goes out is UTF-8, or no client could unpack
 * it, which see() does with the text in it. */
START_TEST(texts_stay_utf8_where_they_are_cut)
{
    enum { LENGTH = 4000 };
    struct reply reply = {0};
    char text[LENGTH + 1];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, '`', shift);
        for (size_t i = shift; i + 3 <= LENGTH; i += 3)
            memcpy(text + i, "\xe2\x80\xa6", 3);
        text[LENGTH - 3] = '\0';
        reply_input(&reply, "`%s", text);
        reply_about(&reply, "item", text);
        struct seen seen = see(&reply);
        ck_assert_uint_eq(strlen(reply.details), REPLY_DETAILS - 1);
        assert_utf8(reply.details);
        assert_utf8(seen.request->field_violations[0]->field);
        assert_utf8(seen.resource->resource_name);
        forget(&seen);
        reply_refuse(&reply, REASON_CALLS_FULL, "%.20s is cut inside", text);
        seen = see(&reply);
        assert_utf8(seen.status->message);
        forget(&seen);
    }
    struct refusal refusal = {.reason = REFUSAL_UPLOADS, .text = "cut \xe2\x80"};
    reply_refused(&reply, &refusal);
    ck_assert_str_eq(reply.details, "cut ??");
}
END_TEST

START_TEST(the_path_of_a_wrong_field_begins_at_the_request)
{
    struct reply reply = {0};
    reply_input(&reply, "`glns[1]` is wrong");
    reply_within(&reply, "partner");
    struct seen seen = see(&reply);
    ck_assert_str_eq(seen.request->field_violations[0]->field, "partner.glns[1]");
    ck_assert_str_eq(seen.status->message, "`glns[1]` is wrong");
    forget(&seen);
    reply_input(&reply, "`who` is wrong");
    seen = see(&reply);
    ck_assert_str_eq(seen.request->field_violations[0]->field, "who");
    forget(&seen);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("front_reasons");
    TCase *tests = tcase_create("reasons");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, the_page_lists_the_table);
    tcase_add_test(tests, refusals_keep_their_names);
    tcase_add_test(tests, wrong_fields_are_named);
    tcase_add_test(tests, waiting_is_told);
    tcase_add_test(tests, what_it_is_about_is_told);
    tcase_add_test(tests, texts_stay_utf8_where_they_are_cut);
    tcase_add_test(tests, the_path_of_a_wrong_field_begins_at_the_request);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
