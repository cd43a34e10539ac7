/* The store alone: reading in pages, versions, rows that must not mix. */
#include <check.h>
#include <ftw.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/store/store_txn.h"
#include "tests/component/synthetic.h"

enum { MAP_BYTES = 64 << 20 };

static char folder[64], url[128];
static struct store *store;
static struct arena arena;

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/epcisd-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(url, sizeof url, "lmdb:%s/store", folder);
    arena_init(&arena, 64 << 20);
    ck_assert_int_eq(store_open(url, MAP_BYTES, &store), ERR_OK);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static void teardown(void)
{
    store_close(&store);
    arena_free(&arena);
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static bool rows_behind; /* write them as records of their own, as version 1 did */

/* Keeps one event of one item, as a worker would. */
static void keep(struct store_txn *txn, const char *epc, int64_t time_us, const char *partner)
{
    static const uint8_t capture_id[UUID_BYTES] = {9};
    uint8_t key[STORE_ROW_KEY_MAX], hash[DIGEST_BYTES], packed[512];
    Epcis__V1__Event *event =
        synthetic_event(&arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT, EPCIS__V1__ACTION__ACTION_OBSERVE,
                        "storing", time_us / 1000000);
    struct store_event record = {.event_hash = hash,
                                 .content_hash = hash,
                                 .partition = 1,
                                 .batch_sequence = 1,
                                 .capture_id = capture_id,
                                 .partner = partner,
                                 .packed = packed,
                                 .packed_bytes = epcis__v1__event__pack(event, packed)};
    struct store_event_key event_key = {.time_us = time_us,
                                        .partner = partner,
                                        .type = event->type,
                                        .action = event->action,
                                        .biz_step = event->biz_step};
    digest_of(&time_us, sizeof time_us, hash);
    size_t length = epc_key(epc, strlen(epc), key);
    size_t row_length = length + store_row_suffix(&event_key, key + length);
    struct store_item item = {.key = key, .key_length = (uint16_t)length};
    struct store_row row = {.key = key, .key_length = (uint16_t)row_length};
    ck_assert_int_eq(store_load(txn, &item, 1, &row, 1, &arena), ERR_OK);
    item.known = item.dirty = row.fresh = true;
    item.last_sequence = row.sequence = store_next_sequence(txn);
    item.latest_us = item.latest_us > time_us ? item.latest_us : time_us;
    ck_assert_int_eq(store_event_append(txn, &record), ERR_OK);
    if (rows_behind)
        ck_assert_int_eq(store_write(txn, &item, 1, NULL, 0, &arena), ERR_OK);
    ck_assert_int_eq(store_write(txn, &item, 1, &row, 1, &arena), ERR_OK);
}

static void put_batch_of(struct store_txn *txn, uint32_t partition, uint64_t sequence)
{
    uint8_t id[DIGEST_BYTES] = {(uint8_t)sequence};
    Epcis__Wire__V1__Acknowledgment ack = EPCIS__WIRE__V1__ACKNOWLEDGMENT__INIT;
    Epcis__Store__V1__BatchResultRecord record = EPCIS__STORE__V1__BATCH_RESULT_RECORD__INIT;
    record.batch_id = (ProtobufCBinaryData){sizeof id, id};
    record.acknowledgment = &ack;
    ck_assert_int_eq(store_batch_put(txn, partition, sequence, &record), ERR_OK);
}

static void put_batch(struct store_txn *txn)
{
    put_batch_of(txn, 1, 1);
}

/* All 25 entries are told, oldest first. The pages it took. */
static size_t check_history(const char *epc, uint32_t limit, struct arena *answers)
{
    char cursor[STORE_CURSOR] = "";
    int64_t last = INT64_MIN;
    size_t seen = 0, pages = 0;
    do {
        Epcis__V1__GetItemHistoryResponse *page;
        arena_reset(answers);
        ck_assert_int_eq(store_item_history(store, epc, NULL, limit, cursor, answers, &page), ERR_OK);
        ck_assert_str_eq(page->next_page_token, cursor);
        ck_assert_uint_le(page->n_history, limit);
        for (size_t i = 0; i < page->n_history; i++, seen++) {
            ck_assert_int_gt(page->history[i]->event_time->seconds, last);
            last = page->history[i]->event_time->seconds;
        }
        pages++;
    } while (*cursor);
    ck_assert_uint_eq(seen, 25);
    return pages;
}

START_TEST(history_comes_in_pages_oldest_first)
{
    struct store_txn *txn;
    char *epc = synthetic_sgtin(&arena, 10001, "a");
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    put_batch(txn);
    for (int64_t i = 0; i < 25; i++)
        keep(txn, epc, (i * 7 % 25 - 5) * 1000000, i % 2 ? "0614141000005" : "");
    keep(txn, synthetic_sgtin(&arena, 10001, "a0"), 0, "");
    keep(txn, synthetic_sgtin(&arena, 10001, "A"), 0, "");
    ck_assert_int_eq(store_commit(&txn), ERR_OK);

    struct arena large, small;
    arena_init(&large, 1 << 20);
    ck_assert_uint_eq(check_history(epc, 10, &large), 3);
    arena_free(&large);
    /* A page ends where memory does, and the rest comes with the next. */
    arena_init(&small, 8 << 10);
    ck_assert_uint_gt(check_history(epc, 25, &small), 1);
    arena_free(&small);

    char cursor[STORE_CURSOR] = "";
    Epcis__V1__GetItemHistoryResponse *none;
    snprintf(cursor, sizeof cursor, "zz");
    ck_assert_int_eq(store_item_history(store, epc, NULL, 10, cursor, &arena, &none), ERR_INPUT);
    cursor[0] = '\0';
    ck_assert_int_eq(store_item_history(store, "urn:x:unknown", NULL, 10, cursor, &arena, &none),
                     ERR_NOT_FOUND);
}
END_TEST

START_TEST(rows_are_found_again)
{
    struct store_txn *txn;
    uint8_t key[STORE_ROW_KEY_MAX];
    struct store_event_key event_key = {.time_us = 5, .partner = "", .biz_step = ""};
    char *epc = synthetic_sgtin(&arena, 10001, "a");
    size_t length = epc_key(epc, strlen(epc), key);
    size_t row_length = length + store_row_suffix(&event_key, key + length);
    struct store_item item = {.key = key, .key_length = (uint16_t)length, .flags = STORE_ITEM_SHIPPED};
    struct store_row row = {.key = key, .key_length = (uint16_t)row_length, .sequence = 77, .fresh = true};
    item.dirty = true;
    item.latest_us = 5;
    item.expiry = 20270131;
    item.lot = (struct store_text){(const uint8_t *)"L1", 2};
    item.links[STORE_AGGREGATION].parent = (struct store_text){key, (uint32_t)length};
    item.links[STORE_AGGREGATION].sequence = 70;
    item.emptied_sequence[STORE_AGGREGATION] = 71;
    item.disposition = (struct store_text){(const uint8_t *)"active", 6};
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    ck_assert_int_eq(store_write(txn, &item, 1, &row, 1, &arena), ERR_OK);
    ck_assert_int_eq(store_commit(&txn), ERR_OK);

    struct store_item back = {.key = key, .key_length = (uint16_t)length};
    struct store_row row_back = {.key = key, .key_length = (uint16_t)row_length};
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    ck_assert_int_eq(store_load(txn, &back, 1, &row_back, 1, &arena), ERR_OK);
    store_abort(&txn);
    ck_assert_uint_eq(row_back.sequence, 77);
    ck_assert(back.known);
    ck_assert_uint_eq(back.flags, STORE_ITEM_SHIPPED);
    ck_assert_uint_eq(back.expiry, 20270131);
    ck_assert_uint_eq(back.links[STORE_AGGREGATION].sequence, 70);
    ck_assert_uint_eq(back.emptied_sequence[STORE_AGGREGATION], 71);
    ck_assert_mem_eq(back.lot.data, "L1", 2);
    ck_assert_uint_eq(back.links[STORE_AGGREGATION].parent.length, length);
    ck_assert_mem_eq(back.disposition.data, "active", 6);
}
END_TEST

START_TEST(dead_letters_come_in_pages_and_by_capture)
{
    struct store_txn *txn;
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    for (uint8_t i = 0; i < 30; i++) {
        uint8_t capture_id[UUID_BYTES] = {(uint8_t)(i % 3)};
        Epcis__V1__DeadLetter letter = EPCIS__V1__DEAD_LETTER__INIT;
        Epcis__Store__V1__DeadLetterRecord record = EPCIS__STORE__V1__DEAD_LETTER_RECORD__INIT;
        letter.line = i;
        record.dead_letter = &letter;
        ck_assert_int_eq(store_dead_letter_append(txn, capture_id, &record), ERR_OK);
    }
    ck_assert_int_eq(store_commit(&txn), ERR_OK);
    const uint8_t second[UUID_BYTES] = {1};
    for (int by_capture = 0; by_capture < 2; by_capture++) {
        char cursor[STORE_CURSOR] = "";
        size_t seen = 0;
        do {
            Epcis__V1__ListDeadLettersResponse *page;
            ck_assert_int_eq(
                store_dead_letters(store,
                                   &(struct store_letter_filter){.capture_id = by_capture ? second : NULL}, 7,
                                   cursor, &arena, &page),
                ERR_OK);
            for (size_t i = 0; i < page->n_dead_letters; i++, seen++)
                ck_assert_uint_eq(page->dead_letters[i]->line, by_capture ? 3 * seen + 1 : seen);
        } while (*cursor);
        ck_assert_uint_eq(seen, by_capture ? 10 : 30);
    }
    Epcis__V1__GetDeadLetterResponse *letter;
    ck_assert_int_eq(store_dead_letter_get(store, "30", &arena, &letter), ERR_OK);
    ck_assert_uint_eq(letter->dead_letter->line, 29);
    ck_assert_int_eq(store_dead_letter_get(store, "31", &arena, &letter), ERR_NOT_FOUND);
    ck_assert_int_eq(store_dead_letter_get(store, "x", &arena, &letter), ERR_NOT_FOUND);
}
END_TEST

static enum err is_even(void *context, uint64_t number, bool *out)
{
    ++*(size_t *)context;
    *out = number % 2 == 0;
    return ERR_OK;
}

/* The lines of all dead letters that fit, as one text. */
static const char *lines_of(const struct store_letter_filter *filter)
{
    static char text[200];
    char cursor[STORE_CURSOR] = "";
    text[0] = '\0';
    do {
        Epcis__V1__ListDeadLettersResponse *page;
        ck_assert_int_eq(store_dead_letters(store, filter, 2, cursor, &arena, &page), ERR_OK);
        for (size_t i = 0; i < page->n_dead_letters; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%d ",
                     (int)page->dead_letters[i]->line);
    } while (*cursor);
    return text;
}

START_TEST(dead_letters_fit_all_filters_at_once)
{
    static const struct {
        const char *partner, *first, *second, *gtin;
    } letters[] = {
        {"0614141000005", "TIME_INVALID", "SERIAL_FORMAT", "00614141100019"},
        {"0614141000005", "SERIAL_FORMAT", NULL, "10614141073464"},
        {"9521234000006", "SERIAL_FORMAT", NULL, "00614141100019"},
        {"", "SCHEMA_INVALID", NULL, NULL},
    };
    struct store_txn *txn;
    const uint8_t capture_id[UUID_BYTES] = {0};
    size_t asked = 0;
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        Epcis__V1__DeadLetter letter = EPCIS__V1__DEAD_LETTER__INIT;
        Epcis__Store__V1__DeadLetterRecord record = EPCIS__STORE__V1__DEAD_LETTER_RECORD__INIT;
        Epcis__V1__Finding first = EPCIS__V1__FINDING__INIT, second = first, *reasons[] = {&first, &second};
        char *gtins[] = {(char *)"30614141073468", (char *)letters[i].gtin};
        first.code = (char *)letters[i].first;
        second.code = (char *)letters[i].second;
        letter.line = i + 1;
        letter.refused_ms = 1000 * (int64_t)(i + 1);
        letter.partner = (char *)letters[i].partner;
        letter.reasons = reasons;
        letter.n_reasons = letters[i].second ? 2 : 1;
        letter.gtins = gtins;
        letter.n_gtins = letters[i].gtin ? 2 : 0;
        record.dead_letter = &letter;
        ck_assert_int_eq(store_dead_letter_append(txn, capture_id, &record), ERR_OK);
    }
    ck_assert_int_eq(store_commit(&txn), ERR_OK);
    ck_assert_str_eq(lines_of(&(struct store_letter_filter){.partner = "0614141000005"}), "1 2 ");
    ck_assert_str_eq(lines_of(&(struct store_letter_filter){.code = "SERIAL_FORMAT"}), "1 2 3 ");
    ck_assert_str_eq(lines_of(&(struct store_letter_filter){.gtin = "00614141100019"}), "1 3 ");
    ck_assert_str_eq(lines_of(&(struct store_letter_filter){.gtin = "30614141073468"}), "1 2 3 ");
    ck_assert_str_eq(lines_of(&(struct store_letter_filter){.from_ms = 2000, .until_ms = 4000}), "2 3 ");
    ck_assert_str_eq(
        lines_of(&(struct store_letter_filter){
            .code = "SERIAL_FORMAT", .gtin = "00614141100019", .partner = "9521234000006", .from_ms = 1}),
        "3 ");
    ck_assert_str_eq(
        lines_of(&(struct store_letter_filter){.code = "TIME_INVALID", .partner = "9521234000006"}), "");
    struct store_letter_filter even = {.code = "SERIAL_FORMAT", .wanted = is_even, .context = &asked};
    ck_assert_str_eq(lines_of(&even), "2 ");
    ck_assert_uint_eq(asked, 3); /* not of what does not fit anyway */
}
END_TEST

static void refuse_one(struct store_txn *txn, uint8_t document, const char *code)
{
    const uint8_t capture_id[UUID_BYTES] = {[15] = document};
    char text[UUID_TEXT + 1];
    Epcis__V1__Finding reason = EPCIS__V1__FINDING__INIT, *reasons[] = {&reason};
    Epcis__V1__DeadLetter letter = EPCIS__V1__DEAD_LETTER__INIT;
    Epcis__Store__V1__DeadLetterRecord record = EPCIS__STORE__V1__DEAD_LETTER_RECORD__INIT;
    uuid_text(capture_id, text);
    reason.code = (char *)code;
    letter.capture_id = text;
    letter.reasons = reasons;
    letter.n_reasons = 1;
    record.dead_letter = &letter;
    ck_assert_int_eq(store_dead_letter_append(txn, capture_id, &record), ERR_OK);
}

static enum err sees_second(void *context, const uint8_t capture_id[UUID_BYTES])
{
    (void)context;
    return capture_id[15] == 2 ? ERR_OK : ERR_NOT_FOUND;
}

/* One page of at most two, as "ID ID" and "..." where another follows. */
static const char *page_of(const struct store_letter_filter *filter, char cursor[STORE_CURSOR])
{
    static char text[200];
    Epcis__V1__ListDeadLettersResponse *page;
    ck_assert_int_eq(store_dead_letters(store, filter, 2, cursor, &arena, &page), ERR_OK);
    text[0] = '\0';
    for (size_t i = 0; i < page->n_dead_letters; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s ",
                 page->dead_letters[i]->dead_letter_id);
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s", *cursor ? "..." : "");
    return text;
}

START_TEST(dead_letters_that_are_not_told_leave_no_trace)
{
    enum { OTHERS = 11000 }; /* more than one page looks at where a filter passes over them */
    static const struct store_sight second_only = {.sees = sees_second};
    const uint8_t first[UUID_BYTES] = {[15] = 1};
    char cursor[STORE_CURSOR] = "";
    struct store_txn *txn;
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    for (int i = 1; i <= OTHERS; i++)
        refuse_one(txn, 1, "SERIAL_FORMAT");
    for (int i = 1; i <= 3; i++)
        refuse_one(txn, 2, i == 2 ? "TIME_INVALID" : "SERIAL_FORMAT");
    for (int i = 1; i <= 3; i++)
        refuse_one(txn, 1, "TIME_INVALID");
    ck_assert_int_eq(store_commit(&txn), ERR_OK);

    struct store_letter_filter filter = {.sight = &second_only};
    ck_assert_str_eq(page_of(&filter, cursor), "11001 11002 ...");
    ck_assert_str_eq(page_of(&filter, cursor), "11003 ");
    filter.code = "SERIAL_FORMAT"; /* full, and nothing of its own follows */
    ck_assert_str_eq(page_of(&filter, cursor), "11001 11003 ");
    filter.code = "TIME_INVALID";
    ck_assert_str_eq(page_of(&filter, cursor), "11002 ");
    filter = (struct store_letter_filter){.sight = &second_only, .capture_id = first};
    ck_assert_str_eq(page_of(&filter, cursor), "");
}
END_TEST

START_TEST(a_page_passes_over_so_many_and_no_more)
{
    enum { LETTERS = 25000 };
    struct store_txn *txn;
    const uint8_t capture_id[UUID_BYTES] = {0};
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    for (int i = 1; i <= LETTERS; i++) {
        Epcis__V1__DeadLetter letter = EPCIS__V1__DEAD_LETTER__INIT;
        Epcis__Store__V1__DeadLetterRecord record = EPCIS__STORE__V1__DEAD_LETTER_RECORD__INIT;
        letter.refused_ms = i;
        record.dead_letter = &letter;
        ck_assert_int_eq(store_dead_letter_append(txn, capture_id, &record), ERR_OK);
    }
    ck_assert_int_eq(store_commit(&txn), ERR_OK);
    char cursor[STORE_CURSOR] = "";
    size_t pages = 0, seen = 0;
    do {
        Epcis__V1__ListDeadLettersResponse *page;
        struct store_letter_filter last = {.from_ms = LETTERS};
        ck_assert_int_eq(store_dead_letters(store, &last, 0, cursor, &arena, &page), ERR_OK);
        seen += page->n_dead_letters;
        pages++;
    } while (*cursor);
    ck_assert_uint_eq(seen, 1);
    ck_assert_uint_gt(pages, 2);
}
END_TEST

START_TEST(lists_end_early_where_the_arena_does)
{
    struct store_txn *txn;
    static uint8_t event[20000];
    const uint8_t capture_id[UUID_BYTES] = {0};
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    for (int i = 0; i < 20; i++) {
        Epcis__V1__DeadLetter letter = EPCIS__V1__DEAD_LETTER__INIT;
        Epcis__Store__V1__DeadLetterRecord record = EPCIS__STORE__V1__DEAD_LETTER_RECORD__INIT;
        letter.raw_document_part = (ProtobufCBinaryData){sizeof event, event};
        record.dead_letter = &letter;
        record.event = (ProtobufCBinaryData){sizeof event, event};
        ck_assert_int_eq(store_dead_letter_append(txn, capture_id, &record), ERR_OK);
    }
    ck_assert_int_eq(store_commit(&txn), ERR_OK);
    char cursor[STORE_CURSOR] = "";
    size_t seen = 0, pages = 0;
    do {
        struct arena small;
        Epcis__V1__ListDeadLettersResponse *page;
        arena_init(&small, 100000);
        ck_assert_int_eq(store_dead_letters(store, NULL, 0, cursor, &small, &page), ERR_OK);
        ck_assert_uint_gt(page->n_dead_letters, 0);
        seen += page->n_dead_letters;
        pages++;
        arena_free(&small);
    } while (*cursor);
    ck_assert_uint_eq(seen, 20);
    ck_assert_uint_gt(pages, 1);
}
END_TEST

/* Puts another version into the closed store. Returns the one that was there. */
static uint32_t change_version(uint32_t version)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi meta;
    uint32_t before;
    char path[128];
    snprintf(path, sizeof path, "%s/store", folder);
    ck_assert_int_eq(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 16);
    mdb_env_set_mapsize(env, MAP_BYTES);
    ck_assert_int_eq(mdb_env_open(env, path, 0, 0600), 0);
    ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    ck_assert_int_eq(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    MDB_val key = {6, "schema"}, value;
    ck_assert_int_eq(mdb_get(txn, meta, &key, &value), 0);
    ck_assert_uint_eq(value.mv_size, sizeof before);
    memcpy(&before, value.mv_data, sizeof before);
    value.mv_data = &version;
    ck_assert_int_eq(mdb_put(txn, meta, &key, &value, 0), 0);
    ck_assert_int_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    return before;
}

START_TEST(an_older_store_is_read_and_raised)
{
    struct store_txn *txn;
    char *epc = synthetic_sgtin(&arena, 10001, "a");
    rows_behind = true;
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    put_batch(txn);
    for (int64_t i = 0; i < 12; i++)
        keep(txn, epc, (i * 7 % 25 - 5) * 1000000, "");
    ck_assert_int_eq(store_commit(&txn), ERR_OK);
    store_close(&store);
    uint32_t known = change_version(1);
    ck_assert_uint_gt(known, 1);
    ck_assert_int_eq(store_open(url, MAP_BYTES, &store), ERR_OK);
    store_close(&store);
    ck_assert_uint_eq(change_version(known), known);

    rows_behind = false;
    ck_assert_int_eq(store_open(url, MAP_BYTES, &store), ERR_OK);
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    for (int64_t i = 12; i < 25; i++)
        keep(txn, epc, (i * 7 % 25 - 5) * 1000000, "");
    ck_assert_int_eq(store_commit(&txn), ERR_OK);
    struct arena large;
    arena_init(&large, 1 << 20);
    ck_assert_uint_eq(check_history(epc, 10, &large), 3);
    arena_free(&large);
}
END_TEST

/* A row that is there is found, wherever it stands, and never taken twice. */
START_TEST(a_row_is_taken_once)
{
    struct store_txn *txn;
    uint8_t key[STORE_ROW_KEY_MAX];
    struct store_event_key event_key = {.partner = "", .biz_step = ""};
    char *epc = synthetic_sgtin(&arena, 10001, "a");
    size_t length = epc_key(epc, strlen(epc), key);
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    for (uint64_t i = 1; i <= 20; i++) {
        event_key.time_us = (int64_t)(i * 7 % 20);
        size_t row_length = length + store_row_suffix(&event_key, key + length);
        struct store_item item = {.key = key, .key_length = (uint16_t)length};
        struct store_row row = {.key = key, .key_length = (uint16_t)row_length};
        ck_assert_int_eq(store_load(txn, &item, 1, &row, 1, &arena), ERR_OK);
        ck_assert_uint_eq(row.sequence, 0);
        row.sequence = i;
        row.fresh = item.dirty = true;
        item.latest_us = 20;
        ck_assert_int_eq(store_write(txn, &item, 1, &row, 1, &arena), ERR_OK);
    }
    for (uint64_t i = 1; i <= 20; i++) {
        event_key.time_us = (int64_t)(i * 7 % 20);
        size_t row_length = length + store_row_suffix(&event_key, key + length);
        struct store_item item = {.key = key, .key_length = (uint16_t)length};
        struct store_row row = {.key = key, .key_length = (uint16_t)row_length};
        ck_assert_int_eq(store_load(txn, &item, 1, &row, 1, &arena), ERR_OK);
        ck_assert_uint_eq(row.sequence, i);
        row.fresh = item.dirty = true;
        if (i == 1)
            ck_assert_int_eq(store_write(txn, &item, 1, &row, 1, &arena), ERR_EXISTS);
    }
    store_abort(&txn);
}
END_TEST

START_TEST(a_newer_store_is_left_alone)
{
    store_close(&store);
    change_version(99);
    ck_assert_int_eq(store_open(url, MAP_BYTES, &store), ERR_VERSION);
    ck_assert_ptr_null(store);
    ck_assert_int_eq(store_open("pg:host=x", 0, &store), ERR_INPUT);
    ck_assert_int_eq(store_open("lmdb:/proc/nowhere", 0, &store), ERR_DISK);
}
END_TEST

START_TEST(a_data_folder_names_its_store)
{
    char path[160], data_url[160];
    struct stat status;
    snprintf(path, sizeof path, "%s/data", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/data/journal", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(data_url, sizeof data_url, "lmdb:%s/data", folder);
    struct store *other;
    ck_assert_int_eq(store_open(data_url, MAP_BYTES, &other), ERR_OK);
    store_close(&other);
    snprintf(path, sizeof path, "%s/data/store/data.mdb", folder);
    ck_assert_int_eq(stat(path, &status), 0);
}
END_TEST

START_TEST(an_abort_leaves_nothing)
{
    struct store_txn *txn;
    char *epc = synthetic_sgtin(&arena, 10001, "a");
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    put_batch(txn);
    keep(txn, epc, 0, "");
    store_abort(&txn);
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__GetItemHistoryResponse *page;
    struct store_position position;
    ck_assert_int_eq(store_item_history(store, epc, NULL, 0, cursor, &arena, &page), ERR_NOT_FOUND);
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
    ck_assert_uint_eq(store_next_sequence(txn), 1);
    ck_assert_int_eq(store_position_get(txn, 1, &position), ERR_OK);
    ck_assert_uint_eq(position.sequence, 0);
    store_abort(&txn);
}
END_TEST

START_TEST(batches_are_numbered_as_they_come)
{
    static const struct {
        uint32_t partition;
        uint64_t sequence;
        bool together; /* with the one before */
    } batches[] = {{7, 1, false}, {3, 1, false}, {3, 2, true}, {200, 1, true}, {7, 2, false}};
    enum { COUNT = sizeof batches / sizeof batches[0] };
    struct store_txn *txn = NULL;
    Epcis__Store__V1__BatchResultRecord *record;
    for (size_t i = 0; i < COUNT; i++) {
        if (!txn)
            ck_assert_int_eq(store_begin(store, &txn), ERR_OK);
        put_batch_of(txn, batches[i].partition, batches[i].sequence);
        if (i + 1 == COUNT || !batches[i + 1].together)
            ck_assert_int_eq(store_commit(&txn), ERR_OK);
    }
    ck_assert_int_eq(store_begin(store, &txn), ERR_OK); /* which comes to nothing */
    put_batch_of(txn, 9, 1);
    store_abort(&txn);
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert_int_eq(store_batch_read(store, batches[i].partition, batches[i].sequence, &arena, &record),
                         ERR_OK);
        ck_assert_uint_eq(record->number, i + 1);
    }
    ck_assert_int_eq(store_batch_read(store, 9, 1, &arena, &record), ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_scratch_store_leaves_nothing)
{
    char scratch[128], path[192];
    struct stat status;
    struct store *other;
    struct store_txn *txn;
    snprintf(scratch, sizeof scratch, "%s/scratch", folder);
    for (int again = 0; again < 2; again++) {
        if (again) { /* a process was killed in the middle of it */
            snprintf(path, sizeof path, "%s/data.mdb", scratch);
            ck_assert_int_eq(mkdir(scratch, 0700), 0);
            FILE *file = fopen(path, "w");
            ck_assert_ptr_nonnull(file);
            ck_assert_int_ge(fputs("left", file), 0);
            ck_assert_int_eq(fclose(file), 0);
        }
        ck_assert_int_eq(store_open_scratch(scratch, MAP_BYTES, &other), ERR_OK);
        ck_assert_int_ne(stat(scratch, &status), 0);
        ck_assert_int_eq(store_begin(other, &txn), ERR_OK);
        ck_assert_uint_eq(store_next_sequence(txn), 1);
        put_batch(txn);
        keep(txn, synthetic_sgtin(&arena, 10001, "a"), 0, "");
        ck_assert_int_eq(store_commit(&txn), ERR_OK);
        ck_assert_int_eq(store_begin(other, &txn), ERR_OK);
        ck_assert_uint_eq(store_next_sequence(txn), 2);
        store_abort(&txn);
        store_close(&other);
        ck_assert_int_ne(stat(scratch, &status), 0);
    }
    ck_assert_int_eq(mkdir(scratch, 0700), 0);
    store_clear_scratch(scratch);
    ck_assert_int_ne(stat(scratch, &status), 0);
    store_clear_scratch(scratch);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *tests = tcase_create("store");
    tcase_add_checked_fixture(tests, setup, teardown);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, history_comes_in_pages_oldest_first);
    tcase_add_test(tests, rows_are_found_again);
    tcase_add_test(tests, dead_letters_come_in_pages_and_by_capture);
    tcase_add_test(tests, dead_letters_fit_all_filters_at_once);
    tcase_add_test(tests, dead_letters_that_are_not_told_leave_no_trace);
    tcase_add_test(tests, a_page_passes_over_so_many_and_no_more);
    tcase_add_test(tests, lists_end_early_where_the_arena_does);
    tcase_add_test(tests, a_row_is_taken_once);
    tcase_add_test(tests, an_older_store_is_read_and_raised);
    tcase_add_test(tests, a_newer_store_is_left_alone);
    tcase_add_test(tests, a_data_folder_names_its_store);
    tcase_add_test(tests, an_abort_leaves_nothing);
    tcase_add_test(tests, batches_are_numbered_as_they_come);
    tcase_add_test(tests, a_scratch_store_leaves_nothing);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
