#include "server/front/svc_replay.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "epcis/v1/audit_service.pb-c.h"
#include "server/converter.h"
#include "server/front/query.h"
#include "server/partner.h"
#include "server/reading.h"
#include "server/rebuild.h"

/* A turn is short, for other calls wait for its thread. A piece of a document may hold many batches, so that
 * a message may have more of them than it ends a turn. */
enum { TURN_MS = 50, TURN_BATCHES = 1000 };

/* Batches with one verdict. */
struct group {
    struct rebuild_result result; /* of the first; `items` of all */
    uint64_t last_sequence;
};

struct replay {
    struct reading_tools tools;
    struct rebuild *rebuild;
    struct buffer groups; /* not told yet */
};

static enum err take_result(void *context, const struct rebuild_result *result)
{
    struct buffer *groups = context;
    struct group group = {*result, result->sequence};
    struct group *last =
        groups->length ? (struct group *)(void *)(groups->data + groups->length - sizeof *last) : NULL;
    if (last && result->verdict != REBUILD_DIFFERENT && last->result.verdict == result->verdict &&
        last->result.partition == result->partition && last->last_sequence + 1 == result->sequence) {
        last->last_sequence++;
        last->result.items += result->items;
        return ERR_OK;
    }
    buffer_append(groups, &group, sizeof group);
    return groups->failed ? ERR_MEMORY : ERR_OK;
}

static void replay_drop(struct call *call)
{
    struct replay *replay = call->state;
    call->state = NULL;
    if (!replay)
        return;
    rebuild_close(&replay->rebuild);
    reading_tools_free(&replay->tools);
    buffer_free(&replay->groups);
    free(replay);
}

static enum err replay_begin(struct call *call, struct arena *arena)
{
    const Epcis__V1__ReplayBatchesRequest *request =
        (const Epcis__V1__ReplayBatchesRequest *)query_read(call, arena);
    if (!request)
        return ERR_INPUT;
    const struct rebuild_range range = {.one_partition = request->scope_case ==
                                                         EPCIS__V1__REPLAY_BATCHES_REQUEST__SCOPE_PARTITION,
                                        .partition = request->partition,
                                        .first_sequence = request->first_sequence,
                                        .last_sequence = request->last_sequence};
    if (range.one_partition && range.partition >= PARTNER_PARTITIONS)
        reply_input(&call->reply, "`partition` is %" PRIu32 ": they go from 0 to %d", range.partition,
                    PARTNER_PARTITIONS - 1);
    else if (range.last_sequence && range.last_sequence < range.first_sequence)
        reply_input(&call->reply, "`last_sequence` is before `first_sequence`");
    if (call->reply.status)
        return ERR_INPUT;
    struct replay *replay = calloc(1, sizeof *replay);
    call->state = replay;
    const struct converter_options *options = converter_options(call->services->converter);
    enum err err = replay ? reading_tools_init(&replay->tools, call->services->journal, &options->limits,
                                               options->rollback_max_bytes)
                          : ERR_MEMORY;
    if (!err)
        err = rebuild_open(&replay->tools, &range,
                           &(struct rebuild_sink){.context = &replay->groups, .result = take_result},
                           &replay->rebuild);
    if (err)
        reply_err(&call->reply, err, "the batches");
    return err;
}

/* ---- messages --------------------------------------------------------------------------------------- */

static char *capture_of(struct call *call, uint64_t document, struct arena *arena)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    char *text = arena_alloc(arena, UUID_TEXT + 1);
    if (!text)
        return NULL;
    text[0] = '\0';
    if (document && !journal_capture(call->services->journal, document, arena, &record) &&
        record->capture_id.len == UUID_BYTES)
        uuid_text(record->capture_id.data, text);
    return text;
}

static Epcis__V1__ReplayDifference *tell_difference(struct call *call, const struct rebuild_result *result,
                                                    struct arena *arena)
{
    Epcis__V1__ReplayDifference *told = arena_alloc(arena, sizeof *told);
    if (!told)
        return NULL;
    epcis__v1__replay_difference__init(told);
    told->detail = (char *)(uintptr_t)result->text;
    told->document = result->document;
    told->capture_id = capture_of(call, result->document, arena);
    if (result->one_item) {
        told->place_case = EPCIS__V1__REPLAY_DIFFERENCE__PLACE_ITEM;
        told->item = result->item;
    }
    told->line = result->line;
    return told->capture_id ? told : NULL;
}

static Epcis__V1__ReplayedBatches *tell_group(struct call *call, const struct group *group,
                                              struct arena *arena)
{
    static const Epcis__V1__ReplayVerdict verdicts[] = {
        [REBUILD_SAME] = EPCIS__V1__REPLAY_VERDICT__REPLAY_VERDICT_SAME,
        [REBUILD_DIFFERENT] = EPCIS__V1__REPLAY_VERDICT__REPLAY_VERDICT_DIFFERENT,
        [REBUILD_PRUNED] = EPCIS__V1__REPLAY_VERDICT__REPLAY_VERDICT_PRUNED,
    };
    const struct rebuild_result *result = &group->result;
    Epcis__V1__ReplayedBatches *told = arena_alloc(arena, sizeof *told);
    if (!told)
        return NULL;
    epcis__v1__replayed_batches__init(told);
    told->partition = result->partition;
    told->first_sequence = result->sequence;
    told->last_sequence = group->last_sequence;
    told->items = result->items;
    told->verdict = verdicts[result->verdict];
    if (result->verdict == REBUILD_DIFFERENT && !(told->difference = tell_difference(call, result, arena)))
        return NULL;
    return told;
}

static enum err tell_groups(struct call *call, struct arena *arena)
{
    struct buffer *groups = &((struct replay *)call->state)->groups;
    const struct group *all = (const struct group *)(const void *)groups->data;
    size_t count = groups->length / sizeof *all;
    Epcis__V1__ReplayBatchesResponse response = EPCIS__V1__REPLAY_BATCHES_RESPONSE__INIT;
    response.batches = arena_alloc(arena, (count + 1) * sizeof(Epcis__V1__ReplayedBatches *));
    if (!response.batches)
        return ERR_LIMIT;
    for (; response.n_batches < count; response.n_batches++)
        if (!(response.batches[response.n_batches] = tell_group(call, &all[response.n_batches], arena)))
            return ERR_LIMIT;
    reply_message(&call->reply, &response.base);
    buffer_clear(groups);
    return ERR_OK;
}

static enum call_next replay_work(struct call *call, struct arena *arena)
{
    bool done = false;
    enum err err = ERR_OK;
    if (call->asked && replay_begin(call, arena)) {
        replay_drop(call);
        return CALL_ANSWER;
    }
    struct replay *replay = call->state;
    int64_t until_ms = clock_steady_ms() + TURN_MS;
    do
        err = rebuild_step(replay->rebuild, &done);
    while (!err && !done && clock_steady_ms() < until_ms &&
           replay->groups.length < TURN_BATCHES * sizeof(struct group));
    if (!err)
        err = tell_groups(call, arena);
    if (err)
        reply_err(&call->reply, err, "the batches");
    if (!err && !done)
        return CALL_SEND;
    replay_drop(call);
    return CALL_ANSWER;
}

const struct method svc_replay_methods[] = {
    {.path = "/epcis.v1.AuditService/ReplayBatches",
     .need = NEED_AUDIT,
     .room = ROOM_QUERIES,
     .sending = true,
     .work = replay_work,
     .drop = replay_drop,
     .request = &epcis__v1__replay_batches_request__descriptor},
};
const size_t svc_replay_count = sizeof svc_replay_methods / sizeof svc_replay_methods[0];
