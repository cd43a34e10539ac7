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

/* Caps against hostile documents: (constant, field, default, least, most, option, value, error code, help).
 * What is over a cap of an event refuses that event alone: text, identifiers, extensions, memory. What is
 * over another ends the document there; so does a text that is far over its cap, as it is never held whole.
 */
#define PARSER_LIMITS(X)                                                                                     \
    X(DEPTH, depth, 64, 8, 250, "document-max-depth", "N", "DEPTH_LIMIT", "nested elements or values")       \
    X(ATTRIBUTES, attributes, 64, 8, 1000, "element-max-attributes", "N", "ATTRIBUTES_LIMIT",                \
      "attributes of one element")                                                                           \
    X(TEXT, text_bytes, 1 << 20, 1 << 10, 8 << 20, "text-max-bytes", "BYTES", "TEXT_LIMIT",                  \
      "one text or attribute value")                                                                         \
    X(EPCS, epcs, 200000, 1, UINT32_MAX, "event-max-epcs", "N", "EPCS_LIMIT",                                \
      "identifiers and list entries in one event")                                                           \
    X(EXTENSIONS, extension_nodes, 20000, 1, UINT32_MAX, "event-max-extensions", "N", "EXTENSION_LIMIT",     \
      "extension elements and attributes in one event")                                                      \
    X(EVENT_MEMORY, event_bytes, 64 << 20, 64 << 10, (uint64_t)4 << 30, "event-max-bytes", "BYTES",          \
      "EVENT_MEMORY_LIMIT", "memory that one event takes while it is read")                                  \
    X(EVENTS, events, 100000000, 1, UINT64_MAX, "document-max-events", "N", "EVENTS_LIMIT",                  \
      "events in one document")                                                                              \
    X(INFLATED, inflated_bytes, (uint64_t)16 << 30, 1 << 10, UINT64_MAX, "inflated-max-bytes", "BYTES",      \
      "INFLATED_LIMIT", "a compressed document once it is inflated")

#define PARSER_LIMIT_FIELD(constant, field, ...) uint64_t field;
struct parser_limits {
    PARSER_LIMITS(PARSER_LIMIT_FIELD)
};
#define PARSER_LIMIT_VALUE(constant, field, value, ...) .field = (value),
#define PARSER_LIMITS_INIT                                                                                   \
    {                                                                                                        \
        PARSER_LIMITS(PARSER_LIMIT_VALUE)                                                                    \
    }
#define PARSER_LIMITS_DEFAULT ((struct parser_limits)PARSER_LIMITS_INIT)

/* Where and what is wrong with an input. Texts are the parser's, valid until its next call. */
struct parser_error {
    const char *code;    /* SCHEMA_INVALID, or that of the cap that was passed */
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
    /* Before the events and at the end, each time where more that belongs to the document has come since it
     * was handed on: these fields, and no others. */
    enum err (*late)(void *context, const Epcis__V1__Document *fields);
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
