/* What the server and its workers run with, for ServerService. Any thread. */
#ifndef EPCISD_SERVER_SERVER_CONFIG_H
#define EPCISD_SERVER_SERVER_CONFIG_H

#include "common/base/config.h"
#include "epcis/v1/server_service.pb-c.h"

struct dispatcher;

/* Where it stands. */
struct server_config {
    struct config own;
    struct dispatcher *dispatcher; /* which hears of workers */
};

/* Built in the arena. ERR_LIMIT: its budget. */
enum err server_config_get(const struct server_config *config, struct arena *arena,
                           Epcis__V1__GetConfigResponse **out);

#endif
