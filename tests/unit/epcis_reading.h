/* Reads documents for tests and writes down all that the parser hands on, as one text. */
#ifndef EPCISD_TEST_EPCIS_READING_H
#define EPCISD_TEST_EPCIS_READING_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buffer.h"
#include "common/base/utf8.h"
#include "common/epcis/event_hash.h"
#include "common/epcis/parser.h"

struct reading {
    struct event_hash *hash;
    struct buffer text;    /* a line for each thing handed on */
    struct buffer prehash; /* a line for each readable event */
    uint64_t readable, refused;
    enum err err;
    struct buffer error; /* of the document, or of the last refused event */
    uint64_t error_offset;
    Epcis__V1__Document *document; /* copies, owned here */
    Epcis__V1__Event *last;
    uint64_t stop_after; /* the sink answers ERR_STOPPED at that event; 0: never */
};

static void reading_digest(struct reading *reading, const char *what, const ProtobufCMessage *message)
{
    struct buffer packed = {0};
    uint8_t digest[DIGEST_BYTES];
    char hex[DIGEST_HEX + 1];
    buffer_append_message(&packed, message);
    digest_of(packed.data, packed.length, digest);
    digest_hex(digest, sizeof digest, hex);
    buffer_printf(&reading->text, "%s %zu %s\n", what, packed.length, hex);
    buffer_free(&packed);
}

static enum err reading_document(void *context, const Epcis__V1__Document *document)
{
    struct reading *reading = context;
    struct buffer packed = {0};
    reading_digest(reading, "document", &document->base);
    buffer_append_message(&packed, &document->base);
    reading->document = epcis__v1__document__unpack(NULL, packed.length, packed.data);
    buffer_free(&packed);
    return ERR_OK;
}

static enum err reading_late(void *context, const Epcis__V1__Document *fields)
{
    reading_digest(context, "late", &fields->base);
    return ERR_OK;
}

static enum err reading_element(void *context, const Epcis__V1__VocabularyElement *element)
{
    reading_digest(context, element->id, &element->base);
    return ERR_OK;
}

static void reading_error(struct reading *reading, const struct parser_error *error)
{
    buffer_clear(&reading->error);
    buffer_printf(&reading->error, "%s %s | %s | %s | %s | line %llu", error->code, error->message,
                  error->field, error->value, error->path, (unsigned long long)error->line);
    reading->error_offset = error->byte_offset;
    buffer_append(&reading->error, "", 1);
    /* It goes to clients, who take UTF-8 only. */
    const unsigned char *text = reading->error.data;
    for (size_t length; *text; text += length) {
        length = utf8_length(text);
        ck_assert_msg(length > 0, "no UTF-8 at %s", (const char *)text);
    }
}

static enum err reading_event(void *context, const struct parser_event *event)
{
    struct reading *reading = context;
    buffer_printf(&reading->text, "event %llu line %llu at %llu+%llu\n", (unsigned long long)event->index,
                  (unsigned long long)event->line, (unsigned long long)event->byte_offset,
                  (unsigned long long)event->bytes);
    ck_assert(event->event || event->error);
    if (event->error) {
        reading->refused++;
        reading_error(reading, event->error);
        buffer_printf(&reading->text, "%s\n", (const char *)reading->error.data);
        return ERR_OK;
    }
    struct buffer packed = {0};
    reading->readable++;
    reading_digest(reading, "content", &event->event->base);
    buffer_printf(&reading->prehash, "%s\n", event_hash_prehash(reading->hash, event->event));
    buffer_append_message(&packed, &event->event->base);
    if (reading->last)
        epcis__v1__event__free_unpacked(reading->last, NULL);
    reading->last = epcis__v1__event__unpack(NULL, packed.length, packed.data);
    buffer_free(&packed);
    return reading->readable == reading->stop_after ? ERR_STOPPED : ERR_OK;
}

/* Feeds `bytes` in pieces of `piece`. Free with reading_free. */
static void reading_run(struct reading *reading, const struct parser_limits *limits, const void *data,
                        size_t bytes, size_t piece)
{
    struct parser_sink sink = {reading, reading_document, reading_element, reading_event, reading_late};
    struct parser *parser = NULL;
    ck_assert(data || bytes == 0);
    reading->hash = event_hash_new();
    ck_assert_int_eq(parser_open(limits, &sink, &parser), ERR_OK);
    enum err err = ERR_OK;
    for (size_t at = 0; at < bytes && err == ERR_OK; at += piece) {
        size_t count = bytes - at < piece ? bytes - at : piece;
        /* A copy of its own, so that reading past the piece shows under ASan. */
        char *copy = malloc(count);
        memcpy(copy, (const char *)data + at, count);
        err = parser_feed(parser, copy, count);
        free(copy);
    }
    if (err == ERR_OK)
        err = parser_finish(parser);
    reading->err = err;
    if (err == ERR_INPUT || err == ERR_LIMIT)
        reading_error(reading, parser_error(parser));
    ck_assert_uint_eq(parser_events(parser), reading->readable + reading->refused);
    buffer_append(&reading->text, "", 1);
    buffer_append(&reading->prehash, "", 1);
    parser_close(&parser);
    ck_assert_ptr_null(parser);
    parser_close(&parser);
}

static void reading_free(struct reading *reading)
{
    event_hash_free(reading->hash);
    buffer_free(&reading->text);
    buffer_free(&reading->prehash);
    buffer_free(&reading->error);
    if (reading->document)
        epcis__v1__document__free_unpacked(reading->document, NULL);
    if (reading->last)
        epcis__v1__event__free_unpacked(reading->last, NULL);
    *reading = (struct reading){0};
}

/* A whole file with a NUL behind it; the length goes to *bytes. */
static inline char *reading_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    struct buffer content = {0};
    uint8_t *room;
    size_t count;
    do {
        room = buffer_reserve(&content, 65536);
        count = fread(room, 1, 65536, file);
        content.length += count;
    } while (count > 0);
    fclose(file);
    *bytes = content.length;
    buffer_append(&content, "", 1);
    return (char *)content.data;
}

#endif
