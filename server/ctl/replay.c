#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/json_text.h"
#include "epcis/v1/audit_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"

static const char usage[] =
    "Usage: epcisctl replay [OPTIONS] [--partition N] [--first N] [--last N]\n"
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
    "Examples:\n"
    "  epcisctl replay\n"
    "  epcisctl replay --partition 17 --first 1000 --last 2000\n"
    "\n"
    "Exit codes: 0 all are the same, 1 one is different, or error, 2 wrong usage.\n";

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

int ctl_replay(int argc, char **argv)
{
    struct replaying replaying = {.common = ctl_common_default(), .terminal = isatty(STDERR_FILENO)};
    const char *partition = "";
    Epcis__V1__ReplayBatchesRequest request = EPCIS__V1__REPLAY_BATCHES_REQUEST__INIT;
    replaying.common.timeout_s = CTL_TIMEOUT_MAX_S;
    const struct option_entry options[] = {
        {"partition", OPTION_TEXT, &partition, 0, 0, "N", "of this one alone"},
        {"first", OPTION_NUMBER, &request.first_sequence, 0, INT64_MAX, "N",
         "from this batch on, in each partition"},
        {"last", OPTION_NUMBER, &request.last_sequence, 0, INT64_MAX, "N", "up to this one; 0: to the last"},
        CTL_COMMON_OPTIONS(replaying.common),
    };
    struct client *client = NULL;

    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (argc != 1)
        options_fail(argv[0], "'%s' is too much", argv[1]);
    if (partition[0]) {
        char *end;
        unsigned long number = strtoul(partition, &end, 10);
        if (partition[0] < '0' || partition[0] > '9' || *end || number > UINT32_MAX)
            options_fail(argv[0], "--partition takes a number, not '%s'", partition);
        request.scope_case = EPCIS__V1__REPLAY_BATCHES_REQUEST__SCOPE_PARTITION;
        request.partition = (uint32_t)number;
    }
    if (ctl_connect(&replaying.common, &client))
        return CTL_ERROR;
    int code = replay(&replaying, client, &request);
    buffer_free(&replaying.out);
    client_close(&client);
    return code;
}
