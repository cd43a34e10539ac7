/* Master data through the worker's commit into a real store: versions, and the rules that need it. */
#include <check.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/store/store_master.h"
#include "tests/component/synthetic.h"
#include "worker/commit.h"

enum { MAP_BYTES = 256 << 20 };

#define VTYPE(name) "urn:epcglobal:epcis:vtype:" name
#define PRODUCT     "urn:epc:idpat:sgtin:0614141.010001.*"
#define PLACE       "urn:epc:id:sgln:0614141.00001.0"

static struct world {
    char folder[64];
    struct store *store;
    struct commit *commit;
    struct synthetic made;
    struct synthetic_chain chain;
    struct arena events;
    struct arena answers;
    struct buffer frame;
    struct commit_result result;
} world;

static void open_commit(enum rules_profile profile)
{
    struct commit_config config = {
        .store = world.store, .worker_id = "test:1", .profile = profile, .memory_bytes = 64 << 20};
    commit_close(&world.commit);
    ck_assert_int_eq(commit_open(&config, &world.commit), ERR_OK);
}

static void setup(void)
{
    char url[128];
    world = (struct world){.folder = "/tmp/epcisd-master-XXXXXX", .chain = {.partition = 3}};
    ck_assert_ptr_nonnull(mkdtemp(world.folder));
    snprintf(url, sizeof url, "lmdb:%s/store", world.folder);
    synthetic_init(&world.made);
    arena_init(&world.events, 64 << 20);
    arena_init(&world.answers, 64 << 20);
    ck_assert_int_eq(store_open(url, MAP_BYTES, &world.store), ERR_OK);
    open_commit(RULES_DSCSA);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static void teardown(void)
{
    commit_close(&world.commit);
    store_close(&world.store);
    synthetic_free(&world.made);
    arena_free(&world.events);
    arena_free(&world.answers);
    buffer_free(&world.frame);
    nftw(world.folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- steps ---- */

static Epcis__Wire__V1__BatchItem *add_bytes(const uint8_t *data, size_t bytes)
{
    Epcis__Wire__V1__BatchItem *item = synthetic_item(&world.made);
    item->content_case = EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_VOCABULARY_ELEMENT;
    item->vocabulary_element.data = (uint8_t *)arena_copy(&world.made.arena, (const char *)data, bytes);
    item->vocabulary_element.len = bytes;
    return item;
}

/* Attributes come as pairs of id and value, up to NULL. */
static void add_element(const char *type, const char *id, const char *const *pairs)
{
    Epcis__V1__VocabularyElement element = EPCIS__V1__VOCABULARY_ELEMENT__INIT;
    Epcis__V1__VocabularyAttribute attributes[16], *pointers[16];
    uint8_t packed[4096];
    element.type = (char *)type;
    element.id = (char *)id;
    element.attributes = pointers;
    for (; pairs[2 * element.n_attributes]; element.n_attributes++) {
        Epcis__V1__VocabularyAttribute *attribute = &attributes[element.n_attributes];
        epcis__v1__vocabulary_attribute__init(attribute);
        attribute->id = (char *)pairs[2 * element.n_attributes];
        attribute->value = (char *)pairs[2 * element.n_attributes + 1];
        pointers[element.n_attributes] = attribute;
    }
    add_bytes(packed, epcis__v1__vocabulary_element__pack(&element, packed));
}

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void commit(void)
{
    const struct buffer *frame = &world.frame;
    synthetic_pack(&world.made, &world.chain, &world.frame);
    ck_assert_int_eq(commit_frames(world.commit, &frame, 1, &world.result), ERR_OK);
    ck_assert_int_eq(world.result.acks[0]->result, EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED);
}

static void put(const char *type, const char *id, const char *const *pairs)
{
    add_element(type, id, pairs);
    commit();
}

static Epcis__V1__GetMasterDataResponse *get(const char *type, const char *id, uint32_t limit,
                                             char cursor[STORE_CURSOR])
{
    Epcis__V1__GetMasterDataResponse *response;
    enum err err =
        store_master_history(world.store, type, id, NULL, limit, cursor, &world.answers, &response);
    ck_assert_int_eq(err, ERR_OK);
    ck_assert_str_eq(response->next_page_token, cursor);
    return response;
}

static Epcis__V1__GetMasterDataResponse *get_all(const char *type, const char *id)
{
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__GetMasterDataResponse *response = get(type, id, 0, cursor);
    ck_assert_str_eq(cursor, "");
    return response;
}

/* Shipping of `serial` by PLACE. */
static Epcis__V1__Event *shipping(const char *serial, int64_t seconds)
{
    Epcis__V1__Event *event = synthetic_event(&world.events, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT,
                                              EPCIS__V1__ACTION__ACTION_OBSERVE, "shipping", seconds);
    event->disposition = (char *)"in_transit";
    event->biz_location = NULL;
    event->n_epc_list = 1;
    event->epc_list = synthetic_list(&world.events, 1);
    event->epc_list[0] = synthetic_sgtin(&world.events, 10001, serial);
    Epcis__V1__Source *source = arena_alloc(&world.events, sizeof *source);
    epcis__v1__source__init(source);
    source->type = (char *)"owning_party";
    source->source = (char *)PLACE;
    event->source_list = arena_alloc(&world.events, sizeof(Epcis__V1__Source *));
    event->source_list[0] = source;
    event->n_source_list = 1;
    return event;
}

/* How many findings of a code the event with this sequence has. */
static unsigned warned(uint64_t sequence, const char *code)
{
    Epcis__V1__CommittedEvent *kept;
    unsigned count = 0;
    ck_assert_int_eq(store_event_get(world.store, sequence, &world.answers, &kept), ERR_OK);
    for (size_t i = 0; i < kept->n_warnings; i++)
        count += strcmp(kept->warnings[i]->code, code) == 0;
    return count;
}

static const char *message_of(uint64_t sequence, const char *code)
{
    Epcis__V1__CommittedEvent *kept;
    ck_assert_int_eq(store_event_get(world.store, sequence, &world.answers, &kept), ERR_OK);
    for (size_t i = 0; i < kept->n_warnings; i++)
        if (strcmp(kept->warnings[i]->code, code) == 0)
            return kept->warnings[i]->message;
    return "";
}

/* ---- versions ---- */

START_TEST(keeps_every_version)
{
    synthetic_segment(&world.made, 1, 0);
    world.made.segments[0]->received_ms = 1000;
    add_element(VTYPE("EPCClass"), PRODUCT, PAIRS("cbvmda:regulatedProductName", "A", "cbvmda:x", "1"));
    commit();
    world.made.partner = "0614141000012";
    synthetic_segment(&world.made, 2, 0);
    world.made.segments[0]->received_ms = 2000;
    add_element(VTYPE("EPCClass"), PRODUCT, PAIRS("cbvmda:regulatedProductName", "B"));
    commit();
    put(VTYPE("EPCClass"), PRODUCT, PAIRS("cbvmda:regulatedProductName", "A", "cbvmda:x", "1"));

    Epcis__V1__GetMasterDataResponse *found =
        get_all(VTYPE("EPCClass"), "https://id.gs1.org/01/00614141100019");
    ck_assert_uint_eq(found->current->version, 3);
    ck_assert_str_eq(found->current->element->id, PRODUCT);
    ck_assert_str_eq(found->current->element->attributes[0]->value, "A");
    ck_assert_uint_eq(found->n_older, 2);
    ck_assert_uint_eq(found->older[0]->version, 2);
    ck_assert_str_eq(found->older[0]->element->attributes[0]->value, "B");
    ck_assert_str_eq(found->older[0]->partner, "0614141000012");
    ck_assert_int_eq(found->older[0]->received_ms, 2000);
    ck_assert_str_eq(found->older[0]->capture_id, "00000000-0000-0000-0000-000000000002");
    ck_assert_uint_eq(found->older[1]->version, 1);
    ck_assert_str_eq(found->older[1]->partner, "0614141000005");
    ck_assert_int_eq(found->older[1]->received_ms, 1000);
}
END_TEST

START_TEST(the_same_in_another_spelling_is_no_version)
{
    put(VTYPE("Party"), PLACE, PAIRS("cbvmda:name", "N", "cbvmda:city", "C"));
    put(VTYPE("Party"), "urn:epc:id:pgln:0614141.00001",
        PAIRS("urn:epcglobal:cbv:mda#city", "C", "urn:epcglobal:cbv:mda:name", "N"));
    ck_assert_uint_eq(get_all(VTYPE("Party"), "0614141000012")->current->version, 1);
    put(VTYPE("Party"), PLACE, PAIRS("cbvmda:name", "C", "cbvmda:city", "N"));
    ck_assert_uint_eq(get_all(VTYPE("Party"), PLACE)->current->version, 2);
    /* Of another vocabulary, or another place. */
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__GetMasterDataResponse *none;
    ck_assert_int_eq(
        store_master_history(world.store, VTYPE("Location"), PLACE, NULL, 0, cursor, &world.answers, &none),
        ERR_NOT_FOUND);
    ck_assert_int_eq(store_master_history(world.store, VTYPE("Party"), "urn:epc:id:sgln:0614141.00001.7",
                                          NULL, 0, cursor, &world.answers, &none),
                     ERR_NOT_FOUND);
}
END_TEST

START_TEST(versions_of_one_batch_are_all_kept)
{
    static const char *const names[] = {"A", "B", "B", "C"};
    for (size_t i = 0; i < 4; i++)
        add_element("urn:example:kind", "urn:example:thing", PAIRS("name", names[i]));
    commit();
    Epcis__V1__GetMasterDataResponse *found = get_all("urn:example:kind", "urn:example:thing");
    ck_assert_uint_eq(found->current->version, 3);
    ck_assert_str_eq(found->current->element->attributes[0]->value, "C");
}
END_TEST

START_TEST(older_versions_come_in_pages)
{
    char name[8], cursor[STORE_CURSOR] = "";
    for (int i = 1; i <= 12; i++) {
        snprintf(name, sizeof name, "%d", i);
        add_element("urn:example:kind", "urn:example:thing", PAIRS("name", name));
    }
    commit();
    uint32_t expected = 11;
    do {
        Epcis__V1__GetMasterDataResponse *page = get("urn:example:kind", "urn:example:thing", 5, cursor);
        ck_assert_uint_eq(page->current->version, 12);
        ck_assert_uint_le(page->n_older, 5);
        for (size_t i = 0; i < page->n_older; i++, expected--) {
            snprintf(name, sizeof name, "%u", expected);
            ck_assert_uint_eq(page->older[i]->version, expected);
            ck_assert_str_eq(page->older[i]->element->attributes[0]->value, name);
        }
    } while (*cursor);
    ck_assert_uint_eq(expected, 0);
}
END_TEST

static size_t list(const char *prefix, uint32_t limit, char ids[64][512])
{
    char cursor[STORE_CURSOR] = "";
    size_t count = 0;
    do {
        Epcis__V1__ListMasterDataResponse *page;
        ck_assert_int_eq(store_master_list(world.store, prefix, NULL, limit, cursor, &world.answers, &page),
                         ERR_OK);
        ck_assert_uint_le(page->n_master_data, limit);
        ck_assert_str_eq(page->next_page_token, cursor);
        for (size_t i = 0; i < page->n_master_data; i++)
            snprintf(ids[count++], 512, "%s", page->master_data[i]->element->id);
    } while (*cursor);
    return count;
}

START_TEST(lists_in_pages_by_vocabulary)
{
    static char ids[64][512];
    char long_type[400], other_type[400], long_id[400], id[64];
    memset(long_type, 't', sizeof long_type);
    memset(long_id, 'i', sizeof long_id);
    long_type[sizeof long_type - 1] = long_id[sizeof long_id - 1] = '\0';
    memcpy(other_type, long_type, sizeof other_type);
    other_type[300] = 'u';
    for (unsigned i = 0; i < 12; i++) {
        snprintf(id, sizeof id, "urn:epc:id:sgln:0614141.%05u.0", i);
        add_element(VTYPE("Location"), id, PAIRS("cbvmda:name", "x"));
    }
    add_element(VTYPE("EPCClass"), PRODUCT, PAIRS("cbvmda:regulatedProductName", "x"));
    add_element(long_type, long_id, PAIRS("name", "long"));
    add_element(other_type, long_id, PAIRS("name", "long, too"));
    commit();
    ck_assert_uint_eq(list("", 4, ids), 15);
    ck_assert_str_eq(ids[0], long_id);
    ck_assert_str_eq(ids[2], PRODUCT);
    ck_assert_str_eq(ids[14], "urn:epc:id:sgln:0614141.00011.0");
    ck_assert_uint_eq(list(VTYPE("Location"), 4, ids), 12);
    ck_assert_uint_eq(list("urn:epcglobal", 4, ids), 13);
    ck_assert_uint_eq(list("urn:example", 4, ids), 0);
    ck_assert_uint_eq(list(long_type, 4, ids), 1);
    ck_assert_uint_eq(list(other_type, 4, ids), 1);
    ck_assert_str_eq(get_all(long_type, long_id)->current->element->attributes[0]->value, "long");
    ck_assert_str_eq(get_all(other_type, long_id)->current->element->attributes[0]->value, "long, too");
}
END_TEST

START_TEST(refuses_a_cursor_that_is_none)
{
    static const char *const cursors[] = {"x", "0", "zz", "-1", "99999999999", "+", "+x", "00+1 ", "+1+1"};
    char cursor[STORE_CURSOR];
    Epcis__V1__ListMasterDataResponse *page;
    Epcis__V1__GetMasterDataResponse *found;
    put("urn:example:kind", "urn:example:thing", PAIRS("name", "x"));
    for (size_t i = 0; i < sizeof cursors / sizeof cursors[0]; i++) {
        snprintf(cursor, sizeof cursor, "%s", cursors[i]);
        if (i != 4) /* digits of a key as well */
            ck_assert_int_eq(store_master_list(world.store, "", NULL, 0, cursor, &world.answers, &page),
                             ERR_INPUT);
        if (i != 1)
            ck_assert_int_eq(store_master_history(world.store, "urn:example:kind", "urn:example:thing", NULL,
                                                  0, cursor, &world.answers, &found),
                             ERR_INPUT);
    }
}
END_TEST

/* ---- what is not told ---- */

static enum err sees_second(void *context, const uint8_t capture_id[UUID_BYTES])
{
    (void)context;
    return capture_id[15] == 2 ? ERR_OK : ERR_NOT_FOUND;
}

static const struct store_sight second_only = {.sees = sees_second};

static void put_of(uint8_t document, const char *id, const char *name)
{
    synthetic_segment(&world.made, document, 0);
    add_element("urn:example:kind", id, PAIRS("name", name));
    commit();
}

static enum err told_of(const char *id, uint32_t limit, char cursor[STORE_CURSOR],
                        Epcis__V1__GetMasterDataResponse **out)
{
    return store_master_history(world.store, "urn:example:kind", id, &second_only, limit, cursor,
                                &world.answers, out);
}

START_TEST(what_is_not_told_leaves_no_trace)
{
    char cursor[STORE_CURSOR] = "", token[STORE_CURSOR] = "";
    Epcis__V1__GetMasterDataResponse *found;
    Epcis__V1__ListMasterDataResponse *page;
    put_of(1, "urn:example:a", "1");
    put_of(1, "urn:example:b", "1");
    for (uint8_t i = 0; i < 6; i++) /* of version 2, 4 and 6 is told */
        put_of(i % 2 + 1, "urn:example:c", (const char *[]){"1", "2", "3", "4", "5", "6"}[i]);
    put_of(1, "urn:example:c", "7");
    put_of(2, "urn:example:d", "1");
    put_of(1, "urn:example:e", "1");

    /* In a list: d alone is told. */
    ck_assert_int_eq(store_master_list(world.store, "", &second_only, 1, cursor, &world.answers, &page),
                     ERR_OK);
    ck_assert_uint_eq(page->n_master_data, 1);
    ck_assert_str_eq(page->master_data[0]->element->id, "urn:example:d");
    ck_assert_str_eq(cursor, "");

    /* Of its versions: pages hold what is told, and none follows the last of it. */
    ck_assert_int_eq(told_of("urn:example:c", 2, cursor, &found), ERR_OK);
    ck_assert_ptr_null(found->current);
    ck_assert_uint_eq(found->n_older, 2);
    ck_assert_uint_eq(found->older[1]->version, 4);
    ck_assert_str_eq(cursor, "2");
    ck_assert_int_eq(told_of("urn:example:c", 2, cursor, &found), ERR_OK);
    ck_assert_uint_eq(found->n_older, 1);
    ck_assert_str_eq(cursor, "");
    ck_assert_int_eq(told_of("urn:example:c", 3, cursor, &found), ERR_OK);
    ck_assert_str_eq(cursor, "");

    /* Where too many in a row are not told a page ends early, and its token has nothing of them. */
    struct store_sight impatient = second_only;
    char digits[64];
    size_t pages = 0, told = 0;
    impatient.patience = 2;
    do {
        ck_assert_int_eq(store_master_list(world.store, "", &impatient, 1, cursor, &world.answers, &page),
                         ERR_OK);
        told += page->n_master_data;
        for (const char *end = "abce"; *end; end++) {
            snprintf(token, sizeof token, "urn:example:%c", *end);
            digest_hex((const uint8_t *)token, strlen(token), digits);
            ck_assert_ptr_null(strstr(cursor, digits));
        }
        pages++;
    } while (*cursor);
    ck_assert_uint_eq(told, 1);
    ck_assert_uint_eq(pages, 2);

    /* What is others' alone is as what is not there, whatever the token. */
    static const char *const tokens[] = {"", "1", "x"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(cursor, sizeof cursor, "%s", tokens[i]);
        snprintf(token, sizeof token, "%s", tokens[i]);
        enum err err = told_of("urn:example:a", 1, cursor, &found);
        ck_assert_int_eq(err, told_of("urn:example:none", 1, token, &found));
        ck_assert_int_eq(err, i == 2 ? ERR_INPUT : ERR_NOT_FOUND);
    }
}
END_TEST

/* ---- counts ---- */

START_TEST(master_data_counts_as_no_event)
{
    synthetic_segment(&world.made, 1, 5);
    add_element(VTYPE("EPCClass"), PRODUCT, PAIRS("cbvmda:regulatedProductName", "A"));
    synthetic_add(&world.made, shipping("a", 0));
    add_element(VTYPE("Party"), PLACE, PAIRS("cbvmda:name", "A"));
    synthetic_add(&world.made, shipping("b", 0));
    synthetic_add_refusal(&world.made, false);
    commit();
    const Epcis__Wire__V1__SegmentResult *result = world.result.acks[0]->segments[0];
    ck_assert_uint_eq(result->committed, 2);
    ck_assert_uint_eq(result->duplicates, 0);
    ck_assert_uint_eq(result->dead_letters, 1);
    ck_assert_uint_eq(world.result.acks[0]->failures[0]->event_index, 7);
    Epcis__V1__CommittedEvent *kept;
    ck_assert_int_eq(store_event_get(world.store, 2, &world.answers, &kept), ERR_OK);
    ck_assert_uint_eq(kept->event_index, 6);
}
END_TEST

START_TEST(an_unreadable_element_is_a_dead_letter_of_its_own)
{
    static const uint8_t garbage[] = {0x0a, 0xff, 0xff};
    synthetic_segment(&world.made, 1, 0);
    add_bytes(garbage, sizeof garbage);
    synthetic_add(&world.made, shipping("a", 0));
    commit();
    ck_assert_uint_eq(world.result.acks[0]->segments[0]->committed, 1);
    ck_assert_uint_eq(world.result.acks[0]->segments[0]->dead_letters, 0);
    Epcis__V1__GetDeadLetterResponse *found;
    ck_assert_int_eq(store_dead_letter_get(world.store, "1", &world.answers, &found), ERR_OK);
    ck_assert_int_eq(found->dead_letter->position_case, EPCIS__V1__DEAD_LETTER__POSITION__NOT_SET);
    ck_assert_str_eq(found->dead_letter->reasons[0]->code, "SCHEMA_INVALID");
    Epcis__V1__CommittedEvent *kept;
    ck_assert_int_eq(store_event_get(world.store, 1, &world.answers, &kept), ERR_OK);
    ck_assert_uint_eq(kept->event_index, 0);
}
END_TEST

/* ---- rules ---- */

START_TEST(warns_once_of_what_is_unknown)
{
    synthetic_segment(&world.made, 1, 0);
    synthetic_add(&world.made, shipping("a", 0));
    synthetic_add(&world.made, shipping("b", 0));
    synthetic_segment(&world.made, 2, 0);
    synthetic_add(&world.made, shipping("c", 0));
    commit();
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        bool first = sequence != 2; /* of its document */
        ck_assert_uint_eq(warned(sequence, "UNKNOWN_GTIN"), first);
        ck_assert_uint_eq(warned(sequence, "UNKNOWN_GLN"), first); /* readPoint and owner are one place */
        ck_assert_uint_eq(warned(sequence, "TI_INCOMPLETE"), 0);
    }
    ck_assert_ptr_nonnull(strstr(message_of(1, "UNKNOWN_GTIN"), "epcList[0] '00614141100019'"));
    ck_assert_ptr_nonnull(strstr(message_of(1, "UNKNOWN_GLN"), "readPoint '" PLACE "'"));
}
END_TEST

START_TEST(knows_what_the_document_brings_behind_its_events)
{
    synthetic_add(&world.made, shipping("a", 0));
    add_element(VTYPE("EPCClass"), PRODUCT, PAIRS("cbvmda:regulatedProductName", "A"));
    add_element(VTYPE("Location"), "urn:epc:id:sgln:0614141.00001.0", PAIRS("cbvmda:name", "A"));
    commit();
    synthetic_add(&world.made, shipping("b", 0)); /* and it stays known */
    commit();
    for (uint64_t sequence = 1; sequence <= 2; sequence++) {
        ck_assert_uint_eq(warned(sequence, "UNKNOWN_GTIN"), 0);
        ck_assert_uint_eq(warned(sequence, "UNKNOWN_GLN"), 0);
        ck_assert_uint_eq(warned(sequence, "TI_INCOMPLETE"), 2); /* of the product, and of the owner */
    }
}
END_TEST

START_TEST(what_was_rolled_back_is_not_known)
{
    struct buffer behind = {0};
    const struct buffer *frames[] = {&world.frame, &behind};
    synthetic_segment(&world.made, 1, 0);
    world.made.segments[world.made.segment_count - 1]->rollback = true;
    add_element(VTYPE("EPCClass"), PRODUCT, PAIRS("cbvmda:regulatedProductName", "A"));
    synthetic_add(&world.made, shipping("a", 0));
    synthetic_add_refusal(&world.made, false);
    synthetic_pack(&world.made, &world.chain, &world.frame);
    synthetic_segment(&world.made, 2, 0);
    add_element(VTYPE("Location"), PLACE, PAIRS("cbvmda:name", "A"));
    synthetic_add(&world.made, shipping("b", 0));
    synthetic_pack(&world.made, &world.chain, &behind);
    ck_assert_int_eq(commit_frames(world.commit, frames, 2, &world.result), ERR_OK);
    buffer_free(&behind);
    ck_assert_uint_eq(world.result.committed, 1);
    ck_assert_uint_eq(warned(1, "UNKNOWN_GTIN"), 1);
    ck_assert_uint_eq(warned(1, "UNKNOWN_GLN"), 0);
}
END_TEST

START_TEST(a_place_inside_a_known_place_is_known)
{
    Epcis__V1__Event *event = shipping("a", 0);
    event->read_point->id = (char *)"urn:epc:id:sgln:0614141.00001.dock7";
    add_element(VTYPE("Location"), PLACE, PAIRS("cbvmda:name", "A"));
    synthetic_add(&world.made, event);
    commit();
    ck_assert_uint_eq(warned(1, "UNKNOWN_GLN"), 0);
}
END_TEST

START_TEST(reads_the_class_of_a_quantity)
{
    Epcis__V1__Event *event = shipping("a", 0);
    Epcis__V1__QuantityElement quantity = EPCIS__V1__QUANTITY_ELEMENT__INIT, *list[] = {&quantity};
    quantity.epc_class = (char *)"urn:epc:class:lgtin:0614141.020002.L1";
    event->quantity_list = list;
    event->n_quantity_list = 1;
    add_element(VTYPE("EPCClass"), PRODUCT, PAIRS("cbvmda:regulatedProductName", "A"));
    synthetic_add(&world.made, event);
    commit();
    ck_assert_uint_eq(warned(1, "UNKNOWN_GTIN"), 1);
    ck_assert_ptr_nonnull(strstr(message_of(1, "UNKNOWN_GTIN"), "quantityList[0]"));
}
END_TEST

START_TEST(strict_refuses_each_event)
{
    open_commit(RULES_STRICT);
    synthetic_segment(&world.made, 1, 0);
    synthetic_add(&world.made, shipping("a", 0));
    synthetic_add(&world.made, shipping("b", 0));
    commit();
    ck_assert_uint_eq(world.result.acks[0]->segments[0]->dead_letters, 2);
    ck_assert_uint_eq(world.result.acks[0]->segments[0]->warnings, 0);
}
END_TEST

START_TEST(epcis_does_not_ask)
{
    open_commit(RULES_EPCIS);
    synthetic_add(&world.made, shipping("a", 0));
    commit();
    ck_assert_uint_eq(warned(1, "UNKNOWN_GTIN") + warned(1, "UNKNOWN_GLN"), 0);
}
END_TEST

/* GTIN 00306141100019 holds NDC 0614110001. */
static Epcis__V1__Event *shipping_of_ndc(const char *serial)
{
    char text[64];
    Epcis__V1__Event *event = shipping(serial, 0);
    snprintf(text, sizeof text, "urn:epc:id:sgtin:0306141.010001.%s", serial);
    event->epc_list[0] = arena_copy(&world.events, text, strlen(text));
    return event;
}

START_TEST(compares_the_ndc)
{
    static const struct {
        const char *code, *type;
        unsigned warnings;
    } stated[] = {
        {"06141010002", "FDA_NDC_11", 1},  {"06141-0100-01", "FDA_NDC_11", 0}, /* 06141-100-01 */
        {"0614-1100-01", "FDA_NDC_10", 0}, {"0614110002", "FDA_NDC_10", 1},    {"0614110002", "OTHER", 0},
    };
    for (uint64_t i = 0; i < sizeof stated / sizeof stated[0]; i++) {
        char serial[8];
        snprintf(serial, sizeof serial, "%u", (unsigned)i);
        add_element(VTYPE("EPCClass"), "urn:epc:idpat:sgtin:0306141.010001.*",
                    PAIRS("cbvmda:additionalTradeItemIdentification", stated[i].code,
                          "cbvmda:additionalTradeItemIdentificationTypeCode", stated[i].type));
        synthetic_add(&world.made, shipping_of_ndc(serial));
        commit();
        ck_assert_uint_eq(warned(i + 1, "NDC_MISMATCH"), stated[i].warnings);
    }
    ck_assert_ptr_nonnull(strstr(message_of(4, "NDC_MISMATCH"), "states 0614110002"));
}
END_TEST

#define ALL_OF_PRODUCT                                                                                       \
    "cbvmda:additionalTradeItemIdentification", "06141-1000-01",                                             \
        "cbvmda:additionalTradeItemIdentificationTypeCode", "FDA_NDC_11", "cbvmda:regulatedProductName",     \
        "A", "cbvmda:dosageFormType", "TABLET", "cbvmda:netContentDescription", "100",                       \
        "cbvmda:manufacturerOfTradeItemPartyName", "M"
#define ALL_OF_OWNER                                                                                         \
    "cbvmda:name", "A", "cbvmda:streetAddressOne", "1 Street", "cbvmda:city", "C", "cbvmda:postalCode", "1", \
        "cbvmda:countryCode"

START_TEST(tells_what_transaction_information_lacks)
{
    add_element(VTYPE("EPCClass"), PRODUCT, PAIRS(ALL_OF_PRODUCT));
    add_element(VTYPE("Party"), PLACE, PAIRS(ALL_OF_OWNER, "US"));
    synthetic_add(&world.made, shipping("a", 0));
    commit();
    ck_assert_uint_eq(warned(1, "TI_INCOMPLETE"), 2);
    ck_assert_ptr_nonnull(strstr(message_of(1, "TI_INCOMPLETE"), "right is with strengthDescription"));

    add_element(VTYPE("EPCClass"), PRODUCT, PAIRS(ALL_OF_PRODUCT, "cbvmda:strengthDescription", "5 mg"));
    synthetic_add(&world.made, shipping("b", 0));
    commit();
    ck_assert_uint_eq(warned(2, "TI_INCOMPLETE"), 1);
    const char *message = message_of(2, "TI_INCOMPLETE");
    ck_assert_msg(strstr(message, "sourceList[0]") && strstr(message, "right is with state"), "%s", message);

    add_element(VTYPE("Party"), PLACE, PAIRS(ALL_OF_OWNER, "CH")); /* no states there */
    synthetic_add(&world.made, shipping("c", 0));
    commit();
    ck_assert_uint_eq(warned(3, "TI_INCOMPLETE"), 0);

    add_element(VTYPE("Party"), PLACE, PAIRS("cbvmda:name", "A"));
    Epcis__V1__Event *stored = shipping("d", 0);
    stored->biz_step = (char *)"storing";
    synthetic_add(&world.made, stored);
    commit();
    ck_assert_uint_eq(warned(4, "TI_INCOMPLETE"), 0); /* nothing is shipped */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("master_data");
    TCase *tests = tcase_create("master_data");
    tcase_add_checked_fixture(tests, setup, teardown);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, keeps_every_version);
    tcase_add_test(tests, the_same_in_another_spelling_is_no_version);
    tcase_add_test(tests, versions_of_one_batch_are_all_kept);
    tcase_add_test(tests, older_versions_come_in_pages);
    tcase_add_test(tests, lists_in_pages_by_vocabulary);
    tcase_add_test(tests, refuses_a_cursor_that_is_none);
    tcase_add_test(tests, what_is_not_told_leaves_no_trace);
    tcase_add_test(tests, master_data_counts_as_no_event);
    tcase_add_test(tests, an_unreadable_element_is_a_dead_letter_of_its_own);
    tcase_add_test(tests, warns_once_of_what_is_unknown);
    tcase_add_test(tests, knows_what_the_document_brings_behind_its_events);
    tcase_add_test(tests, what_was_rolled_back_is_not_known);
    tcase_add_test(tests, a_place_inside_a_known_place_is_known);
    tcase_add_test(tests, reads_the_class_of_a_quantity);
    tcase_add_test(tests, strict_refuses_each_event);
    tcase_add_test(tests, epcis_does_not_ask);
    tcase_add_test(tests, compares_the_ndc);
    tcase_add_test(tests, tells_what_transaction_information_lacks);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
