/* Requests that carry documents: however the bytes are cut into slices, the outcome is the same, and where
 * we take a request protobuf-c reads the same out of it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "epcis/v1/capture_service.pb-c.h"
#include "server/front/capture_request.h"

struct piece {
    const uint8_t *data;
    size_t length;
};

static void piece_at(const void *runs, size_t index, const uint8_t **data, size_t *length)
{
    const struct piece *piece = (const struct piece *)runs + index;
    *data = piece->data;
    *length = piece->length;
}

/* Pieces of 0 to 7 bytes, each memory of its own, so that reading past one is seen. */
static size_t cut(const uint8_t *data, size_t size, unsigned seed, struct piece *out)
{
    size_t count = 0;
    for (size_t at = 0; at < size; count++) {
        seed = seed * 1103515245 + 12345;
        size_t length = (seed >> 16) % 8;
        if (length > size - at)
            length = size - at;
        uint8_t *copy = malloc(length ? length : 1);
        if (!copy)
            abort();
        memcpy(copy, data + at, length);
        out[count] = (struct piece){copy, length};
        at += length;
        if (count % 64 == 63) /* an end to runs of empty pieces */
            seed += 1;
    }
    return count;
}

static void check(int condition)
{
    if (!condition)
        abort();
}

static uint8_t *flatten(struct cursor cursor, size_t *length)
{
    *length = cursor.left;
    uint8_t *out = malloc(cursor.left ? cursor.left : 1);
    if (!out)
        abort();
    cursor_copy(&cursor, out);
    return out;
}

static void check_capture(const struct cursor_source *source, enum err wanted, const uint8_t *data,
                          size_t size)
{
    struct cursor cursor;
    struct capture_request request;
    const char *why;
    cursor_init(&cursor, source);
    enum err err = capture_request_read(&cursor, &request, &why);
    check(err == wanted);
    if (err)
        return;
    size_t length;
    uint8_t *document = flatten(request.document, &length);
    Epcis__V1__CaptureRequest *reference = epcis__v1__capture_request__unpack(NULL, size, data);
    if (reference) { /* which is stricter than the encoding about unknown fields */
        check(reference->document.len == length);
        check(length == 0 || memcmp(reference->document.data, document, length) == 0);
        check(strcmp(reference->partner, request.partner) == 0);
        epcis__v1__capture_request__free_unpacked(reference, NULL);
    }
    free(document);
}

static void check_step(const struct cursor_source *source, enum err wanted, const uint8_t *data, size_t size)
{
    struct cursor cursor;
    struct capture_stream_request request;
    const char *why;
    cursor_init(&cursor, source);
    enum err err = capture_stream_request_read(&cursor, &request, &why);
    check(err == wanted);
    if (err)
        return;
    size_t length;
    uint8_t *piece = flatten(request.piece, &length);
    Epcis__V1__CaptureStreamRequest *reference = epcis__v1__capture_stream_request__unpack(NULL, size, data);
    if (reference) {
        check((int)reference->step_case == (int)request.step);
        if (request.step == CAPTURE_STEP_PIECE) {
            check(reference->piece.len == length);
            check(length == 0 || memcmp(reference->piece.data, piece, length) == 0);
        } else if (request.step == CAPTURE_STEP_START) {
            check(strcmp(reference->start->partner, request.partner) == 0);
            check(strcmp(reference->start->content_type, request.content_type) == 0);
            check(reference->start->offset == request.offset);
            check(reference->start->length == request.length);
            check((reference->start->sha256.len > 0) == request.digest_given);
            check((reference->start->upload_id[0] != 0) == request.resumable);
        } else {
            check(reference->finish->length == request.length);
            check(memcmp(reference->finish->sha256.data, request.sha256, DIGEST_BYTES) == 0);
        }
        epcis__v1__capture_stream_request__free_unpacked(reference, NULL);
    }
    free(piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct piece whole = {data, size};
    struct cursor_source flat = {.runs = &whole, .count = 1, .run_at = piece_at};
    struct cursor cursor;
    struct capture_request request;
    struct capture_stream_request step;
    const char *why;
    cursor_init(&cursor, &flat);
    enum err capture_err = capture_request_read(&cursor, &request, &why);
    cursor_init(&cursor, &flat);
    enum err step_err = capture_stream_request_read(&cursor, &step, &why);

    struct piece *pieces = calloc(64 + size * 64, sizeof *pieces);
    if (!pieces)
        abort();
    struct cursor_source source = {.runs = pieces, .run_at = piece_at};
    source.count = cut(data, size, size ? data[0] : 0, pieces);
    check_capture(&source, capture_err, data, size);
    check_step(&source, step_err, data, size);
    for (size_t i = 0; i < source.count; i++)
        free((void *)pieces[i].data);
    free(pieces);
    return 0;
}
