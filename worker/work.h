/* The work of one transaction, in memory: batches, their events, the items those name. Filled by prepare
 * (outside the store's transaction), decided by decide, written by commit. Internal to worker/; one thread.
 */
#ifndef EPCISD_WORKER_WORK_H
#define EPCISD_WORKER_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/store/store_txn.h"
#include "epcis/wire/v1/wire.pb-c.h"
#include "worker/batch.h"
#include "worker/facts.h"
#include "worker/lots.h"
#include "worker/master_data.h"
#include "worker/partner.h"
#include "worker/rules/rules.h"
#include "worker/sort.h"

/* One occurrence of an item in an event. Its key is that of the row. */
struct work_ref {
    uint8_t *key;
    uint16_t item_length; /* of the key's first part: the item's */
    uint16_t key_length;
    uint8_t list;   /* enum rules_list */
    uint8_t kind;   /* enum epc_kind */
    uint32_t index; /* in the list */
    uint32_t row;
};

enum work_verdict {
    WORK_UNDECIDED,
    WORK_COMMITTED,
    WORK_DUPLICATE,
    WORK_DEAD,
    WORK_MASTER_DATA,
    WORK_LEFT_OUT, /* of a trial of other items */
};

/* One item of a batch. */
struct work_event {
    const struct batch_item *item;
    uint32_t segment;
    uint32_t first_ref;
    uint32_t ref_count;
    enum work_verdict verdict;
    bool whole_document;  /* a refusal that is no event of its document */
    bool rolled_back;     /* dead because of another event of its document */
    uint64_t event_index; /* of no meaning for what is no event */
    uint64_t sequence;    /* where committed; where a duplicate, of the event that it repeats */

    Epcis__Wire__V1__Refusal *refusal;
    struct master_element *element; /* of master data */
    struct master_names names;
    Epcis__V1__Finding **reasons; /* where dead */
    Epcis__V1__Finding **warnings;
    uint8_t reason_count;
    uint8_t warning_count;

    const uint8_t *capture_id;
    const char *partner;
    const uint8_t *event_id_key; /* STORE_EVENT_ID_KEY bytes; NULL: the sender gave none */
    uint32_t event_id;           /* in the work's event_ids */
    struct facts facts;
};

struct work_batch {
    struct batch batch;
    Epcis__Wire__V1__Acknowledgment *ack; /* where decided without its events */
    const char *detail;                   /* why it is no batch; NULL: it is one */
    struct partner_terms *terms;          /* one a segment */
    uint32_t first_event;
    uint32_t event_count;
    bool rollback; /* all events or none; then, and with validate_only, it is decided by itself */
    bool validate_only;
};

struct work {
    struct arena arena;     /* all that lasts as long as the work */
    struct arena scratch;   /* one event unpacked: the one being prepared or decided */
    struct arena expansion; /* the same, for one looked up meanwhile */
    size_t ref_max;         /* what the arrays below may grow to, as a number of references */
    struct rules *rules;
    struct lots lots;
    struct master_data master;

    struct work_batch *batches;
    struct work_event *events;
    struct work_ref *refs;
    struct sort_entry *entries; /* two halves */
    struct store_item *items;
    struct store_row *rows;
    struct store_event_id *event_ids;
    uint64_t first_sequence;
    const struct work_event **committed; /* by this work, by sequence */
    size_t batch_count, event_count, ref_count, item_count, row_count, event_id_count, committed_count;
    size_t batch_capacity, event_capacity, ref_capacity, entry_capacity, item_capacity, row_capacity,
        event_id_capacity, committed_capacity;
};

/* What one reference takes in all arrays together, and half as much again for their growing. */
enum {
    WORK_REF_BYTES = 3 *
                     (sizeof(struct work_ref) + 2 * sizeof(struct sort_entry) + sizeof(struct store_item) +
                      sizeof(struct store_row)) /
                     2
};

/* Room for `count` elements of `size` bytes in *array. ERR_MEMORY. */
enum err work_reserve(void *array, size_t *capacity, size_t count, size_t size);

/* An event as it was packed, in `arena`. NULL: it is none, or the arena's budget or memory is spent. */
Epcis__V1__Event *work_unpack(struct arena *arena, const uint8_t *packed, size_t bytes);

/* Adds what was found in one event to what was found before. ERR_LIMIT. */
enum err work_keep(struct work *work, struct work_event *event, const struct rules_report *report);

/* What the rules are told of an event. */
struct rules_context work_context(const struct work_batch *batch, const struct work_event *event);

/* ---- prepare: reads, proves and checks frames; ERR_LIMIT (an arena's budget), ERR_MEMORY ---- */
enum err prepare_frame(struct work *work, const uint8_t *frame, size_t bytes);

/* Sorts the items and ids of all events that may yet be committed. */
enum err prepare_items(struct work *work);

/* ---- decide: duplicates, stateful rules, and what committed events do to their items ---- */
enum err decide_batch(struct work *work, struct store_txn *txn, const struct work_batch *batch);

#endif
