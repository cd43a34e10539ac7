/* What of an answer a caller may see who speaks for one trading partner: these take out what came from
 * others, in place and in order. A caller who may see all gets all, at no cost. Pool thread. All: ERR_DISK,
 * ERR_CORRUPT, ERR_LIMIT. */
#ifndef EPCISD_FRONT_SCOPE_H
#define EPCISD_FRONT_SCOPE_H

#include "common/store/store.h"
#include "epcis/v1/trace_service.pb-c.h"
#include "server/front/call.h"

/* ERR_NOT_FOUND: the document is another's, or there is none. */
enum err scope_capture(const struct call *call, const char *capture_id);

/* For lists that the store makes: it passes over others' by itself. */
struct scope {
    const struct call *call;
    uint8_t asked[UUID_BYTES]; /* the document that was asked about last, where `answered` */
    bool answered;
    enum err answer;
    struct store_sight sight;
};

/* What to hand to the store, in `scope`; NULL for a caller who may see all. */
const struct store_sight *scope_sight(const struct call *call, struct scope *scope);

/* What an item is in, up to the first container into which somebody else's event put it. */
enum err scope_containers(const struct call *call, Epcis__V1__Container **containers, size_t *count);

/* Where an item stands is made of everybody's events: to a limited caller only what it is is told. */
void scope_state(const struct call *call, Epcis__V1__ItemState *state);

#endif
