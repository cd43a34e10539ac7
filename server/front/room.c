#include "server/front/room.h"

#include <stdbool.h>

#include "server/front/call.h"

_Static_assert((int)ROOM_KINDS == SHARE_ROOMS, "shares know of each kind of room");

void room_init(struct room *room, enum room_kind kind, struct shares *shares, enum pool_kind pool,
               uint64_t budget_bytes, uint64_t reserve_bytes, uint32_t waiting_max)
{
    *room = (struct room){.kind = kind,
                          .shares = shares,
                          .pool = pool,
                          .budget_bytes = budget_bytes,
                          .reserve_bytes = reserve_bytes,
                          .waiting_max = waiting_max};
    room->end = &room->first;
}

static bool has_room(const struct room *room)
{
    return room->shares->held[SHARE_ROOM + (int)room->kind] + room->reserve_bytes <= room->budget_bytes;
}

static bool hold(struct room *room, struct call *call)
{
    if (!share_take(room->shares, call->share, SHARE_ROOM + (int)room->kind, room->reserve_bytes,
                    room->budget_bytes))
        return false;
    call->room = room;
    call->room_waits = false;
    call->room_bytes = room->reserve_bytes;
    return true;
}

static void unlink_waiting(struct room *room, struct call **place)
{
    struct call *call = *place;
    *place = call->room_next;
    if (room->end == &call->room_next)
        room->end = place;
    share_give(room->shares, call->share, SHARE_LINE + (int)room->kind, 1);
}

/* Whoever still waits afterwards would not be let in if it came now. */
static void let_in(struct room *room)
{
    for (struct call **place = &room->first; *place && has_room(room);) {
        struct call *call = *place;
        if (!hold(room, call)) {
            place = &call->room_next;
            continue;
        }
        unlink_waiting(room, place);
        call_receive(call);
    }
}

enum room_entry room_enter(struct room *room, struct call *call)
{
    if (hold(room, call))
        return ROOM_IN;
    if (!share_take(room->shares, call->share, SHARE_LINE + (int)room->kind, 1, room->waiting_max))
        return ROOM_FULL;
    call->room = room;
    call->room_waits = true;
    call->room_next = NULL;
    *room->end = call;
    room->end = &call->room_next;
    return ROOM_WAITS;
}

void room_shrink(struct call *call, uint64_t bytes)
{
    if (bytes >= call->room_bytes)
        return;
    share_give(call->room->shares, call->share, SHARE_ROOM + (int)call->room->kind, call->room_bytes - bytes);
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
