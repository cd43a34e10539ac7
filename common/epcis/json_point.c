/* JSON pointers (RFC 6901) to what errors are about. Asked for when there is an error, and only then. */
#include "common/epcis/json_way.h"

#include <stdio.h>
#include <string.h>

/* A text of fixed size; what does not fit is cut. */
struct pointer {
    char *text;
    size_t size, length;
};

static void put(struct pointer *pointer, char c)
{
    if (pointer->length + 1 < pointer->size) {
        pointer->text[pointer->length++] = c;
        pointer->text[pointer->length] = '\0';
    }
}

static void cut(struct pointer *pointer, size_t length)
{
    pointer->length = length;
    pointer->text[length] = '\0';
}

static void step(struct pointer *pointer, const char *key, uint64_t index)
{
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)index);
    put(pointer, '/');
    for (const char *c = key ? key : number; *c; c++) {
        if (*c == '~' || *c == '/') {
            put(pointer, '~');
            put(pointer, *c == '~' ? '0' : '1');
        } else {
            put(pointer, *c);
        }
    }
}

/* From the value on to `wanted` inside it; false, and nothing appended, where it is not there. */
static bool find(struct pointer *pointer, const struct json_value *value, const struct json_value *wanted)
{
    if (value == wanted)
        return true;
    size_t length = pointer->length;
    uint64_t index = 0;
    for (const struct json_value *inner = value->first; inner; inner = inner->next, index++) {
        step(pointer, inner->key, index);
        if (find(pointer, inner, wanted))
            return true;
        cut(pointer, length);
    }
    return false;
}

/* The objects and arrays that are open around what is collected. The assembler has a frame for each, and may
 * have begun another one for what was collected. */
static const struct frame *put_around(struct pointer *pointer, const struct json_parser *parser)
{
    const struct assembler *assembler = parser->assembler;
    const struct frame *parent = NULL;
    uint32_t places = parser->place_count > 0 ? (uint32_t)parser->place_count : 0;
    for (uint32_t i = 0; i < places && i < assembler->depth; i++) {
        const struct frame *frame = &assembler->frames[i];
        if (parent)
            step(pointer, parent->context == IN_VOCABULARY_LIST ? NULL : frame->local, parent->children - 1);
        parent = frame;
    }
    return parent;
}

/* To what is not complete yet. */
static void put_open(struct pointer *pointer, const struct json_parser *parser, uint64_t first)
{
    for (uint32_t i = 1; i <= parser->collected && parser->open[i].value; i++) {
        uint64_t index = i == 1 ? first : 0;
        if (i > 1)
            for (const struct json_value *value = parser->open[i - 1].value->first;
                 value != parser->open[i].value; value = value->next)
                index++;
        step(pointer, parser->open[i].value->key, index);
    }
}

void json_point(void *context, char *text, size_t size)
{
    const struct json_parser *parser = context;
    const struct assembler *assembler = parser->assembler;
    const struct json_value *given = parser->names.given, *outermost = parser->outermost;
    struct pointer pointer = {text, size, 0};
    text[0] = '\0';
    if (given && !outermost) {
        find(&pointer, parser->root, given);
        return;
    }
    const struct frame *around = put_around(&pointer, parser);
    bool begun = around && &assembler->frames[assembler->depth - 1] != around;
    uint64_t index = around ? around->children - begun : 0;
    if (parser->collected > 0) {
        put_open(&pointer, parser, index);
        return;
    }
    if (outermost || begun) /* an event that could not even be collected has begun, too */
        step(&pointer, outermost ? outermost->key : NULL, index);
    if (given)
        find(&pointer, outermost, given);
}
