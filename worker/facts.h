/* What deciding and the item ledger need of an event, read out of it once. Internal to worker/; one thread.
 */
#ifndef EPCISD_WORKER_FACTS_H
#define EPCISD_WORKER_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/store/store_txn.h"
#include "worker/rules/rules.h"

struct facts {
    int64_t time_us;
    uint32_t date;   /* YYYYMMDD where it took place */
    uint32_t expiry; /* YYYYMMDD, of what it creates; 0: none */
    uint64_t place;  /* GLN of bizLocation, or else of readPoint, as a number; 0: none */
    struct store_text lot;
    struct store_text disposition;
    uint8_t status;      /* enum store_status, of what it names; see facts_status for who gets it */
    bool declares_error; /* it stands beside the event it corrects, and does nothing itself */
    bool creates;        /* items of `created` begin to exist */
    uint8_t created;     /* enum rules_list */
    bool transforms;
    bool decommissions;
    bool ships;
    bool returns;
    bool packs; /* below a parent, as `relation` has it */
    bool unpacks;
    bool empties;     /* takes all out of its parent */
    uint8_t relation; /* enum store_relation */
};

/* Texts are copied to `arena`. ERR_LIMIT. */
enum err facts_take(const struct rules_subject *subject, struct arena *arena, struct facts *out);

/* What the event makes of an item in `list`; STORE_STATUS_NONE: nothing new. */
enum store_status facts_status(const struct facts *facts, enum rules_list list);

/* What a committed event does to one item that it names: state, links, flags. `parent` is the event's
 * parentID as a key, empty where there is none. Must be called in the order of sequences. */
void facts_apply(const struct facts *facts, uint64_t sequence, enum rules_list list, struct store_text parent,
                 struct store_item *item);

#endif
