#include "server/ctl/partner_output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json_text.h"
#include "common/epcis/event_text.h"
#include "server/ctl/output.h"

/* ---- names ------------------------------------------------------------------------------------------ */

static const char *name_of(const char *const *names, size_t count, int value)
{
    return value >= 0 && (size_t)value < count ? names[value] : "unknown";
}

const char *partner_profile_name(Epcis__V1__RuleProfile profile)
{
    static const char *const names[] = {"default", "epcis", "dscsa", "strict"};
    return name_of(names, sizeof names / sizeof names[0], (int)profile);
}

const char *partner_severity_name(Epcis__V1__RuleSeverity severity)
{
    static const char *const names[] = {"default", "off", "warn", "reject"};
    return name_of(names, sizeof names / sizeof names[0], (int)severity);
}

static const char *action_name(Epcis__V1__PartnerAction action)
{
    static const char *const names[] = {"unknown", "created", "updated", "deactivated", "reactivated"};
    return name_of(names, sizeof names / sizeof names[0], (int)action);
}

static const Epcis__V1__PartnerContact *contact_of(const Epcis__V1__TradingPartner *partner)
{
    static const Epcis__V1__PartnerContact none = EPCIS__V1__PARTNER_CONTACT__INIT;
    return partner->contact ? partner->contact : &none;
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static void member(struct buffer *out, const char *before, const char *name, const char *value)
{
    buffer_printf(out, "%s\"%s\": ", before, name);
    json_append_string(out, value);
}

static void array(struct buffer *out, const char *name, char *const *texts, size_t count)
{
    buffer_printf(out, ", \"%s\": [", name);
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i ? ", " : "");
        json_append_string(out, texts[i]);
    }
    buffer_append_text(out, "]");
}

static void change_json(struct buffer *out, const Epcis__V1__PartnerChange *change)
{
    buffer_printf(out, "{\"changed_ms\": %" PRId64, change->changed_ms);
    member(out, ", ", "changed_by", change->changed_by);
    member(out, ", ", "action", action_name(change->action));
    array(out, "fields", change->fields, change->n_fields);
    buffer_printf(out, ", \"version_before\": %" PRIu64 ", \"version_after\": %" PRIu64 "}",
                  change->version_before, change->version_after);
}

void partner_output_json(struct buffer *out, const Epcis__V1__TradingPartner *partner,
                         const Epcis__V1__GetPartnerResponse *changes)
{
    const Epcis__V1__PartnerContact *contact = contact_of(partner);
    member(out, "{", "partner_id", partner->partner_id);
    member(out, ", ", "name", partner->name);
    array(out, "glns", partner->glns, partner->n_glns);
    array(out, "company_prefixes", partner->company_prefixes, partner->n_company_prefixes);
    member(out, ", ", "profile", partner_profile_name(partner->profile));
    buffer_append_text(out, ", \"overrides\": {");
    for (size_t i = 0; i < partner->n_overrides; i++)
        member(out, i ? ", " : "", partner->overrides[i]->key,
               partner_severity_name(partner->overrides[i]->value));
    buffer_append_text(out, "}, \"contact\": {");
    member(out, "", "name", contact->name);
    member(out, ", ", "email", contact->email);
    member(out, ", ", "phone", contact->phone);
    buffer_printf(
        out,
        "}, \"max_document_bytes\": %" PRIu64 ", \"max_requests_per_second\": %" PRIu32
        ", \"max_unfinished_bytes\": %" PRIu64 ", \"max_events_per_second\": %" PRIu32
        ", \"active\": %s, \"created_ms\": %" PRId64 ", \"updated_ms\": %" PRId64 ", \"version\": %" PRIu64,
        partner->max_document_bytes, partner->max_requests_per_second, partner->max_unfinished_bytes,
        partner->max_events_per_second, partner->active ? "true" : "false", partner->created_ms,
        partner->updated_ms, partner->version);
    if (changes) {
        buffer_append_text(out, ", \"changes\": [");
        for (size_t i = 0; i < changes->n_changes; i++) {
            buffer_append_text(out, i ? ", " : "");
            change_json(out, changes->changes[i]);
        }
        buffer_append_text(out, "]");
    }
    buffer_append_text(out, "}\n");
}

/* ---- text ------------------------------------------------------------------------------------------- */

/* A cell of at least `width` bytes. */
static void cell(struct buffer *out, const char *text, int width)
{
    int length = (int)strlen(text);
    output_foreign_text(out, text);
    buffer_printf(out, "%*s", length < width ? width - length : 1, "");
}

static void list(struct buffer *out, char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i ? " " : "");
        output_foreign_text(out, texts[i]);
    }
    buffer_append_text(out, "\n");
}

static void time_cell(struct buffer *out, int64_t ms)
{
    char text[EVENT_TIME_TEXT];
    Epcis__V1__Time time = EPCIS__V1__TIME__INIT;
    time.seconds = ms / 1000;
    event_time_text(&time, text);
    cell(out, text, 22);
}

void partner_output_heading(struct buffer *out)
{
    cell(out, "PARTNER ID", 38);
    cell(out, "PROFILE", 9);
    cell(out, "ACTIVE", 8);
    cell(out, "NAME", 32);
    buffer_append_text(out, "GLNS\n");
}

void partner_output_row(struct buffer *out, const Epcis__V1__TradingPartner *partner)
{
    cell(out, partner->partner_id, 38);
    cell(out, partner_profile_name(partner->profile), 9);
    cell(out, partner->active ? "yes" : "no", 8);
    cell(out, partner->name, 32);
    list(out, partner->glns, partner->n_glns);
}

static void line(struct buffer *out, const char *name, const char *value)
{
    if (!value[0])
        return;
    cell(out, name, 11);
    output_foreign_text(out, value);
    buffer_append_text(out, "\n");
}

static void change_text(struct buffer *out, const Epcis__V1__PartnerChange *change)
{
    char version[24];
    snprintf(version, sizeof version, "%" PRIu64, change->version_after);
    time_cell(out, change->changed_ms);
    cell(out, version, 9);
    cell(out, action_name(change->action), 13);
    cell(out, change->changed_by[0] ? change->changed_by : "-", 20);
    if (change->n_fields)
        list(out, change->fields, change->n_fields);
    else
        buffer_append_text(out, "-\n");
}

void partner_output_text(struct buffer *out, const Epcis__V1__TradingPartner *partner,
                         const Epcis__V1__GetPartnerResponse *changes)
{
    const Epcis__V1__PartnerContact *contact = contact_of(partner);
    line(out, "partner", partner->partner_id);
    line(out, "name", partner->name);
    line(out, "active", partner->active ? "yes" : "no: its events become dead letters");
    cell(out, "glns", 11);
    list(out, partner->glns, partner->n_glns);
    if (partner->n_company_prefixes) {
        cell(out, "prefixes", 11);
        list(out, partner->company_prefixes, partner->n_company_prefixes);
    }
    line(out, "profile", partner_profile_name(partner->profile));
    for (size_t i = 0; i < partner->n_overrides; i++) {
        cell(out, i ? "" : "overrides", 11);
        buffer_printf(out, "%s=%s\n", partner->overrides[i]->key,
                      partner_severity_name(partner->overrides[i]->value));
    }
    if (partner->max_document_bytes)
        buffer_printf(out, "%-11s%" PRIu64 " bytes a document\n", "limit", partner->max_document_bytes);
    if (partner->max_requests_per_second)
        buffer_printf(out, "%-11s%" PRIu32 " documents a second\n", "limit",
                      partner->max_requests_per_second);
    if (partner->max_unfinished_bytes)
        buffer_printf(out, "%-11s%" PRIu64 " bytes unfinished\n", "limit", partner->max_unfinished_bytes);
    if (partner->max_events_per_second)
        buffer_printf(out, "%-11s%" PRIu32 " events a second of each GLN\n", "limit",
                      partner->max_events_per_second);
    line(out, "contact", contact->name);
    line(out, "email", contact->email);
    line(out, "phone", contact->phone);
    buffer_printf(out, "%-11s%" PRIu64 "\n", "version", partner->version);
    if (!changes)
        return;
    buffer_append_text(out, "\n");
    cell(out, "CHANGED", 22);
    cell(out, "VERSION", 9);
    cell(out, "ACTION", 13);
    cell(out, "BY", 20);
    buffer_append_text(out, "FIELDS\n");
    for (size_t i = 0; i < changes->n_changes; i++)
        change_text(out, changes->changes[i]);
}
