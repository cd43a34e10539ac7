/* EPCIS 2.0 JSON-LD, through yajl's push interface. What stands around events and vocabulary elements is
 * followed as it comes; each of these is collected as one value and then handed to the assembler, as its
 * type and context may stand behind its other members. The only user of yajl. */
#include "common/epcis/syntax.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "common/epcis/json_event.h"

enum {
    PIECE_BYTES = 16 * 1024, /* fed to yajl at once */
    TOKEN_SLACK = 64 * 1024, /* white space beside one string */
};

/* Objects and arrays around events, and what each member of them leads to. */
enum place {
    AT_NOTHING,
    AT_ROOT,
    AT_HEADER,
    AT_MASTER_DATA,
    AT_VOCABULARY_LIST,
    AT_VOCABULARY,
    AT_VOCABULARY_ELEMENTS,
    AT_BODY,
    AT_QUERY_RESULTS,
    AT_RESULTS_BODY,
    AT_EVENT_LIST,
};

static const struct way {
    const char *key; /* NULL: an element of an array */
    enum place from;
    enum place to;
    enum grammar_name name;
    bool array;
} ways[] = {
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

enum { PLACES_MAX = 12 };

struct json_parser {
    struct assembler *assembler;
    yajl_handle handle;
    struct json_names names;
    enum place places[PLACES_MAX]; /* that are open */
    int place_count;
    bool root_started;          /* the assembler has the document's frame */
    bool has_context, has_type; /* among root's members */
    bool body_seen;

    struct arena root_arena;
    struct json_value *root; /* members of the outermost object, but for those that lead on */
    struct json_context context;

    struct arena arena;       /* of the value that is collected */
    struct json_value *value; /* the open object or array in it; NULL: none is collected */
    struct json_value *outermost;
    const struct json_value *replayed; /* collected long ago, handed on now */
    struct arena *target;              /* root_arena or arena */
    uint32_t depth;                    /* of all objects and arrays */
    uint32_t collected;                /* of those, inside the collected value */
    bool spent;                        /* the arena was too small for it */
    bool nul;                          /* a string in it holds a NUL */
    char *key;                         /* of the member that comes */
    size_t key_room;

    const unsigned char *piece;
    uint64_t piece_start;              /* offset of the piece in the document */
    size_t counted;                    /* bytes of the piece whose lines are counted */
    uint64_t line;                     /* at `counted` */
    uint64_t token_offset;             /* where the last token ended */
    uint64_t start_line, start_offset; /* of the collected value */
};

/* ---- where it stands ---- */

static uint64_t present_offset(const struct json_parser *parser)
{
    return parser->piece_start + (parser->piece ? yajl_get_bytes_consumed(parser->handle) : 0);
}

static uint64_t present_line(struct json_parser *parser)
{
    size_t end = parser->piece ? yajl_get_bytes_consumed(parser->handle) : 0;
    while (parser->counted < end) {
        const unsigned char *found = memchr(parser->piece + parser->counted, '\n', end - parser->counted);
        parser->counted = found ? (size_t)(found - parser->piece) + 1 : end;
        parser->line += found != NULL;
    }
    return parser->line;
}

static void locate(void *context, bool start, uint64_t *line, uint64_t *byte_offset)
{
    struct json_parser *parser = context;
    *line = start || parser->replayed ? parser->start_line : present_line(parser);
    *byte_offset = start              ? parser->start_offset
                   : parser->replayed ? parser->replayed->end
                                      : present_offset(parser);
}

/* ---- the way to the events ---- */

static enum place present_place(const struct json_parser *parser)
{
    return parser->place_count > 0 ? parser->places[parser->place_count - 1] : AT_NOTHING;
}

/* What stands inside the document cannot be told without its context and type. Where these come late,
 * header and body are collected like any other member. */
static bool is_ready(const struct json_parser *parser)
{
    return parser->root_started || (parser->has_context && parser->has_type);
}

static const struct way *find_way(const struct json_parser *parser, const char *key)
{
    enum place place = present_place(parser);
    if (place == AT_ROOT && !is_ready(parser))
        return NULL;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (ways[i].from == place && (!ways[i].key || strcmp(ways[i].key, key) == 0))
            return &ways[i];
    return NULL;
}

static bool is_list(enum place place)
{
    return place == AT_EVENT_LIST || place == AT_VOCABULARY_ELEMENTS || place == AT_VOCABULARY_LIST;
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
    if (!json_value_member(parser->root, "@context")) {
        assembler_fail(assembler, ERR_INPUT,
                       "the document has no @context: that of EPCIS 2.0 would be right, which says what its "
                       "members mean");
        return;
    }
    assembler_start(assembler, &name);
    for (size_t i = 0; i < parser->context.count; i++)
        assembler_declare(assembler, parser->context.terms[i].prefix, parser->context.terms[i].uri);
    for (const struct json_value *member = parser->root->first; member; member = member->next)
        give_member(parser, member);
    check_version(assembler);
}

static void enter(struct json_parser *parser, const struct way *way)
{
    struct assembler_name name = {.id = way->name, .home = true, .uri = "", .prefix = ""};
    name.local = way->key ? way->key : "";
    if (way->from == AT_ROOT)
        start_root(parser);
    if (way->to == AT_BODY && parser->body_seen)
        assembler_fail(parser->assembler, ERR_INPUT,
                       "epcisBody stands here a second time: once would be right");
    parser->body_seen |= way->to == AT_BODY;
    parser->places[parser->place_count++] = way->to;
    assembler_start(parser->assembler, &name);
}

static void refuse_kind(struct json_parser *parser, const struct way *way)
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
    if (present_place(parser) == AT_EVENT_LIST)
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
    enum place place = present_place(parser);
    unsigned long long limit = assembler->limits.event_bytes;
    if (place == AT_EVENT_LIST)
        assembler_start(assembler, &name);
    if (!parser->spent)
        assembler_refuse(assembler, ERR_INPUT, NULL, NULL,
                         "a text holds the character NUL (\\u0000): one without it would be right");
    else if (place == AT_ROOT)
        assembler_refuse(
            assembler, ERR_LIMIT, NULL, NULL,
            "what stands before @context and type takes more than %llu bytes (limit event_bytes): these "
            "two first would be right",
            limit);
    else
        assembler_refuse(
            assembler, ERR_LIMIT, NULL, NULL,
            "takes more memory than one event may (%llu bytes, limit event_bytes): several smaller events "
            "would be right",
            limit);
    if (place == AT_EVENT_LIST)
        assembler_end(assembler);
}

static void dispatch(struct json_parser *parser, struct json_value *value)
{
    enum place place = present_place(parser);
    if (parser->spent || parser->nul)
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
    parser->spent = parser->nul = false;
}

/* Does with a collected value what would have been done as it came. */
static void replay(struct json_parser *parser, struct json_value *value)
{
    const struct way *way = find_way(parser, value->key);
    if (!way) {
        parser->start_line = value->line;
        parser->start_offset = value->start;
        parser->replayed = value;
        dispatch(parser, value);
        parser->replayed = NULL;
    } else if (value->kind != (way->array ? JSON_ARRAY : JSON_OBJECT)) {
        refuse_kind(parser, way);
    } else {
        enter(parser, way);
        for (struct json_value *inner = value->first; inner; inner = inner->next)
            replay(parser, inner);
        parser->place_count--;
        assembler_end(parser->assembler);
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
    if (parser->body_seen) {
        assembler_end(assembler);
    } else if (json_event_name(&parser->names, parser->root) != NAME_UNKNOWN) {
        parser->start_line = parser->root->line;
        parser->start_offset = parser->root->start;
        json_event_give(assembler, &parser->names, NULL, &parser->root_arena, parser->root);
    } else if (!type || type->kind != JSON_STRING || document_name(type->text) == NAME_UNKNOWN) {
        start_root(parser); /* says what is wrong with the type */
    } else {
        assembler_fail(assembler, ERR_INPUT,
                       "the document has no epcisBody: one with an eventList would be right");
    }
}

static void leave(struct json_parser *parser)
{
    if (present_place(parser) == AT_ROOT) {
        leave_root(parser);
        return;
    }
    parser->place_count--;
    assembler_end(parser->assembler);
}

/* Adds a value to what is collected, or begins to collect. */
static void collect(struct json_parser *parser, enum json_kind kind, const char *text, size_t length)
{
    bool container = kind == JSON_OBJECT || kind == JSON_ARRAY;
    bool first = parser->collected == 0;
    enum place place = present_place(parser);
    bool in_object = first ? !is_list(place) : parser->value && parser->value->kind == JSON_OBJECT;
    if (first) {
        parser->target = place == AT_ROOT ? &parser->root_arena : &parser->arena;
        parser->start_line = present_line(parser);
        parser->start_offset = present_offset(parser) - (container ? 1 : length);
        parser->value = place == AT_ROOT ? parser->root : NULL;
    }
    parser->nul |= text && memchr(text, '\0', length) != NULL;
    struct json_value *added =
        parser->spent ? NULL
                      : json_value_add(parser->target, parser->value, kind, in_object ? parser->key : NULL,
                                       container ? NULL : text, length);
    parser->spent |= added == NULL;
    if (added) {
        added->line = present_line(parser);
        added->start = present_offset(parser) - 1;
    }
    if (first)
        parser->outermost = added;
    if (container) {
        parser->collected++;
        parser->value = added ? added : parser->value;
    } else if (first) {
        dispatch(parser, added);
    }
}

static void close_collected(struct json_parser *parser)
{
    if (!parser->spent) {
        parser->value->end = present_offset(parser);
        parser->value = parser->value->parent;
    }
    if (--parser->collected == 0)
        dispatch(parser, parser->outermost);
}

/* ---- yajl's callbacks: 0 stops it ---- */

static int go_on(struct json_parser *parser)
{
    parser->token_offset = present_offset(parser);
    return parser->assembler->err == ERR_OK;
}

static void begin_root(struct json_parser *parser, bool array)
{
    parser->root = array ? NULL : json_value_add(&parser->root_arena, NULL, JSON_OBJECT, NULL, NULL, 0);
    if (parser->root) {
        parser->root->line = present_line(parser);
        parser->root->start = present_offset(parser) - 1;
    }
    if (array)
        assembler_fail(parser->assembler, ERR_INPUT,
                       "the document is an array: an object (EPCISDocument) would be right");
    else if (!parser->root)
        assembler_fail(parser->assembler, ERR_MEMORY, "out of memory");
    else
        parser->places[parser->place_count++] = AT_ROOT;
}

static int begin_container(struct json_parser *parser, bool array)
{
    struct assembler *assembler = parser->assembler;
    if (++parser->depth > assembler->limits.depth) {
        assembler_fail(assembler, ERR_LIMIT,
                       "values are nested more than %u deep (limit depth): fewer would be right",
                       assembler->limits.depth);
        return 0;
    }
    const struct way *way =
        parser->collected == 0 && parser->place_count > 0 ? find_way(parser, parser->key) : NULL;
    if (parser->depth == 1)
        begin_root(parser, array);
    else if (!way)
        collect(parser, array ? JSON_ARRAY : JSON_OBJECT, NULL, 0);
    else if (way->array != array)
        refuse_kind(parser, way);
    else
        enter(parser, way);
    return go_on(parser);
}

static int end_container(struct json_parser *parser)
{
    parser->depth--;
    if (parser->collected > 0)
        close_collected(parser);
    else
        leave(parser);
    return go_on(parser);
}

static int take_scalar(struct json_parser *parser, enum json_kind kind, const char *text, size_t length)
{
    struct assembler *assembler = parser->assembler;
    const struct way *way =
        parser->collected == 0 && parser->place_count > 0 ? find_way(parser, parser->key) : NULL;
    if (parser->place_count == 0)
        assembler_fail(assembler, ERR_INPUT, "the document is no object: an EPCISDocument would be right");
    else if (way && kind != JSON_NULL)
        refuse_kind(parser, way);
    else if (!way)
        collect(parser, kind, text, length);
    return go_on(parser);
}

static int on_start_map(void *context)
{
    return begin_container(context, false);
}

static int on_start_array(void *context)
{
    return begin_container(context, true);
}

static int on_end(void *context)
{
    return end_container(context);
}

static int on_key(void *context, const unsigned char *key, size_t length)
{
    struct json_parser *parser = context;
    if (length + 1 > parser->key_room) {
        char *grown = realloc(parser->key, length + 256);
        if (!grown) {
            assembler_fail(parser->assembler, ERR_MEMORY, "out of memory");
            return 0;
        }
        parser->key = grown;
        parser->key_room = length + 256;
    }
    memcpy(parser->key, key, length);
    parser->key[length] = '\0';
    parser->nul |= memchr(key, '\0', length) != NULL && parser->collected > 0;
    return go_on(parser);
}

static int on_string(void *context, const unsigned char *text, size_t length)
{
    return take_scalar(context, JSON_STRING, (const char *)text, length);
}

static int on_number(void *context, const char *text, size_t length)
{
    return take_scalar(context, JSON_NUMBER, text, length);
}

static int on_boolean(void *context, int value)
{
    return take_scalar(context, JSON_BOOLEAN, value ? "true" : "false", value ? 4 : 5);
}

static int on_null(void *context)
{
    return take_scalar(context, JSON_NULL, "", 0);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_map,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end,
    .yajl_start_array = on_start_array,
    .yajl_end_array = on_end,
};

/* ---- the syntax ---- */

static void json_close(void *state)
{
    struct json_parser *parser = state;
    if (!parser)
        return;
    if (parser->handle)
        yajl_free(parser->handle);
    arena_free(&parser->arena);
    arena_free(&parser->root_arena);
    free(parser->key);
    free(parser);
}

static void *json_open(struct assembler *assembler)
{
    struct json_parser *parser = calloc(1, sizeof *parser);
    if (!parser)
        return NULL;
    parser->assembler = assembler;
    parser->line = 1;
    parser->key = calloc(1, 64);
    parser->key_room = 64;
    parser->handle = yajl_alloc(&callbacks, NULL, parser);
    arena_init(&parser->arena, assembler->limits.event_bytes);
    arena_init(&parser->root_arena, assembler->limits.event_bytes);
    if (!parser->handle || !parser->key) {
        json_close(parser);
        return NULL;
    }
    json_names_fill(&parser->names);
    assembler->locate = locate;
    assembler->locate_context = parser;
    assembler->pointers = true;
    assembler->document->format = EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_JSON_2;
    return parser;
}

static void report(struct json_parser *parser, const char *data, size_t bytes)
{
    if (parser->assembler->err != ERR_OK)
        return;
    unsigned char *message = yajl_get_error(parser->handle, 0, (const unsigned char *)data, bytes);
    assembler_fail(parser->assembler, ERR_INPUT,
                   "the document is not well-formed JSON: %.*s: mending that would be right",
                   message ? (int)strcspn((const char *)message, "\n") : 0,
                   message ? (const char *)message : "");
    if (message)
        yajl_free_error(parser->handle, message);
}

static void feed_piece(struct json_parser *parser, const char *data, size_t bytes)
{
    struct assembler *assembler = parser->assembler;
    parser->piece = (const unsigned char *)data;
    parser->counted = 0;
    if (yajl_parse(parser->handle, parser->piece, bytes) != yajl_status_ok)
        report(parser, data, bytes);
    if (assembler->err != ERR_OK)
        return;
    present_line(parser);
    parser->piece = NULL;
    parser->piece_start += bytes;
    if (parser->piece_start - parser->token_offset > (uint64_t)assembler->limits.text_bytes + TOKEN_SLACK)
        assembler_fail(assembler, ERR_LIMIT,
                       "a text is longer than %u bytes (limit text_bytes): a shorter one would be right",
                       assembler->limits.text_bytes);
}

static void json_feed(void *state, const char *data, size_t bytes)
{
    struct json_parser *parser = state;
    while (bytes > 0 && parser->assembler->err == ERR_OK) {
        size_t piece = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
        feed_piece(parser, data, piece);
        data += piece;
        bytes -= piece;
    }
}

static void json_finish(void *state)
{
    struct json_parser *parser = state;
    if (parser->depth > 0)
        assembler_fail(parser->assembler, ERR_INPUT,
                       "the document is cut off: %u closing brackets more would be right", parser->depth);
    else if (yajl_complete_parse(parser->handle) != yajl_status_ok)
        report(parser, "", 0);
}

const struct syntax json_syntax = {
    .open = json_open,
    .feed = json_feed,
    .finish = json_finish,
    .close = json_close,
};
