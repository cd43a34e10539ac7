#include "common/epcis/json_event.h"

#include <string.h>

#include "common/epcis/json_kind.h"

/* What the functions below pass along. */
struct giver {
    struct assembler *assembler;
    struct json_names *names;
    struct arena *arena;                /* for prefixes, which stand inside keys */
    const struct json_context *lasting; /* the document's; NULL: it has none */
};

/* Length and three characters tell the grammar's names apart well enough. */
static uint32_t hash_key(const char *key, size_t length)
{
    if (length == 0)
        return 0;
    uint32_t hash = (uint32_t)length * 131 + (unsigned char)key[0];
    hash = hash * 131 + (unsigned char)key[length / 2];
    return hash * 131 + (unsigned char)key[length - 1];
}

enum { SLOT_MASK = sizeof(((struct json_names *)0)->slots) - 1 };

void json_names_fill(struct json_names *names)
{
    memset(names, 0, sizeof *names);
    for (int id = NAME_UNKNOWN + 1; id < NAME_COUNT; id++) {
        size_t length = strlen(grammar_spellings[id]);
        uint32_t slot = hash_key(grammar_spellings[id], length) & SLOT_MASK;
        names->lengths[id] = (uint8_t)length;
        while (names->slots[slot])
            slot = (slot + 1) & SLOT_MASK;
        names->slots[slot] = (uint8_t)id;
    }
}

enum grammar_name json_names_find(const struct json_names *names, const char *key, size_t length)
{
    uint32_t slot = hash_key(key, length) & SLOT_MASK;
    for (; names->slots[slot]; slot = (slot + 1) & SLOT_MASK)
        if (names->lengths[names->slots[slot]] == length &&
            memcmp(grammar_spellings[names->slots[slot]], key, length) == 0)
            return names->slots[slot];
    return NAME_UNKNOWN;
}

uint8_t json_names_foreign(struct json_names *names, const char *key, size_t length)
{
    uint8_t index = (uint8_t)(hash_key(key, length) % (JSON_FOREIGN_MAX - 1) + 1);
    struct json_foreign *foreign = &names->foreign[index];
    if (foreign->length == length && memcmp(foreign->key, key, length) == 0)
        return length > 0 ? index : 0;
    if (foreign->length > 0 || length >= sizeof foreign->key || !memchr(key, ':', length))
        return 0;
    memcpy(foreign->key, key, length);
    foreign->length = length;
    return index;
}

static struct assembler_name home_name(enum grammar_name id, const char *local)
{
    return (struct assembler_name){.id = id, .home = true, .uri = "", .local = local, .prefix = ""};
}

/* Looks the prefix of a key up. It is copied to `*prefix`, or else into the arena. */
static struct assembler_name look_up(struct giver *giver, const struct json_context *context,
                                     const struct json_value *member, const char *key, char *prefix)
{
    const char *colon = strchr(key, ':');
    struct assembler_name name = {.id = NAME_UNKNOWN, .uri = "", .local = key, .prefix = ""};
    size_t length = (size_t)(colon - key);
    const char *uri = json_context_own(member, key, length);
    if (!uri)
        uri = json_context_find(context, key, length);
    if (!uri)
        return name;
    if (prefix)
        memcpy(prefix, key, length); /* all zero before */
    else
        prefix = arena_copy(giver->arena, key, length);
    if (!prefix) {
        assembler_refuse_memory(giver->assembler, giver->arena);
        return name;
    }
    return (struct assembler_name){.id = NAME_UNKNOWN, .uri = uri, .local = colon + 1, .prefix = prefix};
}

/* What a key with a prefix names. */
static struct assembler_name foreign_name(struct giver *giver, const struct json_context *context,
                                          const struct json_value *member)
{
    struct json_foreign *foreign = &giver->names->foreign[member->foreign];
    /* Objects may have prefixes of their own. */
    bool lasting = member->foreign && context && context == giver->lasting && member->kind != JSON_OBJECT;
    if (!lasting)
        return look_up(giver, context, member, member->key, NULL);
    if (!foreign->name.local)
        foreign->name = look_up(giver, context, member, foreign->key, foreign->prefix);
    return foreign->name;
}

/* In its place, the Standard Business Document Header is the grammar's, as in XML. */
static struct assembler_name header_name(const struct giver *giver, struct assembler_name name)
{
    const struct frame *frame = assembler_top(giver->assembler);
    enum grammar_name id = json_names_find(giver->names, name.local, strlen(name.local));
    bool outside = frame && frame->kind == FRAME_PART && frame->context == IN_DOCUMENT && id == NAME_SBDH;
    bool inside = frame && frame->kind == FRAME_PART && frame->context >= IN_HEADER &&
                  frame->context <= IN_CONTACT && assembler_knows(giver->assembler, id);
    if ((outside || inside) && strcmp(name.uri, grammar_sbdh_uri) == 0) {
        name.id = id;
        name.home = true;
    }
    return name;
}

static void give_members(struct giver *giver, const struct json_context *outer,
                         const struct json_value *object);

static Epcis__V1__ValueType value_type(enum json_kind kind)
{
    switch (kind) {
    case JSON_NUMBER:
        return EPCIS__V1__VALUE_TYPE__VALUE_TYPE_NUMBER;
    case JSON_BOOLEAN:
        return EPCIS__V1__VALUE_TYPE__VALUE_TYPE_BOOLEAN;
    case JSON_NULL:
        return EPCIS__V1__VALUE_TYPE__VALUE_TYPE_NULL;
    default:
        return EPCIS__V1__VALUE_TYPE__VALUE_TYPE_UNSPECIFIED;
    }
}

static void give_value(struct giver *giver, const struct json_context *context,
                       const struct assembler_name *name, const struct json_value *value, bool in_array);

/* The texts of an array: all at once, or as values. */
static void give_texts(struct giver *giver, const struct json_context *context,
                       const struct assembler_name *name, const struct json_value *array)
{
    const struct json_texts *texts = array->texts;
    struct json_value *last;
    if (texts->bare && assembler_leaves(giver->assembler, name, texts->items, texts->count, texts->longest))
        return;
    if (json_value_spread(giver->arena, (struct json_value *)(uintptr_t)array, &last))
        give_value(giver, context, name, array, false);
    else
        assembler_refuse_memory(giver->assembler, giver->arena);
}

/* The value under a name, once: arrays in arrays are flattened. */
static void give_value(struct giver *giver, const struct json_context *context,
                       const struct assembler_name *name, const struct json_value *value, bool in_array)
{
    giver->names->given = value;
    if (value->kind == JSON_ARRAY) {
        for (const struct json_value *element = value->first; element; element = element->next)
            give_value(giver, context, name, element, true);
        if (value->texts)
            give_texts(giver, context, name, value);
        return;
    }
    if (value->kind != JSON_OBJECT && assembler_leaf(giver->assembler, name, value->text, value->length))
        return;
    assembler_start(giver->assembler, name);
    assembler_node_value(giver->assembler, value_type(value->kind), in_array);
    if (value->kind == JSON_OBJECT)
        give_members(giver, context, value);
    else if (value->length > 0)
        assembler_text(giver->assembler, value->text, value->length);
    assembler_end(giver->assembler);
}

/* ---- lists and texts ---- */

static void give_list(struct giver *giver, const struct json_context *context,
                      const struct assembler_name *name, enum grammar_name entry,
                      const struct json_value *value)
{
    struct assembler_name inner = home_name(entry, grammar_spellings[entry]);
    giver->names->given = value;
    assembler_start(giver->assembler, name);
    if (value->kind == JSON_ARRAY)
        give_value(giver, context, &inner, value, false);
    else
        assembler_refuse(giver->assembler, ERR_INPUT, NULL, NULL, "%s is no array: one would be right",
                         name->local);
    assembler_end(giver->assembler);
}

/* The text of an object that has other members as well: XML turned into JSON has "#text", JSON-LD's typed
 * values have "@value". */
static void give_text_member(struct assembler *assembler, const struct json_value *member)
{
    const struct frame *frame = assembler_top(assembler);
    bool takes_text =
        frame && (frame->kind == FRAME_NODE || (frame->kind == FRAME_LEAF && !assembler->event) ||
                  frame->context == IN_ATTRIBUTE);
    if (takes_text && member->length > 0 &&
        (strcmp(member->key, "#text") == 0 || strcmp(member->key, "@value") == 0))
        assembler_text(assembler, member->text, member->length);
}

static bool is_fixed_part(const struct frame *frame)
{
    return frame && frame->kind == FRAME_PART && frame->context != IN_ILMD;
}

/* JSON-LD's own members and comments. */
static bool is_aside(const struct assembler *assembler, const struct json_value *member)
{
    const char *key = member->key;
    if (key[0] == '@' || key[0] == '#')
        return true;
    return key[0] == 'c' && strcmp(key, "comment") == 0 && member->kind == JSON_STRING &&
           is_fixed_part(assembler_top(assembler));
}

/* The type of an object whose place tells it already. */
static bool is_told_by_place(const struct assembler *assembler, const struct json_value *member)
{
    return member->name == NAME_TYPE && member->kind == JSON_STRING &&
           is_fixed_part(assembler_top(assembler)) && !assembler_knows(assembler, NAME_TYPE);
}

static bool takes_any_name(const struct assembler *assembler)
{
    const struct frame *frame = assembler_top(assembler);
    return !frame || frame->kind == FRAME_NODE || assembler_takes_any_name(assembler, frame->context);
}

/* A scalar without a prefix inside the Standard Business Document Header: its elements have a namespace. */
static bool is_attribute_of_header(const struct assembler *assembler, const struct json_value *member)
{
    const struct frame *frame = assembler_top(assembler);
    if (!frame || assembler->event || member->kind == JSON_OBJECT || member->kind == JSON_ARRAY ||
        strchr(member->key, ':'))
        return false;
    return (frame->kind == FRAME_LEAF && frame->rule->context == IN_PARTNER_IDENTIFIER) ||
           (frame->kind == FRAME_NODE &&
            frame->message == assembler->document->standard_business_document_header &&
            strcmp(frame->node->namespace_uri, grammar_sbdh_uri) == 0);
}

/* Header without the epcisHeader around it, which query documents do not have in JSON. */
static void give_header(struct giver *giver, const struct json_context *context,
                        const struct assembler_name *name, const struct json_value *value)
{
    struct assembler_name around = home_name(NAME_EPCIS_HEADER, "epcisHeader");
    assembler_start(giver->assembler, &around);
    give_value(giver, context, name, value, false);
    assembler_end(giver->assembler);
}

static void give_member(struct giver *giver, const struct json_context *context,
                        const struct json_value *member)
{
    struct assembler *assembler = giver->assembler;
    enum grammar_name id = member->name;
    giver->names->given = member;
    if (id == NAME_UNKNOWN ? is_aside(assembler, member) : is_told_by_place(assembler, member))
        return;
    if (is_attribute_of_header(assembler, member)) {
        struct assembler_name name = home_name(id, member->key);
        assembler_attribute(assembler, &name, member->text, member->length);
        return;
    }
    if (id != NAME_UNKNOWN && assembler_knows(assembler, id)) {
        struct assembler_name name = home_name(id, member->key);
        if (assembler->event)
            assembler_check_field(assembler, &name);
        if ((assembler->event && !json_kind_check(assembler, giver->names, &name, member)) ||
            member->kind == JSON_NULL)
            return;
        if (json_kind_entry(id) != NAME_UNKNOWN)
            give_list(giver, context, &name, json_kind_entry(id), member);
        else
            give_value(giver, context, &name, member, false);
        return;
    }
    bool prefixed = member->foreign || strchr(member->key, ':') != NULL;
    if (!prefixed && !assembler->event && assembler->depth == 1)
        return; /* "id" and the like of the document */
    struct assembler_name name =
        prefixed ? foreign_name(giver, context, member) : home_name(NAME_UNKNOWN, member->key);
    if (prefixed && !assembler->event)
        name = header_name(giver, name);
    if (name.id == NAME_SBDH && assembler_top(assembler)->context == IN_DOCUMENT) {
        give_header(giver, context, &name, member);
        return;
    }
    if (!prefixed && !takes_any_name(assembler)) {
        /* Refused, even where an empty array has nothing to say. */
        assembler_start(assembler, &name);
        assembler_end(assembler);
        return;
    }
    give_value(giver, context, &name, member, false);
}

/* ---- members ---- */

static void give_members(struct giver *giver, const struct json_context *outer,
                         const struct json_value *object)
{
    struct json_context inner;
    if (json_context_open(&inner, outer, giver->arena, object) != ERR_OK)
        assembler_refuse(giver->assembler, ERR_LIMIT, NULL, NULL,
                         "contexts declare more than %d terms here: fewer would be right",
                         (int)JSON_TERMS_MAX);
    const struct json_context *context = inner.count > 0 ? &inner : outer;
    /* Members have no order: the text is what an element begins with. */
    if (!giver->assembler->event || !is_fixed_part(assembler_top(giver->assembler)))
        for (const struct json_value *member = object->first; member; member = member->next)
            give_text_member(giver->assembler, member);
    for (const struct json_value *member = object->first; member; member = member->next)
        give_member(giver, context, member);
}

enum grammar_name json_event_name(const struct json_names *names, const struct json_value *event)
{
    static const char *const prefixes[] = {"epcis:", "https://ref.gs1.org/epcis/"};
    const struct json_value *type = json_value_member(event, "type");
    if (!type || type->kind != JSON_STRING)
        return NAME_UNKNOWN;
    const char *text = type->text;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            text += strlen(prefixes[i]);
    enum grammar_name id = json_names_find(names, text, strlen(text));
    return id >= NAME_OBJECT_EVENT && id <= NAME_QUANTITY_EVENT ? id : NAME_UNKNOWN;
}

/* One that says of itself nothing, or nothing known. */
static void refuse_event(struct assembler *assembler, struct json_names *names,
                         const struct json_value *event)
{
    static const char right[] = "ObjectEvent, AggregationEvent, TransactionEvent, TransformationEvent or "
                                "AssociationEvent would be right";
    const struct json_value *type = json_value_member(event, "type");
    struct assembler_name any = home_name(NAME_OBJECT_EVENT, "event"),
                          type_name = home_name(NAME_TYPE, "type");
    assembler_start(assembler, &any);
    names->given = type ? type : event;
    if (event->kind != JSON_OBJECT)
        assembler_refuse(assembler, ERR_INPUT, NULL, NULL,
                         "an entry of eventList is no object: an event would be right");
    else if (!type)
        assembler_refuse(assembler, ERR_INPUT, &type_name, NULL, "type is missing in an event: %s", right);
    else if (type->kind != JSON_STRING)
        assembler_refuse(assembler, ERR_INPUT, &type_name, NULL, "type is no text in an event: %s", right);
    else
        assembler_refuse(assembler, ERR_INPUT, &type_name, type->text, "%.64s is no type of event: %s",
                         type->text, right);
    names->given = NULL;
    assembler_end(assembler);
}

void json_event_give(struct assembler *assembler, struct json_names *names,
                     const struct json_context *context, struct arena *arena, const struct json_value *event)
{
    struct giver giver = {assembler, names, arena, context};
    enum grammar_name id = json_event_name(names, event);
    struct assembler_name name = home_name(id, grammar_spellings[id]);
    if (id == NAME_UNKNOWN) {
        refuse_event(assembler, names, event);
        return;
    }
    assembler_start(assembler, &name);
    names->given = event;
    give_members(&giver, context, event);
    names->given = NULL; /* its end is where the parser stands */
    assembler_end(assembler);
}

/* "attribute" is the value of the attribute that XML's element of that name is. */
static void give_vocabulary_attribute(struct giver *giver, const struct json_context *context,
                                      const struct json_value *attribute)
{
    struct assembler *assembler = giver->assembler;
    struct assembler_name name = home_name(NAME_ATTRIBUTE, grammar_spellings[NAME_ATTRIBUTE]);
    const struct json_value *value = json_value_member(attribute, "attribute");
    const struct json_value *id = json_value_member(attribute, "id");
    assembler_start(assembler, &name);
    if (id)
        give_member(giver, context, id);
    if (value && value->kind == JSON_OBJECT)
        give_members(giver, context, value);
    else if (value && value->kind == JSON_ARRAY)
        give_value(giver, context, &(struct assembler_name){.uri = "", .local = "attribute", .prefix = ""},
                   value, false);
    else if (value && value->length > 0)
        assembler_text(assembler, value->text, value->length);
    assembler_end(assembler);
}

void json_event_give_vocabulary_element(struct assembler *assembler, struct json_names *names,
                                        const struct json_context *context, struct arena *arena,
                                        const struct json_value *element)
{
    struct giver giver = {assembler, names, arena, context};
    struct assembler_name name =
        home_name(NAME_VOCABULARY_ELEMENT, grammar_spellings[NAME_VOCABULARY_ELEMENT]);
    assembler_start(assembler, &name);
    for (const struct json_value *member = element->first; member; member = member->next) {
        if (strcmp(member->key, "attributes") != 0) {
            give_member(&giver, context, member);
            continue;
        }
        for (const struct json_value *entry = member->first; entry; entry = entry->next)
            give_vocabulary_attribute(&giver, context, entry);
    }
    names->given = NULL;
    assembler_end(assembler);
}

void json_event_give_member(struct assembler *assembler, struct json_names *names,
                            const struct json_context *context, struct arena *arena,
                            const struct json_value *member)
{
    struct giver giver = {assembler, names, arena, context};
    give_member(&giver, context, member);
    names->given = NULL;
}
