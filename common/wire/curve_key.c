#include "common/wire/curve_key.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zmq.h>

#include "common/base/file.h"
#include "common/base/log.h"

static const char event[] = "curve_key";

enum { FILE_BYTES = 4096, PATH_BYTES = PATH_MAX + 16 };

/* ---- the format ------------------------------------------------------------------------------------- */

/* What stands behind `name =` in the line, in quotes or without. */
static bool read_value(const char *line, const char *name, char out[CURVE_KEY_TEXT])
{
    size_t length = strlen(name);
    if (strncmp(line, name, length) != 0)
        return false;
    const char *value = line + length + strspn(line + length, " \t");
    if (*value != '=')
        return false;
    value += 1 + strspn(value + 1, " \t");
    char quote = '\0';
    if (*value == '"' || *value == '\'')
        quote = *value++;
    const char *end = quote ? strchr(value, quote) : value + strcspn(value, " \t\r");
    uint8_t bytes[CURVE_KEY_BYTES];
    if (!end || end - value != CURVE_KEY_TEXT - 1)
        return false;
    memcpy(out, value, CURVE_KEY_TEXT - 1);
    out[CURVE_KEY_TEXT - 1] = '\0';
    bool decoded = zmq_z85_decode(bytes, out) != NULL;
    explicit_bzero(bytes, sizeof bytes);
    return decoded;
}

/* What the text has of either key: empty where it has none. */
static void parse(char *text, struct curve_key *out)
{
    bool in_curve = false;
    char value[CURVE_KEY_TEXT], *rest = text, *line;
    *out = (struct curve_key){.public_key = ""};
    while ((line = strsep(&rest, "\n"))) {
        const char *content = line + strspn(line, " \t");
        if (*content == '\0' || *content == '#')
            continue;
        if (content == line)
            in_curve = strncmp(line, "curve", 5) == 0 && line[5 + strspn(line + 5, " \t\r")] == '\0';
        else if (in_curve && read_value(content, "public-key", value))
            memcpy(out->public_key, value, sizeof value);
        else if (in_curve && read_value(content, "secret-key", value))
            memcpy(out->secret_key, value, sizeof value);
    }
    explicit_bzero(value, sizeof value);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

enum err curve_key_read_public(const char *path, char public_key[CURVE_KEY_TEXT])
{
    char text[FILE_BYTES];
    size_t length;
    struct curve_key key;
    enum err err = file_read(event, path, FILE_TRUSTED, text, sizeof text, &length);
    if (err)
        return err;
    parse(text, &key);
    memcpy(public_key, key.public_key, sizeof key.public_key);
    explicit_bzero(text, sizeof text);
    explicit_bzero(&key, sizeof key);
    if (public_key[0])
        return ERR_OK;
    log_error(
        event,
        "file=\"%s\" detail=\"it holds no public-key of CURVE, as 'epcis-worker --make-key' writes it\"",
        path);
    return ERR_INPUT;
}

enum err curve_key_read(const char *path_secret, struct curve_key *out)
{
    char text[FILE_BYTES], public_key[CURVE_KEY_TEXT];
    size_t length;
    enum err err = file_read(event, path_secret, FILE_SECRET, text, sizeof text, &length);
    if (err)
        return err;
    parse(text, out);
    explicit_bzero(text, sizeof text);
    const char *why = NULL;
    if (!out->secret_key[0])
        why = "it holds no secret-key of CURVE: give the file that ends in " CURVE_KEY_SECRET_SUFFIX;
    else if (zmq_curve_public(public_key, out->secret_key))
        why = "this libzmq has no CURVE";
    else if (strcmp(public_key, out->public_key) != 0)
        why = "its public-key is not the one of its secret-key";
    if (!why)
        return ERR_OK;
    log_error(event, "file=\"%s\" detail=\"%s\"", path_secret, why);
    explicit_bzero(out, sizeof *out);
    return ERR_INPUT;
}

/* ---- making ----------------------------------------------------------------------------------------- */

static enum err write_public(const char *path, const struct curve_key *key)
{
    char text[FILE_BYTES];
    int length = snprintf(text, sizeof text,
                          "# Public key for ZeroMQ's CURVE: it may be given away.\n"
                          "curve\n"
                          "    public-key = \"%s\"\n",
                          key->public_key);
    return file_write(event, path, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, text, (size_t)length);
}

static enum err write_secret(const char *path, const struct curve_key *key)
{
    char text[FILE_BYTES];
    int length =
        snprintf(text, sizeof text,
                 "# SECRET key for ZeroMQ's CURVE: it stays on this host, readable by its owner alone.\n"
                 "curve\n"
                 "    public-key = \"%s\"\n"
                 "    secret-key = \"%s\"\n",
                 key->public_key, key->secret_key);
    enum err err = file_write(event, path, S_IRUSR | S_IWUSR, text, (size_t)length);
    explicit_bzero(text, sizeof text);
    return err;
}

static void secret_path(const char *path, char out[PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%s" CURVE_KEY_SECRET_SUFFIX, path);
}

enum err curve_key_make(const char *path, struct curve_key *out)
{
    char secret[PATH_BYTES];
    secret_path(path, secret);
    if (access(path, F_OK) == 0 || access(secret, F_OK) == 0) {
        log_error(event,
                  "file=\"%s\" detail=\"there is a key already, which is not replaced: give another name\"",
                  path);
        return ERR_EXISTS;
    }
    if (zmq_curve_keypair(out->public_key, out->secret_key)) {
        log_error(event, "file=\"%s\" detail=\"%s\"", path, zmq_strerror(errno));
        return ERR_SYSTEM;
    }
    enum err err = write_secret(secret, out);
    return err ? err : write_public(path, out);
}

enum err curve_key_keep(const char *path, struct curve_key *out)
{
    char secret[PATH_BYTES];
    secret_path(path, secret);
    enum err err = curve_key_read(secret, out);
    bool public_there = access(path, F_OK) == 0;
    if (!err)
        return public_there ? ERR_OK : write_public(path, out);
    if (err != ERR_NOT_FOUND)
        return err;
    if (!public_there)
        return curve_key_make(path, out);
    log_error(
        event,
        "file=\"%s\" detail=\"the secret key is gone: put it back from a backup; where there is none, remove "
        "%s and give workers the new one, which the next start makes\"",
        secret, path);
    return ERR_NOT_FOUND;
}
