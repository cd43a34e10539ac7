/* How much the journal holds: what waits in it, and how full it is. Reads only; any thread.
 *
 * Tree: `load` GLN -> struct journal_burden, in the order of this host; made anew at each start. */
#ifndef EPCISD_SERVER_JOURNAL_LOAD_H
#define EPCISD_SERVER_JOURNAL_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

struct journal;

struct journal_load {
    uint64_t documents;         /* not finished */
    uint64_t bytes;             /* of them */
    int64_t oldest_received_ms; /* when the first of them came; 0 where there is none */
    uint64_t used_bytes;        /* of the journal's map */
    uint64_t max_bytes;         /* its size */
};

/* What there is of one trading partner; documents and uploads that name none count as one's. */
struct journal_burden {
    uint64_t documents; /* not finished */
    uint64_t bytes;     /* of them */
    uint64_t uploads;   /* that can be continued and are no documents yet */
};

/* ERR_DISK, ERR_CORRUPT, ERR_MEMORY. */
enum err journal_load_look(struct journal *journal, struct journal_load *out);

/* Of all these GLNs ("": of nobody known), and how many documents of all partners are not finished. ERR_DISK,
 * ERR_CORRUPT. */
enum err journal_load_of(struct journal *journal, char *const *glns, size_t count, struct journal_burden *out,
                         uint64_t *all_documents);

#endif
