#include "common/epcis/json_value.h"

#include <string.h>

const struct json_value *json_value_member(const struct json_value *object, const char *key)
{
    if (object->kind != JSON_OBJECT)
        return NULL;
    for (const struct json_value *member = object->first; member; member = member->next)
        if (strcmp(member->key, key) == 0)
            return member;
    return NULL;
}
