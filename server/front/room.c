#include "server/front/room.h"

#include <stdbool.h>

#include "server/front/call.h"

void room_init(struct room *room, enum pool_kind pool, uint64_t budget_bytes, uint64_t reserve_bytes,
               uint32_t waiting_max)
{
    *room = (struct room){.pool = pool,
                          .budget_bytes = budget_bytes,
                          .reserve_bytes = reserve_bytes,
                          .waiting_max = waiting_max};
    room->end = &room->first;
}

static bool has_room(const struct room *room)
{
    return room->used_bytes + room->reserve_bytes <= room->budget_bytes;
}

static void hold(struct room *room, struct call *call)
{
    call->room = room;
    call->room_waits = false;
    call->room_bytes = room->reserve_bytes;
    room->used_bytes += room->reserve_bytes;
}

static void unlink_waiting(struct room *room, struct call **place)
{
    struct call *call = *place;
    *place = call->room_next;
    if (room->end == &call->room_next)
        room->end = place;
    room->waiting--;
}

static void let_in(struct room *room)
{
    while (room->first && has_room(room)) {
        struct call *call = room->first;
        unlink_waiting(room, &room->first);
        hold(room, call);
        call_receive(call);
    }
}

enum room_entry room_enter(struct room *room, struct call *call)
{
    if (!room->first && has_room(room)) {
        hold(room, call);
        return ROOM_IN;
    }
    if (room->waiting >= room->waiting_max)
        return ROOM_FULL;
    call->room = room;
    call->room_waits = true;
    call->room_next = NULL;
    *room->end = call;
    room->end = &call->room_next;
    room->waiting++;
    return ROOM_WAITS;
}

void room_shrink(struct call *call, uint64_t bytes)
{
    if (bytes >= call->room_bytes)
        return;
    call->room->used_bytes -= call->room_bytes - bytes;
    call->room_bytes = bytes;
    let_in(call->room);
}

void room_leave(struct call *call)
{
    struct room *room = call->room;
    if (!room)
        return;
    if (call->room_waits) { /* those who gave up stand first: the line is short to search */
        struct call **place = &room->first;
        while (*place != call)
            place = &(*place)->room_next;
        unlink_waiting(room, place);
    } else {
        room_shrink(call, 0);
    }
    call->room = NULL;
}
