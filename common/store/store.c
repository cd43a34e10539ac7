#include "common/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/store/map_space.h"
#include "common/store/trees.h"

static const uint32_t schema_version = 2; /* 1: no rows in states, which is as good */
static const uint64_t map_bytes_default = UINT64_C(1) << 40;

static const struct {
    const char *name;
    unsigned flags;
} tree_table[TREES] = {
    [TREE_META] = {"meta", 0},
    [TREE_EVENT] = {"event", MDB_INTEGERKEY},
    [TREE_ITEM] = {"item", 0},
    [TREE_LOT] = {"lot", 0},
    [TREE_MASTER] = {"master", 0},
    [TREE_MASTER_VERSION] = {"master_version", 0},
    [TREE_LOT_EVENT] = {"lot_event", 0},
    [TREE_EVENT_ID] = {"event_id", 0},
    [TREE_DECLARED] = {"declared", 0},
    [TREE_PLACE] = {"place", 0},
    [TREE_CAPTURE] = {"capture", 0},
    [TREE_BATCH] = {"batch", 0},
    [TREE_PARTITION] = {"partition", 0},
    [TREE_WARNING] = {"warning", MDB_INTEGERKEY},
    [TREE_DEAD_LETTER] = {"dead_letter", MDB_INTEGERKEY},
    [TREE_DEAD_LETTER_CAPTURE] = {"dead_letter_capture", 0},
};

/* The version is looked at before any tree is made, so that a newer store is left as it is. */
static int check_version(MDB_txn *txn, MDB_dbi meta)
{
    uint32_t version = schema_version;
    MDB_val key = {6, "schema"}, value;
    int rc = mdb_get(txn, meta, &key, &value);
    if (rc == MDB_SUCCESS) {
        if (value.mv_size != sizeof version)
            return MDB_CORRUPTED;
        memcpy(&version, value.mv_data, sizeof version);
        if (version >= schema_version)
            return version > schema_version ? MDB_VERSION_MISMATCH : MDB_SUCCESS;
        version = schema_version; /* an older program must not write it from here on */
    } else if (rc != MDB_NOTFOUND) {
        return rc;
    }
    value = (MDB_val){sizeof version, &version};
    return mdb_put(txn, meta, &key, &value, 0);
}

static int open_trees(struct store *store)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);
    for (int i = 0; i < TREES && !rc; i++) {
        rc = mdb_dbi_open(txn, tree_table[i].name, tree_table[i].flags | MDB_CREATE, &store->trees[i]);
        if (!rc && i == TREE_META)
            rc = check_version(txn, store->trees[i]);
    }
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/* Makes the folder and those above it: a worker may well start before the server that would make them. 0, or
 * an errno. */
static int make_folder(const char *folder)
{
    char path[PATH_MAX];
    size_t length = strlen(folder);
    if (length >= sizeof path)
        return ENAMETOOLONG;
    memcpy(path, folder, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        path[i] = '\0';
        bool made = mkdir(path, 0700) == 0;
        if (!made && errno != EEXIST)
            return errno;
        if (made && file_sync_folder("store_open", path))
            return EIO;
        path[i] = folder[i];
    }
    return 0;
}

/* A server's data folder holds a journal and, beside it, the store that is meant. */
static bool is_data_folder(const char *folder)
{
    char path[PATH_MAX];
    struct stat status;
    return snprintf(path, sizeof path, "%s/journal", folder) < (int)sizeof path && stat(path, &status) == 0 &&
           S_ISDIR(status.st_mode);
}

static enum err lock_file(const char *folder, int kind, int *out)
{
    char path[PATH_MAX];
    *out = -1;
    if (snprintf(path, sizeof path, "%s/open.lock", folder) >= (int)sizeof path)
        return ERR_INPUT;
    int file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0) {
        log_error("store_lock", "path=\"%s\" detail=\"%s\"", path, strerror(errno));
        return ERR_DISK;
    }
    if (flock(file, kind | LOCK_NB)) {
        log_error("store_in_use", "path=\"%s\" detail=\"%s\"", path,
                  kind == LOCK_EX ? "a worker or a server has the store open: stop it first"
                                  : "the store is being rewritten: try again when that is done");
        close(file);
        return ERR_EXISTS;
    }
    *out = file;
    return ERR_OK;
}

enum err store_lock_alone(const char *folder, int *out)
{
    return lock_file(folder, LOCK_EX, out);
}

/* No read-ahead: items are touched at random. No thread-local readers: a reading call may come from any
 * thread of a pool. 0, or what LMDB answers. */
static int open_env(struct store *store, const char *folder, uint64_t map_bytes, unsigned flags)
{
    int dead, rc = mdb_env_create(&store->env);
    if (!rc)
        rc = mdb_env_set_maxdbs(store->env, TREES);
    if (!rc)
        rc = mdb_env_set_mapsize(store->env, map_bytes ? map_bytes : map_bytes_default);
    if (!rc)
        rc = mdb_env_open(store->env, folder, MDB_NORDAHEAD | MDB_NOTLS | flags, 0600);
    if (!rc)
        rc = mdb_reader_check(store->env, &dead); /* slots of processes that were killed */
    return rc ? rc : open_trees(store);
}

/* Where its files are new, their names are on disk, too, before anything relies on it. */
static enum err sync_names(const char *folder)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    return file_sync_folder("store_open", path);
}

enum err store_open(const char *url, uint64_t map_bytes, struct store **out)
{
    static const char scheme[] = "lmdb:";
    char folder[PATH_MAX];
    *out = NULL;
    if (strncmp(url, scheme, sizeof scheme - 1) != 0 || !url[sizeof scheme - 1])
        return ERR_INPUT;
    const char *named = url + sizeof scheme - 1;
    if (snprintf(folder, sizeof folder, "%s%s", named, is_data_folder(named) ? "/store" : "") >=
        (int)sizeof folder)
        return ERR_INPUT;
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return ERR_MEMORY;
    store->lock_file = -1;
    int rc = make_folder(folder);
    enum err err = rc ? ERR_OK : lock_file(folder, LOCK_SH, &store->lock_file);
    if (err) {
        store_close(&store);
        return err;
    }
    if (!rc)
        rc = open_env(store, folder, map_bytes, 0);
    if (rc) {
        log_error("store_open", "url=%s detail=\"%s\"", url, mdb_strerror(rc));
        store_close(&store);
        return trees_error(rc);
    }
    err = sync_names(folder);
    if (err)
        store_close(&store);
    *out = store;
    return err;
}

void store_clear_scratch(const char *folder)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (snprintf(path, sizeof path, "%s/%s", folder, names[i]) < (int)sizeof path && unlink(path) &&
            errno != ENOENT)
            log_error("store_scratch", "path=\"%s\" detail=\"%s\"", path, strerror(errno));
    if (rmdir(folder) && errno != ENOENT)
        log_error("store_scratch", "path=\"%s\" detail=\"%s\"", folder, strerror(errno));
}

enum err store_open_scratch(const char *folder, uint64_t map_bytes, struct store **out)
{
    struct store *store = *out = calloc(1, sizeof *store);
    if (!store)
        return ERR_MEMORY;
    store->lock_file = -1;
    store_clear_scratch(folder);
    int rc = make_folder(folder);
    if (!rc)
        rc = open_env(store, folder, map_bytes, MDB_NOSYNC);
    store_clear_scratch(folder);
    if (rc) {
        log_error("store_scratch", "path=\"%s\" detail=\"%s\"", folder, mdb_strerror(rc));
        store_close(out);
    }
    return trees_error(rc);
}

void store_close(struct store **store)
{
    if (!*store)
        return;
    mdb_env_close((*store)->env);
    if ((*store)->lock_file >= 0)
        close((*store)->lock_file);
    free(*store);
    *store = NULL;
}

enum err store_space(struct store *store, uint64_t *used_bytes, uint64_t *max_bytes)
{
    struct map_space space = {0};
    enum err err = map_space_look(store->env, &space);
    *used_bytes = space.used_bytes;
    *max_bytes = space.max_bytes;
    return err;
}
