#include "worker/facts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/epcis/event_text.h"

/* The longest disposition that an item's state keeps: a URI of a user's own, which may be any length. */
enum { STATUS_MAX = 512 };

static enum err keep_text(struct arena *arena, const char *text, struct store_text *out)
{
    size_t length = text ? strnlen(text, STATUS_MAX) : 0;
    if (length == 0)
        return ERR_OK;
    char *copy = arena_copy(arena, text, length);
    *out = (struct store_text){(const uint8_t *)copy, (uint32_t)length};
    return copy ? ERR_OK : ERR_LIMIT;
}

static enum store_status status_of_step(const char *step)
{
    static const struct {
        const char *step;
        enum store_status status;
    } steps[] = {
        {"commissioning", STORE_STATUS_COMMISSIONED},
        {"shipping", STORE_STATUS_SHIPPED},
        {"departing", STORE_STATUS_SHIPPED},
        {"receiving", STORE_STATUS_RECEIVED},
        {"accepting", STORE_STATUS_RECEIVED},
        {"dispensing", STORE_STATUS_DISPENSED},
        {"retail_selling", STORE_STATUS_DISPENSED},
        {"returning", STORE_STATUS_RETURNED},
        {"decommissioning", STORE_STATUS_DECOMMISSIONED},
        {"destroying", STORE_STATUS_DESTROYED},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (strcmp(step, steps[i].step) == 0)
            return steps[i].status;
    return STORE_STATUS_NONE;
}

/* The day at the event's own offset, which the rules have found to be well-formed. */
static uint32_t local_date(int64_t time_us, const char *offset)
{
    int minutes = 0;
    struct tm tm;
    if (strlen(offset) == 6)
        minutes = (atoi(offset + 1) * 60 + atoi(offset + 4)) * (offset[0] == '-' ? -1 : 1);
    time_t seconds = (time_t)(time_us / 1000000) + (time_t)minutes * 60;
    if (!gmtime_r(&seconds, &tm))
        return 0;
    return (uint32_t)((tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 + tm.tm_mday);
}

static uint64_t gln_number(const Epcis__V1__Location *location)
{
    char gln[14];
    if (!location || gln_of(location->id, strlen(location->id), gln))
        return 0;
    return strtoull(gln, NULL, 10);
}

static void take_relation(const Epcis__V1__Event *event, struct facts *out)
{
    bool association = event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_ASSOCIATION;
    if (!association && event->type != EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION)
        return;
    out->relation = association ? STORE_ASSOCIATION : STORE_AGGREGATION;
    out->packs = event->action == EPCIS__V1__ACTION__ACTION_ADD;
    out->unpacks = event->action == EPCIS__V1__ACTION__ACTION_DELETE;
    out->empties = out->unpacks && event->n_child_epcs == 0 && event->n_child_quantity_list == 0;
}

enum err facts_take(const struct rules_subject *subject, struct arena *arena, struct facts *out)
{
    const Epcis__V1__Event *event = subject->event;
    bool object = event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT;
    *out = (struct facts){
        .time_us = event_time_us(event->event_time),
        .expiry = subject->expiry_date,
        .status = (uint8_t)status_of_step(event->biz_step),
        .declares_error = event->error_declaration != NULL,
        .transforms = event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION,
    };
    out->date = local_date(out->time_us, event->event_time_zone_offset);
    out->creates = !out->declares_error && (subject->commissions || out->transforms);
    out->created = out->transforms ? RULES_OUTPUT_EPCS : RULES_EPC_LIST;
    out->decommissions = out->status == STORE_STATUS_DECOMMISSIONED ||
                         out->status == STORE_STATUS_DESTROYED ||
                         (object && event->action == EPCIS__V1__ACTION__ACTION_DELETE);
    if (out->decommissions && out->status != STORE_STATUS_DESTROYED)
        out->status = STORE_STATUS_DECOMMISSIONED;
    else if (subject->commissions)
        out->status = STORE_STATUS_COMMISSIONED;
    out->ships = out->status == STORE_STATUS_SHIPPED;
    out->returns = out->status == STORE_STATUS_RETURNED || strcmp(event->disposition, "returned") == 0;
    out->place = gln_number(event->biz_location);
    if (!out->place)
        out->place = gln_number(event->read_point);
    take_relation(event, out);
    enum err err = keep_text(arena, subject->lot, &out->lot);
    return err ? err : keep_text(arena, event->disposition, &out->disposition);
}

enum store_status facts_status(const struct facts *facts, enum rules_list list)
{
    if (list == RULES_INPUT_EPCS)
        return STORE_STATUS_CONSUMED;
    if (list == RULES_OUTPUT_EPCS)
        return STORE_STATUS_COMMISSIONED;
    bool moves_content = facts->relation == STORE_AGGREGATION && list == RULES_CHILD_EPCS;
    if (facts->packs && moves_content)
        return STORE_STATUS_PACKED;
    if (facts->unpacks && moves_content)
        return STORE_STATUS_UNPACKED;
    return (enum store_status)facts->status;
}

static void apply_link(const struct facts *facts, uint64_t sequence, enum rules_list list,
                       struct store_text parent, struct store_item *item)
{
    struct store_link *link = &item->links[facts->relation];
    if (list == RULES_PARENT_ID) {
        if (facts->packs)
            item->flags |= STORE_ITEM_CONTAINER;
        if (facts->empties)
            item->emptied_sequence[facts->relation] = sequence;
    } else if (list == RULES_CHILD_EPCS && facts->packs && parent.length) {
        *link = (struct store_link){parent, sequence};
    } else if (list == RULES_CHILD_EPCS && facts->unpacks) {
        bool there = link->parent.length == parent.length &&
                     (parent.length == 0 || memcmp(link->parent.data, parent.data, parent.length) == 0);
        if (there)
            *link = (struct store_link){{NULL, 0}, 0};
    }
}

/* Where the item is and what it has become: the latest event counts, not the last one to arrive. */
static void apply_whereabouts(const struct facts *facts, enum rules_list list, struct store_item *item)
{
    enum store_status status = facts_status(facts, list);
    if (status)
        item->status = (uint8_t)status;
    if (facts->disposition.length && list != RULES_INPUT_EPCS) /* what went in is no longer there */
        item->disposition = facts->disposition;
    if (facts->place)
        item->place = facts->place;
    item->moved_us = facts->time_us;
}

void facts_apply(const struct facts *facts, uint64_t sequence, enum rules_list list, struct store_text parent,
                 struct store_item *item)
{
    bool first = !item->known, later = first || facts->time_us >= item->moved_us;
    if (first || facts->time_us > item->latest_us)
        item->latest_us = facts->time_us;
    if (first)
        item->moved_us = INT64_MIN;
    item->known = item->dirty = true;
    item->last_sequence = sequence;
    if (facts->declares_error)
        return;
    if (facts->creates && list == (enum rules_list)facts->created) {
        item->flags |= STORE_ITEM_COMMISSIONED;
        item->commissioned_sequence = sequence;
        item->lot = facts->lot.length ? facts->lot : item->lot;
        item->expiry = facts->expiry ? facts->expiry : item->expiry;
    }
    if (facts->decommissions)
        item->flags |= STORE_ITEM_DECOMMISSIONED;
    if (facts->ships)
        item->flags |= STORE_ITEM_SHIPPED;
    apply_link(facts, sequence, list, parent, item);
    if (later)
        apply_whereabouts(facts, list, item);
}
