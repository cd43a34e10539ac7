#include "server/front/capture_request.h"

#include <stdbool.h>
#include <string.h>

#include "epcis/v1/capture_service.pb-c.h"

static const char why_malformed[] = "the request is not a well-formed protobuf message";
static const char why_partner[] = "`partner` is no GLN: 13 digits are expected";
static const char why_start_partner[] = "`start.partner` is no GLN: 13 digits are expected";
static const char why_behaviour[] = "`error_behaviour` is none: PROCEED (1) or ROLLBACK (2) is expected";
static const char why_start_behaviour[] =
    "`start.error_behaviour` is none: PROCEED (1) or ROLLBACK (2) is expected";
static const char why_sha256[] = "`finish.sha256` is not 32 bytes long";
static const char why_upload_id[] =
    "`start.upload_id` is no UUID, such as 0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10";
static const char why_start_sha256[] = "`start.sha256` is not 32 bytes long";
static const char why_content_type[] = "`start.content_type` is not at most 127 printable ASCII characters";
static const char why_offset[] = "`start.offset` goes with a `start.upload_id` only";
static const char why_steps[] = "a message holds exactly one of `start`, `piece` and `finish`";

/* CaptureStart's fields. */
enum {
    START_PARTNER = 1,
    START_ERROR_BEHAVIOUR = 2,
    START_VALIDATE_ONLY = 3,
    START_UPLOAD_ID = 4,
    START_OFFSET = 5,
    START_LENGTH = 6,
    START_SHA256 = 7,
    START_CONTENT_TYPE = 8,
};

/* Fields that are numbered as ours but typed otherwise are unknown fields to protobuf: passed over. */
static enum err read_partner(struct cursor *value, char out[CAPTURE_PARTNER_SIZE])
{
    size_t length = value->left;
    memset(out, 0, CAPTURE_PARTNER_SIZE);
    if (length >= CAPTURE_PARTNER_SIZE)
        return ERR_INPUT;
    cursor_copy(value, out);
    return memchr(out, '\0', length) ? ERR_INPUT : ERR_OK;
}

/* One of the terms, a varint. */
static enum err read_term(struct cursor *cursor, bool behaviour, struct capture_terms *terms,
                          const char **why)
{
    uint64_t value;
    if (cursor_varint(cursor, &value))
        return ERR_INPUT;
    if (!behaviour) {
        terms->validate_only = value != 0;
        return ERR_OK;
    }
    *why = why_behaviour;
    terms->rollback = value == EPCIS__V1__ERROR_BEHAVIOUR__ERROR_BEHAVIOUR_ROLLBACK;
    return value <= EPCIS__V1__ERROR_BEHAVIOUR__ERROR_BEHAVIOUR_ROLLBACK ? ERR_OK : ERR_INPUT;
}

enum err capture_request_read(struct cursor *cursor, struct capture_request *out, const char **why)
{
    enum { DOCUMENT = 1, PARTNER = 2, ERROR_BEHAVIOUR = 3, VALIDATE_ONLY = 4 };
    *out = (struct capture_request){.document = {.source = cursor->source}};
    for (;;) {
        uint32_t number;
        enum cursor_type type;
        struct cursor partner;
        *why = why_malformed;
        enum err err = cursor_field(cursor, &number, &type);
        if (err)
            return err == ERR_NOT_FOUND ? ERR_OK : err;
        if (type == CURSOR_BYTES && number == DOCUMENT) {
            if (cursor_bytes(cursor, &out->document))
                return ERR_INPUT;
        } else if (type == CURSOR_BYTES && number == PARTNER) {
            if (cursor_bytes(cursor, &partner))
                return ERR_INPUT;
            *why = why_partner;
            if (read_partner(&partner, out->partner))
                return ERR_INPUT;
        } else if (type == CURSOR_VARINT && (number == ERROR_BEHAVIOUR || number == VALIDATE_ONLY)) {
            if (read_term(cursor, number == ERROR_BEHAVIOUR, &out->terms, why))
                return ERR_INPUT;
        } else if (cursor_skip(cursor, type)) {
            return ERR_INPUT;
        }
    }
}

/* A text into `size` bytes. */
static enum err read_text(struct cursor *value, char *out, size_t size)
{
    size_t length = value->left;
    memset(out, 0, size);
    if (length >= size)
        return ERR_INPUT;
    cursor_copy(value, out);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)out[i] < ' ' || (unsigned char)out[i] > '~')
            return ERR_INPUT;
    return ERR_OK;
}

static enum err read_upload_id(struct cursor *value, struct capture_stream_request *out, const char **why)
{
    char text[UUID_TEXT + 1];
    out->resumable = value->left > 0;
    *why = why_upload_id;
    if (!out->resumable)
        return ERR_OK;
    return read_text(value, text, sizeof text) || uuid_parse(text, out->upload_id) ? ERR_INPUT : ERR_OK;
}

static enum err read_sha256(struct cursor *value, uint8_t out[DIGEST_BYTES], bool *given)
{
    *given = value->left == DIGEST_BYTES;
    if (*given)
        cursor_copy(value, out);
    return *given ? ERR_OK : ERR_INPUT;
}

static enum err read_start_bytes(struct cursor *value, uint32_t number, struct capture_stream_request *out,
                                 const char **why)
{
    switch (number) {
    case START_PARTNER:
        *why = why_start_partner;
        return read_partner(value, out->partner);
    case START_UPLOAD_ID:
        return read_upload_id(value, out, why);
    case START_SHA256:
        *why = why_start_sha256;
        out->digest_given = false;
        return value->left == 0 ? ERR_OK : read_sha256(value, out->sha256, &out->digest_given);
    case START_CONTENT_TYPE:
        *why = why_content_type;
        return read_text(value, out->content_type, sizeof out->content_type);
    default:
        return ERR_OK;
    }
}

static enum err read_start_varint(struct cursor *cursor, uint32_t number, struct capture_stream_request *out,
                                  const char **why)
{
    switch (number) {
    case START_ERROR_BEHAVIOUR:
    case START_VALIDATE_ONLY:
        if (!read_term(cursor, number == START_ERROR_BEHAVIOUR, &out->terms, why))
            return ERR_OK;
        *why = *why == why_behaviour ? why_start_behaviour : *why;
        return ERR_INPUT;
    case START_OFFSET:
        return cursor_varint(cursor, &out->offset);
    case START_LENGTH:
        return cursor_varint(cursor, &out->length);
    default:
        return cursor_skip(cursor, CURSOR_VARINT);
    }
}

static enum err read_start(struct cursor *cursor, struct capture_stream_request *out, const char **why)
{
    uint32_t number;
    enum cursor_type type;
    enum err err;
    while (!(err = cursor_field(cursor, &number, &type))) {
        struct cursor value;
        *why = why_malformed;
        if (type == CURSOR_BYTES)
            err = cursor_bytes(cursor, &value) ? ERR_INPUT : read_start_bytes(&value, number, out, why);
        else if (type == CURSOR_VARINT)
            err = read_start_varint(cursor, number, out, why);
        else
            err = cursor_skip(cursor, type);
        if (err)
            return ERR_INPUT;
    }
    if (err != ERR_NOT_FOUND)
        return err;
    *why = why_offset;
    return out->offset && !out->resumable ? ERR_INPUT : ERR_OK;
}

static enum err read_finish(struct cursor *cursor, struct capture_stream_request *out, const char **why)
{
    enum { LENGTH = 1, SHA256 = 2 };
    uint32_t number;
    enum cursor_type type;
    enum err err;
    bool digest_seen = false;
    while (!(err = cursor_field(cursor, &number, &type))) {
        struct cursor sha256;
        if (type == CURSOR_VARINT && number == LENGTH) {
            if (cursor_varint(cursor, &out->length))
                return ERR_INPUT;
        } else if (type == CURSOR_BYTES && number == SHA256) {
            if (cursor_bytes(cursor, &sha256))
                return ERR_INPUT;
            (void)read_sha256(&sha256, out->sha256, &digest_seen);
        } else if (cursor_skip(cursor, type)) {
            return ERR_INPUT;
        }
    }
    if (err != ERR_NOT_FOUND)
        return err;
    *why = why_sha256;
    return digest_seen ? ERR_OK : ERR_INPUT;
}

static enum err read_step(struct cursor *value, uint32_t number, struct capture_stream_request *out,
                          const char **why)
{
    out->step = (enum capture_step)number;
    switch (out->step) {
    case CAPTURE_STEP_START:
        return read_start(value, out, why);
    case CAPTURE_STEP_PIECE:
        out->piece = *value;
        return ERR_OK;
    case CAPTURE_STEP_FINISH:
        return read_finish(value, out, why);
    }
    return ERR_INPUT;
}

enum err capture_stream_request_read(struct cursor *cursor, struct capture_stream_request *out,
                                     const char **why)
{
    uint32_t number;
    enum cursor_type type;
    enum err err;
    int steps = 0;
    *out = (struct capture_stream_request){.piece = {.source = cursor->source}};
    *why = why_malformed;
    while (!(err = cursor_field(cursor, &number, &type))) {
        struct cursor value;
        if (type != CURSOR_BYTES || number > CAPTURE_STEP_FINISH) {
            if (cursor_skip(cursor, type))
                return ERR_INPUT;
            continue;
        }
        if (cursor_bytes(cursor, &value) || read_step(&value, number, out, why))
            return ERR_INPUT;
        steps++;
    }
    if (err != ERR_NOT_FOUND)
        return err;
    if (steps == 1)
        return ERR_OK;
    *why = why_steps;
    return ERR_INPUT;
}

const char *capture_step_name(enum capture_step step)
{
    switch (step) {
    case CAPTURE_STEP_START:
        return "start";
    case CAPTURE_STEP_PIECE:
        return "piece";
    case CAPTURE_STEP_FINISH:
        return "finish";
    }
    return "nothing";
}
