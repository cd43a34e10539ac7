/* What each caller has under way, so that none takes all there is. It gets more only where it then has no
 * more than was free: one alone has half of all at most, the next half of the rest, and something is left for
 * whoever comes then. A caller is an identity, or where none is proved a connection. The loop's thread only.
 */
#ifndef EPCISD_FRONT_SHARE_H
#define EPCISD_FRONT_SHARE_H

#include <stdbool.h>
#include <stdint.h>

enum { SHARE_ROOMS = 3, SHARE_KEY = 112, SHARE_BUCKETS = 256 };

/* What there is only so much of. */
enum share_kind {
    SHARE_CALLS,                           /* under way, refused ones not counted */
    SHARE_STREAMS,                         /* of these, calls that send several messages */
    SHARE_PUBLIC_STREAMS,                  /* of these, calls of methods that anybody may call */
    SHARE_ROOM,                            /* bytes, from here on one for each kind of room */
    SHARE_LINE = SHARE_ROOM + SHARE_ROOMS, /* places in the line before each, likewise */
    SHARE_KINDS = SHARE_LINE + SHARE_ROOMS,
};

/* One caller's. */
struct share {
    struct share *next;
    uint32_t users; /* calls that have it */
    uint64_t held[SHARE_KINDS];
    char key[SHARE_KEY];
};

struct shares {
    uint64_t held[SHARE_KINDS]; /* by all */
    struct share *buckets[SHARE_BUCKETS];
};

/* The caller's share, until it is dropped as often as it was found. NULL without memory. */
struct share *share_find(struct shares *shares, const char *key);
void share_drop(struct shares *shares, struct share **share);

/* Takes so much of what there is `limit` of. False: it is not there, or would be more than the caller's
 * share. */
bool share_take(struct shares *shares, struct share *share, int kind, uint64_t amount, uint64_t limit);
void share_give(struct shares *shares, struct share *share, int kind, uint64_t amount);

#endif
