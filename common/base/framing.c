#include "common/base/framing.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { HEAD_BYTES = 4 };

static bool is_gone(int code)
{
    return code == EPIPE || code == ECONNRESET;
}

static enum err send_all(int socket, const uint8_t *data, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(socket, data, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return is_gone(errno) ? ERR_STOPPED : ERR_SYSTEM;
        data += sent;
        length -= (size_t)sent;
    }
    return ERR_OK;
}

static enum err receive_all(int socket, uint8_t *data, size_t length)
{
    while (length > 0) {
        ssize_t received = recv(socket, data, length, 0);
        if (received < 0 && errno == EINTR)
            continue;
        if (received <= 0)
            return received == 0 || is_gone(errno) ? ERR_STOPPED : ERR_SYSTEM;
        data += received;
        length -= (size_t)received;
    }
    return ERR_OK;
}

enum err framing_send(int socket, const void *data, size_t length)
{
    if (length > UINT32_MAX)
        return ERR_LIMIT;
    const uint8_t head[HEAD_BYTES] = {(uint8_t)(length >> 24), (uint8_t)(length >> 16),
                                      (uint8_t)(length >> 8), (uint8_t)length};
    enum err err = send_all(socket, head, sizeof head);
    return err ? err : send_all(socket, data, length);
}

enum err framing_receive(int socket, size_t most, struct buffer *out)
{
    uint8_t head[HEAD_BYTES];
    buffer_clear(out);
    enum err err = receive_all(socket, head, sizeof head);
    if (err)
        return err;
    size_t length = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (length > most)
        return ERR_LIMIT;
    uint8_t *end = buffer_reserve(out, length);
    if (!end && length > 0)
        return ERR_MEMORY;
    err = receive_all(socket, end, length);
    if (!err)
        out->length = length;
    return err;
}
