/* A worker's committing half over a store of its own, for tests of what it decides. */
#ifndef EPCISD_TESTS_COMMITTING_H
#define EPCISD_TESTS_COMMITTING_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/component/synthetic.h"
#include "worker/commit.h"

enum { FRAMES_MAX = 8 };

static struct committing {
    char folder[64];
    struct arena events; /* what tests build */
    struct store *store;
    struct commit *commit;
    struct synthetic made;
    struct synthetic_chain chain;
    struct buffer frames[FRAMES_MAX];
    size_t frame_count;
} world;

static inline void open_store(void)
{
    char url[128];
    snprintf(url, sizeof url, "lmdb:%s/store", world.folder);
    ck_assert_int_eq(store_open(url, 256 << 20, &world.store), ERR_OK);
    struct commit_config config = {
        .store = world.store, .worker_id = "test:1", .profile = RULES_DSCSA, .memory_bytes = 256 << 20};
    ck_assert_int_eq(commit_open(&config, &world.commit), ERR_OK);
}

static inline void close_store(void)
{
    commit_close(&world.commit);
    store_close(&world.store);
}

static inline void setup(void)
{
    world = (struct committing){.folder = "/tmp/epcisd-commit-XXXXXX", .chain = {.partition = 3}};
    ck_assert_ptr_nonnull(mkdtemp(world.folder));
    arena_init(&world.events, 256 << 20);
    synthetic_init(&world.made);
    open_store();
}

static inline int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static inline void teardown(void)
{
    close_store();
    synthetic_free(&world.made);
    arena_free(&world.events);
    for (size_t i = 0; i < FRAMES_MAX; i++)
        buffer_free(&world.frames[i]);
    nftw(world.folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* What was added since the last call becomes a batch. */
static inline void end_batch(void)
{
    if (world.made.item_count > 0)
        synthetic_pack(&world.made, &world.chain, &world.frames[world.frame_count++]);
}

/* Commits the batches that were ended. With `keep` they can be committed again. */
static inline struct commit_result commit_batches(bool keep)
{
    const struct buffer *list[FRAMES_MAX];
    struct commit_result result;
    for (size_t i = 0; i < world.frame_count; i++)
        list[i] = &world.frames[i];
    ck_assert_int_eq(commit_frames(world.commit, list, world.frame_count, &result), ERR_OK);
    if (!keep)
        world.frame_count = 0;
    return result;
}

#endif
