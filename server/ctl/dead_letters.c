#include <stdio.h>

#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"

static const char usage[] =
    "Usage: epcisctl dead-letters [OPTIONS]\n"
    "\n"
    "Lists the events and documents that were refused, each with its reasons: the rule's\n"
    "code, the field and value that broke it, and what would be right.\n"
    "\n"
    "Examples:\n"
    "  epcisctl dead-letters --capture 0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10\n"
    "  epcisctl dead-letters --json | jq -r .code | sort | uniq -c\n"
    "\n"
    "Exit codes: 0 listed (even where there are none), 1 error, 2 wrong usage.\n";

static void append_page(struct buffer *out, bool json, const Epcis__V1__ListDeadLettersResponse *page)
{
    for (size_t i = 0; i < page->n_dead_letters; i++) {
        if (json) {
            output_dead_letter_json(out, page->dead_letters[i]);
            buffer_append_text(out, "\n");
        } else {
            output_dead_letter_text(out, page->dead_letters[i]);
        }
    }
}

int ctl_dead_letters(int argc, char **argv)
{
    struct ctl_common common = ctl_common_default();
    const char *capture_id = "";
    const struct option_entry options[] = {
        {"capture", OPTION_TEXT, &capture_id, 0, 0, "CAPTURE_ID", "only those of one document"},
        CTL_COMMON_OPTIONS(common),
    };
    struct client *client = NULL;
    Epcis__V1__ListDeadLettersRequest request = EPCIS__V1__LIST_DEAD_LETTERS_REQUEST__INIT;
    Epcis__V1__ListDeadLettersResponse *page = NULL;
    struct buffer out = {0};
    int code = CTL_ERROR;

    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (argc != 1)
        options_fail(argv[0], "unexpected argument '%s': --capture names a document", argv[1]);
    if (client_open(common.server, &client))
        goto out;
    request.capture_id = (char *)capture_id;
    int64_t deadline_ms = ctl_deadline_ms(&common);
    do {
        struct client_status status;
        ProtobufCMessage *message;
        client_call(client, "/epcis.v1.DeadLetterService/ListDeadLetters", &request.base,
                    &epcis__v1__list_dead_letters_response__descriptor, deadline_ms, &message, &status);
        if (page) /* the request's token was its */
            epcis__v1__list_dead_letters_response__free_unpacked(page, NULL);
        page = (Epcis__V1__ListDeadLettersResponse *)message;
        if (!page) {
            code = ctl_call_failed(&common, "dead letters", &status);
            goto out;
        }
        append_page(&out, common.json, page);
        if (output_flush(&out))
            goto out;
        request.page_token = page->next_page_token;
    } while (page->next_page_token[0]);
    code = CTL_OK;
out:
    if (page)
        epcis__v1__list_dead_letters_response__free_unpacked(page, NULL);
    buffer_free(&out);
    client_close(&client);
    return code;
}
