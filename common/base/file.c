#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"

static enum err failed(const char *event, const char *what, const char *path)
{
    log_error(event, "what=%s file=\"%s\" detail=\"%s\"", what, path, strerror(errno));
    return ERR_DISK;
}

void file_folder(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    int length = slash == path ? 1 : slash ? (int)(slash - path) : 1;
    snprintf(out, size, "%.*s", length, slash ? path : ".");
}

enum err file_sync_folder(const char *event, const char *path)
{
    char folder[PATH_MAX];
    file_folder(path, folder, sizeof folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed(event, "open", folder);
    int code = fsync(fd);
    close(fd);
    return code ? failed(event, "fsync", folder) : ERR_OK;
}

enum err file_write_all(int fd, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t written = write(fd, at, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return ERR_DISK;
        at += written;
        bytes -= (size_t)written;
    }
    return fsync(fd) ? ERR_DISK : ERR_OK;
}

static const char *why_forbidden(mode_t forbidden)
{
    return forbidden & S_IRGRP ? "others than its owner may read it: chmod 600"
                               : "others than its owner may change it: chmod go-w";
}

enum err file_read(const char *event, const char *path, mode_t forbidden, char *out, size_t size,
                   size_t *length)
{
    struct stat status;
    size_t filled = 0;
    ssize_t got = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO has no writer to wait for */
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : failed(event, "open", path);
    if (fstat(fd, &status) == 0 && status.st_mode & forbidden) {
        close(fd);
        log_error(event, "file=\"%s\" detail=\"%s\"", path, why_forbidden(forbidden));
        return ERR_SYSTEM;
    }
    while (got > 0 && filled < size) {
        got = read(fd, out + filled, size - filled);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            filled += (size_t)got;
    }
    enum err err = got < 0 ? failed(event, "read", path) : ERR_OK;
    close(fd);
    if (!err && filled == size) {
        log_error(event, "file=\"%s\" detail=\"it has more than %zu bytes\"", path, size - 1);
        err = ERR_INPUT;
    }
    if (!err)
        out[filled] = '\0';
    *length = filled;
    return err;
}

enum err file_write(const char *event, const char *path, mode_t mode, const void *data, size_t bytes)
{
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    unlink(temporary); /* whose mode may be another */
    int fd = open(temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return failed(event, "open", temporary);
    enum err err = fchmod(fd, mode) ? failed(event, "chmod", temporary) : ERR_OK;
    if (!err && file_write_all(fd, data, bytes))
        err = failed(event, "write", temporary);
    if (close(fd) && !err)
        err = failed(event, "close", temporary);
    if (!err && rename(temporary, path))
        err = failed(event, "rename", temporary);
    if (err)
        unlink(temporary);
    return err ? err : file_sync_folder(event, path);
}
