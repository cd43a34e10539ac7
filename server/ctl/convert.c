#include "server/ctl/convert.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json_text.h"
#include "common/base/options.h"
#include "common/epcis/event_hash.h"
#include "common/epcis/event_text.h"
#include "common/epcis/parser.h"
#include "common/epcis/writer.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"

enum { PIECE_BYTES = 64 * 1024 };

static const char usage[] =
    "Usage: epcisctl convert FILE [--to json|xml20|xml12]\n"
    "\n"
    "Reads an EPCIS document (1.2 XML, 2.0 XML or 2.0 JSON-LD, gzip and Zstandard too; - for standard\n"
    "input) here, without a server. Without --to, prints one JSON object a line for each event: index,\n"
    "type, event_time, action, epcs, event_hash, error (code, message, field, value, path, line,\n"
    "byte_offset). With --to, prints the document in another syntax;\n"
    "elements that stand in a wrong order are put right, and standard error says so.\n"
    "\n"
    "Example:\n"
    "  epcisctl convert shipment.xml --to json >shipment.json\n"
    "\n"
    "Exit codes: 0 all was read, 3 (--to) something was left out, and standard error says what and\n"
    "why, 1 the document is malformed, and what stands before the break was printed, 2 wrong usage.\n";

struct conversion {
    const char *name; /* of the input, for messages */
    struct event_hash *hash;
    struct buffer line;
    struct writer *writer; /* NULL: events are printed as lines */
    bool left_out;         /* something could not be read, or not be written in the other syntax */
};

static void append_text_or_null(struct buffer *line, const char *key, const char *text)
{
    buffer_printf(line, ",\"%s\":", key);
    json_append_string(line, text && text[0] ? text : NULL);
}

static void append_error(struct buffer *line, const struct parser_error *error)
{
    buffer_append_text(line, ",\"error\":");
    if (!error) {
        buffer_append_text(line, "null");
        return;
    }
    buffer_append_text(line, "{\"code\":");
    json_append_string(line, error->code);
    append_text_or_null(line, "message", error->message);
    append_text_or_null(line, "field", error->field);
    append_text_or_null(line, "value", error->value);
    append_text_or_null(line, "path", error->path);
    buffer_printf(line, ",\"line\":%llu,\"byte_offset\":%llu}", (unsigned long long)error->line,
                  (unsigned long long)error->byte_offset);
}

static size_t count_epcs(const Epcis__V1__Event *event)
{
    return event->n_epc_list + event->n_child_epcs + event->n_input_epc_list + event->n_output_epc_list +
           (event->parent_id[0] != '\0');
}

static enum err append_event(struct conversion *conversion, const Epcis__V1__Event *event)
{
    struct buffer *line = &conversion->line;
    char time[EVENT_TIME_TEXT], text[EVENT_HASH_TEXT];
    uint8_t hash[DIGEST_BYTES], content[DIGEST_BYTES];
    enum err err = event_hash_compute(conversion->hash, event, hash, content);
    if (err != ERR_OK)
        return err;
    event_hash_text(hash, text);
    event_time_text(event->event_time, time);
    bool invalid = event->event_time && event->event_time->invalid_text[0];
    const char *action = event_action_name(event->action);
    append_text_or_null(line, "type", event_type_name(event->type));
    append_text_or_null(line, "event_time", invalid ? event->event_time->invalid_text : time);
    append_text_or_null(line, "action", action[0] ? action : event->action_text);
    buffer_printf(line, ",\"epcs\":%zu", count_epcs(event));
    append_text_or_null(line, "event_hash", text);
    return ERR_OK;
}

static enum err print_event(void *context, const struct parser_event *event)
{
    static const char unknown[] =
        ",\"type\":null,\"event_time\":null,\"action\":null,\"epcs\":0,\"event_hash\":null";
    struct conversion *conversion = context;
    struct buffer *line = &conversion->line;
    enum err err = ERR_OK;
    buffer_clear(line);
    buffer_printf(line, "{\"index\":%llu", (unsigned long long)event->index);
    if (event->event)
        err = append_event(conversion, event->event);
    else
        buffer_append_text(line, unknown);
    append_error(line, event->error);
    buffer_append_text(line, "}\n");
    if (err == ERR_OK && line->failed)
        err = ERR_MEMORY;
    if (err == ERR_OK && fwrite(line->data, 1, line->length, stdout) != line->length)
        err = ERR_SYSTEM;
    return err;
}

/* ---- to another syntax ---- */

static enum err print_bytes(void *context, const void *data, size_t bytes)
{
    (void)context;
    return fwrite(data, 1, bytes, stdout) == bytes ? ERR_OK : ERR_SYSTEM;
}

static enum err write_document(void *context, const Epcis__V1__Document *document)
{
    struct conversion *conversion = context;
    return writer_document(conversion->writer, document);
}

static enum err write_vocabulary_element(void *context, const Epcis__V1__VocabularyElement *element)
{
    struct conversion *conversion = context;
    const char *reason;
    enum err err = writer_vocabulary_element(conversion->writer, element, &reason);
    if (err != ERR_INPUT)
        return err;
    output_complain("%s: master data of %s left out: %s", conversion->name, element->id, reason);
    conversion->left_out = true;
    return ERR_OK;
}

static enum err write_event(void *context, const struct parser_event *event)
{
    struct conversion *conversion = context;
    const char *reason = event->error ? event->error->message : NULL;
    enum err err = event->event ? writer_event(conversion->writer, event->event, &reason) : ERR_INPUT;
    if (err == ERR_OK && event->error)
        output_complain("%s:%llu: event %llu mended: %s", conversion->name, (unsigned long long)event->line,
                        (unsigned long long)event->index, event->error->message);
    if (err != ERR_INPUT)
        return err;
    output_complain("%s:%llu: event %llu left out: %s", conversion->name, (unsigned long long)event->line,
                    (unsigned long long)event->index, reason);
    conversion->left_out = true;
    return ERR_OK;
}

static enum err write_late(void *context, const Epcis__V1__Document *fields)
{
    struct conversion *conversion = context;
    return writer_late(conversion->writer, fields);
}

static enum err write_end(struct conversion *conversion)
{
    const char *reason = writer_left_out(conversion->writer);
    if (reason) {
        output_complain("%s: of the document itself left out: %s", conversion->name, reason);
        conversion->left_out = true;
    }
    return writer_finish(conversion->writer);
}

static enum err feed_all(struct parser *parser, FILE *file)
{
    char piece[PIECE_BYTES];
    size_t bytes;
    enum err err = ERR_OK;
    while (err == ERR_OK && (bytes = fread(piece, 1, sizeof piece, file)) > 0)
        err = parser_feed(parser, piece, bytes);
    if (err == ERR_OK && ferror(file))
        return ERR_DISK;
    return err == ERR_OK ? parser_finish(parser) : err;
}

static void print_error(const struct conversion *conversion, const struct parser *parser, enum err err)
{
    fflush(stdout);
    if (err == ERR_INPUT || err == ERR_LIMIT) {
        const struct parser_error *error = parser_error(parser);
        output_complain("%s:%llu: byte %llu: %s: %s (at %s)", conversion->name,
                        (unsigned long long)error->line, (unsigned long long)error->byte_offset, error->code,
                        error->message, error->path[0] ? error->path : "/");
    } else if (err == ERR_DISK || err == ERR_SYSTEM) {
        fprintf(stderr, "epcisctl: %s: %s\n", err == ERR_DISK ? conversion->name : "standard output",
                strerror(errno));
    } else {
        fprintf(stderr, "epcisctl: %s: %s\n", conversion->name, err_name(err));
    }
}

static enum err convert(struct conversion *conversion, FILE *file)
{
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    struct parser_sink lines = {.context = conversion, .event = print_event};
    struct parser_sink document = {.context = conversion,
                                   .document = write_document,
                                   .vocabulary_element = write_vocabulary_element,
                                   .event = write_event,
                                   .late = write_late};
    struct parser *parser = NULL;
    enum err err = ERR_MEMORY;
    conversion->hash = event_hash_new();
    if (conversion->hash)
        err = parser_open(&limits, conversion->writer ? &document : &lines, &parser);
    if (err == ERR_OK)
        err = feed_all(parser, file);
    if (err == ERR_OK && conversion->writer)
        err = write_end(conversion);
    if (err == ERR_OK && fflush(stdout) != 0)
        err = ERR_SYSTEM;
    if (err != ERR_OK)
        print_error(conversion, parser, err);
    parser_close(&parser);
    event_hash_free(conversion->hash);
    buffer_free(&conversion->line);
    return err;
}

/* "json", "xml20" or "xml12". */
static bool find_format(const char *name, enum writer_format *out)
{
    static const char *const names[] = {
        [WRITER_JSON_2] = "json", [WRITER_XML_2] = "xml20", [WRITER_XML_1] = "xml12"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        *out = (enum writer_format)i;
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

int ctl_convert(int argc, char **argv)
{
    const char *to = NULL;
    const struct option_entry options[] = {
        {"to", OPTION_TEXT, &to, 0, 0, "FORMAT", "write the document as json, xml20 or xml12 instead"},
    };
    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (argc != 2)
        options_fail(argv[0], "one FILE is expected (- for standard input)");
    bool standard_input = strcmp(argv[1], "-") == 0;
    struct conversion conversion = {.name = standard_input ? "standard input" : argv[1]};
    enum writer_format format = WRITER_JSON_2;
    if (to && !find_format(to, &format))
        options_fail(argv[0], "--to takes json, xml20 or xml12, not '%s'", to);
    FILE *file = standard_input ? stdin : fopen(argv[1], "rb");
    if (!file) {
        fprintf(stderr, "epcisctl: %s: %s\n", argv[1], strerror(errno));
        return CTL_ERROR;
    }
    enum err err = to ? writer_open(format, print_bytes, &conversion, &conversion.writer) : ERR_OK;
    if (err == ERR_OK)
        err = convert(&conversion, file);
    writer_close(&conversion.writer);
    if (!standard_input)
        fclose(file);
    return err != ERR_OK ? CTL_ERROR : conversion.left_out ? CTL_REFUSED : CTL_OK;
}
