/* Admission: calls of one kind share a budget of bytes, so that no client makes the server grow. A call
 * enters with the most its message may have, shrinks to what came, and leaves. Where there is no room it
 * waits its turn, in order, but for those whose caller has its share already: they let others pass. The
 * loop's thread only. */
#ifndef EPCISD_FRONT_ROOM_H
#define EPCISD_FRONT_ROOM_H

#include <stdint.h>

#include "server/front/pool.h"
#include "server/front/share.h"

struct call;

enum room_kind { ROOM_DOCUMENTS, ROOM_UPLOADS, ROOM_QUERIES, ROOM_KINDS };

struct room {
    enum room_kind kind;
    struct shares *shares;
    uint64_t budget_bytes;
    uint64_t reserve_bytes; /* what a call enters with */
    uint32_t waiting_max;
    enum pool_kind pool; /* where its calls are worked on */
    struct call *first;  /* the longest waiting */
    struct call **end;
};

void room_init(struct room *room, enum room_kind kind, struct shares *shares, enum pool_kind pool,
               uint64_t budget_bytes, uint64_t reserve_bytes, uint32_t waiting_max);

enum room_entry {
    ROOM_IN,
    ROOM_WAITS, /* call_receive follows once there is room */
    ROOM_FULL,  /* no place in the line either */
};
enum room_entry room_enter(struct room *room, struct call *call);

/* The call turned out to hold so many bytes only. Lets others in. */
void room_shrink(struct call *call, uint64_t bytes);

/* Gives back what the call holds, or its place in the line. Harmless where it has neither. */
void room_leave(struct call *call);

#endif
