/* From what the register says of a partner to the severities its events are judged by. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "worker/partner.h"

enum { SEGMENTS = 4 };

static struct arena arena;
static struct rules *rules;
static Epcis__Wire__V1__BatchSegment segments[SEGMENTS], *list[SEGMENTS];
static Epcis__Wire__V1__PartnerFacts facts[SEGMENTS];
static Epcis__Wire__V1__PartnerFacts__OverridesEntry entries[SEGMENTS], *pointers[SEGMENTS];
static struct partner_terms *terms;

static void setup(void)
{
    struct rules_severities own;
    rules_severities_init(&own, RULES_DSCSA);
    ck_assert_int_eq(rules_severities_set(&own, "STALE_EVENT", RULES_REJECT), ERR_OK); /* the worker's own */
    arena_init(&arena, 1 << 20);
    rules = rules_new(&own);
    for (int i = 0; i < SEGMENTS; i++) {
        epcis__wire__v1__batch_segment__init(&segments[i]);
        epcis__wire__v1__partner_facts__init(&facts[i]);
        epcis__wire__v1__partner_facts__overrides_entry__init(&entries[i]);
        facts[i].known = facts[i].active = true;
        segments[i].partner = "0614141000012";
        segments[i].partner_record = &facts[i];
        list[i] = &segments[i];
        pointers[i] = &entries[i];
    }
}

static void teardown(void)
{
    rules_free(rules);
    arena_free(&arena);
}

static void set_override(int i, const char *code, Epcis__V1__RuleSeverity severity)
{
    entries[i].key = (char *)(uintptr_t)code;
    entries[i].value = severity;
    facts[0].overrides = pointers;
    facts[0].n_overrides = (size_t)i + 1;
}

static void resolve(size_t count)
{
    ck_assert_int_eq(partner_terms_of(rules, list, count, &arena, &terms), ERR_OK);
}

static int severity_of(size_t segment, enum rule rule)
{
    const struct rules_context context = {.severities = terms[segment].severities};
    rules_begin(rules, &context);
    return rules_severity(rules, rule);
}

START_TEST(a_record_that_says_nothing_leaves_the_workers_own)
{
    resolve(1);
    ck_assert_ptr_null(terms[0].severities);
    ck_assert_int_eq(severity_of(0, RULE_STALE_EVENT), RULES_REJECT);
}
END_TEST

START_TEST(a_profile_takes_the_place_of_the_workers)
{
    facts[0].profile = EPCIS__V1__RULE_PROFILE__RULE_PROFILE_EPCIS;
    facts[1].profile = EPCIS__V1__RULE_PROFILE__RULE_PROFILE_DSCSA;
    facts[2].profile = EPCIS__V1__RULE_PROFILE__RULE_PROFILE_STRICT;
    facts[3].profile = (Epcis__V1__RuleProfile)9; /* of a newer server */
    resolve(4);
    ck_assert_int_eq(severity_of(0, RULE_BT_GLN), RULES_OFF);
    ck_assert_int_eq(severity_of(1, RULE_BT_GLN), RULES_WARN);
    ck_assert_int_eq(severity_of(1, RULE_EPC_UNSUPPORTED), RULES_WARN);
    ck_assert_int_eq(severity_of(2, RULE_EPC_UNSUPPORTED), RULES_REJECT);
    ck_assert_int_eq(severity_of(1, RULE_STALE_EVENT), RULES_WARN);
    ck_assert_int_eq(severity_of(3, RULE_STALE_EVENT), RULES_REJECT);
}
END_TEST

START_TEST(overrides_change_single_codes)
{
    set_override(0, "BT_GLN", EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_REJECT);
    set_override(1, "LOT_EXPIRY_MISSING", EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_WARN);
    set_override(2, "CBV_UNKNOWN", EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_OFF);
    resolve(1);
    ck_assert_int_eq(severity_of(0, RULE_BT_GLN), RULES_REJECT);
    ck_assert_int_eq(severity_of(0, RULE_LOT_EXPIRY_MISSING), RULES_WARN);
    ck_assert_int_eq(severity_of(0, RULE_CBV_UNKNOWN), RULES_OFF);
    ck_assert_int_eq(severity_of(0, RULE_STALE_EVENT), RULES_REJECT); /* the base is the worker's own */
}
END_TEST

START_TEST(what_means_nothing_here_is_ignored)
{
    set_override(0, "NO_SUCH_RULE", EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_OFF);
    set_override(1, "SCHEMA_INVALID", EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_OFF);
    set_override(2, "BT_GLN", (Epcis__V1__RuleSeverity)7);
    set_override(3, "CBV_UNKNOWN", EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_REJECT);
    resolve(1);
    ck_assert_int_eq(severity_of(0, RULE_SCHEMA_INVALID), RULES_REJECT);
    ck_assert_int_eq(severity_of(0, RULE_BT_GLN), RULES_WARN);
    ck_assert_int_eq(severity_of(0, RULE_CBV_UNKNOWN), RULES_REJECT);
}
END_TEST

START_TEST(facts_stand_for_the_documents_that_follow)
{
    facts[0].profile = EPCIS__V1__RULE_PROFILE__RULE_PROFILE_STRICT;
    segments[1].partner_record = NULL; /* as before */
    segments[2].partner_record = NULL; /* another partner, of whom nothing was told */
    segments[2].partner = "0614141000029";
    facts[3].known = false;
    resolve(4);
    ck_assert_ptr_eq(terms[1].facts, &facts[0]);
    ck_assert_ptr_eq(terms[1].severities, terms[0].severities);
    ck_assert_ptr_null(terms[2].facts);
    ck_assert_ptr_null(terms[2].severities);
    ck_assert_ptr_null(terms[3].severities);
}
END_TEST

/* ---- findings --------------------------------------------------------------------------------------- */

static struct rules_report check(enum rules_profile profile, uint64_t event_index)
{
    struct rules_severities severities;
    struct rules_report report;
    rules_severities_init(&severities, profile);
    resolve(1);
    const struct rules_context context = {.severities = &severities, .event_index = event_index};
    rules_begin(rules, &context);
    rules_report_init(&report, &arena);
    partner_terms_check(rules, &terms[0], segments[0].partner, &report);
    return report;
}

static void assert_found(struct rules_report report, size_t reasons, size_t warnings, const char *code)
{
    ck_assert_uint_eq(report.reason_count, reasons);
    ck_assert_uint_eq(report.warning_count, warnings);
    if (reasons + warnings > 0)
        ck_assert_str_eq((reasons ? report.reasons : report.warnings)[0]->code, code);
}

START_TEST(an_unknown_partner_is_told_once_or_refused_always)
{
    facts[0].known = facts[0].active = false;
    assert_found(check(RULES_EPCIS, 0), 0, 0, "");
    assert_found(check(RULES_DSCSA, 0), 0, 1, "PARTNER_UNKNOWN");
    assert_found(check(RULES_DSCSA, 1), 0, 0, "");
    assert_found(check(RULES_STRICT, 0), 1, 0, "PARTNER_UNKNOWN");
    assert_found(check(RULES_STRICT, 1), 1, 0, "PARTNER_UNKNOWN");
    segments[0].partner = "";
    assert_found(check(RULES_STRICT, 1), 1, 0, "PARTNER_UNKNOWN");
}
END_TEST

START_TEST(an_inactive_partner_is_refused_always)
{
    facts[0].active = false;
    assert_found(check(RULES_EPCIS, 0), 1, 0, "PARTNER_INACTIVE");
    assert_found(check(RULES_STRICT, 7), 1, 0, "PARTNER_INACTIVE");
}
END_TEST

START_TEST(a_known_partner_and_one_of_whom_nothing_was_told_are_not_judged)
{
    assert_found(check(RULES_STRICT, 0), 0, 0, "");
    segments[0].partner_record = NULL;
    assert_found(check(RULES_STRICT, 0), 0, 0, "");
}
END_TEST

int main(void)
{
    log_init("test", LOG_AS_TEXT);
    Suite *suite = suite_create("worker_partner");
    TCase *tests = tcase_create("terms");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_record_that_says_nothing_leaves_the_workers_own);
    tcase_add_test(tests, a_profile_takes_the_place_of_the_workers);
    tcase_add_test(tests, overrides_change_single_codes);
    tcase_add_test(tests, what_means_nothing_here_is_ignored);
    tcase_add_test(tests, facts_stand_for_the_documents_that_follow);
    tcase_add_test(tests, an_unknown_partner_is_told_once_or_refused_always);
    tcase_add_test(tests, an_inactive_partner_is_refused_always);
    tcase_add_test(tests, a_known_partner_and_one_of_whom_nothing_was_told_are_not_judged);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
