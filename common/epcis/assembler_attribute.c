/* Attributes: those of the grammar fill fields, others become nodes of extension trees. */
#include "common/epcis/assembler.h"

#include <string.h>

static const char xsi_uri[] = "http://www.w3.org/2001/XMLSchema-instance";

/* The value of xsi:type is a qualified name, and its prefix need not be declared where others are. */
static void qualify(struct assembler *assembler, Epcis__V1__Node *node)
{
    if (!assembler->namespace_of || strcmp(node->namespace_uri, xsi_uri) != 0 ||
        strcmp(node->local_name, "type") != 0)
        return;
    const char *colon = strchr(node->text, ':');
    size_t length = colon ? (size_t)(colon - node->text) : 0;
    const char *uri = assembler->namespace_of(assembler->locate_context, node->text, length);
    if (uri)
        node->text_namespace_uri = (char *)uri;
}

static void add_attribute_node(struct assembler *assembler, const struct frame *frame,
                               const struct assembler_name *name, const char *value, size_t length)
{
    Epcis__V1__Node *node =
        assembler_add_node(assembler, frame, EPCIS__V1__NODE_KIND__NODE_KIND_ATTRIBUTE, name);
    value = assembler_trim(value, &length);
    char *copy = node ? assembler_copy(assembler, value, length) : NULL;
    if (!copy)
        return;
    node->text = copy;
    qualify(assembler, node);
}

/* What only tells validators how to read the document. */
static bool is_markup(const struct assembler_name *name)
{
    return strcmp(name->uri, xsi_uri) == 0 || strcmp(name->uri, "http://www.w3.org/XML/1998/namespace") == 0;
}

/* A bare event carries the attributes of the document that it has not. */
static bool set_root_attribute(struct assembler *assembler, const struct assembler_name *name,
                               const char *value, size_t length)
{
    const struct grammar_rule *rule = &grammar[IN_DOCUMENT][name->id];
    if (name->uri[0] || rule->shape != SHAPE_TEXT)
        return false;
    assembler->arena = &assembler->document_arena;
    assembler_set(assembler, assembler->document, rule, name, value, length);
    assembler->arena = &assembler->event_arena;
    return true;
}

void assembler_attribute(struct assembler *assembler, const struct assembler_name *name, const char *value,
                         size_t length)
{
    const struct frame *frame = assembler_top(assembler);
    if (assembler->err != ERR_OK || assembler->skip > 0 || assembler->refused || !frame || frame->wrapper)
        return;
    if (length > assembler->limits.text_bytes) {
        assembler_refuse_over(assembler, CAP_TEXT, name, "attribute %s is too long", name->local);
        return;
    }
    if (frame->kind == FRAME_NODE) {
        add_attribute_node(assembler, frame, name, value, length);
        return;
    }
    if (frame->context == IN_VOCABULARY && name->id == NAME_TYPE) {
        value = assembler_trim(value, &length);
        buffer_append(&assembler->vocabulary_type, value, length);
        buffer_append(&assembler->vocabulary_type, "", 1);
        if (assembler->vocabulary_type.failed)
            assembler_fail(assembler, ERR_MEMORY, "out of memory");
        return;
    }
    if (frame->end == END_EVENT && assembler->depth == 1 &&
        set_root_attribute(assembler, name, value, length))
        return;
    uint8_t context = frame->kind == FRAME_LEAF ? frame->rule->context : frame->context;
    const struct grammar_rule *rule = &grammar[context][name->id];
    if (grammar_contents[context].attributes && !name->uri[0] && rule->shape >= SHAPE_TEXT &&
        rule->shape <= SHAPE_TIME) {
        assembler_set(assembler, frame->message, rule, name, value, length);
    } else if (is_markup(name)) {
        return;
    } else if (frame->extensions && !grammar_contents[context].bare) {
        add_attribute_node(assembler, frame, name, value, length);
    } else if (assembler->event) {
        assembler_refuse(assembler, ERR_INPUT, name, NULL,
                         "attribute %s is not known on %s: none would be right", name->local, frame->local);
    }
}
