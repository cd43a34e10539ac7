/* What arrives on a worker's socket: the frame is read and proved, and what it holds of partners and events
 * goes through the rules even where only the batch_id is wrong, as it is in nearly everything a fuzzer makes.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/batch.h"
#include "worker/partner.h"
#include "worker/rules/rules.h"
#include "worker/work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(struct rules *rules, const struct batch_item *item, struct arena *arena)
{
    static const struct rules_context context = {.received_ms = INT64_C(1767225600000), .partner = ""};
    struct rules_subject subject;
    struct rules_report report;
    Epcis__V1__Event *event = work_unpack(arena, item->event, item->content_bytes);
    if (!event)
        return;
    rules_report_init(&report, arena);
    if (rules_check(rules, &context, event, arena, 32, &subject, &report))
        return;
    for (size_t i = 0; i < report.reason_count; i++) {
        char path[256];
        rules_field_path(report.reasons[i]->field, path, sizeof path);
        if (strlen(report.reasons[i]->value) > RULES_VALUE_MAX)
            abort();
    }
}

/* What segments tell of their partners gives severities that exist, and at most one finding. */
static void check_partners(struct rules *rules, const struct batch *batch, struct arena *arena)
{
    struct partner_terms *terms;
    struct rules_report report;
    if (partner_terms_of(rules, batch->segments, batch->segment_count, arena, &terms))
        return;
    for (size_t i = 0; i < batch->segment_count; i++) {
        const struct rules_context context = {.severities = terms[i].severities};
        rules_begin(rules, &context);
        for (int rule = 0; rule < RULES; rule++)
            if (rules_severity(rules, (enum rule)rule) > RULES_REJECT)
                abort();
        rules_report_init(&report, arena);
        partner_terms_check(rules, &terms[i], batch->segments[i]->partner, &report);
        if (report.reason_count + report.warning_count > 1)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rules *rules;
    struct arena arena;
    struct batch head, batch;
    const char *detail;
    if (!rules) {
        struct rules_severities severities;
        rules_severities_init(&severities, RULES_STRICT);
        rules = rules_new(&severities);
    }
    arena_init(&arena, 16 << 20);
    enum err peek = batch_peek(data, size, &head);
    enum err err = batch_read(data, size, &arena, &batch, &detail);
    if (peek && !err)
        abort();
    bool whole = !err || strcmp(detail, "batch_id is not that of the items") == 0;
    if (whole)
        check_partners(rules, &batch, &arena);
    for (size_t i = 0; whole && i < batch.item_count; i++)
        if (batch.items[i].event)
            check_event(rules, &batch.items[i], &arena);
    arena_free(&arena);
    return 0;
}
