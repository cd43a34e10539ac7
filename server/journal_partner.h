/* The trading partners in the journal. Written by its writer (JOURNAL_PARTNER_PUT); reading is safe on any
 * thread.
 *
 * Trees: `partner` UUID -> epcis.v1.TradingPartner; `partner_gln` GLN -> UUID of the one partner that has it;
 * `partner_change` UUID, version -> epcis.v1.PartnerChange. */
#ifndef EPCISD_SERVER_JOURNAL_PARTNER_H
#define EPCISD_SERVER_JOURNAL_PARTNER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "epcis/v1/partner_service.pb-c.h"
#include "server/journal.h"

enum { JOURNAL_PARTNER_NAME = 201 };

/* A record to be made (`partner->version` is 0) or to replace the one of that id and version. Its id is a
 * UUID and its content is checked. Times, version and the entry of its history are the journal's to set; a
 * record that is the same already is left alone. Done with ERR_NOT_FOUND; ERR_VERSION: the record has another
 * version; ERR_EXISTS: one of its GLNs is another partner's. */
struct journal_partner_put {
    Epcis__V1__TradingPartner *partner;
    const char *changed_by;
    uint64_t version;          /* ERR_VERSION: the record's */
    char gln[JOURNAL_PARTNER]; /* ERR_EXISTS: the GLN, and whose it is */
    char other_id[UUID_TEXT + 1];
    char other_name[JOURNAL_PARTNER_NAME];
};

/* All of these: ERR_DISK, ERR_CORRUPT, ERR_LIMIT (the arena's budget). */

/* ERR_NOT_FOUND. */
enum err journal_partner_get(struct journal *journal, const uint8_t id[UUID_BYTES], struct arena *arena,
                             Epcis__V1__TradingPartner **out);
enum err journal_partner_by_gln(struct journal *journal, const char *gln, struct arena *arena,
                                Epcis__V1__TradingPartner **out);

/* At most `limit` records in the order of their ids, from the one after `after` (NULL: from the first), and
 * fewer where the arena's budget ends. *more: there are others behind them. */
enum err journal_partner_list(struct journal *journal, const uint8_t *after, uint32_t limit,
                              struct arena *arena, Epcis__V1__ListPartnersResponse *out, bool *more);

/* The last changes that led to `version`, at most `limit`, newest first. */
enum err journal_partner_changes(struct journal *journal, const uint8_t id[UUID_BYTES], uint64_t version,
                                 uint32_t limit, struct arena *arena, Epcis__V1__GetPartnerResponse *out);

#endif
