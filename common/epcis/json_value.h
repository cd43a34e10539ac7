/* One JSON value with all that is inside it, in an arena: an event, or a member beside the events.
 * Internal to common/epcis. */
#ifndef EPCISD_EPCIS_JSON_VALUE_H
#define EPCISD_EPCIS_JSON_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/epcis/grammar.h"

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_BOOLEAN, JSON_NULL };

struct json_value {
    enum json_kind kind;
    enum grammar_name name; /* of the key; NAME_UNKNOWN: not one of the grammar's */
    const char *key;        /* NULL: not a member of an object */
    const char *text;       /* of a scalar, as written; null: "" */
    size_t length;
    struct json_value *first, *last; /* members or elements */
    struct json_value *next;
    struct json_value *parent;
    uint64_t line, start, end; /* where it stands in the document; `end` of objects and arrays */
};

/* The key of a member. */
struct json_key {
    enum grammar_name name;
    const char *text; /* NULL: the value is no member; that of a known name is never copied */
    size_t length;
};

/* A value at the end of `parent` (NULL: none). Unknown keys and `text` (NULL: none) are copied. NULL where
 * the arena is spent. */
struct json_value *json_value_add(struct arena *arena, struct json_value *parent, enum json_kind kind,
                                  const struct json_key *key, const char *text, size_t length);

/* The member of that name; NULL: none. */
const struct json_value *json_value_member(const struct json_value *object, const char *key);

#endif
