/* Text, tags and extensions of the XML writer. */
#include "common/epcis/writer_xml.h"

#include <string.h>

#include "common/epcis/event_text.h"

/* ---- text ------------------------------------------------------------------------------------------- */

void writer_xml_escaped(struct buffer *out, const char *text)
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

void writer_xml_open_tag(struct buffer *out, const char *name)
{
    buffer_printf(out, "<%s>", name);
}

void writer_xml_close_tag(struct buffer *out, const char *name)
{
    buffer_printf(out, "</%s>", name);
}

void writer_xml_text_element(struct buffer *out, const char *name, const char *value)
{
    if (!*value)
        return;
    writer_xml_open_tag(out, name);
    writer_xml_escaped(out, value);
    writer_xml_close_tag(out, name);
}

void writer_xml_text_attribute(struct buffer *out, const char *name, const char *value)
{
    if (!*value)
        return;
    buffer_printf(out, " %s=\"", name);
    writer_xml_escaped(out, value);
    buffer_append(out, "\"", 1);
}

static const char *time_text(const Epcis__V1__Time *time, char text[EVENT_TIME_TEXT])
{
    event_time_text(time, text);
    return time && *time->invalid_text ? time->invalid_text : text;
}

void writer_xml_time_element(struct buffer *out, const char *name, const Epcis__V1__Time *time)
{
    char text[EVENT_TIME_TEXT];
    writer_xml_text_element(out, name, time_text(time, text));
}

void writer_xml_time_attribute(struct buffer *out, const char *name, const Epcis__V1__Time *time)
{
    char text[EVENT_TIME_TEXT];
    writer_xml_text_attribute(out, name, time_text(time, text));
}

/* A bare CBV word gets its prefix; a URI of the user's own stays. */
static void word(struct writer *writer, const struct writer_xml_vocabulary *vocabulary, const char *value)
{
    if (!strchr(value, ':'))
        buffer_append_text(&writer->out, writer->format == WRITER_XML_1 ? vocabulary->urn : vocabulary->web);
    writer_xml_escaped(&writer->out, value);
}

void writer_xml_word_element(struct writer *writer, const char *name,
                             const struct writer_xml_vocabulary *vocabulary, const char *value)
{
    if (!*value)
        return;
    writer_xml_open_tag(&writer->out, name);
    word(writer, vocabulary, value);
    writer_xml_close_tag(&writer->out, name);
}

void writer_xml_word_attribute(struct writer *writer, const char *name,
                               const struct writer_xml_vocabulary *vocabulary, const char *value)
{
    if (!*value)
        return;
    buffer_printf(&writer->out, " %s=\"", name);
    word(writer, vocabulary, value);
    buffer_append(&writer->out, "\"", 1);
}

/* ---- extensions ------------------------------------------------------------------------------------- */

/* Appends a prefix for the namespace. One not in scope is declared right there, which needs a start tag that
 * is still open: its text goes to `declarations`. */
static void append_prefix(struct writer *writer, struct buffer *out, struct buffer *declarations,
                          const char *hint, const char *uri, unsigned depth)
{
    const char *prefix = strcmp(uri, writer_xml_uri) == 0 ? "xml" : writer_prefix(writer, uri);
    if (!prefix) {
        prefix = writer_declare(writer, hint, uri, depth);
        if (!prefix)
            return;
        buffer_printf(declarations, " xmlns:%s=\"", prefix);
        writer_xml_escaped(declarations, uri);
        buffer_append(declarations, "\"", 1);
    }
    buffer_printf(out, "%s:", prefix);
}

static void qualified_name(struct writer *writer, struct buffer *out, struct buffer *declarations,
                           const Epcis__V1__Node *node)
{
    if (*node->namespace_uri)
        append_prefix(writer, out, declarations, node->prefix, node->namespace_uri, node->depth + 1);
    buffer_append_text(out, node->local_name);
}

/* The value of xsi:type is a qualified name. */
static void qualified_text(struct writer *writer, struct buffer *out, struct buffer *declarations,
                           const Epcis__V1__Node *node)
{
    const char *colon = strchr(node->text, ':');
    char hint[32] = "";
    if (colon && (size_t)(colon - node->text) < sizeof hint)
        memcpy(hint, node->text, (size_t)(colon - node->text));
    append_prefix(writer, out, declarations, hint, node->text_namespace_uri, node->depth + 1);
    writer_xml_escaped(out, colon ? colon + 1 : node->text);
}

static bool is_attribute(const Epcis__V1__Node *node)
{
    return node->kind == EPCIS__V1__NODE_KIND__NODE_KIND_ATTRIBUTE;
}

/* An xsi:type whose prefix nobody declared is none, and no document would be valid with it. */
static bool is_understood(const Epcis__V1__Node *node)
{
    return !writer_is_xsi(node) || strcmp(node->local_name, "type") != 0 || *node->text_namespace_uri ||
           !strchr(node->text, ':');
}

void writer_xml_attributes(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count, bool all)
{
    struct buffer attributes = {0}, declarations = {0};
    for (size_t i = 0; i < count; i = writer_subtree_end(nodes, count, i)) {
        if ((!all && !is_attribute(nodes[i])) || !is_understood(nodes[i]))
            continue;
        buffer_append(&attributes, " ", 1);
        qualified_name(writer, &attributes, &declarations, nodes[i]);
        buffer_append_text(&attributes, "=\"");
        if (*nodes[i]->text_namespace_uri)
            qualified_text(writer, &attributes, &declarations, nodes[i]);
        else
            writer_xml_escaped(&attributes, nodes[i]->text);
        buffer_append(&attributes, "\"", 1);
    }
    buffer_append(&writer->out, declarations.data, declarations.length);
    buffer_append(&writer->out, attributes.data, attributes.length);
    writer->out.failed |= attributes.failed || declarations.failed;
    buffer_free(&attributes);
    buffer_free(&declarations);
}

void writer_xml_node_attributes(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    writer_xml_attributes(writer, nodes, count, false);
}

static bool wanted(const Epcis__V1__Node *node, enum writer_xml_which which)
{
    bool local = !*node->namespace_uri;
    return !is_attribute(node) && (which == WRITER_XML_ALL || (which == WRITER_XML_LOCAL) == local);
}

void writer_xml_node_elements(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count,
                              enum writer_xml_which which)
{
    struct buffer *out = &writer->out;
    for (size_t i = 0, end; i < count; i = end) {
        end = writer_subtree_end(nodes, count, i);
        const Epcis__V1__Node *node = nodes[i];
        if (!wanted(node, which))
            continue;
        if (node->kind == EPCIS__V1__NODE_KIND__NODE_KIND_TEXT) {
            writer_xml_escaped(out, node->text);
            continue;
        }
        struct buffer name = {0}, declarations = {0};
        qualified_name(writer, &name, &declarations, node);
        buffer_append(&name, "", 1);
        out->failed |= name.failed || declarations.failed;
        if (!out->failed) {
            buffer_printf(out, "<%s", (char *)name.data);
            buffer_append(out, declarations.data, declarations.length);
            writer_xml_node_attributes(writer, nodes + i + 1, end - i - 1);
            buffer_append(out, ">", 1);
            writer_xml_escaped(out, node->text);
            writer_xml_node_elements(writer, nodes + i + 1, end - i - 1, WRITER_XML_ALL);
            writer_xml_close_tag(out, (char *)name.data);
        }
        buffer_free(&name);
        buffer_free(&declarations);
        writer_forget(writer, node->depth + 1);
    }
}

static bool has_local(Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i = writer_subtree_end(nodes, count, i))
        if (wanted(nodes[i], WRITER_XML_LOCAL))
            return true;
    return false;
}

void writer_xml_extension_elements(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    if (has_local(nodes, count)) {
        writer_xml_open_tag(&writer->out, "extension");
        writer_xml_node_elements(writer, nodes, count, WRITER_XML_LOCAL);
        writer_xml_close_tag(&writer->out, "extension");
    }
    writer_xml_node_elements(writer, nodes, count, WRITER_XML_QUALIFIED);
}

void writer_xml_declarations(struct writer *writer)
{
    for (size_t i = 0; i < writer->document_namespaces; i++) {
        buffer_printf(&writer->out, " xmlns:%s=\"", writer->namespaces[i].prefix);
        writer_xml_escaped(&writer->out, writer->namespaces[i].uri);
        buffer_append(&writer->out, "\"", 1);
    }
}
