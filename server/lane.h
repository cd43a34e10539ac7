/* One partition on the converter's thread: its documents in waiting, the one being read, and the batch being
 * filled. Internal to the converter; no locks. */
#ifndef EPCISD_SERVER_LANE_H
#define EPCISD_SERVER_LANE_H

#include <stdbool.h>

#include "server/ahead.h"
#include "server/batch.h"
#include "server/converter.h"
#include "server/reading.h"

/* What all lanes share. */
struct lane_shared {
    const struct converter_options *options;
    struct reading_tools tools;
    struct ahead ahead;
    struct dispatcher *dispatcher;
    struct partner_cache *partners;
    struct arena scratch; /* records read from the journal */
    size_t outstanding_bytes;
};

struct store_position;

struct lane {
    struct lane_shared *shared;
    uint32_t partition;
    uint64_t *numbers; /* documents waiting, from `first_waiting` to `waiting_end` */
    size_t first_waiting, waiting_end, waiting_capacity;
    struct reading *reading; /* the document being read; NULL: none */
    struct reading_sink sink;
    struct batch *open;
    uint64_t last_sequence; /* of the last batch closed */
    uint64_t last_number;   /* of the last document in it; 0: none closed since the start */
    uint8_t last_id[DIGEST_BYTES];
    uint64_t replay_end;   /* batches up to this sequence are recorded already: to be rebuilt as they were */
    uint64_t replay_items; /* in the batch being rebuilt */
    uint8_t replay_id[DIGEST_BYTES];
    uint64_t repair_from;     /* document whose items the store lost, and all behind it; 0: it lost none */
    uint64_t repair_skip;     /* items of that one which it has */
    size_t outstanding_bytes; /* closed and not acknowledged */
    uint32_t outstanding;
    uint64_t added;    /* events since the lane was last paced */
    int64_t resume_ms; /* steady clock; nothing is read before: its partner has a limit on events a second */
    bool blocked;      /* a person must act: logged */
    bool rewinding;    /* waits until nothing is outstanding, to begin again after batch `rewind_to` */
    uint64_t rewind_to;
};

/* Sets the lane to where the journal says its partition is, or to where the store is, which may have lost
 * batches (NULL: it has not). */
enum err lane_load(struct lane *lane, struct lane_shared *shared, uint32_t partition,
                   const struct store_position *stored);

/* Whether the document is to be read again at the start. */
bool lane_wants(const struct lane *lane, uint64_t number, const Epcis__Store__V1__CaptureRecord *record);

/* How many of its first items the store has. */
uint64_t lane_items_to_skip(const struct lane *lane, uint64_t number,
                            const Epcis__Store__V1__CaptureRecord *record);

/* Reads what the next batch to be rebuilt has to be; without one, what follows is new. */
enum err lane_expect(struct lane *lane);

void lane_free(struct lane *lane);

/* Where the lane is rewinding and nothing is outstanding: begins again after batch `rewind_to`. Errors as
 * lane_step. */
enum err lane_rewind(struct lane *lane);

/* ERR_MEMORY. */
enum err lane_add_document(struct lane *lane, uint64_t number);

/* Lets go of a document that is called off, unless something of it went out: what was read of it, and of
 * documents after it, is read again without it. `record` is the journal's. ERR_MEMORY. */
enum err lane_drop_document(struct lane *lane, uint64_t number,
                            const Epcis__Store__V1__CaptureRecord *record);

/* Whether lane_step has something to do, room to do it, and may. */
bool lane_runnable(const struct lane *lane, int64_t now_ms);

/* Reads one piece. ERR_MEMORY ends the process; whatever else goes wrong blocks the lane and is logged. */
enum err lane_step(struct lane *lane);

/* Closes the open batch where it has waited long enough or waits for nothing. *wait_ms becomes smaller where
 * the batch falls due sooner. Errors as lane_step. */
enum err lane_close_due(struct lane *lane, int64_t now_ms, int64_t *wait_ms);

/* ---- what the files of this module share ---- */

/* The number of the document being read; 0: none. */
uint64_t lane_reading_number(const struct lane *lane);

/* Blocks the lane and logs why, unless the process is at its end: ERR_MEMORY. */
enum err lane_block(struct lane *lane, const char *why, enum err err);

/* The store lost the batches after `last_sequence`, up to the `acknowledged` one: notes which items they had.
 */
enum err lane_repair(struct lane *lane, uint64_t acknowledged);

#endif
