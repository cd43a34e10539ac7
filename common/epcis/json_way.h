/* What stands around the events of a JSON-LD document: which member leads where, and what becomes of a value
 * once it is collected. Called by json_parser.c alone, which reads the values. Internal to common/epcis. */
#ifndef EPCISD_EPCIS_JSON_WAY_H
#define EPCISD_EPCIS_JSON_WAY_H

#include "common/epcis/json_event.h"
#include "common/epcis/json_memory.h"

/* Objects and arrays around events, and what each member of them leads to. */
enum json_place {
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

enum { JSON_PLACES_MAX = 12 };

/* A member (`key`) or element (NULL) of an object or array around the events. */
struct json_way {
    const char *key; /* NULL: an element of an array */
    enum json_place from;
    enum json_place to;
    enum grammar_name name;
    bool array;
};

struct yajl_handle_t;

/* An object or array that is open, and the last value in it. */
struct json_open {
    struct json_value *value, *last;
    bool epcs; /* a list of EPCs, which so far has texts alone */
};

struct json_parser {
    struct assembler *assembler;
    struct yajl_handle_t *handle;
    struct json_memory memory; /* of the handle */
    struct json_names names;
    enum json_place places[JSON_PLACES_MAX]; /* that are open */
    int place_count;
    unsigned entered;           /* places out of which a way has led, a bit each */
    bool root_started;          /* the assembler has the document's frame */
    bool has_context, has_type; /* among root's members */

    struct arena root_arena;
    struct json_value *root;             /* members of the outermost object, but for those that lead on */
    const struct json_value *last_given; /* of them, before epcisBody */
    struct json_context context;

    struct arena arena;           /* of the value that is collected */
    struct json_open *open;       /* those open in it, root before them; with the assembler's cap on depth */
    struct json_value *outermost; /* collected, until it is handed on */
    const struct json_value *replayed; /* collected long ago, handed on now */
    struct arena *target;              /* root_arena or arena */
    uint32_t depth;                    /* of all objects and arrays */
    uint32_t collected;                /* of those, inside the collected value */
    bool spent;                        /* the arena was too small for it */
    bool no_text;                      /* a string in it holds a NUL, or is no UTF-8 */
    struct json_key key;               /* of the member that comes */
    char *key_text;                    /* its text, where the name is unknown */
    size_t key_room;

    const unsigned char *piece;
    size_t piece_bytes;
    bool piece_is_ascii;
    bool token_seen;                   /* one ended in the piece */
    uint64_t piece_start;              /* offset of the piece in the document */
    size_t counted;                    /* bytes of the piece whose lines are counted */
    uint64_t line;                     /* at `counted` */
    uint64_t token_offset;             /* end of the last piece with a token's end */
    uint64_t start_line, start_offset; /* of the collected value */
    struct buffer breaks;              /* uint32_t: line ends in it before the piece, from its start */
};

/* As assembler.point. */
void json_point(void *context, char *text, size_t size);

enum json_place json_way_place(const struct json_parser *parser);

/* True where values have no keys. */
bool json_way_is_list(enum json_place place);

/* True where values belong to the document, whose names live as long as the parser. */
bool json_way_is_lasting(enum json_place place);

/* Where the key leads from the present place; NULL: its value is to be collected. */
const struct json_way *json_way_find(const struct json_parser *parser, const char *key);

void json_way_enter(struct json_parser *parser, const struct json_way *way);
void json_way_refuse_kind(struct json_parser *parser, const struct json_way *way);

/* The innermost place ends. */
void json_way_leave(struct json_parser *parser);

/* Takes a collected value; NULL where it could not be collected. */
void json_way_dispatch(struct json_parser *parser, struct json_value *value);

#endif
