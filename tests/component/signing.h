/* A journal that signs, in a folder of its own, for tests of keys and of what they sign. */
#ifndef EPCISD_TESTS_SIGNING_H
#define EPCISD_TESTS_SIGNING_H

#include "server/signer.h"
#include "tests/component/folder.h"
#include "tests/component/sending.h"

static char keys_dir[80];
static struct arena arena;

struct server {
    struct journal *journal;
    struct signer *signer;
};

static inline void setup(void)
{
    folder_make();
    snprintf(keys_dir, sizeof keys_dir, "%s/keys", dir);
    arena_init(&arena, 16 << 20);
}

static inline void teardown(void)
{
    arena_free(&arena);
    folder_remove();
}

static inline enum err server_open(struct server *server, bool replace_lost)
{
    *server = (struct server){0};
    enum err err = journal_open(dir, 256 << 20, &server->journal);
    return err ? err : signer_open(keys_dir, server->journal, replace_lost, &server->signer);
}

static inline void server_close(struct server *server)
{
    journal_close(&server->journal);
    signer_close(&server->signer);
}

static inline struct receipt send(struct server *server, const char *text, const char *partner)
{
    struct ingest *ingest = NULL;
    ck_assert_int_eq(ingest_init(server->journal, NULL, ignore_received, NULL, &ingest), ERR_OK);
    struct receipt receipt = send_bytes(ingest, text, strlen(text), partner);
    ingest_free(&ingest);
    return receipt;
}

#endif
