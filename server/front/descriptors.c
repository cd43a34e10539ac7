#include "server/front/descriptors.h"

#include <stdbool.h>
#include <string.h>

#include "server/front/cursor.h"

/* In descriptors.S. */
extern const uint8_t descriptors_begin[], descriptors_end[];

/* Field numbers of google/protobuf/descriptor.proto. Names are field 1 wherever there is one. */
enum { NAME = 1, SET_FILE = 1, FILE_PACKAGE = 2, FILE_MESSAGE = 4, FILE_ENUM = 5, FILE_SERVICE = 6 };
enum { MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, SERVICE_METHOD = 2 };

static void bytes_at(const void *runs, size_t index, const uint8_t **data, size_t *length)
{
    (void)index;
    *data = runs;
    *length = (size_t)(descriptors_end - descriptors_begin);
}

static const struct cursor_source set = {.runs = descriptors_begin, .count = 1, .run_at = bytes_at};

/* The next field of this number, all of which are strings or messages. False: there is no further one. */
static bool next_field(struct cursor *cursor, uint32_t wanted, struct cursor *out)
{
    uint32_t number;
    enum cursor_type type;
    while (!cursor_field(cursor, &number, &type)) {
        if (number == wanted && type == CURSOR_BYTES)
            return !cursor_bytes(cursor, out);
        if (cursor_skip(cursor, type))
            return false;
    }
    return false;
}

static void lie_at(struct cursor value, const uint8_t **data, size_t *length)
{
    *length = cursor_run(&value, data);
}

/* Takes `name`, and the dot behind it where more follows, off the front of `*rest`. */
static bool take_name(const char **rest, struct cursor name)
{
    const uint8_t *data;
    size_t length;
    lie_at(name, &data, &length);
    if (strncmp(*rest, (const char *)data, length) != 0)
        return false;
    *rest += length;
    if (**rest == '.')
        return *++*rest != '\0';
    return **rest == '\0';
}

/* Whether a message, enum, service or method, or one of the `inner` fields of it, has this name. */
static bool defines(struct cursor entry, const uint32_t *inner, const char *rest);

static bool one_defines(struct cursor parent, uint32_t field, const uint32_t *inner, const char *rest)
{
    struct cursor entry;
    while (next_field(&parent, field, &entry))
        if (defines(entry, inner, rest))
            return true;
    return false;
}

static bool defines(struct cursor entry, const uint32_t *inner, const char *rest)
{
    struct cursor whole = entry, name;
    if (!next_field(&entry, NAME, &name) || !take_name(&rest, name))
        return false;
    if (!*rest)
        return true;
    for (; *inner; inner++) {
        bool message = *inner == MESSAGE_NESTED;
        static const uint32_t none[] = {0};
        if (one_defines(whole, *inner, message ? inner : none, rest))
            return true;
    }
    return false;
}

static bool file_defines(struct cursor file, const char *symbol)
{
    static const uint32_t in_messages[] = {MESSAGE_NESTED, MESSAGE_ENUM, 0}, in_enums[] = {0},
                          in_services[] = {SERVICE_METHOD, 0};
    struct cursor rest = file, package;
    if (!next_field(&rest, FILE_PACKAGE, &package) || !take_name(&symbol, package))
        return false;
    return one_defines(file, FILE_MESSAGE, in_messages, symbol) ||
           one_defines(file, FILE_ENUM, in_enums, symbol) ||
           one_defines(file, FILE_SERVICE, in_services, symbol);
}

static bool file_is(struct cursor file, const char *name)
{
    struct cursor value;
    const uint8_t *data;
    size_t length;
    if (!next_field(&file, NAME, &value))
        return false;
    lie_at(value, &data, &length);
    return strlen(name) == length && memcmp(name, data, length) == 0;
}

static enum err find_file(bool (*matches)(struct cursor file, const char *name), const char *name,
                          const uint8_t **data, size_t *length)
{
    struct cursor cursor, file;
    cursor_init(&cursor, &set);
    while (next_field(&cursor, SET_FILE, &file)) {
        if (matches(file, name)) {
            lie_at(file, data, length);
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

enum err descriptors_file(const char *name, const uint8_t **data, size_t *length)
{
    return find_file(file_is, name, data, length);
}

enum err descriptors_symbol(const char *symbol, const uint8_t **data, size_t *length)
{
    return find_file(file_defines, symbol, data, length);
}
