#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "epcis/v1/acknowledgment_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"

static const char usage[] =
    "Usage: epcisctl watch [OPTIONS]\n"
    "\n"
    "Prints what becomes of documents as it happens: each batch of their events, and their end.\n"
    "Goes on by itself where the connection is lost. Each line ends with the cursor behind it:\n"
    "--from CURSOR goes on there. Without --from it begins now, or with --capture at the first\n"
    "that is kept.\n"
    "\n"
    "Examples:\n"
    "  epcisctl watch --json\n"
    "  epcisctl watch --until-done --capture 0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10\n"
    "\n"
    "Exit codes: with --until-done as of 'epcisctl status'; 1 error, also that the time of\n"
    "--timeout has passed (a week where nothing is said), 2 wrong usage.\n";

enum { PAUSE_MIN_MS = 100, PAUSE_MAX_MS = 5000 };

struct watching {
    struct ctl_common common;
    bool until_done;
    bool heard; /* the server has answered once: what fails from then on is tried again */
    bool done;
    char *cursor; /* of the last response; NULL: none came */
    int64_t pause_ms;
    int code;
    struct buffer out;
};

static void print(struct watching *watching, const Epcis__V1__Acknowledgment *told)
{
    bool capture = told->kind == EPCIS__V1__ACKNOWLEDGMENT_KIND__ACKNOWLEDGMENT_KIND_CAPTURE;
    struct buffer *out = &watching->out;
    if (watching->common.json)
        buffer_printf(out,
                      "{\"kind\": \"%s\", \"capture_id\": \"%s\", \"partner\": \"%s\", \"noted_ms\": %" PRId64
                      ", \"state\": \"%s\", \"partition\": %" PRIu32 ", \"sequence\": %" PRIu64
                      ", \"first_event\": %" PRIu64 ", \"events\": %" PRIu64 ", \"committed\": %" PRIu64
                      ", \"duplicates\": %" PRIu64 ", \"dead_letters\": %" PRIu64 ", \"warnings\": %" PRIu64
                      ", \"cursor\": \"%s\"}\n",
                      capture ? "capture" : "batch", told->capture_id, told->partner, told->noted_ms,
                      output_state_name(told->state), told->partition, told->sequence, told->first_event,
                      told->events, told->committed, told->duplicates, told->dead_letters, told->warnings,
                      told->cursor);
    else
        buffer_printf(out, "%s %-9s %7" PRIu64 " %9" PRIu64 " %9" PRIu64 " %7" PRIu64 "  %s\n",
                      told->capture_id, capture ? output_state_name(told->state) : "batch", told->events,
                      told->committed, told->duplicates, told->dead_letters, told->cursor);
    if (!capture || !watching->until_done)
        return;
    watching->done = true;
    watching->code = told->dead_letters || told->state != EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE
                         ? CTL_REFUSED
                         : CTL_OK;
}

/* Keeps the cursor only of what was printed. */
static enum err take(struct watching *watching, const Epcis__V1__WatchAcknowledgmentsResponse *response)
{
    if (!watching->heard && !watching->common.json)
        buffer_printf(&watching->out, "%-36s %-9s %7s %9s %9s %7s  %s\n", "CAPTURE ID", "STATE", "EVENTS",
                      "COMMITTED", "DUPLICATE", "REFUSED", "CURSOR");
    watching->heard = true;
    watching->pause_ms = PAUSE_MIN_MS;
    for (size_t i = 0; i < response->n_acknowledgments && !watching->done; i++)
        print(watching, response->acknowledgments[i]);
    if (output_flush(&watching->out))
        return ERR_SYSTEM;
    free(watching->cursor);
    watching->cursor = strdup(response->cursor);
    return watching->cursor ? ERR_OK : ERR_MEMORY;
}

/* One call, until it ends. True: it is worth another, after a pause. */
static bool follow(struct watching *watching, struct client *client, int64_t deadline_ms,
                   const Epcis__V1__WatchAcknowledgmentsRequest *request)
{
    struct client_stream *stream = NULL;
    struct client_status status;
    ProtobufCMessage *message;
    watching->code = CTL_ERROR;
    if (client_stream_read(client, "/epcis.v1.AcknowledgmentService/WatchAcknowledgments", &request->base,
                           deadline_ms, &stream)) {
        output_complain("epcisctl watch: out of memory");
        return false;
    }
    while (client_stream_next(stream, &epcis__v1__watch_acknowledgments_response__descriptor, &message)) {
        enum err err = take(watching, (const Epcis__V1__WatchAcknowledgmentsResponse *)message);
        protobuf_c_message_free_unpacked(message, NULL);
        if (err || watching->done) {
            client_stream_cancel(&stream);
            return false;
        }
    }
    client_stream_finish(&stream, NULL, NULL, &status);
    if (watching->heard && (status.code == CLIENT_UNAVAILABLE || status.code == CLIENT_RESOURCE_EXHAUSTED))
        return true;
    ctl_call_failed(&watching->common, "acknowledgments", &status);
    return false;
}

int ctl_watch(int argc, char **argv)
{
    struct watching watching = {.common = ctl_common_default(), .pause_ms = PAUSE_MIN_MS};
    const char *from = "", *capture = "", *partner = "";
    watching.common.timeout_s = CTL_TIMEOUT_MAX_S;
    const struct option_entry options[] = {
        {"from", OPTION_TEXT, &from, 0, 0, "CURSOR", "go on behind it; \"begin\": from the first kept"},
        {"capture", OPTION_TEXT, &capture, 0, 0, "CAPTURE_ID", "of this document only"},
        {"partner", OPTION_TEXT, &partner, 0, 0, "GLN", "of this partner's documents only"},
        {"until-done", OPTION_FLAG, &watching.until_done, 0, 0, NULL, "end when the document has"},
        CTL_COMMON_OPTIONS(watching.common),
    };
    struct client *client = NULL;

    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (argc != 1)
        options_fail(argv[0], "'%s' is too much: name a document with --capture", argv[1]);
    if (watching.until_done && !capture[0])
        options_fail(argv[0], "--until-done needs --capture");
    if (ctl_connect(&watching.common, &client))
        return CTL_ERROR;
    Epcis__V1__WatchAcknowledgmentsRequest request = EPCIS__V1__WATCH_ACKNOWLEDGMENTS_REQUEST__INIT;
    request.cursor = (char *)(uintptr_t)(from[0] || !capture[0] ? from : "begin");
    request.capture_id = (char *)(uintptr_t)capture;
    request.partner = (char *)(uintptr_t)partner;
    int64_t deadline_ms = ctl_deadline_ms(&watching.common);
    while (follow(&watching, client, deadline_ms, &request)) {
        request.cursor = watching.cursor;
        ctl_pause_ms(watching.pause_ms);
        watching.pause_ms =
            watching.pause_ms * 2 > PAUSE_MAX_MS ? (int64_t)PAUSE_MAX_MS : watching.pause_ms * 2;
    }
    free(watching.cursor);
    buffer_free(&watching.out);
    client_close(&client);
    return watching.code;
}
