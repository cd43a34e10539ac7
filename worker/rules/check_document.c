/* The document that an event came in: its header, and who sent it. */
#include <string.h>

#include "common/epcis/event_text.h"
#include "worker/rules/check.h"

void check_sender(const struct check *check)
{
    const Epcis__Wire__V1__DocumentFacts *document = check->context->document;
    const char *caller = check->context->caller;
    if (!document || !caller || !*document->sender_gln || strcmp(document->sender_gln, caller) == 0)
        return;
    check_add(check, RULE_PARTNER_MISMATCH, "EPCISHeader.Sender", document->sender,
              "is not the partner who sent the document: right is the GLN %s", caller);
}

static void check_present(const struct check *check, const char *field, const char *value)
{
    if (!*value)
        check_add(check, RULE_SBDH_MISSING, field, "",
                  "is missing: the Standard Business Document Header names it");
}

static void check_gln(const struct check *check, const char *field, const char *value, const char *gln)
{
    check_present(check, field, value);
    if (*value && !*gln)
        check_add(check, RULE_SBDH_INVALID, field, value,
                  "is no GLN: right is an SGLN URN, a Digital Link or 13 digits, the last the check digit");
}

void check_header(const struct check *check)
{
    const Epcis__Wire__V1__DocumentFacts *document = check->context->document;
    if (!document || document->format != EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_XML_1 ||
        document->kind != EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_DOCUMENT)
        return;
    if (!document->has_header) {
        check_add(check, RULE_SBDH_MISSING, "EPCISHeader.StandardBusinessDocumentHeader", "",
                  "is missing: a document of EPCIS 1.2 tells by it who sends what to whom");
        return;
    }
    check_gln(check, "EPCISHeader.Sender", document->sender, document->sender_gln);
    check_gln(check, "EPCISHeader.Receiver", document->receiver, document->receiver_gln);
    check_present(check, "EPCISHeader.InstanceIdentifier", document->instance_identifier);
    check_present(check, "EPCISHeader.Type", document->type);
    if (*document->type && strcmp(document->type, "Events") != 0)
        check_add(check, RULE_SBDH_INVALID, "EPCISHeader.Type", document->type,
                  "is another type: right is Events");
    const char *created = document->creation_date_and_time;
    Epcis__V1__Time time;
    check_present(check, "EPCISHeader.CreationDateAndTime", created);
    if (*created && event_time_parse(created, &time))
        check_add(check, RULE_SBDH_INVALID, "EPCISHeader.CreationDateAndTime", created,
                  "is no time: right is a real date and time, such as 2025-01-06T08:03:45Z");
}
