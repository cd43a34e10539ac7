#include "server/ctl/partner_edit.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/options.h"
#include "server/ctl/partner_output.h"

typedef Epcis__V1__TradingPartner__OverridesEntry override_entry;

bool partner_edit_is_empty(const struct partner_edit *edit)
{
    return !edit->name && !edit->glns && !edit->prefixes && !edit->profile && !edit->overrides &&
           !edit->contact_name && !edit->contact_email && !edit->contact_phone && !edit->max_document_bytes &&
           !edit->max_requests && !edit->max_unfinished_bytes && !edit->max_events && !edit->activate;
}

/* The parts of a list, each a text of its own; an empty text has none. */
static enum err split(const char *text, struct arena *arena, char ***out, size_t *count)
{
    size_t parts = *text ? 1 : 0;
    for (const char *c = text; *c; c++)
        parts += *c == ',';
    char *copy = arena_copy(arena, text, strlen(text));
    *out = arena_alloc(arena, parts * sizeof(char *));
    *count = parts;
    if (!copy || !*out)
        return ERR_LIMIT;
    for (size_t i = 0; i < parts; i++) {
        char *comma = copy + strcspn(copy, ",");
        (*out)[i] = copy;
        copy = comma + 1;
        *comma = '\0';
    }
    return ERR_OK;
}

Epcis__V1__RuleProfile partner_edit_profile(const char *program, const char *name)
{
    for (int i = 0; i <= EPCIS__V1__RULE_PROFILE__RULE_PROFILE_STRICT; i++)
        if (strcmp(name, partner_profile_name((Epcis__V1__RuleProfile)i)) == 0)
            return (Epcis__V1__RuleProfile)i;
    options_fail(program, "--profile is epcis, dscsa, strict or default, not '%s'", name);
}

Epcis__V1__RuleSeverity partner_edit_severity(const char *program, const char *name)
{
    for (int i = 0; i <= EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_REJECT; i++)
        if (strcmp(name, partner_severity_name((Epcis__V1__RuleSeverity)i)) == 0)
            return (Epcis__V1__RuleSeverity)i;
    options_fail(program, "a rule's severity is off, warn, reject or default, not '%s'", name);
}

static void drop_override(Epcis__V1__TradingPartner *partner, const char *code)
{
    size_t kept = 0;
    for (size_t i = 0; i < partner->n_overrides; i++)
        if (strcmp(partner->overrides[i]->key, code) != 0)
            partner->overrides[kept++] = partner->overrides[i];
    partner->n_overrides = kept;
}

static enum err apply_overrides(const char *text, const char *program, struct arena *arena,
                                Epcis__V1__TradingPartner *partner)
{
    char **parts;
    size_t count;
    enum err err = split(text, arena, &parts, &count);
    override_entry **list = arena_alloc(arena, (partner->n_overrides + count) * sizeof *list);
    override_entry *added = arena_alloc(arena, count * sizeof *added);
    if (err || !list || !added)
        return ERR_LIMIT;
    if (partner->n_overrides)
        memcpy(list, partner->overrides, partner->n_overrides * sizeof *list);
    partner->overrides = list;
    for (size_t i = 0; i < count; i++) {
        char *equals = strchr(parts[i], '=');
        if (!equals)
            options_fail(program, "--overrides takes CODE=off|warn|reject|default, not '%s'", parts[i]);
        *equals = '\0';
        epcis__v1__trading_partner__overrides_entry__init(&added[i]);
        added[i].key = parts[i];
        added[i].value = partner_edit_severity(program, equals + 1);
        drop_override(partner, added[i].key);
        if (added[i].value != EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_UNSPECIFIED)
            partner->overrides[partner->n_overrides++] = &added[i];
    }
    return ERR_OK;
}

static uint64_t limit_of(const char *program, const char *option, size_t most_digits, const char *text)
{
    size_t digits = strlen(text);
    if (digits == 0 || digits > most_digits || strspn(text, "0123456789") != digits)
        options_fail(program, "--%s takes a number of at most %zu digits, 0 for no limit, not '%s'", option,
                     most_digits, text);
    return strtoull(text, NULL, 10);
}

static enum err apply_contact(const struct partner_edit *edit, struct arena *arena,
                              Epcis__V1__TradingPartner *partner)
{
    if (!edit->contact_name && !edit->contact_email && !edit->contact_phone)
        return ERR_OK;
    Epcis__V1__PartnerContact *contact = arena_alloc(arena, sizeof *contact);
    if (!contact)
        return ERR_LIMIT;
    epcis__v1__partner_contact__init(contact);
    if (partner->contact)
        *contact = *partner->contact;
    if (edit->contact_name)
        contact->name = (char *)(uintptr_t)edit->contact_name;
    if (edit->contact_email)
        contact->email = (char *)(uintptr_t)edit->contact_email;
    if (edit->contact_phone)
        contact->phone = (char *)(uintptr_t)edit->contact_phone;
    partner->contact = contact;
    return ERR_OK;
}

enum err partner_edit_apply(const struct partner_edit *edit, const char *program, struct arena *arena,
                            Epcis__V1__TradingPartner *partner)
{
    enum err err = ERR_OK;
    if (edit->name)
        partner->name = (char *)(uintptr_t)edit->name;
    if (edit->profile)
        partner->profile = partner_edit_profile(program, edit->profile);
    if (edit->activate)
        partner->active = true;
    if (edit->max_document_bytes)
        partner->max_document_bytes = limit_of(program, "max-document-bytes", 18, edit->max_document_bytes);
    if (edit->max_requests)
        partner->max_requests_per_second = (uint32_t)limit_of(program, "max-requests", 6, edit->max_requests);
    if (edit->max_unfinished_bytes)
        partner->max_unfinished_bytes =
            limit_of(program, "max-unfinished-bytes", 18, edit->max_unfinished_bytes);
    if (edit->max_events)
        partner->max_events_per_second = (uint32_t)limit_of(program, "max-events", 9, edit->max_events);
    if (edit->glns)
        err = split(edit->glns, arena, &partner->glns, &partner->n_glns);
    if (!err && edit->prefixes)
        err = split(edit->prefixes, arena, &partner->company_prefixes, &partner->n_company_prefixes);
    if (!err && edit->overrides)
        err = apply_overrides(edit->overrides, program, arena, partner);
    return err ? err : apply_contact(edit, arena, partner);
}
