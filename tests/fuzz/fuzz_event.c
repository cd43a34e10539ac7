/* Any bytes as a packed event, as workers and the store meet them: whatever unpacks within a budget can be
 * hashed and written in each syntax, however its trees are shaped; and what is written is read without harm.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/epcis/event_hash.h"
#include "common/epcis/parser.h"
#include "common/epcis/writer.h"

enum { BUDGET_BYTES = 1 << 20 };

static enum err keep(void *context, const void *data, size_t bytes)
{
    struct buffer *out = context;
    buffer_append(out, data, bytes);
    return out->failed ? ERR_MEMORY : ERR_OK;
}

static void hash_it(const Epcis__V1__Event *event)
{
    uint8_t hash[DIGEST_BYTES], content[DIGEST_BYTES], again[DIGEST_BYTES];
    struct event_hash *hasher = event_hash_new();
    CHECK(hasher && event_hash_compute(hasher, event, hash, content) == ERR_OK);
    const char *text = event_hash_prehash(hasher, event);
    CHECK(text);
    digest_of(text, strlen(text), again);
    CHECK(memcmp(hash, again, sizeof hash) == 0);
    event_hash_free(hasher);
}

static void read_it(const struct buffer *document)
{
    struct parser_sink sink = {0};
    struct parser *parser = NULL;
    CHECK(parser_open(&PARSER_LIMITS_DEFAULT, &sink, &parser) == ERR_OK);
    enum err err = parser_feed(parser, document->data, document->length);
    if (!err)
        err = parser_finish(parser);
    CHECK(!err || err == ERR_INPUT || err == ERR_LIMIT);
    parser_close(&parser);
}

static void write_it(const Epcis__V1__Event *event, enum writer_format format)
{
    Epcis__V1__Document document = EPCIS__V1__DOCUMENT__INIT;
    struct writer *writer = NULL;
    struct buffer out = {0};
    const char *reason = NULL;
    CHECK(writer_open(format, keep, &out, &writer) == ERR_OK);
    CHECK(writer_document(writer, &document) == ERR_OK);
    enum err err = writer_event(writer, event, &reason);
    CHECK(!err || (err == ERR_INPUT && reason));
    CHECK(writer_finish(writer) == ERR_OK);
    writer_close(&writer);
    read_it(&out);
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, BUDGET_BYTES);
    Epcis__V1__Event *event = epcis__v1__event__unpack(&arena.allocator, size, data);
    if (event) {
        hash_it(event);
        write_it(event, WRITER_JSON_2);
        write_it(event, WRITER_XML_2);
        write_it(event, WRITER_XML_1);
    }
    arena_free(&arena);
    return 0;
}
