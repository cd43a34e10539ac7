#include "common/wire/refusals.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"

static bool is_old(const struct refusal_told *told, int64_t now_ms)
{
    return !told->reason || now_ms - told->told_ms >= REFUSALS_QUIET_MS;
}

/* The one of this peer and reason, or one that may be forgotten for it, or else the one for all others. */
static struct refusal_told *choose(struct refusals *refusals, const char *peer, const char *reason,
                                   int64_t now_ms)
{
    struct refusal_told *old = NULL;
    for (struct refusal_told *each = refusals->told; each < refusals->told + REFUSALS_REMEMBERED; each++) {
        if (each->reason && strcmp(each->reason, reason) == 0 && strcmp(each->peer, peer) == 0)
            return each;
        if (!old && is_old(each, now_ms))
            old = each;
    }
    if (!old)
        return &refusals->others;
    *old = (struct refusal_told){.reason = NULL};
    snprintf(old->peer, sizeof old->peer, "%s", peer);
    return old;
}

bool refusals_add(struct refusals *refusals, const char *peer, const char *reason, const char *key,
                  const char *detail, int64_t now_ms)
{
    struct refusal_told *told = choose(refusals, peer, reason, now_ms);
    refusals->count++;
    told->since++;
    if (!is_old(told, now_ms))
        return false;
    log_warning(
        "peer_refused", "peer=%s reason=%s key=\"%s\" times=%" PRIu64 " total=%" PRIu64 " detail=\"%s\"",
        told == &refusals->others ? "others" : peer, reason, key, told->since, refusals->count, detail);
    told->reason = reason;
    told->told_ms = now_ms;
    told->since = 0;
    return true;
}
