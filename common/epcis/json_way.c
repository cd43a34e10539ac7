#include "common/epcis/json_way.h"

#include <string.h>

static const struct json_way ways[] = {
    {"epcisHeader", AT_ROOT, AT_HEADER, NAME_EPCIS_HEADER, false},
    {"epcisBody", AT_ROOT, AT_BODY, NAME_EPCIS_BODY, false},
    {"epcisMasterData", AT_HEADER, AT_MASTER_DATA, NAME_EPCIS_MASTER_DATA, false},
    {"vocabularyList", AT_MASTER_DATA, AT_VOCABULARY_LIST, NAME_VOCABULARY_LIST, true},
    {NULL, AT_VOCABULARY_LIST, AT_VOCABULARY, NAME_VOCABULARY, false},
    {"vocabularyElementList", AT_VOCABULARY, AT_VOCABULARY_ELEMENTS, NAME_VOCABULARY_ELEMENT_LIST, true},
    {"eventList", AT_BODY, AT_EVENT_LIST, NAME_EVENT_LIST, true},
    {"queryResults", AT_BODY, AT_QUERY_RESULTS, NAME_QUERY_RESULTS, false},
    {"resultsBody", AT_QUERY_RESULTS, AT_RESULTS_BODY, NAME_RESULTS_BODY, false},
    {"eventList", AT_RESULTS_BODY, AT_EVENT_LIST, NAME_EVENT_LIST, true},
    {"vocabularyList", AT_RESULTS_BODY, AT_VOCABULARY_LIST, NAME_VOCABULARY_LIST, true},
};

enum json_place json_way_place(const struct json_parser *parser)
{
    return parser->place_count > 0 ? parser->places[parser->place_count - 1] : AT_NOTHING;
}

/* What stands inside the document cannot be told without its context and type. Where these come late,
 * header and body are collected like any other member. */
static bool is_ready(const struct json_parser *parser)
{
    return parser->root_started || (parser->has_context && parser->has_type);
}

const struct json_way *json_way_find(const struct json_parser *parser, const char *key)
{
    enum json_place place = json_way_place(parser);
    if (place == AT_ROOT && !is_ready(parser))
        return NULL;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (ways[i].from == place && (!ways[i].key || strcmp(ways[i].key, key) == 0))
            return &ways[i];
    return NULL;
}

bool json_way_is_list(enum json_place place)
{
    return place == AT_EVENT_LIST || place == AT_VOCABULARY_ELEMENTS || place == AT_VOCABULARY_LIST;
}

bool json_way_is_lasting(enum json_place place)
{
    return place != AT_EVENT_LIST && place != AT_VOCABULARY_ELEMENTS && place != AT_VOCABULARY;
}

static void give_member(struct json_parser *parser, const struct json_value *member)
{
    json_event_give_member(parser->assembler, &parser->names, &parser->context, &parser->root_arena, member);
}

static enum grammar_name document_name(const char *type)
{
    if (strncmp(type, "epcis:", 6) == 0)
        type += 6;
    return strcmp(type, "EPCISDocument") == 0        ? NAME_EPCIS_DOCUMENT
           : strcmp(type, "EPCISQueryDocument") == 0 ? NAME_EPCIS_QUERY_DOCUMENT
                                                     : NAME_UNKNOWN;
}

static void check_version(struct assembler *assembler)
{
    const char *version = assembler->document->schema_version;
    if (version[0] && ((version[0] != '1' && version[0] != '2') || (version[1] && version[1] != '.')))
        assembler_fail(assembler, ERR_INPUT, "schemaVersion is \"%.32s\": 2.0 would be right", version);
}

/* False after refusing. */
static bool check_context(struct json_parser *parser)
{
    const struct json_value *context = json_value_member(parser->root, "@context");
    if (context &&
        (context->kind == JSON_STRING || context->kind == JSON_OBJECT || context->kind == JSON_ARRAY))
        return true;
    assembler_fail(
        parser->assembler, ERR_INPUT,
        "the document has no @context: that of EPCIS 2.0 would be right, which says what its members "
        "mean");
    return false;
}

/* Those that have come since the last call. */
static void give_root_members(struct json_parser *parser)
{
    const struct json_value *member = parser->last_given ? parser->last_given->next : parser->root->first;
    for (; member; member = member->next) {
        give_member(parser, member);
        parser->last_given = member;
    }
}

/* Begins the document with what of it has come: its kind must be known before anything in it. */
static void start_root(struct json_parser *parser)
{
    struct assembler *assembler = parser->assembler;
    const struct json_value *type = json_value_member(parser->root, "type");
    struct assembler_name name = {.home = true, .uri = "", .local = "", .prefix = ""};
    if (parser->root_started)
        return;
    parser->root_started = true;
    if (json_context_open(&parser->context, NULL, &parser->root_arena, parser->root) != ERR_OK)
        assembler_fail(assembler, ERR_LIMIT, "contexts declare more than %d terms: fewer would be right",
                       (int)JSON_TERMS_MAX);
    name.id = type && type->kind == JSON_STRING ? document_name(type->text) : NAME_UNKNOWN;
    if (name.id == NAME_UNKNOWN) {
        assembler_fail(
            assembler, ERR_INPUT,
            "the document's type is %.64s: EPCISDocument or EPCISQueryDocument, before epcisHeader and "
            "epcisBody, would be right",
            type && type->kind == JSON_STRING ? type->text : "missing");
        return;
    }
    if (!check_context(parser))
        return;
    assembler_start(assembler, &name);
    for (size_t i = 0; i < parser->context.count; i++)
        assembler_declare(assembler, parser->context.terms[i].prefix, parser->context.terms[i].uri);
    give_root_members(parser);
    check_version(assembler);
}

void json_way_enter(struct json_parser *parser, const struct json_way *way)
{
    struct assembler_name name = {.id = way->name, .home = true, .uri = "", .prefix = ""};
    name.local = way->key ? way->key : "";
    if (way->from == AT_ROOT)
        start_root(parser);
    parser->entered |= 1U << way->from;
    parser->places[parser->place_count++] = way->to;
    assembler_start(parser->assembler, &name);
}

void json_way_refuse_kind(struct json_parser *parser, const struct json_way *way)
{
    assembler_fail(parser->assembler, ERR_INPUT, "%s is no %s: one would be right",
                   way->key ? way->key : "an entry", way->array ? "array" : "object");
}

/* ---- collected values ---- */

static void keep_type_of_vocabulary(struct json_parser *parser, const struct json_value *value)
{
    const struct assembler_name name = {
        .id = NAME_TYPE, .home = true, .uri = "", .local = "type", .prefix = ""};
    if (strcmp(value->key, "type") == 0 && value->kind == JSON_STRING)
        assembler_attribute(parser->assembler, &name, value->text, value->length);
}

static void give_unit(struct json_parser *parser, struct json_value *value)
{
    struct assembler *assembler = parser->assembler;
    struct json_value empty = {.kind = JSON_NULL, .text = ""};
    if (json_way_place(parser) == AT_EVENT_LIST)
        json_event_give(assembler, &parser->names, &parser->context, &parser->arena, value ? value : &empty);
    else
        json_event_give_vocabulary_element(assembler, &parser->names, &parser->context, &parser->arena,
                                           value && value->kind == JSON_OBJECT ? value : &empty);
}

/* An event that could not even be collected is refused all the same; elsewhere the document ends. */
static void refuse_unit(struct json_parser *parser)
{
    struct assembler *assembler = parser->assembler;
    const struct assembler_name name = {
        .id = NAME_OBJECT_EVENT, .home = true, .uri = "", .local = "event", .prefix = ""};
    enum json_place place = json_way_place(parser);
    if (place == AT_EVENT_LIST)
        assembler_start(assembler, &name);
    if (!parser->spent)
        assembler_refuse(
            assembler, ERR_INPUT, NULL, NULL,
            "a text is no Unicode, or holds the character NUL (\\u0000): one that is, without it, "
            "would be right");
    else if (place == AT_ROOT && !parser->target->exhausted)
        assembler_refuse_over(assembler, CAP_EVENT_MEMORY, NULL,
                              "what stands before @context and type, which would be right as the first two, "
                              "takes too much memory");
    else
        assembler_refuse_memory(assembler, parser->target);
    if (place == AT_EVENT_LIST)
        assembler_end(assembler);
}

void json_way_dispatch(struct json_parser *parser, struct json_value *value)
{
    enum json_place place = json_way_place(parser);
    if (parser->spent || parser->no_text)
        refuse_unit(parser);
    else if (place == AT_EVENT_LIST || place == AT_VOCABULARY_ELEMENTS)
        give_unit(parser, value);
    else if (place == AT_VOCABULARY)
        keep_type_of_vocabulary(parser, value);
    else if (place != AT_ROOT)
        give_member(parser, value);
    if (place == AT_ROOT) {
        parser->has_context |= value && strcmp(value->key, "@context") == 0;
        parser->has_type |= value && strcmp(value->key, "type") == 0;
    } else {
        arena_reset(&parser->arena);
    }
    parser->outermost = NULL;
    parser->breaks.length = 0;
    parser->spent = parser->no_text = false;
}

/* What there is to read in a document stands in these. */
static void check_filled(struct json_parser *parser, enum json_place place)
{
    bool query = parser->assembler->document->kind == EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_QUERY_DOCUMENT;
    const char *inside = place == AT_BODY            ? query ? "queryResults" : "eventList"
                         : place == AT_QUERY_RESULTS ? "resultsBody"
                         : place == AT_RESULTS_BODY  ? "eventList"
                                                     : NULL;
    if (inside && !(parser->entered >> place & 1))
        assembler_fail(parser->assembler, ERR_INPUT, "%s has no %s: one would be right, even an empty one",
                       assembler_top(parser->assembler)->local, inside);
}

static void leave_place(struct json_parser *parser)
{
    if (parser->assembler->err == ERR_OK)
        check_filled(parser, json_way_place(parser));
    parser->place_count--;
    assembler_end(parser->assembler);
}

/* Does with a collected value what would have been done as it came. */
static void replay(struct json_parser *parser, struct json_value *value)
{
    const struct json_way *way = json_way_find(parser, value->key);
    if (!way) {
        parser->start_line = value->place->line;
        parser->start_offset = value->place->start;
        parser->replayed = parser->outermost = value;
        json_way_dispatch(parser, value);
        parser->replayed = NULL;
    } else if (value->kind != (way->array ? JSON_ARRAY : JSON_OBJECT)) {
        json_way_refuse_kind(parser, way);
    } else {
        json_way_enter(parser, way);
        for (struct json_value *inner = value->first; inner; inner = inner->next)
            replay(parser, inner);
        leave_place(parser);
    }
}

/* Header and body that came before context or type. */
static void replay_late(struct json_parser *parser)
{
    static const char *const keys[] = {"epcisHeader", "epcisBody"};
    if (parser->root_started || !json_value_member(parser->root, "epcisBody"))
        return;
    start_root(parser);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        for (struct json_value *member = parser->root->first; member; member = member->next)
            if (strcmp(member->key, keys[i]) == 0)
                replay(parser, member);
}

static void leave_root(struct json_parser *parser)
{
    struct assembler *assembler = parser->assembler;
    const struct json_value *type = json_value_member(parser->root, "type");
    replay_late(parser);
    parser->place_count--;
    if (assembler->body_seen) {
        give_root_members(parser);
        assembler_end(assembler);
    } else if (json_event_name(&parser->names, parser->root) != NAME_UNKNOWN) {
        parser->start_line = parser->root->place->line;
        parser->start_offset = parser->root->place->start;
        json_event_give(assembler, &parser->names, NULL, &parser->root_arena, parser->root);
    } else if (!type || type->kind != JSON_STRING || document_name(type->text) == NAME_UNKNOWN) {
        start_root(parser); /* says what is wrong with the type */
    } else {
        assembler_fail(assembler, ERR_INPUT,
                       "the document has no epcisBody: one with an eventList would be right");
    }
}

void json_way_leave(struct json_parser *parser)
{
    if (json_way_place(parser) == AT_ROOT) {
        leave_root(parser);
        return;
    }
    leave_place(parser);
}
