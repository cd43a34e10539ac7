/* Reading what containers hold, and the events of lots, places and documents. As the reading half of store.h:
 * any thread, messages in `arena`, ERR_NOT_FOUND, ERR_LIMIT, ERR_MEMORY, ERR_CORRUPT, ERR_DISK; ERR_INPUT
 * where `cursor` is none. */
#ifndef EPCISD_STORE_STORE_TRACE_H
#define EPCISD_STORE_STORE_TRACE_H

#include "common/store/store.h"

/* Of one answer; the same bounds hold for what a worker looks into. */
enum { STORE_CONTENT_MAX = 1000000 };

struct store_contents_query {
    const char *epc;
    const struct store_sight *sight; /* items that other events packed are not told, nor what is in them */
    const int64_t *at_us;            /* NULL: now */
    bool recursive;
    uint32_t limit; /* items at most; 0: as many as are ever given */
};

/* A container's content. The cursor names the item that comes next. Where it is taken out in between, it
 * counts those before it, and what follows shifts. */
enum err store_contents(struct store *store, const struct store_contents_query *query,
                        char cursor[STORE_CURSOR], struct arena *arena, Epcis__V1__GetContentsResponse **out);

/* The containers that an item is in, innermost first. `at_us`: NULL is now. */
enum err store_containers(struct store *store, const char *epc, const int64_t *at_us, struct arena *arena,
                          Epcis__V1__GetContainersResponse **out);

/* Which events: of one document, or of a GTIN and lot, or at a place. */
struct store_events_query {
    const struct store_sight *sight;
    const uint8_t *capture_id; /* NULL: not by document */
    uint64_t gtin;             /* with `lot` */
    const char *lot;           /* NULL: not by lot */
    uint64_t place;            /* GLN as a number */
    int64_t from_us;           /* at the place: event times from here on, */
    int64_t to_us;             /* and before */
    uint32_t limit;            /* events at most; 0: as many as are ever given */
};

/* In the order of commits; at a place by event time. ERR_NOT_FOUND: no event that is told, at any time. */
enum err store_events(struct store *store, const struct store_events_query *query, char cursor[STORE_CURSOR],
                      struct arena *arena, Epcis__V1__ListEventsResponse **out);

#endif
