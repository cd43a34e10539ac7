#include <stdio.h>

#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"
#include "server/ctl/pages.h"

static const char usage[] =
    "Usage: epcisctl trace [OPTIONS] EPC\n"
    "\n"
    "Shows where one item stands and every committed event that names it, oldest first.\n"
    "EPC is an EPC URN or a GS1 Digital Link URI; both spellings find the same item.\n"
    "\n"
    "Examples:\n"
    "  epcisctl trace urn:epc:id:sgtin:0614141.107346.2017\n"
    "  epcisctl trace --json https://id.gs1.org/01/10614141073464/21/2017\n"
    "\n"
    "Exit codes: 0 found, 1 error (also: never seen), 2 wrong usage.\n";

/* One page into `out`; the first brings the heading. */
static void append_page(struct buffer *out, bool json, const Epcis__V1__GetItemHistoryResponse *page,
                        const char *epc, bool first)
{
    if (first && json) {
        buffer_append_text(out, "{");
        output_item_json(out, epc, page->state);
        buffer_append_text(out, ", \"history\": [");
    } else if (first) {
        output_item_text(out, page->state);
        output_history_heading_text(out);
    }
    for (size_t i = 0; i < page->n_history; i++) {
        if (json) {
            buffer_append_text(out, first && i == 0 ? "" : ", ");
            output_history_entry_json(out, page->history[i]);
        } else {
            output_history_entry_text(out, page->history[i]);
        }
    }
}

int ctl_trace(int argc, char **argv)
{
    struct ctl_common common = ctl_common_default();
    const struct option_entry options[] = {CTL_COMMON_OPTIONS(common)};
    struct client *client = NULL;
    Epcis__V1__GetItemHistoryRequest request = EPCIS__V1__GET_ITEM_HISTORY_REQUEST__INIT;
    struct buffer out = {0};
    int code = CTL_ERROR;

    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (argc != 2)
        options_fail(argv[0], "one EPC is expected");
    if (ctl_connect(&common, &client))
        goto out;
    request.epc = argv[1];
    Epcis__V1__GetItemHistoryResponse *page;
    struct pages pages = {.common = &common,
                          .client = client,
                          .deadline_ms = ctl_deadline_ms(&common),
                          .what = argv[1],
                          .method = "/epcis.v1.TraceService/GetItemHistory",
                          .request = &request.base,
                          .token = &request.page_token,
                          .type = &epcis__v1__get_item_history_response__descriptor};
    for (bool first = true; pages_next(&pages, &page); first = false)
        append_page(&out, common.json, page, argv[1], first);
    if (pages.code)
        goto out;
    if (common.json)
        buffer_append_text(&out, "]}\n");
    if (!output_flush(&out))
        code = CTL_OK;
out:
    buffer_free(&out);
    client_close(&client);
    return code;
}
