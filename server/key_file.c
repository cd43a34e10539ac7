#include "server/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"

static enum err failed(const char *what, const char *path)
{
    log_error("key_file", "what=%s file=\"%s\" detail=\"%s\"", what, path, strerror(errno));
    return ERR_DISK;
}

/* Puts a name that was made or changed on disk. */
static enum err sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed("open", folder);
    int code = fsync(fd);
    close(fd);
    return code ? failed("fsync", folder) : ERR_OK;
}

static enum err write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(fd, data, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return ERR_DISK;
        data += written;
        bytes -= (size_t)written;
    }
    return fsync(fd) ? ERR_DISK : ERR_OK;
}

enum err key_file_read(const char *path, struct signature_key **out)
{
    char pem[SIGNATURE_PEM_MAX];
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : failed("open", path);
    if (fstat(fd, &status) == 0 && status.st_mode & (S_IRWXG | S_IRWXO)) {
        close(fd);
        log_error("key_file", "file=\"%s\" detail=\"others than its owner may read it: chmod 600\"", path);
        return ERR_SYSTEM;
    }
    ssize_t length = read(fd, pem, sizeof pem);
    close(fd);
    if (length < 0)
        return failed("read", path);
    enum err err = signature_key_read(pem, (size_t)length, out);
    explicit_bzero(pem, sizeof pem);
    if (err)
        log_error("key_file", "file=\"%s\" detail=\"it is damaged: no private key of Ed25519 in PEM\"", path);
    return err;
}

enum err key_file_write(const char *path, const struct signature_key *key)
{
    char pem[SIGNATURE_PEM_MAX], temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int fd = open(temporary, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed("open", temporary);
    enum err err = signature_key_write(key, pem);
    if (!err && write_all(fd, pem, strlen(pem)))
        err = failed("write", temporary);
    explicit_bzero(pem, sizeof pem);
    if (close(fd) && !err)
        err = failed("close", temporary);
    if (!err && rename(temporary, path))
        err = failed("rename", temporary);
    return err ? err : sync_folder(path);
}

static enum err overwrite(const char *path)
{
    static const char zeros[SIGNATURE_PEM_MAX];
    struct stat status;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_OK : failed("open", path);
    size_t bytes = fstat(fd, &status) == 0 && (size_t)status.st_size < sizeof zeros ? (size_t)status.st_size
                                                                                    : sizeof zeros;
    enum err err = write_all(fd, zeros, bytes) ? failed("overwrite", path) : ERR_OK;
    close(fd);
    return err;
}

enum err key_file_replace(const char *from, const char *to)
{
    enum err err = overwrite(to);
    if (!err && rename(from, to))
        err = failed("rename", from);
    return err ? err : sync_folder(to);
}

enum err key_file_erase(const char *path)
{
    enum err err = overwrite(path);
    if (!err && unlink(path) && errno != ENOENT)
        err = failed("unlink", path);
    return err ? err : sync_folder(path);
}
