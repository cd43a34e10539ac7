/* EPCIS 2.0 and 1.2 XML (the standard's XSDs). What came after 1.2 stands there in the <extension> elements
 * that its schema keeps for later versions (EPCIS 1.2 section 9.1): a reader of either version finds it. */
#include "common/epcis/writer_xml.h"

#include <stdlib.h>
#include <string.h>

#include "common/epcis/writer_header.h"

static void open_header(struct writer *writer)
{
    if (!writer->header_open)
        writer_xml_open_tag(&writer->out, "EPCISHeader");
    writer->header_open = true;
}

/* The header, or its short form of JSON-LD spelled out. */
static void business_header(struct writer *writer, const Epcis__V1__Document *document)
{
    if (!document->standard_business_document_header && (!*document->sender || !*document->receiver))
        return;
    struct writer_header tree = writer_header_open(writer, document);
    if (tree.count > 0)
        open_header(writer);
    writer_xml_node_elements(writer, tree.nodes, tree.count, WRITER_XML_ALL);
    writer_header_close(&tree);
}

/* Elements of document, header and body that no attribute can say. They go behind the body, where both
 * schemas allow them, and stand there when it is read again. */
static void render_tail(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    struct buffer out = writer->out;
    writer->out = writer->tail_local;
    writer_xml_node_elements(writer, nodes, count, WRITER_XML_LOCAL);
    writer->tail_local = writer->out;
    writer->out = writer->tail;
    writer_xml_node_elements(writer, nodes, count, WRITER_XML_QUALIFIED);
    writer->tail = writer->out;
    writer->out = out;
}

static void render_query_name(struct writer *writer, const Epcis__V1__Document *document)
{
    writer_xml_text_element(&writer->query_name, "queryName",
                            *document->query_name ? document->query_name : "SimpleEventQuery");
    writer_xml_text_element(&writer->query_name, "subscriptionID", document->subscription_id);
}

void writer_xml_document(struct writer *writer, const Epcis__V1__Document *document)
{
    struct buffer *out = &writer->out;
    buffer_append_text(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    if (writer->bare_event)
        return;
    bool old = writer->format == WRITER_XML_1;
    const char *root = writer->query ? "epcisq:EPCISQueryDocument" : "epcis:EPCISDocument";
    buffer_printf(out, "<%s xmlns:%s=\"urn:epcglobal:%s:xsd:%d\"", root, writer->query ? "epcisq" : "epcis",
                  writer->query ? "epcis-query" : "epcis", old ? 1 : 2);
    writer_xml_declarations(writer);
    writer_xml_text_attribute(out, "schemaVersion", old ? "1.2" : "2.0");
    writer_xml_text_attribute(out, "creationDate", document->creation_date);
    bool fits = writer_fits_attributes(document->extensions, document->n_extensions);
    writer_xml_attributes(writer, document->extensions, document->n_extensions, fits);
    buffer_append_text(out, ">\n");
    business_header(writer, document);
    if (writer->query)
        render_query_name(writer, document);
    if (!fits)
        render_tail(writer, document->extensions, document->n_extensions);
}

void writer_xml_late(struct writer *writer, const Epcis__V1__Document *fields)
{
    Epcis__V1__Document others = *fields;
    if (writer->query && writer->place == WRITER_IN_VOCABULARIES && !writer->master_query) {
        buffer_clear(&writer->query_name);
        render_query_name(writer, fields);
        others.query_name = others.subscription_id = (char *)"";
    }
    if (writer_has_texts(&others))
        writer_leave_out(writer, "creationDate, sender or the like behind the events: XML has them before");
    render_tail(writer, fields->extensions, fields->n_extensions);
}

static void vocabulary_attribute(struct writer *writer, const Epcis__V1__VocabularyAttribute *attribute)
{
    struct buffer *out = &writer->out;
    buffer_append_text(out, "<attribute");
    writer_xml_text_attribute(out, "id", attribute->id);
    writer_xml_node_attributes(writer, attribute->children, attribute->n_children);
    buffer_append(out, ">", 1);
    writer_xml_escaped(out, attribute->value);
    writer_xml_node_elements(writer, attribute->children, attribute->n_children, WRITER_XML_ALL);
    writer_xml_close_tag(out, "attribute");
    writer_forget(writer, 2);
}

static void open_body(struct writer *writer)
{
    struct buffer *out = &writer->out;
    if (writer->header_open)
        buffer_append_text(out, "</EPCISHeader>\n");
    buffer_append_text(out, "<EPCISBody>\n");
    if (!writer->query)
        return;
    buffer_append_text(out, "<epcisq:QueryResults>");
    buffer_append(out, writer->query_name.data, writer->query_name.length);
    buffer_append_text(out, "<resultsBody>");
}

void writer_xml_vocabulary(struct writer *writer, const char *type)
{
    struct buffer *out = &writer->out;
    if (writer->vocabulary && strcmp(writer->vocabulary, type) == 0)
        return;
    if (writer->vocabulary) {
        buffer_append_text(out, "</VocabularyElementList></Vocabulary>\n");
    } else if (writer->master_query) {
        open_body(writer);
        buffer_append_text(out, "<VocabularyList>\n");
    } else {
        open_header(writer);
        buffer_append_text(out, "<extension><EPCISMasterData><VocabularyList>\n");
    }
    free(writer->vocabulary);
    writer->vocabulary = strdup(type);
    out->failed |= !writer->vocabulary;
    buffer_append_text(out, "<Vocabulary");
    writer_xml_text_attribute(out, "type", type);
    buffer_append_text(out, "><VocabularyElementList>\n");
}

void writer_xml_vocabulary_element(struct writer *writer, const Epcis__V1__VocabularyElement *element)
{
    struct buffer *out = &writer->out;
    buffer_append_text(out, "<VocabularyElement");
    writer_xml_text_attribute(out, "id", element->id);
    writer_xml_node_attributes(writer, element->extensions, element->n_extensions);
    buffer_append(out, ">", 1);
    for (size_t i = 0; i < element->n_attributes; i++)
        vocabulary_attribute(writer, element->attributes[i]);
    if (element->n_children) {
        writer_xml_open_tag(out, "children");
        for (size_t i = 0; i < element->n_children; i++)
            writer_xml_text_element(out, "id", element->children[i]);
        writer_xml_close_tag(out, "children");
    }
    writer_xml_extension_elements(writer, element->extensions, element->n_extensions);
    writer_xml_close_tag(out, "VocabularyElement");
    writer_forget(writer, 1);
    buffer_append(out, "\n", 1);
}

void writer_xml_vocabularies_end(struct writer *writer)
{
    struct buffer *out = &writer->out;
    if (writer->bare_event)
        return;
    if (writer->vocabulary)
        buffer_append_text(out, "</VocabularyElementList></Vocabulary>\n</VocabularyList>");
    if (writer->vocabulary && !writer->master_query)
        buffer_append_text(out, "</EPCISMasterData></extension>");
    if (!writer->vocabulary || !writer->master_query)
        open_body(writer);
    if (!writer->master_query)
        buffer_append_text(out, "<EventList>\n");
    else if (!writer->vocabulary)
        buffer_append_text(out, "<VocabularyList></VocabularyList>");
}

void writer_xml_end(struct writer *writer)
{
    struct buffer *out = &writer->out;
    if (writer->bare_event)
        return;
    if (!writer->master_query)
        buffer_append_text(out, "</EventList>\n");
    if (writer->query)
        buffer_append_text(out, "</resultsBody></epcisq:QueryResults>\n");
    buffer_append_text(out, "</EPCISBody>\n");
    if (writer->tail_local.length > 0) {
        writer_xml_open_tag(out, "extension");
        buffer_append(out, writer->tail_local.data, writer->tail_local.length);
        writer_xml_close_tag(out, "extension");
    }
    buffer_append(out, writer->tail.data, writer->tail.length);
    buffer_append_text(out, writer->query ? "</epcisq:EPCISQueryDocument>\n" : "</epcis:EPCISDocument>\n");
}
