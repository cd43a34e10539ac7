#include "common/epcis/writer_parts.h"

#include <stdlib.h>
#include <string.h>

#include "common/epcis/event_text.h"
#include "common/epcis/grammar.h"

enum { FLUSH_BYTES = 64 * 1024 };

static const char xsi_uri[] = "http://www.w3.org/2001/XMLSchema-instance";
const char writer_xml_uri[] = "http://www.w3.org/XML/1998/namespace";

/* Declared by the official EPCIS context or by the standard's schemas, or usual: not to be given to another
 * namespace. Those with a URI must be declared for it like any other. */
static const struct {
    const char *prefix, *uri;
    bool xml_only; /* the URI is that of XML */
} reserved[] = {
    {"epcis", NULL, false},
    {"cbv", NULL, false},
    {"gs1", NULL, false},
    {"rdf", NULL, false},
    {"rdfs", NULL, false},
    {"owl", NULL, false},
    {"dcterms", NULL, false},
    {"xml", NULL, false},
    {"xmlns", NULL, false},
    {"sbdh", grammar_sbdh_uri, false},
    {"xsd", "http://www.w3.org/2001/XMLSchema", true},
    {"xsi", xsi_uri, true},
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

bool writer_is_json(const struct writer *writer)
{
    return writer->format == WRITER_JSON_2;
}

static bool is_reserved(const struct writer *writer, const char *prefix, const char *uri)
{
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (strcmp(prefix, reserved[i].prefix) == 0)
            return (writer_is_json(writer) && reserved[i].xml_only) || !reserved[i].uri ||
                   strcmp(uri, reserved[i].uri) != 0;
    return false;
}

static bool prefix_is_free(const struct writer *writer, const char *prefix, const char *uri)
{
    if (!*prefix || is_reserved(writer, prefix, uri) ||
        (!writer_is_json(writer) && !writer_is_xml_name(prefix)))
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
    if (writer->out.failed || writer->tail.failed || writer->tail_local.failed || writer->query_name.failed)
        return ERR_MEMORY;
    if (writer->out.length < at_least || writer->out.length == 0)
        return ERR_OK;
    enum err err = writer->sink(writer->context, writer->out.data, writer->out.length);
    buffer_clear(&writer->out);
    return err;
}

/* XML has no control characters, not even escaped, nor U+FFFE and U+FFFF. */
static bool has_unwritable(const struct buffer *out, size_t from)
{
    for (size_t i = from; i < out->length; i++) {
        const uint8_t *at = out->data + i;
        if ((*at < ' ' && *at != '\n') ||
            (*at == 0xef && out->length - i > 2 && at[1] == 0xbf && at[2] >= 0xbe))
            return true;
    }
    return false;
}

/* Takes back what was written from `from` on where XML cannot have it. */
static bool take_back(struct writer *writer, size_t from, const char **reason)
{
    if (writer_is_json(writer) || writer->out.failed || !has_unwritable(&writer->out, from))
        return false;
    writer->out.length = from;
    *reason = "a control character in a text: XML has none";
    return true;
}

enum err writer_document(struct writer *writer, const Epcis__V1__Document *document)
{
    writer->bare_event = document->kind == EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_EVENT;
    writer->query = document->kind == EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_QUERY_DOCUMENT;
    if (!writer->bare_event && (document->standard_business_document_header || !writer_is_json(writer)))
        writer_declare(writer, "sbdh", grammar_sbdh_uri, 0);
    for (size_t i = 0; i < document->n_namespaces; i++) {
        const Epcis__V1__Namespace *declared = document->namespaces[i];
        if ((writer_is_json(writer) || writer_is_xml_text(declared->uri)) &&
            strcmp(declared->uri, writer_xml_uri) != 0 && !writer_prefix(writer, declared->uri) &&
            prefix_is_free(writer, declared->prefix, declared->uri))
            writer_declare(writer, declared->prefix, declared->uri, 0);
    }
    writer->document_namespaces = writer->namespace_count;
    writer->master_query = writer->query && strcmp(document->query_name, "SimpleMasterDataQuery") == 0;
    Epcis__V1__Document sayable = *document;
    writer_clear_texts(writer, &sayable);
    sayable.n_extensions = writer_sayable_extensions(writer, document, false, &sayable.extensions);
    if (writer_is_json(writer))
        writer_json_document(writer, &sayable);
    else
        writer_xml_document(writer, &sayable);
    free(sayable.extensions);
    writer->place = WRITER_IN_VOCABULARIES;
    return flush(writer, FLUSH_BYTES);
}

enum err writer_vocabulary_element(struct writer *writer, const Epcis__V1__VocabularyElement *element,
                                   const char **reason)
{
    *reason = NULL;
    if (writer->bare_event || (writer->query && writer_is_json(writer) && !writer->master_query))
        *reason = "master data has no place in this kind of document";
    else if (writer->format == WRITER_XML_1 && !writer->header_open && !writer->master_query)
        *reason = "EPCISHeader: EPCIS 1.2 has no master data without a StandardBusinessDocumentHeader";
    else if (writer_is_json(writer) && element->n_extensions > 0)
        *reason = "foreign elements or attributes: JSON has no place for them in master data";
    else if (writer->place == WRITER_IN_EVENTS)
        *reason = "it stands behind the events, and what is written has it before them";
    else if (!writer_is_json(writer) && !writer_is_xml_text(element->type))
        *reason = "a control character in a text: XML has none";
    for (size_t i = 0; i < element->n_attributes && writer_is_json(writer); i++)
        if (writer_has_mixed_content(element->attributes[i]->children, element->attributes[i]->n_children))
            *reason = "an attribute with text between its elements: JSON has no such thing";
    if (*reason)
        return ERR_INPUT;
    if (!writer_is_json(writer))
        writer_xml_vocabulary(writer, element->type);
    size_t from = writer->out.length;
    if (writer_is_json(writer))
        writer_json_vocabulary_element(writer, element);
    else
        writer_xml_vocabulary_element(writer, element);
    if (take_back(writer, from, reason))
        return ERR_INPUT;
    return flush(writer, FLUSH_BYTES);
}

static void start_events(struct writer *writer)
{
    if (writer->place == WRITER_IN_EVENTS)
        return;
    if (writer_is_json(writer))
        writer_json_vocabularies_end(writer);
    else
        writer_xml_vocabularies_end(writer);
    writer->place = WRITER_IN_EVENTS;
    writer->first = true;
}

enum err writer_event(struct writer *writer, const Epcis__V1__Event *event, const char **reason)
{
    *reason = writer->master_query && !writer_is_json(writer)
                  ? "an event among the results of a query for master data: XML has none there"
                  : writer_unsayable(writer, event);
    if (*reason)
        return ERR_INPUT;
    start_events(writer);
    size_t from = writer->out.length;
    if (writer_is_json(writer))
        writer_json_event(writer, event);
    else
        writer_xml_event(writer, event);
    writer_forget(writer, 0);
    if (take_back(writer, from, reason))
        return ERR_INPUT;
    writer->first = false;
    return flush(writer, FLUSH_BYTES);
}

enum err writer_late(struct writer *writer, const Epcis__V1__Document *fields)
{
    Epcis__V1__Document sayable = *fields;
    if (writer->bare_event)
        return ERR_OK;
    writer_clear_texts(writer, &sayable);
    if (fields->standard_business_document_header)
        writer_leave_out(writer, "a StandardBusinessDocumentHeader behind the events or master data");
    sayable.standard_business_document_header = NULL;
    sayable.n_extensions = writer_sayable_extensions(writer, fields, true, &sayable.extensions);
    if (writer_is_json(writer))
        writer_json_late(writer, &sayable);
    else
        writer_xml_late(writer, &sayable);
    free(sayable.extensions);
    return flush(writer, FLUSH_BYTES);
}

enum err writer_finish(struct writer *writer)
{
    start_events(writer);
    if (writer_is_json(writer))
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
    buffer_free(&self->query_name);
    buffer_free(&self->tail);
    buffer_free(&self->tail_local);
    buffer_free(&self->left_out);
    free(self);
    *writer = NULL;
}
