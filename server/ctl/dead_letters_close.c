/* `epcisctl dead-letters resubmit` and `discard`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json_text.h"
#include "server/ctl/dead_letters.h"
#include "server/ctl/output.h"
#include "server/ctl/pages.h"

enum { CORRECTED_MAX = 4 << 20 };

static const char program[] = "epcisctl dead-letters";

static void check_deed(const struct letters_command *command, const char *action)
{
    if (!command->by || !command->by[0] || !command->why || !command->why[0])
        options_fail(program, "%s: --by NAME and --why TEXT are expected", action);
    if (command->id_count > 0 && command->filtered)
        options_fail(program, "%s: either IDs or filters are expected, not both", action);
    if (command->id_count == 0 && !command->filtered)
        options_fail(program, "%s: IDs are expected, or filters", action);
    if (command->id_count == 0 && !command->yes)
        options_fail(program,
                     "%s: closes all open ones that fit: say --yes too ('list --state open' shows them)",
                     action);
}

static int print_closed(const struct letters_command *command, const char *dead_letter_id, const char *state,
                        const char *capture_id)
{
    struct buffer out = {0};
    if (command->common.json) {
        buffer_append_text(&out, "{\"dead_letter_id\": ");
        json_append_string(&out, dead_letter_id);
        buffer_printf(&out, ", \"state\": \"%s\", \"capture_id\": ", state);
        json_append_string(&out, capture_id);
        buffer_append_text(&out, "}\n");
    } else {
        buffer_printf(&out, "%s: %s%s%s\n", dead_letter_id, state, capture_id ? " as capture " : "",
                      capture_id ? capture_id : "");
    }
    int code = output_flush(&out) ? CTL_ERROR : CTL_OK;
    buffer_free(&out);
    return code;
}

/* An error outweighs what was left open. */
static int worse(int a, int b)
{
    if (a == CTL_ERROR || b == CTL_ERROR)
        return CTL_ERROR;
    return a == CTL_OK ? b : a;
}

/* ---- one by one --------------------------------------------------------------------------------------- */

static enum err read_corrected(const char *file, struct buffer *out)
{
    FILE *from = strcmp(file, "-") == 0 ? stdin : fopen(file, "rb");
    size_t bytes = 1;
    if (!from) {
        fprintf(stderr, "epcisctl: %s: %s\n", file, strerror(errno));
        return ERR_SYSTEM;
    }
    while (bytes > 0 && out->length <= CORRECTED_MAX) {
        uint8_t *room = buffer_reserve(out, BUFSIZ);
        bytes = room ? fread(room, 1, BUFSIZ, from) : 0;
        out->length += bytes;
    }
    bool failed = ferror(from);
    if (from != stdin)
        fclose(from);
    if (failed || out->failed || out->length == 0 || out->length > CORRECTED_MAX) {
        fprintf(stderr, "epcisctl: %s: %s\n", file,
                failed             ? "cannot be read"
                : out->failed      ? "out of memory"
                : out->length == 0 ? "is empty"
                                   : "is more than one event takes");
        return ERR_INPUT;
    }
    return ERR_OK;
}

static int resubmit_one(const struct letters_command *command, const char *id, const struct buffer *corrected)
{
    Epcis__V1__ResubmitDeadLetterRequest request = EPCIS__V1__RESUBMIT_DEAD_LETTER_REQUEST__INIT;
    ProtobufCMessage *message;
    struct client_status status;
    request.dead_letter_id = (char *)(uintptr_t)id;
    request.who = (char *)(uintptr_t)command->by;
    request.why = (char *)(uintptr_t)command->why;
    request.corrected = (ProtobufCBinaryData){corrected->length, corrected->data};
    client_call(command->client, "/epcis.v1.DeadLetterService/ResubmitDeadLetter", &request.base,
                &epcis__v1__resubmit_dead_letter_response__descriptor, command->deadline_ms, &message,
                &status);
    if (!message)
        return ctl_call_failed(&command->common, id, &status);
    int code = print_closed(command, id, "resubmitted",
                            ((Epcis__V1__ResubmitDeadLetterResponse *)message)->capture_id);
    protobuf_c_message_free_unpacked(message, NULL);
    return code;
}

static int discard_one(const struct letters_command *command, const char *id)
{
    Epcis__V1__DiscardDeadLetterRequest request = EPCIS__V1__DISCARD_DEAD_LETTER_REQUEST__INIT;
    ProtobufCMessage *message;
    struct client_status status;
    request.dead_letter_id = (char *)(uintptr_t)id;
    request.who = (char *)(uintptr_t)command->by;
    request.why = (char *)(uintptr_t)command->why;
    client_call(command->client, "/epcis.v1.DeadLetterService/DiscardDeadLetter", &request.base,
                &epcis__v1__discard_dead_letter_response__descriptor, command->deadline_ms, &message,
                &status);
    if (!message)
        return ctl_call_failed(&command->common, id, &status);
    protobuf_c_message_free_unpacked(message, NULL);
    return print_closed(command, id, "discarded", NULL);
}

/* ---- pages -------------------------------------------------------------------------------------------- */

static int print_resubmissions(const struct letters_command *command,
                               const Epcis__V1__ResubmitDeadLettersResponse *page)
{
    int code = CTL_OK;
    for (size_t i = 0; i < page->n_resubmissions; i++)
        code = worse(code, print_closed(command, page->resubmissions[i]->dead_letter_id, "resubmitted",
                                        page->resubmissions[i]->capture_id));
    for (size_t i = 0; i < page->n_left_open_ids; i++) {
        fprintf(stderr,
                "epcisctl: %s: left open: it holds no event that can be sent; correct it with --file\n",
                page->left_open_ids[i]);
        code = worse(code, CTL_REFUSED);
    }
    return code;
}

static int resubmit_pages(const struct letters_command *command)
{
    Epcis__V1__ListDeadLettersRequest filter = command->filter;
    Epcis__V1__ResubmitDeadLettersRequest request = EPCIS__V1__RESUBMIT_DEAD_LETTERS_REQUEST__INIT;
    Epcis__V1__ResubmitDeadLettersResponse *page;
    struct pages pages = {.common = &command->common,
                          .client = command->client,
                          .deadline_ms = command->deadline_ms,
                          .what = "dead letters",
                          .method = "/epcis.v1.DeadLetterService/ResubmitDeadLetters",
                          .request = &request.base,
                          .token = &filter.page_token,
                          .type = &epcis__v1__resubmit_dead_letters_response__descriptor};
    int code = CTL_OK;
    request.filter = &filter;
    request.who = (char *)(uintptr_t)command->by;
    request.why = (char *)(uintptr_t)command->why;
    while (pages_next(&pages, &page))
        code = worse(code, print_resubmissions(command, page));
    return pages.code ? pages.code : code;
}

static int discard_pages(const struct letters_command *command)
{
    Epcis__V1__ListDeadLettersRequest filter = command->filter;
    Epcis__V1__DiscardDeadLettersRequest request = EPCIS__V1__DISCARD_DEAD_LETTERS_REQUEST__INIT;
    Epcis__V1__DiscardDeadLettersResponse *page;
    struct pages pages = {.common = &command->common,
                          .client = command->client,
                          .deadline_ms = command->deadline_ms,
                          .what = "dead letters",
                          .method = "/epcis.v1.DeadLetterService/DiscardDeadLetters",
                          .request = &request.base,
                          .token = &filter.page_token,
                          .type = &epcis__v1__discard_dead_letters_response__descriptor};
    int code = CTL_OK;
    request.filter = &filter;
    request.who = (char *)(uintptr_t)command->by;
    request.why = (char *)(uintptr_t)command->why;
    while (pages_next(&pages, &page))
        for (size_t i = 0; i < page->n_dead_letter_ids; i++)
            code = worse(code, print_closed(command, page->dead_letter_ids[i], "discarded", NULL));
    return pages.code ? pages.code : code;
}

/* ---- the actions -------------------------------------------------------------------------------------- */

int letters_resubmit(const struct letters_command *command)
{
    struct buffer corrected = {0};
    int code = CTL_OK;
    check_deed(command, "resubmit");
    if (command->file && command->id_count != 1)
        options_fail(program, "resubmit: --file corrects one dead letter: one ID is expected");
    if (command->id_count == 0)
        return resubmit_pages(command);
    if (command->file && read_corrected(command->file, &corrected))
        code = CTL_ERROR;
    for (int i = 0; i < command->id_count && (i > 0 || code == CTL_OK); i++)
        code = worse(code, resubmit_one(command, command->ids[i], &corrected));
    buffer_free(&corrected);
    return code;
}

int letters_discard(const struct letters_command *command)
{
    int code = CTL_OK;
    check_deed(command, "discard");
    if (command->file)
        options_fail(program, "discard: --file is for resubmit");
    if (command->id_count == 0)
        return discard_pages(command);
    for (int i = 0; i < command->id_count; i++)
        code = worse(code, discard_one(command, command->ids[i]));
    return code;
}
