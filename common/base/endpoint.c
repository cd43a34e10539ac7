#include "common/base/endpoint.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char unix_prefix[] = "unix:";

static enum err parse_unix(const char *text, struct endpoint *out)
{
    size_t length = strlen(text) - strlen(unix_prefix);
    out->host[0] = '\0';
    out->port = text + strlen(unix_prefix);
    return length > 0 && length < sizeof((struct sockaddr_un *)0)->sun_path ? ERR_OK : ERR_INPUT;
}

static enum err parse_host(const char *text, struct endpoint *out)
{
    const char *colon = strrchr(text, ':'), *host = text;
    char *end;
    if (!colon || colon == text || colon - text >= ENDPOINT_HOST || !colon[1])
        return ERR_INPUT;
    if (strspn(colon + 1, "0123456789") != strlen(colon + 1) || strtoul(colon + 1, &end, 10) > 65535)
        return ERR_INPUT;
    size_t length = (size_t)(colon - host);
    if (host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    } else if (memchr(host, ':', length)) {
        return ERR_INPUT;
    }
    memcpy(out->host, host, length);
    out->host[length] = '\0';
    out->port = colon + 1;
    return length > 0 ? ERR_OK : ERR_INPUT;
}

enum err endpoint_parse(const char *text, struct endpoint *out)
{
    out->text = text;
    return strncmp(text, unix_prefix, strlen(unix_prefix)) == 0 ? parse_unix(text, out)
                                                                : parse_host(text, out);
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    const struct in6_addr *ipv6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (address->sa_family != AF_INET6)
        return false;
    return IN6_IS_ADDR_LOOPBACK(ipv6) || (IN6_IS_ADDR_V4MAPPED(ipv6) && ipv6->s6_addr[12] == IN_LOOPBACKNET);
}

bool endpoint_is_local(const struct endpoint *endpoint)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    if (!endpoint->host[0])
        return true;
    if (getaddrinfo(endpoint->host, endpoint->port, &hints, &found))
        return false;
    bool local = found != NULL;
    for (const struct addrinfo *each = found; each; each = each->ai_next)
        local &= is_loopback(each->ai_addr);
    freeaddrinfo(found);
    return local;
}
