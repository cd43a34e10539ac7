/* What stands between the options and the connection: files, and when a token may be sent. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buffer.h"
#include "common/base/endpoint.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"

enum { FILE_MAX = 1 << 20 };

/* The file's text with a NUL behind it; left empty where there is no such option. */
static enum err read_text(const char *option, const char *path, struct buffer *out)
{
    FILE *file = path ? fopen(path, "re") : NULL;
    uint8_t *room = path ? buffer_reserve(out, FILE_MAX) : NULL;
    if (!path)
        return ERR_OK;
    if (file && room)
        out->length = fread(room, 1, FILE_MAX - 1, file);
    const char *detail = !file              ? strerror(errno)
                         : !room            ? "out of memory"
                         : ferror(file)     ? strerror(errno)
                         : !feof(file)      ? "it is too long"
                         : out->length == 0 ? "it is empty"
                                            : NULL;
    if (detail)
        fprintf(stderr, "epcisctl: --%s %s: %s\n", option, path, detail);
    else
        out->data[out->length] = '\0';
    if (file)
        fclose(file);
    return detail ? ERR_INPUT : ERR_OK;
}

/* The first line: what a header takes and no more. */
static enum err trim_token(const char *path, struct buffer *token)
{
    char *text = (char *)token->data;
    text[strcspn(text, " \t\r\n")] = '\0';
    for (const char *c = text; *c; c++)
        if (*c < '!' || *c > '~')
            *text = '\0';
    if (*text)
        return ERR_OK;
    fprintf(stderr, "epcisctl: --token-file %s: its first line is no token\n", path);
    return ERR_INPUT;
}

static void check_options(const struct ctl_common *common)
{
    struct endpoint endpoint;
    const char *wrong = NULL;
    if (!common->tls_certificate != !common->tls_key)
        wrong = "--tls-cert and --tls-key go together";
    else if (common->tls_certificate && !common->tls_ca)
        wrong = "--tls-cert needs --tls-ca";
    else if (common->token_file && !common->tls_ca &&
             (endpoint_parse(common->server, &endpoint) || !endpoint_is_local(&endpoint)))
        wrong = "a token is not sent over the network in plain text: give --tls-ca (for a certificate of a "
                "public authority /etc/ssl/certs/ca-certificates.crt)";
    if (wrong)
        options_fail("epcisctl", "%s", wrong);
}

static const char *text_of(const struct buffer *buffer)
{
    return buffer->length ? (const char *)buffer->data : NULL;
}

static void wipe(struct buffer *buffer)
{
    if (buffer->data)
        explicit_bzero(buffer->data, buffer->length);
    buffer_free(buffer);
}

enum err ctl_connect(const struct ctl_common *common, struct client **out)
{
    struct buffer ca = {0}, certificate = {0}, key = {0}, token = {0};
    *out = NULL;
    check_options(common);
    enum err err = read_text("tls-ca", common->tls_ca, &ca);
    if (!err)
        err = read_text("tls-cert", common->tls_certificate, &certificate);
    if (!err)
        err = read_text("tls-key", common->tls_key, &key);
    if (!err)
        err = read_text("token-file", common->token_file, &token);
    if (!err && common->token_file)
        err = trim_token(common->token_file, &token);
    const struct client_security security = {.ca = text_of(&ca),
                                             .certificate = text_of(&certificate),
                                             .key = text_of(&key),
                                             .token = text_of(&token)};
    if (!err) {
        err = client_open(common->server, &security, out);
        if (err)
            fprintf(stderr, "epcisctl: %s\n",
                    err == ERR_MEMORY ? "out of memory" : "the TLS files hold nothing that can be used");
    }
    wipe(&key);
    wipe(&token);
    buffer_free(&certificate);
    buffer_free(&ca);
    return err;
}
