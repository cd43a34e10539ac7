/* Any bytes as a document: fed in pieces whose sizes the input chooses, and once more whole; both must
 * hand on the same events. Small caps, so that the fuzzer reaches them. */
#ifndef EPCISD_FUZZ_READ_DOCUMENT_H
#define EPCISD_FUZZ_READ_DOCUMENT_H

#include <string.h>

#include "common/base/buffer.h"
#include "common/epcis/event_hash.h"
#include "common/epcis/parser.h"

struct run {
    struct event_hash *hash;
    struct buffer trace;
};

static enum err keep_document(void *context, const Epcis__V1__Document *document)
{
    struct run *run = context;
    buffer_append_message(&run->trace, &document->base);
    return ERR_OK;
}

static enum err keep_element(void *context, const Epcis__V1__VocabularyElement *element)
{
    struct run *run = context;
    buffer_append_message(&run->trace, &element->base);
    return ERR_OK;
}

static enum err keep_event(void *context, const struct parser_event *event)
{
    struct run *run = context;
    uint8_t hash[DIGEST_BYTES], content[DIGEST_BYTES];
    buffer_printf(&run->trace, "%llu %llu ", (unsigned long long)event->line,
                  (unsigned long long)event->byte_offset);
    if (event->error)
        buffer_append_text(&run->trace, event->error->message);
    if (!event->event)
        return ERR_OK;
    CHECK(event_hash_compute(run->hash, event->event, hash, content) == ERR_OK);
    CHECK(event_hash_prehash(run->hash, event->event) != NULL);
    buffer_append(&run->trace, hash, sizeof hash);
    buffer_append_message(&run->trace, &event->event->base);
    return ERR_OK;
}

static void read_document(struct run *run, const uint8_t *data, size_t size, size_t piece)
{
    struct parser_limits limits = {.depth = 24,
                                   .attributes = 16,
                                   .text_bytes = 4000,
                                   .epcs = 50,
                                   .extension_nodes = 40,
                                   .event_bytes = 100000,
                                   .events = 20};
    struct parser_sink sink = {run, keep_document, keep_element, keep_event, keep_document};
    struct parser *parser = NULL;
    enum err err = parser_open(&limits, &sink, &parser);
    CHECK(err == ERR_OK);
    for (size_t at = 0; at < size && err == ERR_OK; at += piece)
        err = parser_feed(parser, data + at, size - at < piece ? size - at : piece);
    if (err == ERR_OK)
        err = parser_finish(parser);
    if (err != ERR_OK) {
        CHECK(err == ERR_INPUT || err == ERR_LIMIT);
        CHECK(parser_error(parser)->message[0] != '\0');
    }
    parser_close(&parser);
}

/* The first byte is the size of the pieces. */
static void read_both_ways(const uint8_t *data, size_t size)
{
    struct run whole = {.hash = event_hash_new()}, pieced = {.hash = event_hash_new()};
    read_document(&whole, data + 1, size - 1, size);
    read_document(&pieced, data + 1, size - 1, (size_t)data[0] + 1);
    CHECK(whole.trace.length == pieced.trace.length);
    CHECK(whole.trace.length == 0 || memcmp(whole.trace.data, pieced.trace.data, whole.trace.length) == 0);
    event_hash_free(whole.hash);
    event_hash_free(pieced.hash);
    buffer_free(&whole.trace);
    buffer_free(&pieced.trace);
}

#endif
