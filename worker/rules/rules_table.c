#include "worker/rules/rules_table.h"

#include <string.h>

#include "worker/rules/check.h"

const char rules_pack[] = "2026.3";

#define OFF    RULES_OFF
#define WARN   RULES_WARN
#define REJECT RULES_REJECT

enum { STATEFUL = 1, FIXED = 2 };
#define RULE(code, source, epcis, dscsa, strict, kind, check, meaning, remedy)                               \
    {                                                                                                        \
        code, source, {epcis, dscsa, strict}, ((kind)&STATEFUL) != 0, ((kind)&FIXED) != 0, check, meaning,   \
            remedy                                                                                           \
    }

/* Sources: GS is the GS1 General Specifications, TDS the EPC Tag Data Standard, EP the EPCIS 1.2 and 2.0
 * standards, CBV the Core Business Vocabulary, IG the GS1 US implementation guideline for DSCSA R1.2 and
 * R1.3, FD sections 581 and 582 of the FD&C Act. One look may find several rules broken: its function stands
 * at the first of them, and the others name none.
 */
const struct rules_entry rules_table[RULES] = {
    [RULE_SCHEMA_INVALID] = RULE(
        "SCHEMA_INVALID", "EP", REJECT, REJECT, REJECT, FIXED, check_schema,
        "A document is well-formed, in UTF-8, EPCIS 1.2 or 2.0, without a DTD, and within the size caps.",
        "Validate the document against the EPCIS schema before sending it, and send it again."),
    [RULE_POISON_EVENT] =
        RULE("POISON_EVENT", "", REJECT, REJECT, REJECT, STATEFUL | FIXED, NULL,
             "An event can be judged: one that ends every worker that tries, or is too large for each, is "
             "set aside.",
             "Nothing that the partner could mend: tell whoever runs epcisd, and resubmit the event once the "
             "program that fails on it was mended."),
    [RULE_PARTNER_INACTIVE] =
        RULE("PARTNER_INACTIVE", "FD", REJECT, REJECT, REJECT, STATEFUL, NULL,
             "A trading partner that was deactivated sends nothing more.",
             "Ask the receiver to activate the trading partner again, then send the document again."),
    [RULE_PARTNER_UNKNOWN] =
        RULE("PARTNER_UNKNOWN", "FD", OFF, WARN, REJECT, STATEFUL, NULL,
             "A document comes from a registered, active trading partner.",
             "Give the receiver the GLN that stands as sender, so that it can be registered."),
    [RULE_PARTNER_MISMATCH] = RULE(
        "PARTNER_MISMATCH", "", WARN, REJECT, REJECT, 0, check_sender,
        "The sender in the document's header is the partner who hands the document in, where that is proved.",
        "State the GLN of the partner who sends as Sender of the Standard Business Document Header."),
    [RULE_SBDH_MISSING] =
        RULE("SBDH_MISSING", "IG", OFF, WARN, REJECT, 0, check_header,
             "An EPCIS 1.2 XML document has a Standard Business Document Header with Sender, Receiver, "
             "InstanceIdentifier, Type and CreationDateAndTime.",
             "Add the header, or the parts of it that are missing, inside EPCISHeader."),
    [RULE_SBDH_INVALID] = RULE(
        "SBDH_INVALID", "IG", OFF, WARN, REJECT, 0, NULL,
        "The header's Sender and Receiver are GLNs, its Type is Events, its CreationDateAndTime a real time.",
        "Correct the part of the Standard Business Document Header that the message names."),
    [RULE_TIME_INVALID] =
        RULE("TIME_INVALID", "EP", REJECT, REJECT, REJECT, FIXED, check_time,
             "eventTime is present and real; eventTimeZoneOffset is +hh:mm or -hh:mm, at most 14:00.",
             "State eventTime with its offset and eventTimeZoneOffset as the standard spells them."),
    [RULE_FUTURE_EVENT] =
        RULE("FUTURE_EVENT", "", WARN, REJECT, REJECT, 0, check_age,
             "eventTime is at most 5 minutes ahead of the document's receipt.",
             "Set the capturing system's clock and time zone right, and send the event with its true time."),
    [RULE_STALE_EVENT] =
        RULE("STALE_EVENT", "", OFF, WARN, WARN, 0, NULL,
             "eventTime is less than 365 days before the document's receipt.",
             "Send events when they happen; if this one is late on purpose, there is nothing to do."),
    [RULE_ACTION_INVALID] = RULE("ACTION_INVALID", "EP", REJECT, REJECT, REJECT, 0, check_action,
                                 "action is ADD, OBSERVE or DELETE; a TransformationEvent has none.",
                                 "State the action that the event's kind calls for, in capitals."),
    [RULE_AGG_PARENT] = RULE("AGG_PARENT", "EP", REJECT, REJECT, REJECT, 0, check_aggregation,
                             "An aggregation's ADD and DELETE name the container in parentID.",
                             "Add parentID, the SSCC or SGTIN of the container."),
    [RULE_AGG_CHILD] = RULE("AGG_CHILD", "EP", REJECT, REJECT, REJECT, 0, NULL,
                            "An aggregation's ADD names what goes into the container.",
                            "Add childEPCs, or childQuantityList where the content has no serial numbers."),
    [RULE_GTIN_CHECK] =
        RULE("GTIN_CHECK", "GS", REJECT, REJECT, REJECT, 0, check_epcs,
             "A GTIN spelled with its check digit has 14 digits and the right check digit.",
             "Correct the GTIN in the Digital Link; its last digit is computed from the others."),
    [RULE_SGTIN_FORMAT] =
        RULE("SGTIN_FORMAT", "TDS", REJECT, REJECT, REJECT, 0, check_classes,
             "An SGTIN URN has a company prefix of 6 to 12 digits, and 13 digits with indicator and item.",
             "Correct where the company prefix ends, and keep the leading zeros of the item reference."),
    [RULE_SERIAL_FORMAT] = RULE(
        "SERIAL_FORMAT", "GS TDS", REJECT, REJECT, REJECT, 0, NULL,
        "A serial number has 1 to 20 characters of GS1 character set 82; leading zeros count.",
        "Send the serial number exactly as the barcode's AI (21) holds it, percent-encoded where needed."),
    [RULE_SSCC_FORMAT] =
        RULE("SSCC_FORMAT", "GS TDS", REJECT, REJECT, REJECT, 0, NULL,
             "An SSCC has 18 digits and the right check digit; the parts of its URN make 17.",
             "Correct the SSCC; in a URN the check digit is left out."),
    [RULE_EPC_UNSUPPORTED] =
        RULE("EPC_UNSUPPORTED", "IG", OFF, WARN, REJECT, 0, NULL, "Traced items are SGTINs and SSCCs.",
             "Identify items by SGTIN and containers by SSCC."),
    [RULE_SERIAL_REPEATED] =
        RULE("SERIAL_REPEATED", "", WARN, REJECT, REJECT, 0, check_repetition,
             "No EPC stands twice in one event; what goes into a transformation may come out of it.",
             "Name each EPC once."),
    [RULE_LOT_FORMAT] = RULE("LOT_FORMAT", "GS", REJECT, REJECT, REJECT, 0, check_lot,
                             "A lot number has 1 to 20 characters of GS1 character set 82.",
                             "Send the lot number exactly as the barcode's AI (10) holds it."),
    [RULE_EXPIRY_FORMAT] = RULE("EXPIRY_FORMAT", "GS IG", REJECT, REJECT, REJECT, 0, check_expiry,
                                "An expiry date is a real date; in AI (17) day 00 is the month's last day.",
                                "State itemExpirationDate as YYYY-MM-DD."),
    [RULE_LOT_EXPIRY_MISSING] = RULE("LOT_EXPIRY_MISSING", "IG", OFF, REJECT, REJECT, 0, check_lot_expiry,
                                     "Commissioning an SGTIN states its lotNumber and itemExpirationDate.",
                                     "Add both to the event's ilmd, in the namespace urn:epcglobal:cbv:mda."),
    [RULE_ILMD_FORBIDDEN] = RULE("ILMD_FORBIDDEN", "EP", WARN, REJECT, REJECT, 0, check_ilmd,
                                 "Only an ObjectEvent ADD and a TransformationEvent carry ilmd.",
                                 "Leave ilmd out, or send it with the event that commissions the items."),
    [RULE_GLN_FORMAT] = RULE(
        "GLN_FORMAT", "GS TDS", REJECT, REJECT, REJECT, 0, check_places,
        "A GLN has 13 digits and the right check digit, the parts of its URN make 12, an extension has 1 to "
        "20 characters.",
        "Correct the GLN; in a URN the check digit is left out."),
    [RULE_BT_GLN] = RULE("BT_GLN", "CBV", OFF, WARN, WARN, 0, check_transaction_glns,
                         "The GLN inside a urn:epcglobal:cbv:bt: identifier has the right check digit.",
                         "Write the GLN there with all 13 digits, the check digit being the last."),
    [RULE_CBV_UNKNOWN] = RULE(
        "CBV_UNKNOWN", "CBV",
        WARN, WARN, REJECT, 0, check_words,
        "bizStep, disposition, transaction and party types are words of the CBV, or a full URI of one's own.",
        "Use the word of the CBV's list, spelled as there, or a URI of your own domain."),
    [RULE_SENSOR_TIME] =
        RULE("SENSOR_TIME", "EP", WARN, WARN, REJECT, 0, check_sensors,
             "Times of sensor data have an offset and do not follow the event.",
             "State each sensor time with its offset, and send the event with the time of its last reading."),
    [RULE_COMMISSION_FIELDS] =
        RULE("COMMISSION_FIELDS", "IG", OFF, WARN, REJECT, 0, check_commissioning_fields,
             "Commissioning is ADD, active, with readPoint and bizLocation.",
             "Add or correct the field that the message names."),
    [RULE_SHIP_FIELDS] = RULE("SHIP_FIELDS", "IG", OFF, WARN, REJECT, 0, check_shipping_fields,
                              "Shipping is OBSERVE, in_transit, with readPoint and without bizLocation.",
                              "Add, correct or leave out the field that the message names."),
    [RULE_PARTY_MISSING] =
        RULE("PARTY_MISSING", "IG", OFF, WARN, REJECT, 0, check_parties,
             "Shipping names owning_party and location, of the source and of the destination.",
             "Add the missing entry to sourceList or destinationList, with the party's GLN."),
    [RULE_BT_MISSING] = RULE(
        "BT_MISSING", "IG", OFF, WARN, REJECT, 0, check_transactions,
        "Shipping names the purchase order with the buyer's GLN and the despatch advice with the seller's.",
        "Add po and desadv to bizTransactionList, as urn:epcglobal:cbv:bt:GLN:NUMBER."),
    [RULE_TS_MISSING] = RULE(
        "TS_MISSING", "FD IG", OFF, WARN, REJECT, 0, check_statement,
        "Shipping carries the transaction statement: affirmTransactionStatement true and legalNotice.",
        "Add gs1ushc:dscsaTransactionStatement to the event, or to the document's header for all of them."),
    [RULE_R13_MISSING] = RULE(
        "R13_MISSING", "IG", OFF, OFF, WARN, 0, check_r13,
        "Under R1.3 of the guideline shipping states dropShipment, and the guideline's version stands with "
        "it.",
        "Add gs1ushc:dropShipment and gs1ushc:guidelineVersion."),
    [RULE_UNKNOWN_GTIN] =
        RULE("UNKNOWN_GTIN", "", OFF, WARN, REJECT, STATEFUL, NULL,
             "A GTIN is in the document's master data or in the register.",
             "Send the product's master data with the document, or have the receiver register it."),
    [RULE_UNKNOWN_GLN] =
        RULE("UNKNOWN_GLN", "", OFF, WARN, REJECT, STATEFUL, NULL,
             "A GLN is in the document's master data or in the register.",
             "Send the party's master data with the document, or have the receiver register it."),
    [RULE_NDC_MISMATCH] = RULE("NDC_MISMATCH", "IG", OFF, WARN, REJECT, STATEFUL, NULL,
                               "A GTIN that begins with 03 holds the NDC that its master data states.",
                               "Correct the NDC in the master data, or the GTIN."),
    [RULE_TI_INCOMPLETE] =
        RULE("TI_INCOMPLETE", "FD IG", OFF, WARN, REJECT, STATEFUL, NULL,
             "For what is shipped, master data tells the product (NDC, name, strength, form, net content, "
             "manufacturer) and name and address of both owners.",
             "Add the attributes that the message names to the document's master data."),
    [RULE_KEY_CONFLICT] = RULE(
        "KEY_CONFLICT", "", REJECT, REJECT, REJECT, STATEFUL | FIXED, NULL,
        "An item has one event of a kind, business step, action and time from one partner.",
        "If the first event was wrong, send an errorDeclaration for it, then this one with its true time."),
    [RULE_EVENTID_CONFLICT] = RULE("EVENTID_CONFLICT", "EP", REJECT, REJECT, REJECT, STATEFUL | FIXED, NULL,
                                   "An eventID has one content; the same content again is a duplicate.",
                                   "Give every event an eventID of its own."),
    [RULE_SERIAL_REUSED] =
        RULE("SERIAL_REUSED", "TDS FD", OFF, REJECT, REJECT, STATEFUL, NULL,
             "A GTIN and serial is commissioned once.",
             "Find out which of the two events is wrong, and serialize the other item anew."),
    [RULE_MIXED_EXPIRY] =
        RULE("MIXED_EXPIRY", "", OFF, REJECT, REJECT, STATEFUL, NULL, "A GTIN and lot has one expiry date.",
             "Correct the lot number or the expiry date."),
    [RULE_NOT_COMMISSIONED] =
        RULE("NOT_COMMISSIONED", "IG", OFF, WARN, REJECT, STATEFUL, NULL,
             "An item is known before it is packed or shipped.",
             "Send the events that commissioned the item, or those by which it was received."),
    [RULE_NOT_COMMISSIONED_HERE] =
        RULE("NOT_COMMISSIONED", "IG", OFF, REJECT, REJECT, STATEFUL, NULL,
             "A document that commissions items does so before it packs or ships them.",
             "Put the commissioning event before the events that use the item, or correct its EPC."),
    [RULE_MULTI_PARENT] = RULE(
        "MULTI_PARENT", "IG", OFF, REJECT, REJECT, STATEFUL, NULL, "An item is in one container at a time.",
        "Send the DELETE that takes the item out of its first container before it goes into another."),
    [RULE_AGG_CYCLE] =
        RULE("AGG_CYCLE", "IG", OFF, REJECT, REJECT, STATEFUL, NULL,
             "No container is inside itself, by whatever number of steps.", "Correct parentID or childEPCs."),
    [RULE_DISAGG_UNKNOWN] =
        RULE("DISAGG_UNKNOWN", "", OFF, WARN, REJECT, STATEFUL, NULL,
             "A DELETE takes out of a container what is in it; without children it takes out all.",
             "Send the aggregation that is missing, or correct parentID or childEPCs."),
    [RULE_PACK_INVERSION] = RULE("PACK_INVERSION", "", OFF, WARN, REJECT, STATEFUL, NULL,
                                 "A case is filled before it is packed into its own container.",
                                 "Send aggregations from the inside out."),
    [RULE_TI_UNRESOLVED] =
        RULE("TI_UNRESOLVED", "FD", OFF, WARN, REJECT, STATEFUL, NULL,
             "A shipped SSCC expands to SGTINs with lot and expiry date.",
             "Send the commissioning and aggregation events of all that is in the container."),
    [RULE_EXPIRED_SHIPPED] = RULE("EXPIRED_SHIPPED", "FD", OFF, REJECT, REJECT, STATEFUL, NULL,
                                  "Nothing is shipped after its expiry date.",
                                  "Take the item back, or correct the event's time if that was wrong."),
    [RULE_DECOMM_SHIPPED] =
        RULE("DECOMM_SHIPPED", "FD", OFF, REJECT, REJECT, STATEFUL, NULL,
             "Nothing is shipped after it was decommissioned or destroyed.",
             "Take the item out of the shipment, or send an errorDeclaration for the decommissioning."),
    [RULE_RETURN_UNLINKED] =
        RULE("RETURN_UNLINKED", "FD", OFF, WARN, WARN, STATEFUL, NULL, "A returned item was shipped before.",
             "Send the shipping event to which the return belongs."),
    [RULE_ERRDECL_ORPHAN] =
        RULE("ERRDECL_ORPHAN", "EP", WARN, WARN, WARN, STATEFUL, NULL,
             "An errorDeclaration declares an event that is here.",
             "Send the event that it declares, or correct its content so that both are the same."),
};

const struct rules_entry *rules_table_find(const char *code)
{
    for (int i = 0; i < RULES; i++)
        if (strcmp(rules_table[i].code, code) == 0)
            return &rules_table[i];
    return NULL;
}

/* ---- names ---- */

static const char *const profile_names[RULES_PROFILES] = {"epcis", "dscsa", "strict"};
static const char *const severity_names[] = {"off", "warn", "reject"};

const char *rules_profile_name(enum rules_profile profile)
{
    return profile_names[profile];
}

const char *rules_severity_name(enum rules_severity severity)
{
    return severity_names[severity];
}

static enum err find_name(const char *const *names, int count, const char *name, int *out)
{
    for (*out = 0; *out < count; (*out)++)
        if (strcmp(names[*out], name) == 0)
            return ERR_OK;
    return ERR_NOT_FOUND;
}

enum err rules_profile_of(const char *name, enum rules_profile *out)
{
    int at;
    enum err err = find_name(profile_names, RULES_PROFILES, name, &at);
    *out = err ? RULES_DSCSA : (enum rules_profile)at;
    return err;
}

enum err rules_severity_of(const char *name, enum rules_severity *out)
{
    int at;
    enum err err = find_name(severity_names, RULES_REJECT + 1, name, &at);
    *out = err ? RULES_REJECT : (enum rules_severity)at;
    return err;
}

/* ---- severities ---- */

void rules_severities_init(struct rules_severities *severities, enum rules_profile profile)
{
    for (int i = 0; i < RULES; i++)
        severities->of[i] = rules_table[i].severity[profile];
}

enum err rules_severities_set(struct rules_severities *severities, const char *code,
                              enum rules_severity severity)
{
    enum err err = ERR_NOT_FOUND;
    for (int i = 0; i < RULES; i++) {
        if (strcmp(rules_table[i].code, code) != 0)
            continue;
        if (rules_table[i].fixed && severity != RULES_REJECT)
            return ERR_INPUT;
        severities->of[i] = (uint8_t)severity;
        err = ERR_OK;
    }
    return err;
}

enum err rules_severities_override(struct rules_severities *severities, const char *text)
{
    enum { CODE_MAX = 64 };
    char code[CODE_MAX];
    enum rules_severity severity;
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    if (!equals || length >= CODE_MAX || rules_severity_of(equals + 1, &severity))
        return ERR_INPUT;
    memcpy(code, text, length);
    code[length] = '\0';
    return rules_severities_set(severities, code, severity);
}
