#include "server/export_line.h"

#include <inttypes.h>

#include "common/base/json_text.h"

static void put_hex(struct buffer *out, const char *name, const uint8_t *data, size_t bytes)
{
    buffer_printf(out, ",\"%s\":\"", name);
    char *text = (char *)buffer_reserve(out, 2 * bytes + 1);
    if (!text)
        return;
    digest_hex(data, bytes, text);
    out->length += 2 * bytes;
    buffer_append_text(out, "\"");
}

static void put_bytes(struct buffer *out, const char *name, const ProtobufCBinaryData *data)
{
    put_hex(out, name, data->data, data->len);
}

static void put_text(struct buffer *out, const char *name, const char *text)
{
    buffer_printf(out, ",\"%s\":", name);
    json_append_string(out, text);
}

static void put_bool(struct buffer *out, const char *name, bool value)
{
    buffer_printf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void put_number(struct buffer *out, const char *name, uint64_t value)
{
    buffer_printf(out, ",\"%s\":%" PRIu64, name, value);
}

static void put_time(struct buffer *out, const char *name, int64_t ms)
{
    buffer_printf(out, ",\"%s\":%" PRId64, name, ms);
}

static void begin(struct buffer *out, const char *type)
{
    buffer_printf(out, "{\"type\":\"%s\"", type);
}

static void end(struct buffer *out)
{
    buffer_append_text(out, "}\n");
}

void export_line_header(struct buffer *out, const struct export_range *range, int64_t exported_ms,
                        uint64_t last_document)
{
    begin(out, "header");
    put_text(out, "format", "epcisd ledger 1");
    put_time(out, "exported_ms", exported_ms);
    if (range->one_partition)
        put_number(out, "partition", range->partition);
    else
        put_text(out, "partition", NULL);
    put_time(out, "from_ms", range->from_ms);
    put_time(out, "to_ms", range->to_ms);
    put_number(out, "last_document", last_document);
    end(out);
}

void export_line_key(struct buffer *out, const Epcis__V1__SigningKey *key)
{
    begin(out, "key");
    put_bytes(out, "statement", &key->statement);
    put_bytes(out, "signature", &key->signature);
    put_bytes(out, "predecessor_signature", &key->predecessor_signature);
    end(out);
}

void export_line_checkpoint(struct buffer *out, const Epcis__V1__SignedCheckpoint *checkpoint)
{
    begin(out, "checkpoint");
    put_bytes(out, "checkpoint", &checkpoint->checkpoint);
    put_bytes(out, "signature", &checkpoint->signature);
    end(out);
}

static const char *state_name(Epcis__V1__CaptureState state)
{
    return state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_CANCELLED ? "cancelled"
           : state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_FAILED  ? "failed"
                                                                      : "done";
}

enum err export_line_document(struct buffer *out, uint64_t number,
                              const Epcis__Store__V1__CaptureRecord *record, bool final)
{
    char capture_id[UUID_TEXT + 1];
    if (record->capture_id.len != UUID_BYTES || record->document_sha256.len != DIGEST_BYTES)
        return ERR_CORRUPT;
    uuid_text(record->capture_id.data, capture_id);
    begin(out, "document");
    put_number(out, "number", number);
    put_text(out, "capture_id", capture_id);
    put_bytes(out, "sha256", &record->document_sha256);
    put_number(out, "bytes", record->document_bytes);
    put_time(out, "received_ms", record->received_ms);
    put_text(out, "partner", record->partner);
    put_text(out, "key_id", record->key_id);
    put_bytes(out, "signature", &record->signature);
    put_number(out, "partition", record->partition);
    put_bool(out, "rollback",
             record->error_behaviour == EPCIS__V1__ERROR_BEHAVIOUR__ERROR_BEHAVIOUR_ROLLBACK);
    put_bool(out, "validate_only", record->validate_only);
    put_number(out, "resubmission_of", record->resubmission_of);
    put_text(out, "state", final ? state_name(record->state) : "open");
    put_number(out, "items", final ? record->items : 0);
    put_number(out, "events", final ? record->events : 0);
    put_number(out, "committed", final ? record->committed : 0);
    put_number(out, "duplicates", final ? record->duplicates : 0);
    put_number(out, "dead_letters", final ? record->dead_letters : 0);
    put_text(out, "error", final && record->error ? record->error->code : "");
    end(out);
    return ERR_OK;
}

enum err export_line_batch(struct buffer *out, uint32_t partition, uint64_t sequence, uint64_t items,
                           const Epcis__Store__V1__BatchRecord *record, const uint8_t *parent_outcome_id)
{
    bool decided = parent_outcome_id != NULL;
    if (record->batch_id.len != DIGEST_BYTES || record->parent_batch_id.len != DIGEST_BYTES ||
        (decided && (record->outcome_id.len != DIGEST_BYTES || record->outcomes.len != items)))
        return ERR_CORRUPT;
    begin(out, "batch");
    put_number(out, "partition", partition);
    put_number(out, "sequence", sequence);
    put_bytes(out, "batch_id", &record->batch_id);
    put_bytes(out, "parent_batch_id", &record->parent_batch_id);
    put_number(out, "items", items);
    buffer_append_text(out, ",\"spans\":[");
    for (size_t i = 0; i < record->n_spans; i++)
        buffer_printf(out, "%s[%" PRIu64 ",%" PRIu64 ",%u,%u]", i ? "," : "",
                      record->spans[i]->document_number, record->spans[i]->first_event,
                      record->spans[i]->count, record->spans[i]->events);
    buffer_append_text(out, "]");
    put_bool(out, "decided", decided);
    put_time(out, "decided_ms", decided ? record->decided_ms : 0);
    put_text(out, "rule_pack", decided ? record->rule_pack : "");
    put_hex(out, "outcome_id", record->outcome_id.data, decided ? DIGEST_BYTES : 0);
    put_hex(out, "parent_outcome_id", parent_outcome_id, decided ? DIGEST_BYTES : 0);
    end(out);
    return ERR_OK;
}

void export_line_items(struct buffer *out, uint64_t first, const struct buffer *leaves,
                       const uint8_t *outcomes)
{
    begin(out, "items");
    put_number(out, "first", first);
    put_hex(out, "leaves", leaves->data, leaves->length);
    buffer_append_text(out, ",\"outcomes\":\"");
    for (size_t i = 0; outcomes && i < leaves->length / DIGEST_BYTES; i++)
        buffer_append(out, &(const char){(char)('0' + outcomes[i])}, 1);
    buffer_append_text(out, "\"");
    end(out);
}

void export_line_trailer(struct buffer *out, uint64_t lines, const uint8_t sha256[DIGEST_BYTES],
                         const struct signer_signature *signature)
{
    begin(out, "trailer");
    put_number(out, "lines", lines);
    put_hex(out, "sha256", sha256, DIGEST_BYTES);
    put_text(out, "key_id", signature->key_id);
    put_hex(out, "signature", signature->bytes, SIGNATURE_BYTES);
    end(out);
}
