/* Records of trading partners in a journal on a real disk. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/gs1/epc.h"
#include "server/batch.h"
#include "server/journal.h"
#include "server/journal_partner.h"
#include "server/partner_cache.h"
#include "server/partner_change.h"
#include "tests/component/folder.h"

#define GLN_A "0614141000012"
#define GLN_B "0614141000029"
#define GLN_C "0614141000036"

static struct journal *journal;
static struct arena arena;
static char why[PARTNER_WHY];

static void open_journal(void)
{
    ck_assert_int_eq(journal_open(dir, 256 << 20, &journal), ERR_OK);
}

static void reopen(void)
{
    journal_close(&journal);
    open_journal();
}

static void setup(void)
{
    folder_make();
    arena_init(&arena, 16 << 20);
    open_journal();
}

static void teardown(void)
{
    journal_close(&journal);
    arena_free(&arena);
    folder_remove();
}

/* ---- records ---------------------------------------------------------------------------------------- */

static char *text(const char *from)
{
    return arena_copy(&arena, from, strlen(from));
}

static Epcis__V1__TradingPartner *partner_new(const char *name, const char *gln)
{
    Epcis__V1__TradingPartner *partner = arena_alloc(&arena, sizeof *partner);
    epcis__v1__trading_partner__init(partner);
    partner->name = text(name);
    partner->glns = arena_alloc(&arena, 4 * sizeof(char *));
    partner->glns[partner->n_glns++] = text(gln);
    return partner;
}

static void add_override(Epcis__V1__TradingPartner *partner, const char *code, int severity)
{
    Epcis__V1__TradingPartner__OverridesEntry *entry = arena_alloc(&arena, sizeof *entry);
    epcis__v1__trading_partner__overrides_entry__init(entry);
    entry->key = text(code);
    entry->value = (Epcis__V1__RuleSeverity)severity;
    if (!partner->overrides)
        partner->overrides = arena_alloc(&arena, 8 * sizeof *partner->overrides);
    partner->overrides[partner->n_overrides++] = entry;
}

static Epcis__V1__TradingPartner *create(const char *name, const char *gln)
{
    Epcis__V1__TradingPartner *partner = partner_new(name, gln);
    ck_assert_int_eq(partner_create(journal, partner, "tester", &arena, why), ERR_OK);
    return partner;
}

static enum err find(const char *gln, Epcis__V1__TradingPartner **out)
{
    return journal_partner_by_gln(journal, gln, &arena, out);
}

static Epcis__V1__TradingPartner *get(const char *partner_id)
{
    uint8_t id[UUID_BYTES];
    Epcis__V1__TradingPartner *partner = NULL;
    ck_assert_int_eq(uuid_parse(partner_id, id), ERR_OK);
    ck_assert_int_eq(journal_partner_get(journal, id, &arena, &partner), ERR_OK);
    return partner;
}

static Epcis__V1__GetPartnerResponse changes_of(const Epcis__V1__TradingPartner *partner, uint32_t limit)
{
    Epcis__V1__GetPartnerResponse response = EPCIS__V1__GET_PARTNER_RESPONSE__INIT;
    uint8_t id[UUID_BYTES];
    ck_assert_int_eq(uuid_parse(partner->partner_id, id), ERR_OK);
    ck_assert_int_eq(journal_partner_changes(journal, id, partner->version, limit, &arena, &response),
                     ERR_OK);
    return response;
}

START_TEST(a_record_outlives_the_process)
{
    Epcis__V1__TradingPartner *made = partner_new("Acme", GLN_A), *read = NULL;
    Epcis__V1__PartnerContact contact = EPCIS__V1__PARTNER_CONTACT__INIT;
    contact.email = "epcis@acme.example";
    made->contact = &contact;
    made->profile = EPCIS__V1__RULE_PROFILE__RULE_PROFILE_STRICT;
    made->company_prefixes = (char *[]){"0614141"};
    made->n_company_prefixes = 1;
    add_override(made, "SERIAL_REPEATED", EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_WARN);
    add_override(made, "BT_GLN", EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_OFF);
    ck_assert_int_eq(partner_create(journal, made, "tester", &arena, why), ERR_OK);
    reopen();
    ck_assert_int_eq(find(GLN_A, &read), ERR_OK);
    ck_assert_str_eq(read->partner_id, made->partner_id);
    ck_assert_str_eq(read->name, "Acme");
    ck_assert_str_eq(read->contact->email, "epcis@acme.example");
    ck_assert_str_eq(read->company_prefixes[0], "0614141");
    ck_assert_int_eq(read->profile, EPCIS__V1__RULE_PROFILE__RULE_PROFILE_STRICT);
    ck_assert_uint_eq(read->n_overrides, 2); /* by code */
    ck_assert_str_eq(read->overrides[0]->key, "BT_GLN");
    ck_assert_int_eq(read->overrides[1]->value, EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_WARN);
    ck_assert(read->active);
    ck_assert_uint_eq(read->version, 1);
    ck_assert_int_gt(read->created_ms, 0);
    ck_assert_int_eq(find(GLN_B, &read), ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_gln_is_one_partners)
{
    Epcis__V1__TradingPartner *first = create("First", GLN_A), *second = partner_new("Second", GLN_B);
    second->glns[second->n_glns++] = text(GLN_A);
    ck_assert_int_eq(partner_create(journal, second, "", &arena, why), ERR_EXISTS);
    ck_assert_ptr_nonnull(strstr(why, GLN_A));
    ck_assert_ptr_nonnull(strstr(why, first->partner_id));
    ck_assert_ptr_nonnull(strstr(why, "First"));
    Epcis__V1__TradingPartner *read;
    ck_assert_int_eq(find(GLN_B, &read), ERR_NOT_FOUND); /* nothing of it was kept */

    second = create("Second", GLN_B);
    second->glns[0] = text(GLN_A);
    ck_assert_int_eq(partner_update(journal, second, "", why), ERR_EXISTS);
    ck_assert_int_eq(find(GLN_B, &read), ERR_OK);
    ck_assert_str_eq(read->partner_id, second->partner_id);
}
END_TEST

START_TEST(a_gln_given_up_is_free)
{
    Epcis__V1__TradingPartner *first = create("First", GLN_A), *read;
    first->glns[0] = text(GLN_C);
    ck_assert_int_eq(partner_update(journal, first, "", why), ERR_OK);
    ck_assert_int_eq(find(GLN_A, &read), ERR_NOT_FOUND);
    ck_assert_int_eq(find(GLN_C, &read), ERR_OK);
    create("Second", GLN_A);
    reopen();
    ck_assert_int_eq(find(GLN_A, &read), ERR_OK);
    ck_assert_str_eq(read->name, "Second");
}
END_TEST

START_TEST(a_change_names_the_version_it_was_made_from)
{
    Epcis__V1__TradingPartner *made = create("Acme", GLN_A);
    Epcis__V1__TradingPartner *mine = get(made->partner_id), *theirs = get(made->partner_id);
    mine->name = text("Acme Inc.");
    ck_assert_int_eq(partner_update(journal, mine, "", why), ERR_OK);
    ck_assert_uint_eq(mine->version, 2);
    ck_assert_int_eq(mine->created_ms, made->created_ms);
    theirs->name = text("Acme Ltd.");
    ck_assert_int_eq(partner_update(journal, theirs, "", why), ERR_VERSION);
    ck_assert_ptr_nonnull(strstr(why, "record's is 2"));
    ck_assert_str_eq(get(made->partner_id)->name, "Acme Inc.");
    Epcis__V1__TradingPartner *out;
    ck_assert_int_eq(partner_deactivate(journal, made->partner_id, 1, "", &arena, &out, why), ERR_VERSION);
    ck_assert(get(made->partner_id)->active);
}
END_TEST

START_TEST(a_change_that_changes_nothing_leaves_no_trace)
{
    Epcis__V1__TradingPartner *made = create("Acme", GLN_A), *same = get(made->partner_id), *out;
    uint64_t before = journal_partner_changes_made(journal);
    ck_assert_int_eq(partner_update(journal, same, "", why), ERR_OK);
    ck_assert_uint_eq(same->version, 1);
    ck_assert_uint_eq(journal_partner_changes_made(journal), before);
    ck_assert_int_eq(partner_deactivate(journal, made->partner_id, 0, "", &arena, &out, why), ERR_OK);
    ck_assert_uint_eq(out->version, 2);
    ck_assert_uint_gt(journal_partner_changes_made(journal), before);
    ck_assert_int_eq(partner_deactivate(journal, made->partner_id, 0, "", &arena, &out, why), ERR_OK);
    ck_assert_uint_eq(out->version, 2);
}
END_TEST

START_TEST(the_history_tells_every_change)
{
    Epcis__V1__TradingPartner *partner = create("Acme", GLN_A), *out;
    partner->name = text("Acme Inc.");
    partner->profile = EPCIS__V1__RULE_PROFILE__RULE_PROFILE_EPCIS;
    ck_assert_int_eq(partner_update(journal, partner, "ann", why), ERR_OK);
    ck_assert_int_eq(partner_deactivate(journal, partner->partner_id, 2, "bob", &arena, &out, why), ERR_OK);
    ck_assert(!out->active);
    out->active = true;
    ck_assert_int_eq(partner_update(journal, out, "ann", why), ERR_OK);
    reopen();

    Epcis__V1__GetPartnerResponse response = changes_of(out, 100);
    ck_assert_uint_eq(response.n_changes, 4);
    ck_assert_int_eq(response.changes[0]->action, EPCIS__V1__PARTNER_ACTION__PARTNER_ACTION_REACTIVATED);
    ck_assert_int_eq(response.changes[1]->action, EPCIS__V1__PARTNER_ACTION__PARTNER_ACTION_DEACTIVATED);
    ck_assert_str_eq(response.changes[1]->changed_by, "bob");
    const Epcis__V1__PartnerChange *update = response.changes[2];
    ck_assert_int_eq(update->action, EPCIS__V1__PARTNER_ACTION__PARTNER_ACTION_UPDATED);
    ck_assert_uint_eq(update->n_fields, 2);
    ck_assert_str_eq(update->fields[0], "name");
    ck_assert_str_eq(update->fields[1], "profile");
    ck_assert_uint_eq(update->version_before, 1);
    ck_assert_uint_eq(update->version_after, 2);
    ck_assert_int_eq(response.changes[3]->action, EPCIS__V1__PARTNER_ACTION__PARTNER_ACTION_CREATED);
    ck_assert_uint_eq(response.changes[3]->version_before, 0);
    response = changes_of(out, 3);
    ck_assert_uint_eq(response.n_changes, 3);
    ck_assert_uint_eq(response.changes[2]->version_after, 2);
}
END_TEST

/* Any GLN: `number` and its check digit. */
static char *gln_number(unsigned number)
{
    char digits[32];
    snprintf(digits, sizeof digits, "0614141%05u", number);
    digits[13] = '\0';
    digits[12] = gs1_check_digit(digits, 12);
    return text(digits);
}

START_TEST(a_list_comes_in_pages)
{
    enum { COUNT = 25, PAGE = 10 };
    uint8_t after[UUID_BYTES];
    bool more = true;
    unsigned seen = 0;
    char last[UUID_TEXT + 1] = "";
    for (unsigned i = 0; i < COUNT; i++)
        create("Acme", gln_number(i));
    while (more) {
        Epcis__V1__ListPartnersResponse page = EPCIS__V1__LIST_PARTNERS_RESPONSE__INIT;
        ck_assert_int_eq(journal_partner_list(journal, seen ? after : NULL, PAGE, &arena, &page, &more),
                         ERR_OK);
        for (size_t i = 0; i < page.n_partners; i++, seen++) {
            ck_assert_str_gt(page.partners[i]->partner_id, last);
            strcpy(last, page.partners[i]->partner_id);
        }
        ck_assert_int_eq(uuid_parse(last, after), ERR_OK);
        ck_assert_int_eq(more, seen < COUNT);
    }
    ck_assert_uint_eq(seen, COUNT);
}
END_TEST

START_TEST(a_page_ends_where_memory_does)
{
    enum { COUNT = 25 };
    Epcis__V1__ListPartnersResponse page = EPCIS__V1__LIST_PARTNERS_RESPONSE__INIT;
    struct arena small;
    bool more = false;
    for (unsigned i = 0; i < COUNT; i++)
        create("Acme", gln_number(i));
    arena_init(&small, 5 << 10);
    ck_assert_int_eq(journal_partner_list(journal, NULL, COUNT, &small, &page, &more), ERR_OK);
    ck_assert_uint_gt(page.n_partners, 0);
    ck_assert_uint_lt(page.n_partners, COUNT);
    ck_assert(more);
    arena_free(&small);
}
END_TEST

START_TEST(an_empty_register_lists_nothing)
{
    Epcis__V1__ListPartnersResponse page = EPCIS__V1__LIST_PARTNERS_RESPONSE__INIT;
    bool more = true;
    ck_assert_int_eq(journal_partner_list(journal, NULL, 10, &arena, &page, &more), ERR_OK);
    ck_assert_uint_eq(page.n_partners, 0);
    ck_assert(!more);
}
END_TEST

START_TEST(a_failed_write_keeps_nothing)
{
    Epcis__V1__TradingPartner *read;
    setenv("EPCISD_FAULT", "journal.commit", 1);
    fault_init();
    enum err err = partner_create(journal, partner_new("Acme", GLN_A), "", &arena, why);
    unsetenv("EPCISD_FAULT");
    fault_init();
    ck_assert_int_eq(err, ERR_DISK);
    ck_assert_int_eq(find(GLN_A, &read), ERR_NOT_FOUND);
    create("Acme", GLN_A);
    ck_assert_int_eq(find(GLN_A, &read), ERR_OK);
}
END_TEST

/* ---- what workers are told -------------------------------------------------------------------------- */

static struct partner_cache *cache;

/* The batch that `count` documents of these partners make, as a worker reads it. */
static Epcis__Wire__V1__Batch *close_batch(const char *const *glns, size_t count)
{
    static const uint8_t parent[DIGEST_BYTES];
    struct batch *batch = batch_new(1, 0);
    Epcis__Wire__V1__BatchItem item = EPCIS__WIRE__V1__BATCH_ITEM__INIT;
    Epcis__V1__Event event = EPCIS__V1__EVENT__INIT;
    struct pack pack = {0};
    struct batch_item packed;
    item.content_case = EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_EVENT;
    ck_assert_int_eq(batch_pack(&pack, &item, &event.base, &packed), ERR_OK);
    for (size_t i = 0; i < count; i++) {
        struct batch_span span = {.number = i + 1};
        strcpy(span.partner, glns[i]);
        ck_assert_int_eq(batch_add(batch, &span, &packed), ERR_OK);
    }
    pack_free(&pack);
    ck_assert_int_eq(batch_close(batch, 1, parent, cache), ERR_OK);
    Epcis__Wire__V1__Batch *read =
        epcis__wire__v1__batch__unpack(&arena.allocator, batch->frame.length, batch->frame.data);
    ck_assert_ptr_nonnull(read);
    ck_assert_uint_eq(read->n_segments, count);
    batch_free(batch);
    return read;
}

static Epcis__Wire__V1__PartnerFacts *facts_of(const char *gln)
{
    return close_batch(&gln, 1)->segments[0]->partner_record;
}

START_TEST(a_batch_tells_of_its_partners)
{
    cache = partner_cache_new(journal);
    Epcis__V1__TradingPartner *made = partner_new("Acme", GLN_A);
    made->profile = EPCIS__V1__RULE_PROFILE__RULE_PROFILE_STRICT;
    made->company_prefixes = (char *[]){"0614141"};
    made->n_company_prefixes = 1;
    add_override(made, "BT_GLN", EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_OFF);
    ck_assert_int_eq(partner_create(journal, made, "", &arena, why), ERR_OK);
    const char *const glns[] = {GLN_A, GLN_A, GLN_B, GLN_A, ""};
    Epcis__Wire__V1__Batch *batch = close_batch(glns, 5);
    Epcis__Wire__V1__PartnerFacts *facts = batch->segments[0]->partner_record;
    ck_assert_ptr_nonnull(facts);
    ck_assert(facts->known && facts->active);
    ck_assert_int_eq(facts->profile, EPCIS__V1__RULE_PROFILE__RULE_PROFILE_STRICT);
    ck_assert_uint_eq(facts->n_overrides, 1);
    ck_assert_str_eq(facts->overrides[0]->key, "BT_GLN");
    ck_assert_int_eq(facts->overrides[0]->value, EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_OFF);
    ck_assert_str_eq(facts->company_prefixes[0], "0614141");
    ck_assert_ptr_null(batch->segments[1]->partner_record); /* as before */
    ck_assert_ptr_nonnull(batch->segments[2]->partner_record);
    ck_assert(!batch->segments[2]->partner_record->known);
    ck_assert(batch->segments[3]->partner_record->known);
    ck_assert(!batch->segments[4]->partner_record->known);
    partner_cache_free(cache);
}
END_TEST

START_TEST(the_next_batch_knows_of_a_change)
{
    Epcis__V1__TradingPartner *out;
    cache = partner_cache_new(journal);
    ck_assert(!facts_of(GLN_A)->known);
    Epcis__V1__TradingPartner *made = create("Acme", GLN_A);
    ck_assert(facts_of(GLN_A)->active);
    create("Other", GLN_B);
    ck_assert(facts_of(GLN_A)->active);
    ck_assert_int_eq(partner_deactivate(journal, made->partner_id, 0, "", &arena, &out, why), ERR_OK);
    ck_assert(facts_of(GLN_A)->known);
    ck_assert(!facts_of(GLN_A)->active);
    out->active = true;
    out->glns[0] = text(GLN_C);
    ck_assert_int_eq(partner_update(journal, out, "", why), ERR_OK);
    ck_assert(!facts_of(GLN_A)->known);
    ck_assert(facts_of(GLN_C)->active);
    partner_cache_free(cache);
}
END_TEST

/* The batch's id is that of its events alone: a batch rebuilt after a change has it again. */
START_TEST(the_batch_id_does_not_depend_on_records)
{
    const char *const glns[] = {GLN_A};
    cache = partner_cache_new(journal);
    Epcis__Wire__V1__Batch *before = close_batch(glns, 1);
    create("Acme", GLN_A);
    Epcis__Wire__V1__Batch *after = close_batch(glns, 1);
    ck_assert(before->segments[0]->partner_record->known != after->segments[0]->partner_record->known);
    ck_assert_mem_eq(before->batch_id.data, after->batch_id.data, DIGEST_BYTES);
    partner_cache_free(cache);
}
END_TEST

/* ---- what a record must look like ------------------------------------------------------------------- */

static void refuse(Epcis__V1__TradingPartner *partner, const char *what)
{
    ck_assert_int_eq(partner_create(journal, partner, "", &arena, why), ERR_INPUT);
    ck_assert_msg(strstr(why, what) != NULL, "'%s' does not speak of '%s'", why, what);
}

START_TEST(what_a_record_may_not_be)
{
    Epcis__V1__TradingPartner *partner;
    refuse(partner_new("", GLN_A), "name");
    refuse(partner_new("a\tb", GLN_A), "control character");
    char *long_name = arena_zalloc(&arena, 202);
    memset(long_name, 'x', 201);
    refuse(partner_new(long_name, GLN_A), "201 bytes");
    refuse(partner_new("Acme", "0614141000013"), "should be 2");
    refuse(partner_new("Acme", "614141000012"), "13 digits");
    refuse(partner_new("Acme", "061414100001x"), "13 digits");
    partner = partner_new("Acme", GLN_A);
    partner->n_glns = 0;
    refuse(partner, "`glns`");
    partner = partner_new("Acme", GLN_A);
    partner->glns[partner->n_glns++] = text(GLN_A);
    refuse(partner, "glns[1]");
    partner = partner_new("Acme", GLN_A);
    partner->n_company_prefixes = 1;
    partner->company_prefixes = (char *[]){"06141"};
    refuse(partner, "6 to 12 digits");
    partner->company_prefixes = (char *[]){"0614141000123"};
    refuse(partner, "6 to 12 digits");
    partner = partner_new("Acme", GLN_A);
    partner->profile = (Epcis__V1__RuleProfile)4;
    refuse(partner, "profile");
    partner = partner_new("Acme", GLN_A);
    partner->partner_id = "0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10";
    refuse(partner, "partner_id");
    static const char *const codes[] = {"AB", "serial_format", "SERIAL-FORMAT", "",
                                        "A2345678901234567890123456789012345678901"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        partner = partner_new("Acme", GLN_A);
        add_override(partner, codes[i], 1);
        refuse(partner, "code");
    }
    for (int severity = 0; severity < 5; severity += 4) {
        partner = partner_new("Acme", GLN_A);
        add_override(partner, "BT_GLN", severity);
        refuse(partner, "off, warn or reject");
    }
    partner = partner_new("Acme", GLN_A);
    add_override(partner, "BT_GLN", 1);
    add_override(partner, "AGG_PARENT", 1);
    add_override(partner, "BT_GLN", 2);
    refuse(partner, "twice");
    partner = partner_new("Acme", GLN_A);
    Epcis__V1__PartnerContact contact = EPCIS__V1__PARTNER_CONTACT__INIT;
    contact.email = "nobody";
    partner->contact = &contact;
    refuse(partner, "contact.email");
    Epcis__V1__TradingPartner *read;
    ck_assert_int_eq(find(GLN_A, &read), ERR_NOT_FOUND);
}
END_TEST

START_TEST(what_is_not_there_cannot_be_changed)
{
    Epcis__V1__TradingPartner *partner = partner_new("Acme", GLN_A), *out;
    partner->partner_id = text("0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10");
    ck_assert_int_eq(partner_update(journal, partner, "", why), ERR_INPUT); /* version 0 */
    partner->version = 1;
    ck_assert_int_eq(partner_update(journal, partner, "", why), ERR_NOT_FOUND);
    ck_assert_int_eq(partner_deactivate(journal, partner->partner_id, 0, "", &arena, &out, why),
                     ERR_NOT_FOUND);
    ck_assert_int_eq(partner_deactivate(journal, "acme", 0, "", &arena, &out, why), ERR_INPUT);
    ck_assert_int_eq(find(GLN_A, &out), ERR_NOT_FOUND);
}
END_TEST

int main(void)
{
    log_init("component_partners", LOG_AS_TEXT);
    Suite *suite = suite_create("partners");
    TCase *tests = tcase_create("records");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_record_outlives_the_process);
    tcase_add_test(tests, a_gln_is_one_partners);
    tcase_add_test(tests, a_gln_given_up_is_free);
    tcase_add_test(tests, a_change_names_the_version_it_was_made_from);
    tcase_add_test(tests, a_change_that_changes_nothing_leaves_no_trace);
    tcase_add_test(tests, the_history_tells_every_change);
    tcase_add_test(tests, a_list_comes_in_pages);
    tcase_add_test(tests, a_page_ends_where_memory_does);
    tcase_add_test(tests, an_empty_register_lists_nothing);
    tcase_add_test(tests, a_failed_write_keeps_nothing);
    tcase_add_test(tests, a_batch_tells_of_its_partners);
    tcase_add_test(tests, the_next_batch_knows_of_a_change);
    tcase_add_test(tests, the_batch_id_does_not_depend_on_records);
    tcase_add_test(tests, what_a_record_may_not_be);
    tcase_add_test(tests, what_is_not_there_cannot_be_changed);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
