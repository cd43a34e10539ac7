#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/json_text.h"
#include "epcis/v1/capture_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"
#include "server/ctl/pages.h"

static const char usage[] =
    "Usage: epcisctl captures [OPTIONS]\n"
    "       epcisctl captures [OPTIONS] --events CAPTURE_ID\n"
    "\n"
    "Lists the documents that were received, the latest first; or what became of each event of\n"
    "one, in its order, as far as it is decided.\n"
    "\n"
    "Examples:\n"
    "  epcisctl captures --partner 0614141000005 --state failed\n"
    "  epcisctl captures --from 2026-01-31T00:00:00Z --json\n"
    "  epcisctl captures --events 0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10 --refused\n"
    "\n"
    "Exit codes: 0 listed (even where there are none), 1 error (also: no such document), 2 wrong\n"
    "usage.\n";

struct command {
    struct ctl_common common;
    struct client *client;
    int64_t deadline_ms;
    uint64_t limit, told;
    struct buffer out;
};

static Epcis__V1__CaptureState read_state(const char *program, const char *text)
{
    static const char words[] = "received, running, done, failed or cancelled";
    for (int state = 1; *text && state <= (int)EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_CANCELLED; state++)
        if (strcmp(text, output_state_name((Epcis__V1__CaptureState)state)) == 0)
            return (Epcis__V1__CaptureState)state;
    if (*text)
        options_fail(program, "--state is %s, not '%s'", words, text);
    return EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_UNSPECIFIED;
}

static void print_capture(struct command *command, const Epcis__V1__Capture *capture)
{
    char received[32];
    if (command->common.json) {
        output_capture_json(&command->out, capture);
        buffer_append_text(&command->out, "\n");
        return;
    }
    time_t seconds = (time_t)(capture->receipt->received_ms / 1000);
    struct tm tm;
    strftime(received, sizeof received, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
    buffer_printf(&command->out, "%s %s %-13s %-9s %7" PRIu64 " %9" PRIu64 " %9" PRIu64 " %7" PRIu64 "\n",
                  capture->receipt->capture_id, received, capture->receipt->partner,
                  output_state_name(capture->state), capture->events, capture->committed, capture->duplicates,
                  capture->dead_letters);
}

static const char *outcome_name(Epcis__V1__ItemOutcome outcome)
{
    static const char *const names[] = {
        [EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_COMMITTED] = "committed",
        [EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DUPLICATE] = "duplicate",
        [EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DEAD_LETTER] = "dead letter",
        [EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_ROLLED_BACK] = "rolled back",
    };
    const char *name = (size_t)outcome < sizeof names / sizeof names[0] ? names[outcome] : NULL;
    return name ? name : "unknown";
}

static void print_event(struct command *command, const Epcis__V1__CaptureEvent *event)
{
    struct buffer *out = &command->out;
    enum { EVENT_ID_WIDTH = 60 };
    bool json = command->common.json;
    buffer_printf(out,
                  json ? "{\"event_index\": %" PRIu64
                         ", \"outcome\": \"%s\", \"batch_id\": \"%s\", \"sequence\": %" PRIu64
                       : "%8" PRIu64 "  %-11s  %.12s  %10" PRIu64,
                  event->event_index, outcome_name(event->outcome), event->batch_id, event->sequence);
    if (json) {
        buffer_append_text(out, ", \"event_id\": ");
        json_append_string(out, event->event_id);
        buffer_printf(out, ", \"dead_letter_id\": \"%s\", \"codes\": [", event->dead_letter_id);
    } else if (event->event_id[0]) {
        buffer_append_text(out, "  ");
        output_short_text(out, event->event_id, EVENT_ID_WIDTH);
    }
    if (!json && event->dead_letter_id[0])
        buffer_printf(out, "  dead letter %s:", event->dead_letter_id);
    for (size_t i = 0; i < event->n_codes; i++)
        buffer_printf(out, json ? "%s\"%s\"" : "%s %s", json && i ? ", " : "", event->codes[i]);
    buffer_append_text(out, json ? "]}\n" : "\n");
}

static int flush(struct command *command)
{
    return output_flush(&command->out) ? CTL_ERROR : CTL_OK;
}

static uint32_t page_size(const struct command *command)
{
    uint64_t left = command->limit - command->told;
    return !command->limit || left > UINT32_MAX ? 0 : (uint32_t)left;
}

static bool enough(const struct command *command)
{
    return command->limit && command->told >= command->limit;
}

static int list_captures(struct command *command, Epcis__V1__ListCapturesRequest *request)
{
    Epcis__V1__ListCapturesResponse *page;
    struct pages pages = {.common = &command->common,
                          .client = command->client,
                          .deadline_ms = command->deadline_ms,
                          .what = "captures",
                          .method = "/epcis.v1.CaptureService/ListCaptures",
                          .request = &request->base,
                          .token = &request->page_token,
                          .type = &epcis__v1__list_captures_response__descriptor};
    if (!command->common.json)
        buffer_printf(&command->out, "%-36s %-20s %-13s %-9s %7s %9s %9s %7s\n", "CAPTURE ID", "RECEIVED",
                      "PARTNER", "STATE", "EVENTS", "COMMITTED", "DUPLICATE", "REFUSED");
    request->page_size = page_size(command);
    while (pages_next(&pages, &page)) {
        for (size_t i = 0; i < page->n_captures && !enough(command); i++, command->told++)
            print_capture(command, page->captures[i]);
        pages.code = flush(command);
        pages.enough = enough(command);
        request->page_size = page_size(command);
    }
    return pages.code;
}

static int list_events(struct command *command, Epcis__V1__ListCaptureEventsRequest *request)
{
    Epcis__V1__ListCaptureEventsResponse *page;
    struct pages pages = {.common = &command->common,
                          .client = command->client,
                          .deadline_ms = command->deadline_ms,
                          .what = request->capture_id,
                          .method = "/epcis.v1.CaptureService/ListCaptureEvents",
                          .request = &request->base,
                          .token = &request->page_token,
                          .type = &epcis__v1__list_capture_events_response__descriptor};
    if (!command->common.json)
        buffer_append_text(&command->out, "   EVENT  OUTCOME      BATCH           SEQUENCE  DETAIL\n");
    request->page_size = page_size(command);
    while (pages_next(&pages, &page)) {
        for (size_t i = 0; i < page->n_events && !enough(command); i++, command->told++)
            print_event(command, page->events[i]);
        pages.code = flush(command);
        pages.enough = enough(command);
        request->page_size = page_size(command);
    }
    return pages.code;
}

int ctl_captures(int argc, char **argv)
{
    struct command command = {.common = ctl_common_default()};
    const char *partner = "", *state = "", *from = "", *to = "", *events = "";
    bool refused = false;
    const struct option_entry options[] = {
        {"partner", OPTION_TEXT, &partner, 0, 0, "GLN", "only those of this trading partner"},
        {"state", OPTION_TEXT, &state, 0, 0, "STATE",
         "only those received, running, done, failed or cancelled"},
        {"from", OPTION_TEXT, &from, 0, 0, "TIME", "only those received at this time or later"},
        {"to", OPTION_TEXT, &to, 0, 0, "TIME", "only those received before this time"},
        {"limit", OPTION_NUMBER, &command.limit, 0, UINT32_MAX, "N", "so many at most; 0: all"},
        {"events", OPTION_TEXT, &events, 0, 0, "CAPTURE_ID", "the events of this document instead"},
        {"refused", OPTION_FLAG, &refused, 0, 0, NULL, "with --events: only dead letters"},
        CTL_COMMON_OPTIONS(command.common),
    };
    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (argc > 1)
        options_fail(argv[0], "unexpected argument '%s'", argv[1]);
    Epcis__V1__ListCapturesRequest captures = EPCIS__V1__LIST_CAPTURES_REQUEST__INIT;
    captures.partner = (char *)(uintptr_t)partner;
    captures.state = read_state(argv[0], state);
    captures.received_from_ms = ctl_time_ms(argv[0], "from", from);
    captures.received_until_ms = ctl_time_ms(argv[0], "to", to);
    Epcis__V1__ListCaptureEventsRequest request = EPCIS__V1__LIST_CAPTURE_EVENTS_REQUEST__INIT;
    request.capture_id = (char *)(uintptr_t)events;
    request.dead_letters_only = refused;
    command.deadline_ms = ctl_deadline_ms(&command.common);
    if (ctl_connect(&command.common, &command.client))
        return CTL_ERROR;
    int code = *events ? list_events(&command, &request) : list_captures(&command, &captures);
    client_close(&command.client);
    buffer_free(&command.out);
    return code;
}
