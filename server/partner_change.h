/* Makes and changes records of trading partners: checks them, hands them to the journal, and waits until they
 * are on disk. Any thread that may wait for the disk.
 *
 * All: ERR_INPUT, ERR_NOT_FOUND, ERR_EXISTS (a GLN is another partner's), ERR_VERSION (the record was changed
 * meanwhile): `why` says what and what would be right, for the first and the last two; else it is empty.
 * ERR_DISK, ERR_STOPPED, ERR_LIMIT (the arena's budget), ERR_CORRUPT, ERR_MEMORY, ERR_SYSTEM. */
#ifndef EPCISD_SERVER_PARTNER_CHANGE_H
#define EPCISD_SERVER_PARTNER_CHANGE_H

#include <stdint.h>

#include "common/base/arena.h"
#include "server/partner_check.h"

struct journal;

/* `partner` becomes the record as it was kept; its id is in `arena`. */
enum err partner_create(struct journal *journal, Epcis__V1__TradingPartner *partner, const char *changed_by,
                        struct arena *arena, char why[PARTNER_WHY]);

/* Replaces the record of partner->partner_id, of which partner->version was read. */
enum err partner_update(struct journal *journal, Epcis__V1__TradingPartner *partner, const char *changed_by,
                        char why[PARTNER_WHY]);

/* `version` 0: whichever it is. The record as it was kept, in `arena`. */
enum err partner_deactivate(struct journal *journal, const char *partner_id, uint64_t version,
                            const char *changed_by, struct arena *arena, Epcis__V1__TradingPartner **out,
                            char why[PARTNER_WHY]);

#endif
