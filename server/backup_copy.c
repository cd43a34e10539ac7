#include "server/backup_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"

enum { BLOCK_BYTES = 1 << 20, OPEN_FILES = 16 };

enum err backup_error(const char *what, const char *path)
{
    int code = errno;
    log_error("backup_failed", "what=%s path=\"%s\" detail=\"%s\"", what, path, strerror(code));
    return code == ENOENT ? ERR_NOT_FOUND : code == EEXIST || code == ENOTEMPTY ? ERR_EXISTS : ERR_DISK;
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
