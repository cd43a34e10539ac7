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
#include "common/wire/curve_key.h"
#include "epcis/wire/v1/wire.pb-c.h"

enum { WIRE_RUN_BATCHES_MAX = 64, WIRE_FRAME_BYTES_MAX = 96 << 20 };

/* What this program speaks; told in heartbeats. It grows where a peer of an older version would go wrong. */
enum { WIRE_VERSION = 1 };

struct wire;

/* What a server binds. All of it outlives the wire. */
struct wire_server {
    const char *work_endpoint, *ack_endpoint; /* "tcp://127.0.0.1:*" lets the system pick a port */
    /* CURVE at these two: workers know this key, and their own lie in the folder (allow_list.h). Such a
     * worker is let in soon after its key is put there; where one that was let in is taken away, all
     * connections are cut, and those that may come again. NULL: whoever reaches the endpoints may come in. */
    const struct curve_key *key;
    const char *keys_dir;
    /* Sockets beside them, for workers of this host, which need no key; NULL: none. */
    const char *local_work_endpoint, *local_ack_endpoint;
};

/* What a worker connects to, now or whenever the other side comes up. All of it outlives the wire. */
struct wire_worker {
    const char *work_endpoint, *ack_endpoint;
    const struct curve_key *key; /* CURVE with this key; NULL: none */
    const char *server_key;      /* and the server is the one that has this, as Z85 */
};

/* A socket in the file system (ipc://PATH) is open to its owner alone, and not made in a folder where others
 * may put another in its place. ERR_SYSTEM (logged, with ZeroMQ's reason), ERR_DISK, ERR_MEMORY. */
enum err wire_bind(const struct wire_server *server, struct wire **out);

/* A server that turns this worker away is asked again and again, which is logged with the reason. ERR_SYSTEM
 * (logged), ERR_MEMORY. */
enum err wire_connect(const struct wire_worker *worker, struct wire **out);
void wire_close(struct wire **wire);

/* Whether this host alone reaches the endpoint: ipc://, or tcp:// with a loopback address. Any thread; may
 * ask the resolver. */
bool wire_endpoint_is_local(const char *endpoint);

/* The endpoint in fact bound, with its port. Valid as long as the wire. */
const char *wire_work_endpoint(const struct wire *wire);
const char *wire_ack_endpoint(const struct wire *wire);

/* Server: connections turned away since wire_bind: unknown keys, and whoever does not speak as workers do. */
uint64_t wire_peers_refused(const struct wire *wire);

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

/* What a worker published under one of the topics, in `arena` (which is reset); the other one is NULL. False:
 * it is malformed, or takes more than the arena's budget. */
enum wire_topic { WIRE_TOPIC_ACK, WIRE_TOPIC_BEAT };
bool wire_unpack_news(enum wire_topic topic, const uint8_t *data, size_t bytes, struct arena *arena,
                      Epcis__Wire__V1__Acknowledgment **ack, Epcis__Wire__V1__Heartbeat **beat);

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
