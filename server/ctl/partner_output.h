/* What `epcisctl partners` prints: JSON for programs, whose shape scripts rely on, and text for people. */
#ifndef EPCISD_CTL_PARTNER_OUTPUT_H
#define EPCISD_CTL_PARTNER_OUTPUT_H

#include "common/base/buffer.h"
#include "epcis/v1/partner_service.pb-c.h"

/* "default" (the worker's), "epcis", "dscsa", "strict" */
const char *partner_profile_name(Epcis__V1__RuleProfile profile);

/* "default" (the profile's), "off", "warn", "reject" */
const char *partner_severity_name(Epcis__V1__RuleSeverity severity);

/* One JSON object and a line end; with `changes` (NULL: without) it has them as a member. */
void partner_output_json(struct buffer *out, const Epcis__V1__TradingPartner *partner,
                         const Epcis__V1__GetPartnerResponse *changes);

/* Rows of a table. */
void partner_output_heading(struct buffer *out);
void partner_output_row(struct buffer *out, const Epcis__V1__TradingPartner *partner);

/* One record at length, and its changes unless they are NULL. */
void partner_output_text(struct buffer *out, const Epcis__V1__TradingPartner *partner,
                         const Epcis__V1__GetPartnerResponse *changes);

#endif
