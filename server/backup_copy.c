#include "server/backup_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>

#include "common/base/clock.h"
#include "common/base/log.h"

enum { TREES_MAX = 64, BLOCK_BYTES = 1 << 20, PROGRESS_MS = 5000, OPEN_FILES = 16 };

enum err backup_error(const char *what, const char *path)
{
    int code = errno;
    log_error("backup_failed", "what=%s path=\"%s\" detail=\"%s\"", what, path, strerror(code));
    return code == ENOENT ? ERR_NOT_FOUND : code == EEXIST || code == ENOTEMPTY ? ERR_EXISTS : ERR_DISK;
}

static enum err map_error(const char *what, const char *path, int code)
{
    log_error("backup_failed", "what=%s path=\"%s\" detail=\"%s\"", what, path, mdb_strerror(code));
    return code == ENOENT                                                              ? ERR_NOT_FOUND
           : code == ENOMEM                                                            ? ERR_MEMORY
           : code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID ? ERR_CORRUPT
                                                                                       : ERR_DISK;
}

void backup_join(char out[BACKUP_PATH], const char *dir, const char *name)
{
    snprintf(out, BACKUP_PATH, "%.*s/%.120s", PATH_MAX, dir, name);
}

enum err backup_sync(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err err = fd < 0 || fsync(fd) ? backup_error("sync", dir) : ERR_OK;
    if (fd >= 0)
        close(fd);
    return err;
}

bool backup_is_free(const char *dir)
{
    DIR *folder = opendir(dir);
    if (!folder)
        return errno == ENOENT;
    bool found = false;
    for (const struct dirent *entry; !found && (entry = readdir(folder));)
        found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return !found;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    if (remove(path))
        backup_error("remove", path);
    return 0;
}

void backup_remove(const char *dir)
{
    nftw(dir, remove_entry, OPEN_FILES, FTW_DEPTH | FTW_PHYS);
}

static int create_file(const char *path)
{
    return open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
}

/* ---- environments ----------------------------------------------------------------------------------- */

/* Says now and then how far a copy has got. */
struct watch {
    const char *path;
    int fd;
    uint64_t of_bytes;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards `done` */
    pthread_cond_t changed;
    bool done;
};

static void *watch_main(void *context)
{
    struct watch *watch = context;
    pthread_mutex_lock(&watch->mutex);
    while (!watch->done) {
        struct timespec until = clock_steady_after(PROGRESS_MS);
        struct stat status;
        if (pthread_cond_timedwait(&watch->changed, &watch->mutex, &until) == ETIMEDOUT &&
            fstat(watch->fd, &status) == 0)
            log_info("backup_progress", "path=\"%s\" bytes=%" PRIu64 " of_at_most=%" PRIu64, watch->path,
                     (uint64_t)status.st_size, watch->of_bytes);
    }
    pthread_mutex_unlock(&watch->mutex);
    return NULL;
}

static enum err watch_start(struct watch *watch)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&watch->mutex, NULL);
    return pthread_create(&watch->thread, NULL, watch_main, watch) ? ERR_SYSTEM : ERR_OK;
}

static void watch_stop(struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    watch->done = true;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->mutex);
    pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->mutex);
}

static uint64_t size_of(MDB_env *env)
{
    MDB_envinfo info;
    MDB_stat stat;
    return mdb_env_info(env, &info) || mdb_env_stat(env, &stat)
               ? 0
               : ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
}

static enum err copy_open(MDB_env *env, const char *to)
{
    struct watch watch = {.path = to, .fd = create_file(to), .of_bytes = size_of(env)};
    if (watch.fd < 0)
        return backup_error("create", to);
    enum err err = watch_start(&watch);
    if (!err) {
        int code = mdb_env_copyfd2(env, watch.fd, MDB_CP_COMPACT);
        watch_stop(&watch);
        err = code ? map_error("copy", to, code) : ERR_OK;
    }
    if (!err && fsync(watch.fd))
        err = backup_error("sync", to);
    close(watch.fd);
    return err;
}

enum err backup_copy_environment(const char *from, const char *to)
{
    MDB_env *env;
    int code = mdb_env_create(&env);
    if (code)
        return map_error("open", from, code);
    code = mdb_env_set_maxdbs(env, TREES_MAX);
    if (!code)
        code = mdb_env_open(env, from, MDB_RDONLY | MDB_NOTLS, 0600);
    enum err err = code ? map_error("open", from, code) : copy_open(env, to);
    mdb_env_close(env);
    return err;
}

/* ---- files ------------------------------------------------------------------------------------------ */

static bool write_all(int fd, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(fd, data, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        data += written;
        bytes -= (size_t)written;
    }
    return true;
}

/* Reads to the end; `out` < 0: to nowhere. */
static enum err copy_blocks(const char *from, int in, const char *to, int out, struct digest *digest,
                            struct backup_file *file)
{
    uint8_t *block = malloc(BLOCK_BYTES);
    ssize_t got = block ? 1 : 0;
    enum err err = block ? ERR_OK : ERR_MEMORY;
    while (!err && got > 0) {
        got = read(in, block, BLOCK_BYTES);
        if (got < 0)
            err = backup_error("read", from);
        else if (out >= 0 && !write_all(out, block, (size_t)got))
            err = backup_error("write", to);
        if (!err) {
            digest_update(digest, block, (size_t)got);
            file->bytes += (uint64_t)got;
        }
    }
    if (!err && out >= 0 && fsync(out))
        err = backup_error("sync", to);
    free(block);
    return err;
}

enum err backup_copy_file(const char *from, const char *to, struct backup_file *out)
{
    *out = (struct backup_file){0};
    struct digest *digest = digest_new();
    int in_fd = open(from, O_RDONLY | O_CLOEXEC), out_fd = -1;
    enum err err = !digest ? ERR_MEMORY : in_fd < 0 ? backup_error("open", from) : ERR_OK;
    if (!err && to && (out_fd = create_file(to)) < 0)
        err = backup_error("create", to);
    if (!err)
        err = copy_blocks(from, in_fd, to, out_fd, digest, out);
    if (!err)
        digest_finish(digest, out->sha256);
    if (in_fd >= 0)
        close(in_fd);
    if (out_fd >= 0)
        close(out_fd);
    digest_free(digest);
    return err;
}
