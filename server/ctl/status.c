#include "server/ctl/status.h"

#include <stdio.h>

#include "server/ctl/ctl.h"
#include "server/ctl/output.h"

static const char usage[] =
    "Usage: epcisctl status [OPTIONS] CAPTURE_ID\n"
    "\n"
    "Tells what has become of a document: how many of its events are committed, were\n"
    "duplicates, or are dead letters. CAPTURE_ID stands in the receipt that\n"
    "'epcisctl capture' prints.\n"
    "\n"
    "Example:\n"
    "  epcisctl status 0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10\n"
    "\n"
    "Exit codes: 0 nothing was refused so far, 3 something was refused (see\n"
    "'epcisctl dead-letters'), 1 error, 2 wrong usage.\n";

void status_get(struct client *client, const char *capture_id, int64_t deadline_ms,
                Epcis__V1__GetCaptureResponse **response, struct client_status *status)
{
    Epcis__V1__GetCaptureRequest request = EPCIS__V1__GET_CAPTURE_REQUEST__INIT;
    ProtobufCMessage *message;
    request.capture_id = (char *)capture_id;
    client_call(client, "/epcis.v1.CaptureService/GetCapture", &request.base,
                &epcis__v1__get_capture_response__descriptor, deadline_ms, &message, status);
    *response = (Epcis__V1__GetCaptureResponse *)message;
    if (message && !(*response)->capture) {
        *status = (struct client_status){.code = CLIENT_INTERNAL, .message = "the answer holds no capture"};
        protobuf_c_message_free_unpacked(message, NULL);
        *response = NULL;
    }
}

bool status_is_final(const Epcis__V1__Capture *capture)
{
    return capture->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE ||
           capture->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_FAILED ||
           capture->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_CANCELLED;
}

int status_exit_code(const Epcis__V1__Capture *capture)
{
    bool refused = capture->dead_letters > 0 ||
                   capture->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_FAILED ||
                   capture->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_CANCELLED;
    return refused ? CTL_REFUSED : CTL_OK;
}

int ctl_status(int argc, char **argv)
{
    struct ctl_common common = ctl_common_default();
    const struct option_entry options[] = {CTL_COMMON_OPTIONS(common)};
    struct client *client = NULL;
    struct client_status status;
    Epcis__V1__GetCaptureResponse *response = NULL;
    struct buffer out = {0};
    int code = CTL_ERROR;

    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (argc != 2)
        options_fail(argv[0], "one CAPTURE_ID is expected");
    if (ctl_connect(&common, &client))
        goto out;
    status_get(client, argv[1], ctl_deadline_ms(&common), &response, &status);
    if (!response) {
        code = ctl_call_failed(&common, argv[1], &status);
        goto out;
    }
    if (common.json) {
        output_capture_json(&out, response->capture);
        buffer_append_text(&out, "\n");
    } else {
        output_capture_text(&out, argv[1], response->capture);
    }
    if (!output_flush(&out))
        code = status_exit_code(response->capture);
out:
    if (response)
        epcis__v1__get_capture_response__free_unpacked(response, NULL);
    buffer_free(&out);
    client_close(&client);
    return code;
}
