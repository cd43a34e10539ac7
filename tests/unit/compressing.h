/* Compresses whole documents for tests. */
#ifndef EPCISD_TEST_COMPRESSING_H
#define EPCISD_TEST_COMPRESSING_H

#include <check.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/buffer.h"

static inline struct buffer compressed_gzip(const void *data, size_t bytes)
{
    struct buffer out = {0};
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)bytes};
    ck_assert_int_eq(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    uLong bound = deflateBound(&stream, bytes);
    stream.next_out = buffer_reserve(&out, bound);
    stream.avail_out = (uInt)bound;
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.length = stream.total_out;
    deflateEnd(&stream);
    return out;
}

static inline struct buffer compressed_zstd(const void *data, size_t bytes)
{
    struct buffer out = {0};
    size_t bound = ZSTD_compressBound(bytes);
    uint8_t *room = buffer_reserve(&out, bound);
    ck_assert_ptr_nonnull(room);
    out.length = ZSTD_compress(room, bound, data, bytes, 3);
    ck_assert(!ZSTD_isError(out.length));
    return out;
}

#endif
