/* EPCIS 2.0 and 1.2 XML (the standard's XSDs). What came after 1.2 stands there in the <extension> elements
 * that its schema keeps for later versions (EPCIS 1.2 section 9.1): a reader of either version finds it. */
#include "common/epcis/writer_parts.h"

#include <stdlib.h>
#include <string.h>

#include "common/epcis/event_text.h"

static const char sbdh_uri[] = "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader";

/* The order that the schemas demand, by event type. */
static const enum writer_field order_2[][24] = {
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT] = {FIELD_EPC_LIST, FIELD_ACTION, FIELD_BIZ_STEP,
                                                  FIELD_DISPOSITION, FIELD_READ_POINT, FIELD_BIZ_LOCATION,
                                                  FIELD_BIZ_TRANSACTION_LIST, FIELD_QUANTITY_LIST,
                                                  FIELD_SOURCE_LIST, FIELD_DESTINATION_LIST,
                                                  FIELD_SENSOR_ELEMENT_LIST, FIELD_PERSISTENT_DISPOSITION,
                                                  FIELD_ILMD},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION] = {FIELD_PARENT_ID, FIELD_CHILD_EPCS, FIELD_ACTION,
                                                       FIELD_BIZ_STEP, FIELD_DISPOSITION, FIELD_READ_POINT,
                                                       FIELD_BIZ_LOCATION, FIELD_BIZ_TRANSACTION_LIST,
                                                       FIELD_CHILD_QUANTITY_LIST, FIELD_SOURCE_LIST,
                                                       FIELD_DESTINATION_LIST, FIELD_SENSOR_ELEMENT_LIST,
                                                       FIELD_PERSISTENT_DISPOSITION},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSACTION] =
        {FIELD_BIZ_TRANSACTION_LIST, FIELD_PARENT_ID, FIELD_EPC_LIST, FIELD_ACTION, FIELD_BIZ_STEP,
         FIELD_DISPOSITION, FIELD_READ_POINT, FIELD_BIZ_LOCATION, FIELD_QUANTITY_LIST, FIELD_SOURCE_LIST,
         FIELD_DESTINATION_LIST, FIELD_SENSOR_ELEMENT_LIST, FIELD_PERSISTENT_DISPOSITION},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION] =
        {FIELD_INPUT_EPC_LIST, FIELD_INPUT_QUANTITY_LIST, FIELD_OUTPUT_EPC_LIST, FIELD_OUTPUT_QUANTITY_LIST,
         FIELD_TRANSFORMATION_ID, FIELD_BIZ_STEP, FIELD_DISPOSITION, FIELD_READ_POINT, FIELD_BIZ_LOCATION,
         FIELD_BIZ_TRANSACTION_LIST, FIELD_SOURCE_LIST, FIELD_DESTINATION_LIST, FIELD_SENSOR_ELEMENT_LIST,
         FIELD_PERSISTENT_DISPOSITION, FIELD_ILMD},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_ASSOCIATION] =
        {FIELD_PARENT_ID, FIELD_CHILD_EPCS, FIELD_CHILD_QUANTITY_LIST, FIELD_ACTION, FIELD_BIZ_STEP,
         FIELD_DISPOSITION, FIELD_READ_POINT, FIELD_BIZ_LOCATION, FIELD_BIZ_TRANSACTION_LIST,
         FIELD_SOURCE_LIST, FIELD_DESTINATION_LIST, FIELD_SENSOR_ELEMENT_LIST, FIELD_PERSISTENT_DISPOSITION},
};

static const enum writer_field order_1[][24] = {
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT] = {FIELD_EPC_LIST, FIELD_ACTION, FIELD_BIZ_STEP,
                                                  FIELD_DISPOSITION, FIELD_READ_POINT, FIELD_BIZ_LOCATION,
                                                  FIELD_BIZ_TRANSACTION_LIST, FIELD_EXTENSION_1,
                                                  FIELD_QUANTITY_LIST, FIELD_SOURCE_LIST,
                                                  FIELD_DESTINATION_LIST, FIELD_ILMD, FIELD_EXTENSION_2,
                                                  FIELD_SENSOR_ELEMENT_LIST, FIELD_PERSISTENT_DISPOSITION},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION] = {FIELD_PARENT_ID, FIELD_CHILD_EPCS, FIELD_ACTION,
                                                       FIELD_BIZ_STEP, FIELD_DISPOSITION, FIELD_READ_POINT,
                                                       FIELD_BIZ_LOCATION, FIELD_BIZ_TRANSACTION_LIST,
                                                       FIELD_EXTENSION_1, FIELD_CHILD_QUANTITY_LIST,
                                                       FIELD_SOURCE_LIST, FIELD_DESTINATION_LIST,
                                                       FIELD_EXTENSION_2, FIELD_SENSOR_ELEMENT_LIST,
                                                       FIELD_PERSISTENT_DISPOSITION},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSACTION] =
        {FIELD_BIZ_TRANSACTION_LIST, FIELD_PARENT_ID, FIELD_EPC_LIST, FIELD_ACTION, FIELD_BIZ_STEP,
         FIELD_DISPOSITION, FIELD_READ_POINT, FIELD_BIZ_LOCATION, FIELD_EXTENSION_1, FIELD_QUANTITY_LIST,
         FIELD_SOURCE_LIST, FIELD_DESTINATION_LIST, FIELD_EXTENSION_2, FIELD_SENSOR_ELEMENT_LIST,
         FIELD_PERSISTENT_DISPOSITION},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION] =
        {FIELD_INPUT_EPC_LIST, FIELD_INPUT_QUANTITY_LIST, FIELD_OUTPUT_EPC_LIST, FIELD_OUTPUT_QUANTITY_LIST,
         FIELD_TRANSFORMATION_ID, FIELD_BIZ_STEP, FIELD_DISPOSITION, FIELD_READ_POINT, FIELD_BIZ_LOCATION,
         FIELD_BIZ_TRANSACTION_LIST, FIELD_SOURCE_LIST, FIELD_DESTINATION_LIST, FIELD_ILMD, FIELD_EXTENSION_1,
         FIELD_SENSOR_ELEMENT_LIST, FIELD_PERSISTENT_DISPOSITION},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_ASSOCIATION] =
        {FIELD_PARENT_ID, FIELD_CHILD_EPCS, FIELD_CHILD_QUANTITY_LIST, FIELD_ACTION, FIELD_BIZ_STEP,
         FIELD_DISPOSITION, FIELD_READ_POINT, FIELD_BIZ_LOCATION, FIELD_BIZ_TRANSACTION_LIST,
         FIELD_SOURCE_LIST, FIELD_DESTINATION_LIST, FIELD_SENSOR_ELEMENT_LIST, FIELD_PERSISTENT_DISPOSITION},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_QUANTITY] = {FIELD_QUANTITY_EVENT, FIELD_BIZ_STEP, FIELD_DISPOSITION,
                                                    FIELD_READ_POINT, FIELD_BIZ_LOCATION,
                                                    FIELD_BIZ_TRANSACTION_LIST},
};

/* ---- text ------------------------------------------------------------------------------------------- */

static void escaped(struct buffer *out, const char *text)
{
    const char *start = text;
    for (;; text++) {
        const char *entity = *text == '&'    ? "&amp;"
                             : *text == '<'  ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\t' ? "&#9;"
                             : *text == '\n' ? "&#10;"
                             : *text == '\r' ? "&#13;"
                                             : NULL;
        if (*text && !entity)
            continue;
        buffer_append(out, start, (size_t)(text - start));
        if (!*text)
            return;
        buffer_append_text(out, entity);
        start = text + 1;
    }
}

static void open_tag(struct buffer *out, const char *name)
{
    buffer_printf(out, "<%s>", name);
}

static void close_tag(struct buffer *out, const char *name)
{
    buffer_printf(out, "</%s>", name);
}

static void text_element(struct buffer *out, const char *name, const char *value)
{
    if (!*value)
        return;
    open_tag(out, name);
    escaped(out, value);
    close_tag(out, name);
}

static void text_attribute(struct buffer *out, const char *name, const char *value)
{
    if (!*value)
        return;
    buffer_printf(out, " %s=\"", name);
    escaped(out, value);
    buffer_append(out, "\"", 1);
}

static const char *time_text(const Epcis__V1__Time *time, char text[EVENT_TIME_TEXT])
{
    event_time_text(time, text);
    return time && *time->invalid_text ? time->invalid_text : text;
}

static void time_element(struct buffer *out, const char *name, const Epcis__V1__Time *time)
{
    char text[EVENT_TIME_TEXT];
    text_element(out, name, time_text(time, text));
}

static void time_attribute(struct buffer *out, const char *name, const Epcis__V1__Time *time)
{
    char text[EVENT_TIME_TEXT];
    text_attribute(out, name, time_text(time, text));
}

struct vocabulary {
    const char *urn, *web; /* what stands before a CBV word */
};
static const struct vocabulary biz_steps = {"urn:epcglobal:cbv:bizstep:", "https://ref.gs1.org/cbv/BizStep-"};
static const struct vocabulary dispositions = {"urn:epcglobal:cbv:disp:", "https://ref.gs1.org/cbv/Disp-"};
static const struct vocabulary biz_transactions = {"urn:epcglobal:cbv:btt:", "https://ref.gs1.org/cbv/BTT-"};
static const struct vocabulary parties = {"urn:epcglobal:cbv:sdt:", "https://ref.gs1.org/cbv/SDT-"};
static const struct vocabulary reasons = {"urn:epcglobal:cbv:er:", "https://ref.gs1.org/cbv/ER-"};
static const struct vocabulary measurements = {"gs1:", "gs1:"};
static const struct vocabulary components = {"cbv:Comp-", "cbv:Comp-"};

/* A bare CBV word gets its prefix; a URI of the user's own stays. */
static void word(struct writer *writer, const struct vocabulary *vocabulary, const char *value)
{
    if (!strchr(value, ':'))
        buffer_append_text(&writer->out, writer->format == WRITER_XML_1 ? vocabulary->urn : vocabulary->web);
    escaped(&writer->out, value);
}

static void word_element(struct writer *writer, const char *name, const struct vocabulary *vocabulary,
                         const char *value)
{
    if (!*value)
        return;
    open_tag(&writer->out, name);
    word(writer, vocabulary, value);
    close_tag(&writer->out, name);
}

static void word_attribute(struct writer *writer, const char *name, const struct vocabulary *vocabulary,
                           const char *value)
{
    if (!*value)
        return;
    buffer_printf(&writer->out, " %s=\"", name);
    word(writer, vocabulary, value);
    buffer_append(&writer->out, "\"", 1);
}

/* ---- extensions ------------------------------------------------------------------------------------- */

/* Appends the qualified name; a namespace not in scope is declared right there, which needs a start tag that
 * is still open: its text goes to `declarations`. */
static void qualified_name(struct writer *writer, struct buffer *out, struct buffer *declarations,
                           const Epcis__V1__Node *node)
{
    if (*node->namespace_uri) {
        const char *prefix = strcmp(node->namespace_uri, "http://www.w3.org/XML/1998/namespace") == 0
                                 ? "xml"
                                 : writer_prefix(writer, node->namespace_uri);
        if (!prefix) {
            prefix = writer_declare(writer, node->prefix, node->namespace_uri, node->depth + 1);
            if (!prefix)
                return;
            buffer_printf(declarations, " xmlns:%s=\"", prefix);
            escaped(declarations, node->namespace_uri);
            buffer_append(declarations, "\"", 1);
        }
        buffer_printf(out, "%s:", prefix);
    }
    buffer_append_text(out, node->local_name);
}

static bool is_attribute(const Epcis__V1__Node *node)
{
    return node->kind == EPCIS__V1__NODE_KIND__NODE_KIND_ATTRIBUTE;
}

/* The value of xsi:type is a qualified name: without its prefix the document would not be valid. */
static bool is_understood(const struct writer *writer, const Epcis__V1__Node *node)
{
    const char *colon = strchr(node->text, ':');
    if (!writer_is_xsi(node) || strcmp(node->local_name, "type") != 0 || !colon)
        return true;
    size_t length = (size_t)(colon - node->text);
    for (size_t i = 0; i < writer->namespace_count; i++)
        if (strlen(writer->namespaces[i].prefix) == length &&
            memcmp(writer->namespaces[i].prefix, node->text, length) == 0)
            return true;
    return false;
}

/* Attributes at the depth of nodes[0] that stand in [0, count); `all` makes attributes of elements too. */
static void attributes_of(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count, bool all)
{
    struct buffer attributes = {0}, declarations = {0};
    for (size_t i = 0; i < count; i = writer_subtree_end(nodes, count, i)) {
        if ((!all && !is_attribute(nodes[i])) || !is_understood(writer, nodes[i]))
            continue;
        buffer_append(&attributes, " ", 1);
        qualified_name(writer, &attributes, &declarations, nodes[i]);
        buffer_append_text(&attributes, "=\"");
        escaped(&attributes, nodes[i]->text);
        buffer_append(&attributes, "\"", 1);
    }
    buffer_append(&writer->out, declarations.data, declarations.length);
    buffer_append(&writer->out, attributes.data, attributes.length);
    writer->out.failed |= attributes.failed || declarations.failed;
    buffer_free(&attributes);
    buffer_free(&declarations);
}

static void node_attributes(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    attributes_of(writer, nodes, count, false);
}

enum which_nodes { NODES_ALL, NODES_QUALIFIED, NODES_LOCAL };

static bool wanted(const Epcis__V1__Node *node, enum which_nodes which)
{
    bool local = !*node->namespace_uri;
    return !is_attribute(node) && (which == NODES_ALL || (which == NODES_LOCAL) == local);
}

static void node_elements(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count,
                          enum which_nodes which)
{
    struct buffer *out = &writer->out;
    for (size_t i = 0, end; i < count; i = end) {
        end = writer_subtree_end(nodes, count, i);
        const Epcis__V1__Node *node = nodes[i];
        if (!wanted(node, which))
            continue;
        if (node->kind == EPCIS__V1__NODE_KIND__NODE_KIND_TEXT) {
            escaped(out, node->text);
            continue;
        }
        struct buffer name = {0}, declarations = {0};
        qualified_name(writer, &name, &declarations, node);
        buffer_append(&name, "", 1);
        out->failed |= name.failed || declarations.failed;
        if (!out->failed) {
            buffer_printf(out, "<%s", (char *)name.data);
            buffer_append(out, declarations.data, declarations.length);
            node_attributes(writer, nodes + i + 1, end - i - 1);
            buffer_append(out, ">", 1);
            escaped(out, node->text);
            node_elements(writer, nodes + i + 1, end - i - 1, NODES_ALL);
            close_tag(out, (char *)name.data);
        }
        buffer_free(&name);
        buffer_free(&declarations);
        writer_forget(writer, node->depth + 1);
    }
}

static bool has_local(Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i = writer_subtree_end(nodes, count, i))
        if (wanted(nodes[i], NODES_LOCAL))
            return true;
    return false;
}

/* Elements without a namespace may stand only inside <extension>. */
static void extension_elements(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    if (has_local(nodes, count)) {
        open_tag(&writer->out, "extension");
        node_elements(writer, nodes, count, NODES_LOCAL);
        close_tag(&writer->out, "extension");
    }
    node_elements(writer, nodes, count, NODES_QUALIFIED);
}

/* ---- fields ----------------------------------------------------------------------------------------- */

/* An empty list is written where the schema of 1.2 demands the element. */
static void epc_list(struct writer *writer, const char *name, char *const *epcs, size_t count, bool demanded)
{
    if (count == 0 && !demanded)
        return;
    open_tag(&writer->out, name);
    for (size_t i = 0; i < count; i++)
        text_element(&writer->out, "epc", epcs[i]);
    close_tag(&writer->out, name);
}

static void quantity_list(struct writer *writer, const char *name, Epcis__V1__QuantityElement *const *list,
                          size_t count)
{
    struct buffer *out = &writer->out;
    if (count == 0)
        return;
    open_tag(out, name);
    for (size_t i = 0; i < count; i++) {
        open_tag(out, "quantityElement");
        text_element(out, "epcClass", list[i]->epc_class);
        text_element(out, "quantity", list[i]->quantity);
        text_element(out, "uom", list[i]->uom);
        extension_elements(writer, list[i]->extensions, list[i]->n_extensions);
        close_tag(out, "quantityElement");
    }
    close_tag(out, name);
}

static void location(struct writer *writer, const char *name, const Epcis__V1__Location *place)
{
    if (!place)
        return;
    buffer_printf(&writer->out, "<%s", name);
    node_attributes(writer, place->extensions, place->n_extensions);
    buffer_append(&writer->out, ">", 1);
    text_element(&writer->out, "id", place->id);
    extension_elements(writer, place->extensions, place->n_extensions);
    close_tag(&writer->out, name);
    writer_forget(writer, 1);
}

static void typed_entry(struct writer *writer, const char *name, const struct vocabulary *vocabulary,
                        const char *type, const char *value)
{
    buffer_printf(&writer->out, "<%s", name);
    word_attribute(writer, "type", vocabulary, type);
    buffer_append(&writer->out, ">", 1);
    escaped(&writer->out, value);
    close_tag(&writer->out, name);
}

static void biz_transaction_list(struct writer *writer, const Epcis__V1__Event *event)
{
    if (event->n_biz_transaction_list == 0)
        return;
    open_tag(&writer->out, "bizTransactionList");
    for (size_t i = 0; i < event->n_biz_transaction_list; i++)
        typed_entry(writer, "bizTransaction", &biz_transactions, event->biz_transaction_list[i]->type,
                    event->biz_transaction_list[i]->biz_transaction);
    close_tag(&writer->out, "bizTransactionList");
}

static void source_list(struct writer *writer, const Epcis__V1__Event *event)
{
    if (event->n_source_list == 0)
        return;
    open_tag(&writer->out, "sourceList");
    for (size_t i = 0; i < event->n_source_list; i++)
        typed_entry(writer, "source", &parties, event->source_list[i]->type, event->source_list[i]->source);
    close_tag(&writer->out, "sourceList");
}

static void destination_list(struct writer *writer, const Epcis__V1__Event *event)
{
    if (event->n_destination_list == 0)
        return;
    open_tag(&writer->out, "destinationList");
    for (size_t i = 0; i < event->n_destination_list; i++)
        typed_entry(writer, "destination", &parties, event->destination_list[i]->type,
                    event->destination_list[i]->destination);
    close_tag(&writer->out, "destinationList");
}

static void sensor_metadata(struct writer *writer, const Epcis__V1__SensorMetadata *metadata)
{
    struct buffer *out = &writer->out;
    if (!metadata)
        return;
    buffer_append_text(out, "<sensorMetadata");
    time_attribute(out, "time", metadata->time);
    time_attribute(out, "startTime", metadata->start_time);
    time_attribute(out, "endTime", metadata->end_time);
    text_attribute(out, "deviceID", metadata->device_id);
    text_attribute(out, "deviceMetadata", metadata->device_metadata);
    text_attribute(out, "rawData", metadata->raw_data);
    text_attribute(out, "dataProcessingMethod", metadata->data_processing_method);
    text_attribute(out, "bizRules", metadata->biz_rules);
    attributes_of(writer, metadata->extensions, metadata->n_extensions, true);
    buffer_append(out, "/>", 2);
    writer_forget(writer, 1);
}

static void sensor_report(struct writer *writer, const Epcis__V1__SensorReport *report)
{
    struct buffer *out = &writer->out;
    buffer_append_text(out, "<sensorReport");
    word_attribute(writer, "type", &measurements, report->type);
    word_attribute(writer, "exception", &measurements, report->exception);
    text_attribute(out, "deviceID", report->device_id);
    text_attribute(out, "deviceMetadata", report->device_metadata);
    text_attribute(out, "rawData", report->raw_data);
    text_attribute(out, "dataProcessingMethod", report->data_processing_method);
    time_attribute(out, "time", report->time);
    text_attribute(out, "microorganism", report->microorganism);
    text_attribute(out, "chemicalSubstance", report->chemical_substance);
    text_attribute(out, "value", report->value);
    word_attribute(writer, "component", &components, report->component);
    text_attribute(out, "stringValue", report->string_value);
    text_attribute(out, "booleanValue", report->boolean_value);
    text_attribute(out, "hexBinaryValue", report->hex_binary_value);
    text_attribute(out, "uriValue", report->uri_value);
    text_attribute(out, "minValue", report->min_value);
    text_attribute(out, "maxValue", report->max_value);
    text_attribute(out, "meanValue", report->mean_value);
    text_attribute(out, "sDev", report->s_dev);
    text_attribute(out, "percRank", report->perc_rank);
    text_attribute(out, "percValue", report->perc_value);
    text_attribute(out, "uom", report->uom);
    text_attribute(out, "coordinateReferenceSystem", report->coordinate_reference_system);
    attributes_of(writer, report->extensions, report->n_extensions, true);
    buffer_append(out, "/>", 2);
    writer_forget(writer, 1);
}

static void sensor_element_list(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    if (event->n_sensor_element_list == 0)
        return;
    open_tag(out, "sensorElementList");
    for (size_t i = 0; i < event->n_sensor_element_list; i++) {
        const Epcis__V1__SensorElement *element = event->sensor_element_list[i];
        open_tag(out, "sensorElement");
        sensor_metadata(writer, element->sensor_metadata);
        for (size_t j = 0; j < element->n_sensor_reports; j++)
            sensor_report(writer, element->sensor_reports[j]);
        extension_elements(writer, element->extensions, element->n_extensions);
        close_tag(out, "sensorElement");
    }
    close_tag(out, "sensorElementList");
}

static void persistent_disposition(struct writer *writer, const Epcis__V1__PersistentDisposition *disposition)
{
    if (!disposition)
        return;
    open_tag(&writer->out, "persistentDisposition");
    for (size_t i = 0; i < disposition->n_unset; i++)
        word_element(writer, "unset", &dispositions, disposition->unset[i]);
    for (size_t i = 0; i < disposition->n_set; i++)
        word_element(writer, "set", &dispositions, disposition->set[i]);
    close_tag(&writer->out, "persistentDisposition");
}

static void ilmd(struct writer *writer, const Epcis__V1__Event *event)
{
    if (event->n_ilmd == 0)
        return;
    buffer_append_text(&writer->out, "<ilmd");
    node_attributes(writer, event->ilmd, event->n_ilmd);
    buffer_append(&writer->out, ">", 1);
    extension_elements(writer, event->ilmd, event->n_ilmd);
    close_tag(&writer->out, "ilmd");
    writer_forget(writer, 1);
}

static void error_declaration(struct writer *writer, const Epcis__V1__ErrorDeclaration *declaration)
{
    struct buffer *out = &writer->out;
    if (!declaration)
        return;
    open_tag(out, "errorDeclaration");
    time_element(out, "declarationTime", declaration->declaration_time);
    word_element(writer, "reason", &reasons, declaration->reason);
    if (declaration->n_corrective_event_ids) {
        open_tag(out, "correctiveEventIDs");
        for (size_t i = 0; i < declaration->n_corrective_event_ids; i++)
            text_element(out, "correctiveEventID", declaration->corrective_event_ids[i]);
        close_tag(out, "correctiveEventIDs");
    }
    extension_elements(writer, declaration->extensions, declaration->n_extensions);
    close_tag(out, "errorDeclaration");
}

static void quantity_event(struct writer *writer, const Epcis__V1__Event *event)
{
    if (event->n_quantity_list == 0)
        return;
    text_element(&writer->out, "epcClass", event->quantity_list[0]->epc_class);
    text_element(&writer->out, "quantity", event->quantity_list[0]->quantity);
}

static void field(struct writer *writer, enum writer_field which, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    bool old = writer->format == WRITER_XML_1;
    switch (which) {
    case FIELD_PARENT_ID:
        text_element(out, "parentID", event->parent_id);
        break;
    case FIELD_EPC_LIST:
        epc_list(writer, "epcList", event->epc_list, event->n_epc_list, old);
        break;
    case FIELD_CHILD_EPCS:
        epc_list(writer, "childEPCs", event->child_epcs, event->n_child_epcs, old);
        break;
    case FIELD_INPUT_EPC_LIST:
        epc_list(writer, "inputEPCList", event->input_epc_list, event->n_input_epc_list, false);
        break;
    case FIELD_OUTPUT_EPC_LIST:
        epc_list(writer, "outputEPCList", event->output_epc_list, event->n_output_epc_list, false);
        break;
    case FIELD_QUANTITY_LIST:
        quantity_list(writer, "quantityList", event->quantity_list, event->n_quantity_list);
        break;
    case FIELD_CHILD_QUANTITY_LIST:
        quantity_list(writer, "childQuantityList", event->child_quantity_list, event->n_child_quantity_list);
        break;
    case FIELD_INPUT_QUANTITY_LIST:
        quantity_list(writer, "inputQuantityList", event->input_quantity_list, event->n_input_quantity_list);
        break;
    case FIELD_OUTPUT_QUANTITY_LIST:
        quantity_list(writer, "outputQuantityList", event->output_quantity_list,
                      event->n_output_quantity_list);
        break;
    case FIELD_QUANTITY_EVENT:
        quantity_event(writer, event);
        break;
    case FIELD_TRANSFORMATION_ID:
        text_element(out, "transformationID", event->transformation_id);
        break;
    case FIELD_ACTION:
        text_element(out, "action",
                     *event->action_text ? event->action_text : event_action_name(event->action));
        break;
    case FIELD_BIZ_STEP:
        word_element(writer, "bizStep", &biz_steps, event->biz_step);
        break;
    case FIELD_DISPOSITION:
        word_element(writer, "disposition", &dispositions, event->disposition);
        break;
    case FIELD_READ_POINT:
        location(writer, "readPoint", event->read_point);
        break;
    case FIELD_BIZ_LOCATION:
        location(writer, "bizLocation", event->biz_location);
        break;
    case FIELD_BIZ_TRANSACTION_LIST:
        biz_transaction_list(writer, event);
        break;
    case FIELD_SOURCE_LIST:
        source_list(writer, event);
        break;
    case FIELD_DESTINATION_LIST:
        destination_list(writer, event);
        break;
    case FIELD_SENSOR_ELEMENT_LIST:
        sensor_element_list(writer, event);
        break;
    case FIELD_PERSISTENT_DISPOSITION:
        persistent_disposition(writer, event->persistent_disposition);
        break;
    case FIELD_ILMD:
        ilmd(writer, event);
        break;
    case FIELD_END:
    case FIELD_EXTENSION_1:
    case FIELD_EXTENSION_2:
        break;
    }
}

/* Writes the fields in their order. An <extension> is opened where it would not stay empty; the innermost
 * takes what has no namespace. */
static void fields(struct writer *writer, const enum writer_field *order, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    if (*order == FIELD_END) {
        node_elements(writer, event->extensions, event->n_extensions, NODES_LOCAL);
        return;
    }
    if (*order != FIELD_EXTENSION_1 && *order != FIELD_EXTENSION_2) {
        field(writer, *order, event);
        fields(writer, order + 1, event);
        return;
    }
    size_t start = out->length;
    open_tag(out, "extension");
    size_t empty = out->length;
    fields(writer, order + 1, event);
    if (out->length == empty)
        out->length = start;
    else
        close_tag(out, "extension");
}

/* ---- events ----------------------------------------------------------------------------------------- */

static void base_fields(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    bool old = writer->format == WRITER_XML_1;
    time_element(out, "eventTime", event->event_time);
    time_element(out, "recordTime", event->record_time);
    text_element(out, "eventTimeZoneOffset", event->event_time_zone_offset);
    bool certified = event->n_certification_info > 0;
    bool base = *event->event_id || event->error_declaration || certified;
    if (old && base)
        open_tag(out, "baseExtension");
    text_element(out, "eventID", event->event_id);
    error_declaration(writer, event->error_declaration);
    if (old && certified)
        open_tag(out, "extension");
    for (size_t i = 0; i < event->n_certification_info; i++)
        text_element(out, "certificationInfo", event->certification_info[i]);
    if (old && certified)
        close_tag(out, "extension");
    if (old && base)
        close_tag(out, "baseExtension");
}

/* How many <extension> elements the event list of 1.2 wants around an event of this type. */
static int list_extensions(const struct writer *writer, const Epcis__V1__Event *event)
{
    if (writer->format != WRITER_XML_1 || writer->bare_event)
        return 0;
    return event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION ? 1
           : event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_ASSOCIATION  ? 2
                                                                           : 0;
}

static void append_declarations(struct writer *writer)
{
    for (size_t i = 0; i < writer->document_namespaces; i++) {
        buffer_printf(&writer->out, " xmlns:%s=\"", writer->namespaces[i].prefix);
        escaped(&writer->out, writer->namespaces[i].uri);
        buffer_append(&writer->out, "\"", 1);
    }
}

void writer_xml_event(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    const char *name = event_type_name(event->type);
    int extensions = list_extensions(writer, event);
    for (int i = 0; i < extensions; i++)
        open_tag(out, "extension");
    buffer_printf(out, "<%s", name);
    if (writer->bare_event)
        append_declarations(writer);
    node_attributes(writer, event->extensions, event->n_extensions);
    buffer_append(out, ">", 1);
    base_fields(writer, event);
    fields(writer, writer->format == WRITER_XML_1 ? order_1[event->type] : order_2[event->type], event);
    node_elements(writer, event->extensions, event->n_extensions, NODES_QUALIFIED);
    close_tag(out, name);
    for (int i = 0; i < extensions; i++)
        close_tag(out, "extension");
    buffer_append(out, "\n", 1);
}

/* ---- the document ----------------------------------------------------------------------------------- */

static void partner(struct buffer *out, const char *name, const Epcis__V1__Partner *entry)
{
    buffer_printf(out, "<sbdh:%s><sbdh:Identifier", name);
    text_attribute(out, "Authority", entry->authority);
    buffer_append(out, ">", 1);
    escaped(out, entry->identifier);
    buffer_append_text(out, "</sbdh:Identifier>");
    for (size_t i = 0; i < entry->n_contacts; i++) {
        const Epcis__V1__ContactInformation *contact = entry->contacts[i];
        open_tag(out, "sbdh:ContactInformation");
        text_element(out, "sbdh:Contact", contact->contact);
        text_element(out, "sbdh:EmailAddress", contact->email_address);
        text_element(out, "sbdh:FaxNumber", contact->fax_number);
        text_element(out, "sbdh:TelephoneNumber", contact->telephone_number);
        text_element(out, "sbdh:ContactTypeIdentifier", contact->contact_type_identifier);
        close_tag(out, "sbdh:ContactInformation");
    }
    close_tag(out, strcmp(name, "Sender") == 0 ? "sbdh:Sender" : "sbdh:Receiver");
}

static void business_header(struct writer *writer, const Epcis__V1__StandardBusinessDocumentHeader *header)
{
    struct buffer *out = &writer->out;
    open_tag(out, "sbdh:StandardBusinessDocumentHeader");
    text_element(out, "sbdh:HeaderVersion", header->header_version);
    for (size_t i = 0; i < header->n_senders; i++)
        partner(out, "Sender", header->senders[i]);
    for (size_t i = 0; i < header->n_receivers; i++)
        partner(out, "Receiver", header->receivers[i]);
    open_tag(out, "sbdh:DocumentIdentification");
    text_element(out, "sbdh:Standard", header->standard);
    text_element(out, "sbdh:TypeVersion", header->type_version);
    text_element(out, "sbdh:InstanceIdentifier", header->instance_identifier);
    text_element(out, "sbdh:Type", header->type);
    text_element(out, "sbdh:MultipleType", header->multiple_type);
    text_element(out, "sbdh:CreationDateAndTime", header->creation_date_and_time);
    close_tag(out, "sbdh:DocumentIdentification");
    node_elements(writer, header->extensions, header->n_extensions, NODES_ALL);
    close_tag(out, "sbdh:StandardBusinessDocumentHeader");
}

/* The JSON-LD short form of a header, spelled out. */
static void business_header_of_short_form(struct writer *writer, const Epcis__V1__Document *document)
{
    Epcis__V1__Partner sender = EPCIS__V1__PARTNER__INIT, receiver = EPCIS__V1__PARTNER__INIT;
    Epcis__V1__Partner *senders[] = {&sender}, *receivers[] = {&receiver};
    sender.identifier = document->sender;
    receiver.identifier = document->receiver;
    Epcis__V1__StandardBusinessDocumentHeader header = EPCIS__V1__STANDARD_BUSINESS_DOCUMENT_HEADER__INIT;
    header.header_version = (char *)"1.0";
    header.senders = senders;
    header.n_senders = 1;
    header.receivers = receivers;
    header.n_receivers = 1;
    header.standard = (char *)"EPCglobal";
    header.type_version = (char *)"1.0";
    header.instance_identifier = document->instance_identifier;
    header.type = (char *)"Events";
    header.creation_date_and_time = document->creation_date;
    business_header(writer, &header);
}

static void open_header(struct writer *writer)
{
    if (!writer->header_open)
        open_tag(&writer->out, "EPCISHeader");
    writer->header_open = true;
}

/* What stands behind the head and is not known any more then: the query's name, or foreign elements of
 * document and header that no attribute can say. They go behind the body, where both schemas allow them. */
static void render_tail(struct writer *writer, const Epcis__V1__Document *document)
{
    if (writer->query) {
        text_element(&writer->tail, "queryName",
                     *document->query_name ? document->query_name : "SimpleEventQuery");
        text_element(&writer->tail, "subscriptionID", document->subscription_id);
        return;
    }
    struct buffer out = writer->out;
    writer->out = writer->tail;
    if (!writer_fits_attributes(document->extensions, document->n_extensions))
        node_elements(writer, document->extensions, document->n_extensions, NODES_QUALIFIED);
    writer->tail = writer->out;
    writer->out = out;
}

void writer_xml_document(struct writer *writer, const Epcis__V1__Document *document)
{
    struct buffer *out = &writer->out;
    buffer_append_text(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    if (writer->bare_event)
        return;
    bool old = writer->format == WRITER_XML_1;
    const char *root = writer->query ? "epcisq:EPCISQueryDocument" : "epcis:EPCISDocument";
    buffer_printf(out, "<%s xmlns:%s=\"urn:epcglobal:%s:xsd:%d\" xmlns:sbdh=\"%s\"", root,
                  writer->query ? "epcisq" : "epcis", writer->query ? "epcis-query" : "epcis", old ? 1 : 2,
                  sbdh_uri);
    append_declarations(writer);
    text_attribute(out, "schemaVersion", old ? "1.2" : "2.0");
    text_attribute(out, "creationDate", document->creation_date);
    attributes_of(writer, document->extensions, document->n_extensions,
                  writer_fits_attributes(document->extensions, document->n_extensions));
    buffer_append_text(out, ">\n");
    if (document->standard_business_document_header) {
        open_header(writer);
        business_header(writer, document->standard_business_document_header);
    } else if (*document->sender && *document->receiver) {
        open_header(writer);
        business_header_of_short_form(writer, document);
    }
    render_tail(writer, document);
}

static void vocabulary_attribute(struct writer *writer, const Epcis__V1__VocabularyAttribute *attribute)
{
    struct buffer *out = &writer->out;
    buffer_append_text(out, "<attribute");
    text_attribute(out, "id", attribute->id);
    node_attributes(writer, attribute->children, attribute->n_children);
    buffer_append(out, ">", 1);
    escaped(out, attribute->value);
    node_elements(writer, attribute->children, attribute->n_children, NODES_ALL);
    close_tag(out, "attribute");
    writer_forget(writer, 2);
}

void writer_xml_vocabulary_element(struct writer *writer, const Epcis__V1__VocabularyElement *element)
{
    struct buffer *out = &writer->out;
    if (!writer->vocabulary || strcmp(writer->vocabulary, element->type) != 0) {
        open_header(writer);
        buffer_append_text(out, writer->vocabulary ? "</VocabularyElementList></Vocabulary>\n"
                                                   : "<extension><EPCISMasterData><VocabularyList>\n");
        free(writer->vocabulary);
        writer->vocabulary = strdup(element->type);
        out->failed |= !writer->vocabulary;
        buffer_append_text(out, "<Vocabulary");
        text_attribute(out, "type", element->type);
        buffer_append_text(out, "><VocabularyElementList>\n");
    }
    buffer_append_text(out, "<VocabularyElement");
    text_attribute(out, "id", element->id);
    node_attributes(writer, element->extensions, element->n_extensions);
    buffer_append(out, ">", 1);
    for (size_t i = 0; i < element->n_attributes; i++)
        vocabulary_attribute(writer, element->attributes[i]);
    if (element->n_children) {
        open_tag(out, "children");
        for (size_t i = 0; i < element->n_children; i++)
            text_element(out, "id", element->children[i]);
        close_tag(out, "children");
    }
    extension_elements(writer, element->extensions, element->n_extensions);
    close_tag(out, "VocabularyElement");
    writer_forget(writer, 1);
    buffer_append(out, "\n", 1);
}

void writer_xml_vocabularies_end(struct writer *writer)
{
    struct buffer *out = &writer->out;
    if (writer->bare_event)
        return;
    if (writer->vocabulary)
        buffer_append_text(
            out, "</VocabularyElementList></Vocabulary>\n</VocabularyList></EPCISMasterData></extension>");
    if (writer->header_open)
        buffer_append_text(out, "</EPCISHeader>\n");
    buffer_append_text(out, "<EPCISBody>\n");
    if (writer->query) {
        buffer_append_text(out, "<epcisq:QueryResults>");
        buffer_append(out, writer->tail.data, writer->tail.length);
        buffer_append_text(out, "<resultsBody>");
    }
    buffer_append_text(out, "<EventList>\n");
}

void writer_xml_end(struct writer *writer)
{
    struct buffer *out = &writer->out;
    if (writer->bare_event)
        return;
    buffer_append_text(out, "</EventList>\n");
    if (writer->query)
        buffer_append_text(
            out, "</resultsBody></epcisq:QueryResults>\n</EPCISBody>\n</epcisq:EPCISQueryDocument>\n");
    else
        buffer_append_text(out, "</EPCISBody>\n");
    if (writer->query)
        return;
    buffer_append(out, writer->tail.data, writer->tail.length);
    buffer_append_text(out, "</epcis:EPCISDocument>\n");
}
