/* Identities in a journal on a real disk. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "server/admin_token.h"
#include "server/identities.h"
#include "server/journal.h"
#include "server/token.h"
#include "tests/component/folder.h"

enum { HOUR_MS = 3600 * 1000 };

static struct journal *journal;
static struct identities *identities;
static struct arena arena;
static char why[IDENTITY_WHY];

static void open_all(void)
{
    char path[96];
    snprintf(path, sizeof path, "%s/journal", dir);
    ck_assert_int_eq(journal_open(path, 256 << 20, &journal), ERR_OK);
    ck_assert_int_eq(identities_open(journal, &identities), ERR_OK);
}

static void reopen(void)
{
    identities_close(&identities);
    journal_close(&journal);
    open_all();
}

static void setup(void)
{
    folder_make();
    arena_init(&arena, 16 << 20);
    open_all();
}

static void teardown(void)
{
    identities_close(&identities);
    journal_close(&journal);
    arena_free(&arena);
    folder_remove();
}

/* ---- short forms ------------------------------------------------------------------------------------- */

struct wish {
    const char *name, *partner, *certificate;
    Epcis__V1__Role role;
    int64_t expires_ms;
};

/* The token goes to `token`. */
static enum err create(struct wish wish, char token[TOKEN_SIZE], Epcis__V1__Identity **out)
{
    uint8_t sha256[DIGEST_BYTES];
    Epcis__V1__Identity wanted = EPCIS__V1__IDENTITY__INIT, *made = NULL;
    Epcis__V1__Role role = wish.role ? wish.role : EPCIS__V1__ROLE__ROLE_READ;
    wanted.name = (char *)wish.name;
    wanted.partner = (char *)(wish.partner ? wish.partner : "");
    wanted.certificate = (char *)(wish.certificate ? wish.certificate : "");
    wanted.expires_ms = wish.expires_ms;
    wanted.roles = &role;
    wanted.n_roles = 1;
    ck_assert_int_eq(token_make(token, sha256), ERR_OK);
    enum err err = identities_create(identities, &wanted, sha256, "tester", &arena, &made, why);
    if (out)
        *out = made;
    return err;
}

static enum identity_state ask_at(const char *token, int64_t now_ms, struct identity_proof *proof)
{
    return identities_by_token(identities, token, strlen(token), now_ms, proof);
}

static enum identity_state ask(const char *token)
{
    struct identity_proof proof;
    return ask_at(token, clock_wall_ms(), &proof);
}

static enum identity_state ask_certificate(const char *entry)
{
    struct identity_proof proof;
    return identities_by_certificate(identities, entry, clock_wall_ms(), &proof);
}

static enum err rotate(const char *name, int64_t overlap_ms, int64_t expires_ms, char token[TOKEN_SIZE])
{
    uint8_t sha256[DIGEST_BYTES];
    Epcis__V1__RotateTokenRequest request = EPCIS__V1__ROTATE_TOKEN_REQUEST__INIT;
    Epcis__V1__Identity *out;
    request.name = (char *)name;
    request.overlap_ms = overlap_ms;
    request.expires_ms = expires_ms;
    ck_assert_int_eq(token_make(token, sha256), ERR_OK);
    return identities_rotate(identities, &request, sha256, "tester", &arena, &out, why);
}

static Epcis__V1__Identity *only(void)
{
    Epcis__V1__ListIdentitiesResponse list = EPCIS__V1__LIST_IDENTITIES_RESPONSE__INIT;
    bool more;
    ck_assert_int_eq(identities_list(identities, "", 10, &arena, &list, &more), ERR_OK);
    ck_assert_uint_eq(list.n_identities, 1);
    ck_assert(!more);
    return list.identities[0];
}

/* ---- tests ------------------------------------------------------------------------------------------- */

START_TEST(a_token_proves_its_identity)
{
    char token[TOKEN_SIZE], other[TOKEN_SIZE];
    struct identity_proof proof;
    struct wish wish = {.name = "erp", .partner = "0614141000012"};
    for (int round = 0; round < 2; round++, reopen()) {
        if (round == 0)
            ck_assert_int_eq(create(wish, token, NULL), ERR_OK);
        ck_assert_int_eq(ask_at(token, clock_wall_ms(), &proof), IDENTITY_GOOD);
        ck_assert_str_eq(proof.name, "erp");
        ck_assert_str_eq(proof.partner, "0614141000012");
        ck_assert_uint_eq(proof.roles, IDENTITY_ROLE(READ));
        strcpy(other, token);
        other[20] = other[20] == '0' ? '1' : '0';
        ck_assert_int_eq(ask_at(other, clock_wall_ms(), &proof), IDENTITY_UNKNOWN);
        ck_assert_uint_eq(proof.roles, 0);
        ck_assert_int_eq(ask(""), IDENTITY_UNKNOWN);
    }
}
END_TEST

/* Otherwise who knows what a certificate says could send that as a token. */
START_TEST(a_certificate_s_entry_is_no_token)
{
    char token[TOKEN_SIZE];
    struct wish wish = {.name = "erp", .certificate = "URI:spiffe://example.com/erp"};
    ck_assert_int_eq(create(wish, token, NULL), ERR_OK);
    ck_assert_int_eq(ask_certificate("URI:spiffe://example.com/erp"), IDENTITY_GOOD);
    ck_assert_int_eq(ask_certificate("URI:spiffe://example.com/er"), IDENTITY_UNKNOWN);
    ck_assert_int_eq(ask("URI:spiffe://example.com/erp"), IDENTITY_UNKNOWN);
    ck_assert_int_eq(ask(token), IDENTITY_UNKNOWN);
    ck_assert_int_eq(create((struct wish){.name = "plain"}, token, NULL), ERR_OK);
    ck_assert_int_eq(ask_certificate(token), IDENTITY_UNKNOWN);
}
END_TEST

START_TEST(a_token_ends_when_it_was_said_to)
{
    char token[TOKEN_SIZE];
    struct identity_proof proof;
    int64_t end_ms = clock_wall_ms() + HOUR_MS;
    ck_assert_int_eq(create((struct wish){.name = "erp", .expires_ms = end_ms}, token, NULL), ERR_OK);
    ck_assert_int_eq(ask_at(token, end_ms - 1, &proof), IDENTITY_GOOD);
    ck_assert_int_eq(ask_at(token, end_ms, &proof), IDENTITY_EXPIRED);
    ck_assert_str_eq(proof.name, "erp"); /* for the log */
}
END_TEST

START_TEST(a_rotated_token_overlaps_as_long_as_asked)
{
    char first[TOKEN_SIZE], second[TOKEN_SIZE], third[TOKEN_SIZE];
    struct identity_proof proof;
    int64_t now_ms = clock_wall_ms();
    ck_assert_int_eq(create((struct wish){.name = "erp", .expires_ms = now_ms + 3 * HOUR_MS}, first, NULL),
                     ERR_OK);
    ck_assert_int_eq(rotate("erp", HOUR_MS, 0, second), ERR_OK);
    for (int round = 0; round < 2; round++, reopen()) {
        ck_assert_int_eq(ask(first), IDENTITY_GOOD);
        ck_assert_int_eq(ask_at(first, now_ms + 2 * HOUR_MS, &proof), IDENTITY_EXPIRED);
        ck_assert_int_eq(ask_at(second, now_ms + 4 * HOUR_MS, &proof), IDENTITY_GOOD);
    }
    ck_assert_int_eq(rotate("erp", 0, 0, third), ERR_OK);
    ck_assert_int_eq(ask(first), IDENTITY_UNKNOWN);
    ck_assert_int_eq(ask(second), IDENTITY_UNKNOWN);
    ck_assert_int_eq(ask(third), IDENTITY_GOOD);
    ck_assert_int_eq(rotate("nobody", 0, 0, second), ERR_NOT_FOUND);
    ck_assert_int_eq(rotate("erp", -1, 0, second), ERR_INPUT);
    ck_assert_int_eq(rotate("erp", 31LL * 24 * HOUR_MS, 0, second), ERR_INPUT);
    ck_assert_int_eq(rotate("erp", 0, 1, second), ERR_INPUT);
    ck_assert_int_eq(ask(third), IDENTITY_GOOD);
}
END_TEST

/* Nor does an overlap make a token live longer than it was given for. */
START_TEST(an_overlap_does_not_outlast_the_token)
{
    char first[TOKEN_SIZE], second[TOKEN_SIZE];
    struct identity_proof proof;
    int64_t now_ms = clock_wall_ms();
    ck_assert_int_eq(create((struct wish){.name = "erp", .expires_ms = now_ms + HOUR_MS}, first, NULL),
                     ERR_OK);
    ck_assert_int_eq(rotate("erp", 5 * HOUR_MS, 0, second), ERR_OK);
    ck_assert_int_eq(ask_at(first, now_ms + HOUR_MS, &proof), IDENTITY_EXPIRED);
}
END_TEST

START_TEST(what_is_revoked_stays_so)
{
    char token[TOKEN_SIZE], other[TOKEN_SIZE];
    Epcis__V1__Identity *out;
    ck_assert_int_eq(create((struct wish){.name = "erp"}, token, NULL), ERR_OK);
    ck_assert_int_eq(create((struct wish){.name = "cert", .certificate = "CN:erp"}, other, NULL), ERR_OK);
    ck_assert_int_eq(identities_revoke(identities, "erp", "first", &arena, &out), ERR_OK);
    int64_t revoked_ms = out->revoked_ms;
    ck_assert_int_eq(identities_revoke(identities, "erp", "second", &arena, &out), ERR_OK);
    ck_assert_int_eq(out->revoked_ms, revoked_ms);
    ck_assert_str_eq(out->revoked_by, "first");
    ck_assert_int_eq(identities_revoke(identities, "cert", "first", &arena, &out), ERR_OK);
    for (int round = 0; round < 2; round++, reopen()) {
        ck_assert_int_eq(ask(token), IDENTITY_REVOKED);
        ck_assert_int_eq(ask_certificate("CN:erp"), IDENTITY_UNKNOWN);
        ck_assert_int_eq(create((struct wish){.name = "erp"}, other, NULL), ERR_EXISTS);
        ck_assert_int_eq(rotate("erp", 0, 0, other), ERR_EXISTS);
        ck_assert_int_eq(identities_revoke(identities, "nobody", "", &arena, &out), ERR_NOT_FOUND);
    }
    ck_assert_int_eq(create((struct wish){.name = "cert2", .certificate = "CN:erp"}, other, NULL), ERR_OK);
    ck_assert_int_eq(ask_certificate("CN:erp"), IDENTITY_GOOD);
    ck_assert_int_eq(create((struct wish){.name = "cert3", .certificate = "CN:erp"}, other, NULL),
                     ERR_EXISTS);
    ck_assert_ptr_nonnull(strstr(why, "cert2"));
}
END_TEST

START_TEST(fields_are_checked)
{
    static const struct wish wrong[] = {
        {.name = ""},
        {.name = "Erp"},
        {.name = "a b"},
        {.name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
        {.name = "erp", .partner = "0614141000013"},
        {.name = "erp", .partner = "06141410000"},
        {.name = "erp", .partner = "0614141000012", .role = EPCIS__V1__ROLE__ROLE_OPERATE},
        {.name = "erp", .partner = "0614141000012", .role = EPCIS__V1__ROLE__ROLE_ADMIN},
        {.name = "erp", .role = (Epcis__V1__Role)6},
        {.name = "erp", .role = (Epcis__V1__Role)-1},
        {.name = "erp", .certificate = "erp"},
        {.name = "erp", .certificate = "CN:"},
        {.name = "erp", .certificate = "IP:10.0.0.1"},
        {.name = "erp", .expires_ms = 1},
        {.name = "erp", .expires_ms = -1},
    };
    char token[TOKEN_SIZE];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_msg(create(wrong[i], token, NULL) == ERR_INPUT, "%zu", i);
        ck_assert(why[0]);
    }
    ck_assert(identities_are_none(identities));
}
END_TEST

START_TEST(they_are_listed_by_name_and_in_pages)
{
    static const char *const names[] = {"m", "a", "z", "b", "y"};
    static const char sorted[] = "abmyz";
    Epcis__V1__ListIdentitiesResponse list = EPCIS__V1__LIST_IDENTITIES_RESPONSE__INIT;
    char token[TOKEN_SIZE];
    bool more = true;
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(create((struct wish){.name = names[i]}, token, NULL), ERR_OK);
    const char *after = "";
    for (size_t at = 0; at < 5; at += 2) {
        list = (Epcis__V1__ListIdentitiesResponse)EPCIS__V1__LIST_IDENTITIES_RESPONSE__INIT;
        ck_assert_int_eq(identities_list(identities, after, 2, &arena, &list, &more), ERR_OK);
        ck_assert_uint_eq(list.n_identities, at < 4 ? 2 : 1);
        ck_assert_int_eq(more, at < 4);
        for (size_t i = 0; i < list.n_identities; i++)
            ck_assert_int_eq(list.identities[i]->name[0], sorted[at + i]);
        after = list.identities[list.n_identities - 1]->name;
    }
}
END_TEST

START_TEST(the_last_use_is_kept)
{
    char token[TOKEN_SIZE];
    struct identity_proof proof;
    int64_t now_ms = clock_wall_ms();
    ck_assert_int_eq(create((struct wish){.name = "erp"}, token, NULL), ERR_OK);
    ck_assert_int_eq(only()->last_used_ms, 0);
    ck_assert_int_eq(ask_at(token, now_ms, &proof), IDENTITY_GOOD);
    ck_assert(proof.note_due);
    identities_note(identities, "erp");
    ck_assert_int_eq(ask_at(token, now_ms + 5, &proof), IDENTITY_GOOD);
    ck_assert_msg(!proof.note_due, "not written at each call");
    ck_assert_int_eq(only()->last_used_ms, now_ms + 5);
    reopen();
    ck_assert_int_eq(only()->last_used_ms, now_ms + 5);
    ck_assert_int_eq(ask_at(token, now_ms + 2 * HOUR_MS, &proof), IDENTITY_GOOD);
    ck_assert(proof.note_due);
    identities_note(identities, "nobody");
}
END_TEST

START_TEST(a_disk_that_refuses_changes_nothing)
{
    char first[TOKEN_SIZE], second[TOKEN_SIZE];
    ck_assert_int_eq(create((struct wish){.name = "erp"}, first, NULL), ERR_OK);
    setenv("EPCISD_FAULT", "journal.commit", 1);
    fault_init();
    ck_assert_int_eq(rotate("erp", 0, 0, second), ERR_DISK);
    unsetenv("EPCISD_FAULT");
    fault_init();
    ck_assert_int_eq(ask(first), IDENTITY_GOOD);
    ck_assert_int_eq(ask(second), IDENTITY_UNKNOWN);
}
END_TEST

START_TEST(the_first_one_s_token_is_in_a_file)
{
    char path[96], line[128] = "";
    struct stat status;
    struct identity_proof proof;
    snprintf(path, sizeof path, "%s/admin.token", dir);
    FILE *stale = fopen(path, "w"); /* of a start that was cut off */
    fputs("epcisd_stale\n", stale);
    fclose(stale);
    ck_assert_int_eq(admin_token_write(identities, dir), ERR_OK);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_mode & 0777, 0600);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    ck_assert_int_eq(ask_at(line, clock_wall_ms(), &proof), IDENTITY_GOOD);
    ck_assert_str_eq(proof.name, "admin");
    ck_assert_uint_eq(proof.roles, IDENTITY_ROLE(ADMIN));
    unlink(path);
    ck_assert_int_eq(admin_token_write(identities, dir), ERR_OK);
    ck_assert_msg(access(path, F_OK) != 0, "only where there is none");
}
END_TEST

static atomic_bool asking_is_over;
static char lasting_token[TOKEN_SIZE];

static void *keep_asking(void *context)
{
    (void)context;
    while (!atomic_load(&asking_is_over)) {
        ck_assert_int_eq(ask(lasting_token), IDENTITY_GOOD);
        identities_note(identities, "lasting");
    }
    return NULL;
}

START_TEST(who_asks_is_not_held_up_by_changes)
{
    pthread_t threads[2];
    char token[TOKEN_SIZE], name[16];
    atomic_store(&asking_is_over, false);
    ck_assert_int_eq(create((struct wish){.name = "lasting"}, lasting_token, NULL), ERR_OK);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_asking, NULL), 0);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "other-%d", i);
        ck_assert_int_eq(create((struct wish){.name = name}, token, NULL), ERR_OK);
        ck_assert_int_eq(ask(token), IDENTITY_GOOD);
        ck_assert_int_eq(rotate(name, 0, 0, token), ERR_OK);
        ck_assert_int_eq(ask(token), IDENTITY_GOOD);
    }
    atomic_store(&asking_is_over, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

int main(void)
{
    log_init("test_identities", LOG_AS_TEXT);
    Suite *suite = suite_create("identities");
    TCase *tests = tcase_create("identities");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_token_proves_its_identity);
    tcase_add_test(tests, a_certificate_s_entry_is_no_token);
    tcase_add_test(tests, a_token_ends_when_it_was_said_to);
    tcase_add_test(tests, a_rotated_token_overlaps_as_long_as_asked);
    tcase_add_test(tests, an_overlap_does_not_outlast_the_token);
    tcase_add_test(tests, what_is_revoked_stays_so);
    tcase_add_test(tests, fields_are_checked);
    tcase_add_test(tests, they_are_listed_by_name_and_in_pages);
    tcase_add_test(tests, the_last_use_is_kept);
    tcase_add_test(tests, a_disk_that_refuses_changes_nothing);
    tcase_add_test(tests, the_first_one_s_token_is_in_a_file);
    tcase_add_test(tests, who_asks_is_not_held_up_by_changes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
