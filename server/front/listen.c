#include "server/front/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <grpc/grpc_security.h>

#include "common/base/log.h"

static const char unix_prefix[] = "unix:";

/* ---- reading ----------------------------------------------------------------------------------------- */

static enum err parse_unix(const char *text, struct listen_address *out)
{
    size_t length = strlen(text) - strlen(unix_prefix);
    out->host[0] = '\0';
    out->port = text + strlen(unix_prefix);
    return length > 0 && length < sizeof((struct sockaddr_un *)0)->sun_path ? ERR_OK : ERR_INPUT;
}

static enum err parse_host(const char *text, struct listen_address *out)
{
    const char *colon = strrchr(text, ':');
    char *end;
    if (!colon || colon == text || colon - text >= LISTEN_HOST || !colon[1])
        return ERR_INPUT;
    if (text[0] != '[' && memchr(text, ':', (size_t)(colon - text)))
        return ERR_INPUT;
    if (strspn(colon + 1, "0123456789") != strlen(colon + 1) || strtoul(colon + 1, &end, 10) > 65535)
        return ERR_INPUT;
    memcpy(out->host, text, (size_t)(colon - text));
    out->host[colon - text] = '\0';
    out->port = colon + 1;
    return ERR_OK;
}

enum err listen_parse(const char *text, struct listen_address *out)
{
    bool is_unix = strncmp(text, unix_prefix, strlen(unix_prefix)) == 0;
    out->text = text;
    enum err err = is_unix ? parse_unix(text, out) : parse_host(text, out);
    if (err)
        log_error(
            "listen_failed",
            "address=%s detail=\"HOST:PORT is expected, as 0.0.0.0:50051 or [::]:50051, or unix:PATH with "
            "a path of at most 107 bytes\"",
            text);
    return err;
}

/* Of the host, without brackets; freed by freeaddrinfo. What getaddrinfo answers. */
static int resolve(const struct listen_address *address, struct addrinfo **out)
{
    char bare[LISTEN_HOST];
    size_t length = strlen(address->host);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    bool bracketed = address->host[0] == '[' && address->host[length - 1] == ']';
    snprintf(bare, sizeof bare, "%.*s", (int)(bracketed ? length - 2 : length), address->host + bracketed);
    *out = NULL;
    return getaddrinfo(bare, address->port, &hints, out);
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *ipv6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (address->sa_family != AF_INET6)
        return false;
    return IN6_IS_ADDR_LOOPBACK(ipv6) || (IN6_IS_ADDR_V4MAPPED(ipv6) && ipv6->s6_addr[12] == 127);
}

bool listen_is_local(const struct listen_address *address)
{
    struct addrinfo *found;
    if (!address->host[0])
        return true;
    if (resolve(address, &found))
        return false;
    bool local = found != NULL;
    for (const struct addrinfo *each = found; each; each = each->ai_next)
        local &= is_loopback(each->ai_addr);
    freeaddrinfo(found);
    return local;
}

/* ---- binding ----------------------------------------------------------------------------------------- */

/* gRPC tells no reason, so the address is tried once more by hand to learn one. */
static void log_why_not(const struct listen_address *address)
{
    struct addrinfo *found;
    int failed = resolve(address, &found);
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
    log_error("listen_failed", "address=%s detail=\"%s\"", address->text, detail);
}

static enum err bind_host(grpc_server *server, const struct listen_address *address,
                          grpc_server_credentials *credentials, char bound[LISTEN_TEXT])
{
    int port = grpc_server_add_http2_port(server, address->text, credentials);
    if (!port) {
        log_why_not(address);
        return ERR_SYSTEM;
    }
    snprintf(bound, LISTEN_TEXT, "%s:%d", address->host, port);
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

static enum err bind_unix(grpc_server *server, const struct listen_address *address,
                          grpc_server_credentials *credentials, char bound[LISTEN_TEXT])
{
    const char *detail = "no socket can be made there";
    if (is_served(address->port)) {
        detail = "another server listens there";
    } else {
        mode_t mask = umask(S_IXUSR | S_IRWXG | S_IRWXO);
        int made = grpc_server_add_http2_port(server, address->text, credentials);
        umask(mask);
        if (made) {
            snprintf(bound, LISTEN_TEXT, "%s", address->text);
            return ERR_OK;
        }
    }
    log_error("listen_failed", "address=%s detail=\"%s\"", address->text, detail);
    return ERR_SYSTEM;
}

enum err listen_bind(grpc_server *server, const struct listen_address *address,
                     grpc_server_credentials *credentials, char bound[LISTEN_TEXT])
{
    return address->host[0] ? bind_host(server, address, credentials, bound)
                            : bind_unix(server, address, credentials, bound);
}
