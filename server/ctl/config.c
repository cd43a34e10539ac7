#include <stdio.h>
#include <string.h>

#include "common/base/json_text.h"
#include "epcis/v1/server_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"

static const char usage[] =
    "Usage: epcisctl config [OPTIONS]\n"
    "\n"
    "Prints what a server and its workers run with: each option with its value and default,\n"
    "whether the command line set it, the program itself (derived) or neither, and what it means.\n"
    "\n"
    "Examples:\n"
    "  epcisctl config\n"
    "  epcisctl config --json | jq -r 'select(.source != \"default\") | \"\\(.name)=\\(.value)\"'\n"
    "\n"
    "Exit codes: 0 printed, 1 error, 2 wrong usage.\n";

/* Whose options; worker_id and rule_pack are NULL for the server's. */
struct program {
    const char *name, *worker_id, *rule_pack;
    Epcis__V1__ConfigOption **options;
    size_t count;
};

static const char *source_name(Epcis__V1__ConfigSource source)
{
    static const char *const names[] = {
        [EPCIS__V1__CONFIG_SOURCE__CONFIG_SOURCE_DEFAULT] = "default",
        [EPCIS__V1__CONFIG_SOURCE__CONFIG_SOURCE_COMMAND_LINE] = "command line",
        [EPCIS__V1__CONFIG_SOURCE__CONFIG_SOURCE_DERIVED] = "derived",
    };
    const char *name = (size_t)source < sizeof names / sizeof names[0] ? names[source] : NULL;
    return name ? name : "unknown";
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

/* What JSON says as it is; all else is a text. */
static bool is_plain(Epcis__V1__ConfigOptionKind kind, const char *text)
{
    if (kind == EPCIS__V1__CONFIG_OPTION_KIND__CONFIG_OPTION_KIND_FLAG)
        return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
    return kind == EPCIS__V1__CONFIG_OPTION_KIND__CONFIG_OPTION_KIND_NUMBER && text[0] &&
           strspn(text, "0123456789") == strlen(text);
}

static void append_json_value(struct buffer *out, Epcis__V1__ConfigOptionKind kind, char **values,
                              size_t count)
{
    bool list = kind == EPCIS__V1__CONFIG_OPTION_KIND__CONFIG_OPTION_KIND_LIST;
    if (list)
        buffer_append_text(out, "[");
    else if (!count)
        buffer_append_text(out, "null");
    else
        count = 1;
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i ? ", " : "");
        if (is_plain(kind, values[i]))
            buffer_append_text(out, values[i]);
        else
            json_append_string(out, values[i]);
    }
    buffer_append_text(out, list ? "]" : "");
}

static void append_json(struct buffer *out, const struct program *program,
                        const Epcis__V1__ConfigOption *option)
{
    buffer_printf(out, "{\"program\": \"%s\", \"worker_id\": ", program->name);
    json_append_string(out, program->worker_id);
    buffer_append_text(out, ", \"name\": ");
    json_append_string(out, option->name);
    buffer_append_text(out, ", \"value\": ");
    append_json_value(out, option->kind, option->values, option->n_values);
    buffer_append_text(out, ", \"default\": ");
    append_json_value(out, option->kind, option->defaults, option->n_defaults);
    buffer_printf(out, ", \"source\": \"%s\", \"unit\": ", source_name(option->source));
    json_append_string(out, option->unit[0] ? option->unit : NULL);
    buffer_append_text(out, ", \"meaning\": ");
    json_append_string(out, option->meaning);
    buffer_append_text(out, "}\n");
}

/* ---- text ------------------------------------------------------------------------------------------- */

/* At least `width` wide, and two blanks. */
static void append_column(struct buffer *out, int width, char *const *texts, size_t count)
{
    size_t start = out->length;
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i ? " " : "");
        output_foreign_text(out, texts[i]);
    }
    if (!count)
        buffer_append_text(out, "-");
    int length = (int)(out->length - start);
    buffer_printf(out, "%*s  ", length < width ? width - length : 0, "");
}

enum { NAME_WIDTH = 24, VALUE_WIDTH = 20 };

static void append_text(struct buffer *out, const Epcis__V1__ConfigOption *option)
{
    append_column(out, NAME_WIDTH, &option->name, 1);
    append_column(out, VALUE_WIDTH, option->values, option->n_values);
    append_column(out, VALUE_WIDTH, option->defaults, option->n_defaults);
    buffer_printf(out, "%s\n    ", source_name(option->source));
    output_foreign_text(out, option->meaning);
    if (option->kind == EPCIS__V1__CONFIG_OPTION_KIND__CONFIG_OPTION_KIND_NUMBER) {
        buffer_append_text(out, " [");
        output_foreign_text(out, option->unit);
        buffer_append_text(out, "]");
    }
    buffer_append_text(out, "\n");
}

static void append_heading(struct buffer *out, const struct program *program)
{
    buffer_append_text(out, program->name);
    if (program->worker_id) {
        buffer_append_text(out, " ");
        output_foreign_text(out, program->worker_id);
        buffer_append_text(out, ", rules ");
        output_foreign_text(out, program->rule_pack);
    }
    buffer_printf(out, program->count ? "\n%-*s  %-*s  %-*s  set by\n" : ": it does not tell its options\n",
                  NAME_WIDTH, "option", VALUE_WIDTH, "value", VALUE_WIDTH, "default");
}

/* ---- the command ------------------------------------------------------------------------------------ */

static void append_program(struct buffer *out, bool json, const struct program *program)
{
    if (!json)
        append_heading(out, program);
    for (size_t i = 0; i < program->count; i++)
        if (json)
            append_json(out, program, program->options[i]);
        else
            append_text(out, program->options[i]);
}

static void append_config(struct buffer *out, bool json, const Epcis__V1__GetConfigResponse *config)
{
    const struct program server = {"epcis-server", NULL, NULL, config->options, config->n_options};
    append_program(out, json, &server);
    for (size_t i = 0; i < config->n_workers; i++) {
        const Epcis__V1__WorkerConfig *told = config->workers[i];
        const struct program worker = {"epcis-worker", told->worker_id, told->rule_pack, told->options,
                                       told->n_options};
        buffer_append_text(out, json ? "" : "\n");
        append_program(out, json, &worker);
    }
}

int ctl_config(int argc, char **argv)
{
    struct ctl_common common = ctl_common_default();
    const struct option_entry options[] = {CTL_COMMON_OPTIONS(common)};
    const Epcis__V1__GetConfigRequest request = EPCIS__V1__GET_CONFIG_REQUEST__INIT;
    struct client *client = NULL;
    struct client_status called;
    ProtobufCMessage *message = NULL;
    struct buffer out = {0};
    int code = CTL_ERROR;

    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (argc != 1)
        options_fail(argv[0], "unexpected argument '%s'", argv[1]);
    if (ctl_connect(&common, &client))
        goto out;
    client_call(client, "/epcis.v1.ServerService/GetConfig", &request.base,
                &epcis__v1__get_config_response__descriptor, ctl_deadline_ms(&common), &message, &called);
    if (called.code) {
        code = ctl_call_failed(&common, "config", &called);
        goto out;
    }
    append_config(&out, common.json, (const Epcis__V1__GetConfigResponse *)message);
    code = output_flush(&out) ? CTL_ERROR : CTL_OK;
out:
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
    buffer_free(&out);
    client_close(&client);
    return code;
}
