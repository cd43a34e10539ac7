#include "server/identity_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/gs1/epc.h"

enum { CERTIFICATE_MAX = 256, GLN_DIGITS = 13 };

static enum err wrong(char why[IDENTITY_WHY], const char *format, ...) __attribute__((format(printf, 2, 3)));

static enum err wrong(char why[IDENTITY_WHY], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, IDENTITY_WHY, format, arguments);
    va_end(arguments);
    return ERR_INPUT;
}

static enum err check_name(const char *name, char why[IDENTITY_WHY])
{
    size_t length = strlen(name);
    if (length > 0 && length < IDENTITY_NAME &&
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == length)
        return ERR_OK;
    return wrong(why, "`name` is \"%.80s\": 1 to %d of a-z, 0-9, \".\", \"_\" and \"-\" are expected", name,
                 IDENTITY_NAME - 1);
}

static enum err check_roles(const Epcis__V1__Identity *identity, char why[IDENTITY_WHY])
{
    const unsigned partners = IDENTITY_ROLE(SUBMIT) | IDENTITY_ROLE(READ);
    if (identity->n_roles == 0)
        return wrong(why, "`roles` is empty: what may it do?");
    for (size_t i = 0; i < identity->n_roles; i++)
        if (identity->roles[i] < EPCIS__V1__ROLE__ROLE_SUBMIT ||
            identity->roles[i] > EPCIS__V1__ROLE__ROLE_ADMIN)
            return wrong(why, "`roles` has %d, which is none", (int)identity->roles[i]);
    if (identity->partner[0] && (identity_roles(identity) & ~partners))
        return wrong(why, "`roles` of a trading partner's identity are SUBMIT and READ at most");
    return ERR_OK;
}

static enum err check_certificate(const char *certificate, char why[IDENTITY_WHY])
{
    static const char *const kinds[] = {"URI:", "DNS:", "EMAIL:", "CN:"};
    size_t length = strlen(certificate);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strncmp(certificate, kinds[i], strlen(kinds[i])) == 0 && length > strlen(kinds[i]) &&
            length <= CERTIFICATE_MAX)
            return ERR_OK;
    return wrong(why,
                 "`certificate` is \"%.80s\": \"URI:\", \"DNS:\", \"EMAIL:\" or \"CN:\" and what the "
                 "certificate says there are expected, %d bytes at most",
                 certificate, CERTIFICATE_MAX);
}

enum err identity_check_expiry(int64_t expires_ms, int64_t now_ms, char why[IDENTITY_WHY])
{
    if (expires_ms == 0 || expires_ms > now_ms)
        return ERR_OK;
    return wrong(why, "`expires_ms` is in the past: a time to come is expected, or 0 for never");
}

enum err identity_check(const Epcis__V1__Identity *identity, int64_t now_ms, char why[IDENTITY_WHY])
{
    const char *partner = identity->partner;
    enum err err = check_name(identity->name, why);
    if (!err && partner[0] && (strlen(partner) != GLN_DIGITS || !gs1_check_digit_ok(partner, GLN_DIGITS)))
        err = wrong(why, "`partner` is \"%.40s\": a GLN of 13 digits with its check digit is expected",
                    partner);
    if (!err)
        err = check_roles(identity, why);
    if (!err && identity->certificate[0])
        err = check_certificate(identity->certificate, why);
    return err ? err : identity_check_expiry(identity->expires_ms, now_ms, why);
}

unsigned identity_roles(const Epcis__V1__Identity *identity)
{
    unsigned roles = 0;
    for (size_t i = 0; i < identity->n_roles; i++)
        roles |= 1u << identity->roles[i];
    return roles;
}
