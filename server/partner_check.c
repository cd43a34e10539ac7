#include "server/partner_check.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/gs1/epc.h"

enum { TEXT_MAX = 200, GLNS_MAX = 256, PREFIXES_MAX = 256, OVERRIDES_MAX = 128, GLN_DIGITS = 13 };

typedef Epcis__V1__TradingPartner__OverridesEntry override_entry;

static enum err wrong(char why[PARTNER_WHY], const char *format, ...) __attribute__((format(printf, 2, 3)));

static enum err wrong(char why[PARTNER_WHY], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, PARTNER_WHY, format, arguments);
    va_end(arguments);
    return ERR_INPUT;
}

static enum err check_text(const char *field, const char *text, char why[PARTNER_WHY])
{
    if (strlen(text) > TEXT_MAX)
        return wrong(why, "`%s` has %zu bytes: at most %d are kept", field, strlen(text), TEXT_MAX);
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return wrong(why, "`%s` has a control character at byte %td", field, c - text);
    return ERR_OK;
}

static bool is_digits(const char *text)
{
    return text[strspn(text, "0123456789")] == '\0';
}

static bool seen_before(char *const *list, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(list[i], list[index]) == 0)
            return true;
    return false;
}

static enum err check_glns(const Epcis__V1__TradingPartner *partner, char why[PARTNER_WHY])
{
    if (partner->n_glns == 0 || partner->n_glns > GLNS_MAX)
        return wrong(why, "`glns` has %zu entries: 1 to %d are expected", partner->n_glns, GLNS_MAX);
    for (size_t i = 0; i < partner->n_glns; i++) {
        const char *gln = partner->glns[i];
        if (strlen(gln) != GLN_DIGITS || !is_digits(gln))
            return wrong(why, "`glns[%zu]` is \"%.40s\": a GLN of 13 digits is expected", i, gln);
        if (!gs1_check_digit_ok(gln, GLN_DIGITS))
            return wrong(why, "`glns[%zu]` is \"%s\": its check digit should be %c", i, gln,
                         gs1_check_digit(gln, GLN_DIGITS - 1));
        if (seen_before(partner->glns, i))
            return wrong(why, "`glns[%zu]` is \"%s\", which stands there before", i, gln);
    }
    return ERR_OK;
}

static enum err check_prefixes(const Epcis__V1__TradingPartner *partner, char why[PARTNER_WHY])
{
    if (partner->n_company_prefixes > PREFIXES_MAX)
        return wrong(why, "`company_prefixes` has %zu entries: at most %d are kept",
                     partner->n_company_prefixes, PREFIXES_MAX);
    for (size_t i = 0; i < partner->n_company_prefixes; i++) {
        const char *prefix = partner->company_prefixes[i];
        if (strlen(prefix) < 6 || strlen(prefix) > 12 || !is_digits(prefix))
            return wrong(why, "`company_prefixes[%zu]` is \"%.40s\": 6 to 12 digits are expected", i, prefix);
        if (seen_before(partner->company_prefixes, i))
            return wrong(why, "`company_prefixes[%zu]` is \"%s\", which stands there before", i, prefix);
    }
    return ERR_OK;
}

static int compare_overrides(const void *a, const void *b)
{
    const override_entry *const *left = a, *const *right = b;
    return strcmp((*left)->key, (*right)->key);
}

static enum err check_overrides(Epcis__V1__TradingPartner *partner, char why[PARTNER_WHY])
{
    if (partner->n_overrides > OVERRIDES_MAX)
        return wrong(why, "`overrides` has %zu entries: at most %d are kept", partner->n_overrides,
                     OVERRIDES_MAX);
    if (partner->n_overrides > 1)
        qsort(partner->overrides, partner->n_overrides, sizeof(override_entry *), compare_overrides);
    for (size_t i = 0; i < partner->n_overrides; i++) {
        const override_entry *entry = partner->overrides[i];
        size_t length = strlen(entry->key);
        if (length < 3 || length > 40 ||
            strspn(entry->key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != length)
            return wrong(why, "`overrides` has \"%.60s\": a rule's code, as SERIAL_FORMAT, is expected",
                         entry->key);
        if (entry->value < EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_OFF ||
            entry->value > EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_REJECT)
            return wrong(why, "`overrides` gives %s severity %d: off, warn or reject is expected", entry->key,
                         (int)entry->value);
        if (i > 0 && strcmp(entry->key, partner->overrides[i - 1]->key) == 0)
            return wrong(why, "`overrides` has %s twice", entry->key);
    }
    return ERR_OK;
}

static enum err check_contact(const Epcis__V1__PartnerContact *contact, char why[PARTNER_WHY])
{
    if (!contact)
        return ERR_OK;
    enum err err = check_text("contact.name", contact->name, why);
    if (!err)
        err = check_text("contact.email", contact->email, why);
    if (!err)
        err = check_text("contact.phone", contact->phone, why);
    if (!err && contact->email[0] && !strchr(contact->email, '@'))
        err = wrong(why, "`contact.email` has no \"@\"");
    return err;
}

enum err partner_check(Epcis__V1__TradingPartner *partner, char why[PARTNER_WHY])
{
    if (partner->name[strspn(partner->name, " ")] == '\0')
        return wrong(why, "`name` is empty");
    if (partner->profile < EPCIS__V1__RULE_PROFILE__RULE_PROFILE_UNSPECIFIED ||
        partner->profile > EPCIS__V1__RULE_PROFILE__RULE_PROFILE_STRICT)
        return wrong(why, "`profile` is %d: epcis, dscsa, strict or nothing is expected",
                     (int)partner->profile);
    enum err err = check_text("name", partner->name, why);
    if (!err)
        err = check_glns(partner, why);
    if (!err)
        err = check_prefixes(partner, why);
    if (!err)
        err = check_overrides(partner, why);
    return err ? err : check_contact(partner->contact, why);
}

enum err partner_check_changed_by(const char *changed_by, char why[PARTNER_WHY])
{
    return check_text("changed_by", changed_by, why);
}
