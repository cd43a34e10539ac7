#include "server/front/access.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/front/loop.h"
#include "server/identities.h"
#include "server/journal_partner.h"

enum {
    RECORD_BYTES = 1 << 20, /* memory for one partner's record */
    HEADER_MAX = 256,       /* of an authorization header that can be one of ours */
    LOG_MS = 1000,          /* refusals are logged no faster than a person reads */
};

/* ---- who it is --------------------------------------------------------------------------------------- */

static bool slice_is(grpc_slice slice, const char *text)
{
    return GRPC_SLICE_LENGTH(slice) == strlen(text) &&
           memcmp(GRPC_SLICE_START_PTR(slice), text, strlen(text)) == 0;
}

static enum access_refusal refusal_of(enum identity_state state, enum access_refusal unknown)
{
    switch (state) {
    case IDENTITY_GOOD:
        return ACCESS_GRANTED;
    case IDENTITY_UNKNOWN:
        break;
    case IDENTITY_EXPIRED:
        return ACCESS_EXPIRED;
    case IDENTITY_REVOKED:
        return ACCESS_REVOKED;
    }
    return unknown;
}

/* RFC 6750 section 2.1, RFC 7235 section 2.1: the scheme in any case, one space or more, the token. */
static enum access_refusal prove_token(const struct access *access, grpc_slice header,
                                       struct identity_proof *out)
{
    static const char scheme[] = "bearer ";
    const char *token = (const char *)GRPC_SLICE_START_PTR(header);
    size_t length = GRPC_SLICE_LENGTH(header), prefix = strlen(scheme);
    if (length <= prefix || length > HEADER_MAX || strncasecmp(token, scheme, prefix) != 0)
        return ACCESS_MALFORMED;
    while (prefix < length && token[prefix] == ' ')
        prefix++;
    return refusal_of(
        identities_by_token(access->identities, token + prefix, length - prefix, clock_wall_ms(), out),
        ACCESS_UNKNOWN_TOKEN);
}

/* All entries of one kind; ACCESS_NO_IDENTITY where there are none. */
static enum access_refusal prove_entries(const struct access *access, const grpc_auth_context *context,
                                         const char *property_name, const char *kind,
                                         struct identity_proof *out)
{
    enum { ENTRY_MAX = 300 };
    enum access_refusal refusal = ACCESS_NO_IDENTITY;
    const grpc_auth_property *property;
    grpc_auth_property_iterator iterator = grpc_auth_context_find_properties_by_name(context, property_name);
    while (refusal != ACCESS_GRANTED && (property = grpc_auth_property_iterator_next(&iterator))) {
        char entry[ENTRY_MAX];
        int length = snprintf(entry, sizeof entry, "%s%s", kind, property->value);
        bool whole = strlen(property->value) == property->value_length && length < ENTRY_MAX;
        refusal = whole
                      ? refusal_of(identities_by_certificate(access->identities, entry, clock_wall_ms(), out),
                                   ACCESS_UNKNOWN_CERTIFICATE)
                      : ACCESS_UNKNOWN_CERTIFICATE;
    }
    return refusal;
}

/* gRPC has verified the certificate, where it gives properties of one. The first entry that is good counts.
 */
static enum access_refusal prove_certificate(const struct access *access, grpc_call *call,
                                             struct identity_proof *out)
{
    static const struct {
        const char *property, *kind;
    } entries[] = {
        {GRPC_PEER_URI_PROPERTY_NAME, "URI:"},
        {GRPC_PEER_DNS_PROPERTY_NAME, "DNS:"},
        {GRPC_PEER_EMAIL_PROPERTY_NAME, "EMAIL:"},
        {GRPC_X509_CN_PROPERTY_NAME, "CN:"},
    };
    enum access_refusal worst = ACCESS_NO_IDENTITY;
    grpc_auth_context *context = grpc_call_auth_context(call);
    for (size_t i = 0; context && worst != ACCESS_GRANTED && i < sizeof entries / sizeof entries[0]; i++) {
        enum access_refusal refusal =
            prove_entries(access, context, entries[i].property, entries[i].kind, out);
        if (refusal == ACCESS_GRANTED || refusal > worst)
            worst = refusal;
    }
    grpc_auth_context_release(context);
    return worst;
}

static enum access_refusal prove(const struct access *access, struct call *call, struct identity_proof *out)
{
    const grpc_metadata *header = NULL;
    for (size_t i = 0; i < call->metadata.count; i++) {
        const grpc_metadata *entry = &call->metadata.metadata[i];
        if (!slice_is(entry->key, "authorization"))
            continue;
        if (header)
            return ACCESS_MALFORMED;
        header = entry;
    }
    return header ? prove_token(access, header->value, out) : prove_certificate(access, call->grpc, out);
}

/* ---- what they may ----------------------------------------------------------------------------------- */

static unsigned roles_for(enum need need)
{
    enum {
        OPERATE = IDENTITY_ROLE(OPERATE) | IDENTITY_ROLE(ADMIN),
        AUDIT = IDENTITY_ROLE(AUDIT) | IDENTITY_ROLE(ADMIN),
    };
    switch (need) {
    case NEED_UNDECLARED:
        break;
    case NEED_NOTHING:
        return IDENTITY_ALL_ROLES;
    case NEED_SUBMIT:
        return IDENTITY_ROLE(SUBMIT) | IDENTITY_ROLE(ADMIN);
    case NEED_READ:
        return IDENTITY_ROLE(READ) | OPERATE | AUDIT;
    case NEED_OPERATE:
        return OPERATE;
    case NEED_AUDIT:
        return AUDIT;
    case NEED_ADMIN:
        return IDENTITY_ROLE(ADMIN);
    }
    return 0;
}

static const char *need_name(enum need need)
{
    static const char *const names[] = {
        [NEED_SUBMIT] = "SUBMIT", [NEED_READ] = "READ",   [NEED_OPERATE] = "OPERATE",
        [NEED_AUDIT] = "AUDIT",   [NEED_ADMIN] = "ADMIN",
    };
    return (size_t)need < sizeof names / sizeof names[0] && names[need] ? names[need] : "none";
}

/* What is unknown and what is revoked look the same from outside. */
static void refuse(struct call *call)
{
    struct reply *reply = &call->reply;
    switch (call->refusal) {
    case ACCESS_GRANTED:
        break;
    case ACCESS_NO_IDENTITY:
        reply_refuse(reply, REASON_IDENTITY_MISSING, "the call came without an identity");
        break;
    case ACCESS_MALFORMED:
        reply_refuse(reply, REASON_IDENTITY_MALFORMED, "the authorization header is malformed");
        break;
    case ACCESS_UNKNOWN_TOKEN:
    case ACCESS_UNKNOWN_CERTIFICATE:
    case ACCESS_REVOKED:
        reply_refuse(reply, REASON_IDENTITY_UNKNOWN, "the identity is not valid here");
        break;
    case ACCESS_EXPIRED:
        reply_refuse(reply, REASON_IDENTITY_EXPIRED, "the identity has expired");
        break;
    case ACCESS_WRONG_ROLE:
        reply_refuse(reply, REASON_ROLE_MISSING, "%s has not the role %s, which this method needs",
                     call->caller.name, need_name(call->method->need));
        break;
    }
}

bool access_admit(struct call *call)
{
    struct access *access = &call->services->access;
    struct identity_proof proof = {.roles = IDENTITY_ALL_ROLES};
    if (call->method->need == NEED_NOTHING || !access->identities)
        return true;
    call->refusal = prove(access, call, &proof);
    if (call->refusal == ACCESS_NO_IDENTITY && !access->required) {
        call->refusal = ACCESS_GRANTED;
        proof.roles = IDENTITY_ALL_ROLES;
    }
    memcpy(call->caller.name, proof.name, sizeof call->caller.name);
    memcpy(call->caller.partner, proof.partner, sizeof call->caller.partner);
    call->caller.note_due = proof.note_due;
    if (!call->refusal && !(proof.roles & roles_for(call->method->need)))
        call->refusal = ACCESS_WRONG_ROLE;
    if (!call->refusal)
        return true;
    refuse(call);
    access->refused++;
    int64_t now_ms = clock_steady_ms();
    if (now_ms >= access->log_due_ms) {
        access->log_due_ms = now_ms + LOG_MS;
        call->refused = access->refused - access->refused_logged;
        access->refused_logged = access->refused;
    }
    return false;
}

void access_log(const struct call *call)
{
    static const char *const names[] = {
        [ACCESS_GRANTED] = "granted",
        [ACCESS_NO_IDENTITY] = "no_identity",
        [ACCESS_MALFORMED] = "malformed",
        [ACCESS_UNKNOWN_TOKEN] = "unknown_token",
        [ACCESS_UNKNOWN_CERTIFICATE] = "unknown_certificate",
        [ACCESS_EXPIRED] = "expired",
        [ACCESS_REVOKED] = "revoked",
        [ACCESS_WRONG_ROLE] = "wrong_role",
    };
    char *peer = grpc_call_get_peer(call->grpc);
    log_warning("caller_refused", "reason=%s caller=%s method=%s peer=%s refused=%" PRIu64,
                names[call->refusal], call->caller.name, call->method->path, peer, call->refused);
    gpr_free(peer);
}

void access_note(struct call *call)
{
    if (call->caller.note_due)
        identities_note(call->services->access.identities, call->caller.name);
    call->caller.note_due = false;
}

/* ---- whose it is -------------------------------------------------------------------------------------- */

/* Whether both GLNs are in one partner's record. */
static enum err check_same_partner(struct journal *journal, const char *own, const char *gln)
{
    struct arena arena;
    Epcis__V1__TradingPartner *partner = NULL;
    arena_init(&arena, RECORD_BYTES);
    enum err err = journal_partner_by_gln(journal, own, &arena, &partner);
    bool same = false;
    for (size_t i = 0; !err && !same && i < partner->n_glns; i++)
        same = strcmp(partner->glns[i], gln) == 0;
    arena_free(&arena);
    return err || same ? err : ERR_NOT_FOUND;
}

enum err access_sees(const struct call *call, const char *gln)
{
    const char *own = call->caller.partner;
    if (!own[0] || strcmp(own, gln) == 0)
        return ERR_OK;
    return gln[0] ? check_same_partner(call->services->journal, own, gln) : ERR_NOT_FOUND;
}

enum err access_sender(struct call *call, const char *named, const char **out)
{
    *out = named[0] ? named : call->caller.partner;
    enum err err = access_sees(call, *out);
    if (err == ERR_NOT_FOUND) {
        reply_refuse(&call->reply, REASON_PARTNER_NOT_OWN, "`partner` is \"%.40s\", for whom %s may not send",
                     named, call->caller.name);
        return ERR_INPUT;
    }
    if (err)
        reply_err(&call->reply, err, "the record of partner %s", call->caller.partner);
    return err;
}

const char *access_who(const struct call *call, const char *said, struct arena *arena)
{
    const char *name = call->caller.name;
    if (!name[0] || !said[0])
        return name[0] ? name : said;
    size_t size = strlen(name) + strlen(said) + sizeof " ()";
    char *who = arena_alloc(arena, size);
    if (who)
        snprintf(who, size, "%s (%s)", name, said);
    return who;
}
