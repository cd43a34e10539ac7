#include <inttypes.h>
#include <stdio.h>

#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"
#include "server/ctl/pages.h"

static const char usage[] =
    "Usage: epcisctl contains [OPTIONS] EPC\n"
    "\n"
    "Lists what is in a container: each item with its lot and expiry, and the sequence of\n"
    "the event that packed it. With --up, what the item EPC is in, innermost first.\n"
    "TIME is like 2025-01-06T08:00:00-05:00; without an offset it is UTC. What counts then\n"
    "are the events up to TIME that nobody declared wrong to this day.\n"
    "\n"
    "Examples:\n"
    "  epcisctl contains urn:epc:id:sscc:0614141.0000000001\n"
    "  epcisctl contains --recursive --json https://id.gs1.org/00/006141410000000012\n"
    "  epcisctl contains --up --at 2025-01-06T08:00:00Z urn:epc:id:sgtin:0614141.107346.2017\n"
    "\n"
    "Exit codes: 0 listed (even where nothing is in it), 1 error (also: never seen, or more\n"
    "than 1,000,000 items or 100 levels), 2 wrong usage.\n";

static void append_items(struct buffer *out, bool json, const Epcis__V1__GetContentsResponse *page)
{
    for (size_t i = 0; i < page->n_items; i++)
        if (json)
            output_contained_json(out, page->items[i]);
        else
            output_contained_text(out, page->items[i]);
}

static int list_contents(struct client *client, const struct ctl_common *common,
                         Epcis__V1__GetContentsRequest *request)
{
    Epcis__V1__GetContentsResponse *page;
    struct pages pages = {.common = common,
                          .client = client,
                          .deadline_ms = ctl_deadline_ms(common),
                          .what = request->epc,
                          .method = "/epcis.v1.TraceService/GetContents",
                          .request = &request->base,
                          .token = &request->page_token,
                          .type = &epcis__v1__get_contents_response__descriptor};
    struct buffer out = {0};
    bool first = true;
    for (; pages_next(&pages, &page); first = false) {
        if (first && !common->json)
            output_contained_heading_text(&out);
        append_items(&out, common->json, page);
        pages.code = output_flush(&out) || page->truncated ? CTL_ERROR : CTL_OK;
        if (page->truncated)
            fprintf(stderr, "epcisctl: %s: there is more in it than is listed\n", request->epc);
    }
    buffer_free(&out);
    return pages.code;
}

static int list_containers(struct client *client, const struct ctl_common *common, char *epc, int64_t at_ms)
{
    Epcis__V1__GetContainersRequest request = EPCIS__V1__GET_CONTAINERS_REQUEST__INIT;
    struct client_status status;
    ProtobufCMessage *message;
    struct buffer out = {0};
    request.epc = epc;
    request.at_ms = at_ms;
    client_call(client, "/epcis.v1.TraceService/GetContainers", &request.base,
                &epcis__v1__get_containers_response__descriptor, ctl_deadline_ms(common), &message, &status);
    if (!message)
        return ctl_call_failed(common, epc, &status);
    const Epcis__V1__GetContainersResponse *response = (const Epcis__V1__GetContainersResponse *)message;
    output_containers(&out, common->json, response);
    int code = output_flush(&out) ? CTL_ERROR : CTL_OK;
    protobuf_c_message_free_unpacked(message, NULL);
    buffer_free(&out);
    return code;
}

int ctl_contains(int argc, char **argv)
{
    struct ctl_common common = ctl_common_default();
    const char *at = "";
    bool recursive = false, up = false;
    const struct option_entry options[] = {
        {"at", OPTION_TEXT, &at, 0, 0, "TIME", "as it was then (default: now)"},
        {"recursive", OPTION_FLAG, &recursive, 0, 0, NULL, "also what is in the containers inside"},
        {"up", OPTION_FLAG, &up, 0, 0, NULL, "what EPC is in, instead of what is in it"},
        CTL_COMMON_OPTIONS(common),
    };
    struct client *client = NULL;
    Epcis__V1__GetContentsRequest request = EPCIS__V1__GET_CONTENTS_REQUEST__INIT;

    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (argc != 2)
        options_fail(argv[0], "one EPC is expected");
    if (up && recursive)
        options_fail(argv[0], "--up and --recursive exclude each other");
    request.epc = argv[1];
    request.at_ms = ctl_time_ms(argv[0], "at", at);
    request.recursive = recursive;
    if (ctl_connect(&common, &client))
        return CTL_ERROR;
    int code = up ? list_containers(client, &common, argv[1], request.at_ms)
                  : list_contents(client, &common, &request);
    client_close(&client);
    return code;
}
