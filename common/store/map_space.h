/* How full an LMDB environment is. Any thread. */
#ifndef EPCISD_STORE_MAP_SPACE_H
#define EPCISD_STORE_MAP_SPACE_H

#include <stdint.h>

#include <lmdb.h>

#include "common/base/err.h"

struct map_space {
    uint64_t used_bytes;
    uint64_t max_bytes; /* the map's size */
};

/* Pages that were freed count as used while the map is not nearly full: only then are they counted, which
 * takes a walk over the list of them. ERR_DISK. */
enum err map_space_look(MDB_env *env, struct map_space *out);

#endif
