#include "server/ctl/replay_rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/json_text.h"
#include "common/epcis/event_hash.h"
#include "server/ctl/audit_proof.h"
#include "server/ctl/output.h"
#include "server/ctl/partner_edit.h"

enum { CODES_MAX = 256, CODE_BYTES = 64, OUTCOMES = 8, RULE_PACK_BYTES = 64 };

/* What became of events for one reason. */
struct code_count {
    char code[CODE_BYTES];
    uint64_t refused_now, refused_no_longer;
};

struct replaying {
    bool json;
    bool terminal; /* shows how far it is */
    struct buffer out;
    char rule_pack[RULE_PACK_BYTES]; /* "": nothing was heard yet */
    uint64_t batches, batches_in_all, events, differences, left_out;
    struct code_count codes[CODES_MAX];
    size_t code_count;
    uint64_t changes[OUTCOMES][OUTCOMES]; /* from the recorded outcome to the one now */
    /* Batches that were left out one after the other, until others come. */
    Epcis__V1__ReplayedBatches run;
};

/* ---- options ---------------------------------------------------------------------------------------- */

void replay_rules_read(const char *program, const char *profile, const struct option_list *rules,
                       Epcis__V1__ReplayRulesRequest__OverridesEntry *entries,
                       Epcis__V1__ReplayRulesRequest__OverridesEntry **pointers,
                       Epcis__V1__ReplayRulesRequest *request)
{
    static char codes[OPTION_LIST_MAX][CODE_BYTES];
    if (profile[0])
        request->profile = partner_edit_profile(program, profile);
    for (size_t i = 0; i < rules->count; i++) {
        const char *equals = strchr(rules->items[i], '=');
        size_t length = equals ? (size_t)(equals - rules->items[i]) : 0;
        if (!length || length >= CODE_BYTES)
            options_fail(program, "--rule takes CODE=off, CODE=warn or CODE=reject, not '%s'",
                         rules->items[i]);
        memcpy(codes[i], rules->items[i], length);
        epcis__v1__replay_rules_request__overrides_entry__init(&entries[i]);
        entries[i].key = codes[i];
        entries[i].value = partner_edit_severity(program, equals + 1);
        pointers[i] = &entries[i];
    }
    request->overrides = pointers;
    request->n_overrides = rules->count;
}

/* ---- counting --------------------------------------------------------------------------------------- */

static struct code_count *count_of(struct replaying *replaying, const char *code)
{
    size_t i = 0;
    while (i < replaying->code_count && strcmp(replaying->codes[i].code, code) != 0)
        i++;
    if (i == CODES_MAX) /* more than there are rules: what does not fit goes to the last */
        return &replaying->codes[CODES_MAX - 1];
    if (i == replaying->code_count) {
        replaying->code_count++;
        snprintf(replaying->codes[i].code, CODE_BYTES, "%s", code);
    }
    return &replaying->codes[i];
}

static bool has_code(const Epcis__V1__Verdict *verdict, const char *code)
{
    for (size_t i = 0; i < verdict->n_codes; i++)
        if (strcmp(verdict->codes[i], code) == 0)
            return true;
    return false;
}

/* A newer server may know others. */
static size_t outcome_index(Epcis__V1__ItemOutcome outcome)
{
    return (size_t)outcome < OUTCOMES ? (size_t)outcome : 0;
}

static void count(struct replaying *replaying, const Epcis__V1__Verdict *recorded,
                  const Epcis__V1__Verdict *now)
{
    for (size_t i = 0; i < now->n_codes; i++)
        count_of(replaying, now->codes[i])->refused_now += !has_code(recorded, now->codes[i]);
    for (size_t i = 0; i < recorded->n_codes; i++)
        count_of(replaying, recorded->codes[i])->refused_no_longer += !has_code(now, recorded->codes[i]);
    replaying->changes[outcome_index(recorded->outcome)][outcome_index(now->outcome)]++;
    replaying->differences++;
}

/* ---- differences ------------------------------------------------------------------------------------ */

static void print_verdict_json(struct buffer *out, const char *name, const Epcis__V1__Verdict *verdict)
{
    buffer_printf(out, ", \"%s\": {\"outcome\": ", name);
    json_append_string(out, audit_proof_outcome((uint8_t)outcome_index(verdict->outcome)));
    buffer_append_text(out, ", \"codes\": [");
    for (size_t i = 0; i < verdict->n_codes; i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        json_append_string(out, verdict->codes[i]);
    }
    buffer_append_text(out, "], \"rules\": ");
    json_append_string(out, verdict->rule_pack);
    buffer_append_text(out, "}");
}

static void print_verdict_text(struct buffer *out, const Epcis__V1__Verdict *verdict)
{
    buffer_append_text(out, audit_proof_outcome((uint8_t)outcome_index(verdict->outcome)));
    for (size_t i = 0; i < verdict->n_codes; i++) {
        buffer_append_text(out, i > 0 ? ", " : " (");
        output_foreign_text(out, verdict->codes[i]);
    }
    buffer_append_text(out, verdict->n_codes > 0 ? ")" : "");
}

static void print_difference(struct replaying *replaying, const Epcis__V1__VerdictDifference *difference)
{
    struct buffer *out = &replaying->out;
    char hash[EVENT_HASH_TEXT] = "";
    if (difference->event_hash.len == DIGEST_BYTES)
        event_hash_text(difference->event_hash.data, hash);
    if (replaying->json) {
        buffer_append_text(out, "{\"capture_id\": ");
        json_append_string(out, difference->capture_id);
        buffer_printf(out,
                      ", \"event_index\": %" PRIu64 ", \"event_hash\": \"%s\", \"partition\": %" PRIu32
                      ", \"sequence\": %" PRIu64 ", \"document\": %" PRIu64,
                      difference->event_index, hash, difference->partition, difference->sequence,
                      difference->document);
        print_verdict_json(out, "recorded", difference->recorded);
        print_verdict_json(out, "now", difference->now);
        buffer_append_text(out, "}\n");
        return;
    }
    output_foreign_text(out, difference->capture_id);
    buffer_printf(out, "/%" PRIu64 "  batch %" PRIu32 "/%" PRIu64 "  ", difference->event_index,
                  difference->partition, difference->sequence);
    print_verdict_text(out, difference->recorded);
    if (strcmp(difference->recorded->rule_pack, difference->now->rule_pack) != 0) {
        buffer_append_text(out, " by rules ");
        output_foreign_text(out, difference->recorded->rule_pack);
    }
    buffer_append_text(out, ", now ");
    print_verdict_text(out, difference->now);
    buffer_printf(out, "\n  %s\n", hash[0] ? hash : "no readable event");
}

/* ---- batches left out ------------------------------------------------------------------------------- */

static void print_run(struct replaying *replaying)
{
    struct buffer *out = &replaying->out;
    const Epcis__V1__ReplayedBatches *run = &replaying->run;
    bool pruned = run->verdict == EPCIS__V1__REPLAY_VERDICT__REPLAY_VERDICT_PRUNED;
    if (!run->first_sequence)
        return;
    if (replaying->json)
        buffer_printf(out,
                      "{\"partition\": %" PRIu32 ", \"first_sequence\": %" PRIu64
                      ", \"last_sequence\": %" PRIu64 ", \"items\": %" PRIu64 ", \"left_out\": \"%s\"}\n",
                      run->partition, run->first_sequence, run->last_sequence, run->items,
                      pruned ? "pruned" : "different");
    else
        buffer_printf(out, "partition %" PRIu32 "  batches %" PRIu64 " to %" PRIu64 "  left out: %s\n",
                      run->partition, run->first_sequence, run->last_sequence,
                      pruned ? "documents kept no longer" : "not made as recorded: see epcisctl replay");
    replaying->run.first_sequence = 0;
}

static void take_left_out(struct replaying *replaying, const Epcis__V1__ReplayedBatches *batches)
{
    Epcis__V1__ReplayedBatches *run = &replaying->run;
    replaying->left_out += batches->last_sequence - batches->first_sequence + 1;
    if (run->first_sequence && run->verdict == batches->verdict && run->partition == batches->partition &&
        run->last_sequence + 1 == batches->first_sequence) {
        run->last_sequence = batches->last_sequence;
        run->items += batches->items;
        return;
    }
    print_run(replaying);
    run->partition = batches->partition;
    run->first_sequence = batches->first_sequence;
    run->last_sequence = batches->last_sequence;
    run->items = batches->items;
    run->verdict = batches->verdict;
}

/* ---- the end ---------------------------------------------------------------------------------------- */

static void print_summary_json(struct replaying *replaying)
{
    struct buffer *out = &replaying->out;
    buffer_append_text(out, "{\"rules\": ");
    json_append_string(out, replaying->rule_pack);
    buffer_printf(out,
                  ", \"batches\": %" PRIu64 ", \"batches_in_all\": %" PRIu64
                  ", \"left_out_batches\": %" PRIu64 ", \"events\": %" PRIu64 ", \"differences\": %" PRIu64
                  ", \"codes\": [",
                  replaying->batches, replaying->batches_in_all, replaying->left_out, replaying->events,
                  replaying->differences);
    for (size_t i = 0; i < replaying->code_count; i++) {
        buffer_append_text(out, i > 0 ? ", {\"code\": " : "{\"code\": ");
        json_append_string(out, replaying->codes[i].code);
        buffer_printf(out, ", \"refused_now\": %" PRIu64 ", \"refused_no_longer\": %" PRIu64 "}",
                      replaying->codes[i].refused_now, replaying->codes[i].refused_no_longer);
    }
    buffer_append_text(out, "]}\n");
}

static void print_summary_text(struct replaying *replaying)
{
    struct buffer *out = &replaying->out;
    buffer_printf(out, "%" PRIu64 " events of %" PRIu64 " batches by rules ", replaying->events,
                  replaying->batches - replaying->left_out);
    output_foreign_text(out, replaying->rule_pack);
    buffer_printf(out, ": %" PRIu64 " verdicts differ\n", replaying->differences);
    for (size_t from = 0; from < OUTCOMES; from++)
        for (size_t to = 0; to < OUTCOMES; to++)
            if (replaying->changes[from][to])
                buffer_printf(out, "  %8" PRIu64 "  %s, now %s\n", replaying->changes[from][to],
                              audit_proof_outcome((uint8_t)from), audit_proof_outcome((uint8_t)to));
    for (size_t i = 0; i < replaying->code_count; i++) {
        buffer_append_text(out, "  ");
        output_foreign_text(out, replaying->codes[i].code);
        buffer_printf(out, ": refuses %" PRIu64 " that it did not, and no longer %" PRIu64 "\n",
                      replaying->codes[i].refused_now, replaying->codes[i].refused_no_longer);
    }
    if (replaying->left_out)
        buffer_printf(out,
                      "%" PRIu64
                      " batches were left out: verdicts on what their events were about may differ "
                      "for that reason alone\n",
                      replaying->left_out);
    if (replaying->batches < replaying->batches_in_all)
        buffer_printf(
            out, "the last %" PRIu64 " batches were not judged: the server has not heard of an outcome yet\n",
            replaying->batches_in_all - replaying->batches);
}

/* ---- the call --------------------------------------------------------------------------------------- */

static void hide_progress(const struct replaying *replaying)
{
    if (replaying->terminal)
        fputs("\r\x1b[K", stderr);
}

static void take(struct replaying *replaying, const Epcis__V1__ReplayRulesResponse *response)
{
    for (size_t i = 0; i < response->n_left_out; i++)
        take_left_out(replaying, response->left_out[i]);
    for (size_t i = 0; i < response->n_differences; i++) {
        const Epcis__V1__VerdictDifference *difference = response->differences[i];
        if (!difference->recorded || !difference->now)
            continue;
        print_run(replaying);
        print_difference(replaying, difference);
        count(replaying, difference->recorded, difference->now);
    }
    replaying->batches = response->batches;
    replaying->batches_in_all = response->batches_in_all;
    replaying->events = response->events;
    snprintf(replaying->rule_pack, sizeof replaying->rule_pack, "%s", response->rule_pack);
}

/* Prints what comes until no more does. */
static enum err read_all(struct replaying *replaying, struct client_stream *stream)
{
    ProtobufCMessage *message;
    while (client_stream_next(stream, &epcis__v1__replay_rules_response__descriptor, &message)) {
        const Epcis__V1__ReplayRulesResponse *response = (const Epcis__V1__ReplayRulesResponse *)message;
        hide_progress(replaying);
        take(replaying, response);
        protobuf_c_message_free_unpacked(message, NULL);
        if (output_flush(&replaying->out))
            return ERR_SYSTEM;
        if (replaying->terminal)
            fprintf(stderr, "\rbatch %" PRIu64 " of %" PRIu64 ", %" PRIu64 " verdicts differ\x1b[K",
                    replaying->batches, replaying->batches_in_all, replaying->differences);
    }
    hide_progress(replaying);
    return ERR_OK;
}

int replay_rules(const struct ctl_common *common, struct client *client,
                 const Epcis__V1__ReplayRulesRequest *request)
{
    static struct replaying replaying;
    struct client_stream *stream = NULL;
    struct client_status status;
    replaying.json = common->json;
    replaying.terminal = isatty(STDERR_FILENO);
    if (client_stream_read(client, "/epcis.v1.AuditService/ReplayRules", &request->base,
                           ctl_deadline_ms(common), &stream)) {
        output_complain("epcisctl replay: out of memory");
        return CTL_ERROR;
    }
    enum err err = read_all(&replaying, stream);
    if (err)
        client_stream_cancel(&stream);
    else
        client_stream_finish(&stream, NULL, NULL, &status);
    print_run(&replaying);
    if (!err && status.code == CLIENT_OK)
        (common->json ? print_summary_json : print_summary_text)(&replaying);
    if (output_flush(&replaying.out))
        err = ERR_SYSTEM;
    buffer_free(&replaying.out);
    if (err)
        return CTL_ERROR;
    if (status.code != CLIENT_OK)
        return ctl_call_failed(common, "the replay", &status);
    return replaying.differences ? CTL_REFUSED : CTL_OK;
}
