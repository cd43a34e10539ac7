/* Events of EPCIS 2.0 and 1.2 XML. */
#include "common/epcis/writer_xml.h"

#include <string.h>

#include "common/epcis/event_text.h"
#include "common/epcis/hash_text.h"

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
                                                    FIELD_BIZ_TRANSACTION_LIST, FIELD_EXTENSION_1},
};

static const struct writer_xml_vocabulary biz_steps = {"urn:epcglobal:cbv:bizstep:",
                                                       "https://ref.gs1.org/cbv/BizStep-"};
static const struct writer_xml_vocabulary dispositions = {"urn:epcglobal:cbv:disp:",
                                                          "https://ref.gs1.org/cbv/Disp-"};
static const struct writer_xml_vocabulary biz_transactions = {"urn:epcglobal:cbv:btt:",
                                                              "https://ref.gs1.org/cbv/BTT-"};
static const struct writer_xml_vocabulary parties = {"urn:epcglobal:cbv:sdt:",
                                                     "https://ref.gs1.org/cbv/SDT-"};
static const struct writer_xml_vocabulary reasons = {"urn:epcglobal:cbv:er:", "https://ref.gs1.org/cbv/ER-"};
static const struct writer_xml_vocabulary measurements = {"gs1:", "gs1:"};
static const struct writer_xml_vocabulary components = {"cbv:Comp-", "cbv:Comp-"};

/* ---- fields ----------------------------------------------------------------------------------------- */

/* An empty list is written where the schema of 1.2 demands the element. */
static void epc_list(struct writer *writer, const char *name, char *const *epcs, size_t count, bool demanded)
{
    if (count == 0 && !demanded)
        return;
    writer_xml_open_tag(&writer->out, name);
    for (size_t i = 0; i < count; i++)
        writer_xml_text_element(&writer->out, "epc", epcs[i]);
    writer_xml_close_tag(&writer->out, name);
}

/* A decimal in 1.2, where 1e3 must be spelled out. */
static void quantity_element(struct writer *writer, const char *quantity)
{
    struct hash_text number = {0};
    if (writer->format == WRITER_XML_1 && strpbrk(quantity, "eE"))
        hash_number(&number, "", quantity); /* puts a "=" before it */
    buffer_append(&number.text, "", 1);
    writer->out.failed |= number.text.failed;
    writer_xml_text_element(&writer->out, "quantity",
                            number.text.length > 1 ? (char *)number.text.data + 1 : quantity);
    hash_text_free(&number);
}

static void quantity_list(struct writer *writer, const char *name, Epcis__V1__QuantityElement *const *list,
                          size_t count)
{
    struct buffer *out = &writer->out;
    if (count == 0)
        return;
    writer_xml_open_tag(out, name);
    for (size_t i = 0; i < count; i++) {
        writer_xml_open_tag(out, "quantityElement");
        writer_xml_text_element(out, "epcClass", list[i]->epc_class);
        quantity_element(writer, list[i]->quantity);
        writer_xml_text_element(out, "uom", list[i]->uom);
        writer_xml_close_tag(out, "quantityElement");
    }
    writer_xml_close_tag(out, name);
}

static void location(struct writer *writer, const char *name, const Epcis__V1__Location *place)
{
    if (!place)
        return;
    buffer_printf(&writer->out, "<%s", name);
    writer_xml_node_attributes(writer, place->extensions, place->n_extensions);
    buffer_append(&writer->out, ">", 1);
    writer_xml_text_element(&writer->out, "id", place->id);
    writer_xml_extension_elements(writer, place->extensions, place->n_extensions);
    writer_xml_close_tag(&writer->out, name);
    writer_forget(writer, 1);
}

static void typed_entry(struct writer *writer, const char *name,
                        const struct writer_xml_vocabulary *vocabulary, const char *type, const char *value)
{
    buffer_printf(&writer->out, "<%s", name);
    writer_xml_word_attribute(writer, "type", vocabulary, type);
    buffer_append(&writer->out, ">", 1);
    writer_xml_escaped(&writer->out, value);
    writer_xml_close_tag(&writer->out, name);
}

static void biz_transaction_list(struct writer *writer, const Epcis__V1__Event *event)
{
    if (event->n_biz_transaction_list == 0)
        return;
    writer_xml_open_tag(&writer->out, "bizTransactionList");
    for (size_t i = 0; i < event->n_biz_transaction_list; i++)
        typed_entry(writer, "bizTransaction", &biz_transactions, event->biz_transaction_list[i]->type,
                    event->biz_transaction_list[i]->biz_transaction);
    writer_xml_close_tag(&writer->out, "bizTransactionList");
}

static void source_list(struct writer *writer, const Epcis__V1__Event *event)
{
    if (event->n_source_list == 0)
        return;
    writer_xml_open_tag(&writer->out, "sourceList");
    for (size_t i = 0; i < event->n_source_list; i++)
        typed_entry(writer, "source", &parties, event->source_list[i]->type, event->source_list[i]->source);
    writer_xml_close_tag(&writer->out, "sourceList");
}

static void destination_list(struct writer *writer, const Epcis__V1__Event *event)
{
    if (event->n_destination_list == 0)
        return;
    writer_xml_open_tag(&writer->out, "destinationList");
    for (size_t i = 0; i < event->n_destination_list; i++)
        typed_entry(writer, "destination", &parties, event->destination_list[i]->type,
                    event->destination_list[i]->destination);
    writer_xml_close_tag(&writer->out, "destinationList");
}

static void sensor_metadata(struct writer *writer, const Epcis__V1__SensorMetadata *metadata)
{
    struct buffer *out = &writer->out;
    if (!metadata)
        return;
    buffer_append_text(out, "<sensorMetadata");
    writer_xml_time_attribute(out, "time", metadata->time);
    writer_xml_time_attribute(out, "startTime", metadata->start_time);
    writer_xml_time_attribute(out, "endTime", metadata->end_time);
    writer_xml_text_attribute(out, "deviceID", metadata->device_id);
    writer_xml_text_attribute(out, "deviceMetadata", metadata->device_metadata);
    writer_xml_text_attribute(out, "rawData", metadata->raw_data);
    writer_xml_text_attribute(out, "dataProcessingMethod", metadata->data_processing_method);
    writer_xml_text_attribute(out, "bizRules", metadata->biz_rules);
    writer_xml_attributes(writer, metadata->extensions, metadata->n_extensions, true);
    buffer_append(out, "/>", 2);
    writer_forget(writer, 1);
}

static void sensor_report(struct writer *writer, const Epcis__V1__SensorReport *report)
{
    struct buffer *out = &writer->out;
    buffer_append_text(out, "<sensorReport");
    writer_xml_word_attribute(writer, "type", &measurements, report->type);
    writer_xml_word_attribute(writer, "exception", &measurements, report->exception);
    writer_xml_text_attribute(out, "deviceID", report->device_id);
    writer_xml_text_attribute(out, "deviceMetadata", report->device_metadata);
    writer_xml_text_attribute(out, "rawData", report->raw_data);
    writer_xml_text_attribute(out, "dataProcessingMethod", report->data_processing_method);
    writer_xml_time_attribute(out, "time", report->time);
    writer_xml_text_attribute(out, "microorganism", report->microorganism);
    writer_xml_text_attribute(out, "chemicalSubstance", report->chemical_substance);
    writer_xml_text_attribute(out, "value", report->value);
    writer_xml_word_attribute(writer, "component", &components, report->component);
    writer_xml_text_attribute(out, "stringValue", report->string_value);
    writer_xml_text_attribute(out, "booleanValue", report->boolean_value);
    writer_xml_text_attribute(out, "hexBinaryValue", report->hex_binary_value);
    writer_xml_text_attribute(out, "uriValue", report->uri_value);
    writer_xml_text_attribute(out, "minValue", report->min_value);
    writer_xml_text_attribute(out, "maxValue", report->max_value);
    writer_xml_text_attribute(out, "meanValue", report->mean_value);
    writer_xml_text_attribute(out, "sDev", report->s_dev);
    writer_xml_text_attribute(out, "percRank", report->perc_rank);
    writer_xml_text_attribute(out, "percValue", report->perc_value);
    writer_xml_text_attribute(out, "uom", report->uom);
    writer_xml_text_attribute(out, "coordinateReferenceSystem", report->coordinate_reference_system);
    writer_xml_attributes(writer, report->extensions, report->n_extensions, true);
    buffer_append(out, "/>", 2);
    writer_forget(writer, 1);
}

static void sensor_element_list(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    if (event->n_sensor_element_list == 0)
        return;
    writer_xml_open_tag(out, "sensorElementList");
    for (size_t i = 0; i < event->n_sensor_element_list; i++) {
        const Epcis__V1__SensorElement *element = event->sensor_element_list[i];
        writer_xml_open_tag(out, "sensorElement");
        sensor_metadata(writer, element->sensor_metadata);
        for (size_t j = 0; j < element->n_sensor_reports; j++)
            sensor_report(writer, element->sensor_reports[j]);
        writer_xml_extension_elements(writer, element->extensions, element->n_extensions);
        writer_xml_close_tag(out, "sensorElement");
    }
    writer_xml_close_tag(out, "sensorElementList");
}

static void persistent_disposition(struct writer *writer, const Epcis__V1__PersistentDisposition *disposition)
{
    if (!disposition)
        return;
    writer_xml_open_tag(&writer->out, "persistentDisposition");
    for (size_t i = 0; i < disposition->n_unset; i++)
        writer_xml_word_element(writer, "unset", &dispositions, disposition->unset[i]);
    for (size_t i = 0; i < disposition->n_set; i++)
        writer_xml_word_element(writer, "set", &dispositions, disposition->set[i]);
    writer_xml_close_tag(&writer->out, "persistentDisposition");
}

static void ilmd(struct writer *writer, const Epcis__V1__Event *event)
{
    if (event->n_ilmd == 0)
        return;
    buffer_append_text(&writer->out, "<ilmd");
    writer_xml_node_attributes(writer, event->ilmd, event->n_ilmd);
    buffer_append(&writer->out, ">", 1);
    writer_xml_extension_elements(writer, event->ilmd, event->n_ilmd);
    writer_xml_close_tag(&writer->out, "ilmd");
    writer_forget(writer, 1);
}

static void error_declaration(struct writer *writer, const Epcis__V1__ErrorDeclaration *declaration)
{
    struct buffer *out = &writer->out;
    if (!declaration)
        return;
    writer_xml_open_tag(out, "errorDeclaration");
    writer_xml_time_element(out, "declarationTime", declaration->declaration_time);
    writer_xml_word_element(writer, "reason", &reasons, declaration->reason);
    if (declaration->n_corrective_event_ids) {
        writer_xml_open_tag(out, "correctiveEventIDs");
        for (size_t i = 0; i < declaration->n_corrective_event_ids; i++)
            writer_xml_text_element(out, "correctiveEventID", declaration->corrective_event_ids[i]);
        writer_xml_close_tag(out, "correctiveEventIDs");
    }
    writer_xml_extension_elements(writer, declaration->extensions, declaration->n_extensions);
    writer_xml_close_tag(out, "errorDeclaration");
}

static void quantity_event(struct writer *writer, const Epcis__V1__Event *event)
{
    if (event->n_quantity_list == 0)
        return;
    writer_xml_text_element(&writer->out, "epcClass", event->quantity_list[0]->epc_class);
    writer_xml_text_element(&writer->out, "quantity", event->quantity_list[0]->quantity);
}

static void field(struct writer *writer, enum writer_field which, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    bool old = writer->format == WRITER_XML_1;
    switch (which) {
    case FIELD_PARENT_ID:
        writer_xml_text_element(out, "parentID", event->parent_id);
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
        writer_xml_text_element(out, "transformationID", event->transformation_id);
        break;
    case FIELD_ACTION:
        writer_xml_text_element(out, "action",
                                *event->action_text ? event->action_text : event_action_name(event->action));
        break;
    case FIELD_BIZ_STEP:
        writer_xml_word_element(writer, "bizStep", &biz_steps, event->biz_step);
        break;
    case FIELD_DISPOSITION:
        writer_xml_word_element(writer, "disposition", &dispositions, event->disposition);
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
        writer_xml_node_elements(writer, event->extensions, event->n_extensions, WRITER_XML_LOCAL);
        return;
    }
    if (*order != FIELD_EXTENSION_1 && *order != FIELD_EXTENSION_2) {
        field(writer, *order, event);
        fields(writer, order + 1, event);
        return;
    }
    size_t start = out->length;
    writer_xml_open_tag(out, "extension");
    size_t empty = out->length;
    fields(writer, order + 1, event);
    if (out->length == empty)
        out->length = start;
    else
        writer_xml_close_tag(out, "extension");
}

/* ---- events ----------------------------------------------------------------------------------------- */

static void base_fields(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    bool old = writer->format == WRITER_XML_1;
    writer_xml_time_element(out, "eventTime", event->event_time);
    writer_xml_time_element(out, "recordTime", event->record_time);
    writer_xml_text_element(out, "eventTimeZoneOffset", event->event_time_zone_offset);
    bool certified = event->n_certification_info > 0;
    bool base = *event->event_id || event->error_declaration || certified;
    if (old && base)
        writer_xml_open_tag(out, "baseExtension");
    writer_xml_text_element(out, "eventID", event->event_id);
    error_declaration(writer, event->error_declaration);
    if (old && certified)
        writer_xml_open_tag(out, "extension");
    for (size_t i = 0; i < event->n_certification_info; i++)
        writer_xml_text_element(out, "certificationInfo", event->certification_info[i]);
    if (old && certified)
        writer_xml_close_tag(out, "extension");
    if (old && base)
        writer_xml_close_tag(out, "baseExtension");
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

void writer_xml_event(struct writer *writer, const Epcis__V1__Event *event)
{
    struct buffer *out = &writer->out;
    const char *name = event_type_name(event->type);
    int extensions = list_extensions(writer, event);
    for (int i = 0; i < extensions; i++)
        writer_xml_open_tag(out, "extension");
    buffer_printf(out, "<%s", name);
    if (writer->bare_event)
        writer_xml_declarations(writer);
    writer_xml_node_attributes(writer, event->extensions, event->n_extensions);
    buffer_append(out, ">", 1);
    base_fields(writer, event);
    fields(writer, writer->format == WRITER_XML_1 ? order_1[event->type] : order_2[event->type], event);
    writer_xml_node_elements(writer, event->extensions, event->n_extensions, WRITER_XML_QUALIFIED);
    writer_xml_close_tag(out, name);
    for (int i = 0; i < extensions; i++)
        writer_xml_close_tag(out, "extension");
    buffer_append(out, "\n", 1);
}
