#include "common/epcis/inflate.h"

#include <stdlib.h>

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { OUT_BYTES = 64 * 1024, GZIP_WINDOW = 15 + 16, ZSTD_WINDOW_LOG_MAX = 27 };

struct inflate {
    enum inflate_format format;
    uint64_t left_bytes;
    bool ended;
    z_stream gzip;
    bool gzip_open;
    ZSTD_DStream *zstd;
    uint8_t out[OUT_BYTES];
};

enum inflate_format inflate_format_of(uint8_t first)
{
    return first == 0x1f ? INFLATE_GZIP : first == 0x28 ? INFLATE_ZSTD : INFLATE_NONE;
}

enum err inflate_open(enum inflate_format format, uint64_t max_bytes, struct inflate **out)
{
    struct inflate *inflate = calloc(1, sizeof *inflate);
    if (!inflate)
        return ERR_MEMORY;
    inflate->format = format;
    inflate->left_bytes = max_bytes;
    if (format == INFLATE_GZIP) {
        inflate->gzip_open = inflateInit2(&inflate->gzip, GZIP_WINDOW) == Z_OK;
    } else {
        inflate->zstd = ZSTD_createDStream();
        if (inflate->zstd)
            ZSTD_DCtx_setParameter(inflate->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    }
    if (!inflate->gzip_open && !inflate->zstd) {
        inflate_close(&inflate);
        return ERR_MEMORY;
    }
    *out = inflate;
    return ERR_OK;
}

static enum err give(struct inflate *inflate, size_t bytes, inflate_sink_fn *sink, void *context)
{
    if (bytes > inflate->left_bytes)
        return ERR_LIMIT;
    inflate->left_bytes -= bytes;
    return bytes ? sink(context, inflate->out, bytes) : ERR_OK;
}

/* One step: consumes from *data, gives what came out. *stuck: nothing more comes out of what is there. */
static enum err gzip_step(struct inflate *self, const uint8_t **data, size_t *bytes, bool *stuck,
                          inflate_sink_fn *sink, void *context)
{
    if (self->ended) { /* RFC 1952 section 2.2: members may follow one another */
        if (inflateReset(&self->gzip) != Z_OK)
            return ERR_INPUT;
        self->ended = false;
    }
    self->gzip.next_in = (uint8_t *)(uintptr_t)*data;
    self->gzip.avail_in = (uInt)*bytes;
    self->gzip.next_out = self->out;
    self->gzip.avail_out = OUT_BYTES;
    int code = inflate(&self->gzip, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return code == Z_MEM_ERROR ? ERR_MEMORY : ERR_INPUT;
    self->ended = code == Z_STREAM_END;
    *data += *bytes - self->gzip.avail_in;
    *bytes = self->gzip.avail_in;
    *stuck = *bytes == 0 && (self->ended || self->gzip.avail_out > 0);
    return give(self, OUT_BYTES - self->gzip.avail_out, sink, context);
}

static enum err zstd_step(struct inflate *self, const uint8_t **data, size_t *bytes, bool *stuck,
                          inflate_sink_fn *sink, void *context)
{
    ZSTD_inBuffer in = {*data, *bytes, 0};
    ZSTD_outBuffer out = {self->out, OUT_BYTES, 0};
    size_t code = ZSTD_decompressStream(self->zstd, &out, &in);
    if (ZSTD_isError(code))
        return ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation ? ERR_MEMORY : ERR_INPUT;
    self->ended = code == 0;
    *data += in.pos;
    *bytes -= in.pos;
    *stuck = *bytes == 0 && (self->ended || out.pos < out.size);
    return give(self, out.pos, sink, context);
}

enum err inflate_feed(struct inflate *inflate, const void *data, size_t bytes, inflate_sink_fn *sink,
                      void *context)
{
    const uint8_t *next = data;
    bool stuck = bytes == 0;
    enum err err = ERR_OK;
    while (!err && !stuck)
        err = inflate->format == INFLATE_GZIP ? gzip_step(inflate, &next, &bytes, &stuck, sink, context)
                                              : zstd_step(inflate, &next, &bytes, &stuck, sink, context);
    return err;
}

bool inflate_ended(const struct inflate *inflate)
{
    return inflate->ended;
}

void inflate_close(struct inflate **inflate)
{
    struct inflate *self = *inflate;
    if (!self)
        return;
    if (self->gzip_open)
        inflateEnd(&self->gzip);
    ZSTD_freeDStream(self->zstd);
    free(self);
    *inflate = NULL;
}
