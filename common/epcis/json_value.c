#include "common/epcis/json_value.h"

#include <string.h>

static char *put_text(char *place, const char *text, size_t length)
{
    memcpy(place, text, length);
    place[length] = '\0';
    return place;
}

struct json_value *json_value_add(struct arena *arena, struct json_value *parent, enum json_kind kind,
                                  const struct json_key *key, const char *text, size_t length)
{
    size_t key_bytes = key->text && key->name == NAME_UNKNOWN ? key->length + 1 : 0;
    size_t text_bytes = text ? length + 1 : 0;
    struct json_value *value = arena_alloc(arena, sizeof *value + key_bytes + text_bytes);
    if (!value)
        return NULL;
    char *place = (char *)(value + 1);
    *value = (struct json_value){.kind = kind, .name = key->name, .length = length, .parent = parent};
    value->key = key_bytes ? put_text(place, key->text, key->length) : key->text;
    value->text = text ? put_text(place + key_bytes, text, length) : "";
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
