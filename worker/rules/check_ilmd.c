/* Instance and lot master data: lot, expiry, and where they must or must not stand. */
#include <string.h>

#include "worker/rules/check.h"

/* GS1 AI encodable character set 82 (General Specifications 7.11), plain: no escapes. */
static bool in_set82(unsigned char c)
{
    return c == '!' || c == '"' || (c >= '%' && c <= '?') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (c >= 'a' && c <= 'z');
}

void check_lot(const struct check *check)
{
    const char *lot = check->subject->lot;
    if (!lot || !*lot)
        return;
    size_t length = 0;
    while (length <= 20 && in_set82((unsigned char)lot[length]))
        length++;
    if (length > 20 || lot[length])
        check_add(check, RULE_LOT_FORMAT, "ilmd.lotNumber", lot,
                  "is no lot number: right is 1 to 20 characters of GS1 set 82");
}

void check_expiry(const struct check *check)
{
    const char *expiry = check->subject->expiry;
    if (expiry && *expiry && !check->subject->expiry_date)
        check_add(check, RULE_EXPIRY_FORMAT, "ilmd.itemExpirationDate", expiry,
                  "is no date: right is a real date as YYYY-MM-DD or YYMMDD");
}

static bool names_sgtin(const struct rules_subject *subject)
{
    for (size_t i = 0; i < subject->epc_count; i++)
        if (subject->epcs[i].list == RULES_EPC_LIST && subject->epcs[i].kind == EPC_SGTIN)
            return true;
    return false;
}

void check_lot_expiry(const struct check *check)
{
    const struct rules_subject *subject = check->subject;
    bool lot = subject->lot && *subject->lot, expiry = subject->expiry && *subject->expiry;
    if (!subject->commissions || (lot && expiry) || !names_sgtin(subject))
        return;
    if (!lot)
        check_add(check, RULE_LOT_EXPIRY_MISSING, "ilmd.lotNumber", "",
                  "is missing: commissioning an SGTIN states lotNumber and itemExpirationDate");
    if (!expiry)
        check_add(check, RULE_LOT_EXPIRY_MISSING, "ilmd.itemExpirationDate", "",
                  "is missing: commissioning an SGTIN states lotNumber and itemExpirationDate");
}

void check_ilmd(const struct check *check)
{
    const Epcis__V1__Event *event = check->event;
    if (event->n_ilmd == 0 || event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION)
        return;
    /* An action that is none has a reason of its own. */
    if (event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT &&
        (event->action == EPCIS__V1__ACTION__ACTION_ADD ||
         event->action == EPCIS__V1__ACTION__ACTION_UNSPECIFIED))
        return;
    check_add(check, RULE_ILMD_FORBIDDEN, "ilmd", "",
              "does not belong here: only ObjectEvent ADD and TransformationEvent state instance/lot master "
              "data");
}
