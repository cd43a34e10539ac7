#include "server/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"

static const char event[] = "key_file";

static enum err failed(const char *what, const char *path)
{
    log_error(event, "what=%s file=\"%s\" detail=\"%s\"", what, path, strerror(errno));
    return ERR_DISK;
}

enum err key_file_read(const char *path, struct signature_key **out)
{
    char pem[SIGNATURE_PEM_MAX + 1];
    size_t length;
    enum err err = file_read(event, path, FILE_SECRET, pem, sizeof pem, &length);
    if (err)
        return err;
    err = signature_key_read(pem, length, out);
    explicit_bzero(pem, sizeof pem);
    if (err)
        log_error(event, "file=\"%s\" detail=\"it is damaged: no private key of Ed25519 in PEM\"", path);
    return err;
}

enum err key_file_write(const char *path, const struct signature_key *key)
{
    char pem[SIGNATURE_PEM_MAX];
    enum err err = signature_key_write(key, pem);
    if (!err)
        err = file_write(event, path, S_IRUSR | S_IWUSR, pem, strlen(pem));
    explicit_bzero(pem, sizeof pem);
    return err;
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
    enum err err = file_write_all(fd, zeros, bytes) ? failed("overwrite", path) : ERR_OK;
    close(fd);
    return err;
}

enum err key_file_replace(const char *from, const char *to)
{
    enum err err = overwrite(to);
    if (!err && rename(from, to))
        err = failed("rename", from);
    return err ? err : file_sync_folder(event, to);
}

enum err key_file_erase(const char *path)
{
    enum err err = overwrite(path);
    if (!err && unlink(path) && errno != ENOENT)
        err = failed("unlink", path);
    return err ? err : file_sync_folder(event, path);
}
