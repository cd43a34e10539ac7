/* Turns a document, fed in pieces of any size, into canonical events. One parser reads one document on
 * one thread, in memory that does not grow with the document. Nothing outside the document is ever
 * read: no DTD, no external entity, no schema, no context from the network. */
#ifndef EPCISD_EPCIS_PARSER_H
#define EPCISD_EPCIS_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "epcis/v1/document.pb-c.h"
#include "epcis/v1/event.pb-c.h"

/* Caps against hostile documents. Each has a default in PARSER_LIMITS_DEFAULT. */
struct parser_limits {
    uint32_t depth;           /* nested elements */
    uint32_t attributes;      /* of one element */
    uint32_t text_bytes;      /* of one text or attribute value */
    uint32_t epcs;            /* identifiers in one event */
    uint32_t extension_nodes; /* in one event */
    uint64_t event_bytes;     /* memory one event may take while it is read */
    uint64_t events;          /* in one document */
    uint64_t inflated_bytes;  /* of a compressed document */
};
#define PARSER_LIMITS_DEFAULT                                                                                \
    (struct parser_limits)                                                                                   \
    {                                                                                                        \
        .depth = 64, .attributes = 64, .text_bytes = 1 << 20, .epcs = 200000, .extension_nodes = 20000,      \
        .event_bytes = 64 << 20, .events = 100000000, .inflated_bytes = (uint64_t)16 << 30,                  \
    }

/* Where and what is wrong with an input. Texts are the parser's, valid until its next call. */
struct parser_error {
    const char *code;    /* SCHEMA_INVALID */
    const char *message; /* what is wrong and what would be right */
    const char *field;   /* may be empty, never NULL */
    const char *value;   /* as received, at most 256 bytes; may be empty, never NULL */
    const char *path;    /* XPath or JSON pointer */
    uint64_t line;       /* from 1 */
    uint64_t byte_offset;
};

/* One event; where `error` is set, one that must not be taken, inside a document that goes on. `event` is
 * NULL where it could not be read, and is there where it could, but its XML elements stand in an order that
 * the schema does not have, or a list is empty that may not be. All of it is the parser's and valid during
 * the call only. */
struct parser_event {
    uint64_t index;       /* position in the document, from 0 */
    uint64_t line;        /* where it starts, from 1 */
    uint64_t byte_offset; /* of its start, in the decoded (UTF-8) document */
    uint64_t bytes;       /* from its start to its end there */
    const Epcis__V1__Event *event;
    const struct parser_error *error;
};

/* What the parser hands on, in document order, from inside parser_feed and parser_finish. An answer
 * other than ERR_OK stops the parser, and the call that was under way returns it. A NULL member is
 * skipped. */
struct parser_sink {
    void *context;
    /* Once, before the first vocabulary element or event. */
    enum err (*document)(void *context, const Epcis__V1__Document *document);
    enum err (*vocabulary_element)(void *context, const Epcis__V1__VocabularyElement *element);
    enum err (*event)(void *context, const struct parser_event *event);
};

struct parser;

/* Neither the sink's struct nor limits need to outlive the call. ERR_MEMORY. */
enum err parser_open(const struct parser_limits *limits, const struct parser_sink *sink, struct parser **out);

/* The next bytes, gzip or Zstandard too: told by the first of them. ERR_INPUT or ERR_LIMIT: the document is
 * malformed here, parser_error says where; all events before the break were handed on. ERR_MEMORY; or what
 * the sink answered. After any error only parser_error and parser_close may be called. */
enum err parser_feed(struct parser *parser, const void *data, size_t bytes);

/* No more bytes come. Errors as parser_feed: a document that is cut off is malformed. */
enum err parser_finish(struct parser *parser);

/* After ERR_INPUT or ERR_LIMIT: where and why. Valid until parser_close. */
const struct parser_error *parser_error(const struct parser *parser);

/* Events handed on so far, readable or not. */
uint64_t parser_events(const struct parser *parser);

/* Frees it and nulls *parser; NULL inside is fine. */
void parser_close(struct parser **parser);

#endif
