#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/json_text.h"
#include "epcis/v1/audit_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"
#include "server/ctl/replay_rules.h"

static const char usage[] =
    "Usage: epcisctl replay [OPTIONS] [--partition N] [--first N] [--last N]\n"
    "       epcisctl replay --rules VERSION [--profile NAME] [--rule CODE=SEVERITY]...\n"
    "                       [--from TIME] [--to TIME]\n"
    "\n"
    "Has the server read documents again as they were received, make their batches anew, and\n"
    "compare each item, the Merkle root and the batch_id with what was recorded. Prints a line for\n"
    "batches that follow each other and are the same, and one for each that is different: which\n"
    "document, which item, which line of it. Nothing is changed, and nothing committed.\n"
    "\n"
    "A batch of which a document's bytes are kept no longer (--retain-days) cannot be made anew:\n"
    "that is told, and is no difference. Batches are different, too, where the server's options\n"
    "that cap documents (--text-max-bytes and the like) are others than when they were made.\n"
    "What persons did to dead letters is no part of batches: an event that was sent in again is a\n"
    "document of its own, and is replayed as one.\n"
    "\n"
    "With --rules VERSION the batches are judged, too: by today's rules, in the order in which they\n"
    "were judged before, each by what came of those before it, in a store that begins empty and is\n"
    "thrown away. Prints each event with another verdict (outcome, or codes of its reasons) than was\n"
    "recorded, and sums up by code. VERSION is that of the server's rule pack, or 'current'. Today's\n"
    "rules are the pack, the workers' --profile and --rule, partners' records as they are now, and what\n"
    "the options of these names change here. --from, --to (of the document's receipt), --partition,\n"
    "--first and --last choose whose verdicts are compared; all that came before is judged in any case,\n"
    "so this takes about as long as judging everything did. It runs when the server has nothing else to\n"
    "do, one at a time; interrupted, it ends and leaves nothing behind. Batches that cannot be made anew\n"
    "are left out and told.\n"
    "\n"
    "Examples:\n"
    "  epcisctl replay\n"
    "  epcisctl replay --partition 17 --first 1000 --last 2000\n"
    "  epcisctl replay --rules current --rule FUTURE_EVENT=warn --from 2026-10-01 --to 2026-11-01\n"
    "  epcisctl replay --rules 2026.3 --profile strict --json\n"
    "\n"
    "Exit codes: 0 all are the same, 1 a batch is different, or error, 2 wrong usage, 3 by these rules\n"
    "some verdicts would differ.\n";

enum { VERDICTS = 4 };

struct replaying {
    struct ctl_common common;
    bool terminal; /* shows how far it is */
    struct buffer out;
    /* Batches of one verdict, until others come. */
    Epcis__V1__ReplayVerdict verdict;
    uint32_t partition;
    uint64_t first, last, items;
    uint64_t batches[VERDICTS]; /* by verdict */
};

/* A newer server may know others. */
static size_t verdict_index(Epcis__V1__ReplayVerdict verdict)
{
    return (size_t)verdict < VERDICTS ? (size_t)verdict : 0;
}

static const char *verdict_name(Epcis__V1__ReplayVerdict verdict)
{
    static const char *const names[VERDICTS] = {"unknown", "same", "different", "pruned"};
    return names[verdict_index(verdict)];
}

static void print_place(struct replaying *replaying)
{
    struct buffer *out = &replaying->out;
    const char *verdict = verdict_name(replaying->verdict);
    if (replaying->common.json)
        buffer_printf(out,
                      "{\"partition\": %" PRIu32 ", \"first_sequence\": %" PRIu64
                      ", \"last_sequence\": %" PRIu64 ", \"items\": %" PRIu64 ", \"verdict\": \"%s\"",
                      replaying->partition, replaying->first, replaying->last, replaying->items, verdict);
    else
        buffer_printf(out,
                      "partition %-3" PRIu32 "  batches %" PRIu64 " to %" PRIu64 "  %" PRIu64 " items  %s",
                      replaying->partition, replaying->first, replaying->last, replaying->items, verdict);
}

static void print_group(struct replaying *replaying)
{
    if (!replaying->first)
        return;
    print_place(replaying);
    buffer_append_text(&replaying->out, replaying->common.json ? "}\n" : "\n");
    replaying->first = 0;
}

static void print_difference(struct replaying *replaying, const Epcis__V1__ReplayDifference *difference)
{
    struct buffer *out = &replaying->out;
    bool one_item = difference->place_case == EPCIS__V1__REPLAY_DIFFERENCE__PLACE_ITEM;
    print_place(replaying);
    if (replaying->common.json) {
        buffer_printf(out, ", \"document\": %" PRIu64 ", \"capture_id\": ", difference->document);
        json_append_string(out, difference->capture_id);
        if (one_item)
            buffer_printf(out, ", \"item\": %" PRIu64, difference->item);
        buffer_printf(out, ", \"line\": %" PRIu64 ", \"detail\": ", difference->line);
        json_append_string(out, difference->detail);
        buffer_append_text(out, "}\n");
        return;
    }
    buffer_append_text(out, "\n  ");
    if (difference->document) {
        buffer_printf(out, "document %" PRIu64 " (", difference->document);
        output_foreign_text(out, difference->capture_id);
        buffer_append_text(out, "), ");
    }
    if (one_item)
        buffer_printf(out, "item %" PRIu64 " of the batch, ", difference->item);
    if (difference->line)
        buffer_printf(out, "line %" PRIu64 ", ", difference->line);
    output_foreign_text(out, difference->detail);
    buffer_append_text(out, "\n");
}

static void take(struct replaying *replaying, const Epcis__V1__ReplayedBatches *told)
{
    replaying->batches[verdict_index(told->verdict)] += told->last_sequence - told->first_sequence + 1;
    if (replaying->first && told->verdict == replaying->verdict && !told->difference &&
        told->partition == replaying->partition && told->first_sequence == replaying->last + 1) {
        replaying->last = told->last_sequence;
        replaying->items += told->items;
        return;
    }
    print_group(replaying);
    replaying->verdict = told->verdict;
    replaying->partition = told->partition;
    replaying->first = told->first_sequence;
    replaying->last = told->last_sequence;
    replaying->items = told->items;
    if (!told->difference)
        return;
    print_difference(replaying, told->difference);
    replaying->first = 0;
}

static void show_progress(const struct replaying *replaying)
{
    if (replaying->terminal)
        fprintf(stderr, "\rpartition %" PRIu32 ", batch %" PRIu64 "\x1b[K", replaying->partition,
                replaying->last);
}

/* Prints what comes until no more does. */
static enum err read_all(struct replaying *replaying, struct client_stream *stream)
{
    ProtobufCMessage *message;
    while (client_stream_next(stream, &epcis__v1__replay_batches_response__descriptor, &message)) {
        const Epcis__V1__ReplayBatchesResponse *response = (const Epcis__V1__ReplayBatchesResponse *)message;
        if (replaying->terminal)
            fputs("\r\x1b[K", stderr);
        for (size_t i = 0; i < response->n_batches; i++)
            take(replaying, response->batches[i]);
        protobuf_c_message_free_unpacked(message, NULL);
        if (output_flush(&replaying->out))
            return ERR_SYSTEM;
        show_progress(replaying);
    }
    if (replaying->terminal)
        fputs("\r\x1b[K", stderr);
    return ERR_OK;
}

static int conclude(struct replaying *replaying)
{
    const uint64_t *batches = replaying->batches;
    uint64_t same = batches[EPCIS__V1__REPLAY_VERDICT__REPLAY_VERDICT_SAME];
    uint64_t different = batches[EPCIS__V1__REPLAY_VERDICT__REPLAY_VERDICT_DIFFERENT];
    uint64_t pruned = batches[EPCIS__V1__REPLAY_VERDICT__REPLAY_VERDICT_PRUNED];
    print_group(replaying);
    if (!replaying->common.json)
        buffer_printf(&replaying->out,
                      "%" PRIu64 " batches: %" PRIu64 " same, %" PRIu64 " different, %" PRIu64
                      " of documents kept no longer\n",
                      same + different + pruned, same, different, pruned);
    return output_flush(&replaying->out) || different ? CTL_ERROR : CTL_OK;
}

static int replay(struct replaying *replaying, struct client *client,
                  const Epcis__V1__ReplayBatchesRequest *request)
{
    struct client_stream *stream = NULL;
    struct client_status status;
    if (client_stream_read(client, "/epcis.v1.AuditService/ReplayBatches", &request->base,
                           ctl_deadline_ms(&replaying->common), &stream)) {
        output_complain("epcisctl replay: out of memory");
        return CTL_ERROR;
    }
    if (read_all(replaying, stream)) {
        client_stream_cancel(&stream);
        return CTL_ERROR;
    }
    client_stream_finish(&stream, NULL, NULL, &status);
    int code = conclude(replaying);
    return status.code == CLIENT_OK ? code : ctl_call_failed(&replaying->common, "the batches", &status);
}

/* What only a replay by other rules takes. */
struct rules_options {
    const char *rules, *profile, *from, *to;
    struct option_list overrides;
};

static int replay_by_rules(const struct ctl_common *common, struct client *client, const char *program,
                           const struct rules_options *options, const Epcis__V1__ReplayBatchesRequest *scope)
{
    Epcis__V1__ReplayRulesRequest__OverridesEntry entries[OPTION_LIST_MAX], *pointers[OPTION_LIST_MAX];
    Epcis__V1__ReplayRulesRequest request = EPCIS__V1__REPLAY_RULES_REQUEST__INIT;
    request.rule_pack = (char *)(uintptr_t)options->rules;
    replay_rules_read(program, options->profile, &options->overrides, entries, pointers, &request);
    request.from_ms = ctl_time_ms(program, "from", options->from);
    request.to_ms = ctl_time_ms(program, "to", options->to);
    request.first_sequence = scope->first_sequence;
    request.last_sequence = scope->last_sequence;
    if (scope->scope_case == EPCIS__V1__REPLAY_BATCHES_REQUEST__SCOPE_PARTITION) {
        request.scope_case = EPCIS__V1__REPLAY_RULES_REQUEST__SCOPE_PARTITION;
        request.partition = scope->partition;
    }
    return replay_rules(common, client, &request);
}

static void check_usage(int argc, char **argv, const struct rules_options *by)
{
    if (argc != 1)
        options_fail(argv[0], "'%s' is too much", argv[1]);
    if (!by->rules[0] && (by->profile[0] || by->from[0] || by->to[0] || by->overrides.count > 0))
        options_fail(argv[0], "--profile, --rule, --from and --to go with --rules VERSION");
}

static void read_partition(const char *program, const char *text, Epcis__V1__ReplayBatchesRequest *request)
{
    char *end;
    if (!text[0])
        return;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || number > UINT32_MAX)
        options_fail(program, "--partition takes a number, not '%s'", text);
    request->scope_case = EPCIS__V1__REPLAY_BATCHES_REQUEST__SCOPE_PARTITION;
    request->partition = (uint32_t)number;
}

int ctl_replay(int argc, char **argv)
{
    struct replaying replaying = {.common = ctl_common_default(), .terminal = isatty(STDERR_FILENO)};
    struct rules_options by = {.rules = "", .profile = "", .from = "", .to = ""};
    const char *partition = "";
    Epcis__V1__ReplayBatchesRequest request = EPCIS__V1__REPLAY_BATCHES_REQUEST__INIT;
    replaying.common.timeout_s = CTL_TIMEOUT_MAX_S;
    const struct option_entry options[] = {
        {"partition", OPTION_TEXT, &partition, 0, 0, "N", "of this one alone"},
        {"first", OPTION_NUMBER, &request.first_sequence, 0, INT64_MAX, "N",
         "from this batch on, in each partition"},
        {"last", OPTION_NUMBER, &request.last_sequence, 0, INT64_MAX, "N", "up to this one; 0: to the last"},
        {"rules", OPTION_TEXT, &by.rules, 0, 0, "VERSION",
         "judge history by this rule pack, or by the 'current' one"},
        {"profile", OPTION_TEXT, &by.profile, 0, 0, "NAME", "with --rules: epcis, dscsa or strict"},
        {"rule", OPTION_LIST, &by.overrides, 0, 0, "CODE=SEVERITY",
         "with --rules: one rule off, warn or reject; repeatable"},
        {"from", OPTION_TEXT, &by.from, 0, 0, "TIME", "with --rules: of documents received from then on"},
        {"to", OPTION_TEXT, &by.to, 0, 0, "TIME", "with --rules: and before then"},
        CTL_COMMON_OPTIONS(replaying.common),
    };
    struct client *client = NULL;

    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    check_usage(argc, argv, &by);
    read_partition(argv[0], partition, &request);
    if (ctl_connect(&replaying.common, &client))
        return CTL_ERROR;
    int code = by.rules[0] ? replay_by_rules(&replaying.common, client, argv[0], &by, &request)
                           : replay(&replaying, client, &request);
    buffer_free(&replaying.out);
    client_close(&client);
    return code;
}
