#include "server/ctl/dead_letters.h"

#include <stdio.h>
#include <string.h>

#include "server/ctl/letter.h"
#include "server/ctl/output.h"
#include "server/ctl/pages.h"

static const char usage[] =
    "Usage: epcisctl dead-letters [list] [FILTERS]\n"
    "       epcisctl dead-letters show ID...\n"
    "       epcisctl dead-letters resubmit ID... --by NAME --why TEXT [--file CORRECTED]\n"
    "       epcisctl dead-letters discard ID... --by NAME --why TEXT\n"
    "       epcisctl dead-letters resubmit|discard FILTERS --yes --by NAME --why TEXT\n"
    "       epcisctl dead-letters export [FILTERS]\n"
    "\n"
    "Lists the events and documents that were refused, each with its reasons: the rule's\n"
    "code, the field and value that broke it, and what would be right. 'show' prints one\n"
    "with its event and what became of it. 'resubmit' sends its event in again, as it is or\n"
    "as it stands in the file CORRECTED (a document of one event, '-' for standard input);\n"
    "'discard' closes it without. Both can be done once, and are kept with who and why.\n"
    "'export' prints the events as one EPCIS 2.0 JSON-LD document with the reasons beside\n"
    "each, to be sent to the partner. TIME is like 2025-01-06T08:00:00-05:00 or 2025-01-06;\n"
    "without an offset it is UTC.\n"
    "\n"
    "Examples:\n"
    "  epcisctl dead-letters --capture 0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10\n"
    "  epcisctl dead-letters --json | jq -r .code | sort | uniq -c\n"
    "  epcisctl dead-letters resubmit 17 --file fixed.json --by 'A. Smith' --why 'wrong lot'\n"
    "  epcisctl dead-letters discard --code STALE_EVENT --yes --by 'A. Smith' --why 'test data'\n"
    "  epcisctl dead-letters export --state open --partner 0614141000005 > to-partner.json\n"
    "\n"
    "Exit codes: 0 done (even where there are none), 1 error, 2 wrong usage, 3 some could\n"
    "only be resubmitted corrected and were left open.\n";

/* ---- pages and single ones ---------------------------------------------------------------------------- */

int letters_each_page(const struct letters_command *command,
                      int (*use)(const struct letters_command *command,
                                 const Epcis__V1__ListDeadLettersResponse *page, void *context),
                      void *context)
{
    Epcis__V1__ListDeadLettersRequest request = command->filter;
    Epcis__V1__ListDeadLettersResponse *page;
    struct pages pages = {.common = &command->common,
                          .client = command->client,
                          .deadline_ms = command->deadline_ms,
                          .what = "dead letters",
                          .method = "/epcis.v1.DeadLetterService/ListDeadLetters",
                          .request = &request.base,
                          .token = &request.page_token,
                          .type = &epcis__v1__list_dead_letters_response__descriptor};
    while (pages_next(&pages, &page))
        pages.code = use(command, page, context);
    return pages.code;
}

Epcis__V1__GetDeadLetterResponse *letters_get(const struct letters_command *command,
                                              const char *dead_letter_id)
{
    Epcis__V1__GetDeadLetterRequest request = EPCIS__V1__GET_DEAD_LETTER_REQUEST__INIT;
    struct client_status status;
    ProtobufCMessage *message;
    request.dead_letter_id = (char *)(uintptr_t)dead_letter_id;
    client_call(command->client, "/epcis.v1.DeadLetterService/GetDeadLetter", &request.base,
                &epcis__v1__get_dead_letter_response__descriptor, command->deadline_ms, &message, &status);
    Epcis__V1__GetDeadLetterResponse *response = (Epcis__V1__GetDeadLetterResponse *)message;
    if (response && !response->dead_letter) {
        status = (struct client_status){.code = CLIENT_INTERNAL, .message = "the answer is empty"};
        epcis__v1__get_dead_letter_response__free_unpacked(response, NULL);
        response = NULL;
    }
    if (!response)
        ctl_call_failed(&command->common, dead_letter_id, &status);
    return response;
}

/* ---- list and show ------------------------------------------------------------------------------------ */

static int print_page(const struct letters_command *command, const Epcis__V1__ListDeadLettersResponse *page,
                      void *context)
{
    struct buffer *out = context;
    for (size_t i = 0; i < page->n_dead_letters; i++) {
        if (command->common.json) {
            output_dead_letter_json(out, page->dead_letters[i]);
            buffer_append_text(out, "\n");
        } else {
            output_dead_letter_text(out, page->dead_letters[i]);
        }
    }
    return output_flush(out) ? CTL_ERROR : CTL_OK;
}

static int list(const struct letters_command *command)
{
    struct buffer out = {0};
    if (command->id_count > 0)
        options_fail("epcisctl dead-letters",
                     "unexpected argument '%s': 'show' takes ids, and --capture names "
                     "a document",
                     command->ids[0]);
    int code = letters_each_page(command, print_page, &out);
    buffer_free(&out);
    return code;
}

static int show(const struct letters_command *command)
{
    struct buffer out = {0};
    int code = CTL_OK;
    if (command->id_count == 0)
        options_fail("epcisctl dead-letters", "show: an ID is expected");
    for (int i = 0; i < command->id_count; i++) {
        Epcis__V1__GetDeadLetterResponse *found = letters_get(command, command->ids[i]);
        if (!found) {
            code = CTL_ERROR;
            continue;
        }
        if (command->common.json) {
            letter_append_json(&out, found->dead_letter);
            buffer_append_text(&out, "\n");
        } else {
            letter_append_text(&out, found->dead_letter);
        }
        epcis__v1__get_dead_letter_response__free_unpacked(found, NULL);
        if (output_flush(&out))
            code = CTL_ERROR;
    }
    buffer_free(&out);
    return code;
}

/* ---- the command line --------------------------------------------------------------------------------- */

static Epcis__V1__DeadLetterState read_state(const char *text)
{
    if (!text)
        return EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_UNSPECIFIED;
    for (int state = EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_OPEN;
         state <= EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_DISCARDED; state++)
        if (strcmp(text, output_letter_state_name((Epcis__V1__DeadLetterState)state)) == 0)
            return (Epcis__V1__DeadLetterState)state;
    options_fail("epcisctl dead-letters", "--state takes open, resubmitted or discarded, not '%s'", text);
}

static const struct {
    const char *name;
    int (*run)(const struct letters_command *command);
} actions[] = {{"list", list},
               {"show", show},
               {"resubmit", letters_resubmit},
               {"discard", letters_discard},
               {"export", letters_export}};

int ctl_dead_letters(int argc, char **argv)
{
    struct letters_command command = {.common = ctl_common_default()};
    epcis__v1__list_dead_letters_request__init(&command.filter);
    const char *from = "", *to = "", *state = NULL;
    const char *capture = NULL, *partner = NULL, *code = NULL, *gtin = NULL;
    const struct option_entry options[] = {
        {"capture", OPTION_TEXT, &capture, 0, 0, "CAPTURE_ID", "only those of one document"},
        {"partner", OPTION_TEXT, &partner, 0, 0, "GLN", "only those of one trading partner"},
        {"code", OPTION_TEXT, &code, 0, 0, "CODE", "only those refused for this reason, among others"},
        {"gtin", OPTION_TEXT, &gtin, 0, 0, "GTIN", "only those that name this product (14 digits)"},
        {"from", OPTION_TEXT, &from, 0, 0, "TIME", "only those refused at this time or later"},
        {"to", OPTION_TEXT, &to, 0, 0, "TIME", "only those refused before this time"},
        {"state", OPTION_TEXT, &state, 0, 0, "STATE", "only those open, resubmitted or discarded"},
        {"file", OPTION_TEXT, &command.file, 0, 0, "CORRECTED", "resubmit: the event, corrected"},
        {"by", OPTION_TEXT, &command.by, 0, 0, "NAME", "resubmit, discard: who does it"},
        {"why", OPTION_TEXT, &command.why, 0, 0, "TEXT", "resubmit, discard: why"},
        {"yes", OPTION_FLAG, &command.yes, 0, 0, NULL, "resubmit, discard: all that fit"},
        CTL_COMMON_OPTIONS(command.common),
    };
    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    command.filter.refused_from_ms = ctl_time_ms(argv[0], "from", from);
    command.filter.refused_until_ms = ctl_time_ms(argv[0], "to", to);
    command.filter.state = read_state(state);
    command.filter.capture_id = (char *)(uintptr_t)(capture ? capture : "");
    command.filter.partner = (char *)(uintptr_t)(partner ? partner : "");
    command.filter.code = (char *)(uintptr_t)(code ? code : "");
    command.filter.gtin = (char *)(uintptr_t)(gtin ? gtin : "");
    command.filtered = capture || partner || code || gtin || from[0] || to[0] || state;
    const char *action = argc > 1 ? argv[1] : "list";
    command.ids = argv + 2;
    command.id_count = argc > 2 ? argc - 2 : 0;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(action, actions[i].name) != 0)
            continue;
        if (ctl_connect(&command.common, &command.client))
            return CTL_ERROR;
        command.deadline_ms = ctl_deadline_ms(&command.common);
        int exit_code = actions[i].run(&command);
        client_close(&command.client);
        return exit_code;
    }
    options_fail(argv[0],
                 "no action '%s': list, show, resubmit, discard or export; --capture names a document",
                 action);
}
