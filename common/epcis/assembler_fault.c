#include "common/epcis/assembler.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Appends to a text of fixed size; what does not fit is cut. */
static void append(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *text, size_t size, const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, size - length, format, arguments);
    va_end(arguments);
}

/* XPath; events of several kinds share a list, so their number counts them all. */
static void append_xpath_step(struct assembler_fault *fault, const struct frame *parent, bool list,
                              const char *prefix, const char *local)
{
    const char *colon = prefix[0] ? ":" : "";
    if (list && parent->context == IN_EVENT_LIST)
        append(fault->path, sizeof fault->path, "/*[%u]", parent->children);
    else if (list)
        append(fault->path, sizeof fault->path, "/%s%s%s[%u]", prefix, colon, local, parent->children);
    else
        append(fault->path, sizeof fault->path, "/%s%s%s", prefix, colon, local);
}

/* JSON pointer (RFC 6901); the root has no step. */
static void append_pointer_step(struct assembler_fault *fault, const struct frame *parent, bool list,
                                const char *prefix, const char *local)
{
    if (list)
        append(fault->path, sizeof fault->path, "/%u", parent->children > 0 ? parent->children - 1 : 0);
    else if (parent)
        append(fault->path, sizeof fault->path, "/%s%s%s", prefix, prefix[0] ? ":" : "", local);
}

static void append_step(const struct assembler *assembler, struct assembler_fault *fault,
                        const struct frame *parent, const char *prefix, const char *local)
{
    bool list = parent && parent->kind == FRAME_PART && grammar_contents[parent->context].list;
    if (assembler->pointers)
        append_pointer_step(fault, parent, list, prefix, local);
    else
        append_xpath_step(fault, parent, list, prefix, local);
}

static void write_path(const struct assembler *assembler, struct assembler_fault *fault,
                       const struct assembler_name *name)
{
    const struct frame *parent = NULL;
    fault->path[0] = '\0';
    for (uint32_t i = 0; i < assembler->depth; i++) {
        append_step(assembler, fault, parent, assembler->frames[i].prefix, assembler->frames[i].local);
        parent = &assembler->frames[i];
    }
    if (name)
        append_step(assembler, fault, parent, name->prefix, name->local);
}

static void fill(struct assembler *assembler, struct assembler_fault *fault,
                 const struct assembler_name *name, const char *value, const char *format, va_list arguments)
{
    vsnprintf(fault->message, sizeof fault->message, format, arguments);
    snprintf(fault->field, sizeof fault->field, "%s",
             name                   ? name->local
             : assembler->depth > 0 ? assembler->frames[assembler->depth - 1].local
                                    : "");
    snprintf(fault->value, sizeof fault->value, "%s", value ? value : "");
    write_path(assembler, fault, name);
    fault->error = (struct parser_error){.code = "SCHEMA_INVALID",
                                         .message = fault->message,
                                         .field = fault->field,
                                         .value = fault->value,
                                         .path = fault->path};
    assembler->locate(assembler->locate_context, false, &fault->error.line, &fault->error.byte_offset);
}

void assembler_fail(struct assembler *assembler, enum err err, const char *format, ...)
{
    if (assembler->err != ERR_OK)
        return;
    va_list arguments;
    va_start(arguments, format);
    fill(assembler, &assembler->document_fault, NULL, NULL, format, arguments);
    va_end(arguments);
    assembler->err = err;
}

void assembler_refuse(struct assembler *assembler, enum err err, const struct assembler_name *name,
                      const char *value, const char *format, ...)
{
    if (assembler->err != ERR_OK || assembler->refused)
        return;
    bool event = assembler->event && err != ERR_MEMORY;
    struct assembler_fault *fault = event ? &assembler->event_fault : &assembler->document_fault;
    va_list arguments;
    va_start(arguments, format);
    fill(assembler, fault, name, value, format, arguments);
    va_end(arguments);
    if (!event) {
        assembler->err = err;
        return;
    }
    assembler->refused = true;
    assembler->current.error = &fault->error;
    /* All that is open inside the event is passed over from here on. */
    assembler->skip += assembler->depth - 1 - assembler->event_frame;
    assembler->depth = assembler->event_frame + 1;
}

void assembler_note(struct assembler *assembler, const struct assembler_name *name, const char *format, ...)
{
    if (assembler->err != ERR_OK || assembler->current.error)
        return;
    va_list arguments;
    va_start(arguments, format);
    fill(assembler, &assembler->event_fault, name, NULL, format, arguments);
    va_end(arguments);
    assembler->current.error = &assembler->event_fault.error;
}
