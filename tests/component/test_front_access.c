/* Who may call: a front that demands identities, before fakes. */
#include <pthread.h>

#include "server/identities.h"
#include "server/token.h"
#include "tests/component/front_bench.h"

enum { THREADS = 4, CALLS = 50 };

static const char own_gln[] = "0614141000012", other_gln[] = "0614141000029";

static struct identities *identities;
static struct arena arena;
static char submitter[TOKEN_SIZE], reader[TOKEN_SIZE], partner[TOKEN_SIZE];

static void create(const char *name, Epcis__V1__Role role, const char *gln, char token[TOKEN_SIZE])
{
    uint8_t sha256[DIGEST_BYTES];
    char why[IDENTITY_WHY];
    Epcis__V1__Identity wanted = EPCIS__V1__IDENTITY__INIT, *made;
    wanted.name = (char *)name;
    wanted.partner = (char *)gln;
    wanted.roles = &role;
    wanted.n_roles = 1;
    ck_assert_int_eq(token_make(token, sha256), ERR_OK);
    ck_assert_int_eq(identities_create(identities, &wanted, sha256, "tester", &arena, &made, why), ERR_OK);
}

static void setup(void)
{
    arena_init(&arena, 1 << 20);
    ingest = fake_ingest_new();
    ck_assert_int_eq(identities_open(NULL, &identities), ERR_OK);
    create("submitter", EPCIS__V1__ROLE__ROLE_SUBMIT, "", submitter);
    create("reader", EPCIS__V1__ROLE__ROLE_READ, "", reader);
    create("partner", EPCIS__V1__ROLE__ROLE_SUBMIT, own_gln, partner);
    const struct front_options options = {
        .listen = "127.0.0.1:0", .identities = identities, .require_identity = true};
    ck_assert_int_eq(front_open(&options, ingest, NULL, NULL, &front), ERR_OK);
}

static void teardown(void)
{
    front_close(&front, GRACE_MS);
    identities_close(&identities);
    fake_ingest_free(ingest);
    arena_free(&arena);
}

static void use_token(const char *token)
{
    ck_assert_int_eq(client_open(front_address(front), &(struct client_security){.token = token}, &client),
                     ERR_OK);
}

/* What sending a document under the GLN answers. */
static int capture(const char *gln, struct client_status *status)
{
    Epcis__V1__CaptureRequest request = EPCIS__V1__CAPTURE_REQUEST__INIT;
    ProtobufCMessage *response;
    request.document = (ProtobufCBinaryData){8, (uint8_t *)"<epcis/>"};
    request.partner = (char *)gln;
    client_call(client, capture_method, &request.base, &epcis__v1__capture_response__descriptor, soon(),
                &response, status);
    protobuf_c_message_free_unpacked(response, NULL);
    return status->code;
}

START_TEST(who_proves_nothing_good_is_refused_before_the_body_is_read)
{
    static const struct {
        const char *token, *reason;
        int code;
    } cases[] = {
        {NULL, "IDENTITY_MISSING", CLIENT_UNAUTHENTICATED},
        {"epcisd_0", "IDENTITY_UNKNOWN", CLIENT_UNAUTHENTICATED},
        {"", "IDENTITY_MALFORMED", CLIENT_UNAUTHENTICATED},
        {reader, "ROLE_MISSING", 7},
    };
    struct client_status status;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        use_token(cases[i].token);
        ck_assert_int_eq(capture("", &status), cases[i].code);
        ck_assert_str_eq(status.reason, cases[i].reason);
        client_close(&client);
    }
    ck_assert_int_eq(atomic_load(&ingest->opened), 0);
    use_token(submitter);
    ck_assert_int_eq(capture(other_gln, &status), CLIENT_OK);
    ck_assert_str_eq(ingest->last_partner, other_gln);
    client_close(&client);
}
END_TEST

START_TEST(a_partner_sends_as_itself)
{
    struct client_status status;
    use_token(partner);
    ck_assert_int_eq(capture("", &status), CLIENT_OK);
    ck_assert_str_eq(ingest->last_partner, own_gln);
    ck_assert_int_eq(capture(own_gln, &status), CLIENT_OK);
    ck_assert_int_eq(capture(other_gln, &status), 7);
    ck_assert_str_eq(status.reason, "PARTNER_NOT_OWN");
    client_close(&client);
}
END_TEST

/* Each with a client of its own: half of the calls are refused, some of them logged. */
static void *call_often(void *context)
{
    const char *token = context;
    struct client *own;
    ck_assert_int_eq(client_open(front_address(front), &(struct client_security){.token = token}, &own),
                     ERR_OK);
    for (int i = 0; i < CALLS; i++) {
        Epcis__V1__GetCaptureRequest request = EPCIS__V1__GET_CAPTURE_REQUEST__INIT;
        struct client_status status;
        ProtobufCMessage *response;
        request.capture_id = (char *)"01890000-0000-7000-8000-000000000000";
        client_call(own, capture_query, &request.base, &epcis__v1__get_capture_response__descriptor, soon(),
                    &response, &status);
        ck_assert_ptr_null(response);
        ck_assert_int_eq(status.code, token == reader ? CLIENT_NOT_FOUND : 7);
    }
    client_close(&own);
    return NULL;
}

START_TEST(many_are_judged_at_once_while_identities_change)
{
    pthread_t threads[THREADS];
    char token[TOKEN_SIZE], name[16];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_often, i % 2 ? reader : submitter), 0);
    for (int i = 0; i < CALLS; i++) {
        snprintf(name, sizeof name, "other-%d", i);
        create(name, EPCIS__V1__ROLE__ROLE_READ, "", token);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("front access");
    TCase *tests = tcase_create("access");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, who_proves_nothing_good_is_refused_before_the_body_is_read);
    tcase_add_test(tests, a_partner_sends_as_itself);
    tcase_add_test(tests, many_are_judged_at_once_while_identities_change);
    tcase_set_timeout(tests, 120);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
