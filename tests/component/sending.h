/* Documents sent to a journal, and their receipts waited for. */
#ifndef EPCISD_TESTS_SENDING_H
#define EPCISD_TESTS_SENDING_H

#include <check.h>
#include <pthread.h>

#include "server/ingest.h"

/* One answer, waited for. */
struct waiter {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t done_now;
    bool done;
    enum err err;
    struct receipt receipt;
    struct ingest_document *document;
    uint64_t held_bytes;
};
#define WAITER                                                                                               \
    {                                                                                                        \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .done_now = PTHREAD_COND_INITIALIZER                             \
    }

static inline void waiter_set(struct waiter *waiter, enum err err)
{
    pthread_mutex_lock(&waiter->mutex);
    waiter->done = true;
    waiter->err = err;
    pthread_cond_signal(&waiter->done_now);
    pthread_mutex_unlock(&waiter->mutex);
}

static inline enum err waiter_wait(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->mutex);
    while (!waiter->done)
        pthread_cond_wait(&waiter->done_now, &waiter->mutex);
    pthread_mutex_unlock(&waiter->mutex);
    return waiter->err;
}

static inline void ignore_received(void *context, uint64_t number, uint32_t partition, uint64_t upload)
{
    (void)context, (void)number, (void)partition, (void)upload;
}

static inline void sealed(void *context, enum err err, const struct receipt *receipt,
                          const struct refusal *why)
{
    struct waiter *waiter = context;
    (void)why;
    if (receipt)
        waiter->receipt = *receipt;
    waiter_set(waiter, err);
}

static inline enum err finish(struct ingest_document **document, struct receipt *receipt)
{
    struct waiter waiter = WAITER;
    ingest_finish(document, sealed, &waiter);
    enum err err = waiter_wait(&waiter);
    *receipt = waiter.receipt;
    return err;
}

/* A document of these bytes. */
static inline struct receipt send_bytes(struct ingest *ingest, const void *data, size_t bytes,
                                        const char *partner)
{
    struct ingest_document *document = NULL;
    struct receipt receipt;
    ck_assert_int_eq(ingest_open(ingest, partner, &document), ERR_OK);
    ck_assert_int_eq(ingest_append(document, data, bytes), ERR_OK);
    ck_assert_int_eq(finish(&document, &receipt), ERR_OK);
    return receipt;
}

#endif
