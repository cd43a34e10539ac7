#include "common/epcis/writer_parts.h"

#include <stdlib.h>
#include <string.h>

#include "common/epcis/event_text.h"

enum { FLUSH_BYTES = 64 * 1024 };

static const char xsi_uri[] = "http://www.w3.org/2001/XMLSchema-instance";

/* Declared by the official EPCIS context or by the standard's schemas: not to be given to another namespace.
 * Those with a URI are no more than usual in XML, where that URI must be declared like any other. */
static const struct {
    const char *prefix, *uri;
} reserved[] = {
    {"epcis", NULL},
    {"cbv", NULL},
    {"gs1", NULL},
    {"rdf", NULL},
    {"rdfs", NULL},
    {"owl", NULL},
    {"dcterms", NULL},
    {"sbdh", NULL},
    {"xml", NULL},
    {"xmlns", NULL},
    {"xsd", "http://www.w3.org/2001/XMLSchema"},
    {"xsi", xsi_uri},
};

enum err writer_open(enum writer_format format, writer_sink_fn *sink, void *context, struct writer **out)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return ERR_MEMORY;
    writer->format = format;
    writer->sink = sink;
    writer->context = context;
    *out = writer;
    return ERR_OK;
}

/* ---- namespaces ------------------------------------------------------------------------------------- */

const char *writer_prefix(const struct writer *writer, const char *uri)
{
    for (size_t i = writer->namespace_count; i > 0; i--) {
        const struct writer_namespace *declared = &writer->namespaces[i - 1];
        if (strcmp(declared->uri, uri) == 0)
            return declared->prefix;
    }
    return NULL;
}

static bool is_json(const struct writer *writer)
{
    return writer->format == WRITER_JSON_2;
}

static bool is_reserved(const struct writer *writer, const char *prefix, const char *uri)
{
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (strcmp(prefix, reserved[i].prefix) == 0)
            return is_json(writer) || !reserved[i].uri || strcmp(uri, reserved[i].uri) != 0;
    return false;
}

static bool prefix_is_free(const struct writer *writer, const char *prefix, const char *uri)
{
    if (!*prefix || is_reserved(writer, prefix, uri))
        return false;
    for (size_t i = 0; i < writer->namespace_count; i++)
        if (strcmp(prefix, writer->namespaces[i].prefix) == 0)
            return false;
    return true;
}

const char *writer_declare(struct writer *writer, const char *hint, const char *uri, unsigned depth)
{
    if (writer->namespace_count == writer->namespace_capacity) {
        size_t capacity = writer->namespace_capacity ? 2 * writer->namespace_capacity : 8;
        struct writer_namespace *grown = realloc(writer->namespaces, capacity * sizeof *grown);
        if (!grown)
            goto out;
        writer->namespaces = grown;
        writer->namespace_capacity = capacity;
    }
    struct buffer prefix = {0};
    buffer_append_text(&prefix, hint);
    buffer_append(&prefix, "", 1);
    while (!prefix.failed && !prefix_is_free(writer, (char *)prefix.data, uri)) {
        buffer_clear(&prefix);
        buffer_printf(&prefix, "ns%u", ++writer->generated);
        buffer_append(&prefix, "", 1);
    }
    char *copy = strdup(uri);
    if (prefix.failed || !copy) {
        buffer_free(&prefix);
        free(copy);
        goto out;
    }
    struct writer_namespace *declared = &writer->namespaces[writer->namespace_count++];
    *declared = (struct writer_namespace){(char *)prefix.data, copy, depth};
    return declared->prefix;
out:
    writer->out.failed = true;
    return NULL;
}

void writer_forget(struct writer *writer, unsigned depth)
{
    while (writer->namespace_count > writer->document_namespaces &&
           writer->namespaces[writer->namespace_count - 1].depth >= depth) {
        struct writer_namespace *last = &writer->namespaces[--writer->namespace_count];
        free(last->prefix);
        free(last->uri);
    }
}

size_t writer_subtree_end(Epcis__V1__Node *const *nodes, size_t count, size_t at)
{
    size_t end = at + 1;
    while (end < count && nodes[end]->depth > nodes[at]->depth)
        end++;
    return end;
}

bool writer_is_xsi(const Epcis__V1__Node *node)
{
    return strcmp(node->namespace_uri, xsi_uri) == 0;
}

bool writer_fits_attributes(Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool xsi = writer_is_xsi(nodes[i]);
        if (!xsi && (nodes[i]->depth > 0 || nodes[i]->kind == EPCIS__V1__NODE_KIND__NODE_KIND_TEXT))
            return false;
        for (size_t j = 0; j < i; j++)
            if (!xsi && strcmp(nodes[i]->local_name, nodes[j]->local_name) == 0 &&
                strcmp(nodes[i]->namespace_uri, nodes[j]->namespace_uri) == 0)
                return false;
    }
    return true;
}

static void each_quantity_tree(Epcis__V1__QuantityElement *const *list, size_t count, writer_visit_fn *visit,
                               void *context)
{
    for (size_t i = 0; i < count; i++)
        visit(context, list[i]->extensions, list[i]->n_extensions);
}

static void each_sensor_tree(const Epcis__V1__SensorElement *element, writer_visit_fn *visit, void *context)
{
    visit(context, element->extensions, element->n_extensions);
    if (element->sensor_metadata)
        visit(context, element->sensor_metadata->extensions, element->sensor_metadata->n_extensions);
    for (size_t i = 0; i < element->n_sensor_reports; i++)
        visit(context, element->sensor_reports[i]->extensions, element->sensor_reports[i]->n_extensions);
}

void writer_each_tree(const Epcis__V1__Event *event, writer_visit_fn *visit, void *context)
{
    visit(context, event->ilmd, event->n_ilmd);
    visit(context, event->extensions, event->n_extensions);
    if (event->read_point)
        visit(context, event->read_point->extensions, event->read_point->n_extensions);
    if (event->biz_location)
        visit(context, event->biz_location->extensions, event->biz_location->n_extensions);
    if (event->error_declaration)
        visit(context, event->error_declaration->extensions, event->error_declaration->n_extensions);
    each_quantity_tree(event->quantity_list, event->n_quantity_list, visit, context);
    each_quantity_tree(event->child_quantity_list, event->n_child_quantity_list, visit, context);
    each_quantity_tree(event->input_quantity_list, event->n_input_quantity_list, visit, context);
    each_quantity_tree(event->output_quantity_list, event->n_output_quantity_list, visit, context);
    for (size_t i = 0; i < event->n_sensor_element_list; i++)
        each_sensor_tree(event->sensor_element_list[i], visit, context);
}

/* ---- the document ----------------------------------------------------------------------------------- */

static enum err flush(struct writer *writer, size_t at_least)
{
    if (writer->out.failed || writer->tail.failed)
        return ERR_MEMORY;
    if (writer->out.length < at_least || writer->out.length == 0)
        return ERR_OK;
    enum err err = writer->sink(writer->context, writer->out.data, writer->out.length);
    buffer_clear(&writer->out);
    return err;
}

enum err writer_document(struct writer *writer, const Epcis__V1__Document *document)
{
    writer->bare_event = document->kind == EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_EVENT;
    writer->query = document->kind == EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_QUERY_DOCUMENT;
    for (size_t i = 0; i < document->n_namespaces; i++) {
        const Epcis__V1__Namespace *declared = document->namespaces[i];
        if (prefix_is_free(writer, declared->prefix, declared->uri) && !writer_prefix(writer, declared->uri))
            writer_declare(writer, declared->prefix, declared->uri, 0);
    }
    writer->document_namespaces = writer->namespace_count;
    if (is_json(writer))
        writer_json_document(writer, document);
    else
        writer_xml_document(writer, document);
    writer->place = WRITER_IN_VOCABULARIES;
    return flush(writer, FLUSH_BYTES);
}

enum err writer_vocabulary_element(struct writer *writer, const Epcis__V1__VocabularyElement *element,
                                   const char **reason)
{
    *reason = NULL;
    if (writer->bare_event || (writer->query && is_json(writer)))
        *reason = "master data has no place in this kind of document";
    else if (writer->format == WRITER_XML_1 && !writer->header_open)
        *reason = "EPCISHeader: EPCIS 1.2 has no master data without a StandardBusinessDocumentHeader";
    else if (is_json(writer) && element->n_extensions > 0)
        *reason = "foreign elements or attributes: JSON has no place for them in master data";
    if (*reason)
        return ERR_INPUT;
    if (is_json(writer))
        writer_json_vocabulary_element(writer, element);
    else
        writer_xml_vocabulary_element(writer, element);
    return flush(writer, FLUSH_BYTES);
}

static void start_events(struct writer *writer)
{
    if (writer->place == WRITER_IN_EVENTS)
        return;
    if (is_json(writer))
        writer_json_vocabularies_end(writer);
    else
        writer_xml_vocabularies_end(writer);
    writer->place = WRITER_IN_EVENTS;
    writer->first = true;
}

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

/* A JSON member may have any name, an XML element may not: most of all none with a prefix that nobody
 * declares. */
static void check_names(void *context, Epcis__V1__Node *const *nodes, size_t count)
{
    bool *fit = context;
    for (size_t i = 0; i < count; i++) {
        const char *name = nodes[i]->local_name;
        if (nodes[i]->kind == EPCIS__V1__NODE_KIND__NODE_KIND_TEXT)
            continue;
        *fit &= name[0] && !strpbrk(name, ": \t\r\n<>&\"'/@#$()[]{}*+,;=!?|\\^`~%") &&
                !strchr("-.0123456789", name[0]);
    }
}

static bool names_fit_xml(const Epcis__V1__Event *event)
{
    bool fit = true;
    writer_each_tree(event, check_names, &fit);
    return fit;
}

/* Text that its element begins with is a "#text" member; between elements JSON has no place for it. */
static void check_mixed(void *context, Epcis__V1__Node *const *nodes, size_t count)
{
    bool *mixed = context;
    for (size_t i = 0; i < count; i++) {
        bool text = nodes[i]->kind == EPCIS__V1__NODE_KIND__NODE_KIND_TEXT;
        *mixed |= text && (i == 0 || nodes[i - 1]->depth >= nodes[i]->depth);
    }
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

static bool quantities_have_local(Epcis__V1__QuantityElement *const *list, size_t count, bool attributes)
{
    for (size_t i = 0; i < count; i++)
        if (has_local(list[i]->extensions, list[i]->n_extensions, attributes))
            return true;
    return false;
}

static bool sensors_have_local(const struct writer *writer, const Epcis__V1__Event *event)
{
    bool json = is_json(writer), innermost = writer->format == WRITER_XML_1 && !writer->bare_event;
    for (size_t i = 0; i < event->n_sensor_element_list; i++) {
        const Epcis__V1__SensorElement *element = event->sensor_element_list[i];
        const Epcis__V1__SensorMetadata *metadata = element->sensor_metadata;
        if (!innermost && has_local(element->extensions, element->n_extensions, json))
            return true;
        if (json && metadata && has_local(metadata->extensions, metadata->n_extensions, json))
            return true;
    }
    return false;
}

/* Names without a namespace are the standard's own, but in ILMD, in sensor reports and, in 1.2, in the
 * innermost <extension> of an event of its list. */
static bool has_misplaced_local(const struct writer *writer, const Epcis__V1__Event *event)
{
    const Epcis__V1__ErrorDeclaration *declaration = event->error_declaration;
    bool json = is_json(writer);
    bool innermost = writer->format == WRITER_XML_1 && !writer->bare_event &&
                     event->type != EPCIS__V1__EVENT_TYPE__EVENT_TYPE_QUANTITY;
    return (!innermost && has_local(event->extensions, event->n_extensions, json)) ||
           (event->read_point &&
            has_local(event->read_point->extensions, event->read_point->n_extensions, json)) ||
           (event->biz_location &&
            has_local(event->biz_location->extensions, event->biz_location->n_extensions, json)) ||
           (declaration && has_local(declaration->extensions, declaration->n_extensions, json)) ||
           quantities_have_local(event->quantity_list, event->n_quantity_list, json) ||
           quantities_have_local(event->child_quantity_list, event->n_child_quantity_list, json) ||
           quantities_have_local(event->input_quantity_list, event->n_input_quantity_list, json) ||
           quantities_have_local(event->output_quantity_list, event->n_output_quantity_list, json) ||
           sensors_have_local(writer, event);
}

/* What the format has no words for. */
static const char *unsayable(const struct writer *writer, const Epcis__V1__Event *event)
{
    if (!event_type_name(event->type)[0])
        return "type: no event type of the standard";
    if (event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_QUANTITY && writer->format != WRITER_XML_1)
        return "QuantityEvent: EPCIS 2.0 has none; an ObjectEvent with a quantityList would be another event";
    if (is_json(writer) && has_mixed_content(event))
        return "an extension with text between its elements: JSON has no such thing";
    if (has_misplaced_local(writer, event))
        return "an extension without a namespace: the format has none at that place";
    if (!is_json(writer) && !sensors_fit_attributes(event))
        return "sensorMetadata or sensorReport: XML has attributes there, not structures or lists";
    if (!is_json(writer) && !names_fit_xml(event))
        return "an extension's name: XML has none like it, or its prefix is declared nowhere in the document";
    return NULL;
}

enum err writer_event(struct writer *writer, const Epcis__V1__Event *event, const char **reason)
{
    *reason = unsayable(writer, event);
    if (*reason)
        return ERR_INPUT;
    start_events(writer);
    if (is_json(writer))
        writer_json_event(writer, event);
    else
        writer_xml_event(writer, event);
    writer_forget(writer, 0);
    writer->first = false;
    return flush(writer, FLUSH_BYTES);
}

enum err writer_finish(struct writer *writer)
{
    start_events(writer);
    if (is_json(writer))
        writer_json_end(writer);
    else
        writer_xml_end(writer);
    writer->place = WRITER_AT_END;
    return flush(writer, 0);
}

void writer_close(struct writer **writer)
{
    struct writer *self = *writer;
    if (!self)
        return;
    self->document_namespaces = 0;
    writer_forget(self, 0);
    free(self->namespaces);
    free(self->vocabulary);
    buffer_free(&self->out);
    buffer_free(&self->tail);
    free(self);
    *writer = NULL;
}
