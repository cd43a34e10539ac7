#include "server/places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "server/backup.h"

static enum err make_dir(struct places *places, const char *dir)
{
    bool made = mkdir(dir, 0700) == 0;
    if ((made || errno == EEXIST) && realpath(dir, places->data))
        return made ? file_sync_folder("data_dir", places->data) : ERR_OK;
    log_error("data_dir", "dir=\"%s\" detail=\"%s\"", dir, strerror(errno));
    return ERR_DISK;
}

static bool is_being_restored(const char *data_dir)
{
    char path[PLACE_BYTES];
    snprintf(path, sizeof path, "%s/%s", data_dir, backup_restoring);
    if (access(path, F_OK))
        return false;
    log_error("data_dir",
              "dir=\"%s\" detail=\"a backup is being put back here, or that was cut off: then "
              "call `epcisctl restore` again\"",
              data_dir);
    return true;
}

/* ipc endpoints are sockets in the file system, whose paths the kernel keeps short. */
static enum err set_endpoint(const struct places *places, const char *given, const char *name,
                             char out[PLACE_BYTES])
{
    enum { SOCKET_PATH_MAX = 107 };
    if (given) {
        snprintf(out, PLACE_BYTES, "%s", given);
        return ERR_OK;
    }
    int length = snprintf(out, PLACE_BYTES, "ipc://%s/%s", places->data, name);
    if (length - (int)strlen("ipc://") <= SOCKET_PATH_MAX)
        return ERR_OK;
    log_error("endpoint_too_long",
              "endpoint=\"%s\" detail=\"a socket's path has at most %d bytes: choose a shorter "
              "--data-dir, or give --work-endpoint and --ack-endpoint\"",
              out, SOCKET_PATH_MAX);
    return ERR_INPUT;
}

static enum err set_endpoints(struct places *places, const char *work, const char *ack, bool plain,
                              bool local_workers)
{
    enum err err = set_endpoint(places, work, "work.sock", places->work_endpoint);
    if (!err)
        err = set_endpoint(places, ack, "ack.sock", places->ack_endpoint);
    if (err)
        return err;
    bool open =
        !wire_endpoint_is_local(places->work_endpoint) || !wire_endpoint_is_local(places->ack_endpoint);
    if (open && plain)
        log_warning("plain_workers",
                    "work=%s ack=%s detail=\"whoever reaches them can give and take batches: leave "
                    "--insecure-plain-workers out\"",
                    places->work_endpoint, places->ack_endpoint);
    places->curve = open && !plain;
    if (!places->curve || !local_workers)
        return ERR_OK;
    err = set_endpoint(places, NULL, "local-work.sock", places->local_work_endpoint);
    return err ? err : set_endpoint(places, NULL, "local-ack.sock", places->local_ack_endpoint);
}

enum err places_init(struct places *places, const char *data_dir, const char *work, const char *ack,
                     bool plain, bool local_workers)
{
    *places = (struct places){0};
    enum err err = make_dir(places, data_dir);
    if (err)
        return err;
    const char *data = places->data;
    if (is_being_restored(data))
        return ERR_EXISTS;
    snprintf(places->journal, PLACE_BYTES, "%s/journal", data);
    snprintf(places->store, PLACE_BYTES, "%s/store", data);
    snprintf(places->store_url, PLACE_BYTES, "lmdb:%s/store", data);
    snprintf(places->keys, PLACE_BYTES, "%s/keys", data);
    snprintf(places->curve_key, PLACE_BYTES, "%s/keys/curve.key", data);
    snprintf(places->workers, PLACE_BYTES, "%s/workers", data);
    snprintf(places->rejudge, PLACE_BYTES, "%s/rejudge", data);
    return set_endpoints(places, work, ack, plain, local_workers);
}

enum err places_wire(const struct places *places, struct curve_key *key, struct wire_server *out)
{
    *out = (struct wire_server){.work_endpoint = places->work_endpoint, .ack_endpoint = places->ack_endpoint};
    if (!places->curve)
        return ERR_OK;
    out->key = key;
    out->keys_dir = places->workers;
    out->local_work_endpoint = places->local_work_endpoint[0] ? places->local_work_endpoint : NULL;
    out->local_ack_endpoint = places->local_ack_endpoint[0] ? places->local_ack_endpoint : NULL;
    enum err err = curve_key_keep(places->curve_key, key);
    if (!err)
        log_info("workers_need_keys", "key=%s file=\"%s\" known=\"%s\"", key->public_key, places->curve_key,
                 places->workers);
    return err;
}
