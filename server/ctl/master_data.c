#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json_text.h"
#include "epcis/v1/master_data_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/master_import.h"
#include "server/ctl/output.h"
#include "server/ctl/pages.h"

static const char usage[] =
    "Usage: epcisctl master-data list [TYPE]\n"
    "       epcisctl master-data show TYPE ID\n"
    "       epcisctl master-data import FILE...\n"
    "\n"
    "Master data of products, places and parties, as documents brought it in their headers. list\n"
    "shows what is current, show every version of one identifier, newest first. TYPE is a vocabulary\n"
    "or its short name (EPCClass, Location, Party); every spelling of ID finds the same. import reads\n"
    "EPCIS documents here (any syntax; '-' is standard input), sends their master data without their\n"
    "events, and prints the receipts.\n"
    "\n"
    "Examples:\n"
    "  epcisctl master-data list EPCClass\n"
    "  epcisctl master-data show Party urn:epc:id:pgln:0614141.00001\n"
    "  epcisctl master-data import --partner 0614141000012 catalogue.xml\n"
    "\n"
    "Exit codes: 0 as asked, 1 error (also: nothing known), 2 wrong usage.\n";

struct command {
    struct ctl_common common;
    const char *partner;
    struct client *client;
    int64_t deadline_ms;
    struct buffer out;
};

/* ---- output ----------------------------------------------------------------------------------------- */

static void append_member(struct buffer *out, const char *before, const char *name, const char *value)
{
    buffer_printf(out, "%s\"%s\": ", before, name);
    json_append_string(out, value && value[0] ? value : NULL);
}

static void append_json(struct buffer *out, const Epcis__V1__MasterData *data)
{
    const Epcis__V1__VocabularyElement *element = data->element;
    append_member(out, "{", "type", element->type);
    append_member(out, ", ", "id", element->id);
    buffer_printf(out, ", \"version\": %" PRIu32, data->version);
    append_member(out, ", ", "capture_id", data->capture_id);
    append_member(out, ", ", "partner", data->partner);
    buffer_printf(out, ", \"received_ms\": %" PRId64 ", \"attributes\": [", data->received_ms);
    for (size_t i = 0; i < element->n_attributes; i++) {
        append_member(out, i ? ", {" : "{", "id", element->attributes[i]->id);
        append_member(out, ", ", "value", element->attributes[i]->value);
        buffer_append_text(out, "}");
    }
    buffer_append_text(out, "], \"children\": [");
    for (size_t i = 0; i < element->n_children; i++) {
        buffer_append_text(out, i ? ", " : "");
        json_append_string(out, element->children[i]);
    }
    buffer_append_text(out, "]}\n");
}

static void append_text(struct buffer *out, const Epcis__V1__MasterData *data)
{
    const Epcis__V1__VocabularyElement *element = data->element;
    output_foreign_text(out, element->id);
    buffer_append_text(out, "  ");
    output_foreign_text(out, element->type);
    buffer_printf(out, "  version %" PRIu32 "%s", data->version, data->partner[0] ? " of " : "");
    output_foreign_text(out, data->partner);
    buffer_append_text(out, "\n");
    for (size_t i = 0; i < element->n_attributes; i++) {
        buffer_append_text(out, "    ");
        output_foreign_text(out, element->attributes[i]->id);
        buffer_append_text(out, " = ");
        output_foreign_text(out, element->attributes[i]->n_children ? "(a structure)"
                                                                    : element->attributes[i]->value);
        buffer_append_text(out, "\n");
    }
}

static void append_data(struct command *command, const Epcis__V1__MasterData *data)
{
    if (!data || !data->element)
        return;
    if (command->common.json)
        append_json(&command->out, data);
    else
        append_text(&command->out, data);
}

/* ---- list and show ---------------------------------------------------------------------------------- */

/* The vocabulary that a short name stands for; others are as they are. */
static const char *full_type(const char *type, char out[128])
{
    if (!type[0] || strchr(type, ':') || strlen(type) > 64)
        return type;
    snprintf(out, 128, "urn:epcglobal:epcis:vtype:%s", type);
    return out;
}

static int list(struct command *command, const char *type)
{
    Epcis__V1__ListMasterDataRequest request = EPCIS__V1__LIST_MASTER_DATA_REQUEST__INIT;
    Epcis__V1__ListMasterDataResponse *page;
    struct pages pages = {.common = &command->common,
                          .client = command->client,
                          .deadline_ms = command->deadline_ms,
                          .what = "master data",
                          .method = "/epcis.v1.MasterDataService/ListMasterData",
                          .request = &request.base,
                          .token = &request.page_token,
                          .type = &epcis__v1__list_master_data_response__descriptor};
    char full[128];
    request.type_prefix = (char *)(uintptr_t)full_type(type, full);
    while (pages_next(&pages, &page)) {
        for (size_t i = 0; i < page->n_master_data; i++)
            append_data(command, page->master_data[i]);
        pages.code = output_flush(&command->out) ? CTL_ERROR : CTL_OK;
    }
    return pages.code;
}

static int show(struct command *command, const char *type, char *id)
{
    Epcis__V1__GetMasterDataRequest request = EPCIS__V1__GET_MASTER_DATA_REQUEST__INIT;
    Epcis__V1__GetMasterDataResponse *page;
    struct pages pages = {.common = &command->common,
                          .client = command->client,
                          .deadline_ms = command->deadline_ms,
                          .what = id,
                          .method = "/epcis.v1.MasterDataService/GetMasterData",
                          .request = &request.base,
                          .token = &request.page_token,
                          .type = &epcis__v1__get_master_data_response__descriptor};
    char full[128];
    bool first = true;
    request.type = (char *)(uintptr_t)full_type(type, full);
    request.id = id;
    for (; pages_next(&pages, &page); first = false) {
        if (first)
            append_data(command, page->current);
        for (size_t i = 0; i < page->n_older; i++)
            append_data(command, page->older[i]);
        pages.code = output_flush(&command->out) ? CTL_ERROR : CTL_OK;
    }
    return pages.code;
}

/* ---- import ----------------------------------------------------------------------------------------- */

/* One request's worth of a file. */
static int send_elements(void *context, const char *file, Epcis__V1__VocabularyElement **elements,
                         size_t count)
{
    struct command *command = context;
    struct client_status status;
    ProtobufCMessage *message;
    Epcis__V1__PutMasterDataRequest request = EPCIS__V1__PUT_MASTER_DATA_REQUEST__INIT;
    request.elements = elements;
    request.n_elements = count;
    request.partner = (char *)(uintptr_t)command->partner;
    client_call(command->client, "/epcis.v1.MasterDataService/PutMasterData", &request.base,
                &epcis__v1__put_master_data_response__descriptor, command->deadline_ms, &message, &status);
    Epcis__V1__PutMasterDataResponse *response = (Epcis__V1__PutMasterDataResponse *)message;
    if (!response)
        return ctl_call_failed(&command->common, file, &status);
    const char *capture_id = response->receipt ? response->receipt->capture_id : "";
    struct buffer *out = &command->out;
    if (command->common.json) {
        append_member(out, "{", "file", file);
        buffer_printf(out, ", \"elements\": %zu", count);
        append_member(out, ", ", "capture_id", capture_id);
        buffer_append_text(out, "}\n");
    } else {
        buffer_printf(out, "%s: %zu %s\n  capture  %s\n", file, count,
                      count == 1 ? "element received" : "elements received", capture_id);
    }
    epcis__v1__put_master_data_response__free_unpacked(response, NULL);
    return output_flush(out) ? CTL_ERROR : CTL_OK;
}

static int import(struct command *command, char **files)
{
    int code = CTL_OK;
    for (; *files && code == CTL_OK; files++)
        code = master_import_file(*files, send_elements, command);
    return code;
}

int ctl_master_data(int argc, char **argv)
{
    struct command command = {.common = ctl_common_default(), .partner = ""};
    const struct option_entry options[] = {
        {"partner", OPTION_TEXT, &command.partner, 0, 0, "GLN", "import: whose master data it is"},
        CTL_COMMON_OPTIONS(command.common),
    };
    int code = CTL_ERROR;
    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    const char *verb = argc > 1 ? argv[1] : "";
    bool wants_list = strcmp(verb, "list") == 0 && argc <= 3;
    bool wants_show = strcmp(verb, "show") == 0 && argc == 4;
    bool wants_import = strcmp(verb, "import") == 0 && argc >= 3;
    if (!wants_list && !wants_show && !wants_import)
        options_fail(argv[0], "list [TYPE], show TYPE ID or import FILE... is expected");
    if (ctl_connect(&command.common, &command.client))
        return CTL_ERROR;
    command.deadline_ms = ctl_deadline_ms(&command.common);
    if (wants_list)
        code = list(&command, argc > 2 ? argv[2] : "");
    else if (wants_show)
        code = show(&command, argv[2], argv[3]);
    else
        code = import(&command, argv + 2);
    buffer_free(&command.out);
    client_close(&command.client);
    return code;
}
