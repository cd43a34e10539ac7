#include <stdio.h>

#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"
#include "server/ctl/pages.h"

static const char usage[] =
    "Usage: epcisctl events [OPTIONS] --capture CAPTURE_ID\n"
    "       epcisctl events [OPTIONS] --lot GTIN LOT\n"
    "       epcisctl events [OPTIONS] --gln GLN [--from TIME] [--to TIME]\n"
    "\n"
    "Lists the committed events of one document, those that made items of a lot, or those\n"
    "at a place: its GLN, or its SGLN. Events of a place come by event time, from --from on\n"
    "and before --to; others in the order in which they were committed. TIME is like\n"
    "2025-01-06T08:00:00-05:00 or 2025-01-06; without an offset it is UTC.\n"
    "\n"
    "Examples:\n"
    "  epcisctl events --capture 0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10\n"
    "  epcisctl events --lot 10614141073464 L1\n"
    "  epcisctl events --gln 0614141000012 --from 2025-01-06T00:00:00Z --json\n"
    "\n"
    "Exit codes: 0 listed (even where there are none), 1 error (also: never seen), 2 wrong\n"
    "usage.\n";

static void append_page(struct buffer *out, bool json, const Epcis__V1__ListEventsResponse *page)
{
    for (size_t i = 0; i < page->n_events; i++) {
        if (json) {
            output_history_entry_json(out, page->events[i]);
            buffer_append_text(out, "\n");
        } else {
            output_history_entry_text(out, page->events[i]);
        }
    }
}

static int list_events(struct client *client, const struct ctl_common *common, const char *what,
                       Epcis__V1__ListEventsRequest *request)
{
    Epcis__V1__ListEventsResponse *page;
    struct pages pages = {.common = common,
                          .client = client,
                          .deadline_ms = ctl_deadline_ms(common),
                          .what = what,
                          .method = "/epcis.v1.TraceService/ListEvents",
                          .request = &request->base,
                          .token = &request->page_token,
                          .type = &epcis__v1__list_events_response__descriptor};
    struct buffer out = {0};
    bool first = true;
    for (; pages_next(&pages, &page); first = false) {
        if (first && !common->json)
            output_history_heading_text(&out);
        append_page(&out, common->json, page);
        pages.code = output_flush(&out) ? CTL_ERROR : CTL_OK;
    }
    buffer_free(&out);
    return pages.code;
}

int ctl_events(int argc, char **argv)
{
    struct ctl_common common = ctl_common_default();
    const char *capture_id = "", *gtin = "", *gln = "", *from = "", *to = "";
    const struct option_entry options[] = {
        {"capture", OPTION_TEXT, &capture_id, 0, 0, "CAPTURE_ID", "those of one document"},
        {"lot", OPTION_TEXT, &gtin, 0, 0, "GTIN", "those of a lot, which is named after it"},
        {"gln", OPTION_TEXT, &gln, 0, 0, "GLN", "those at a place"},
        {"from", OPTION_TEXT, &from, 0, 0, "TIME", "with --gln: from this time on"},
        {"to", OPTION_TEXT, &to, 0, 0, "TIME", "with --gln: before this time"},
        CTL_COMMON_OPTIONS(common),
    };
    struct client *client = NULL;
    Epcis__V1__ListEventsRequest request = EPCIS__V1__LIST_EVENTS_REQUEST__INIT;

    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if ((capture_id[0] != 0) + (gtin[0] != 0) + (gln[0] != 0) != 1)
        options_fail(argv[0], "one of --capture, --lot and --gln is expected");
    if (gtin[0] && argc != 2)
        options_fail(argv[0], "--lot is followed by a GTIN and a LOT");
    if (!gtin[0] && argc != 1)
        options_fail(argv[0], "unexpected argument '%s'", argv[1]);
    if (!gln[0] && (from[0] || to[0]))
        options_fail(argv[0], "--from and --to go with --gln");
    request.capture_id = (char *)capture_id;
    request.gtin = (char *)gtin;
    request.lot = gtin[0] ? argv[1] : request.lot;
    request.gln = (char *)gln;
    request.from_ms = ctl_time_ms(argv[0], "from", from);
    request.to_ms = ctl_time_ms(argv[0], "to", to);
    if (ctl_connect(&common, &client))
        return CTL_ERROR;
    const char *what = capture_id[0] ? capture_id : gtin[0] ? argv[1] : gln;
    int code = list_events(client, &common, what, &request);
    client_close(&client);
    return code;
}
