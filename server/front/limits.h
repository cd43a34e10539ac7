/* How much the front takes on at once. Fixed for the life of a front. */
#ifndef EPCISD_FRONT_LIMITS_H
#define EPCISD_FRONT_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum {
    FRONT_DOCUMENT_MAX = 64 << 20,                  /* bytes in a unary Capture */
    FRONT_MESSAGE_MAX = FRONT_DOCUMENT_MAX + 65536, /* bytes in any one message */
    FRONT_PIECE_MAX = 1 << 20,                      /* bytes in a piece of CaptureStream */
    FRONT_QUERY_MAX = 16384,                        /* bytes in a request that carries no document */
    FRONT_METADATA_MAX = 16384,                     /* bytes of names and values that come with a call */
};

/* Of what is told here without a time, no caller gets more than its share: share.h. */
struct front_limits {
    uint32_t calls;          /* under way at once, of all kinds */
    uint32_t streams;        /* of these, calls that send several messages */
    uint32_t public_streams; /* of these, calls of methods that anybody may call */
    uint64_t document_bytes; /* held by Capture; at least FRONT_MESSAGE_MAX, which each call that is being
                                received counts for, as its length is not known before */
    uint32_t uploads;        /* CaptureStream calls at once */
    uint64_t query_bytes;    /* as document_bytes, for all other calls */
    uint32_t patience_ms;    /* a call waits so long for room before it is refused */
    uint32_t message_ms;     /* a message must have come whole so long after it was asked for */
    uint32_t query_ms;       /* the same for requests that carry no document */
    uint32_t answer_ms;      /* a client must have taken its answer, or each message of it, so long after it
                                was ready */
    uint32_t prove_ms;       /* the caller of an open stream is looked at again so often */
    uint32_t sweep_ms;       /* how often the four above are looked at */
    uint32_t threads;        /* of the pool, from 2 */
    size_t arena_bytes;      /* for one query and its answer */
    size_t quota_bytes;      /* all memory of gRPC's own, against clients that mean harm */
};

extern const struct front_limits front_limits_default;

struct front;
struct front_options;
struct ingest;
struct journal;
struct store;

/* front_open with other limits. */
enum err front_open_limited(const struct front_options *options, struct ingest *ingest,
                            struct journal *journal, struct store *store, const struct front_limits *limits,
                            struct front **out);

#endif
