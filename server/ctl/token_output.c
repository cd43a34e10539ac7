#include "server/ctl/token_output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json_text.h"
#include "common/epcis/event_text.h"
#include "server/ctl/output.h"

static const char *const roles[] = {"none", "submit", "read", "operate", "audit", "admin"};
enum { ROLES = sizeof roles / sizeof roles[0], ROLES_TEXT = 64 };

Epcis__V1__Role token_output_role(const char *name, size_t length)
{
    for (int i = EPCIS__V1__ROLE__ROLE_SUBMIT; i < ROLES; i++)
        if (strlen(roles[i]) == length && memcmp(roles[i], name, length) == 0)
            return (Epcis__V1__Role)i;
    return EPCIS__V1__ROLE__ROLE_UNSPECIFIED;
}

static const char *role_name(Epcis__V1__Role role)
{
    return role >= 0 && (size_t)role < ROLES ? roles[role] : roles[0];
}

static void time_text(int64_t ms, char out[EVENT_TIME_TEXT])
{
    Epcis__V1__Time time = EPCIS__V1__TIME__INIT;
    time.seconds = ms / 1000;
    event_time_text(&time, out);
}

/* ---- JSON -------------------------------------------------------------------------------------------- */

static void text_member(struct buffer *out, const char *name, const char *value)
{
    buffer_printf(out, "%s\"%s\": ", strcmp(name, "name") == 0 ? "{" : ", ", name);
    if (value[0])
        json_append_string(out, value);
    else
        buffer_append_text(out, "null");
}

static void time_member(struct buffer *out, const char *name, int64_t ms)
{
    char text[EVENT_TIME_TEXT] = "";
    if (ms)
        time_text(ms, text);
    text_member(out, name, text);
}

void token_output_json(struct buffer *out, const Epcis__V1__Identity *identity, const char *token)
{
    text_member(out, "name", identity->name);
    buffer_append_text(out, ", \"roles\": [");
    for (size_t i = 0; i < identity->n_roles; i++)
        buffer_printf(out, "%s\"%s\"", i ? ", " : "", role_name(identity->roles[i]));
    buffer_append_text(out, "]");
    text_member(out, "partner", identity->partner);
    text_member(out, "certificate", identity->certificate);
    time_member(out, "expires", identity->expires_ms);
    time_member(out, "created", identity->created_ms);
    text_member(out, "created_by", identity->created_by);
    time_member(out, "rotated", identity->rotated_ms);
    text_member(out, "rotated_by", identity->rotated_by);
    time_member(out, "previous_until", identity->previous_until_ms);
    time_member(out, "revoked", identity->revoked_ms);
    text_member(out, "revoked_by", identity->revoked_by);
    time_member(out, "last_used", identity->last_used_ms);
    text_member(out, "token", token);
    buffer_append_text(out, "}\n");
}

/* ---- text -------------------------------------------------------------------------------------------- */

static const char row[] = "%-20s %-8s %-26s %-13s %-20s %-20s ";

void token_output_heading(struct buffer *out)
{
    buffer_printf(out, row, "NAME", "STATE", "ROLES", "PARTNER", "EXPIRES", "LAST USED");
    buffer_append_text(out, "PROOF\n");
}

static const char *state_name(const Epcis__V1__Identity *identity)
{
    if (identity->revoked_ms)
        return "revoked";
    return identity->expires_ms && clock_wall_ms() >= identity->expires_ms ? "expired" : "good";
}

void token_output_row(struct buffer *out, const Epcis__V1__Identity *identity)
{
    char expires[EVENT_TIME_TEXT] = "never", used[EVENT_TIME_TEXT] = "never", names[ROLES_TEXT] = "";
    for (size_t i = 0; i < identity->n_roles; i++) {
        size_t length = strlen(names);
        snprintf(names + length, sizeof names - length, "%s%s", i ? "," : "", role_name(identity->roles[i]));
    }
    if (identity->expires_ms)
        time_text(identity->expires_ms, expires);
    if (identity->last_used_ms)
        time_text(identity->last_used_ms, used);
    buffer_printf(out, row, identity->name, state_name(identity), names,
                  identity->partner[0] ? identity->partner : "any", expires, used);
    output_foreign_text(out, identity->certificate[0] ? identity->certificate : "token");
    buffer_append_text(out, "\n");
}
