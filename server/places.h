/* Where a server's data and sockets are. Main thread, at the start. */
#ifndef EPCISD_SERVER_PLACES_H
#define EPCISD_SERVER_PLACES_H

#include <limits.h>
#include <stdbool.h>

#include "common/base/err.h"
#include "common/wire/curve_key.h"
#include "common/wire/wire.h"

enum { PLACE_BYTES = PATH_MAX + 16 };

struct places {
    char data[PATH_MAX]; /* --data-dir, without symbolic links; all that follow are in it */
    char journal[PLACE_BYTES], store[PLACE_BYTES], store_url[PLACE_BYTES];
    char keys[PLACE_BYTES];                                     /* the server's own */
    char curve_key[PLACE_BYTES];                                /* what workers on other hosts know it by */
    char workers[PLACE_BYTES];                                  /* their keys */
    char rejudge[PLACE_BYTES];                                  /* scratch */
    char work_endpoint[PLACE_BYTES], ack_endpoint[PLACE_BYTES]; /* as given, or sockets */
    /* Sockets for workers of this host, where the endpoints above need keys; "": there are none. */
    char local_work_endpoint[PLACE_BYTES], local_ack_endpoint[PLACE_BYTES];
    bool curve; /* other machines reach the endpoints: they need keys */
};

/* Makes the data folder where it is missing, and names all that is in it. `work` and `ack` are endpoints, or
 * NULL: sockets. `plain`: endpoints that other machines reach have no keys all the same, which is logged.
 * `local_workers`: some will be started here. ERR_DISK, ERR_INPUT, ERR_EXISTS (a backup is being put back);
 * all logged. */
enum err places_init(struct places *places, const char *data_dir, const char *work, const char *ack,
                     bool plain, bool local_workers);

/* What the server binds there. Its own key, which workers on other hosts need, is made where it is missing.
 * `key` and `places` outlive `out`. ERR_DISK, ERR_INPUT, ERR_SYSTEM; logged. */
enum err places_wire(const struct places *places, struct curve_key *key, struct wire_server *out);

#endif
