#include "server/front/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/certificate.h"
#include "common/base/log.h"

enum { WATCH_S = 5, FILE_MAX = 1 << 20 };

enum { CERTIFICATE, KEY, CLIENT_CA, FILES };

/* The files' contents, each with a NUL behind it. */
struct pem {
    struct buffer files[FILES];
};

/* By which a file is known to be the same: what replaces it has another inode or time. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec changed;
};

struct tls {
    const char *paths[FILES];   /* CLIENT_CA: or NULL */
    struct stamp stamps[FILES]; /* of the files last read; the watcher's */
    pthread_t watcher;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct pem pem; /* what connections use */
    bool handed;    /* gRPC has it */
    bool reload, stopping;
};

/* ---- files ------------------------------------------------------------------------------------------- */

static void free_pem(struct pem *pem)
{
    for (int i = 0; i < FILES; i++) {
        if (pem->files[i].data)
            explicit_bzero(pem->files[i].data, pem->files[i].capacity);
        buffer_free(&pem->files[i]);
    }
}

static enum err read_file(const char *path, struct buffer *out)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = file < 0 ? -1 : 1;
    while (bytes > 0 && out->length <= FILE_MAX) {
        uint8_t *room = buffer_reserve(out, FILE_MAX + 2 - out->length);
        bytes = room ? read(file, room, FILE_MAX + 1 - out->length) : -1;
        if (bytes > 0)
            out->length += (size_t)bytes;
    }
    const char *detail = bytes < 0 ? strerror(errno) : out->length > FILE_MAX ? "too long" : NULL;
    if (file >= 0)
        close(file);
    if (detail)
        log_error("tls_file", "file=\"%s\" detail=\"%s\"", path, detail);
    else
        out->data[out->length] = '\0';
    return detail ? ERR_INPUT : ERR_OK;
}

static void log_loaded(const struct tls *tls, int64_t not_after_s)
{
    char text[32] = "";
    time_t end = (time_t)not_after_s;
    struct tm parts;
    if (gmtime_r(&end, &parts))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (end < time(NULL))
        log_error("tls_expired", "file=\"%s\" not_after=%s detail=\"clients refuse it: renew it\"",
                  tls->paths[CERTIFICATE], text);
    else
        log_info("tls_loaded", "file=\"%s\" not_after=%s", tls->paths[CERTIFICATE], text);
}

/* Reads and checks all of them. */
static enum err load(const struct tls *tls, struct pem *out)
{
    const char *why = NULL;
    int64_t not_after_s = 0;
    enum err err = ERR_OK;
    *out = (struct pem){0};
    for (int i = 0; !err && i < FILES; i++)
        if (tls->paths[i])
            err = read_file(tls->paths[i], &out->files[i]);
    if (!err)
        err = certificate_check_pair(&out->files[CERTIFICATE], &out->files[KEY], &not_after_s, &why);
    if (!err && tls->paths[CLIENT_CA])
        err = certificate_check_roots(&out->files[CLIENT_CA], &why);
    if (why)
        log_error("tls_unusable", "certificate=\"%s\" key=\"%s\" client_ca=\"%s\" detail=\"%s\"",
                  tls->paths[CERTIFICATE], tls->paths[KEY],
                  tls->paths[CLIENT_CA] ? tls->paths[CLIENT_CA] : "", why);
    if (err)
        free_pem(out);
    else
        log_loaded(tls, not_after_s);
    return err;
}

/* Whether a file is another than last time; remembers. One that is gone counts as it was. */
static bool look(struct tls *tls)
{
    bool other = false;
    for (int i = 0; i < FILES; i++) {
        struct stat status;
        if (!tls->paths[i] || stat(tls->paths[i], &status))
            continue;
        struct stamp stamp;
        memset(&stamp, 0, sizeof stamp);
        stamp.device = status.st_dev;
        stamp.inode = status.st_ino;
        stamp.bytes = status.st_size;
        stamp.changed = status.st_mtim;
        other |= memcmp(&stamp, &tls->stamps[i], sizeof stamp) != 0;
        tls->stamps[i] = stamp;
    }
    return other;
}

/* ---- watching ---------------------------------------------------------------------------------------- */

/* Waits; false once all is to end. *reload: somebody asked. */
static bool wait_a_while(struct tls *tls, bool *reload)
{
    struct timespec until;
    int code = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WATCH_S;
    pthread_mutex_lock(&tls->mutex);
    while (!tls->stopping && !tls->reload && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&tls->changed, &tls->mutex, &until);
    *reload = tls->reload;
    tls->reload = false;
    bool go_on = !tls->stopping;
    pthread_mutex_unlock(&tls->mutex);
    return go_on;
}

static void *watch(void *context)
{
    struct tls *tls = context;
    struct pem fresh;
    bool reload;
    while (wait_a_while(tls, &reload)) {
        if (!look(tls) && !reload)
            continue;
        if (load(tls, &fresh)) {
            log_warning("tls_kept", "detail=\"new connections go on with the certificate from before\"");
            continue;
        }
        pthread_mutex_lock(&tls->mutex);
        struct pem old = tls->pem;
        tls->pem = fresh;
        tls->handed = false;
        pthread_mutex_unlock(&tls->mutex);
        free_pem(&old);
    }
    return NULL;
}

void tls_reload(struct tls *tls)
{
    pthread_mutex_lock(&tls->mutex);
    tls->reload = true;
    pthread_cond_signal(&tls->changed);
    pthread_mutex_unlock(&tls->mutex);
}

/* ---- gRPC -------------------------------------------------------------------------------------------- */

/* gRPC asks before each handshake. It aborts where it gets no roots, also where it will not look at them. */
static grpc_ssl_certificate_config_reload_status give(void *context, grpc_ssl_server_certificate_config **out)
{
    struct tls *tls = context;
    grpc_ssl_certificate_config_reload_status status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    pthread_mutex_lock(&tls->mutex);
    if (!tls->handed) {
        const char *texts[FILES];
        for (int i = 0; i < FILES; i++)
            texts[i] = (const char *)tls->pem.files[tls->paths[i] ? i : CERTIFICATE].data;
        const grpc_ssl_pem_key_cert_pair pair = {.private_key = texts[KEY], .cert_chain = texts[CERTIFICATE]};
        *out = grpc_ssl_server_certificate_config_create(texts[CLIENT_CA], &pair, 1);
        tls->handed = true;
        status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
    }
    pthread_mutex_unlock(&tls->mutex);
    return status;
}

grpc_server_credentials *tls_credentials(struct tls *tls)
{
    grpc_ssl_client_certificate_request_type request = tls->paths[CLIENT_CA]
                                                           ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
                                                           : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
    return grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(request, give, tls));
}

/* ---- opening ----------------------------------------------------------------------------------------- */

enum err tls_open(const char *certificate, const char *key, const char *client_ca, struct tls **out)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return ERR_MEMORY;
    tls->paths[CERTIFICATE] = certificate;
    tls->paths[KEY] = key;
    tls->paths[CLIENT_CA] = client_ca;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&tls->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&tls->mutex, NULL);
    look(tls); /* before reading: what is replaced in between is read again */
    enum err err = load(tls, &tls->pem);
    if (!err && pthread_create(&tls->watcher, NULL, watch, tls))
        err = ERR_SYSTEM;
    if (!err) {
        *out = tls;
        return ERR_OK;
    }
    free_pem(&tls->pem);
    pthread_cond_destroy(&tls->changed);
    pthread_mutex_destroy(&tls->mutex);
    free(tls);
    return err;
}

void tls_close(struct tls **tls)
{
    struct tls *self = *tls;
    *tls = NULL;
    if (!self)
        return;
    pthread_mutex_lock(&self->mutex);
    self->stopping = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->watcher, NULL);
    free_pem(&self->pem);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}
