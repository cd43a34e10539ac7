#include <stdlib.h>

#include "epcis/v1/capture_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"

static const char usage[] =
    "Usage: epcisctl cancel [OPTIONS] --why TEXT CAPTURE_ID...\n"
    "\n"
    "Calls documents off of which no event went to a worker yet: nothing of them is committed.\n"
    "Their bytes stay, with who did it and why. A document that has begun is not called off, and\n"
    "the answer says how far it is.\n"
    "\n"
    "Example:\n"
    "  epcisctl cancel --why 'sent by mistake' 0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10\n"
    "\n"
    "Exit codes: 0 all are called off, 1 one was not, 2 wrong usage.\n";

static int cancel_one(const struct ctl_common *common, struct client *client, int64_t deadline_ms,
                      Epcis__V1__CancelCaptureRequest *request)
{
    ProtobufCMessage *message;
    struct client_status status;
    struct buffer out = {0};
    client_call(client, "/epcis.v1.CaptureService/CancelCapture", &request->base,
                &epcis__v1__cancel_capture_response__descriptor, deadline_ms, &message, &status);
    if (!message)
        return ctl_call_failed(common, request->capture_id, &status);
    const Epcis__V1__Capture *capture = ((Epcis__V1__CancelCaptureResponse *)message)->capture;
    if (capture && common->json) {
        output_capture_json(&out, capture);
        buffer_append_text(&out, "\n");
    } else if (capture) {
        output_capture_text(&out, request->capture_id, capture);
    }
    int code = output_flush(&out) ? CTL_ERROR : CTL_OK;
    buffer_free(&out);
    protobuf_c_message_free_unpacked(message, NULL);
    return code;
}

int ctl_cancel(int argc, char **argv)
{
    struct ctl_common common = ctl_common_default();
    const char *user = getenv("USER");
    const char *by = user && *user ? user : "epcisctl", *why = "";
    const struct option_entry options[] = {
        {"why", OPTION_TEXT, &why, 0, 0, "TEXT", "why; kept with the document"},
        {"by", OPTION_TEXT, &by, 0, 0, "NAME", "who does it; kept with the document (or set USER)"},
        CTL_COMMON_OPTIONS(common),
    };
    struct client *client = NULL;
    int code = CTL_OK;

    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (argc < 2)
        options_fail(argv[0], "a CAPTURE_ID is expected");
    if (!why[0])
        options_fail(argv[0], "--why is missing");
    if (ctl_connect(&common, &client))
        return CTL_ERROR;
    for (int i = 1; i < argc; i++) {
        Epcis__V1__CancelCaptureRequest request = EPCIS__V1__CANCEL_CAPTURE_REQUEST__INIT;
        request.capture_id = argv[i];
        request.who = (char *)(uintptr_t)by;
        request.why = (char *)(uintptr_t)why;
        if (cancel_one(&common, client, ctl_deadline_ms(&common), &request))
            code = CTL_ERROR;
    }
    client_close(&client);
    return code;
}
