#include "common/epcis/json_value.h"

#include <string.h>

static bool more_room(struct arena *arena, struct json_value *array)
{
    enum { ROOM_MIN = 4 };
    struct json_texts *texts = array->texts;
    size_t room = texts ? 2 * texts->room : ROOM_MIN;
    struct json_texts *grown =
        arena_alloc(arena, sizeof *grown + room * (sizeof grown->items[0] + sizeof grown->ends[0]));
    if (!grown)
        return false;
    uint32_t *ends = (uint32_t *)(void *)(grown->items + room);
    if (texts) {
        memcpy(grown, texts, sizeof *texts + texts->count * sizeof texts->items[0]);
        memcpy(ends, texts->ends, texts->count * sizeof *ends);
    } else {
        *grown = (struct json_texts){.bare = true};
    }
    grown->room = room;
    grown->ends = ends;
    array->texts = grown;
    return true;
}

bool json_value_add_text(struct arena *arena, struct json_value *array, const char *text, size_t length,
                         uint32_t end)
{
    struct json_texts *texts = array->texts;
    if ((!texts || texts->count == texts->room) && !more_room(arena, array))
        return false;
    char *place = arena_alloc(arena, length + 1);
    if (!place)
        return false;
    texts = array->texts;
    texts->ends[texts->count] = end;
    texts->items[texts->count++] = json_value_put(place, text, length);
    texts->longest = texts->longest > length ? texts->longest : length;
    texts->bare &= length > 0 && (unsigned char)text[0] > ' ' && (unsigned char)text[length - 1] > ' ';
    return true;
}

bool json_value_spread(struct arena *arena, struct json_value *array, struct json_value **last)
{
    static const struct json_key no_key;
    const struct json_texts *texts = array->texts;
    struct json_value **next = &array->first;
    array->texts = NULL;
    for (size_t i = 0; texts && i < texts->count; i++) {
        struct json_value *value =
            json_value_new(arena, JSON_STRING, &no_key, texts->items[i], strlen(texts->items[i]));
        if (!value)
            return false;
        value->end = texts->ends[i];
        *next = *last = value;
        next = &value->next;
    }
    return true;
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
