#include "server/partner_limits.h"

#include <inttypes.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/journal_load.h"
#include "server/journal_partner.h"

enum {
    RETRY_MS = 2000,        /* until something of the partner may be finished */
    RECORD_BYTES = 1 << 20, /* memory for one partner's record */
};

static enum err check_bytes(const char *gln, const Epcis__V1__TradingPartner *partner, uint64_t unfinished,
                            struct refusal *why)
{
    if (!partner->max_unfinished_bytes || unfinished < partner->max_unfinished_bytes)
        return ERR_OK;
    refusal_set(why, REFUSAL_PARTNER_BYTES, RETRY_MS,
                "%" PRIu64 " bytes of documents of partner %s are unfinished, of %" PRIu64
                " that its record allows (max_unfinished_bytes); try again after retry-after-ms",
                unfinished, gln, partner->max_unfinished_bytes);
    return ERR_FULL;
}

static enum err check_requests(struct quota *quota, const char *gln, const Epcis__V1__TradingPartner *partner,
                               struct refusal *why)
{
    uint8_t id[UUID_BYTES];
    uint32_t retry_ms = RETRY_MS;
    if (!partner->max_requests_per_second)
        return ERR_OK;
    enum err err = uuid_parse(partner->partner_id, id) ? ERR_CORRUPT : ERR_OK;
    if (!err)
        err = quota_take(quota, id, partner->max_requests_per_second, clock_steady_ms(), &retry_ms);
    if (err == ERR_FULL)
        refusal_set(why, REFUSAL_PARTNER_REQUESTS, retry_ms,
                    "partner %s has sent the %" PRIu32 " documents that its record allows in a second "
                    "(max_requests_per_second); try again after retry-after-ms",
                    gln, partner->max_requests_per_second);
    return err;
}

/* `partner` NULL: it has no record. */
static enum err check_all(struct journal *journal, struct pressure *pressure, struct quota *quota,
                          const char *gln, const Epcis__V1__TradingPartner *partner, struct refusal *why)
{
    char *const only[] = {(char *)gln};
    struct journal_burden burden;
    uint64_t all_documents;
    enum err err = partner ? journal_load_of(journal, partner->glns, partner->n_glns, &burden, &all_documents)
                           : journal_load_of(journal, only, 1, &burden, &all_documents);
    if (!err && pressure)
        err = pressure_admit_share(pressure, &burden, all_documents, why);
    if (!err && partner)
        err = check_bytes(gln, partner, burden.bytes, why);
    return err || !partner ? err : check_requests(quota, gln, partner, why);
}

enum err partner_limits_check(struct journal *journal, struct pressure *pressure, struct quota *quota,
                              const char *gln, uint64_t *max_bytes, struct refusal *why)
{
    struct arena arena;
    Epcis__V1__TradingPartner *partner = NULL;
    arena_init(&arena, RECORD_BYTES);
    enum err err = *gln ? journal_partner_by_gln(journal, gln, &arena, &partner) : ERR_NOT_FOUND;
    if (!err)
        *max_bytes = partner->max_document_bytes;
    if (!err || err == ERR_NOT_FOUND)
        err = check_all(journal, pressure, quota, gln, err ? NULL : partner, why);
    if (err == ERR_FULL && why->reason != REFUSAL_PARTNER_SHARE) /* of which pressure.c tells */
        log_info("document_refused", "partner=%s reason=%s retry_after_ms=%" PRIu32, gln,
                 refusal_code(why->reason), why->retry_after_ms);
    arena_free(&arena);
    return err;
}
