#include "server/front/scope.h"

#include <string.h>

#include "server/journal.h"

enum { RECORD_BYTES = 1 << 20, EVENT_BYTES = 64 << 20 };
enum { UNSEEN_MAX = 200000 }; /* a second or less */

static bool is_limited(const struct call *call)
{
    return call->caller.partner[0];
}

static enum err sees_capture(const struct call *call, const uint8_t id[UUID_BYTES])
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    struct arena arena;
    arena_init(&arena, RECORD_BYTES);
    enum err err = journal_capture_by_id(call->services->journal, id, &arena, &record);
    if (!err)
        err = access_sees(call, record->partner);
    arena_free(&arena);
    return err;
}

enum err scope_capture(const struct call *call, const char *capture_id)
{
    uint8_t id[UUID_BYTES];
    if (!is_limited(call))
        return ERR_OK;
    return uuid_parse(capture_id, id) ? ERR_CORRUPT : sees_capture(call, id);
}

/* What stands beside each other often came in one document: asked about once. */
static enum err sees_document(void *context, const uint8_t capture_id[UUID_BYTES])
{
    struct scope *scope = context;
    if (!scope->answered || memcmp(scope->asked, capture_id, UUID_BYTES) != 0)
        scope->answer = sees_capture(scope->call, capture_id);
    scope->answered = true;
    memcpy(scope->asked, capture_id, UUID_BYTES);
    return scope->answer;
}

const struct store_sight *scope_sight(const struct call *call, struct scope *scope)
{
    *scope = (struct scope){.call = call,
                            .sight = {.sees = sees_document, .context = scope, .patience = UNSEEN_MAX}};
    return is_limited(call) ? &scope->sight : NULL;
}

/* By the document that the event came in. */
static enum err sees_event(const struct call *call, uint64_t sequence)
{
    Epcis__V1__CommittedEvent *event = NULL;
    struct arena arena;
    arena_init(&arena, EVENT_BYTES);
    enum err err = store_event_get(call->services->store, sequence, &arena, &event);
    if (!err)
        err = scope_capture(call, event->capture_id);
    arena_free(&arena);
    return err;
}

enum err scope_containers(const struct call *call, Epcis__V1__Container **containers, size_t *count)
{
    size_t own = 0;
    enum err err = ERR_OK;
    if (!is_limited(call))
        return ERR_OK;
    while (own < *count && !(err = sees_event(call, containers[own]->packed_sequence)))
        own++;
    *count = own;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

void scope_state(const struct call *call, Epcis__V1__ItemState *state)
{
    if (!is_limited(call))
        return;
    const Epcis__V1__ItemState whole = *state;
    epcis__v1__item_state__init(state);
    state->epc = whole.epc;
    state->gtin = whole.gtin;
    state->serial = whole.serial;
}
