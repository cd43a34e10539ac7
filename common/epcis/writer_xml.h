/* What the parts of the XML writer share. All of it appends to the writer's text, or to `out`. Internal to
 * the writer. */
#ifndef EPCISD_EPCIS_WRITER_XML_H
#define EPCISD_EPCIS_WRITER_XML_H

#include "common/epcis/writer_parts.h"

/* Text with &, <, > and quotes escaped. */
void writer_xml_escaped(struct buffer *out, const char *text);

void writer_xml_open_tag(struct buffer *out, const char *name);
void writer_xml_close_tag(struct buffer *out, const char *name);

/* Nothing for an empty value or an absent time. */
void writer_xml_text_element(struct buffer *out, const char *name, const char *value);
void writer_xml_text_attribute(struct buffer *out, const char *name, const char *value);
void writer_xml_time_element(struct buffer *out, const char *name, const Epcis__V1__Time *time);
void writer_xml_time_attribute(struct buffer *out, const char *name, const Epcis__V1__Time *time);

/* What stands before a CBV word, in 1.2 and in 2.0. */
struct writer_xml_vocabulary {
    const char *urn, *web;
};

/* A bare CBV word gets its prefix. */
void writer_xml_word_element(struct writer *writer, const char *name,
                             const struct writer_xml_vocabulary *vocabulary, const char *value);
void writer_xml_word_attribute(struct writer *writer, const char *name,
                               const struct writer_xml_vocabulary *vocabulary, const char *value);

/* Attributes at the depth of nodes[0] that stand in [0, count); `all` makes attributes of elements too. */
void writer_xml_attributes(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count, bool all);
void writer_xml_node_attributes(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count);

enum writer_xml_which { WRITER_XML_ALL, WRITER_XML_QUALIFIED, WRITER_XML_LOCAL };

/* Elements and text at the depth of nodes[0], with all that is in them. */
void writer_xml_node_elements(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count,
                              enum writer_xml_which which);

/* The same, those without a namespace inside <extension>, where alone they may stand. */
void writer_xml_extension_elements(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count);

/* xmlns attributes of the document's namespaces. */
void writer_xml_declarations(struct writer *writer);

#endif
