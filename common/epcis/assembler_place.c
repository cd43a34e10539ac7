/* Whether elements stand where they may. */
#include <limits.h>
#include <strings.h>

#include "common/epcis/assembler.h"
#include "common/epcis/event_text.h"

void assembler_check_extensions(struct assembler *assembler, const struct assembler_name *name, uint32_t from)
{
    unsigned wrappers = 0, right = grammar_extensions((unsigned)assembler->event->type, name->id);
    if (assembler->document->format != EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_XML_1 || right == 0)
        return;
    for (uint32_t i = from; i < assembler->depth; i++)
        wrappers += assembler->frames[i].wrapper;
    if (wrappers < right)
        assembler_note(assembler, name, "%s stands inside %u <extension> elements: inside %u would be right",
                       name->local, wrappers, right);
}

void assembler_check_field(struct assembler *assembler, const struct assembler_name *name)
{
    const struct frame *frame = assembler_top(assembler);
    unsigned type = (unsigned)assembler->event->type;
    if (frame->kind == FRAME_PART && frame->context == IN_EVENT && !grammar_belongs(type, name->id))
        assembler_note(assembler, name, "%s does not belong in %s: leaving it out would be right",
                       name->local, event_type_name(assembler->event->type));
}

/* JSON has no order. What no schema knows comes last. */
static void check_order(struct assembler *assembler, const struct assembler_name *name, struct frame *parent,
                        bool known)
{
    if (assembler->point)
        return;
    bool version_1 = assembler->document->format == EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_XML_1;
    unsigned type = (unsigned)assembler->event->type;
    unsigned order = known ? grammar_order(parent->context, type, name->id, version_1) : UINT_MAX;
    if (order == 0)
        return;
    if (order < parent->order) {
        assembler_note(assembler, name, "%s stands behind %s: before it would be right", name->local,
                       parent->last);
    } else {
        parent->order = order;
        parent->last = name->local;
    }
}

void assembler_check_place(struct assembler *assembler, const struct assembler_name *name,
                           struct frame *parent, bool known)
{
    check_order(assembler, name, parent, known);
    if (known && parent->context == IN_EVENT) {
        assembler_check_field(assembler, name);
        assembler_check_extensions(assembler, name, assembler->event_frame);
    }
    if (grammar_contents[parent->context].childless)
        assembler_note(assembler, name, "element %s stands in %s: attributes alone would be right",
                       name->local, parent->local);
}

void assembler_check_certification(struct assembler *assembler, const struct assembler_name *name)
{
    if (assembler->document->format == EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_XML_2 &&
        assembler->event->n_certification_info > 0)
        assembler_note(assembler, name, "%s stands here a second time: once would be right", name->local);
}

/* A name that the grammar knows here and that differs by its case alone; NULL: none. */
static const char *similar_name(const struct frame *parent, const char *local)
{
    for (int id = NAME_UNKNOWN + 1; id < NAME_COUNT; id++)
        if (grammar[parent->context][id].shape != SHAPE_UNKNOWN &&
            strcasecmp(grammar_spellings[id], local) == 0)
            return grammar_spellings[id];
    return NULL;
}

void assembler_refuse_unknown(struct assembler *assembler, const struct assembler_name *name,
                              const struct frame *parent)
{
    const char *kind = assembler->point ? "member" : "element", *similar = similar_name(parent, name->local);
    if (similar)
        assembler_refuse(assembler, ERR_INPUT, name, NULL, "%s %s is not known in %s: %s would be right",
                         kind, name->local, parent->local, similar);
    else if (!grammar_contents[parent->context].extensions || grammar_contents[parent->context].closed)
        assembler_refuse(assembler, ERR_INPUT, name, NULL,
                         "%s %s is not known in %s: one of the EPCIS schema would be right", kind,
                         name->local, parent->local);
    else
        assembler_refuse(
            assembler, ERR_INPUT, name, NULL,
            "%s %s is not known in %s: one of the EPCIS schema, or one with %s of its own, would be "
            "right",
            kind, name->local, parent->local, assembler->point ? "a prefix" : "a namespace");
}
