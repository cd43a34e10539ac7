#include "server/capture_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/epcis/receipt.h"
#include "server/journal.h"

static enum err receipt_build(uint64_t number, const Epcis__Store__V1__CaptureRecord *record,
                              struct arena *arena, Epcis__V1__Receipt **out)
{
    Epcis__V1__Receipt *receipt = arena_alloc(arena, sizeof *receipt);
    char *id = arena_alloc(arena, UUID_TEXT + 1);
    char *digest = arena_alloc(arena, RECEIPT_DIGEST);
    if (!receipt || !id || !digest)
        return ERR_LIMIT;
    if (record->capture_id.len != UUID_BYTES || record->document_sha256.len != DIGEST_BYTES)
        return ERR_CORRUPT;
    uuid_text(record->capture_id.data, id);
    receipt_digest(record->document_sha256.data, digest);
    epcis__v1__receipt__init(receipt);
    receipt->capture_id = id;
    receipt->document_digest = digest;
    receipt->document_bytes = record->document_bytes;
    receipt->partner = record->partner;
    receipt->received_ms = record->received_ms;
    receipt->journal_position = number;
    receipt->key_id = record->key_id;
    receipt->signature = record->signature;
    *out = receipt;
    return ERR_OK;
}

enum err capture_receipt(struct journal *journal, uint64_t number, struct arena *arena,
                         Epcis__V1__Receipt **out)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    enum err err = journal_capture(journal, number, arena, &record);
    return err ? err : receipt_build(number, record, arena, out);
}

enum err capture_get_number(struct journal *journal, uint64_t number, struct arena *arena,
                            Epcis__V1__Capture **out)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    enum err err = journal_capture(journal, number, arena, &record);
    if (err)
        return err;
    Epcis__V1__Capture *capture = arena_alloc(arena, sizeof *capture);
    if (!capture)
        return ERR_LIMIT;
    epcis__v1__capture__init(capture);
    capture->state = record->state;
    capture->events = record->events;
    capture->committed = record->committed;
    capture->duplicates = record->duplicates;
    capture->dead_letters = record->dead_letters;
    capture->warnings = record->warnings;
    capture->batches = record->batches;
    capture->error_behaviour = record->error_behaviour;
    capture->validate_only = record->validate_only;
    capture->content_type = record->content_type;
    if (record->caller)
        capture->sent_by = record->caller->identity;
    capture->cancellation = record->cancellation;
    capture->bytes_read = record->bytes_read;
    capture->error = record->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_FAILED ? record->error : NULL;
    if (record->resubmission_of) {
        char letter[24];
        int length = snprintf(letter, sizeof letter, "%" PRIu64, record->resubmission_of);
        capture->resubmission_of = arena_copy(arena, letter, (size_t)length);
        if (!capture->resubmission_of)
            return ERR_LIMIT;
    }
    *out = capture;
    return receipt_build(number, record, arena, &capture->receipt);
}

enum err capture_get(struct journal *journal, const uint8_t capture_id[UUID_BYTES], struct arena *arena,
                     Epcis__V1__Capture **out)
{
    uint64_t number = 0;
    enum err err = journal_capture_number(journal, capture_id, &number);
    return err ? err : capture_get_number(journal, number, arena, out);
}
