#include "server/capture_cancel.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/converter.h"
#include "server/journal.h"
#include "server/journal_wait.h"

enum { RECORD_BYTES = 1 << 20 };

struct target {
    struct converter *converter;
    uint32_t partition;
};

static void submit(void *context, struct journal_op *op)
{
    const struct target *target = context;
    converter_cancel(target->converter, target->partition, op);
}

static enum err find(struct journal *journal, const uint8_t capture_id[UUID_BYTES], uint64_t *number,
                     uint32_t *partition)
{
    struct arena arena;
    Epcis__Store__V1__CaptureRecord *record = NULL;
    arena_init(&arena, RECORD_BYTES);
    enum err err = journal_capture_number(journal, capture_id, number);
    if (!err)
        err = journal_capture(journal, *number, &arena, &record);
    if (!err)
        *partition = record->partition;
    arena_free(&arena);
    return err;
}

enum err capture_cancel(struct journal *journal, struct converter *converter,
                        const uint8_t capture_id[UUID_BYTES], const char *who, const char *why)
{
    struct target target = {.converter = converter};
    Epcis__V1__CaptureCancellation cancellation = EPCIS__V1__CAPTURE_CANCELLATION__INIT;
    cancellation.who = (char *)(uintptr_t)who;
    cancellation.why = (char *)(uintptr_t)why;
    cancellation.cancelled_ms = clock_wall_ms();
    struct journal_op op = {.kind = JOURNAL_CANCEL, .bytes = sizeof op, .cancellation = &cancellation};
    enum err err = find(journal, capture_id, &op.number, &target.partition);
    if (!err)
        err = journal_wait_through(submit, &target, &op);
    if (!err) {
        char text[UUID_TEXT + 1];
        uuid_text(capture_id, text);
        log_info("capture_cancelled", "capture=%s", text);
    }
    return err;
}
