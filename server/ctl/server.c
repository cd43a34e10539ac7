#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json_text.h"
#include "epcis/v1/server_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"

static const char usage[] =
    "Usage: epcisctl server [OPTIONS]\n"
    "\n"
    "Tells how a server is doing: whether it takes documents, what waits, how much room is\n"
    "left, and what it counted since it was started.\n"
    "\n"
    "Example:\n"
    "  epcisctl server --json | jq .backlog.documents\n"
    "\n"
    "Exit codes: 0 it takes documents, 3 it takes none now, 1 error, 2 wrong usage.\n";

/* ---- JSON ------------------------------------------------------------------------------------------- */

static const char *state_name(Epcis__V1__ServerState state)
{
    switch (state) {
    case EPCIS__V1__SERVER_STATE__SERVER_STATE_SERVING:
        return "serving";
    case EPCIS__V1__SERVER_STATE__SERVER_STATE_REFUSING:
        return "refusing";
    case EPCIS__V1__SERVER_STATE__SERVER_STATE_DRAINING:
        return "draining";
    default:
        return "unknown";
    }
}

static const char *breaker_name(Epcis__V1__BreakerState state)
{
    switch (state) {
    case EPCIS__V1__BREAKER_STATE__BREAKER_STATE_CLOSED:
        return "closed";
    case EPCIS__V1__BREAKER_STATE__BREAKER_STATE_OPEN:
        return "open";
    case EPCIS__V1__BREAKER_STATE__BREAKER_STATE_PROBING:
        return "probing";
    default:
        return "unknown";
    }
}

/* The sections of a status, each a message whose fields are all numbers of 64 bits, under the fields' own
 * names. */
static void append_numbers(struct buffer *out, const char *name, const ProtobufCMessage *message)
{
    buffer_printf(out, ", \"%s\": {", name);
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        uint64_t value;
        memcpy(&value, (const char *)message + field->offset, sizeof value);
        buffer_printf(out, "%s\"%s\": %" PRIu64, i ? ", " : "", field->name, value);
    }
    buffer_append_text(out, "}");
}

static void append_json(struct buffer *out, const Epcis__V1__ServerStatus *status)
{
    buffer_append_text(out, "{\"version\": ");
    json_append_string(out, status->version);
    buffer_printf(out, ", \"started_ms\": %" PRId64 ", \"uptime_ms\": %" PRId64 ", \"state\": \"%s\"",
                  status->started_ms, status->uptime_ms, state_name(status->state));
    buffer_append_text(out, ", \"refusal_reason\": ");
    json_append_string(out, status->refusal_reason);
    buffer_printf(out, ", \"refusing_ms\": %" PRId64 ", \"memory_bytes\": %" PRIu64, status->refusing_ms,
                  status->memory_bytes);
    append_numbers(out, "backlog", &status->backlog->base);
    append_numbers(out, "room", &status->room->base);
    append_numbers(out, "counts", &status->counts->base);
    buffer_printf(
        out,
        ", \"work\": {\"runs_out\": %" PRIu64 ", \"runs_resent\": %" PRIu64 ", \"store_failures\": %" PRIu64
        ", \"events_condemned\": %" PRIu64 ", \"breaker\": \"%s\", \"peers_refused\": %" PRIu64 "}",
        status->work->runs_out, status->work->runs_resent, status->work->store_failures,
        status->work->events_condemned, breaker_name(status->work->breaker), status->work->peers_refused);
    buffer_append_text(out, ", \"curve_public_key\": ");
    json_append_string(out, status->curve_public_key);
    buffer_append_text(out, ", \"refusals\": {");
    for (size_t i = 0; i < status->n_refusals; i++) {
        buffer_append_text(out, i ? ", " : "");
        json_append_string(out, status->refusals[i]->reason);
        buffer_printf(out, ": %" PRIu64, status->refusals[i]->count);
    }
    buffer_append_text(out, "}}\n");
}

/* ---- text ------------------------------------------------------------------------------------------- */

static void append_label(struct buffer *out, const char *label)
{
    buffer_printf(out, "%-12s", label);
}

static void append_duration(struct buffer *out, int64_t ms)
{
    int64_t s = ms / 1000;
    if (s >= 86400)
        buffer_printf(out, "%" PRId64 " d %" PRId64 " h", s / 86400, s % 86400 / 3600);
    else if (s >= 3600)
        buffer_printf(out, "%" PRId64 " h %" PRId64 " min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        buffer_printf(out, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
    else
        buffer_printf(out, "%" PRId64 ".%" PRId64 " s", s, ms % 1000 / 100);
}

static void append_size(struct buffer *out, uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        size /= 1024;
    buffer_printf(out, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

static void append_map(struct buffer *out, const char *label, uint64_t used_bytes, uint64_t max_bytes)
{
    append_label(out, label);
    append_size(out, used_bytes);
    buffer_append_text(out, " of ");
    append_size(out, max_bytes);
    buffer_append_text(out, "\n");
}

static void append_counts(struct buffer *out, const Epcis__V1__ServerCounts *counts)
{
    append_label(out, "documents");
    buffer_printf(out, "%" PRIu64 " received (", counts->documents_received);
    append_size(out, counts->document_bytes_received);
    buffer_printf(out, "), %" PRIu64 " sent again\n", counts->documents_repeated);
    append_label(out, "events");
    buffer_printf(out,
                  "%" PRIu64 " committed, %" PRIu64 " duplicates, %" PRIu64 " dead letters, %" PRIu64
                  " warnings, in %" PRIu64 " batches\n",
                  counts->events_committed, counts->events_duplicate, counts->events_dead, counts->warnings,
                  counts->batches_acknowledged);
    append_label(out, "ahead");
    buffer_printf(out, "%" PRIu64 " events converted while they arrived; failed for %" PRIu64 " documents\n",
                  counts->events_converted_ahead, counts->conversions_ahead_failed);
}

static void append_text(struct buffer *out, const Epcis__V1__ServerStatus *status)
{
    append_label(out, "state");
    buffer_append_text(out, state_name(status->state));
    if (status->refusal_reason[0]) {
        buffer_append_text(out, ": ");
        output_foreign_text(out, status->refusal_reason);
        buffer_append_text(out, " for ");
        append_duration(out, status->refusing_ms);
    }
    buffer_append_text(out, "\n");
    append_label(out, "version");
    output_foreign_text(out, status->version);
    buffer_append_text(out, ", up ");
    append_duration(out, status->uptime_ms);
    buffer_append_text(out, "\n");

    append_label(out, "backlog");
    buffer_printf(out, "%" PRIu64 " documents, ", status->backlog->documents);
    append_size(out, status->backlog->document_bytes);
    if (status->backlog->oldest_ms) {
        buffer_append_text(out, ", the oldest waits for ");
        append_duration(out, status->backlog->oldest_ms);
    }
    buffer_append_text(out, "\n");
    append_counts(out, status->counts);
    append_label(out, "workers");
    buffer_printf(out,
                  "%" PRIu64 " runs out, %" PRIu64 " sent again, %" PRIu64
                  " store failures (breaker %s), %" PRIu64 " events condemned, %" PRIu64 " peers refused\n",
                  status->work->runs_out, status->work->runs_resent, status->work->store_failures,
                  breaker_name(status->work->breaker), status->work->events_condemned,
                  status->work->peers_refused);
    if (status->curve_public_key[0]) {
        append_label(out, "curve key");
        output_foreign_text(out, status->curve_public_key);
        buffer_append_text(out, "\n");
    }
    append_label(out, "refusals");
    for (size_t i = 0; i < status->n_refusals; i++) {
        buffer_printf(out, "%s%" PRIu64 " ", i ? ", " : "", status->refusals[i]->count);
        output_foreign_text(out, status->refusals[i]->reason);
    }
    buffer_append_text(out, status->n_refusals ? "\n" : "none\n");
    append_label(out, "memory");
    append_size(out, status->memory_bytes);
    buffer_append_text(out, "\n");
    append_label(out, "disk");
    append_size(out, status->room->disk_free_bytes);
    buffer_append_text(out, " free\n");
    append_map(out, "journal", status->room->journal_used_bytes, status->room->journal_max_bytes);
    append_map(out, "store", status->room->store_used_bytes, status->room->store_max_bytes);
}

/* ---- the command ------------------------------------------------------------------------------------ */

static bool is_whole(const Epcis__V1__GetStatusResponse *response)
{
    const Epcis__V1__ServerStatus *status = response->status;
    return status && status->backlog && status->counts && status->room && status->work;
}

int ctl_server(int argc, char **argv)
{
    struct ctl_common common = ctl_common_default();
    const struct option_entry options[] = {CTL_COMMON_OPTIONS(common)};
    const Epcis__V1__GetStatusRequest request = EPCIS__V1__GET_STATUS_REQUEST__INIT;
    struct client *client = NULL;
    struct client_status called;
    ProtobufCMessage *message = NULL;
    struct buffer out = {0};
    int code = CTL_ERROR;

    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (argc != 1)
        options_fail(argv[0], "unexpected argument '%s'", argv[1]);
    if (ctl_connect(&common, &client))
        goto out;
    client_call(client, "/epcis.v1.ServerService/GetStatus", &request.base,
                &epcis__v1__get_status_response__descriptor, ctl_deadline_ms(&common), &message, &called);
    const Epcis__V1__GetStatusResponse *response = (const Epcis__V1__GetStatusResponse *)message;
    if (response && !is_whole(response))
        called = (struct client_status){.code = CLIENT_INTERNAL, .message = "the answer holds no status"};
    if (called.code) {
        code = ctl_call_failed(&common, "status", &called);
        goto out;
    }
    if (common.json)
        append_json(&out, response->status);
    else
        append_text(&out, response->status);
    if (!output_flush(&out))
        code =
            response->status->state == EPCIS__V1__SERVER_STATE__SERVER_STATE_SERVING ? CTL_OK : CTL_REFUSED;
out:
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
    buffer_free(&out);
    client_close(&client);
    return code;
}
