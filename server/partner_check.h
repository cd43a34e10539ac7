/* What a trading partner's record must look like before it is kept: the limits that partner_service.proto
 * tells. No I/O; any thread. */
#ifndef EPCISD_SERVER_PARTNER_CHECK_H
#define EPCISD_SERVER_PARTNER_CHECK_H

#include "common/base/err.h"
#include "epcis/v1/partner_service.pb-c.h"

enum { PARTNER_WHY = 256 };

/* ERR_INPUT: `why` says which field is wrong, and what would be right. Brings the overrides into the order of
 * their codes, so that equal records are equal. */
enum err partner_check(Epcis__V1__TradingPartner *partner, char why[PARTNER_WHY]);

/* The same for `changed_by`. */
enum err partner_check_changed_by(const char *changed_by, char why[PARTNER_WHY]);

#endif
