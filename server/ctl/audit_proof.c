#include "server/ctl/audit_proof.h"

#include <inttypes.h>

#include "common/base/digest.h"
#include "common/base/json_text.h"

const char *audit_proof_outcome(uint8_t outcome)
{
    static const char *const names[] = {"pending",     "committed",   "duplicate",       "dead letter",
                                        "rolled back", "master data", "document refused"};
    return outcome < sizeof names / sizeof names[0] ? names[outcome] : "unknown";
}

static void put_digits(struct buffer *out, ProtobufCBinaryData bytes)
{
    char *text = (char *)buffer_reserve(out, 2 * bytes.len + 1);
    if (!text)
        return;
    digest_hex(bytes.data, bytes.len, text);
    out->length += 2 * bytes.len;
}

static void put_hex(struct buffer *out, ProtobufCBinaryData bytes)
{
    buffer_append_text(out, "\"");
    put_digits(out, bytes);
    buffer_append_text(out, "\"");
}

static void put_member(struct buffer *out, const char *name, ProtobufCBinaryData bytes)
{
    buffer_printf(out, ",\"%s\":", name);
    put_hex(out, bytes);
}

static void put_decision(struct buffer *out, const Epcis__V1__LedgerDecision *decision)
{
    if (!decision) {
        buffer_append_text(out, "null");
        return;
    }
    buffer_printf(out, "{\"decided_ms\":%" PRId64 ",\"rule_pack\":", decision->decided_ms);
    json_append_string(out, decision->rule_pack);
    put_member(out, "outcome_id", decision->outcome_id);
    put_member(out, "parent_outcome_id", decision->parent_outcome_id);
    buffer_printf(out, ",\"committed\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"dead_letters\":%" PRIu64 "}",
                  decision->committed, decision->duplicates, decision->dead_letters);
}

void audit_proof_batch(struct buffer *out, const Epcis__V1__LedgerBatch *batch)
{
    buffer_printf(out, "{\"partition\":%" PRIu32 ",\"sequence\":%" PRIu64, batch->partition, batch->sequence);
    put_member(out, "batch_id", batch->batch_id);
    put_member(out, "parent_batch_id", batch->parent_batch_id);
    put_member(out, "root", batch->root);
    buffer_printf(out, ",\"items\":%" PRIu64 ",\"spans\":[", batch->items);
    for (size_t i = 0; i < batch->n_spans; i++) {
        const Epcis__V1__LedgerSpan *span = batch->spans[i];
        buffer_printf(out, "%s{\"capture_id\":", i ? "," : "");
        json_append_string(out, span->capture_id);
        buffer_printf(out,
                      ",\"document\":%" PRIu64 ",\"first_event\":%" PRIu64 ",\"items\":%" PRIu32
                      ",\"events\":%" PRIu32 "}",
                      span->document, span->first_event, span->items, span->events);
    }
    buffer_append_text(out, "],\"decision\":");
    put_decision(out, batch->decision);
    buffer_append_text(out, "}");
}

static void put_link(struct buffer *out, const Epcis__V1__LedgerLink *link)
{
    buffer_append_text(out, "{\"root\":");
    put_hex(out, link->root);
    buffer_append_text(out, ",\"decision\":");
    if (link->decision) {
        buffer_printf(out, "{\"decided_ms\":%" PRId64, link->decision->decided_ms);
        put_member(out, "rule_pack_sha256", link->decision->rule_pack_sha256);
        put_member(out, "outcomes_sha256", link->decision->outcomes_sha256);
        buffer_append_text(out, "}}");
    } else {
        buffer_append_text(out, "null}");
    }
}

static void put_keys(struct buffer *out, const struct audit_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        buffer_printf(out, "%s{\"statement\":", i ? "," : "");
        put_hex(out, keys->keys[i]->statement);
        put_member(out, "signature", keys->keys[i]->signature);
        put_member(out, "predecessor_signature", keys->keys[i]->predecessor_signature);
        buffer_append_text(out, "}");
    }
}

void audit_proof_json(struct buffer *out, const Epcis__V1__InclusionProof *proof,
                      const struct audit_keys *keys)
{
    buffer_append_text(out, "{\"type\":\"proof\",\"capture_id\":");
    json_append_string(out, proof->capture_id);
    buffer_printf(out, ",\"event_index\":%" PRIu64 ",\"batch\":", proof->event_index);
    audit_proof_batch(out, proof->batch);
    buffer_printf(out, ",\"index\":%" PRIu64, proof->index);
    put_member(out, "leaf", proof->leaf);
    buffer_append_text(out, ",\"path\":[");
    for (size_t i = 0; i < proof->n_path; i++) {
        buffer_append_text(out, i ? "," : "");
        put_hex(out, proof->path[i]);
    }
    buffer_append_text(out, "],\"outcomes\":\"");
    for (size_t i = 0; i < proof->outcomes.len; i++)
        buffer_printf(out, "%u", proof->outcomes.data[i]);
    buffer_append_text(out, "\",\"links\":[");
    for (size_t i = 0; i < proof->n_links; i++) {
        buffer_append_text(out, i ? "," : "");
        put_link(out, proof->links[i]);
    }
    buffer_append_text(out, "]");
    put_member(out, "checkpoint", proof->checkpoint);
    put_member(out, "checkpoint_signature", proof->checkpoint_signature);
    buffer_append_text(out, ",\"keys\":[");
    put_keys(out, keys);
    buffer_append_text(out, "]}\n");
}

void audit_proof_text(struct buffer *out, const Epcis__V1__InclusionProof *proof)
{
    const Epcis__V1__LedgerBatch *batch = proof->batch;
    uint8_t outcome = proof->index < proof->outcomes.len ? proof->outcomes.data[proof->index] : 0;
    buffer_printf(
        out, "event %" PRIu64 " of %s: item %" PRIu64 " of batch %" PRIu32 "/%" PRIu64 ", %s\n  leaf        ",
        proof->event_index, proof->capture_id, proof->index, batch->partition, batch->sequence,
        audit_proof_outcome(outcome));
    put_digits(out, proof->leaf);
    buffer_append_text(out, "\n  batch_id    ");
    put_digits(out, batch->batch_id);
    if (proof->checkpoint.len)
        buffer_printf(out, "\n  checkpoint  %zu batches later; to check it: --json, then verify-ledger\n",
                      proof->n_links);
    else
        buffer_append_text(out, "\n  checkpoint  none covers it yet; ask again\n");
}
