/* Has the journal sign how far everything has come: at the start, every so often where something changed,
 * and at the end. Has a thread of its own. */
#ifndef EPCISD_SERVER_CHECKPOINTER_H
#define EPCISD_SERVER_CHECKPOINTER_H

#include <stdint.h>

#include "common/base/err.h"

struct journal;
struct checkpointer;

/* The first checkpoint is made at once, on that thread; the journal has its key by now. One that the disk
 * refuses is logged and made up for after the interval. ERR_MEMORY, ERR_SYSTEM. */
enum err checkpointer_open(struct journal *journal, uint64_t interval_ms, struct checkpointer **out);

/* Makes the last checkpoint. To be called when nothing changes any more, before journal_close. NULL inside is
 * fine. */
void checkpointer_close(struct checkpointer **checkpointer);

#endif
