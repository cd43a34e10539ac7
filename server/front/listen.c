#include "server/front/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <grpc/grpc_security.h>

#include "common/base/log.h"

/* gRPC tells no reason, so the address is tried once more by hand to learn one. */
static void log_why_not(const struct endpoint *endpoint)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    int failed = getaddrinfo(endpoint->host, endpoint->port, &hints, &found);
    const char *detail =
        failed ? gai_strerror(failed) : "the port is taken or the address is not this host's";
    if (!failed) {
        int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int on = 1;
        if (fd >= 0) {
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            if (bind(fd, found->ai_addr, found->ai_addrlen))
                detail = strerror(errno);
            close(fd);
        }
        freeaddrinfo(found);
    }
    log_error("listen_failed", "address=%s detail=\"%s\"", endpoint->text, detail);
}

static enum err bind_host(grpc_server *server, const struct endpoint *endpoint,
                          grpc_server_credentials *credentials, char bound[ENDPOINT_TEXT])
{
    int port = grpc_server_add_http2_port(server, endpoint->text, credentials);
    if (!port) {
        log_why_not(endpoint);
        return ERR_SYSTEM;
    }
    snprintf(bound, ENDPOINT_TEXT, "%.*s:%d", (int)(endpoint->port - 1 - endpoint->text), endpoint->text,
             port);
    return ERR_OK;
}

/* gRPC removes a socket that is there before it makes its own, also one that another server serves. */
static bool is_served(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool served = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return served;
}

static enum err bind_unix(grpc_server *server, const struct endpoint *endpoint,
                          grpc_server_credentials *credentials, char bound[ENDPOINT_TEXT])
{
    const char *detail = "no socket can be made there";
    if (is_served(endpoint->port)) {
        detail = "another server listens there";
    } else {
        mode_t mask = umask(S_IXUSR | S_IRWXG | S_IRWXO);
        int made = grpc_server_add_http2_port(server, endpoint->text, credentials);
        umask(mask);
        if (made) {
            snprintf(bound, ENDPOINT_TEXT, "%s", endpoint->text);
            return ERR_OK;
        }
    }
    log_error("listen_failed", "address=%s detail=\"%s\"", endpoint->text, detail);
    return ERR_SYSTEM;
}

enum err listen_bind(grpc_server *server, const char *text, grpc_server_credentials *credentials,
                     char bound[ENDPOINT_TEXT])
{
    struct endpoint endpoint;
    if (endpoint_parse(text, &endpoint)) {
        log_error(
            "listen_failed",
            "address=%s detail=\"HOST:PORT is expected, as 0.0.0.0:50051 or [::]:50051, or unix:PATH with "
            "a path of at most 107 bytes\"",
            text);
        return ERR_INPUT;
    }
    return endpoint.host[0] ? bind_host(server, &endpoint, credentials, bound)
                            : bind_unix(server, &endpoint, credentials, bound);
}
