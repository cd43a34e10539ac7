/* A folder for each test, of its own. */
#ifndef EPCISD_TESTS_FOLDER_H
#define EPCISD_TESTS_FOLDER_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char dir[64];

static inline void folder_make(void)
{
    strcpy(dir, "/tmp/epcisd-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static inline int folder_remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static inline void folder_remove(void)
{
    nftw(dir, folder_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path in the folder; each call's is good until the fourth one after. */
static inline const char *folder_path(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

#endif
