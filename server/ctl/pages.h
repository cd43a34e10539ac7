/* A list that a service answers page by page. One thread at a time. */
#ifndef EPCISD_CTL_PAGES_H
#define EPCISD_CTL_PAGES_H

#include "server/ctl/client.h"
#include "server/ctl/ctl.h"

struct pages {
    const struct ctl_common *common;
    struct client *client;
    int64_t deadline_ms; /* for all pages */
    const char *what;    /* is listed, as a person is told where a call fails */
    const char *method;
    const ProtobufCMessage *request;
    char **token;                           /* its page_token */
    const ProtobufCMessageDescriptor *type; /* of the answer, with a next_page_token */
    int code;                               /* CTL_OK at first; any other ends it */
    bool enough;                            /* true ends it, too */
    ProtobufCMessage *page;                 /* that was given last; NULL: none yet */
};

/* *out is the next page, until the next call. False: that was all, or `code` says that something failed,
 * which is told. Who begins goes on until then. */
bool pages_next(struct pages *pages, void *out);

#endif
