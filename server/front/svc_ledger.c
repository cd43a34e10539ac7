#include "server/front/svc_ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/export.h"
#include "server/front/page.h"
#include "server/front/query.h"
#include "server/ledger_query.h"

enum { BATCH_ITEMS_MAX = 10000, BATCHES_MAX = 1000 };

static enum err check_range(struct call *call, int64_t from_ms, int64_t to_ms)
{
    if (from_ms < 0)
        reply_input(&call->reply, "`from_ms` is before 1970");
    else if (to_ms && to_ms <= from_ms)
        reply_input(&call->reply, "`to_ms` is not after `from_ms`");
    return call->reply.status ? ERR_INPUT : ERR_OK;
}

static enum err check_partition(struct call *call, uint32_t partition)
{
    if (partition < PARTNER_PARTITIONS)
        return ERR_OK;
    reply_input(&call->reply, "`partition` is %" PRIu32 ": they go from 0 to %d", partition,
                PARTNER_PARTITIONS - 1);
    return ERR_INPUT;
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static enum err refuse_token(struct call *call)
{
    reply_input(&call->reply, "`page_token` is none: send next_page_token of the answer before, or nothing");
    return ERR_INPUT;
}

/* Two numbers, of which a token is made. */
static enum err read_token(struct call *call, const char *token, uint64_t *first, uint64_t *second)
{
    char rest;
    bool plain = strspn(token, "0123456789.") == strlen(token);
    if (!token[0] || (plain && sscanf(token, "%" SCNu64 ".%" SCNu64 "%c", first, second, &rest) == 2))
        return ERR_OK;
    return refuse_token(call);
}

static enum err write_token(struct arena *arena, uint64_t first, uint64_t second, char **out)
{
    char text[48];
    int length = snprintf(text, sizeof text, "%" PRIu64 ".%" PRIu64, first, second);
    *out = arena_copy(arena, text, (size_t)length);
    return *out ? ERR_OK : ERR_LIMIT;
}

static const ProtobufCMessage *list_batches(struct call *call, const ProtobufCMessage *message,
                                            struct arena *arena)
{
    const Epcis__V1__ListBatchesRequest *request = (const Epcis__V1__ListBatchesRequest *)message;
    bool one = request->scope_case == EPCIS__V1__LIST_BATCHES_REQUEST__SCOPE_PARTITION;
    uint64_t start = 0, sequence = 1;
    if (check_range(call, request->from_ms, request->to_ms) ||
        (one && check_partition(call, request->partition)) ||
        read_token(call, request->page_token, &start, &sequence))
        return NULL;
    if (sequence == 0) {
        refuse_token(call);
        return NULL;
    }
    uint32_t partition = start < PARTNER_PARTITIONS ? (uint32_t)start : PARTNER_PARTITIONS;
    const struct ledger_query query = {
        .one_partition = one,
        .partition = one ? request->partition : 0,
        .first_sequence = request->first_sequence,
        .last_sequence = request->last_sequence,
        .from_ms = request->from_ms,
        .to_ms = request->to_ms,
        .limit = request->page_size && request->page_size < BATCHES_MAX ? request->page_size : BATCHES_MAX};
    Epcis__V1__ListBatchesResponse *response = arena_alloc(arena, sizeof *response);
    enum err err = response ? ERR_OK : ERR_LIMIT;
    if (!err) {
        epcis__v1__list_batches_response__init(response);
        err = ledger_query_batches(call->services->journal, &query, &partition, &sequence, arena, response);
    }
    if (!err && partition < PARTNER_PARTITIONS)
        err = write_token(arena, partition, sequence, &response->next_page_token);
    if (err)
        reply_err(&call->reply, err, "batches");
    return err ? NULL : &response->base;
}

/* The page's items, from `first` on. */
static enum err add_items(struct call *call, const Epcis__Store__V1__BatchRecord *record, uint64_t first,
                          uint32_t count, struct arena *arena, Epcis__V1__GetBatchResponse *out)
{
    struct buffer leaves = {0};
    if (first >= out->batch->items)
        return refuse_token(call);
    enum err err = journal_leaves(call->services->journal, out->batch->partition, out->batch->sequence, first,
                                  count, &leaves);
    out->first_item = first;
    out->leaves.data = err ? NULL : (uint8_t *)arena_copy(arena, (const char *)leaves.data, leaves.length);
    out->leaves.len = out->leaves.data ? leaves.length : 0;
    buffer_free(&leaves);
    if (err || !out->leaves.data)
        return err ? err : ERR_LIMIT;
    uint64_t told = out->leaves.len / DIGEST_BYTES;
    if (record->outcomes.len >= first + told)
        out->outcomes = (ProtobufCBinaryData){told, record->outcomes.data + first};
    return first + told < out->batch->items ? write_token(arena, first + told, 0, &out->next_page_token)
                                            : ERR_OK;
}

static const ProtobufCMessage *get_batch(struct call *call, const ProtobufCMessage *message,
                                         struct arena *arena)
{
    const Epcis__V1__GetBatchRequest *request = (const Epcis__V1__GetBatchRequest *)message;
    Epcis__V1__GetBatchResponse *response = arena_alloc(arena, sizeof *response);
    Epcis__Store__V1__BatchRecord *record = NULL;
    uint64_t first = 0, none = 0;
    uint32_t count = request->page_size;
    if (read_token(call, request->page_token, &first, &none))
        return NULL;
    if (count == 0 || count > BATCH_ITEMS_MAX)
        count = BATCH_ITEMS_MAX;
    enum err err = response ? ERR_OK : ERR_LIMIT;
    if (!err) {
        epcis__v1__get_batch_response__init(response);
        err = ledger_query_batch(call->services->journal, request->partition, request->sequence, arena,
                                 &response->batch, &record);
    }
    if (!err)
        err = add_items(call, record, first, count, arena, response);
    if (err && err != ERR_INPUT) {
        char name[48]; /* as epcisctl says it */
        reply_err(&call->reply, err, "batch %" PRIu64 " of partition %" PRIu32, request->sequence,
                  request->partition);
        snprintf(name, sizeof name, "%" PRIu32 "/%" PRIu64, request->partition, request->sequence);
        reply_about(&call->reply, "batch", name);
    }
    return err ? NULL : &response->base;
}

/* ---- proofs ----------------------------------------------------------------------------------------- */

/* It is named as the request names it, by document and position or by its sequence. */
static void fail_event(struct call *call, enum err err, const Epcis__V1__GetInclusionProofRequest *request)
{
    char name[UUID_TEXT + 24];
    if (request->event_case == EPCIS__V1__GET_INCLUSION_PROOF_REQUEST__EVENT_POSITION)
        snprintf(name, sizeof name, "%s/%" PRIu64, request->position->capture_id,
                 request->position->event_index);
    else
        snprintf(name, sizeof name, "%" PRIu64, request->sequence);
    if (err == ERR_ORDER)
        reply_refuse(&call->reply, REASON_OUTCOME_PENDING, "event %s", name);
    else
        reply_err(&call->reply, err, "event %s", name);
    reply_about(&call->reply, "event", name);
}

/* The document and position of the event asked for. */
static enum err find_position(struct call *call, const Epcis__V1__GetInclusionProofRequest *request,
                              struct arena *arena, uint8_t capture_id[UUID_BYTES], uint64_t *event_index)
{
    if (request->event_case == EPCIS__V1__GET_INCLUSION_PROOF_REQUEST__EVENT_POSITION) {
        *event_index = request->position->event_index;
        if (!uuid_parse(request->position->capture_id, capture_id))
            return ERR_OK;
        reply_input(&call->reply, "`position.capture_id` is \"%s\": a UUID as in a receipt is expected",
                    request->position->capture_id);
        return ERR_INPUT;
    }
    if (request->event_case != EPCIS__V1__GET_INCLUSION_PROOF_REQUEST__EVENT_SEQUENCE || !request->sequence) {
        reply_input(&call->reply, "`position` or `sequence`, from 1, is expected");
        return ERR_INPUT;
    }
    Epcis__V1__CommittedEvent *event = NULL;
    enum err err = store_event_get(call->services->store, request->sequence, arena, &event);
    if (!err && uuid_parse(event->capture_id, capture_id))
        err = ERR_CORRUPT;
    if (err)
        fail_event(call, err, request);
    else
        *event_index = event->event_index;
    return err;
}

static const ProtobufCMessage *get_inclusion_proof(struct call *call, const ProtobufCMessage *message,
                                                   struct arena *arena)
{
    const Epcis__V1__GetInclusionProofRequest *request = (const Epcis__V1__GetInclusionProofRequest *)message;
    uint8_t capture_id[UUID_BYTES];
    uint64_t event_index = 0;
    Epcis__V1__GetInclusionProofResponse *response = arena_alloc(arena, sizeof *response);
    if (find_position(call, request, arena, capture_id, &event_index))
        return NULL;
    enum err err = response ? ERR_OK : ERR_LIMIT;
    if (!err) {
        epcis__v1__get_inclusion_proof_response__init(response);
        err = ledger_query_proof(call->services->journal, capture_id, event_index, arena, &response->proof);
    }
    if (err)
        fail_event(call, err, request);
    return err ? NULL : &response->base;
}

/* ---- the export ------------------------------------------------------------------------------------- */

static void export_drop(struct call *call)
{
    struct export *export = call->state;
    call->state = NULL;
    export_close(&export);
}

static enum err export_begin(struct call *call, struct arena *arena)
{
    const Epcis__V1__ExportLedgerRequest *request =
        (const Epcis__V1__ExportLedgerRequest *)query_read(call, arena);
    struct export *export = NULL;
    if (!request)
        return ERR_INPUT;
    const struct export_range range = {.one_partition = request->scope_case ==
                                                        EPCIS__V1__EXPORT_LEDGER_REQUEST__SCOPE_PARTITION,
                                       .partition = request->partition,
                                       .from_ms = request->from_ms,
                                       .to_ms = request->to_ms};
    if (check_range(call, range.from_ms, range.to_ms) ||
        (range.one_partition && check_partition(call, range.partition)))
        return ERR_INPUT;
    enum err err = export_open(call->services->journal, call->services->signer, &range, &export);
    if (err)
        reply_err(&call->reply, err, "the export");
    call->state = export;
    return err;
}

/* One piece at a time: the next is read when the client has taken the one before. */
static enum call_next export_work(struct call *call, struct arena *arena)
{
    struct buffer lines = {0};
    bool done = false;
    if (call->asked && export_begin(call, arena))
        return CALL_ANSWER;
    enum err err = export_next(call->state, &lines, &done);
    if (!err) {
        Epcis__V1__ExportLedgerResponse response = EPCIS__V1__EXPORT_LEDGER_RESPONSE__INIT;
        response.lines = (ProtobufCBinaryData){lines.length, lines.data};
        reply_message(&call->reply, &response.base);
    } else {
        reply_err(&call->reply, err, "the export");
    }
    buffer_free(&lines);
    if (!err && !done)
        return CALL_SEND;
    export_drop(call);
    return CALL_ANSWER;
}

const struct method svc_ledger_methods[] = {
    {.path = "/epcis.v1.AuditService/ListBatches",
     .need = NEED_AUDIT,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__list_batches_request__descriptor,
     .answer = list_batches},
    {.path = "/epcis.v1.AuditService/GetBatch",
     .need = NEED_AUDIT,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_batch_request__descriptor,
     .answer = get_batch},
    {.path = "/epcis.v1.AuditService/GetInclusionProof",
     .need = NEED_AUDIT,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_inclusion_proof_request__descriptor,
     .answer = get_inclusion_proof},
    {.path = "/epcis.v1.AuditService/ExportLedger",
     .need = NEED_AUDIT,
     .room = ROOM_QUERIES,
     .sending = true,
     .work = export_work,
     .drop = export_drop,
     .request = &epcis__v1__export_ledger_request__descriptor},
};
const size_t svc_ledger_count = sizeof svc_ledger_methods / sizeof svc_ledger_methods[0];
