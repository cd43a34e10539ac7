#include "common/epcis/json_context.h"

#include <string.h>

static const struct {
    const char *prefix;
    const char *uri;
} standard[] = {
    {"cbvmda", "urn:epcglobal:cbv:mda:"},
    {"epcis", "https://ref.gs1.org/epcis/"},
    {"cbv", "https://ref.gs1.org/cbv/"},
    {"gs1", "https://gs1.org/voc/"},
    {"rdfs", "http://www.w3.org/2000/01/rdf-schema#"},
    {"owl", "http://www.w3.org/2002/07/owl#"},
    {"xsd", "http://www.w3.org/2001/XMLSchema#"},
    {"dcterms", "http://purl.org/dc/terms/"},
};

static const char xmlns[] = "@xmlns:";

static bool equals(const char *name, const char *prefix, size_t length)
{
    return strncmp(name, prefix, length) == 0 && name[length] == '\0';
}

/* A term's definition: a URI, or an object whose "@id" is one. */
static const char *definition_uri(const struct json_value *definition)
{
    const struct json_value *id =
        definition->kind == JSON_OBJECT ? json_value_member(definition, "@id") : definition;
    return id && id->kind == JSON_STRING ? id->text : NULL;
}

static bool is_xmlns(const struct json_value *member)
{
    return strncmp(member->key, xmlns, sizeof xmlns - 1) == 0 && member->kind == JSON_STRING;
}

/* Where the terms are read into; without `terms` they are only counted. */
struct reader {
    struct json_term *terms;
    size_t count;
};

static void take_term(struct reader *reader, const char *prefix, const char *uri)
{
    if (reader->terms)
        reader->terms[reader->count] = (struct json_term){prefix, uri};
    reader->count++;
}

static void take_definitions(struct reader *reader, const struct json_value *object)
{
    for (const struct json_value *member = object->first; member; member = member->next)
        if (member->key[0] != '@' && definition_uri(member)) /* @vocab, @base and the like are no prefixes */
            take_term(reader, member->key, definition_uri(member));
}

static void take_context(struct reader *reader, const struct json_value *value)
{
    if (value->kind == JSON_OBJECT)
        take_definitions(reader, value);
    for (const struct json_value *entry = value->kind == JSON_ARRAY ? value->first : NULL; entry;
         entry = entry->next)
        if (entry->kind == JSON_OBJECT)
            take_definitions(reader, entry);
}

static size_t take_all(struct reader *reader, const struct json_value *object)
{
    for (const struct json_value *member = object->first; member; member = member->next) {
        if (member->key[0] != '@')
            continue;
        if (strcmp(member->key, "@context") == 0)
            take_context(reader, member);
        else if (is_xmlns(member))
            take_term(reader, member->key + sizeof xmlns - 1, member->text);
    }
    return reader->count;
}

enum err json_context_open(struct json_context *context, const struct json_context *parent,
                           struct arena *arena, const struct json_value *object)
{
    struct reader counter = {0};
    size_t inherited = parent ? parent->total : 0;
    *context = (struct json_context){.parent = parent, .total = inherited};
    if (object->kind != JSON_OBJECT || take_all(&counter, object) == 0)
        return ERR_OK;
    struct reader reader = {0};
    if (inherited + counter.count <= JSON_TERMS_MAX)
        reader.terms = arena_alloc(arena, counter.count * sizeof *reader.terms);
    if (!reader.terms)
        return ERR_LIMIT;
    context->terms = reader.terms;
    context->count = take_all(&reader, object);
    context->total = inherited + context->count;
    return ERR_OK;
}

const char *json_context_own(const struct json_value *object, const char *prefix, size_t length)
{
    if (object->kind != JSON_OBJECT)
        return NULL;
    for (const struct json_value *member = object->first; member; member = member->next)
        if (is_xmlns(member) && equals(member->key + sizeof xmlns - 1, prefix, length))
            return member->text;
    return NULL;
}

const char *json_context_find(const struct json_context *context, const char *prefix, size_t length)
{
    for (; context; context = context->parent)
        for (size_t i = context->count; i > 0; i--)
            if (equals(context->terms[i - 1].prefix, prefix, length))
                return context->terms[i - 1].uri;
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++)
        if (equals(standard[i].prefix, prefix, length))
            return standard[i].uri;
    return NULL;
}
