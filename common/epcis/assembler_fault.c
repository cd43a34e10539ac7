#include "common/epcis/assembler.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"

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

/* The number of the element inside that came last, among those of its name; 0: it needs none. */
static size_t number_of(const struct frame *parent, const char *local)
{
    if (!parent || parent->kind != FRAME_PART)
        return 0;
    if (parent->context == IN_SENSOR_ELEMENT)
        return strcmp(local, grammar_spellings[NAME_SENSOR_REPORT]) == 0
                   ? ((const Epcis__V1__SensorElement *)parent->message)->n_sensor_reports
                   : 0;
    if (parent->context == IN_VOCABULARY_ELEMENT)
        return strcmp(local, grammar_spellings[NAME_ATTRIBUTE]) == 0
                   ? ((const Epcis__V1__VocabularyElement *)parent->message)->n_attributes
                   : 0;
    return grammar_contents[parent->context].list ? parent->children : 0;
}

/* XPath; events of several kinds share a list, so their number counts them all. */
static void append_step(struct assembler_fault *fault, const struct frame *parent, const char *prefix,
                        const char *local)
{
    const char *colon = prefix[0] ? ":" : "";
    size_t number = number_of(parent, local);
    if (number > 0 && parent->context == IN_EVENT_LIST)
        append(fault->path, sizeof fault->path, "/*[%zu]", number);
    else if (number > 0)
        append(fault->path, sizeof fault->path, "/%s%s%s[%zu]", prefix, colon, local, number);
    else
        append(fault->path, sizeof fault->path, "/%s%s%s", prefix, colon, local);
}

static void write_path(const struct assembler *assembler, struct assembler_fault *fault,
                       const struct assembler_name *name)
{
    const struct frame *parent = NULL;
    fault->path[0] = '\0';
    if (assembler->point) {
        assembler->point(assembler->locate_context, fault->path, sizeof fault->path);
        return;
    }
    for (uint32_t i = 0; i < assembler->depth; i++) {
        append_step(fault, parent, assembler->frames[i].prefix, assembler->frames[i].local);
        parent = &assembler->frames[i];
    }
    if (name)
        append_step(fault, parent, name->prefix, name->local);
}

/* ---- what is said ---- */

static const struct {
    const char *code, *option, *unit;
    size_t offset; /* of its value in struct parser_limits */
} caps[] = {
#define CAP(constant, field, value, least, most, option, unit, code, help)                                   \
    [CAP_##constant] = {code, option, unit, offsetof(struct parser_limits, field)},
    PARSER_LIMITS(CAP)
#undef CAP
};

/* `cap` is CAP_COUNT where none was passed. */
static void fill(struct assembler *assembler, struct assembler_fault *fault, enum assembler_cap cap,
                 const struct assembler_name *name, const char *value, const char *format, va_list arguments)
{
    vsnprintf(fault->message, sizeof fault->message, format, arguments);
    if (cap < CAP_COUNT) {
        uint64_t limit = *(const uint64_t *)((const char *)&assembler->limits + caps[cap].offset);
        append(fault->message, sizeof fault->message, ": at most %llu%s would be right (--%s)",
               (unsigned long long)limit, strcmp(caps[cap].unit, "BYTES") == 0 ? " bytes" : "",
               caps[cap].option);
    }
    snprintf(fault->field, sizeof fault->field, "%s",
             name                   ? name->local
             : assembler->depth > 0 ? assembler->frames[assembler->depth - 1].local
                                    : "");
    snprintf(fault->value, sizeof fault->value, "%s", value ? value : "");
    write_path(assembler, fault, name);
    /* What the document says is cut anywhere: texts that are no UTF-8 would make the answers to clients none.
     */
    utf8_mend(fault->message);
    utf8_mend(fault->field);
    utf8_mend(fault->value);
    utf8_mend(fault->path);
    fault->error = (struct parser_error){.code = cap < CAP_COUNT ? caps[cap].code : "SCHEMA_INVALID",
                                         .message = fault->message,
                                         .field = fault->field,
                                         .value = fault->value,
                                         .path = fault->path};
    assembler->locate(assembler->locate_context, false, &fault->error.line, &fault->error.byte_offset);
}

static void fail(struct assembler *assembler, enum err err, enum assembler_cap cap, const char *format,
                 va_list arguments)
{
    if (assembler->err != ERR_OK)
        return;
    fill(assembler, &assembler->document_fault, cap, NULL, NULL, format, arguments);
    assembler->err = err;
}

static void refuse(struct assembler *assembler, enum err err, enum assembler_cap cap,
                   const struct assembler_name *name, const char *value, const char *format,
                   va_list arguments)
{
    if (assembler->err != ERR_OK || assembler->refused)
        return;
    bool event = assembler->event && err != ERR_MEMORY;
    struct assembler_fault *fault = event ? &assembler->event_fault : &assembler->document_fault;
    fill(assembler, fault, cap, name, value, format, arguments);
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
    fill(assembler, &assembler->event_fault, CAP_COUNT, name, NULL, format, arguments);
    va_end(arguments);
    assembler->current.error = &assembler->event_fault.error;
}

void assembler_fail(struct assembler *assembler, enum err err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail(assembler, err, CAP_COUNT, format, arguments);
    va_end(arguments);
}

void assembler_refuse(struct assembler *assembler, enum err err, const struct assembler_name *name,
                      const char *value, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    refuse(assembler, err, CAP_COUNT, name, value, format, arguments);
    va_end(arguments);
}

void assembler_fail_over(struct assembler *assembler, enum assembler_cap cap, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail(assembler, ERR_LIMIT, cap, format, arguments);
    va_end(arguments);
}

void assembler_refuse_over(struct assembler *assembler, enum assembler_cap cap,
                           const struct assembler_name *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    refuse(assembler, ERR_LIMIT, cap, name, NULL, format, arguments);
    va_end(arguments);
}

void assembler_refuse_memory(struct assembler *assembler, const struct arena *arena)
{
    if (arena->exhausted)
        assembler_refuse(assembler, ERR_MEMORY, NULL, NULL, "out of memory");
    else
        assembler_refuse_over(assembler, CAP_EVENT_MEMORY, NULL, "%s takes too much memory",
                              assembler->event ? "the event" : "what stands outside of events");
}
