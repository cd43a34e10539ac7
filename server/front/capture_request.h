/* Finds the parts of the two requests that carry documents, in place. Pure functions over a cursor. */
#ifndef EPCISD_FRONT_CAPTURE_REQUEST_H
#define EPCISD_FRONT_CAPTURE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/digest.h"
#include "common/base/err.h"
#include "server/front/cursor.h"
#include "server/journal.h"

enum { CAPTURE_PARTNER_SIZE = 64 };

/* epcis.v1.CaptureRequest. Of a field that is given twice the last counts, as everywhere in protobuf. */
struct capture_request {
    struct cursor document;
    char partner[CAPTURE_PARTNER_SIZE]; /* empty: not given */
    struct capture_terms terms;
};

/* ERR_INPUT: `*why` says what is wrong, a constant text. */
enum err capture_request_read(struct cursor *cursor, struct capture_request *out, const char **why);

/* epcis.v1.CaptureStreamRequest. */
enum capture_step { CAPTURE_STEP_START = 1, CAPTURE_STEP_PIECE = 2, CAPTURE_STEP_FINISH = 3 };

struct capture_stream_request {
    enum capture_step step;
    char partner[CAPTURE_PARTNER_SIZE];      /* START */
    struct capture_terms terms;              /* START */
    bool resumable;                          /* START: upload_id is given */
    bool digest_given;                       /* START */
    uint8_t upload_id[UUID_BYTES];           /* START */
    uint64_t offset;                         /* START */
    char content_type[JOURNAL_CONTENT_TYPE]; /* START */
    struct cursor piece;                     /* PIECE */
    uint64_t length;                         /* START: 0 is unknown; FINISH */
    uint8_t sha256[DIGEST_BYTES];            /* START: see digest_given; FINISH */
};

/* Exactly one step is expected, though protobuf would let the last of several win. ERR_INPUT as above. */
enum err capture_stream_request_read(struct cursor *cursor, struct capture_stream_request *out,
                                     const char **why);

/* "start", "piece", "finish" */
const char *capture_step_name(enum capture_step step);

#endif
