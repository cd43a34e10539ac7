/* epcis.v1.PartnerService over journal_partner.h and partner_change.h. */
#ifndef EPCISD_FRONT_SVC_PARTNER_H
#define EPCISD_FRONT_SVC_PARTNER_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_partner_methods[];
extern const size_t svc_partner_count;

#endif
