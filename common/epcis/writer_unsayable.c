/* What of an event a syntax has no words for. */
#include "common/epcis/writer_parts.h"

#include <string.h>

#include "common/epcis/event_text.h"

/* Sensor metadata and reports have only attributes in XML. */
static bool sensors_fit_attributes(const Epcis__V1__Event *event)
{
    for (size_t i = 0; i < event->n_sensor_element_list; i++) {
        const Epcis__V1__SensorElement *element = event->sensor_element_list[i];
        const Epcis__V1__SensorMetadata *metadata = element->sensor_metadata;
        if (metadata && !writer_fits_attributes(metadata->extensions, metadata->n_extensions))
            return false;
        for (size_t j = 0; j < element->n_sensor_reports; j++)
            if (!writer_fits_attributes(element->sensor_reports[j]->extensions,
                                        element->sensor_reports[j]->n_extensions))
                return false;
    }
    return true;
}

/* Most of all none may have a prefix that nobody declares. */
static void check_names(void *context, Epcis__V1__Node *const *nodes, size_t count)
{
    bool *fit = context;
    for (size_t i = 0; i < count; i++) {
        if (nodes[i]->kind != EPCIS__V1__NODE_KIND__NODE_KIND_TEXT)
            *fit &= writer_is_xml_name(nodes[i]->local_name);
    }
}

static bool names_fit_xml(const Epcis__V1__Event *event)
{
    bool fit = true;
    writer_each_tree(event, check_names, &fit);
    return fit;
}

bool writer_has_mixed_content(Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool text = nodes[i]->kind == EPCIS__V1__NODE_KIND__NODE_KIND_TEXT;
        if (text && (i == 0 || nodes[i - 1]->depth >= nodes[i]->depth))
            return true;
    }
    return false;
}

static void check_mixed(void *context, Epcis__V1__Node *const *nodes, size_t count)
{
    *(bool *)context |= writer_has_mixed_content(nodes, count);
}

static bool has_mixed_content(const Epcis__V1__Event *event)
{
    bool mixed = false;
    writer_each_tree(event, check_mixed, &mixed);
    return mixed;
}

/* Whether a node without a namespace stands at the top of a list; attributes count where `attributes`. A name
 * whose prefix is declared nowhere is not meant. */
static bool has_local(Epcis__V1__Node *const *nodes, size_t count, bool attributes)
{
    for (size_t i = 0; i < count; i++)
        if (nodes[i]->depth == 0 && !*nodes[i]->namespace_uri && !strchr(nodes[i]->local_name, ':') &&
            (attributes || nodes[i]->kind == EPCIS__V1__NODE_KIND__NODE_KIND_ELEMENT))
            return true;
    return false;
}

static bool quantities_are_extended(Epcis__V1__QuantityElement *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i]->n_extensions > 0)
            return true;
    return false;
}

static bool has_extended_quantity(const Epcis__V1__Event *event)
{
    return quantities_are_extended(event->quantity_list, event->n_quantity_list) ||
           quantities_are_extended(event->child_quantity_list, event->n_child_quantity_list) ||
           quantities_are_extended(event->input_quantity_list, event->n_input_quantity_list) ||
           quantities_are_extended(event->output_quantity_list, event->n_output_quantity_list);
}

static bool sensors_have_local(const Epcis__V1__Event *event)
{
    for (size_t i = 0; i < event->n_sensor_element_list; i++) {
        const Epcis__V1__SensorElement *element = event->sensor_element_list[i];
        const Epcis__V1__SensorMetadata *metadata = element->sensor_metadata;
        if (has_local(element->extensions, element->n_extensions, true) ||
            (metadata && has_local(metadata->extensions, metadata->n_extensions, true)))
            return true;
    }
    return false;
}

/* Names without a namespace are the standard's own, but in ILMD, locations and sensor reports; in XML also in
 * the <extension> of an event's parts and, in 1.2, in the innermost one of an event of its list. */
static bool has_misplaced_local(const struct writer *writer, const Epcis__V1__Event *event)
{
    const Epcis__V1__ErrorDeclaration *declaration = event->error_declaration;
    bool json = writer_is_json(writer);
    bool innermost = writer->format == WRITER_XML_1 && !writer->bare_event;
    return (!innermost && has_local(event->extensions, event->n_extensions, json)) ||
           (json && declaration && has_local(declaration->extensions, declaration->n_extensions, true)) ||
           (json && sensors_have_local(event));
}

static bool is_infinite(const char *number)
{
    return strcmp(number, "INF") == 0 || strcmp(number, "-INF") == 0 || strcmp(number, "NaN") == 0;
}

static bool quantities_are_infinite(Epcis__V1__QuantityElement *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_infinite(list[i]->quantity))
            return true;
    return false;
}

static bool report_is_infinite(const Epcis__V1__SensorReport *report)
{
    return is_infinite(report->value) || is_infinite(report->min_value) || is_infinite(report->max_value) ||
           is_infinite(report->mean_value) || is_infinite(report->s_dev) || is_infinite(report->perc_rank) ||
           is_infinite(report->perc_value);
}

/* JSON has no such numbers at all, 1.2 none in quantities. */
static bool has_infinite(const struct writer *writer, const Epcis__V1__Event *event)
{
    for (size_t i = 0; writer_is_json(writer) && i < event->n_sensor_element_list; i++)
        for (size_t j = 0; j < event->sensor_element_list[i]->n_sensor_reports; j++)
            if (report_is_infinite(event->sensor_element_list[i]->sensor_reports[j]))
                return true;
    return writer->format != WRITER_XML_2 &&
           (quantities_are_infinite(event->quantity_list, event->n_quantity_list) ||
            quantities_are_infinite(event->child_quantity_list, event->n_child_quantity_list) ||
            quantities_are_infinite(event->input_quantity_list, event->n_input_quantity_list) ||
            quantities_are_infinite(event->output_quantity_list, event->n_output_quantity_list));
}

/* What the JSON schema demands and the XSDs do not. */
static bool lacks_required(const Epcis__V1__Event *event)
{
    for (size_t i = 0; i < event->n_sensor_element_list; i++)
        for (size_t j = 0; j < event->sensor_element_list[i]->n_sensor_reports; j++)
            if (!*event->sensor_element_list[i]->sensor_reports[j]->type)
                return true;
    return event->error_declaration && !event->error_declaration->declaration_time;
}

const char *writer_unsayable(const struct writer *writer, const Epcis__V1__Event *event)
{
    if (!event_type_name(event->type)[0])
        return "type: no event type of the standard";
    if (event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_QUANTITY && writer->format != WRITER_XML_1)
        return "QuantityEvent: EPCIS 2.0 has none; an ObjectEvent with a quantityList would be another event";
    if (writer_is_json(writer) && lacks_required(event))
        return "a sensorReport without type or an errorDeclaration without declarationTime: JSON demands "
               "them";
    if (has_extended_quantity(event))
        return "an extension in a quantityElement: no syntax has any there";
    if (has_infinite(writer, event))
        return "a number that is INF or NaN: the format has none like it";
    if (writer->format == WRITER_XML_2 && event->n_certification_info > 1)
        return "certificationInfo: EPCIS 2.0 XML has one in an event, not several";
    if (writer_is_json(writer) && has_mixed_content(event))
        return "an extension with text between its elements: JSON has no such thing";
    if (has_misplaced_local(writer, event))
        return "an extension without a namespace: the format has none at that place";
    if (!writer_is_json(writer) && !sensors_fit_attributes(event))
        return "sensorMetadata or sensorReport: XML has attributes there, not structures or lists";
    if (!writer_is_json(writer) && !names_fit_xml(event))
        return "an extension's name: XML has none like it, or its prefix is declared nowhere in the document";
    return NULL;
}
