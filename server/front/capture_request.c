#include "server/front/capture_request.h"

#include <stdbool.h>
#include <string.h>

#include "epcis/v1/capture_service.pb-c.h"

static const char why_malformed[] = "the request is not a well-formed protobuf message";
static const char why_partner[] = "`partner` is no GLN: 13 digits are expected";
static const char why_behaviour[] = "`error_behaviour` is none: PROCEED (1) or ROLLBACK (2) is expected";
static const char why_sha256[] = "`finish.sha256` is not 32 bytes long";
static const char why_steps[] = "a message holds exactly one of `start`, `piece` and `finish`";

/* Fields that are numbered as ours but typed otherwise are unknown fields to protobuf: passed over. */
static enum err read_partner(struct cursor *value, char out[CAPTURE_PARTNER_SIZE], const char **why)
{
    size_t length = value->left;
    memset(out, 0, CAPTURE_PARTNER_SIZE);
    *why = why_partner;
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
            if (cursor_bytes(cursor, &partner) || read_partner(&partner, out->partner, why))
                return ERR_INPUT;
        } else if (type == CURSOR_VARINT && (number == ERROR_BEHAVIOUR || number == VALIDATE_ONLY)) {
            if (read_term(cursor, number == ERROR_BEHAVIOUR, &out->terms, why))
                return ERR_INPUT;
        } else if (cursor_skip(cursor, type)) {
            return ERR_INPUT;
        }
    }
}

static enum err read_start(struct cursor *cursor, struct capture_stream_request *out, const char **why)
{
    enum { PARTNER = 1, ERROR_BEHAVIOUR = 2, VALIDATE_ONLY = 3 };
    uint32_t number;
    enum cursor_type type;
    enum err err;
    while (!(err = cursor_field(cursor, &number, &type))) {
        struct cursor partner;
        if (type == CURSOR_BYTES && number == PARTNER) {
            if (cursor_bytes(cursor, &partner) || read_partner(&partner, out->partner, why))
                return ERR_INPUT;
        } else if (type == CURSOR_VARINT && (number == ERROR_BEHAVIOUR || number == VALIDATE_ONLY)) {
            if (read_term(cursor, number == ERROR_BEHAVIOUR, &out->terms, why))
                return ERR_INPUT;
        } else if (cursor_skip(cursor, type)) {
            return ERR_INPUT;
        }
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
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
            digest_seen = sha256.left == DIGEST_BYTES;
            if (digest_seen)
                cursor_copy(&sha256, out->sha256);
        } else if (cursor_skip(cursor, type)) {
            return ERR_INPUT;
        }
    }
    if (err != ERR_NOT_FOUND)
        return err;
    if (digest_seen)
        return ERR_OK;
    *why = why_sha256;
    return ERR_INPUT;
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
