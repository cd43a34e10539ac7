/* A line with any name, and behind it any bytes: a file in the folder of keys that are let in. What is read
 * is a key that stands in it, the same whoever reads it, and lets the worker of that name in, nobody else. */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/wire/allow_list.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
ssize_t __wrap_write(int file, const void *data, size_t bytes);

static char folder[] = "/tmp/epcisd-fuzz-XXXXXX";

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* What is logged is one line, whatever the file says. */
ssize_t __wrap_write(int file, const void *data, size_t bytes)
{
    const char *text = data;
    must(file == STDERR_FILENO && bytes > 0);
    for (size_t i = 0; i < bytes; i++)
        must(iscntrl((unsigned char)text[i]) ? i + 1 == bytes : i + 1 < bytes);
    return (ssize_t)bytes;
}

static void remove_folder(void)
{
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    must(mkdtemp(folder) && atexit(remove_folder) == 0);
    return 0;
}

/* Whether a file can have this name. */
static bool is_name(const char *name, size_t length)
{
    return length > 0 && length <= NAME_MAX && !memchr(name, '/', length) && !memchr(name, '\0', length) &&
           (length > 2 || strspn(name, ".") < length);
}

/* Whether a file of this name counts. */
static bool is_worker(const char *name)
{
    size_t length = strlen(name), end = strlen(".key");
    for (size_t i = 0; i < length; i++)
        if (!strchr("._-", name[i]) && !(isascii(name[i]) && isalnum(name[i])))
            return false;
    return length > end && length < end + ALLOW_LIST_NAME && !strcmp(name + length - end, ".key") &&
           name[0] != '.';
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(file >= 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    close(file);
}

/* Whether the file has a public key, and which. */
static bool check_key(const char *path, const uint8_t *data, size_t size, char public_key[CURVE_KEY_TEXT])
{
    struct curve_key pair;
    enum err err = curve_key_read_public(path, public_key);
    must(err == ERR_OK || err == ERR_INPUT);
    must(err ||
         (strlen(public_key) == CURVE_KEY_TEXT - 1 && memmem(data, size, public_key, CURVE_KEY_TEXT - 1)));
    enum err secret_err = curve_key_read(path, &pair);
    must(secret_err == ERR_OK || secret_err == ERR_INPUT);
    if (!secret_err)
        must(!err && !strcmp(pair.public_key, public_key) &&
             memmem(data, size, pair.secret_key, CURVE_KEY_TEXT - 1));
    return !err;
}

static void check_list(const char *path, const char *name, const char *public_key)
{
    struct allow_list *list = NULL;
    must(!allow_list_open(folder, &list) && !allow_list_look(list));
    const char *worker = allow_list_admit(list, public_key);
    bool admitted = worker;
    must(admitted == (public_key[0] && is_worker(name)));
    must(!admitted || strncmp(name, worker, strlen(name) - strlen(".key")) == 0);
    unlink(path);
    must(allow_list_look(list) == admitted && !allow_list_admit(list, public_key));
    allow_list_close(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    size_t length = end ? (size_t)(end - data) : 0;
    char path[sizeof folder + NAME_MAX + 1], public_key[CURVE_KEY_TEXT] = "", *name = path + sizeof folder;
    if (!is_name((const char *)data, length))
        return -1; /* not to be kept */
    snprintf(path, sizeof path, "%s/%.*s", folder, (int)length, (const char *)data);
    data += length + 1, size -= length + 1;
    write_file(path, data, size);
    if (!check_key(path, data, size, public_key))
        must(!public_key[0]);
    check_list(path, name, public_key);
    return 0;
}
