#include "server/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <zstd.h>

#include "common/base/buffer.h"
#include "common/base/log.h"

enum { COMPRESSION_LEVEL = -3 }; /* as of documents: speed counts */

/* Before each block in the file. */
struct block_head {
    uint64_t packed_bytes, bytes;
};

/* Before each item in a block. */
struct item_head {
    uint64_t first_event, bytes_read, line, bytes;
    uint32_t events;
    uint8_t leaf[DIGEST_BYTES];
};

struct spool {
    const char *dir;
    uint64_t reserve_bytes;
    int file; /* -1: none yet */
    uint64_t written_bytes, taken_bytes;
    ZSTD_CCtx *compressor; /* until items are taken */
    struct buffer packed;  /* a block as in the file */
    struct buffer block;   /* being filled, or items being taken */
    struct buffer last;    /* once items are taken: the block that was never written */
    size_t at;             /* in `block`, of the item to be taken next */
    bool taking;
};

enum err spool_new(const char *dir, uint64_t reserve_bytes, struct spool **out)
{
    struct spool *spool = *out = calloc(1, sizeof *spool);
    if (!spool)
        return ERR_MEMORY;
    *spool = (struct spool){.dir = dir, .reserve_bytes = reserve_bytes, .file = -1};
    return ERR_OK;
}

void spool_free(struct spool **spool)
{
    struct spool *self = *spool;
    if (!self)
        return;
    if (self->file >= 0)
        close(self->file);
    ZSTD_freeCCtx(self->compressor);
    buffer_free(&self->packed);
    buffer_free(&self->block);
    buffer_free(&self->last);
    free(self);
    *spool = NULL;
}

bool spool_has_room(const struct spool *spool)
{
    struct statvfs disk;
    if (spool->written_bytes >= SPOOL_MAX_BYTES)
        return false;
    if (statvfs(spool->dir, &disk)) /* writing will tell what is wrong */
        return true;
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    return free_bytes >= spool->reserve_bytes && free_bytes - spool->reserve_bytes >= SPOOL_MAX_BYTES;
}

static enum err disk_failed(const char *what)
{
    log_warning("spool", "detail=\"what was read ahead cannot be %s: %s; it is read again\"", what,
                strerror(errno));
    return ERR_DISK;
}

/* ---- in ---------------------------------------------------------------------------------------------- */

static enum err write_packed(struct spool *spool)
{
    const struct buffer *packed = &spool->packed;
    if (spool->file < 0)
        spool->file = open(spool->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool->file < 0)
        return disk_failed("kept");
    for (size_t at = 0; at < packed->length;) {
        ssize_t bytes =
            pwrite(spool->file, packed->data + at, packed->length - at, (off_t)(spool->written_bytes + at));
        if (bytes < 0 && errno != EINTR)
            return disk_failed("written");
        at += bytes > 0 ? (size_t)bytes : 0;
    }
    spool->written_bytes += packed->length;
    return ERR_OK;
}

/* Forgets the content; and the memory, where a large item took more than usual. */
static void empty(struct buffer *buffer)
{
    if (buffer->capacity > 4UL * SPOOL_BLOCK_BYTES)
        buffer_free(buffer);
    buffer_clear(buffer);
}

static enum err write_block(struct spool *spool)
{
    struct buffer *packed = &spool->packed;
    size_t bound = ZSTD_compressBound(spool->block.length);
    struct block_head head = {.bytes = spool->block.length};
    if (spool->written_bytes >= 2ULL * SPOOL_MAX_BYTES)
        return ERR_FULL;
    if (!spool->compressor)
        spool->compressor = ZSTD_createCCtx();
    uint8_t *room = spool->compressor ? buffer_reserve(packed, sizeof head + bound) : NULL;
    if (!room)
        return ERR_MEMORY;
    head.packed_bytes = ZSTD_compressCCtx(spool->compressor, room + sizeof head, bound, spool->block.data,
                                          spool->block.length, COMPRESSION_LEVEL);
    if (ZSTD_isError(head.packed_bytes))
        return ERR_MEMORY;
    memcpy(room, &head, sizeof head);
    packed->length = sizeof head + head.packed_bytes;
    enum err err = write_packed(spool);
    empty(packed);
    empty(&spool->block);
    return err;
}

enum err spool_add(struct spool *spool, const struct batch_span *span, const struct batch_item *item)
{
    struct item_head head = {.first_event = span->first_event,
                             .bytes_read = span->bytes_read,
                             .line = item->line,
                             .bytes = item->bytes,
                             .events = span->events};
    memcpy(head.leaf, item->leaf, DIGEST_BYTES);
    buffer_append(&spool->block, &head, sizeof head);
    buffer_append(&spool->block, item->data, item->bytes);
    if (spool->block.failed)
        return ERR_MEMORY;
    return spool->block.length < SPOOL_BLOCK_BYTES ? ERR_OK : write_block(spool);
}

/* ---- out --------------------------------------------------------------------------------------------- */

/* The next bytes of the file, appended. */
static enum err read_bytes(struct spool *spool, size_t bytes, struct buffer *out)
{
    uint8_t *room = buffer_reserve(out, bytes);
    if (!room)
        return ERR_MEMORY;
    for (size_t at = 0; at < bytes;) {
        ssize_t got = pread(spool->file, room + at, bytes - at, (off_t)(spool->taken_bytes + at));
        if (got < 0 && errno != EINTR)
            return disk_failed("read back");
        if (got == 0) {
            errno = ENODATA;
            return disk_failed("read back");
        }
        at += got > 0 ? (size_t)got : 0;
    }
    spool->taken_bytes += bytes;
    out->length += bytes;
    return ERR_OK;
}

static enum err read_block(struct spool *spool)
{
    struct block_head head;
    buffer_clear(&spool->packed);
    enum err err = read_bytes(spool, sizeof head, &spool->packed);
    if (err)
        return err;
    memcpy(&head, spool->packed.data, sizeof head);
    buffer_clear(&spool->packed);
    err = read_bytes(spool, head.packed_bytes, &spool->packed);
    if (err)
        return err;
    empty(&spool->block);
    uint8_t *room = buffer_reserve(&spool->block, head.bytes);
    if (!room)
        return ERR_MEMORY;
    size_t bytes = ZSTD_decompress(room, head.bytes, spool->packed.data, spool->packed.length);
    empty(&spool->packed);
    if (bytes != head.bytes) {
        errno = EBADMSG;
        return disk_failed("read back");
    }
    spool->block.length = bytes;
    return ERR_OK;
}

static void begin_to_take(struct spool *spool)
{
    ZSTD_freeCCtx(spool->compressor);
    spool->compressor = NULL;
    spool->last = spool->block;
    spool->block = (struct buffer){0};
    spool->taking = true;
}

/* ERR_NOT_FOUND: it was the last. */
static enum err next_block(struct spool *spool)
{
    spool->at = 0;
    if (spool->taken_bytes < spool->written_bytes)
        return read_block(spool);
    buffer_free(&spool->block);
    spool->block = spool->last;
    spool->last = (struct buffer){0};
    return spool->block.length > 0 ? ERR_OK : ERR_NOT_FOUND;
}

enum err spool_next(struct spool *spool, struct batch_span *span, struct batch_item *item)
{
    struct item_head head;
    if (!spool->taking)
        begin_to_take(spool);
    enum err err = spool->at < spool->block.length ? ERR_OK : next_block(spool);
    if (err)
        return err;
    memcpy(&head, spool->block.data + spool->at, sizeof head);
    *item = (struct batch_item){
        .data = spool->block.data + spool->at + sizeof head, .bytes = head.bytes, .line = head.line};
    memcpy(item->leaf, head.leaf, DIGEST_BYTES);
    span->first_event = head.first_event;
    span->events = head.events;
    span->bytes_read = head.bytes_read;
    spool->at += sizeof head + head.bytes;
    return ERR_OK;
}
