#include "server/front/scope.h"

#include <string.h>

#include "server/journal.h"

enum { RECORD_BYTES = 1 << 20, EVENT_BYTES = 64 << 20 };

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
    *scope = (struct scope){.call = call, .sight = {.sees = sees_document, .context = scope}};
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

/* ---- lists --------------------------------------------------------------------------------------------- */

/* How an entry of a list is told to be the caller's, and which need not be asked about anew: those beside
 * each other often are of one document, event or partner. */
struct kind {
    enum err (*sees)(const struct call *call, const void *entry);
    bool (*same)(const void *entry, const void *other);
    bool up_to_first; /* the first that is not ends the list */
};

static enum err keep_own(const struct call *call, const struct kind *kind, void **entries, size_t *count)
{
    const void *asked = NULL;
    enum err answer = ERR_OK;
    size_t kept = 0;
    for (size_t i = 0; i < *count && is_limited(call); i++) {
        if (!asked || !kind->same(asked, entries[i]))
            answer = kind->sees(call, entries[i]);
        asked = entries[i];
        if (answer && answer != ERR_NOT_FOUND)
            return answer;
        if (!answer)
            entries[kept++] = entries[i];
        else if (kind->up_to_first)
            break;
    }
    if (is_limited(call))
        *count = kept;
    return ERR_OK;
}

static enum err sees_container(const struct call *call, const void *container)
{
    return sees_event(call, ((const Epcis__V1__Container *)container)->packed_sequence);
}

static bool same_container(const void *container, const void *other)
{
    return container == other;
}

enum err scope_containers(const struct call *call, Epcis__V1__Container **containers, size_t *count)
{
    static const struct kind kind = {.sees = sees_container, .same = same_container, .up_to_first = true};
    return keep_own(call, &kind, (void **)containers, count);
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

static enum err sees_master(const struct call *call, const void *master)
{
    return access_sees(call, ((const Epcis__V1__MasterData *)master)->partner);
}

static bool same_master_partner(const void *master, const void *other)
{
    return strcmp(((const Epcis__V1__MasterData *)master)->partner,
                  ((const Epcis__V1__MasterData *)other)->partner) == 0;
}

enum err scope_master_data(const struct call *call, Epcis__V1__MasterData **list, size_t *count)
{
    static const struct kind kind = {.sees = sees_master, .same = same_master_partner};
    return keep_own(call, &kind, (void **)list, count);
}

enum err scope_master(const struct call *call, Epcis__V1__MasterData **one)
{
    size_t count = *one ? 1 : 0;
    enum err err = scope_master_data(call, one, &count);
    if (count == 0)
        *one = NULL;
    return err;
}
