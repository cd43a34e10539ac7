/* EPCIS 2.0 JSON-LD (EPCIS 2.0 section 10.2). CBV words that are listed stand bare, as the official context
 * has them. */
#include "common/epcis/writer_json.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json_text.h"
#include "common/epcis/event_text.h"
#include "common/epcis/writer_header.h"

static const char context_uri[] = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld";

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
    writer_json_key(out, name);
    for (size_t i = 0; i < count; i++) {
        buffer_append(out, i ? "," : "[", 1);
        size_t start = object_start(out);
        writer_json_text_member(out, "epcClass", list[i]->epc_class);
        writer_json_number_member(out, "quantity", list[i]->quantity);
        writer_json_text_member(out, "uom", list[i]->uom);
        object_end(out, start);
    }
    buffer_append(out, "]", 1);
}

static void location_member(struct writer *writer, const char *name, const Epcis__V1__Location *location)
{
    if (!location)
        return;
    writer_json_key(&writer->out, name);
    size_t start = object_start(&writer->out);
    writer_json_text_member(&writer->out, "id", location->id);
    writer_json_extension_members(writer, location->extensions, location->n_extensions);
    object_end(&writer->out, start);
}

static void typed_entry(struct buffer *out, bool first, enum cbv_family family, const char *type,
                        const char *name, const char *value)
{
    buffer_append(out, first ? "[" : ",", 1);
    size_t start = object_start(out);
    writer_json_word_member(out, "type", family, type);
    writer_json_text_member(out, name, value);
    object_end(out, start);
}

static void typed_members(struct buffer *out, const Epcis__V1__Event *event)
{
    if (event->n_biz_transaction_list) {
        writer_json_key(out, "bizTransactionList");
        for (size_t i = 0; i < event->n_biz_transaction_list; i++)
            typed_entry(out, i == 0, CBV_BIZ_TYPE, event->biz_transaction_list[i]->type, "bizTransaction",
                        event->biz_transaction_list[i]->biz_transaction);
        buffer_append(out, "]", 1);
    }
    if (event->n_source_list) {
        writer_json_key(out, "sourceList");
        for (size_t i = 0; i < event->n_source_list; i++)
            typed_entry(out, i == 0, CBV_PARTY_TYPE, event->source_list[i]->type, "source",
                        event->source_list[i]->source);
        buffer_append(out, "]", 1);
    }
    if (event->n_destination_list) {
        writer_json_key(out, "destinationList");
        for (size_t i = 0; i < event->n_destination_list; i++)
            typed_entry(out, i == 0, CBV_PARTY_TYPE, event->destination_list[i]->type, "destination",
                        event->destination_list[i]->destination);
        buffer_append(out, "]", 1);
    }
}

static void sensor_metadata(struct writer *writer, const Epcis__V1__SensorMetadata *metadata)
{
    struct buffer *out = &writer->out;
    if (!metadata)
        return;
    writer_json_key(out, "sensorMetadata");
    size_t start = object_start(out);
    writer_json_time_member(out, "time", metadata->time);
    writer_json_time_member(out, "startTime", metadata->start_time);
    writer_json_time_member(out, "endTime", metadata->end_time);
    writer_json_text_member(out, "deviceID", metadata->device_id);
    writer_json_text_member(out, "deviceMetadata", metadata->device_metadata);
    writer_json_text_member(out, "rawData", metadata->raw_data);
    writer_json_text_member(out, "dataProcessingMethod", metadata->data_processing_method);
    writer_json_text_member(out, "bizRules", metadata->biz_rules);
    writer_json_extension_members(writer, metadata->extensions, metadata->n_extensions);
    object_end(out, start);
}

static void boolean_member(struct buffer *out, const char *name, const char *value)
{
    if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) {
        writer_json_key(out, name);
        buffer_append_text(out, value);
    } else {
        writer_json_text_member(out, name, value);
    }
}

static void sensor_report(struct writer *writer, const Epcis__V1__SensorReport *report)
{
    struct buffer *out = &writer->out;
    size_t start = object_start(out);
    writer_json_word_member(out, "type", CBV_GS1_TERM, report->type);
    writer_json_word_member(out, "exception", CBV_GS1_TERM, report->exception);
    writer_json_text_member(out, "deviceID", report->device_id);
    writer_json_text_member(out, "deviceMetadata", report->device_metadata);
    writer_json_text_member(out, "rawData", report->raw_data);
    writer_json_text_member(out, "dataProcessingMethod", report->data_processing_method);
    writer_json_time_member(out, "time", report->time);
    writer_json_text_member(out, "microorganism", report->microorganism);
    writer_json_text_member(out, "chemicalSubstance", report->chemical_substance);
    writer_json_number_member(out, "value", report->value);
    writer_json_word_member(out, "component", CBV_COMPONENT, report->component);
    writer_json_text_member(out, "stringValue", report->string_value);
    boolean_member(out, "booleanValue", report->boolean_value);
    writer_json_text_member(out, "hexBinaryValue", report->hex_binary_value);
    writer_json_text_member(out, "uriValue", report->uri_value);
    writer_json_number_member(out, "minValue", report->min_value);
    writer_json_number_member(out, "maxValue", report->max_value);
    writer_json_number_member(out, "meanValue", report->mean_value);
    writer_json_number_member(out, "sDev", report->s_dev);
    writer_json_number_member(out, "percRank", report->perc_rank);
    writer_json_number_member(out, "percValue", report->perc_value);
    writer_json_text_member(out, "uom", report->uom);
    writer_json_text_member(out, "coordinateReferenceSystem", report->coordinate_reference_system);
    writer_json_extension_members(writer, report->extensions, report->n_extensions);
    object_end(out, start);
}

static void sensor_elements(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    if (event->n_sensor_element_list == 0)
        return;
    writer_json_key(out, "sensorElementList");
    for (size_t i = 0; i < event->n_sensor_element_list; i++) {
        const Epcis__V1__SensorElement *element = event->sensor_element_list[i];
        buffer_append(out, i ? "," : "[", 1);
        size_t start = object_start(out);
        sensor_metadata(writer, element->sensor_metadata);
        if (element->n_sensor_reports) {
            writer_json_key(out, "sensorReport");
            for (size_t j = 0; j < element->n_sensor_reports; j++) {
                buffer_append(out, j ? "," : "[", 1);
                sensor_report(writer, element->sensor_reports[j]);
            }
            buffer_append(out, "]", 1);
        }
        writer_json_extension_members(writer, element->extensions, element->n_extensions);
        object_end(out, start);
    }
    buffer_append(out, "]", 1);
}

static void error_declaration(struct writer *writer, const Epcis__V1__ErrorDeclaration *declaration)
{
    struct buffer *out = &writer->out;
    if (!declaration)
        return;
    writer_json_key(out, "errorDeclaration");
    size_t start = object_start(out);
    writer_json_time_member(out, "declarationTime", declaration->declaration_time);
    writer_json_word_member(out, "reason", CBV_ERROR_REASON, declaration->reason);
    writer_json_list_member(out, "correctiveEventIDs", declaration->corrective_event_ids,
                            declaration->n_corrective_event_ids);
    writer_json_extension_members(writer, declaration->extensions, declaration->n_extensions);
    object_end(out, start);
}

static void persistent_disposition(struct buffer *out, const Epcis__V1__PersistentDisposition *disposition)
{
    if (!disposition)
        return;
    writer_json_key(out, "persistentDisposition");
    size_t start = object_start(out);
    writer_json_word_list_member(out, "set", CBV_DISPOSITION, disposition->set, disposition->n_set);
    writer_json_word_list_member(out, "unset", CBV_DISPOSITION, disposition->unset, disposition->n_unset);
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

/* The schema wants EPCs, even if none, where nothing else tells what the event is about. */
static bool demands_epc_list(const Epcis__V1__Event *event)
{
    if (event->n_epc_list > 0 || event->n_quantity_list > 0)
        return false;
    if (event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSACTION)
        return event->action != EPCIS__V1__ACTION__ACTION_DELETE;
    return event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT &&
           (event->n_sensor_element_list == 0 || !event->read_point);
}

static void event_lists(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    writer_json_text_member(out, "parentID", event->parent_id);
    writer_json_list_member(out, "epcList", event->epc_list, event->n_epc_list);
    if (demands_epc_list(event))
        buffer_append_text(out, ",\"epcList\":[]");
    writer_json_list_member(out, "childEPCs", event->child_epcs, event->n_child_epcs);
    writer_json_list_member(out, "inputEPCList", event->input_epc_list, event->n_input_epc_list);
    writer_json_list_member(out, "outputEPCList", event->output_epc_list, event->n_output_epc_list);
    quantity_member(writer, "quantityList", event->quantity_list, event->n_quantity_list);
    quantity_member(writer, "childQuantityList", event->child_quantity_list, event->n_child_quantity_list);
    quantity_member(writer, "inputQuantityList", event->input_quantity_list, event->n_input_quantity_list);
    quantity_member(writer, "outputQuantityList", event->output_quantity_list, event->n_output_quantity_list);
    writer_json_text_member(out, "transformationID", event->transformation_id);
}

static void event_members(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    writer_json_time_member(out, "eventTime", event->event_time);
    writer_json_time_member(out, "recordTime", event->record_time);
    writer_json_text_member(out, "eventTimeZoneOffset", event->event_time_zone_offset);
    writer_json_text_member(out, "eventID", event->event_id);
    writer_json_list_member(out, "certificationInfo", event->certification_info, event->n_certification_info);
    error_declaration(writer, event->error_declaration);
    event_lists(writer, event);
    writer_json_text_member(out, "action",
                            *event->action_text ? event->action_text : event_action_name(event->action));
    writer_json_word_member(out, "bizStep", CBV_BIZ_STEP, event->biz_step);
    writer_json_word_member(out, "disposition", CBV_DISPOSITION, event->disposition);
    persistent_disposition(out, event->persistent_disposition);
    location_member(writer, "readPoint", event->read_point);
    location_member(writer, "bizLocation", event->biz_location);
    typed_members(out, event);
    sensor_elements(writer, event);
    if (event->n_ilmd) {
        writer_json_key(out, "ilmd");
        buffer_append(out, "{", 1);
        writer_json_members(writer, event->ilmd, event->n_ilmd);
        buffer_append(out, "}", 1);
    }
    writer_json_extension_members(writer, event->extensions, event->n_extensions);
}

static void declare_list(void *context, Epcis__V1__Node *const *nodes, size_t count)
{
    writer_json_declare_nodes(context, nodes, count);
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
    writer_json_text_member(
        out, "sender", has_header && header->n_senders ? header->senders[0]->identifier : document->sender);
    writer_json_text_member(out, "receiver",
                            has_header && header->n_receivers ? header->receivers[0]->identifier
                                                              : document->receiver);
    writer_json_text_member(out, "instanceIdentifier",
                            has_header ? header->instance_identifier : document->instance_identifier);
}

/* The whole header, of which EPCIS 2.0 has the short form alone: as an extension, which query documents have
 * at their top, for the want of an epcisHeader. */
static void business_header(struct writer *writer, const struct writer_header *tree)
{
    if (tree->count == 0)
        return;
    buffer_append_text(&writer->out, writer->query ? "," : ",\"epcisHeader\":{");
    writer->header_open = !writer->query;
    writer_json_members(writer, tree->nodes, tree->count);
}

static void render_query_name(struct writer *writer, const Epcis__V1__Document *document)
{
    struct buffer *out = &writer->query_name;
    buffer_clear(out);
    buffer_append_text(out, "\"queryName\":");
    json_append_string(out, *document->query_name ? document->query_name : "SimpleEventQuery");
    writer_json_text_member(out, "subscriptionID", document->subscription_id);
}

void writer_json_document(struct writer *writer, const Epcis__V1__Document *document)
{
    struct buffer *out = &writer->out;
    struct writer_header tree = {0};
    if (writer->bare_event)
        return;
    if (document->standard_business_document_header)
        tree = writer_header_open(writer, document);
    writer_json_declare_nodes(writer, tree.nodes, tree.count);
    writer_json_declare_nodes(writer, document->extensions, document->n_extensions);
    writer->document_namespaces = writer->namespace_count;
    buffer_append(out, "{", 1);
    append_context(writer);
    writer_json_text_member(out, "type", writer->query ? "EPCISQueryDocument" : "EPCISDocument");
    writer_json_text_member(out, "schemaVersion", "2.0");
    writer_json_text_member(out, "creationDate", document->creation_date);
    if (!writer->query) /* which has none */
        sender_and_receiver(out, document);
    writer_json_extension_members(writer, document->extensions, document->n_extensions);
    business_header(writer, &tree);
    writer_header_close(&tree);
    if (writer->query)
        render_query_name(writer, document);
}

static void open_results(struct writer *writer)
{
    buffer_append_text(&writer->out, ",\"epcisBody\":{\"queryResults\":{");
    buffer_append(&writer->out, writer->query_name.data, writer->query_name.length);
    buffer_append_text(&writer->out, ",\"resultsBody\":{");
}

static void open_vocabularies(struct writer *writer)
{
    struct buffer *out = &writer->out;
    if (writer->master_query) {
        open_results(writer);
        buffer_append_text(out, "\"vocabularyList\":[\n");
        return;
    }
    buffer_append_text(out, writer->header_open ? "," : ",\"epcisHeader\":{");
    buffer_append_text(out, "\"epcisMasterData\":{\"vocabularyList\":[\n");
    writer->header_open = true;
}

void writer_json_vocabulary_element(struct writer *writer, const Epcis__V1__VocabularyElement *element)
{
    struct buffer *out = &writer->out;
    if (!writer->vocabulary || strcmp(writer->vocabulary, element->type) != 0) {
        if (writer->vocabulary)
            buffer_append_text(out, "]},\n");
        else
            open_vocabularies(writer);
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
    writer_json_text_member(out, "id", element->id);
    for (size_t i = 0; i < element->n_attributes; i++) {
        const Epcis__V1__VocabularyAttribute *attribute = element->attributes[i];
        buffer_append_text(out, i ? "," : ",\"attributes\":[");
        size_t inner = object_start(out);
        writer_json_text_member(out, "id", attribute->id);
        writer_json_key(out, "attribute");
        writer_json_declare_nodes(writer, attribute->children, attribute->n_children);
        if (attribute->n_children) {
            buffer_append(out, "{", 1);
            if (writer->namespace_count > writer->document_namespaces) {
                buffer_append_text(out, "\"@context\":");
                append_prefixes(writer, writer->document_namespaces);
                buffer_append(out, ",", 1);
            }
            if (*attribute->value) { /* its text beside attributes */
                buffer_append_text(out, "\"#text\":");
                json_append_string(out, attribute->value);
                buffer_append(out, ",", 1);
            }
            writer_json_members(writer, attribute->children, attribute->n_children);
            buffer_append(out, "}", 1);
        } else {
            json_append_string(out, attribute->value);
        }
        writer_forget(writer, 1);
        object_end(out, inner);
    }
    if (element->n_attributes)
        buffer_append(out, "]", 1);
    writer_json_list_member(out, "children", element->children, element->n_children);
    object_end(out, start);
}

void writer_json_vocabularies_end(struct writer *writer)
{
    if (writer->bare_event)
        return;
    if (writer->query) {
        if (writer->vocabulary)
            buffer_append_text(&writer->out, "]}],");
        else
            open_results(writer);
        buffer_append_text(&writer->out, "\"eventList\":[");
        return;
    }
    if (writer->vocabulary)
        buffer_append_text(&writer->out, "]}]}");
    if (writer->header_open)
        buffer_append(&writer->out, "}", 1);
    buffer_append_text(&writer->out, ",\"epcisBody\":{\"eventList\":[\n");
}

void writer_json_late(struct writer *writer, const Epcis__V1__Document *fields)
{
    struct buffer out = writer->out;
    writer->out = writer->tail;
    writer_json_text_member(&writer->out, "creationDate", fields->creation_date);
    if (!writer->query)
        sender_and_receiver(&writer->out, fields);
    writer_json_extension_members(writer, fields->extensions, fields->n_extensions);
    writer->tail = writer->out;
    writer->out = out;
    if (!*fields->query_name && !*fields->subscription_id)
        return;
    if (writer->query && writer->place == WRITER_IN_VOCABULARIES && !writer->master_query)
        render_query_name(writer, fields);
    else
        writer_leave_out(writer, "queryName or subscriptionID behind the events");
}

void writer_json_end(struct writer *writer)
{
    struct buffer *out = &writer->out;
    if (!writer->bare_event)
        buffer_append_text(out, writer->query ? "]}}}" : "]}");
    buffer_append(out, writer->tail.data, writer->tail.length);
    buffer_append_text(out, writer->bare_event ? "\n" : "}\n");
}
