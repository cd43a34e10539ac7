/* How raw documents go once they are old: bit by bit, and past those that are not finished. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/store/store.h"
#include "server/journal.h"
#include "server/journal_check.h"
#include "server/journal_prune.h"
#include "server/journal_wait.h"
#include "server/retention.h"
#include "tests/component/folder.h"
#include "tests/component/sending.h"

enum { MAP_BYTES = 256 << 20, DEADLINE_MS = 30000, ALL = 6 };

static struct journal *journal;
static struct ingest *ingest;
static struct store *store;

static void open_all(void)
{
    char url[128];
    snprintf(url, sizeof url, "lmdb:%s/store", dir);
    ck_assert_int_eq(store_open(url, MAP_BYTES, &store), ERR_OK);
    ck_assert_int_eq(journal_open(dir, MAP_BYTES, &journal), ERR_OK);
    ck_assert_int_eq(ingest_init(journal, NULL, ignore_received, NULL, &ingest), ERR_OK);
}

static void close_all(void)
{
    ingest_free(&ingest);
    journal_close(&journal);
    store_close(&store);
}

static void setup(void)
{
    folder_make();
    open_all();
}

static void teardown(void)
{
    close_all();
    folder_remove();
}

static void send_document(char with, size_t bytes)
{
    char *data = malloc(bytes);
    memset(data, with, bytes);
    send_bytes(ingest, data, bytes, "");
    free(data);
}

/* A document without events is finished once it was read. */
static void finish_document(uint64_t number)
{
    struct journal_op converted = {.kind = JOURNAL_CONVERTED, .number = number};
    ck_assert_int_eq(journal_wait(journal, &converted), ERR_OK);
}

static void prune(uint64_t number)
{
    struct journal_op op = {.kind = JOURNAL_PRUNE, .number = number, .pruned_ms = 1};
    ck_assert_int_eq(journal_wait(journal, &op), ERR_OK);
}

/* Each document is an upload of its own, with the same number. */
static bool has_piece(uint64_t number, uint32_t piece)
{
    struct buffer bytes = {0};
    enum err err = journal_piece(journal, number, piece, &bytes);
    buffer_free(&bytes);
    ck_assert(err == ERR_OK || err == ERR_NOT_FOUND);
    return !err;
}

static void check_pruned(uint64_t through)
{
    uint64_t number;
    ck_assert_int_eq(journal_pruned(journal, &number), ERR_OK);
    ck_assert_uint_eq(number, through);
}

/* All else is whole, whatever was pruned. */
static void check_journal(uint64_t pruned, uint64_t unfinished)
{
    struct journal_report report;
    ck_assert_int_eq(journal_check(journal, store, &report), ERR_OK);
    ck_assert_uint_eq(report.pruned, pruned);
    ck_assert_uint_eq(report.unfinished, unfinished);
}

/* It takes several transactions: a server that stops, or a copy that is made, between two of them is whole.
 */
START_TEST(a_long_document_goes_bit_by_bit)
{
    send_document('a', (size_t)70 * JOURNAL_PIECE_BYTES);
    prune(1);
    ck_assert(has_piece(1, 0)); /* it is not finished */
    finish_document(1);
    for (int steps = 0; steps < 2; steps++) {
        check_pruned(0);
        prune(1);
        ck_assert(!has_piece(1, 0));
        ck_assert_int_eq(has_piece(1, 69), steps == 0);
        check_journal(1, 0);
    }
    check_pruned(1);
}
END_TEST

/* The first that still has its bytes is where the next look begins, whatever went behind it. */
START_TEST(what_is_kept_is_not_counted_as_pruned)
{
    for (int i = 1; i <= ALL; i++)
        send_document((char)('a' + i), 100);
    for (uint64_t number = 1; number <= ALL; number++)
        if (number != 3)
            finish_document(number);
    prune(2);
    check_pruned(0);
    prune(1);
    check_pruned(2);
    prune(4);
    prune(5);
    check_pruned(2);
    check_journal(4, 1);
    finish_document(3);
    prune(3);
    check_pruned(5);
    check_journal(5, 0);
}
END_TEST

/* The documents that still have their bytes, as digits. */
static const char *kept(void)
{
    static char text[ALL + 1];
    size_t length = 0;
    for (uint64_t number = 1; number <= ALL; number++)
        if (has_piece(number, 0))
            text[length++] = (char)('0' + number);
    text[length] = '\0';
    return text;
}

static void wait_for_kept(const char *wanted)
{
    int64_t end_ms = clock_steady_ms() + DEADLINE_MS;
    while (strcmp(kept(), wanted) != 0) {
        ck_assert_msg(clock_steady_ms() < end_ms, "kept are %s instead of %s", kept(), wanted);
        usleep(2000);
    }
}

START_TEST(unfinished_documents_are_passed_over)
{
    struct retention *retention = NULL;
    for (int i = 1; i <= ALL; i++)
        send_document((char)('a' + i), 100);
    for (uint64_t number = 1; number <= ALL; number++)
        if (number != 2 && number != 4)
            finish_document(number);
    ck_assert_int_eq(retention_start(journal, dir, 0, &retention), ERR_OK);
    wait_for_kept("24");
    check_pruned(1);
    check_journal(4, 2);
    finish_document(4);
    wait_for_kept("2");
    retention_stop(&retention);

    close_all(); /* who comes later knows of those that were passed over, too */
    open_all();
    ck_assert_int_eq(retention_start(journal, dir, 0, &retention), ERR_OK);
    finish_document(2);
    wait_for_kept("");
    retention_stop(&retention);
    check_pruned(ALL);
    check_journal(ALL, 0);
}
END_TEST

int main(void)
{
    log_init("test", LOG_AS_TEXT);
    Suite *suite = suite_create("retention");
    TCase *tests = tcase_create("retention");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_long_document_goes_bit_by_bit);
    tcase_add_test(tests, what_is_kept_is_not_counted_as_pruned);
    tcase_add_test(tests, unfinished_documents_are_passed_over);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
