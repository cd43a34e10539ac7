#include "common/store/map_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>

#include "common/base/clock.h"
#include "common/base/log.h"

enum { TREES_MAX = 64, PROGRESS_MS = 5000 };

static enum err map_error(const char *what, const char *path, int code)
{
    log_error("copy_failed", "what=%s path=\"%s\" detail=\"%s\"", what, path, mdb_strerror(code));
    return code == ENOENT                                                              ? ERR_NOT_FOUND
           : code == ENOMEM                                                            ? ERR_MEMORY
           : code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID ? ERR_CORRUPT
                                                                                       : ERR_DISK;
}

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
            log_info("copy_progress", "path=\"%s\" bytes=%" PRIu64 " of_at_most=%" PRIu64, watch->path,
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
    struct watch watch = {
        .path = to, .fd = open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600), .of_bytes = size_of(env)};
    if (watch.fd < 0)
        return map_error("create", to, errno);
    enum err err = watch_start(&watch);
    if (!err) {
        int code = mdb_env_copyfd2(env, watch.fd, MDB_CP_COMPACT);
        watch_stop(&watch);
        err = code ? map_error("copy", to, code) : ERR_OK;
    }
    if (!err && fsync(watch.fd))
        err = map_error("sync", to, errno);
    close(watch.fd);
    return err;
}

enum err map_copy(const char *from, const char *to)
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
