#include "server/front/svc_rejudge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "epcis/v1/audit_service.pb-c.h"
#include "server/front/query.h"
#include "server/front/stream.h"
#include "server/partner.h"
#include "server/rejudge.h"

enum { OVERRIDES_MAX = 256 };

static void notify(void *context)
{
    stream_notify(context);
}

static void rejudge_drop(struct call *call)
{
    struct rejudge *rejudge = call->state;
    call->state = NULL;
    rejudge_close(&rejudge);
}

/* ---- the request ------------------------------------------------------------------------------------ */

/* NULL: it is none. */
static const char *profile_name(Epcis__V1__RuleProfile profile)
{
    static const char *const names[] = {
        [EPCIS__V1__RULE_PROFILE__RULE_PROFILE_UNSPECIFIED] = "",
        [EPCIS__V1__RULE_PROFILE__RULE_PROFILE_EPCIS] = "epcis",
        [EPCIS__V1__RULE_PROFILE__RULE_PROFILE_DSCSA] = "dscsa",
        [EPCIS__V1__RULE_PROFILE__RULE_PROFILE_STRICT] = "strict",
    };
    return (size_t)profile < sizeof names / sizeof names[0] ? names[profile] : NULL;
}

static const char *severity_name(Epcis__V1__RuleSeverity severity)
{
    static const char *const names[] = {
        [EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_OFF] = "off",
        [EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_WARN] = "warn",
        [EPCIS__V1__RULE_SEVERITY__RULE_SEVERITY_REJECT] = "reject",
    };
    return (size_t)severity < sizeof names / sizeof names[0] ? names[severity] : NULL;
}

/* CODE=SEVERITY, as workers take it; what codes there are, only they know. */
static enum err read_overrides(struct call *call, const Epcis__V1__ReplayRulesRequest *request,
                               struct arena *arena, struct rejudge_request *out)
{
    out->override_count = request->n_overrides;
    out->overrides = arena_alloc(arena, (request->n_overrides + 1) * sizeof(char *));
    if (!out->overrides)
        return ERR_LIMIT;
    for (size_t i = 0; i < request->n_overrides; i++) {
        const char *code = request->overrides[i]->key;
        const char *severity = severity_name(request->overrides[i]->value);
        if (!severity) {
            reply_input(&call->reply, "`overrides` has no severity for \"%.64s\": OFF, WARN or REJECT", code);
            return ERR_INPUT;
        }
        size_t bytes = strlen(code) + strlen(severity) + 2;
        out->overrides[i] = arena_alloc(arena, bytes);
        if (!out->overrides[i])
            return ERR_LIMIT;
        snprintf(out->overrides[i], bytes, "%s=%s", code, severity);
    }
    return ERR_OK;
}

static void check_scope(struct call *call, const struct rejudge_scope *scope)
{
    if (scope->one_partition && scope->partition >= PARTNER_PARTITIONS)
        reply_input(&call->reply, "`partition` is %" PRIu32 ": they go from 0 to %d", scope->partition,
                    PARTNER_PARTITIONS - 1);
    else if (scope->last_sequence && scope->last_sequence < scope->first_sequence)
        reply_input(&call->reply, "`last_sequence` is before `first_sequence`");
    else if (scope->to_ms && scope->to_ms < scope->from_ms)
        reply_input(&call->reply, "`to_ms` is before `from_ms`");
}

static enum err read_request(struct call *call, struct arena *arena, struct rejudge_request *out)
{
    const Epcis__V1__ReplayRulesRequest *request =
        (const Epcis__V1__ReplayRulesRequest *)query_read(call, arena);
    if (!request)
        return ERR_INPUT;
    *out = (struct rejudge_request){
        .rule_pack = request->rule_pack,
        .profile = profile_name(request->profile),
        .scope = {.one_partition = request->scope_case == EPCIS__V1__REPLAY_RULES_REQUEST__SCOPE_PARTITION,
                  .partition = request->partition,
                  .first_sequence = request->first_sequence,
                  .last_sequence = request->last_sequence,
                  .from_ms = request->from_ms,
                  .to_ms = request->to_ms}};
    check_scope(call, &out->scope);
    if (!request->rule_pack[0])
        reply_input(&call->reply, "`rule_pack` is missing: the version of a rule pack, or \"current\"");
    else if (!out->profile)
        reply_input(&call->reply, "`profile` is none: EPCIS, DSCSA, STRICT or nothing");
    else if (request->n_overrides > OVERRIDES_MAX)
        reply_input(&call->reply, "`overrides` has %zu entries: at most %d are taken", request->n_overrides,
                    OVERRIDES_MAX);
    return call->reply.status ? ERR_INPUT : read_overrides(call, request, arena, out);
}

/* ---- turns ------------------------------------------------------------------------------------------ */

static enum err begin(struct call *call, struct arena *arena)
{
    struct rejudge_request request;
    struct rejudge *rejudge = NULL;
    enum err err = read_request(call, arena, &request);
    if (!err)
        err = rejudge_open(call->services->rejudge, &request, notify, call, &rejudge);
    call->state = rejudge;
    if (err == ERR_EXISTS)
        reply_refuse(&call->reply, REASON_CALLS_FULL, "one replay by other rules runs at a time");
    else if (err == ERR_FORK)
        reply_refuse(&call->reply, REASON_WORKERS_DIFFER, "what is today's cannot be told");
    else if (err == ERR_FULL)
        reply_refuse(&call->reply, REASON_DISK_SPACE, "history cannot be judged in what is free on the disk");
    else if (err && !call->reply.status)
        reply_err(&call->reply, err, "the replay by other rules");
    return err;
}

static void conclude(struct call *call, const struct rejudge_end *end)
{
    if (end->err == ERR_INPUT)
        reply_input(&call->reply, "%s", end->text);
    else if (end->err == ERR_FULL)
        reply_refuse(&call->reply, REASON_DISK_SPACE, "%s", end->text);
    else if (end->err)
        reply_err(&call->reply, end->err, "%s", end->text[0] ? end->text : "the replay by other rules");
}

static enum call_next rejudge_work(struct call *call, struct arena *arena)
{
    struct rejudge_end end;
    if (call->asked)
        return begin(call, arena) ? CALL_ANSWER : CALL_PARK;
    struct rejudge *rejudge = call->state;
    const Epcis__V1__ReplayRulesResponse *ready = rejudge_ready(rejudge);
    if (ready) {
        reply_message(&call->reply, &ready->base);
        rejudge_go_on(rejudge);
        return CALL_SEND;
    }
    if (!rejudge_ended(rejudge, &end))
        return CALL_PARK;
    conclude(call, &end);
    rejudge_drop(call);
    return CALL_ANSWER;
}

const struct method svc_rejudge_methods[] = {
    {.path = "/epcis.v1.AuditService/ReplayRules",
     .need = NEED_AUDIT,
     .room = ROOM_QUERIES,
     .sending = true,
     .work = rejudge_work,
     .drop = rejudge_drop,
     .request = &epcis__v1__replay_rules_request__descriptor},
};
const size_t svc_rejudge_count = sizeof svc_rejudge_methods / sizeof svc_rejudge_methods[0];
