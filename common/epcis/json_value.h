/* One JSON value with all that is inside it, in an arena: an event, or a member beside the events.
 * Internal to common/epcis. */
#ifndef EPCISD_EPCIS_JSON_VALUE_H
#define EPCISD_EPCIS_JSON_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/epcis/grammar.h"

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_BOOLEAN, JSON_NULL };

/* Where a value stands in the document. */
struct json_place_of {
    uint64_t line, start, end; /* `end` of objects and arrays */
};

/* Texts that alone are what an array has. */
struct json_texts {
    size_t count, room;
    size_t longest;
    bool bare;      /* none is empty or has white space around it */
    uint32_t *ends; /* as of values */
    char *items[];
};

struct json_value {
    uint8_t kind;     /* enum json_kind */
    uint8_t name;     /* enum grammar_name of the key; NAME_UNKNOWN: not one of the grammar's */
    uint8_t foreign;  /* of the key: which of json_names' foreign ones; 0: none */
    uint32_t end;     /* of a scalar, or of the opening bracket, from the start of what is collected */
    const char *key;  /* NULL: not a member of an object */
    const char *text; /* of a scalar, as written; null: "" */
    size_t length;
    struct json_value *first; /* member or element */
    struct json_texts *texts; /* elements, of a list of EPCs outside root; then there is no first */
    struct json_value *next;
    struct json_place_of *place; /* of values that may be handed on much later; NULL of others */
};

/* The key of a member. */
struct json_key {
    enum grammar_name name;
    uint8_t foreign;
    const char *text; /* NULL: the value is no member; that of a known or foreign name is never copied */
    size_t length;
};

static inline char *json_value_put(char *place, const char *text, size_t length)
{
    memcpy(place, text, length);
    place[length] = '\0';
    return place;
}

/* A value without anything inside. Keys that are neither known nor foreign and `text` (NULL: none) are
 * copied. NULL where the arena is spent. Inline, as it is called for each value. */
static inline struct json_value *json_value_new(struct arena *arena, enum json_kind kind,
                                                const struct json_key *key, const char *text, size_t length)
{
    bool copied = key->text && key->name == NAME_UNKNOWN && key->foreign == 0;
    size_t text_bytes = text ? length + 1 : 0, key_bytes = copied ? key->length + 1 : 0;
    struct json_value *value =
        (struct json_value *)arena_alloc(arena, sizeof *value + text_bytes + key_bytes);
    if (!value)
        return NULL;
    char *behind = (char *)(value + 1);
    value->kind = (uint8_t)kind;
    value->name = (uint8_t)key->name;
    value->foreign = key->foreign;
    value->key = copied ? json_value_put(behind + text_bytes, key->text, key->length) : key->text;
    value->text = text ? json_value_put(behind, text, length) : "";
    value->length = length;
    value->first = value->next = NULL;
    value->texts = NULL;
    value->place = NULL;
    return value;
}

/* Adds a text to an array that has texts alone. False where the arena is spent. */
bool json_value_add_text(struct arena *arena, struct json_value *array, const char *text, size_t length,
                         uint32_t end);

/* Makes values of the array's texts, and *last the last of them. False where the arena is spent. */
bool json_value_spread(struct arena *arena, struct json_value *array, struct json_value **last);

/* The member of that name; NULL: none. */
const struct json_value *json_value_member(const struct json_value *object, const char *key);

#endif
