/* What the guideline wants of commissioning and shipping: each field there, and not there. */
#include "tests/unit/rules_checking.h"

START_TEST(commissioning_has_its_fields)
{
    Epcis__V1__Event *event = commissioning();
    assert_clean(event);
    event->disposition = (char *)"in_progress";
    assert_warning(event, "COMMISSION_FIELDS", "disposition");
    event = commissioning();
    event->read_point = NULL;
    assert_warning(event, "COMMISSION_FIELDS", "readPoint");
    event = commissioning();
    event->biz_location = NULL;
    assert_warning(event, "COMMISSION_FIELDS", "bizLocation");
    event = commissioning();
    event->n_ilmd = 0;
    event->action = EPCIS__V1__ACTION__ACTION_OBSERVE;
    assert_warning(event, "COMMISSION_FIELDS", "action");
    event->biz_step = (char *)"storing";
    assert_clean(event);
}
END_TEST

START_TEST(shipping_has_its_fields)
{
    Epcis__V1__Event *event = shipping();
    assert_clean(event);
    event->disposition = (char *)"active";
    assert_warning(event, "SHIP_FIELDS", "disposition");
    event = shipping();
    event->biz_location = event->read_point;
    assert_warning(event, "SHIP_FIELDS", "bizLocation");
    event = shipping();
    event->read_point = NULL;
    assert_warning(event, "SHIP_FIELDS", "readPoint");
    event = shipping();
    event->action = EPCIS__V1__ACTION__ACTION_DELETE;
    assert_warning(event, "SHIP_FIELDS", "action");
    event->biz_step = (char *)"void_shipping";
    assert_clean(event);
}
END_TEST

START_TEST(shipping_names_all_parties)
{
    static const char *const types[] = {"owning_party", "location"};
    for (int i = 0; i < 2; i++) {
        Epcis__V1__Event *event = shipping();
        event->source_list[i]->type = (char *)"possessing_party";
        check(event);
        ck_assert_str_eq(report.warnings[0]->field, "sourceList");
        ck_assert_ptr_nonnull(strstr(report.warnings[0]->message, types[i]));
        event = shipping();
        event->destination_list[i]->destination = (char *)"";
        check(event);
        ck_assert_str_eq(report.warnings[0]->field, "destinationList");
        ck_assert_ptr_nonnull(strstr(report.warnings[0]->message, types[i]));
    }
}
END_TEST

static const struct {
    int place; /* in the list of transactions */
    const char *id;
    bool good;
} transactions[] = {
    {0, "urn:epcglobal:cbv:bt:0614142000011:PO2", true},
    {0, "urn:epcglobal:cbv:bt:0614141000012:PO2", false}, /* the seller's GLN */
    {0, "urn:epcglobal:cbv:bt:061414200001:PO2", false},  /* no GLN */
    {0, "https://example.com/po/1", false},
    {1, "urn:epcglobal:cbv:bt:0614141000012:ASN2", true},
    {1, "urn:epcglobal:cbv:bt:0614142000011:ASN2", false}, /* the buyer's GLN */
    {1, "urn:epcglobal:cbv:bt:06141410000130:ASN2", false},
};

START_TEST(shipping_names_both_papers)
{
    Epcis__V1__Event *event = shipping();
    int place = transactions[_i].place;
    char field[32];
    snprintf(field, sizeof field, "bizTransactionList[%d]", place);
    event->biz_transaction_list[place]->biz_transaction = (char *)transactions[_i].id;
    ck_assert_int_eq(found(event, "BT_MISSING", field), transactions[_i].good ? RULES_OFF : RULES_WARN);
}
END_TEST

START_TEST(papers_are_looked_for_in_the_whole_list)
{
    Epcis__V1__Event *event = shipping();
    add_transaction(event, "po", "urn:epcglobal:cbv:bt:0614141000012:OTHER");
    assert_clean(event);
    event->n_biz_transaction_list = 0;
    check(event);
    ck_assert_uint_eq(report.warning_count, 2);
    ck_assert_str_eq(report.warnings[0]->field, "bizTransactionList");
    /* Without a party to compare with, any GLN will do. */
    event = shipping();
    event->destination_list[0]->destination = (char *)"https://example.com/buyer";
    event->biz_transaction_list[0]->biz_transaction = (char *)"urn:epcglobal:cbv:bt:0614141000012:PO2";
    assert_clean(event);
}
END_TEST

START_TEST(a_wrong_check_digit_is_one_finding)
{
    Epcis__V1__Event *event = shipping();
    event->biz_transaction_list[0]->biz_transaction = (char *)"urn:epcglobal:cbv:bt:0614142000019:PO1";
    assert_warning(event, "BT_GLN", "bizTransactionList[0]");
}
END_TEST

START_TEST(shipping_carries_the_statement)
{
    static const char affirm[] = "dscsaTransactionStatement.affirmTransactionStatement";
    Epcis__V1__Event *event = shipping();
    event->extensions[1]->text = (char *)"1";
    assert_clean(event);
    event->extensions[1]->text = (char *)"false";
    assert_warning(event, "TS_MISSING", affirm);
    event->extensions[1]->local_name = (char *)"another";
    assert_warning(event, "TS_MISSING", affirm);
    event = shipping();
    event->extensions[2]->text = (char *)"";
    assert_warning(event, "TS_MISSING", "dscsaTransactionStatement.legalNotice");
    event->extensions[2]->text = (char *)"x";
    event->extensions[2]->depth = 0; /* stands beside the statement */
    assert_warning(event, "TS_MISSING", "dscsaTransactionStatement.legalNotice");
    event = shipping();
    event->extensions[0]->namespace_uri = (char *)"urn:example";
    assert_warning(event, "TS_MISSING", "dscsaTransactionStatement");
}
END_TEST

START_TEST(the_statement_may_stand_in_the_header)
{
    Epcis__V1__Event *event = shipping();
    Epcis__Wire__V1__TransactionStatement statement = EPCIS__WIRE__V1__TRANSACTION_STATEMENT__INIT;
    Epcis__Wire__V1__DocumentFacts *facts = document_facts();
    event->n_extensions = 0;
    context.document = facts;
    assert_warning(event, "TS_MISSING", "dscsaTransactionStatement");
    statement.affirm = (char *)"true";
    statement.legal_notice = (char *)"The seller complies.";
    facts->transaction_statement = &statement;
    assert_clean(event);
    statement.affirm = (char *)"false";
    assert_warning(event, "TS_MISSING", "dscsaTransactionStatement.affirmTransactionStatement");
}
END_TEST

START_TEST(r13_is_looked_for_in_event_and_header)
{
    set_profile(RULES_STRICT);
    Epcis__V1__Event *event = shipping();
    assert_clean(event);
    event->n_extensions = 4;
    assert_warning(event, "R13_MISSING", "guidelineVersion");
    Epcis__Wire__V1__DocumentFacts *facts = document_facts();
    context.document = facts;
    facts->guideline_version = (char *)"GS1 US DSCSA R1.3";
    assert_clean(event);
    event->n_extensions = 3;
    assert_warning(event, "R13_MISSING", "dropShipment");
    facts->has_drop_shipment = true;
    assert_clean(event);
}
END_TEST

START_TEST(a_declared_error_need_not_be_complete)
{
    Epcis__V1__Event *event = synthetic_event(&arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT,
                                              EPCIS__V1__ACTION__ACTION_OBSERVE, "shipping", 0);
    Epcis__V1__ErrorDeclaration declaration = EPCIS__V1__ERROR_DECLARATION__INIT;
    check(event);
    ck_assert_uint_eq(report.warning_count, 9);
    event->error_declaration = &declaration;
    assert_clean(event);
}
END_TEST

#define COUNT(list) (int)(sizeof(list) / sizeof(list)[0])

int main(void)
{
    Suite *suite = suite_create("rules_step");
    TCase *tests = tcase_create("rules_step");
    tcase_add_checked_fixture(tests, setup, teardown);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, commissioning_has_its_fields);
    tcase_add_test(tests, shipping_has_its_fields);
    tcase_add_test(tests, shipping_names_all_parties);
    tcase_add_loop_test(tests, shipping_names_both_papers, 0, COUNT(transactions));
    tcase_add_test(tests, papers_are_looked_for_in_the_whole_list);
    tcase_add_test(tests, a_wrong_check_digit_is_one_finding);
    tcase_add_test(tests, shipping_carries_the_statement);
    tcase_add_test(tests, the_statement_may_stand_in_the_header);
    tcase_add_test(tests, r13_is_looked_for_in_event_and_header);
    tcase_add_test(tests, a_declared_error_need_not_be_complete);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
