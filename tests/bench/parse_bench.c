/* What conversion costs beside the least that parsing can cost. Ours: a document is parsed, and each event is
 * hashed (CBV event hash) and packed. Batched: the server's whole converter, which also computes each item's
 * digest and each batch's Merkle tree. Bare: libxml2's push parser with empty SAX2 handlers or, for JSON,
 * yajl with empty callbacks. All read the same bytes from memory, in pieces of the same size, in turn; CPU
 * time of this process counts, and of the rounds' ratios the median. usage: parse_bench FILE... prints a line
 * a file: "FILE bytes=N events=N bare_us=N ours_us=N ratio=R batched_us=N batched_ratio=R" (medians,
 * microseconds a pass) */
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <yajl/yajl_parse.h>

#include "common/base/buffer.h"
#include "common/epcis/event_hash.h"
#include "common/epcis/parser.h"
#include "server/batch.h"
#include "server/journal.h"

/* A batch closes where the server's does by default. */
enum { ROUNDS = 9, BATCH_EVENTS = 1000, BATCH_BYTES = 4 << 20 };

/* ---- the bare passes ---- */

static void on_start(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespace_count, const xmlChar **namespaces, int attribute_count,
                     int defaulted_count, const xmlChar **attributes)
{
    (void)context, (void)name, (void)prefix, (void)uri, (void)namespace_count, (void)namespaces;
    (void)attribute_count, (void)defaulted_count, (void)attributes;
}

static void on_end(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    (void)context, (void)name, (void)prefix, (void)uri;
}

static void on_text(void *context, const xmlChar *text, int length)
{
    (void)context, (void)text, (void)length;
}

static bool bare_xml(const struct buffer *document)
{
    xmlSAXHandler handler = {.initialized = XML_SAX2_MAGIC,
                             .startElementNs = on_start,
                             .endElementNs = on_end,
                             .characters = on_text,
                             .ignorableWhitespace = on_text};
    xmlParserCtxtPtr parser = xmlCreatePushParserCtxt(&handler, NULL, NULL, 0, NULL);
    if (!parser)
        return false;
    for (size_t at = 0; at < document->length; at += JOURNAL_PIECE_BYTES) {
        size_t left = document->length - at, bytes = left < JOURNAL_PIECE_BYTES ? left : JOURNAL_PIECE_BYTES;
        xmlParseChunk(parser, (const char *)document->data + at, (int)bytes, 0);
    }
    xmlParseChunk(parser, NULL, 0, 1);
    bool well_formed = parser->wellFormed;
    xmlFreeParserCtxt(parser);
    return well_formed;
}

static int on_nothing(void *context)
{
    (void)context;
    return 1;
}

static int on_boolean(void *context, int value)
{
    (void)context, (void)value;
    return 1;
}

static int on_number(void *context, const char *text, size_t length)
{
    (void)context, (void)text, (void)length;
    return 1;
}

static int on_string(void *context, const unsigned char *text, size_t length)
{
    (void)context, (void)text, (void)length;
    return 1;
}

static bool bare_json(const struct buffer *document)
{
    static const yajl_callbacks callbacks = {.yajl_null = on_nothing,
                                             .yajl_boolean = on_boolean,
                                             .yajl_number = on_number,
                                             .yajl_string = on_string,
                                             .yajl_start_map = on_nothing,
                                             .yajl_map_key = on_string,
                                             .yajl_end_map = on_nothing,
                                             .yajl_start_array = on_nothing,
                                             .yajl_end_array = on_nothing};
    yajl_handle parser = yajl_alloc(&callbacks, NULL, NULL);
    yajl_status status = parser ? yajl_status_ok : yajl_status_error;
    for (size_t at = 0; status == yajl_status_ok && at < document->length; at += JOURNAL_PIECE_BYTES) {
        size_t left = document->length - at, bytes = left < JOURNAL_PIECE_BYTES ? left : JOURNAL_PIECE_BYTES;
        status = yajl_parse(parser, document->data + at, bytes);
    }
    if (status == yajl_status_ok)
        status = yajl_complete_parse(parser);
    if (parser)
        yajl_free(parser);
    return status == yajl_status_ok;
}

/* ---- ours ---- */

struct converter {
    bool batches;
    struct event_hash *hash;
    struct pack pack;
    struct batch *batch;
    struct batch_span span;
    uint64_t events;
};

static enum err close_batch(struct converter *converter)
{
    static const uint8_t parent[DIGEST_BYTES];
    enum err err = batch_close(converter->batch, 1, parent, NULL);
    batch_free(converter->batch);
    converter->batch = NULL;
    return err;
}

static enum err add_to_batch(struct converter *converter, const Epcis__Wire__V1__BatchItem *item,
                             const Epcis__V1__Event *event)
{
    struct batch_item packed;
    if (!converter->batch)
        converter->batch = batch_new(1, 0);
    if (!converter->batch)
        return ERR_MEMORY;
    enum err err = batch_pack(&converter->pack, item, &event->base, &packed);
    if (!err)
        err = batch_add(converter->batch, &converter->span, &packed);
    if (!err && (converter->batch->items == BATCH_EVENTS || converter->batch->frame.length >= BATCH_BYTES))
        err = close_batch(converter);
    return err;
}

/* As batch_pack, but for the digest. */
static enum err pack_alone(struct pack *pack, const Epcis__Wire__V1__BatchItem *item,
                           const Epcis__V1__Event *event)
{
    enum { ITEMS = 6, EVENT = 3 };
    pack_clear(pack);
    return pack_message(pack, EVENT, &event->base) && pack_fields(pack, &item->base) &&
                   pack_head(pack, ITEMS, pack_bytes(pack))
               ? ERR_OK
               : ERR_MEMORY;
}

static enum err take_event(void *context, const struct parser_event *event)
{
    struct converter *converter = context;
    uint8_t hash[DIGEST_BYTES], content[DIGEST_BYTES];
    if (event->error)
        return ERR_INPUT;
    enum err err = event_hash_compute(converter->hash, event->event, hash, content);
    if (err)
        return err;
    Epcis__Wire__V1__BatchItem item = EPCIS__WIRE__V1__BATCH_ITEM__INIT;
    item.line = event->line;
    item.byte_offset = event->byte_offset;
    item.event_hash = (ProtobufCBinaryData){DIGEST_BYTES, hash};
    if (memcmp(hash, content, DIGEST_BYTES) != 0)
        item.content_hash = (ProtobufCBinaryData){DIGEST_BYTES, content};
    converter->events++;
    return converter->batches ? add_to_batch(converter, &item, event->event)
                              : pack_alone(&converter->pack, &item, event->event);
}

static bool ours(const struct buffer *document, bool batches, uint64_t *events)
{
    struct converter converter = {.batches = batches, .hash = event_hash_new()};
    struct parser_sink sink = {.context = &converter, .event = take_event};
    struct parser *parser = NULL;
    enum err err = converter.hash ? parser_open(&PARSER_LIMITS_DEFAULT, &sink, &parser) : ERR_MEMORY;
    for (size_t at = 0; !err && at < document->length; at += JOURNAL_PIECE_BYTES) {
        size_t left = document->length - at, bytes = left < JOURNAL_PIECE_BYTES ? left : JOURNAL_PIECE_BYTES;
        err = parser_feed(parser, document->data + at, bytes);
    }
    if (!err)
        err = parser_finish(parser);
    if (!err && converter.batch)
        err = close_batch(&converter);
    batch_free(converter.batch);
    pack_free(&converter.pack);
    parser_close(&parser);
    event_hash_free(converter.hash);
    *events = converter.events;
    return !err;
}

/* ---- the measurement ---- */

static double cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof *values, compare);
    return values[ROUNDS / 2];
}

static bool measure(const char *path, const struct buffer *document)
{
    double bare[ROUNDS], own[ROUNDS], ratios[ROUNDS], batched[ROUNDS], batched_ratios[ROUNDS];
    uint64_t events = 0;
    bool json = document->length > 0 && document->data[0] == '{';
    bool ok = true;
    for (int i = -1; ok && i < ROUNDS; i++) { /* the first warms up */
        int round = i < 0 ? 0 : i;
        double start_us = cpu_us();
        ok = json ? bare_json(document) : bare_xml(document);
        double bare_us = cpu_us();
        ok = ok && ours(document, false, &events);
        double ours_us = cpu_us();
        ok = ok && ours(document, true, &events);
        bare[round] = bare_us - start_us;
        own[round] = ours_us - bare_us;
        batched[round] = cpu_us() - ours_us;
        ratios[round] = own[round] / bare[round];
        batched_ratios[round] = batched[round] / bare[round];
    }
    if (!ok) {
        fprintf(stderr, "parse_bench: %s: not every event could be read\n", path);
        return false;
    }
    printf(
        "%s bytes=%zu events=%llu bare_us=%.0f ours_us=%.0f ratio=%.2f batched_us=%.0f batched_ratio=%.2f\n",
        path, document->length, (unsigned long long)events, median(bare), median(own), median(ratios),
        median(batched), median(batched_ratios));
    return true;
}

static bool read_file(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "rb");
    uint8_t *end;
    size_t got = 0;
    bool ok = file;
    do {
        end = ok ? buffer_reserve(out, JOURNAL_PIECE_BYTES) : NULL;
        got = end ? fread(end, 1, JOURNAL_PIECE_BYTES, file) : 0;
        out->length += got;
    } while (got > 0);
    ok = ok && end && !ferror(file);
    if (!ok)
        perror(path);
    if (file)
        fclose(file);
    return ok;
}

int main(int argc, char **argv)
{
    bool ok = argc > 1;
    if (!ok)
        fprintf(stderr, "usage: parse_bench FILE...\n");
    for (int i = 1; i < argc && ok; i++) {
        struct buffer document = {0};
        ok = read_file(argv[i], &document) && measure(argv[i], &document);
        buffer_free(&document);
    }
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
