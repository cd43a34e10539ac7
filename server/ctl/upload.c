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

enum {
    PIECE_BYTES = 256 << 10, /* a part of the journal's pieces: what is kept ends with one of these */
    AWAY_MS = 30000,         /* a server that is started anew comes back within this time */
    LOST_PAUSE_MS = 200,
};

/* A file that is read piece by piece. A pipe cannot be read twice, so the first piece is kept until the
 * second overwrites it: a server that refuses at once can be asked again. */
struct source {
    const char *name;
    struct progress *progress;
    int fd;
    off_t start;
    uint64_t total_bytes;          /* 0: unknown */
    uint64_t pieces;               /* read since the start */
    char upload_id[UUID_TEXT + 1]; /* under which it is continued; empty: it is not */
    size_t piece_bytes;
    bool replay; /* the piece in memory comes next */
    uint8_t piece[PIECE_BYTES];
};

static enum err source_open(const char *file, struct progress *progress, struct source **out)
{
    struct stat about;
    struct source *source = malloc(sizeof *source);
    *out = source;
    if (!source)
        return ERR_MEMORY;
    bool standard = strcmp(file, "-") == 0;
    source->name = standard ? "standard input" : file;
    source->progress = progress;
    source->fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    source->total_bytes = 0;
    source->pieces = 0;
    source->piece_bytes = 0;
    source->replay = false;
    source->upload_id[0] = '\0';
    if (source->fd < 0 || fstat(source->fd, &about)) {
        progress_complain(source->progress, "epcisctl: %s: %s", source->name, strerror(errno));
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
            progress_complain(source->progress, "epcisctl: %s: %s", source->name, strerror(errno));
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

/* A long file is continued, by another run of this program too: as long as it is the same file, unchanged,
 * and sent on the same terms, it has the same id. What is only validated is judged anew each time. */
static void source_name_upload(struct source *source, const Epcis__V1__CaptureStart *start)
{
    enum { WORTH_IT = 4 << 20 };
    struct stat about;
    char text[512];
    uint8_t digest[DIGEST_BYTES];
    if (source->total_bytes < WORTH_IT || start->validate_only || fstat(source->fd, &about))
        return;
    int length = snprintf(text, sizeof text, "%ju %ju %jd %jd %jd.%09ld %d %s", (uintmax_t)about.st_dev,
                          (uintmax_t)about.st_ino, (intmax_t)source->start, (intmax_t)about.st_size,
                          (intmax_t)about.st_mtim.tv_sec, about.st_mtim.tv_nsec, (int)start->error_behaviour,
                          start->partner);
    digest_of(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1, digest);
    digest[6] = (uint8_t)(0x80 | (digest[6] & 0x0f)); /* RFC 9562: version 8, made as we please */
    digest[8] = (uint8_t)(0x80 | (digest[8] & 0x3f));
    uuid_text(digest, source->upload_id);
}

static bool send_start(struct client_stream *stream, const struct source *source, uint64_t offset,
                       const Epcis__V1__CaptureStart *wanted)
{
    Epcis__V1__CaptureStreamRequest request = EPCIS__V1__CAPTURE_STREAM_REQUEST__INIT;
    Epcis__V1__CaptureStart start = *wanted;
    start.upload_id = (char *)(uintptr_t)source->upload_id;
    start.offset = offset;
    request.step_case = EPCIS__V1__CAPTURE_STREAM_REQUEST__STEP_START;
    request.start = &start;
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

/* One try. */
struct attempt {
    struct client *client;
    struct source *source;
    const Epcis__V1__CaptureStart *start;
    int64_t deadline_ms;
    struct progress *progress;
    uint64_t offset;  /* up to which the server has it */
    int64_t heard_ms; /* when it took a piece last; 0: never */
};

/* Where the server is with it. False: it does not answer, as the status tells. */
static bool ask_offset(struct attempt *attempt, struct client_status *status)
{
    ProtobufCMessage *message = NULL;
    Epcis__V1__GetUploadOffsetRequest request = EPCIS__V1__GET_UPLOAD_OFFSET_REQUEST__INIT;
    attempt->offset = 0;
    if (!attempt->source->upload_id[0])
        return true;
    request.upload_id = attempt->source->upload_id;
    request.partner = attempt->start->partner;
    client_call(attempt->client, "/epcis.v1.CaptureService/GetUploadOffset", &request.base,
                &epcis__v1__get_upload_offset_response__descriptor, attempt->deadline_ms, &message, status);
    if (message) {
        attempt->offset = ((Epcis__V1__GetUploadOffsetResponse *)message)->offset;
        protobuf_c_message_free_unpacked(message, NULL);
    }
    return message || status->code == CLIENT_NOT_FOUND;
}

/* Start, pieces, finish. ERR_OK also where the server ended the call before its end: the status tells. */
static enum err send_all(struct attempt *attempt, struct client_stream *stream)
{
    struct source *source = attempt->source;
    struct digest *digest = digest_new();
    uint64_t read_bytes = 0;
    enum err err = ERR_OK;
    if (!digest)
        return ERR_MEMORY;
    bool open = send_start(stream, source, attempt->offset, attempt->start);
    while (open && !(err = source_next(source))) {
        digest_update(digest, source->piece, source->piece_bytes);
        read_bytes += source->piece_bytes;
        if (read_bytes <= attempt->offset)
            continue;
        open = send_piece(stream, source);
        if (open)
            attempt->heard_ms = clock_steady_ms();
        progress_sent(attempt->progress, attempt->offset, read_bytes, source->total_bytes);
    }
    if (open && err == ERR_NOT_FOUND)
        send_finish(stream, read_bytes, digest);
    digest_free(digest);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err send_once(struct attempt *attempt, Epcis__V1__CaptureStreamResponse **response,
                          struct client_status *status)
{
    struct client_stream *stream;
    ProtobufCMessage *message = NULL;
    if (!ask_offset(attempt, status))
        return ERR_OK;
    enum err err = client_stream_open(attempt->client, "/epcis.v1.CaptureService/CaptureStream",
                                      attempt->deadline_ms, &stream);
    if (err)
        return err;
    err = send_all(attempt, stream);
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

/* How long to wait before the next try; 0: the status is final. A server that has taken pieces and is gone is
 * waited for; one that never answered is not there. */
static uint32_t retry_after(const struct attempt *attempt, const struct client_status *status)
{
    bool lost = status->code == CLIENT_UNAVAILABLE || status->code == CLIENT_CANCELLED ||
                status->code == CLIENT_UNKNOWN;
    if (status->code == CLIENT_RESOURCE_EXHAUSTED)
        return status->retry_after_ms;
    return lost && attempt->heard_ms && clock_steady_ms() - attempt->heard_ms < AWAY_MS ? LOST_PAUSE_MS : 0;
}

enum err upload_file(struct client *client, const char *file, const Epcis__V1__CaptureStart *start,
                     int64_t deadline_ms, struct progress *progress,
                     Epcis__V1__CaptureStreamResponse **response, struct client_status *status)
{
    struct source *source = NULL;
    *response = NULL;
    enum err err = source_open(file, progress, &source);
    if (!err)
        source_name_upload(source, start);
    struct attempt attempt = {
        .client = client, .source = source, .start = start, .deadline_ms = deadline_ms, .progress = progress};
    while (!err) {
        err = send_once(&attempt, response, status);
        uint32_t pause_ms = err ? 0 : retry_after(&attempt, status);
        if (!pause_ms || clock_steady_ms() + pause_ms >= deadline_ms)
            break;
        if (source_rewind(source)) /* the status stands, with why the server had no room */
            break;
        if (status->code == CLIENT_RESOURCE_EXHAUSTED)
            progress_busy(progress, pause_ms);
        else
            progress_away(progress);
        ctl_pause_ms(pause_ms);
    }
    source_close(&source);
    return err;
}
