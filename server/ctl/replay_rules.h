/* `epcisctl replay --rules`: what today's rules would have made of history. */
#ifndef EPCISD_CTL_REPLAY_RULES_H
#define EPCISD_CTL_REPLAY_RULES_H

#include "epcis/v1/audit_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"

/* Puts the options --profile ("": none was given) and --rule into the request; `entries` has room for as many
 * as there are rules. A wrong one ends the program, as options_fail does. */
void replay_rules_read(const char *program, const char *profile, const struct option_list *rules,
                       Epcis__V1__ReplayRulesRequest__OverridesEntry *entries,
                       Epcis__V1__ReplayRulesRequest__OverridesEntry **pointers,
                       Epcis__V1__ReplayRulesRequest *request);

/* Prints each verdict that differs, then a summary. CTL_REFUSED: some do. */
int replay_rules(const struct ctl_common *common, struct client *client,
                 const Epcis__V1__ReplayRulesRequest *request);

#endif
