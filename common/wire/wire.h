/* Runs, acknowledgments and heartbeats over ZeroMQ: the only user of zmq.h. A link belongs to one thread
 * (wire_wake excepted). What the messages say stands in proto/epcis/wire/v1/wire.proto. */
#ifndef EPCISD_WIRE_WIRE_H
#define EPCISD_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "epcis/wire/v1/wire.pb-c.h"

enum { WIRE_RUN_BATCHES_MAX = 64, WIRE_FRAME_BYTES_MAX = 96 << 20 };

/* What this program speaks; told in heartbeats. It grows where a peer of an older version would go wrong. */
enum { WIRE_VERSION = 1 };

struct wire;

/* Server side: binds both endpoints; "tcp://127.0.0.1:*" lets the system pick a port. Worker side: connects
 * both, now or whenever the other side comes up. ERR_SYSTEM (logged, with ZeroMQ's reason), ERR_MEMORY. */
enum err wire_bind(const char *work_endpoint, const char *ack_endpoint, struct wire **out);
enum err wire_connect(const char *work_endpoint, const char *ack_endpoint, struct wire **out);
void wire_close(struct wire **wire);

/* The endpoint in fact bound, with its port. Valid as long as the wire. */
const char *wire_work_endpoint(const struct wire *wire);
const char *wire_ack_endpoint(const struct wire *wire);

/* Waits until something can be received, `send_too` is set and a run could be sent, wire_wake was called,
 * or `timeout_ms` passed (-1: no limit). Never fails; a signal ends it early. */
void wire_wait(struct wire *wire, bool send_too, int timeout_ms);

/* Ends a wire_wait that is under way, or the next one. Any thread. */
void wire_wake(struct wire *wire);

/* Server: sends one run, a frame a packed Batch. ERR_FULL: no worker has room now, nothing was sent. */
enum err wire_send_run(struct wire *wire, const struct buffer *frames, size_t count);

/* Server: the next acknowledgment or heartbeat, in `arena` (which is reset); the other one is NULL. Both
 * NULL: none waiting. Malformed messages are counted, logged and passed over. */
enum err wire_receive_news(struct wire *wire, struct arena *arena, Epcis__Wire__V1__Acknowledgment **ack,
                           Epcis__Wire__V1__Heartbeat **beat);

/* Worker: the next run's frames, each a packed Batch, copied into `frames` (of WIRE_RUN_BATCHES_MAX buffers,
 * cleared first); *count 0: none waiting. A malformed run is counted, logged and passed over. */
enum err wire_receive_run(struct wire *wire, struct buffer *frames, size_t *count);

/* Worker: publishes; never waits. */
enum err wire_publish_ack(struct wire *wire, const Epcis__Wire__V1__Acknowledgment *ack);
enum err wire_publish_beat(struct wire *wire, const Epcis__Wire__V1__Heartbeat *beat);

/* batch_id as ledger.proto defines it. */
void wire_batch_id(const uint8_t parent[DIGEST_BYTES], uint32_t partition, uint64_t sequence,
                   const uint8_t root[DIGEST_BYTES], uint8_t out[DIGEST_BYTES]);

#endif
