#include "server/ctl/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/digest.h"
#include "server/ctl/ctl.h"

enum { PIECE_BYTES = 256 << 10 };

/* A file that is read piece by piece. A pipe cannot be read twice, so the first piece is kept until the
 * second overwrites it: a server that refuses at once can be asked again. */
struct source {
    const char *name;
    int fd;
    off_t start;
    uint64_t total_bytes; /* 0: unknown */
    uint64_t pieces;      /* read since the start */
    size_t piece_bytes;
    bool replay; /* the piece in memory comes next */
    uint8_t piece[PIECE_BYTES];
};

static enum err source_open(const char *file, struct source **out)
{
    struct stat about;
    struct source *source = malloc(sizeof *source);
    *out = source;
    if (!source)
        return ERR_MEMORY;
    bool standard = strcmp(file, "-") == 0;
    source->name = standard ? "standard input" : file;
    source->fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    source->total_bytes = 0;
    source->pieces = 0;
    source->piece_bytes = 0;
    source->replay = false;
    if (source->fd < 0 || fstat(source->fd, &about)) {
        fprintf(stderr, "epcisctl: %s: %s\n", source->name, strerror(errno));
        return ERR_SYSTEM;
    }
    source->start = lseek(source->fd, 0, SEEK_CUR);
    if (S_ISREG(about.st_mode) && source->start >= 0 && about.st_size > source->start)
        source->total_bytes = (uint64_t)(about.st_size - source->start);
    return ERR_OK;
}

static void source_close(struct source **source)
{
    if (*source && (*source)->fd > STDIN_FILENO)
        close((*source)->fd);
    free(*source);
    *source = NULL;
}

/* Fills `piece`. ERR_NOT_FOUND: that was the end; ERR_SYSTEM. */
static enum err source_next(struct source *source)
{
    if (source->replay) {
        source->replay = false;
        return ERR_OK;
    }
    size_t length = 0;
    while (length < PIECE_BYTES) {
        ssize_t got = read(source->fd, source->piece + length, PIECE_BYTES - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            fprintf(stderr, "epcisctl: %s: %s\n", source->name, strerror(errno));
            return ERR_SYSTEM;
        }
        if (got == 0)
            break;
        length += (size_t)got;
    }
    if (length) { /* at the end the last piece stays, for a replay */
        source->pieces++;
        source->piece_bytes = length;
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

/* ERR_SYSTEM: it is a pipe, and more than one piece of it is gone. */
static enum err source_rewind(struct source *source)
{
    if (source->pieces <= 1) {
        source->replay = source->pieces == 1;
        return ERR_OK;
    }
    if (source->start < 0 || lseek(source->fd, source->start, SEEK_SET) < 0)
        return ERR_SYSTEM;
    source->pieces = 0;
    return ERR_OK;
}

static bool send_start(struct client_stream *stream, const Epcis__V1__CaptureStart *start)
{
    Epcis__V1__CaptureStreamRequest request = EPCIS__V1__CAPTURE_STREAM_REQUEST__INIT;
    request.step_case = EPCIS__V1__CAPTURE_STREAM_REQUEST__STEP_START;
    request.start = (Epcis__V1__CaptureStart *)(uintptr_t)start;
    return client_stream_send(stream, &request.base);
}

static bool send_piece(struct client_stream *stream, struct source *source)
{
    Epcis__V1__CaptureStreamRequest request = EPCIS__V1__CAPTURE_STREAM_REQUEST__INIT;
    request.step_case = EPCIS__V1__CAPTURE_STREAM_REQUEST__STEP_PIECE;
    request.piece = (ProtobufCBinaryData){.len = source->piece_bytes, .data = source->piece};
    return client_stream_send(stream, &request.base);
}

static bool send_finish(struct client_stream *stream, uint64_t length, struct digest *digest)
{
    uint8_t sha256[DIGEST_BYTES];
    Epcis__V1__CaptureFinish finish = EPCIS__V1__CAPTURE_FINISH__INIT;
    Epcis__V1__CaptureStreamRequest request = EPCIS__V1__CAPTURE_STREAM_REQUEST__INIT;
    digest_finish(digest, sha256);
    finish.length = length;
    finish.sha256 = (ProtobufCBinaryData){.len = sizeof sha256, .data = sha256};
    request.step_case = EPCIS__V1__CAPTURE_STREAM_REQUEST__STEP_FINISH;
    request.finish = &finish;
    return client_stream_send(stream, &request.base);
}

/* Start, pieces, finish. ERR_OK also where the server ended the call before its end: the status tells. */
static enum err send_all(struct client_stream *stream, struct source *source,
                         const Epcis__V1__CaptureStart *start, struct progress *progress)
{
    struct digest *digest = digest_new();
    uint64_t sent = 0;
    enum err err = ERR_OK;
    if (!digest)
        return ERR_MEMORY;
    bool open = send_start(stream, start);
    while (open && !(err = source_next(source))) {
        open = send_piece(stream, source);
        digest_update(digest, source->piece, source->piece_bytes);
        sent += source->piece_bytes;
        progress_sent(progress, sent, source->total_bytes);
    }
    if (open && err == ERR_NOT_FOUND)
        send_finish(stream, sent, digest);
    digest_free(digest);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err send_once(struct client *client, struct source *source, const Epcis__V1__CaptureStart *start,
                          int64_t deadline_ms, struct progress *progress,
                          Epcis__V1__CaptureStreamResponse **response, struct client_status *status)
{
    struct client_stream *stream;
    ProtobufCMessage *message = NULL;
    enum err err = client_stream_open(client, "/epcis.v1.CaptureService/CaptureStream", deadline_ms, &stream);
    if (err)
        return err;
    err = send_all(stream, source, start, progress);
    if (err) {
        client_stream_cancel(&stream);
        return err;
    }
    client_stream_finish(&stream, &epcis__v1__capture_stream_response__descriptor, &message, status);
    *response = (Epcis__V1__CaptureStreamResponse *)message;
    if (message && !(*response)->receipt) {
        *status = (struct client_status){.code = CLIENT_INTERNAL, .message = "the answer holds no receipt"};
        protobuf_c_message_free_unpacked(message, NULL);
        *response = NULL;
    }
    return ERR_OK;
}

enum err upload_file(struct client *client, const char *file, const Epcis__V1__CaptureStart *start,
                     int64_t deadline_ms, struct progress *progress,
                     Epcis__V1__CaptureStreamResponse **response, struct client_status *status)
{
    struct source *source = NULL;
    *response = NULL;
    enum err err = source_open(file, &source);
    while (!err) {
        err = send_once(client, source, start, deadline_ms, progress, response, status);
        bool busy = !err && status->code == CLIENT_RESOURCE_EXHAUSTED && status->retry_after_ms;
        if (!busy || clock_steady_ms() + status->retry_after_ms >= deadline_ms)
            break;
        if (source_rewind(source)) /* the status stands, with why the server had no room */
            break;
        progress_busy(progress, status->retry_after_ms);
        ctl_pause_ms(status->retry_after_ms);
    }
    source_close(&source);
    return err;
}
