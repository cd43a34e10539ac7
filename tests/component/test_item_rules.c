/* Each rule that needs the history of items, by itself: what breaks it, and what only looks like it. */
#include <check.h>
#include <stdlib.h>

#include "tests/component/committing.h"

/* The document that the next events are of, and the second in which they happen. */
static uint8_t document;
static int64_t now;

static void setup_items(void)
{
    setup();
    document = 1;
    now = 0;
}

#define LIST(...)    ((const char *const[]){__VA_ARGS__, NULL})
#define TYPE(name)   EPCIS__V1__EVENT_TYPE__EVENT_TYPE_##name
#define ACTION(name) EPCIS__V1__ACTION__ACTION_##name

/* "s1" is a bottle, "case1" and "pallet1" are SSCCs. */
static char *epc(const char *name)
{
    ck_assert_ptr_nonnull(name);
    size_t digits = strcspn(name, "0123456789");
    unsigned number = (unsigned)atoi(name + digits);
    if (name[0] == 'c')
        return synthetic_sscc(&world.events, 1000 + number);
    if (name[0] == 'p')
        return synthetic_sscc(&world.events, 2000 + number);
    return synthetic_sgtin(&world.events, 10001, name);
}

static char **epcs(const char *const *names, size_t *count)
{
    while (names && names[*count])
        ++*count;
    char **list = synthetic_list(&world.events, *count);
    for (size_t i = 0; i < *count; i++)
        list[i] = epc(names[i]);
    return list;
}

static Epcis__V1__Event *object(Epcis__V1__Action action, const char *step, const char *const *names)
{
    Epcis__V1__Event *event = synthetic_event(&world.events, TYPE(OBJECT), action, step, now++);
    event->epc_list = epcs(names, &event->n_epc_list);
    return event;
}

static Epcis__V1__Event *commission(const char *lot, const char *expiry, const char *const *names)
{
    Epcis__V1__Event *event = object(ACTION(ADD), "commissioning", names);
    if (lot)
        synthetic_ilmd(&world.events, event, "lotNumber", lot);
    if (expiry)
        synthetic_ilmd(&world.events, event, "itemExpirationDate", expiry);
    return event;
}

static Epcis__V1__Event *aggregation(Epcis__V1__Action action, const char *parent, const char *const *names)
{
    bool add = action == ACTION(ADD);
    Epcis__V1__Event *event =
        synthetic_event(&world.events, TYPE(AGGREGATION), action, add ? "packing" : "unpacking", now++);
    event->parent_id = epc(parent);
    event->child_epcs = epcs(names, &event->n_child_epcs);
    return event;
}

static Epcis__V1__Event *ship(const char *const *names)
{
    Epcis__V1__Event *event = object(ACTION(OBSERVE), "shipping", names);
    event->disposition = (char *)"in_transit";
    return event;
}

static Epcis__V1__Event *declare_wrong(const Epcis__V1__Event *wrong)
{
    Epcis__V1__Event *event = arena_alloc(&world.events, sizeof *event);
    *event = *wrong;
    event->error_declaration = arena_alloc(&world.events, sizeof *event->error_declaration);
    epcis__v1__error_declaration__init(event->error_declaration);
    return event;
}

/* ---- what became of it ---- */

enum verdict { COMMITTED, DUPLICATE, DEAD };

static enum verdict take(const Epcis__V1__Event *event)
{
    synthetic_segment(&world.made, document, 0);
    synthetic_add(&world.made, event);
    end_batch();
    struct commit_result result = commit_batches(false);
    return result.committed ? COMMITTED : result.duplicates ? DUPLICATE : DEAD;
}

static struct arena answers;

static bool finds(Epcis__V1__Finding *const *findings, size_t count, const char *code)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(findings[i]->code, code) == 0)
            return true;
    return false;
}

/* Whether the event is refused with exactly this code. */
static void assert_refused(const Epcis__V1__Event *event, const char *code)
{
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__ListDeadLettersResponse *letters;
    ck_assert_int_eq(take(event), DEAD);
    arena_reset(&answers);
    ck_assert_int_eq(store_dead_letters(world.store, NULL, 0, cursor, &answers, &letters), ERR_OK);
    const Epcis__V1__DeadLetter *letter = letters->dead_letters[letters->n_dead_letters - 1];
    for (size_t i = 0; i < letter->n_reasons; i++)
        ck_assert_str_eq(letter->reasons[i]->code, code);
}

static uint64_t committed_events(void)
{
    Epcis__V1__CommittedEvent *event;
    uint64_t sequence = 0;
    do
        arena_reset(&answers);
    while (store_event_get(world.store, ++sequence, &answers, &event) == ERR_OK);
    return sequence - 1;
}

/* Whether the event is committed, and warned of with this code or not. */
static bool is_warned(const Epcis__V1__Event *event, const char *code)
{
    Epcis__V1__CommittedEvent *kept;
    ck_assert_int_eq(take(event), COMMITTED);
    uint64_t sequence = committed_events();
    ck_assert_int_eq(store_event_get(world.store, sequence, &answers, &kept), ERR_OK);
    return finds(kept->warnings, kept->n_warnings, code);
}

static void assert_warned(const Epcis__V1__Event *event, const char *code)
{
    ck_assert_msg(is_warned(event, code), "no %s", code);
}

static void assert_clean(const Epcis__V1__Event *event, const char *code)
{
    ck_assert_msg(!is_warned(event, code), "%s", code);
}

/* ---- commissioning ---- */

START_TEST(packing_asks_for_commissioning)
{
    ck_assert_int_eq(take(commission("L1", "2030-01-31", LIST("s1", "s2"))), COMMITTED);
    ck_assert_int_eq(take(commission(NULL, NULL, LIST("case1", "case2"))), COMMITTED);
    assert_clean(aggregation(ACTION(ADD), "case1", LIST("s1")), "NOT_COMMISSIONED");
    /* Beside an item that this document commissions, one that it does not is a mistake. */
    assert_refused(aggregation(ACTION(ADD), "case2", LIST("s2", "s3")), "NOT_COMMISSIONED");
    /* By itself it may have been commissioned elsewhere. */
    assert_warned(aggregation(ACTION(ADD), "case2", LIST("s3")), "NOT_COMMISSIONED");
    document = 2;
    assert_warned(aggregation(ACTION(ADD), "case2", LIST("s2", "s4")), "NOT_COMMISSIONED");
    assert_warned(ship(LIST("s5")), "NOT_COMMISSIONED");
}
END_TEST

START_TEST(a_serial_is_commissioned_once_even_by_a_transformation)
{
    Epcis__V1__Event *event =
        synthetic_event(&world.events, TYPE(TRANSFORMATION), ACTION(UNSPECIFIED), "transforming", now++);
    event->input_epc_list = epcs(LIST("s1"), &event->n_input_epc_list);
    event->output_epc_list = epcs(LIST("s2"), &event->n_output_epc_list);
    ck_assert_int_eq(take(commission("L1", "2030-01-31", LIST("s1"))), COMMITTED);
    ck_assert_int_eq(take(event), COMMITTED);
    assert_refused(commission("L1", "2030-01-31", LIST("s2")), "SERIAL_REUSED");
}
END_TEST

START_TEST(a_declared_error_frees_serial_and_lot)
{
    Epcis__V1__Event *wrong = commission("L1", "2029-01-31", LIST("s1"));
    ck_assert_int_eq(take(wrong), COMMITTED);
    assert_refused(commission("L1", "2030-01-31", LIST("s2")), "MIXED_EXPIRY");
    assert_clean(declare_wrong(wrong), "ERRDECL_ORPHAN");
    ck_assert_int_eq(take(declare_wrong(wrong)), DUPLICATE);
    ck_assert_int_eq(take(commission("L1", "2030-01-31", LIST("s1"))), COMMITTED);
    assert_refused(commission("L1", "2029-01-31", LIST("s3")), "MIXED_EXPIRY");
}
END_TEST

START_TEST(a_declaration_without_its_event_is_an_orphan_until_it_comes)
{
    Epcis__V1__Event *wrong = commission("L1", "2029-01-31", LIST("s1"));
    assert_warned(declare_wrong(wrong), "ERRDECL_ORPHAN");
    ck_assert_int_eq(take(wrong), COMMITTED); /* kept, and does nothing */
    ck_assert_int_eq(take(commission("L1", "2030-01-31", LIST("s1"))), COMMITTED);
}
END_TEST

START_TEST(one_event_id_one_content)
{
    Epcis__V1__Event *first = commission("L1", "2030-01-31", LIST("s1"));
    Epcis__V1__Event *other = commission("L1", "2030-01-31", LIST("s2"));
    first->event_id = other->event_id = (char *)"urn:uuid:00000000-0000-4000-8000-000000000001";
    ck_assert_int_eq(take(first), COMMITTED);
    assert_refused(other, "EVENTID_CONFLICT");
    world.made.partner = "0614141000012"; /* who says the same of the same event */
    ck_assert_int_eq(take(first), DUPLICATE);
    ck_assert_int_eq(take(declare_wrong(first)), COMMITTED); /* under the same id, as the standard has it */
}
END_TEST

/* ---- containers ---- */

START_TEST(an_item_has_one_container)
{
    ck_assert_int_eq(take(commission("L1", "2030-01-31", LIST("s1", "s2"))), COMMITTED);
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "case1", LIST("s1"))), COMMITTED);
    assert_refused(aggregation(ACTION(ADD), "case2", LIST("s1")), "MULTI_PARENT");
    assert_clean(aggregation(ACTION(ADD), "case1", LIST("s1")), "MULTI_PARENT");
    ck_assert_int_eq(take(aggregation(ACTION(DELETE), "case1", NULL)), COMMITTED);
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "case2", LIST("s1"))), COMMITTED);
    Epcis__V1__Event *association = aggregation(ACTION(ADD), "pallet1", LIST("s1"));
    association->type = TYPE(ASSOCIATION); /* another relation: a sensor on a bottle */
    ck_assert_int_eq(take(association), COMMITTED);
}
END_TEST

START_TEST(no_container_holds_itself)
{
    char names[21][16];
    for (int i = 0; i < 20; i++) { /* twenty levels */
        snprintf(names[i], sizeof names[i], "case%d", i);
        snprintf(names[i + 1], sizeof names[i + 1], "case%d", i + 1);
        ck_assert_int_eq(take(aggregation(ACTION(ADD), names[i + 1], LIST(names[i]))), COMMITTED);
    }
    assert_refused(aggregation(ACTION(ADD), names[0], LIST(names[20])), "AGG_CYCLE");
    ck_assert_int_eq(take(aggregation(ACTION(DELETE), names[10], LIST(names[9]))), COMMITTED);
    ck_assert_int_eq(take(aggregation(ACTION(ADD), names[0], LIST(names[20]))), COMMITTED);
}
END_TEST

START_TEST(unpacking_undoes_what_is_there)
{
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "case1", LIST("s1", "s2"))), COMMITTED);
    assert_warned(aggregation(ACTION(DELETE), "case2", LIST("s1")), "DISAGG_UNKNOWN");
    assert_clean(aggregation(ACTION(DELETE), "case1", LIST("s1")), "DISAGG_UNKNOWN");
    assert_warned(aggregation(ACTION(DELETE), "case1", LIST("s1")), "DISAGG_UNKNOWN");
    assert_clean(aggregation(ACTION(DELETE), "case1", NULL), "DISAGG_UNKNOWN");
    assert_warned(aggregation(ACTION(DELETE), "case1", NULL), "DISAGG_UNKNOWN");
}
END_TEST

START_TEST(a_case_is_filled_before_it_is_packed)
{
    assert_clean(aggregation(ACTION(ADD), "case1", LIST("s1")), "PACK_INVERSION");
    assert_clean(aggregation(ACTION(ADD), "pallet1", LIST("case1")), "PACK_INVERSION");
    assert_warned(aggregation(ACTION(ADD), "case1", LIST("s2")), "PACK_INVERSION");
}
END_TEST

/* ---- shipping ---- */

START_TEST(a_shipment_is_known_to_the_last_bottle)
{
    ck_assert_int_eq(take(commission("L1", "2030-01-31", LIST("s1"))), COMMITTED);
    assert_warned(ship(LIST("pallet1")), "TI_UNRESOLVED");
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "case1", LIST("s1"))), COMMITTED);
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "pallet1", LIST("case1"))), COMMITTED);
    assert_clean(ship(LIST("pallet1")), "TI_UNRESOLVED");
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "case1", LIST("s2"))), COMMITTED); /* of no known lot */
    assert_warned(ship(LIST("pallet1")), "TI_UNRESOLVED");
}
END_TEST

START_TEST(what_expired_is_not_shipped_even_within_a_pallet)
{
    /* Events happen at 2025-01-06T02:53:20 local time and after. */
    ck_assert_int_eq(take(commission("L1", "2025-01-05", LIST("s1"))), COMMITTED);
    ck_assert_int_eq(take(commission("L2", "2025-01-06", LIST("s2"))), COMMITTED);
    assert_clean(ship(LIST("s2")), "EXPIRED_SHIPPED"); /* good on its last day */
    assert_refused(ship(LIST("s1")), "EXPIRED_SHIPPED");
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "case1", LIST("s1", "s2"))), COMMITTED);
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "pallet1", LIST("case1"))), COMMITTED);
    assert_refused(ship(LIST("pallet1")), "EXPIRED_SHIPPED");
    ck_assert_int_eq(take(aggregation(ACTION(DELETE), "case1", LIST("s1"))), COMMITTED);
    ck_assert_int_eq(take(ship(LIST("pallet1"))), COMMITTED);
}
END_TEST

START_TEST(what_was_destroyed_is_not_shipped)
{
    ck_assert_int_eq(take(commission("L1", "2030-01-31", LIST("s1", "s2"))), COMMITTED);
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "case1", LIST("s1", "s2"))), COMMITTED);
    Epcis__V1__Event *destroying = object(ACTION(DELETE), "destroying", LIST("s1"));
    ck_assert_int_eq(take(destroying), COMMITTED);
    assert_refused(ship(LIST("s1")), "DECOMM_SHIPPED");
    assert_refused(ship(LIST("case1")), "DECOMM_SHIPPED");
    ck_assert_int_eq(take(declare_wrong(destroying)), COMMITTED); /* it was another bottle */
    ck_assert_int_eq(take(ship(LIST("case1"))), COMMITTED);
}
END_TEST

START_TEST(a_return_follows_a_shipment)
{
    ck_assert_int_eq(take(commission("L1", "2030-01-31", LIST("s1", "s2"))), COMMITTED);
    assert_warned(object(ACTION(OBSERVE), "returning", LIST("s1")), "RETURN_UNLINKED");
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "case1", LIST("s1"))), COMMITTED);
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "pallet1", LIST("case1"))), COMMITTED);
    ck_assert_int_eq(take(ship(LIST("pallet1"))), COMMITTED);
    assert_clean(object(ACTION(OBSERVE), "returning", LIST("s1")), "RETURN_UNLINKED");
    ck_assert_int_eq(take(aggregation(ACTION(DELETE), "case1", NULL)), COMMITTED);
    assert_clean(object(ACTION(OBSERVE), "returning", LIST("s1")), "RETURN_UNLINKED");
    assert_warned(object(ACTION(OBSERVE), "returning", LIST("s2")), "RETURN_UNLINKED");
}
END_TEST

START_TEST(a_case_of_ten_thousand_is_looked_through)
{
    enum { BOTTLES = 10000, EACH = 500 };
    static char names[BOTTLES][8];
    const char *list[EACH + 1] = {NULL};
    for (int i = 0; i < BOTTLES; i++) {
        snprintf(names[i], sizeof names[i], "s%d", i);
        list[i % EACH] = names[i];
        if (i % EACH < EACH - 1)
            continue;
        ck_assert_int_eq(take(commission("L1", "2030-01-31", list)), COMMITTED);
        ck_assert_int_eq(take(aggregation(ACTION(ADD), "case1", list)), COMMITTED);
    }
    assert_clean(ship(LIST("case1")), "TI_UNRESOLVED");
    ck_assert_int_eq(take(object(ACTION(DELETE), "destroying", LIST(names[7777]))), COMMITTED);
    assert_refused(ship(LIST("case1")), "DECOMM_SHIPPED");
}
END_TEST

/* ---- large events: their cost grows as they do, not as its square ---- */

enum { MANY = 20000 };

/* "s0" to "s19999", or of another kind. */
static const char *const *many(char kind)
{
    static char names[2][MANY][12];
    static const char *lists[2][MANY + 1];
    int at = kind != 's';
    for (int i = 0; i < MANY; i++) {
        snprintf(names[at][i], sizeof names[at][i], "%c%d", kind, i);
        lists[at][i] = names[at][i];
    }
    return lists[at];
}

START_TEST(a_large_event_can_be_declared_wrong)
{
    Epcis__V1__Event *wrong = aggregation(ACTION(ADD), "pallet1", many('s'));
    ck_assert_int_eq(take(commission("L1", "2030-01-31", many('s'))), COMMITTED);
    ck_assert_int_eq(take(wrong), COMMITTED);
    assert_refused(aggregation(ACTION(ADD), "pallet2", LIST("s19999")), "MULTI_PARENT");
    assert_clean(declare_wrong(wrong), "ERRDECL_ORPHAN");
    assert_clean(aggregation(ACTION(ADD), "pallet2", many('s')), "NOT_COMMISSIONED");
}
END_TEST

START_TEST(many_that_were_packed_together_come_back)
{
    ck_assert_int_eq(take(commission("L1", "2030-01-31", many('s'))), COMMITTED);
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "case1", many('s'))), COMMITTED);
    ck_assert_int_eq(take(ship(LIST("case1"))), COMMITTED);
    assert_clean(object(ACTION(OBSERVE), "returning", many('s')), "RETURN_UNLINKED");
}
END_TEST

START_TEST(many_cases_of_one_pallet_are_looked_through)
{
    const char *const *cases = many('c'), *const *bottles = many('s');
    ck_assert_int_eq(take(commission("L1", "2030-01-31", bottles)), COMMITTED);
    ck_assert_int_eq(take(commission(NULL, NULL, cases)), COMMITTED);
    synthetic_segment(&world.made, document, 0);
    for (int i = 0; i < MANY; i++)
        synthetic_add(&world.made, aggregation(ACTION(ADD), cases[i], LIST(bottles[i])));
    end_batch();
    ck_assert_uint_eq(commit_batches(false).committed, MANY);
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "pallet30000", cases)), COMMITTED);
    assert_clean(ship(LIST("pallet30000")), "TI_UNRESOLVED");
}
END_TEST

/* ---- where rules are off ---- */

START_TEST(a_circle_that_was_let_in_is_looked_through_once)
{
    struct rules_severities severities;
    struct commit_config config = {
        .store = world.store, .worker_id = "test:1", .severities = &severities, .memory_bytes = 256 << 20};
    rules_severities_init(&severities, RULES_DSCSA);
    ck_assert_int_eq(rules_severities_override(&severities, "AGG_CYCLE=off"), ERR_OK);
    commit_close(&world.commit);
    ck_assert_int_eq(commit_open(&config, &world.commit), ERR_OK);
    ck_assert_int_eq(take(commission("L1", "2030-01-31", LIST("s1"))), COMMITTED);
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "case1", LIST("s1"))), COMMITTED);
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "pallet1", LIST("case1"))), COMMITTED);
    ck_assert_int_eq(take(aggregation(ACTION(ADD), "case1", LIST("pallet1"))), COMMITTED);
    assert_clean(ship(LIST("pallet1")), "TI_UNRESOLVED");
}
END_TEST

static void setup_all(void)
{
    arena_init(&answers, 64 << 20);
    setup_items();
}

static void teardown_all(void)
{
    arena_free(&answers);
    teardown();
}

int main(void)
{
    Suite *suite = suite_create("item_rules");
    TCase *tests = tcase_create("item_rules");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 100);
    tcase_add_checked_fixture(tests, setup_all, teardown_all);
    tcase_add_test(tests, packing_asks_for_commissioning);
    tcase_add_test(tests, a_serial_is_commissioned_once_even_by_a_transformation);
    tcase_add_test(tests, a_declared_error_frees_serial_and_lot);
    tcase_add_test(tests, a_declaration_without_its_event_is_an_orphan_until_it_comes);
    tcase_add_test(tests, one_event_id_one_content);
    tcase_add_test(tests, an_item_has_one_container);
    tcase_add_test(tests, no_container_holds_itself);
    tcase_add_test(tests, unpacking_undoes_what_is_there);
    tcase_add_test(tests, a_case_is_filled_before_it_is_packed);
    tcase_add_test(tests, a_shipment_is_known_to_the_last_bottle);
    tcase_add_test(tests, what_expired_is_not_shipped_even_within_a_pallet);
    tcase_add_test(tests, what_was_destroyed_is_not_shipped);
    tcase_add_test(tests, a_return_follows_a_shipment);
    tcase_add_test(tests, a_case_of_ten_thousand_is_looked_through);
    tcase_add_test(tests, a_large_event_can_be_declared_wrong);
    tcase_add_test(tests, many_that_were_packed_together_come_back);
    tcase_add_test(tests, many_cases_of_one_pallet_are_looked_through);
    tcase_add_test(tests, a_circle_that_was_let_in_is_looked_through_once);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
