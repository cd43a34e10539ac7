/* EPCIS 2.0 JSON-LD, through yajl's push interface. What stands around events and vocabulary elements is
 * followed as it comes; each of these is collected as one value and then handed to the assembler, as its
 * type and context may stand behind its other members. The only user of yajl. */
#include "common/epcis/syntax.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "common/base/utf8.h"
#include "common/epcis/json_kind.h"
#include "common/epcis/json_way.h"

enum {
    PIECE_BYTES = 16 * 1024, /* fed to yajl at once */
    TOKEN_SLACK = 64 * 1024, /* white space beside one string */
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

static size_t count_lines(const unsigned char *text, size_t length)
{
    const unsigned char *end = text + length;
    size_t count = 0;
    for (; text < end && (text = memchr(text, '\n', (size_t)(end - text))); text++)
        count++;
    return count;
}

/* The line of what stands `end` bytes behind the start of what is collected. */
static uint64_t line_inside(const struct json_parser *parser, uint32_t end)
{
    const uint32_t *breaks = (const uint32_t *)(const void *)parser->breaks.data;
    size_t known = parser->breaks.length / sizeof *breaks, passed = 0;
    uint64_t offset = parser->start_offset + end;
    if (parser->piece && offset > parser->piece_start) {
        size_t from =
            parser->start_offset > parser->piece_start ? parser->start_offset - parser->piece_start : 0;
        return parser->start_line + known +
               count_lines(parser->piece + from, offset - parser->piece_start - from);
    }
    while (passed < known && breaks[passed] < end)
        passed++;
    return parser->start_line + passed;
}

/* Remembers the line ends in the piece that belong to what is collected, before the piece goes. */
static void keep_breaks(struct json_parser *parser)
{
    const unsigned char *at = parser->piece, *end = at + parser->piece_bytes;
    if (parser->start_offset > parser->piece_start)
        at += parser->start_offset - parser->piece_start;
    for (; at < end && (at = memchr(at, '\n', (size_t)(end - at))); at++) {
        uint32_t offset =
            (uint32_t)(parser->piece_start + (uint64_t)(at - parser->piece) - parser->start_offset);
        buffer_append(&parser->breaks, &offset, sizeof offset);
    }
    parser->spent |= parser->breaks.length > parser->assembler->limits.event_bytes / 8;
    if (parser->breaks.failed)
        assembler_fail(parser->assembler, ERR_MEMORY, "out of memory");
}

/* yajl tells where tokens end. A text with escapes is shorter than its token: then this is inside it. */
static void locate_value(const struct json_parser *parser, const struct json_value *value, uint64_t *line,
                         uint64_t *byte_offset)
{
    size_t length = value->kind == JSON_STRING ? value->length + 2
                    : value->kind == JSON_NULL ? sizeof "null" - 1
                    : value->length > 0        ? value->length
                                               : 1; /* the bracket */
    if (value->place) {
        *line = value->place->line;
        *byte_offset = value->place->start + 1 - length;
    } else {
        *line = line_inside(parser, value->end);
        *byte_offset = parser->start_offset + value->end - length;
    }
}

static void locate(void *context, bool start, uint64_t *line, uint64_t *byte_offset)
{
    struct json_parser *parser = context;
    if (!start && parser->names.given) {
        locate_value(parser, parser->names.given, line, byte_offset);
        return;
    }
    *line = start || parser->replayed ? parser->start_line : present_line(parser);
    *byte_offset = start              ? parser->start_offset
                   : parser->replayed ? parser->replayed->place->end
                                      : present_offset(parser);
}

/* yajl hands on the piece's own bytes where nothing is escaped. */
static inline bool is_in_piece(const struct json_parser *parser, const void *text)
{
    return (uintptr_t)text - (uintptr_t)parser->piece < parser->piece_bytes;
}

/* yajl takes for UTF-8 what is none (overlong forms, what stands for surrogates or is above U+10FFFF), and
 * makes such of \uDC00 without its other half. What it hands on of the piece itself has nothing escaped: so
 * no NUL, and there is nothing to see where the whole piece is ASCII. Behind a text stand a quote or a NUL,
 * which end every sequence. */
static inline bool is_text(const struct json_parser *parser, const void *text, size_t length)
{
    const unsigned char *at = text, *end = at + length;
    if (parser->piece_is_ascii && is_in_piece(parser, text))
        return true;
    for (size_t sequence; at < end; at += sequence) {
        sequence = *at ? utf8_length(at) : 0;
        if (!sequence)
            return false;
    }
    return true;
}

static const struct json_key no_key;

/* Where the value ends, from the start of what is collected. */
static inline uint32_t end_of(const struct json_parser *parser, enum json_kind kind, const char *text,
                              size_t length)
{
    uint64_t end;
    if (text && is_in_piece(parser, text)) {
        size_t quote = kind == JSON_STRING;
        end = parser->piece_start + ((uintptr_t)text - (uintptr_t)parser->piece) + length + quote;
    } else {
        end = present_offset(parser);
    }
    return (uint32_t)(end - parser->start_offset);
}

/* Makes a value and adds it to what is open at `parser->collected`; NULL where memory is spent. */
static inline struct json_value *add(struct json_parser *parser, enum json_kind kind,
                                     const struct json_key *key, const char *text, size_t length)
{
    uint32_t end = end_of(parser, kind, text, length);
    if (text)
        parser->no_text |= !is_text(parser, text, length);
    struct json_value *added = parser->spent ? NULL : json_value_new(parser->target, kind, key, text, length);
    parser->spent |= added == NULL;
    if (added)
        added->end = end;
    return added;
}

static void append(struct json_open *around, struct json_value *added)
{
    if (around->last)
        around->last->next = added;
    else
        around->value->first = added;
    around->last = added;
}

static void place_value(struct json_parser *parser, struct json_value *value)
{
    value->place = arena_alloc(parser->target, sizeof *value->place);
    parser->spent |= value->place == NULL;
    if (value->place)
        *value->place =
            (struct json_place_of){.line = present_line(parser), .start = present_offset(parser) - 1};
}

/* The first value of what is collected: whether of a member of root's or of something that leads on. */
static struct json_value *begin_collected(struct json_parser *parser, enum json_kind kind, const char *text,
                                          size_t length)
{
    enum json_place place = json_way_place(parser);
    parser->target = json_way_is_lasting(place) ? &parser->root_arena : &parser->arena;
    parser->start_line = present_line(parser);
    parser->start_offset = present_offset(parser) - (text ? length : 1);
    parser->outermost = add(parser, kind, json_way_is_list(place) ? &no_key : &parser->key, text, length);
    if (parser->outermost && place == AT_ROOT) {
        append(&parser->open[0], parser->outermost);
        place_value(parser, parser->outermost);
    }
    return parser->outermost;
}

/* A value inside what is collected. */
static inline struct json_value *add_inside(struct json_parser *parser, enum json_kind kind, const char *text,
                                            size_t length)
{
    struct json_open *around = &parser->open[parser->collected];
    if (around->epcs) {
        around->epcs = false;
        if (around->value->texts)
            parser->spent |= !json_value_spread(parser->target, around->value, &around->last);
    }
    bool in_object = around->value && around->value->kind == JSON_OBJECT;
    struct json_value *added = add(parser, kind, in_object ? &parser->key : &no_key, text, length);
    if (!added)
        return NULL;
    append(around, added);
    if (parser->target == &parser->root_arena && json_way_place(parser) == AT_ROOT)
        place_value(parser, added); /* root may be replayed, and what is in it */
    return added;
}

static void open_collected(struct json_parser *parser, enum json_kind kind)
{
    struct json_value *added =
        parser->collected == 0 ? begin_collected(parser, kind, NULL, 0) : add_inside(parser, kind, NULL, 0);
    parser->open[++parser->collected] = (struct json_open){
        .value = added,
        .epcs = added && kind == JSON_ARRAY && parser->target == &parser->arena &&
                json_kind_entry(added->name) == NAME_EPC,
    };
}

static void close_collected(struct json_parser *parser)
{
    struct json_value *value = parser->open[parser->collected].value;
    if (!parser->spent && value->place)
        value->place->end = present_offset(parser);
    if (--parser->collected == 0)
        json_way_dispatch(parser, parser->outermost);
}

/* ---- yajl's callbacks: 0 stops it ---- */

static int go_on(struct json_parser *parser)
{
    parser->token_seen = true;
    return parser->assembler->err == ERR_OK;
}

static void begin_root(struct json_parser *parser, bool array)
{
    parser->target = &parser->root_arena;
    parser->root = array ? NULL : add(parser, JSON_OBJECT, &no_key, NULL, 0);
    if (parser->root)
        place_value(parser, parser->root);
    parser->open[0] = (struct json_open){.value = parser->root};
    if (array)
        assembler_fail(parser->assembler, ERR_INPUT,
                       "the document is an array: an object (EPCISDocument) would be right");
    else if (parser->spent)
        assembler_fail(parser->assembler, ERR_MEMORY, "out of memory");
    else
        parser->places[parser->place_count++] = AT_ROOT;
}

static void begin_outer_container(struct json_parser *parser, bool array)
{
    const struct json_way *way = parser->place_count > 0 ? json_way_find(parser, parser->key.text) : NULL;
    if (parser->depth == 1)
        begin_root(parser, array);
    else if (!way)
        open_collected(parser, array ? JSON_ARRAY : JSON_OBJECT);
    else if (way->array != array)
        json_way_refuse_kind(parser, way);
    else
        json_way_enter(parser, way);
}

static int begin_container(struct json_parser *parser, bool array)
{
    struct assembler *assembler = parser->assembler;
    if (++parser->depth > assembler->limits.depth) {
        assembler_fail_over(assembler, CAP_DEPTH, "values are nested too deep");
        return 0;
    }
    if (parser->collected == 0)
        begin_outer_container(parser, array);
    else
        open_collected(parser, array ? JSON_ARRAY : JSON_OBJECT);
    return go_on(parser);
}

static int end_container(struct json_parser *parser)
{
    parser->depth--;
    if (parser->collected > 0)
        close_collected(parser);
    else
        json_way_leave(parser);
    return go_on(parser);
}

/* A scalar that is not inside a collected value. */
static int take_outer_scalar(struct json_parser *parser, enum json_kind kind, const char *text, size_t length)
{
    struct assembler *assembler = parser->assembler;
    const struct json_way *way = parser->place_count > 0 ? json_way_find(parser, parser->key.text) : NULL;
    if (parser->place_count == 0)
        assembler_fail(assembler, ERR_INPUT, "the document is no object: an EPCISDocument would be right");
    else if (way)
        json_way_refuse_kind(parser, way);
    else if (!way)
        json_way_dispatch(parser, begin_collected(parser, kind, text, length));
    return go_on(parser);
}

/* One of the EPCs of a list: of all texts by far the most. */
static int take_epc(struct json_parser *parser, const char *text, size_t length)
{
    struct json_value *list = parser->open[parser->collected].value;
    uint32_t end = end_of(parser, JSON_STRING, text, length);
    parser->token_seen = true;
    parser->no_text |= !is_text(parser, text, length);
    parser->spent = parser->spent || !json_value_add_text(parser->target, list, text, length, end);
    return 1;
}

static inline int take_scalar(struct json_parser *parser, enum json_kind kind, const char *text,
                              size_t length)
{
    if (parser->collected == 0)
        return take_outer_scalar(parser, kind, text, length);
    parser->token_seen = true;
    add_inside(parser, kind, text, length);
    return 1;
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
    parser->key.name = json_names_find(&parser->names, (const char *)key, length);
    parser->key.text = grammar_spellings[parser->key.name];
    parser->key.length = length;
    parser->key.foreign = 0;
    if (parser->key.name != NAME_UNKNOWN)
        return go_on(parser);
    bool text = is_text(parser, key, length);
    parser->key.foreign = text ? json_names_foreign(&parser->names, (const char *)key, length) : 0;
    parser->key.text = parser->names.foreign[parser->key.foreign].key;
    if (parser->key.foreign)
        return go_on(parser);
    if (length + 1 > parser->key_room) {
        char *grown = realloc(parser->key_text, length + 256);
        if (!grown) {
            assembler_fail(parser->assembler, ERR_MEMORY, "out of memory");
            return 0;
        }
        parser->key_text = grown;
        parser->key_room = length + 256;
    }
    memcpy(parser->key_text, key, length);
    parser->key_text[length] = '\0';
    parser->key.text = parser->key_text;
    parser->no_text |= !text && parser->collected > 0;
    return go_on(parser);
}

static int on_string(void *context, const unsigned char *text, size_t length)
{
    struct json_parser *parser = context;
    if (parser->open[parser->collected].epcs)
        return take_epc(parser, (const char *)text, length);
    return take_scalar(parser, JSON_STRING, (const char *)text, length);
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
    json_memory_close(&parser->memory);
    arena_free(&parser->arena);
    arena_free(&parser->root_arena);
    buffer_free(&parser->breaks);
    free(parser->open);
    free(parser->key_text);
    free(parser);
}

static bool open_handle(struct json_parser *parser)
{
    yajl_alloc_funcs memory = {json_memory_alloc, json_memory_realloc, json_memory_free, &parser->memory};
    jmp_buf escape;
    parser->memory.escape = &escape;
    if (setjmp(escape))
        return false;
    parser->handle = yajl_alloc(&callbacks, &memory, parser);
    return true;
}

static void *json_open(struct assembler *assembler)
{
    struct json_parser *parser = calloc(1, sizeof *parser);
    if (!parser)
        return NULL;
    parser->assembler = assembler;
    parser->line = 1;
    parser->key.text = "";
    arena_init(&parser->arena, assembler->limits.event_bytes);
    arena_init(&parser->root_arena, assembler->limits.event_bytes);
    parser->open = calloc((size_t)assembler->limits.depth + 1, sizeof *parser->open);
    if (!parser->open || !open_handle(parser)) {
        json_close(parser);
        return NULL;
    }
    json_names_fill(&parser->names);
    assembler->locate = locate;
    assembler->locate_context = parser;
    assembler->point = json_point;
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

/* `data` is NULL at the document's end. */
static void parse(struct json_parser *parser, const char *data, size_t bytes)
{
    jmp_buf escape;
    parser->memory.escape = &escape;
    if (setjmp(escape)) {
        assembler_fail(parser->assembler, ERR_MEMORY, "out of memory");
        return;
    }
    yajl_status status = data ? yajl_parse(parser->handle, (const unsigned char *)data, bytes)
                              : yajl_complete_parse(parser->handle);
    if (status != yajl_status_ok)
        report(parser, data ? data : "", bytes);
}

static void feed_piece(struct json_parser *parser, const char *data, size_t bytes)
{
    struct assembler *assembler = parser->assembler;
    parser->piece = (const unsigned char *)data;
    parser->piece_bytes = bytes;
    parser->piece_is_ascii = utf8_is_ascii(data, bytes);
    parser->counted = 0;
    parser->token_seen = false;
    parse(parser, data, bytes);
    if (assembler->err != ERR_OK)
        return;
    present_line(parser);
    if (parser->collected > 0)
        keep_breaks(parser);
    parser->piece = NULL;
    parser->piece_bytes = 0;
    parser->piece_start += bytes;
    if (parser->token_seen)
        parser->token_offset = parser->piece_start;
    if (parser->piece_start - parser->token_offset > (uint64_t)assembler->limits.text_bytes + TOKEN_SLACK)
        assembler_fail_over(assembler, CAP_TEXT, "a text is too long");
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
    else
        parse(parser, NULL, 0);
}

const struct syntax json_syntax = {
    .open = json_open,
    .feed = json_feed,
    .finish = json_finish,
    .close = json_close,
};
