/* Says when the server takes no document for want of room, and why. One thread looks every so often at what
 * takes time to find out: the disk, both maps, the oldest unfinished document. All else is safe on any
 * thread and makes no system call.
 *
 * There is always room for what the pipeline itself has to record: documents are refused while there is still
 * some left, so that those that were taken can be finished, which is what makes room again. */
#ifndef EPCISD_SERVER_PRESSURE_H
#define EPCISD_SERVER_PRESSURE_H

#include <stdint.h>

#include "common/base/err.h"
#include "server/journal_load.h"
#include "server/refusal.h"

struct journal;
struct store;
struct pressure;

struct pressure_options {
    const char *journal_dir, *store_dir;
    uint64_t high_water_bytes;     /* none is taken while so many bytes of documents are unfinished */
    uint64_t high_water_documents; /* or so many documents, each of which takes a little memory */
    uint64_t max_backlog_ms;       /* or while the oldest of them waits for longer; 0: however long */
    uint64_t disk_reserve_bytes;   /* or while a disk has less left; or a map, of which it is 1/8 at most */
};

/* What was found at the last look, or for the bytes unfinished: now. */
struct pressure_view {
    enum refusal_reason reason; /* REFUSAL_NONE: documents are taken */
    int64_t refusing_ms;        /* for how long they are not */
    struct journal_load journal;
    int64_t oldest_ms; /* age of the oldest unfinished document; 0: none */
    uint64_t store_used_bytes, store_max_bytes;
    uint64_t disk_free_bytes; /* of the fuller disk, where there are two */
};

/* Looks once and starts. ERR_MEMORY, ERR_SYSTEM; ERR_DISK, ERR_CORRUPT: it cannot even look. */
enum err pressure_open(const struct pressure_options *options, struct journal *journal, struct store *store,
                       struct pressure **out);
void pressure_close(struct pressure **pressure);

/* Whether a further document may come in. ERR_FULL: not now, and why. `why` NULL: only to know, no client is
 * refused. */
enum err pressure_admit(struct pressure *pressure, struct refusal *why);

/* Whether a further document of a partner may come in that has so much unfinished already, of so many
 * documents in all. It may while that is no more than what is left below the marks: so one alone takes half
 * of all, and none is refused because of another alone. ERR_FULL, and why. */
struct journal_burden;
enum err pressure_admit_share(struct pressure *pressure, const struct journal_burden *own,
                              uint64_t all_documents, struct refusal *why);

/* Whether a document that is coming in may go on: it must not take the last of the disk. ERR_FULL. */
enum err pressure_go_on(struct pressure *pressure, struct refusal *why);

void pressure_look(struct pressure *pressure, struct pressure_view *out);

#endif
