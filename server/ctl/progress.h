/* One line on a terminal that tells how far things are; nothing where standard error is none. */
#ifndef EPCISD_CTL_PROGRESS_H
#define EPCISD_CTL_PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "epcis/v1/capture_service.pb-c.h"

struct progress_all;

/* Of one document. One thread's at a time. */
struct progress {
    bool terminal;
    bool shown;
    const char *name;
    int64_t next_ms; /* not more often than a person can read */
    int64_t begun_ms;
    struct progress_all *all; /* whose line it uses; NULL: it has its own */
    uint64_t counted_bytes;   /* there */
};

/* Of several documents, which several threads may send at once. */
struct progress_all {
    pthread_mutex_t *mutex; /* guards the line, and what is printed otherwise; not the numbers */
    struct progress line;
    uint64_t count;
    uint64_t total_bytes; /* 0: not known */
    atomic_uint_least64_t done;
    atomic_uint_least64_t bytes, new_bytes; /* that the server has; which it did not have before */
};

/* `name` is borrowed: the document's. */
void progress_init(struct progress *progress, const char *name);

/* `from_bytes`: were there before; `total_bytes` 0: unknown. */
void progress_sent(struct progress *progress, uint64_t from_bytes, uint64_t sent_bytes, uint64_t total_bytes);
void progress_busy(struct progress *progress, uint32_t retry_ms);
void progress_state(struct progress *progress, const Epcis__V1__Capture *capture);
void progress_away(struct progress *progress);

/* One of several, of so many bytes, is sent, or will not be. The caller holds the mutex of all. */
void progress_done(struct progress *progress, uint64_t bytes);

/* As output_complain, where a line may be shown. */
void progress_complain(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Takes the line away, before other output. */
void progress_clear(struct progress *progress);

#endif
