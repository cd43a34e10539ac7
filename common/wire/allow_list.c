#include "common/wire/allow_list.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/digest.h"
#include "common/base/file.h"
#include "common/base/log.h"

static const char suffix[] = ".key";

struct entry {
    char name[ALLOW_LIST_NAME];
    char public_key[CURVE_KEY_TEXT];
    bool admitted;
};

struct entries {
    size_t count;
    struct entry all[ALLOW_LIST_MAX];
};

struct allow_list {
    char dir[PATH_MAX];
    uint8_t seen[DIGEST_BYTES]; /* of what the folder looked like when it was last read */
    struct entries current;
    struct entries fresh; /* while reading */
};

/* ---- the folder ------------------------------------------------------------------------------------- */

/* The name that a file of the folder gives a worker; false: it is none of ours. Letters, digits, '.', '_' and
 * '-' alone, and no hidden file. */
static bool name_of(const char *file, char name[ALLOW_LIST_NAME])
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(file), end = strlen(suffix);
    if (length <= end || length - end >= ALLOW_LIST_NAME || strcmp(file + length - end, suffix) != 0 ||
        file[0] == '.' || strspn(file, good) != length)
        return false;
    snprintf(name, ALLOW_LIST_NAME, "%.*s", (int)(length - end), file);
    return true;
}

/* What tells a file from the one it was. */
static void add_stamp(struct digest *digest, int folder, const char *file)
{
    struct stat status;
    if (fstatat(folder, file, &status, 0))
        return;
    digest_update(digest, file, strlen(file));
    digest_update(digest, &status.st_ino, sizeof status.st_ino);
    digest_update(digest, &status.st_size, sizeof status.st_size);
    digest_update(digest, &status.st_ctim.tv_sec, sizeof status.st_ctim.tv_sec);
    digest_update(digest, &status.st_ctim.tv_nsec, sizeof status.st_ctim.tv_nsec);
}

/* Whether the folder looks other than when it was last read. */
static bool has_changed(const struct allow_list *list, DIR *folder, uint8_t looks[DIGEST_BYTES])
{
    char name[ALLOW_LIST_NAME];
    const struct dirent *entry;
    struct digest *digest = digest_new();
    if (!digest)
        return false; /* looked at again soon */
    while (folder && (entry = readdir(folder)))
        if (name_of(entry->d_name, name))
            add_stamp(digest, dirfd(folder), entry->d_name);
    digest_finish(digest, looks);
    digest_free(digest);
    return memcmp(looks, list->seen, DIGEST_BYTES) != 0;
}

/* ERR_DISK: a file cannot be read now; one that is no good is passed over. */
static enum err read_folder(struct allow_list *list, DIR *folder)
{
    const struct dirent *entry;
    struct entries *fresh = &list->fresh;
    fresh->count = 0;
    while (folder && (entry = readdir(folder))) {
        struct entry *next = &fresh->all[fresh->count];
        char path[PATH_MAX + NAME_MAX + 2];
        if (!name_of(entry->d_name, next->name))
            continue;
        if (fresh->count + 1 == ALLOW_LIST_MAX) {
            log_error("worker_keys", "dir=\"%s\" detail=\"more than %d keys: the others do not count\"",
                      list->dir, ALLOW_LIST_MAX - 1);
            break;
        }
        snprintf(path, sizeof path, "%s/%s", list->dir, entry->d_name);
        enum err err = curve_key_read_public(path, next->public_key);
        next->admitted = false;
        if (err == ERR_DISK)
            return err;
        fresh->count += err == ERR_OK;
    }
    return ERR_OK;
}

/* ---- the list --------------------------------------------------------------------------------------- */

static struct entry *find(struct entries *entries, const char *public_key)
{
    for (size_t i = 0; i < entries->count; i++)
        if (strcmp(entries->all[i].public_key, public_key) == 0)
            return &entries->all[i];
    return NULL;
}

/* Tells what is new and what is gone. True: one that was let in is. */
static bool compare(struct allow_list *list)
{
    bool lost = false;
    for (size_t i = 0; i < list->fresh.count; i++) {
        const struct entry *entry = &list->fresh.all[i];
        if (!find(&list->current, entry->public_key))
            log_info("worker_key_added", "worker=%s key=%s", entry->name, entry->public_key);
    }
    for (size_t i = 0; i < list->current.count; i++) {
        const struct entry *entry = &list->current.all[i];
        struct entry *still = find(&list->fresh, entry->public_key);
        if (still) {
            still->admitted |= entry->admitted;
            continue;
        }
        log_info("worker_key_revoked", "worker=%s key=%s", entry->name, entry->public_key);
        lost |= entry->admitted;
    }
    return lost;
}

bool allow_list_look(struct allow_list *list)
{
    uint8_t looks[DIGEST_BYTES];
    bool lost = false;
    DIR *folder = opendir(list->dir);
    if (!folder && errno != ENOENT) {
        log_warning("worker_keys", "dir=\"%s\" detail=\"%s: the keys read before count\"", list->dir,
                    strerror(errno));
        return false;
    }
    if (has_changed(list, folder, looks)) {
        if (folder)
            rewinddir(folder);
        if (!read_folder(list, folder)) {
            lost = compare(list);
            list->current = list->fresh;
            memcpy(list->seen, looks, sizeof looks);
        }
    }
    if (folder)
        closedir(folder);
    return lost;
}

const char *allow_list_admit(struct allow_list *list, const char *public_key)
{
    struct entry *entry = find(&list->current, public_key);
    if (!entry)
        return NULL;
    entry->admitted = true;
    return entry->name;
}

void allow_list_forget(struct allow_list *list)
{
    for (size_t i = 0; i < list->current.count; i++)
        list->current.all[i].admitted = false;
}

enum err allow_list_open(const char *dir, struct allow_list **out)
{
    struct stat status;
    if ((mkdir(dir, S_IRWXU) && errno != EEXIST) || stat(dir, &status)) {
        log_error("worker_keys", "dir=\"%s\" detail=\"%s\"", dir, strerror(errno));
        return ERR_DISK;
    }
    if (status.st_mode & FILE_TRUSTED) {
        log_error("worker_keys", "dir=\"%s\" detail=\"others than its owner may put keys there: chmod go-w\"",
                  dir);
        return ERR_SYSTEM;
    }
    struct allow_list *list = *out = calloc(1, sizeof *list);
    if (!list)
        return ERR_MEMORY;
    snprintf(list->dir, sizeof list->dir, "%s", dir);
    allow_list_look(list);
    return ERR_OK;
}

void allow_list_close(struct allow_list **list)
{
    free(*list);
    *list = NULL;
}
