#include "server/ctl/audit_ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/digest.h"
#include "common/base/json_text.h"
#include "epcis/v1/audit_service.pb-c.h"
#include "server/ctl/audit_proof.h"
#include "server/ctl/output.h"
#include "server/ctl/pages.h"

/* A whole decimal number. */
static bool read_number(const char *text, uint64_t most, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && !*end && !errno && *out <= most;
}

static int refuse(const char *what, const char *text, const char *expected)
{
    output_complain("epcisctl audit: %s \"%s\": %s is expected", what, text, expected);
    return CTL_USAGE;
}

/* ---- the export ------------------------------------------------------------------------------------- */

static int write_lines(struct client_stream *stream)
{
    struct buffer out = {0};
    ProtobufCMessage *message;
    int code = CTL_OK;
    while (code == CTL_OK &&
           client_stream_next(stream, &epcis__v1__export_ledger_response__descriptor, &message)) {
        const Epcis__V1__ExportLedgerResponse *piece = (const Epcis__V1__ExportLedgerResponse *)message;
        buffer_append(&out, piece->lines.data, piece->lines.len);
        protobuf_c_message_free_unpacked(message, NULL);
        if (output_flush(&out))
            code = CTL_ERROR;
    }
    buffer_free(&out);
    return code;
}

int audit_ledger_export(const struct ctl_common *common, struct client *client, int64_t deadline_ms,
                        const struct audit_scope *scope)
{
    Epcis__V1__ExportLedgerRequest request = EPCIS__V1__EXPORT_LEDGER_REQUEST__INIT;
    struct client_stream *stream = NULL;
    struct client_status status;
    uint64_t partition = 0;
    if (scope->partition[0]) {
        if (!read_number(scope->partition, UINT32_MAX, &partition))
            return refuse("--partition", scope->partition, "a number");
        request.scope_case = EPCIS__V1__EXPORT_LEDGER_REQUEST__SCOPE_PARTITION;
        request.partition = (uint32_t)partition;
    }
    request.from_ms = scope->from_ms;
    request.to_ms = scope->to_ms;
    if (client_stream_read(client, "/epcis.v1.AuditService/ExportLedger", &request.base, deadline_ms,
                           &stream)) {
        output_complain("epcisctl audit: out of memory");
        return CTL_ERROR;
    }
    if (write_lines(stream) != CTL_OK) {
        client_stream_cancel(&stream);
        return CTL_ERROR;
    }
    client_stream_finish(&stream, NULL, NULL, &status);
    return status.code == CLIENT_OK ? CTL_OK : ctl_call_failed(common, "the export", &status);
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static void print_batch(struct buffer *out, bool json, const Epcis__V1__LedgerBatch *batch)
{
    const Epcis__V1__LedgerDecision *decision = batch->decision;
    char id[DIGEST_HEX + 1] = "";
    if (json) {
        audit_proof_batch(out, batch);
        buffer_append_text(out, "\n");
        return;
    }
    if (batch->batch_id.len == DIGEST_BYTES)
        digest_hex(batch->batch_id.data, DIGEST_BYTES, id);
    buffer_printf(out, "%" PRIu32 "/%" PRIu64 "  %" PRIu64 " items of %zu documents, ", batch->partition,
                  batch->sequence, batch->items, batch->n_spans);
    if (decision) {
        buffer_printf(out, "%" PRIu64 " committed, %" PRIu64 " duplicates, %" PRIu64 " dead letters, rules ",
                      decision->committed, decision->duplicates, decision->dead_letters);
        output_foreign_text(out, decision->rule_pack);
    } else {
        buffer_append_text(out, "not decided yet");
    }
    buffer_printf(out, "\n  batch_id  %s\n", id);
}

int audit_ledger_batches(const struct ctl_common *common, struct client *client, int64_t deadline_ms,
                         const struct audit_scope *scope)
{
    Epcis__V1__ListBatchesRequest request = EPCIS__V1__LIST_BATCHES_REQUEST__INIT;
    Epcis__V1__ListBatchesResponse *page;
    struct pages pages = {.common = common,
                          .client = client,
                          .deadline_ms = deadline_ms,
                          .what = "batches",
                          .method = "/epcis.v1.AuditService/ListBatches",
                          .request = &request.base,
                          .token = &request.page_token,
                          .type = &epcis__v1__list_batches_response__descriptor};
    struct buffer out = {0};
    uint64_t partition = 0;
    if (scope->partition[0]) {
        if (!read_number(scope->partition, UINT32_MAX, &partition))
            return refuse("--partition", scope->partition, "a number");
        request.scope_case = EPCIS__V1__LIST_BATCHES_REQUEST__SCOPE_PARTITION;
        request.partition = (uint32_t)partition;
    }
    request.from_ms = scope->from_ms;
    request.to_ms = scope->to_ms;
    while (pages_next(&pages, &page)) {
        for (size_t i = 0; i < page->n_batches; i++)
            print_batch(&out, common->json, page->batches[i]);
        pages.code = output_flush(&out) ? CTL_ERROR : CTL_OK;
    }
    buffer_free(&out);
    return pages.code;
}

/* The batch's spans, and a line an item. */
static void print_items(struct buffer *out, const Epcis__V1__GetBatchResponse *page)
{
    for (size_t i = 0; page->first_item == 0 && i < page->batch->n_spans; i++) {
        const Epcis__V1__LedgerSpan *span = page->batch->spans[i];
        buffer_printf(out, "  document %" PRIu64 " (%s): %" PRIu32 " items, events from %" PRIu64 " on\n",
                      span->document, span->capture_id, span->items, span->first_event);
    }
    for (size_t i = 0; i < page->leaves.len / DIGEST_BYTES; i++) {
        char leaf[DIGEST_HEX + 1];
        digest_hex(page->leaves.data + i * DIGEST_BYTES, DIGEST_BYTES, leaf);
        buffer_printf(out, "  %6" PRIu64 "  %s  %s\n", page->first_item + i, leaf,
                      audit_proof_outcome(i < page->outcomes.len ? page->outcomes.data[i] : 0));
    }
}

static void print_items_json(struct buffer *out, const Epcis__V1__GetBatchResponse *page)
{
    for (size_t i = 0; i < page->leaves.len / DIGEST_BYTES; i++) {
        char leaf[DIGEST_HEX + 1];
        digest_hex(page->leaves.data + i * DIGEST_BYTES, DIGEST_BYTES, leaf);
        buffer_printf(out, "{\"item\":%" PRIu64 ",\"leaf\":\"%s\",\"outcome\":", page->first_item + i, leaf);
        json_append_string(out, audit_proof_outcome(i < page->outcomes.len ? page->outcomes.data[i] : 0));
        buffer_append_text(out, "}\n");
    }
}

int audit_ledger_batch(const struct ctl_common *common, struct client *client, int64_t deadline_ms,
                       const char *text)
{
    Epcis__V1__GetBatchRequest request = EPCIS__V1__GET_BATCH_REQUEST__INIT;
    Epcis__V1__GetBatchResponse *page;
    struct pages pages = {.common = common,
                          .client = client,
                          .deadline_ms = deadline_ms,
                          .what = text,
                          .method = "/epcis.v1.AuditService/GetBatch",
                          .request = &request.base,
                          .token = &request.page_token,
                          .type = &epcis__v1__get_batch_response__descriptor};
    struct buffer out = {0};
    char partition[16] = "";
    const char *slash = strchr(text, '/');
    uint64_t number = 0;
    if (slash && (size_t)(slash - text) < sizeof partition)
        memcpy(partition, text, (size_t)(slash - text));
    if (!read_number(partition, UINT32_MAX, &number) ||
        !read_number(slash + 1, UINT64_MAX, &request.sequence))
        return refuse("batch", text, "PARTITION/SEQUENCE, as `audit batches` tells them,");
    request.partition = (uint32_t)number;
    while (pages_next(&pages, &page)) {
        if (page->first_item == 0)
            print_batch(&out, common->json, page->batch);
        (common->json ? print_items_json : print_items)(&out, page);
        pages.code = output_flush(&out) ? CTL_ERROR : CTL_OK;
    }
    buffer_free(&out);
    return pages.code;
}

/* ---- proofs ----------------------------------------------------------------------------------------- */

/* ERR_INPUT: it is neither of the two. `id` has room for a UUID. */
static enum err read_event(const char *event, Epcis__V1__GetInclusionProofRequest *request,
                           Epcis__V1__EventPosition *position, char id[UUID_TEXT + 1])
{
    const char *slash = strchr(event, '/');
    if (!slash) {
        request->event_case = EPCIS__V1__GET_INCLUSION_PROOF_REQUEST__EVENT_SEQUENCE;
        return read_number(event, UINT64_MAX, &request->sequence) ? ERR_OK : ERR_INPUT;
    }
    if (slash - event != UUID_TEXT || !read_number(slash + 1, UINT64_MAX, &position->event_index))
        return ERR_INPUT;
    memcpy(id, event, UUID_TEXT);
    position->capture_id = id;
    request->event_case = EPCIS__V1__GET_INCLUSION_PROOF_REQUEST__EVENT_POSITION;
    request->position = position;
    return ERR_OK;
}

int audit_ledger_prove(const struct ctl_common *common, struct client *client, int64_t deadline_ms,
                       const char *event)
{
    Epcis__V1__GetInclusionProofRequest request = EPCIS__V1__GET_INCLUSION_PROOF_REQUEST__INIT;
    Epcis__V1__EventPosition position = EPCIS__V1__EVENT_POSITION__INIT;
    struct client_status status;
    ProtobufCMessage *message;
    struct audit_keys keys = {0};
    struct buffer out = {0};
    char id[UUID_TEXT + 1] = "";
    if (read_event(event, &request, &position, id))
        return refuse("event", event, "CAPTURE_ID/NUMBER, or the sequence of a committed event,");
    client_call(client, "/epcis.v1.AuditService/GetInclusionProof", &request.base,
                &epcis__v1__get_inclusion_proof_response__descriptor, deadline_ms, &message, &status);
    if (!message)
        return ctl_call_failed(common, event, &status);
    const Epcis__V1__InclusionProof *proof = ((Epcis__V1__GetInclusionProofResponse *)message)->proof;
    int code = common->json ? audit_keys_load(&keys, common, client, deadline_ms) : CTL_OK;
    if (code == CTL_OK && common->json)
        audit_proof_json(&out, proof, &keys);
    else if (code == CTL_OK)
        audit_proof_text(&out, proof);
    if (code == CTL_OK && output_flush(&out))
        code = CTL_ERROR;
    audit_keys_free(&keys);
    protobuf_c_message_free_unpacked(message, NULL);
    buffer_free(&out);
    return code;
}
