/* When documents are refused for want of room, and when they are taken again. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/gs1/epc.h"
#include "common/store/store.h"
#include "server/ingest.h"
#include "server/journal.h"
#include "server/pressure.h"
#include "tests/component/folder.h"

static char journal_dir[80], store_url[80], disk[80];
static struct journal *journal;
static struct store *store;
static struct ingest *ingest;
static struct pressure *pressure;
static uint64_t last_number;

/* TSan has no room for the map that is the default. */
enum { MAP_BYTES = 256 << 20 };

static void on_received(void *context, uint64_t number, uint32_t partition, uint64_t upload)
{
    (void)context, (void)partition, (void)upload;
    last_number = number;
}

static void setup(void)
{
    folder_make();
    snprintf(journal_dir, sizeof journal_dir, "%s/journal", dir);
    snprintf(store_url, sizeof store_url, "lmdb:%s/store", dir);
    snprintf(disk, sizeof disk, "%s/disk", dir);
}

/* `options` without folders: those of the test. */
static void start(struct pressure_options options, uint64_t map_bytes)
{
    if (!options.journal_dir)
        options.journal_dir = dir;
    options.store_dir = dir;
    if (!options.high_water_bytes)
        options.high_water_bytes = UINT64_MAX;
    if (!options.high_water_documents)
        options.high_water_documents = UINT64_MAX;
    ck_assert_int_eq(journal_open(journal_dir, map_bytes, &journal), ERR_OK);
    ck_assert_int_eq(store_open(store_url, MAP_BYTES, &store), ERR_OK);
    ck_assert_int_eq(pressure_open(&options, journal, store, &pressure), ERR_OK);
    ck_assert_int_eq(ingest_init(journal, pressure, on_received, NULL, &ingest), ERR_OK);
}

static void stop(void)
{
    pressure_close(&pressure);
    journal_close(&journal);
    ingest_free(&ingest);
    store_close(&store);
}

static void teardown(void)
{
    stop();
    folder_remove();
}

/* ---- waiting ---------------------------------------------------------------------------------------- */

struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done;
    enum err err;
    struct refusal why;
};
#define WAITER                                                                                               \
    {                                                                                                        \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                              \
    }

static void waiter_set(struct waiter *waiter, enum err err, const struct refusal *why)
{
    pthread_mutex_lock(&waiter->mutex);
    waiter->done = true;
    waiter->err = err;
    if (why)
        waiter->why = *why;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->mutex);
}

static enum err waiter_wait(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->mutex);
    while (!waiter->done)
        pthread_cond_wait(&waiter->changed, &waiter->mutex);
    pthread_mutex_unlock(&waiter->mutex);
    return waiter->err;
}

static void on_done(void *context, enum err err, const struct receipt *receipt, const struct refusal *why)
{
    (void)receipt;
    waiter_set(context, err, why);
}

static void op_done(struct journal_op *op, enum err err)
{
    waiter_set(op->context, err, NULL);
}

/* Bytes that do not shrink; `seed` makes documents differ. `company` names the partner. */
static enum err send_as(uint32_t company, uint32_t seed, size_t bytes, struct refusal *why)
{
    char gln[14];
    snprintf(gln, sizeof gln, "0614141%05u", company);
    gln[12] = gs1_check_digit(gln, 12);
    gln[13] = '\0';
    struct waiter waiter = WAITER;
    struct ingest_document *document = NULL;
    uint8_t *data = malloc(bytes);
    uint32_t state = seed * 2654435761u + 1;
    for (size_t i = 0; i < bytes; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (uint8_t)(state >> 24);
    }
    enum err err = ingest_admit(ingest, why);
    if (!err)
        err = ingest_open(ingest, gln, &document);
    if (!err)
        err = ingest_append(document, data, bytes);
    if (err && document)
        *why = *ingest_refusal(document);
    free(data);
    if (err) {
        ingest_abort(&document);
        return err;
    }
    ingest_finish(&document, on_done, &waiter);
    err = waiter_wait(&waiter);
    *why = waiter.why;
    return err;
}

/* Each from another partner, so that none has more than its share. */
static enum err send_document(uint32_t seed, size_t bytes, struct refusal *why)
{
    return send_as(seed, seed, bytes, why);
}

/* The document is done: it held nothing. */
static void finish_document(uint64_t number)
{
    struct waiter waiter = WAITER;
    struct journal_op op = {.kind = JOURNAL_CONVERTED, .done = op_done, .context = &waiter, .number = number};
    journal_submit(journal, &op);
    ck_assert_int_eq(waiter_wait(&waiter), ERR_OK);
}

/* Until documents are refused for this reason, or with REFUSAL_NONE are taken. */
static struct refusal wait_for(enum refusal_reason reason)
{
    struct refusal why = {0};
    while (ingest_admit(ingest, &why) != (reason ? ERR_FULL : ERR_OK) || (reason && why.reason != reason))
        usleep(10000);
    return why;
}

/* ---- tests ------------------------------------------------------------------------------------------- */

START_TEST(unfinished_bytes)
{
    struct refusal why;
    start((struct pressure_options){.high_water_bytes = 1500}, MAP_BYTES);
    ck_assert_int_eq(send_document(1, 1000, &why), ERR_OK);
    ck_assert_int_eq(send_document(2, 1000, &why), ERR_OK); /* there was room when it came */
    ck_assert_int_eq(send_document(3, 1000, &why), ERR_FULL);
    ck_assert_int_eq(why.reason, REFUSAL_BACKLOG_BYTES);
    ck_assert_str_eq(refusal_code(why.reason), "BACKLOG_BYTES");
    ck_assert_uint_ge(why.retry_after_ms, 500);
    ck_assert_ptr_nonnull(strstr(why.text, "2000 bytes"));
    ck_assert_ptr_nonnull(strstr(why.text, "of 1500 that may (--high-water-bytes)"));
    finish_document(last_number);
    ck_assert_int_eq(send_document(3, 1000, &why), ERR_OK);
}
END_TEST

START_TEST(unfinished_documents)
{
    struct refusal why;
    struct pressure_view view;
    start((struct pressure_options){.high_water_documents = 3}, MAP_BYTES);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_int_eq(send_document(i, 10, &why), ERR_OK);
    why = wait_for(REFUSAL_BACKLOG_DOCUMENTS);
    ck_assert_ptr_nonnull(strstr(why.text, "3 documents"));
    pressure_look(pressure, &view);
    ck_assert_uint_eq(view.journal.documents, 3);
    ck_assert_uint_eq(view.journal.bytes, 30);
    ck_assert_int_eq(view.reason, REFUSAL_BACKLOG_DOCUMENTS);
    finish_document(last_number);
    wait_for(REFUSAL_NONE);
    pressure_look(pressure, &view);
    ck_assert_int_eq(view.reason, REFUSAL_NONE);
}
END_TEST

START_TEST(none_takes_all)
{
    struct refusal why;
    start((struct pressure_options){.high_water_bytes = 4000}, MAP_BYTES);
    for (uint32_t i = 1; i <= 3; i++)
        ck_assert_int_eq(send_as(1, i, 1000, &why), ERR_OK);
    ck_assert_int_eq(send_as(1, 4, 1000, &why), ERR_FULL);
    ck_assert_int_eq(why.reason, REFUSAL_PARTNER_SHARE);
    ck_assert_ptr_nonnull(strstr(why.text, "3000 bytes of documents of this partner"));
    ck_assert_uint_ge(why.retry_after_ms, 500);
    ck_assert_int_eq(send_as(2, 5, 500, &why), ERR_OK); /* another is not refused because of that one */
    ck_assert_int_eq(send_as(2, 6, 100, &why), ERR_OK);
    for (uint64_t number = 1; number <= 3; number++)
        finish_document(number);
    ck_assert_int_eq(send_as(1, 4, 1000, &why), ERR_OK);
}
END_TEST

START_TEST(none_takes_all_by_many_small_documents)
{
    struct refusal why;
    start((struct pressure_options){.high_water_documents = 4}, MAP_BYTES);
    for (uint32_t i = 1; i <= 3; i++)
        ck_assert_int_eq(send_as(1, i, 10, &why), ERR_OK);
    ck_assert_int_eq(send_as(1, 4, 10, &why), ERR_FULL);
    ck_assert_int_eq(why.reason, REFUSAL_PARTNER_SHARE);
    ck_assert_ptr_nonnull(strstr(why.text, "3 documents of this partner"));
    ck_assert_int_eq(send_as(2, 5, 10, &why), ERR_OK);
    stop();
    start((struct pressure_options){.high_water_documents = 6}, MAP_BYTES);
    ck_assert_int_eq(send_as(1, 4, 10, &why), ERR_FULL); /* what there is of each is known again */
    ck_assert_int_eq(send_as(2, 6, 10, &why), ERR_OK);
}
END_TEST

START_TEST(an_old_document)
{
    struct refusal why;
    start((struct pressure_options){.max_backlog_ms = 20}, MAP_BYTES);
    ck_assert_int_eq(send_document(1, 10, &why), ERR_OK);
    why = wait_for(REFUSAL_BACKLOG_AGE);
    ck_assert_ptr_nonnull(strstr(why.text, "at most 20 are allowed (--max-backlog-ms)"));
    finish_document(last_number);
    wait_for(REFUSAL_NONE);
}
END_TEST

/* No byte is free in /proc; what `disk` points to decides. */
START_TEST(a_disk_without_room)
{
    struct refusal why;
    struct ingest_document *document = NULL;
    static const char piece[JOURNAL_PIECE_BYTES] = "<a>";
    ck_assert_int_eq(symlink(dir, disk), 0);
    start((struct pressure_options){.journal_dir = disk, .disk_reserve_bytes = 1}, MAP_BYTES);
    ck_assert_int_eq(ingest_admit(ingest, &why), ERR_OK);
    ck_assert_int_eq(ingest_open(ingest, "", &document), ERR_OK);
    ck_assert_int_eq(ingest_append(document, piece, sizeof piece), ERR_OK);

    ck_assert_int_eq(unlink(disk), 0);
    ck_assert_int_eq(symlink("/proc", disk), 0);
    why = wait_for(REFUSAL_DISK_SPACE);
    ck_assert_ptr_nonnull(strstr(why.text, "0 bytes left"));
    ck_assert_int_eq(ingest_append(document, piece, sizeof piece), ERR_FULL);
    ck_assert_int_eq(ingest_refusal(document)->reason, REFUSAL_DISK_SPACE);
    ingest_abort(&document);

    ck_assert_int_eq(unlink(disk), 0);
    ck_assert_int_eq(symlink(dir, disk), 0);
    wait_for(REFUSAL_NONE);
    ck_assert_int_eq(send_document(1, 10, &why), ERR_OK);
}
END_TEST

/* The last of the map is left for what the pipeline has to record. */
START_TEST(a_journal_near_its_limit)
{
    struct refusal why;
    enum err err = ERR_OK;
    start((struct pressure_options){.disk_reserve_bytes = UINT64_MAX / 2}, 32 << 20);
    why = wait_for(REFUSAL_DISK_SPACE); /* looked at first */
    teardown();
    setup();
    start((struct pressure_options){.disk_reserve_bytes = 16 << 20}, 32 << 20);
    for (uint32_t i = 0; !err; i++) {
        ck_assert_uint_lt(i, 300);
        err = send_document(i, 300000, &why);
        if (i % 8 == 0) { /* so that a look falls between: one takes place four times a second */
            struct pressure_view view;
            uint64_t before;
            pressure_look(pressure, &view);
            before = view.journal.used_bytes;
            for (int n = 0; n < 100 && view.journal.used_bytes == before; n++) {
                usleep(10000);
                pressure_look(pressure, &view);
            }
        }
    }
    ck_assert_int_eq(err, ERR_FULL);
    ck_assert_int_eq(why.reason, REFUSAL_JOURNAL_SPACE);
    ck_assert_ptr_nonnull(strstr(why.text, "--map-bytes"));
    ck_assert_int_eq(journal_health(journal), ERR_OK);
    finish_document(last_number);
}
END_TEST

int main(void)
{
    log_init("test", LOG_AS_TEXT);
    Suite *suite = suite_create("pressure");
    TCase *tests = tcase_create("pressure");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, unfinished_bytes);
    tcase_add_test(tests, unfinished_documents);
    tcase_add_test(tests, none_takes_all);
    tcase_add_test(tests, none_takes_all_by_many_small_documents);
    tcase_add_test(tests, an_old_document);
    tcase_add_test(tests, a_disk_without_room);
    tcase_add_test(tests, a_journal_near_its_limit);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
