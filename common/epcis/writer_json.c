/* EPCIS 2.0 JSON-LD (EPCIS 2.0 section 10.2). CBV words stand bare, as the official context has them. */
#include "common/epcis/writer_parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json_text.h"
#include "common/epcis/event_text.h"

static const char context_uri[] = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld";

/* `,"key":` — every object written here starts with a member of its own kind, so a comma always fits. */
static void key(struct buffer *out, const char *name)
{
    buffer_append(out, ",", 1);
    json_append_string(out, name);
    buffer_append(out, ":", 1);
}

static void text_member(struct buffer *out, const char *name, const char *value)
{
    if (!*value)
        return;
    key(out, name);
    json_append_string(out, value);
}

static bool all_digits(const char **text)
{
    const char *start = *text;
    while (isdigit((unsigned char)**text))
        (*text)++;
    return *text > start;
}

/* RFC 8259 section 6. */
static bool is_json_number(const char *text)
{
    text += *text == '-';
    if (*text == '0' && isdigit((unsigned char)text[1]))
        return false;
    if (!all_digits(&text))
        return false;
    if (*text == '.' && (text++, !all_digits(&text)))
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '+' || *text == '-';
        if (!all_digits(&text))
            return false;
    }
    return *text == '\0';
}

/* A number as XML allows it (+5, 007, .5, 5.) becomes the JSON number of the same value. */
static void append_number(struct buffer *out, const char *text)
{
    if (is_json_number(text)) {
        buffer_append_text(out, text);
        return;
    }
    const char *digits = text;
    bool negative = *digits == '-';
    digits += negative || *digits == '+';
    while (*digits == '0' && isdigit((unsigned char)digits[1]))
        digits++;
    struct buffer number = {0};
    buffer_printf(&number, "%s%s%s", negative ? "-" : "", *digits == '.' ? "0" : "", digits);
    if (number.length > 0 && number.data[number.length - 1] == '.')
        number.length--;
    buffer_append(&number, "", 1);
    if (!number.failed && is_json_number((char *)number.data))
        buffer_append_text(out, (char *)number.data);
    else
        json_append_string(out, text);
    buffer_free(&number);
}

static void number_member(struct buffer *out, const char *name, const char *value)
{
    if (!*value)
        return;
    key(out, name);
    append_number(out, value);
}

static void time_member(struct buffer *out, const char *name, const Epcis__V1__Time *time)
{
    if (!time)
        return;
    char text[EVENT_TIME_TEXT];
    event_time_text(time, text);
    text_member(out, name, *time->invalid_text ? time->invalid_text : text);
}

static void list_member(struct buffer *out, const char *name, char *const *values, size_t count)
{
    if (count == 0)
        return;
    key(out, name);
    for (size_t i = 0; i < count; i++) {
        buffer_append(out, i ? "," : "[", 1);
        json_append_string(out, values[i]);
    }
    buffer_append(out, "]", 1);
}

/* ---- extensions ------------------------------------------------------------------------------------- */

/* Prefixes that an event's extensions need and the document does not declare go into its @context. */
static void declare_nodes(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (*nodes[i]->namespace_uri && !writer_is_xsi(nodes[i]) &&
            !writer_prefix(writer, nodes[i]->namespace_uri))
            writer_declare(writer, nodes[i]->prefix, nodes[i]->namespace_uri, 1);
}

static void declare_list(void *context, Epcis__V1__Node *const *nodes, size_t count)
{
    declare_nodes(context, nodes, count);
}

static bool same_name(const Epcis__V1__Node *a, const Epcis__V1__Node *b)
{
    return a->kind == b->kind && strcmp(a->local_name, b->local_name) == 0 &&
           strcmp(a->namespace_uri, b->namespace_uri) == 0;
}

static void append_name(struct writer *writer, const Epcis__V1__Node *node)
{
    struct buffer name = {0};
    if (*node->namespace_uri)
        buffer_printf(&name, "%s:", writer_prefix(writer, node->namespace_uri));
    buffer_append_text(&name,
                       node->kind == EPCIS__V1__NODE_KIND__NODE_KIND_TEXT ? "#text" : node->local_name);
    buffer_append(&name, "", 1);
    json_append_string(&writer->out, name.failed ? "" : (char *)name.data);
    writer->out.failed |= name.failed;
    buffer_free(&name);
}

static void append_members(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count);

/* Whether a node has anything below it that is written: xsi attributes are not. */
static bool has_content(Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (!writer_is_xsi(nodes[i]))
            return true;
    return false;
}

static void append_value(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    const Epcis__V1__Node *node = nodes[0];
    struct buffer *out = &writer->out;
    if (has_content(nodes, count)) {
        buffer_append(out, "{", 1);
        if (*node->text) { /* its text beside attributes */
            buffer_append_text(out, "\"#text\":");
            json_append_string(out, node->text);
            buffer_append(out, ",", 1);
        }
        append_members(writer, nodes + 1, count - 1);
        buffer_append(out, "}", 1);
    } else if (node->value_type == EPCIS__V1__VALUE_TYPE__VALUE_TYPE_NUMBER ||
               node->value_type == EPCIS__V1__VALUE_TYPE__VALUE_TYPE_BOOLEAN) {
        buffer_append_text(out, node->text);
    } else if (node->value_type == EPCIS__V1__VALUE_TYPE__VALUE_TYPE_NULL) {
        buffer_append_text(out, "null");
    } else {
        json_append_string(out, node->text);
    }
}

/* The value of all siblings named as nodes[at], which is the first of them: an array where there are several.
 */
static void append_group(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count, size_t at,
                         bool *done)
{
    struct buffer *out = &writer->out;
    size_t start = out->length, members = 0;
    buffer_append(out, "[", 1);
    for (size_t i = at; i < count; i = writer_subtree_end(nodes, count, i)) {
        if (!same_name(nodes[i], nodes[at]))
            continue;
        done[i] = true;
        if (members++)
            buffer_append(out, ",", 1);
        append_value(writer, nodes + i, writer_subtree_end(nodes, count, i) - i);
    }
    if (members > 1 || nodes[at]->in_array) {
        buffer_append(out, "]", 1);
    } else if (!out->failed) {
        memmove(out->data + start, out->data + start + 1, out->length - start - 1);
        out->length--;
    }
}

/* The members of an object, without its braces. */
static void append_members(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    bool *done = calloc(count ? count : 1, sizeof *done);
    if (!done) {
        writer->out.failed = true;
        return;
    }
    bool first = true;
    for (size_t i = 0; i < count; i = writer_subtree_end(nodes, count, i)) {
        if (done[i] || writer_is_xsi(nodes[i]))
            continue;
        if (!first)
            buffer_append(&writer->out, ",", 1);
        first = false;
        append_name(writer, nodes[i]);
        buffer_append(&writer->out, ":", 1);
        append_group(writer, nodes, count, i, done);
    }
    free(done);
}

/* Extensions behind an object's own members. */
static void extension_members(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    size_t start = writer->out.length;
    buffer_append(&writer->out, ",", 1);
    append_members(writer, nodes, count);
    if (writer->out.length == start + 1) /* nothing came of them */
        writer->out.length = start;
}

/* ---- fields ----------------------------------------------------------------------------------------- */

/* Objects start with "{" and have their first comma taken away. */
static size_t object_start(struct buffer *out)
{
    buffer_append(out, "{", 1);
    return out->length;
}

static void object_end(struct buffer *out, size_t start)
{
    if (!out->failed && out->length > start && out->data[start] == ',') {
        memmove(out->data + start, out->data + start + 1, out->length - start - 1);
        out->length--;
    }
    buffer_append(out, "}", 1);
}

static void quantity_member(struct writer *writer, const char *name, Epcis__V1__QuantityElement *const *list,
                            size_t count)
{
    struct buffer *out = &writer->out;
    if (count == 0)
        return;
    key(out, name);
    for (size_t i = 0; i < count; i++) {
        buffer_append(out, i ? "," : "[", 1);
        size_t start = object_start(out);
        text_member(out, "epcClass", list[i]->epc_class);
        number_member(out, "quantity", list[i]->quantity);
        text_member(out, "uom", list[i]->uom);
        extension_members(writer, list[i]->extensions, list[i]->n_extensions);
        object_end(out, start);
    }
    buffer_append(out, "]", 1);
}

static void location_member(struct writer *writer, const char *name, const Epcis__V1__Location *location)
{
    if (!location)
        return;
    key(&writer->out, name);
    size_t start = object_start(&writer->out);
    text_member(&writer->out, "id", location->id);
    extension_members(writer, location->extensions, location->n_extensions);
    object_end(&writer->out, start);
}

static void typed_entry(struct buffer *out, bool first, const char *type, const char *name, const char *value)
{
    buffer_append(out, first ? "[" : ",", 1);
    size_t start = object_start(out);
    text_member(out, "type", type);
    text_member(out, name, value);
    object_end(out, start);
}

static void typed_members(struct buffer *out, const Epcis__V1__Event *event)
{
    if (event->n_biz_transaction_list) {
        key(out, "bizTransactionList");
        for (size_t i = 0; i < event->n_biz_transaction_list; i++)
            typed_entry(out, i == 0, event->biz_transaction_list[i]->type, "bizTransaction",
                        event->biz_transaction_list[i]->biz_transaction);
        buffer_append(out, "]", 1);
    }
    if (event->n_source_list) {
        key(out, "sourceList");
        for (size_t i = 0; i < event->n_source_list; i++)
            typed_entry(out, i == 0, event->source_list[i]->type, "source", event->source_list[i]->source);
        buffer_append(out, "]", 1);
    }
    if (event->n_destination_list) {
        key(out, "destinationList");
        for (size_t i = 0; i < event->n_destination_list; i++)
            typed_entry(out, i == 0, event->destination_list[i]->type, "destination",
                        event->destination_list[i]->destination);
        buffer_append(out, "]", 1);
    }
}

static void sensor_metadata(struct writer *writer, const Epcis__V1__SensorMetadata *metadata)
{
    struct buffer *out = &writer->out;
    if (!metadata)
        return;
    key(out, "sensorMetadata");
    size_t start = object_start(out);
    time_member(out, "time", metadata->time);
    time_member(out, "startTime", metadata->start_time);
    time_member(out, "endTime", metadata->end_time);
    text_member(out, "deviceID", metadata->device_id);
    text_member(out, "deviceMetadata", metadata->device_metadata);
    text_member(out, "rawData", metadata->raw_data);
    text_member(out, "dataProcessingMethod", metadata->data_processing_method);
    text_member(out, "bizRules", metadata->biz_rules);
    extension_members(writer, metadata->extensions, metadata->n_extensions);
    object_end(out, start);
}

static void boolean_member(struct buffer *out, const char *name, const char *value)
{
    if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) {
        key(out, name);
        buffer_append_text(out, value);
    } else {
        text_member(out, name, value);
    }
}

static void sensor_report(struct writer *writer, const Epcis__V1__SensorReport *report)
{
    struct buffer *out = &writer->out;
    size_t start = object_start(out);
    text_member(out, "type", report->type);
    text_member(out, "exception", report->exception);
    text_member(out, "deviceID", report->device_id);
    text_member(out, "deviceMetadata", report->device_metadata);
    text_member(out, "rawData", report->raw_data);
    text_member(out, "dataProcessingMethod", report->data_processing_method);
    time_member(out, "time", report->time);
    text_member(out, "microorganism", report->microorganism);
    text_member(out, "chemicalSubstance", report->chemical_substance);
    number_member(out, "value", report->value);
    text_member(out, "component", report->component);
    text_member(out, "stringValue", report->string_value);
    boolean_member(out, "booleanValue", report->boolean_value);
    text_member(out, "hexBinaryValue", report->hex_binary_value);
    text_member(out, "uriValue", report->uri_value);
    number_member(out, "minValue", report->min_value);
    number_member(out, "maxValue", report->max_value);
    number_member(out, "meanValue", report->mean_value);
    number_member(out, "sDev", report->s_dev);
    number_member(out, "percRank", report->perc_rank);
    number_member(out, "percValue", report->perc_value);
    text_member(out, "uom", report->uom);
    text_member(out, "coordinateReferenceSystem", report->coordinate_reference_system);
    extension_members(writer, report->extensions, report->n_extensions);
    object_end(out, start);
}

static void sensor_elements(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    if (event->n_sensor_element_list == 0)
        return;
    key(out, "sensorElementList");
    for (size_t i = 0; i < event->n_sensor_element_list; i++) {
        const Epcis__V1__SensorElement *element = event->sensor_element_list[i];
        buffer_append(out, i ? "," : "[", 1);
        size_t start = object_start(out);
        sensor_metadata(writer, element->sensor_metadata);
        if (element->n_sensor_reports) {
            key(out, "sensorReport");
            for (size_t j = 0; j < element->n_sensor_reports; j++) {
                buffer_append(out, j ? "," : "[", 1);
                sensor_report(writer, element->sensor_reports[j]);
            }
            buffer_append(out, "]", 1);
        }
        extension_members(writer, element->extensions, element->n_extensions);
        object_end(out, start);
    }
    buffer_append(out, "]", 1);
}

static void error_declaration(struct writer *writer, const Epcis__V1__ErrorDeclaration *declaration)
{
    struct buffer *out = &writer->out;
    if (!declaration)
        return;
    key(out, "errorDeclaration");
    size_t start = object_start(out);
    time_member(out, "declarationTime", declaration->declaration_time);
    text_member(out, "reason", declaration->reason);
    list_member(out, "correctiveEventIDs", declaration->corrective_event_ids,
                declaration->n_corrective_event_ids);
    extension_members(writer, declaration->extensions, declaration->n_extensions);
    object_end(out, start);
}

static void persistent_disposition(struct buffer *out, const Epcis__V1__PersistentDisposition *disposition)
{
    if (!disposition)
        return;
    key(out, "persistentDisposition");
    size_t start = object_start(out);
    list_member(out, "set", disposition->set, disposition->n_set);
    list_member(out, "unset", disposition->unset, disposition->n_unset);
    object_end(out, start);
}

/* ---- events ----------------------------------------------------------------------------------------- */

/* `{"prefix":"uri",…}` of the namespaces from `from` on. */
static void append_prefixes(struct writer *writer, size_t from)
{
    for (size_t i = from; i < writer->namespace_count; i++) {
        buffer_append(&writer->out, i == from ? "{" : ",", 1);
        json_append_string(&writer->out, writer->namespaces[i].prefix);
        buffer_append(&writer->out, ":", 1);
        json_append_string(&writer->out, writer->namespaces[i].uri);
    }
    buffer_append(&writer->out, "}", 1);
}

static void append_context(struct writer *writer)
{
    buffer_append_text(&writer->out, "\"@context\":[");
    json_append_string(&writer->out, context_uri);
    if (writer->namespace_count > 0) {
        buffer_append(&writer->out, ",", 1);
        append_prefixes(writer, 0);
    }
    buffer_append(&writer->out, "]", 1);
}

static void event_lists(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    text_member(out, "parentID", event->parent_id);
    list_member(out, "epcList", event->epc_list, event->n_epc_list);
    if (event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT && event->n_epc_list == 0 &&
        event->n_quantity_list == 0 && event->n_sensor_element_list == 0)
        buffer_append_text(out, ",\"epcList\":[]"); /* the schema wants one of the three */
    list_member(out, "childEPCs", event->child_epcs, event->n_child_epcs);
    list_member(out, "inputEPCList", event->input_epc_list, event->n_input_epc_list);
    list_member(out, "outputEPCList", event->output_epc_list, event->n_output_epc_list);
    quantity_member(writer, "quantityList", event->quantity_list, event->n_quantity_list);
    quantity_member(writer, "childQuantityList", event->child_quantity_list, event->n_child_quantity_list);
    quantity_member(writer, "inputQuantityList", event->input_quantity_list, event->n_input_quantity_list);
    quantity_member(writer, "outputQuantityList", event->output_quantity_list, event->n_output_quantity_list);
    text_member(out, "transformationID", event->transformation_id);
}

static void event_members(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    time_member(out, "eventTime", event->event_time);
    time_member(out, "recordTime", event->record_time);
    text_member(out, "eventTimeZoneOffset", event->event_time_zone_offset);
    text_member(out, "eventID", event->event_id);
    list_member(out, "certificationInfo", event->certification_info, event->n_certification_info);
    error_declaration(writer, event->error_declaration);
    event_lists(writer, event);
    text_member(out, "action", *event->action_text ? event->action_text : event_action_name(event->action));
    text_member(out, "bizStep", event->biz_step);
    text_member(out, "disposition", event->disposition);
    persistent_disposition(out, event->persistent_disposition);
    location_member(writer, "readPoint", event->read_point);
    location_member(writer, "bizLocation", event->biz_location);
    typed_members(out, event);
    sensor_elements(writer, event);
    if (event->n_ilmd) {
        key(out, "ilmd");
        buffer_append(out, "{", 1);
        append_members(writer, event->ilmd, event->n_ilmd);
        buffer_append(out, "}", 1);
    }
    extension_members(writer, event->extensions, event->n_extensions);
}

void writer_json_event(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    writer_each_tree(event, declare_list, writer);
    buffer_append_text(out, writer->bare_event || writer->first ? "{" : ",\n{");
    if (writer->bare_event) {
        append_context(writer);
        buffer_append(out, ",", 1);
    } else if (writer->namespace_count > writer->document_namespaces) {
        buffer_append_text(out, "\"@context\":[");
        append_prefixes(writer, writer->document_namespaces);
        buffer_append_text(out, "],");
    }
    buffer_append_text(out, "\"type\":");
    json_append_string(out, event_type_name(event->type));
    event_members(writer, event);
    buffer_append(out, "}", 1);
}

/* ---- the document ----------------------------------------------------------------------------------- */

static void sender_and_receiver(struct buffer *out, const Epcis__V1__Document *document)
{
    const Epcis__V1__StandardBusinessDocumentHeader *header = document->standard_business_document_header;
    bool has_header = header && !*document->sender && !*document->receiver && !*document->instance_identifier;
    text_member(out, "sender",
                has_header && header->n_senders ? header->senders[0]->identifier : document->sender);
    text_member(out, "receiver",
                has_header && header->n_receivers ? header->receivers[0]->identifier : document->receiver);
    text_member(out, "instanceIdentifier",
                has_header ? header->instance_identifier : document->instance_identifier);
}

void writer_json_document(struct writer *writer, const Epcis__V1__Document *document)
{
    struct buffer *out = &writer->out;
    if (writer->bare_event)
        return;
    declare_nodes(writer, document->extensions, document->n_extensions);
    writer->document_namespaces = writer->namespace_count;
    buffer_append(out, "{", 1);
    append_context(writer);
    text_member(out, "type", writer->query ? "EPCISQueryDocument" : "EPCISDocument");
    text_member(out, "schemaVersion", "2.0");
    text_member(out, "creationDate", document->creation_date);
    sender_and_receiver(out, document);
    extension_members(writer, document->extensions, document->n_extensions);
    if (writer->query) {
        buffer_append_text(out, ",\"epcisBody\":{\"queryResults\":{\"queryName\":");
        json_append_string(out, *document->query_name ? document->query_name : "SimpleEventQuery");
        text_member(out, "subscriptionID", document->subscription_id);
        buffer_append_text(out, ",\"resultsBody\":{\"eventList\":[");
    }
}

void writer_json_vocabulary_element(struct writer *writer, const Epcis__V1__VocabularyElement *element)
{
    struct buffer *out = &writer->out;
    if (!writer->vocabulary || strcmp(writer->vocabulary, element->type) != 0) {
        buffer_append_text(out, writer->vocabulary
                                    ? "]},\n"
                                    : ",\"epcisHeader\":{\"epcisMasterData\":{\"vocabularyList\":[\n");
        free(writer->vocabulary);
        writer->vocabulary = strdup(element->type);
        out->failed |= !writer->vocabulary;
        buffer_append_text(out, "{\"type\":");
        json_append_string(out, element->type);
        buffer_append_text(out, ",\"vocabularyElementList\":[\n");
    } else {
        buffer_append_text(out, ",\n");
    }
    size_t start = object_start(out);
    text_member(out, "id", element->id);
    for (size_t i = 0; i < element->n_attributes; i++) {
        const Epcis__V1__VocabularyAttribute *attribute = element->attributes[i];
        buffer_append_text(out, i ? "," : ",\"attributes\":[");
        size_t inner = object_start(out);
        text_member(out, "id", attribute->id);
        key(out, "attribute");
        declare_nodes(writer, attribute->children, attribute->n_children);
        if (attribute->n_children) {
            buffer_append(out, "{", 1);
            if (writer->namespace_count > writer->document_namespaces) {
                buffer_append_text(out, "\"@context\":");
                append_prefixes(writer, writer->document_namespaces);
                buffer_append(out, ",", 1);
            }
            append_members(writer, attribute->children, attribute->n_children);
            buffer_append(out, "}", 1);
        } else {
            json_append_string(out, attribute->value);
        }
        writer_forget(writer, 1);
        object_end(out, inner);
    }
    if (element->n_attributes)
        buffer_append(out, "]", 1);
    list_member(out, "children", element->children, element->n_children);
    object_end(out, start);
}

void writer_json_vocabularies_end(struct writer *writer)
{
    if (writer->bare_event || writer->query)
        return;
    if (writer->vocabulary)
        buffer_append_text(&writer->out, "]}]}}");
    buffer_append_text(&writer->out, ",\"epcisBody\":{\"eventList\":[\n");
}

void writer_json_end(struct writer *writer)
{
    buffer_append_text(&writer->out, writer->bare_event ? "\n" : writer->query ? "]}}}}\n" : "]}}\n");
}
