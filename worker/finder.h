/* Reports what deciding finds in an event. The event is unpacked again for its texts, and only then. Internal
 * to worker/; one thread. */
#ifndef EPCISD_WORKER_FINDER_H
#define EPCISD_WORKER_FINDER_H

#include "worker/work.h"

struct finder {
    struct work *work;
    struct work_event *event;
    struct rules_report report;
    Epcis__V1__Event *unpacked; /* NULL until something is found */
};

void finder_init(struct finder *finder, struct work *work, struct work_event *event);

/* Sets `unpacked`. ERR_MEMORY. */
enum err finder_unpack(struct finder *finder);

/* The EPC that `ref` stands for, ready for rules_add_epc. ERR_MEMORY. */
enum err finder_epc(struct finder *finder, const struct work_ref *ref, struct rules_epc *out);

/* A key as text: valid until the next call. */
enum { FINDER_TEXT = 3 * EPC_KEY_MAX + 64 };
const char *finder_key_text(struct store_text key, char out[FINDER_TEXT]);

#endif
