#include "common/epcis/json_value.h"

#include <string.h>

struct json_value *json_value_add(struct arena *arena, struct json_value *parent, enum json_kind kind,
                                  const char *key, const char *text, size_t length)
{
    struct json_value *value = arena_zalloc(arena, sizeof *value);
    const char *key_copy = key ? arena_copy(arena, key, strlen(key)) : NULL;
    const char *text_copy = text ? arena_copy(arena, text, length) : "";
    if (!value || !text_copy || (key && !key_copy))
        return NULL;
    value->kind = kind;
    value->key = key_copy;
    value->text = text_copy;
    value->length = length;
    value->parent = parent;
    if (!parent)
        return value;
    if (parent->last)
        parent->last->next = value;
    else
        parent->first = value;
    parent->last = value;
    return value;
}

const struct json_value *json_value_member(const struct json_value *object, const char *key)
{
    if (object->kind != JSON_OBJECT)
        return NULL;
    for (const struct json_value *member = object->first; member; member = member->next)
        if (strcmp(member->key, key) == 0)
            return member;
    return NULL;
}
