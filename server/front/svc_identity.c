#include "server/front/svc_identity.h"

#include <string.h>

#include "server/front/page.h"
#include "server/front/query.h"
#include "server/identities.h"
#include "server/token.h"

enum { WHO_MAX = 200 };

/* `exists`: what ERR_EXISTS means. `why` says more of it, and of ERR_INPUT. */
static void fail(struct call *call, enum err err, enum reason exists, const char *name, const char *why)
{
    if (err == ERR_INPUT)
        reply_input(&call->reply, "%s", why);
    else if (err == ERR_EXISTS)
        reply_refuse(&call->reply, exists, "%s", why);
    else
        reply_err(&call->reply, err, "identity %.80s", name);
    if (err != ERR_INPUT)
        reply_about(&call->reply, "identity", name);
}

/* NULL: the reply says why. */
static const char *read_who(struct call *call, const char *said, struct arena *arena)
{
    if (strlen(said) > WHO_MAX) {
        reply_input(&call->reply, "`who` has %zu bytes: at most %d are kept", strlen(said), WHO_MAX);
        return NULL;
    }
    const char *who = access_who(call, said, arena);
    if (!who)
        reply_err(&call->reply, ERR_MEMORY, "identities");
    return who;
}

/* CreateIdentityResponse and RotateTokenResponse have the same fields, and RevokeIdentityResponse the first
 * of them. */
static const ProtobufCMessage *answer(struct call *call, Epcis__V1__Identity *identity, const char *token,
                                      struct arena *arena)
{
    Epcis__V1__CreateIdentityResponse *response = arena_alloc(arena, sizeof *response);
    char *copy = arena_copy(arena, token, strlen(token));
    if (!response || !copy) {
        reply_err(&call->reply, ERR_MEMORY, "identity %s", identity->name);
        return NULL;
    }
    epcis__v1__create_identity_response__init(response);
    response->identity = identity;
    response->token = copy;
    return &response->base;
}

static const ProtobufCMessage *create_identity(struct call *call, const ProtobufCMessage *message,
                                               struct arena *arena)
{
    const Epcis__V1__CreateIdentityRequest *request = (const Epcis__V1__CreateIdentityRequest *)message;
    const char *who = read_who(call, request->who, arena);
    Epcis__V1__Identity *identity;
    uint8_t sha256[DIGEST_BYTES];
    char token[TOKEN_SIZE], why[IDENTITY_WHY] = "";
    if (!who)
        return NULL;
    if (!request->identity) {
        fail(call, ERR_INPUT, REASON_NONE, "", "`identity` is missing");
        return NULL;
    }
    enum err err = token_make(token, sha256);
    if (!err)
        err = identities_create(call->services->access.identities, request->identity, sha256, who, arena,
                                &identity, why);
    if (err) {
        fail(call, err, REASON_EXISTS, request->identity->name, why);
        reply_within(&call->reply, "identity");
    }
    const ProtobufCMessage *response =
        err ? NULL : answer(call, identity, identity->certificate[0] ? "" : token, arena);
    explicit_bzero(token, sizeof token);
    return response;
}

static const ProtobufCMessage *rotate_token(struct call *call, const ProtobufCMessage *message,
                                            struct arena *arena)
{
    const Epcis__V1__RotateTokenRequest *request = (const Epcis__V1__RotateTokenRequest *)message;
    const char *who = read_who(call, request->who, arena);
    Epcis__V1__Identity *identity;
    uint8_t sha256[DIGEST_BYTES];
    char token[TOKEN_SIZE], why[IDENTITY_WHY] = "";
    if (!who)
        return NULL;
    enum err err = token_make(token, sha256);
    if (!err)
        err =
            identities_rotate(call->services->access.identities, request, sha256, who, arena, &identity, why);
    if (err)
        fail(call, err, REASON_IDENTITY_CLOSED, request->name, why);
    const ProtobufCMessage *response = err ? NULL : answer(call, identity, token, arena);
    explicit_bzero(token, sizeof token);
    return response;
}

static const ProtobufCMessage *revoke_identity(struct call *call, const ProtobufCMessage *message,
                                               struct arena *arena)
{
    const Epcis__V1__RevokeIdentityRequest *request = (const Epcis__V1__RevokeIdentityRequest *)message;
    const char *who = read_who(call, request->who, arena);
    Epcis__V1__Identity *identity;
    if (!who)
        return NULL;
    enum err err = identities_revoke(call->services->access.identities, request->name, who, arena, &identity);
    if (!err)
        return answer(call, identity, "", arena);
    fail(call, err, REASON_NONE, request->name, "");
    return NULL;
}

static const ProtobufCMessage *list_identities(struct call *call, const ProtobufCMessage *message,
                                               struct arena *arena)
{
    const Epcis__V1__ListIdentitiesRequest *request = (const Epcis__V1__ListIdentitiesRequest *)message;
    Epcis__V1__ListIdentitiesResponse *response = arena_alloc(arena, sizeof *response);
    struct page page;
    bool more = false;
    if (page_read(request->page_size, request->page_token, &page, &call->reply))
        return NULL;
    enum err err = response ? ERR_OK : ERR_MEMORY;
    if (!err) {
        epcis__v1__list_identities_response__init(response);
        err = identities_list(call->services->access.identities, page.cursor, page.limit, arena, response,
                              &more);
    }
    if (err) {
        if (!page_refused(err, &call->reply))
            reply_err(&call->reply, err, "identities");
        return NULL;
    }
    if (more) /* the token is the last one's name */
        response->next_page_token = response->identities[response->n_identities - 1]->name;
    return &response->base;
}

/* What changes a record waits for the disk, as documents do. */
const struct method svc_identity_methods[] = {
    {.path = "/epcis.v1.IdentityService/CreateIdentity",
     .need = NEED_ADMIN,
     .room = ROOM_DOCUMENTS,
     .work = query_work,
     .request = &epcis__v1__create_identity_request__descriptor,
     .answer = create_identity},
    {.path = "/epcis.v1.IdentityService/ListIdentities",
     .need = NEED_ADMIN,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__list_identities_request__descriptor,
     .answer = list_identities},
    {.path = "/epcis.v1.IdentityService/RotateToken",
     .need = NEED_ADMIN,
     .room = ROOM_DOCUMENTS,
     .work = query_work,
     .request = &epcis__v1__rotate_token_request__descriptor,
     .answer = rotate_token},
    {.path = "/epcis.v1.IdentityService/RevokeIdentity",
     .need = NEED_ADMIN,
     .room = ROOM_DOCUMENTS,
     .work = query_work,
     .request = &epcis__v1__revoke_identity_request__descriptor,
     .answer = revoke_identity},
};
const size_t svc_identity_count = sizeof svc_identity_methods / sizeof svc_identity_methods[0];
