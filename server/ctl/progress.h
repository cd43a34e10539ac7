/* One line on a terminal that tells how far things are; nothing where standard error is none. Main thread
 * only. */
#ifndef EPCISD_CTL_PROGRESS_H
#define EPCISD_CTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "epcis/v1/capture_service.pb-c.h"

struct progress {
    bool terminal;
    bool shown;
    const char *name;
    int64_t next_ms; /* not more often than a person can read */
    int64_t begun_ms;
};

/* `name` is borrowed: the document's. */
void progress_init(struct progress *progress, const char *name);

/* `from_bytes`: were there before; `total_bytes` 0: unknown. */
void progress_sent(struct progress *progress, uint64_t from_bytes, uint64_t sent_bytes, uint64_t total_bytes);
/* Where several documents are sent at once. */
void progress_files(struct progress *progress, uint64_t done, uint64_t count, uint64_t done_bytes);
void progress_busy(struct progress *progress, uint32_t retry_ms);
void progress_state(struct progress *progress, const Epcis__V1__Capture *capture);
void progress_away(struct progress *progress);

/* Takes the line away, before other output. */
void progress_clear(struct progress *progress);

#endif
