#include "server/rejudge_worker.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/digest.h"
#include "common/base/framing.h"
#include "common/base/program.h"
#include "common/wire/wire.h"
#include "server/batch.h"
#include "server/outcome.h"
#include "server/spawn.h"

enum { ARENA_BYTES = 512 << 20 };

enum err rejudge_worker_open(struct rejudge_worker *worker, const char *folder, uint64_t map_bytes,
                             const char *log_format)
{
    char program[PATH_MAX], most[24];
    int ends[2];
    pid_t pid;
    *worker = (struct rejudge_worker){.socket = -1, .process = -1};
    arena_init(&worker->arena, ARENA_BYTES);
    enum err err = program_beside("epcis-worker", program);
    if (err)
        return err;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return ERR_SYSTEM;
    snprintf(most, sizeof most, "%" PRIu64, map_bytes);
    const char *const arguments[] = {program, "--rejudge",    folder,     "--map-bytes",
                                     most,    "--log-format", log_format, NULL};
    worker->socket = ends[0];
    err = spawn_worker(arguments, ends[1], &pid);
    close(ends[1]);
    if (!err)
        worker->process = pidfd_open(pid, 0);
    return err;
}

void rejudge_worker_cut_off(const struct rejudge_worker *worker)
{
    shutdown(worker->socket, SHUT_RDWR);
}

void rejudge_worker_close(struct rejudge_worker *worker)
{
    if (worker->process >= 0) {
        pidfd_send_signal(worker->process, SIGKILL, NULL, 0); /* it may have ended */
        close(worker->process);
    }
    if (worker->socket >= 0)
        close(worker->socket);
    arena_free(&worker->arena);
    buffer_free(&worker->out);
    buffer_free(&worker->in);
}

/* Sends a message and unpacks the answer. */
static enum err ask(struct rejudge_worker *worker, const struct buffer *message,
                    const ProtobufCMessageDescriptor *type, ProtobufCMessage **out)
{
    arena_reset(&worker->arena);
    enum err err =
        message->failed ? ERR_MEMORY : framing_send(worker->socket, message->data, message->length);
    if (!err)
        err = framing_receive(worker->socket, WIRE_FRAME_BYTES_MAX, &worker->in);
    if (err)
        return err == ERR_LIMIT ? ERR_CORRUPT : err;
    *out = protobuf_c_message_unpack(type, &worker->arena.allocator, worker->in.length, worker->in.data);
    return *out ? ERR_OK : worker->arena.over_budget || worker->arena.exhausted ? ERR_MEMORY : ERR_CORRUPT;
}

enum err rejudge_worker_agree(struct rejudge_worker *worker, const Epcis__Wire__V1__RejudgeTerms *terms,
                              const Epcis__Wire__V1__RejudgeReady **out)
{
    ProtobufCMessage *answer = NULL;
    buffer_clear(&worker->out);
    buffer_append_message(&worker->out, &terms->base);
    enum err err = ask(worker, &worker->out, &epcis__wire__v1__rejudge_ready__descriptor, &answer);
    *out = (const Epcis__Wire__V1__RejudgeReady *)answer;
    return err;
}

/* Whether the answer tells of this batch, and of each of its items where it was committed. */
static bool fits(const Epcis__Wire__V1__Rejudged *rejudged, const struct batch *batch)
{
    const Epcis__Wire__V1__Acknowledgment *ack = rejudged->acknowledgment;
    struct outcome_tally tally;
    if (!ack || ack->batch_id.len != DIGEST_BYTES || memcmp(ack->batch_id.data, batch->id, DIGEST_BYTES) != 0)
        return false;
    if (ack->result != EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED)
        return true;
    if (ack->outcomes.len != batch->items || outcome_tally(ack->outcomes.data, batch->items, &tally) ||
        rejudged->event_hashes.len != (size_t)batch->items * DIGEST_BYTES)
        return false;
    for (size_t i = 0; i < rejudged->n_refusals; i++) {
        uint32_t item = rejudged->refusals[i]->item;
        if (item >= batch->items || (i > 0 && item <= rejudged->refusals[i - 1]->item))
            return false;
    }
    return true;
}

enum err rejudge_worker_judge(struct rejudge_worker *worker, const struct batch *batch,
                              const Epcis__Wire__V1__Rejudged **out)
{
    ProtobufCMessage *answer = NULL;
    enum err err = ask(worker, &batch->frame, &epcis__wire__v1__rejudged__descriptor, &answer);
    *out = (const Epcis__Wire__V1__Rejudged *)answer;
    return !err && !fits(*out, batch) ? ERR_CORRUPT : err;
}
