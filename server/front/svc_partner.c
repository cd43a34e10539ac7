#include "server/front/svc_partner.h"

#include <string.h>

#include "common/gs1/epc.h"
#include "server/front/page.h"
#include "server/front/query.h"
#include "server/journal_partner.h"
#include "server/partner_change.h"

enum { CHANGES_MAX = 100 };

/* `why` says more where it is not empty. */
static void fail(struct call *call, enum err err, const char *partner_id, const char *why)
{
    if (!why[0])
        reply_err(&call->reply, err, "partner %.60s", partner_id);
    else if (err == ERR_EXISTS)
        reply_refuse(&call->reply, REASON_EXISTS, "%s", why);
    else if (err == ERR_VERSION)
        reply_refuse(&call->reply, REASON_VERSION_PASSED, "%s", why);
    else
        reply_input(&call->reply, "%s", why);
    if (err != ERR_INPUT && partner_id[0])
        reply_about(&call->reply, "partner", partner_id);
}

/* ---- changing --------------------------------------------------------------------------------------- */

static bool has_partner(struct call *call, const Epcis__V1__TradingPartner *partner)
{
    if (!partner)
        reply_input(&call->reply, "`partner` is missing");
    return partner;
}

/* Whom the caller proved to be, with what the request says of it. NULL: the reply says why. */
static const char *read_who(struct call *call, const char *changed_by, struct arena *arena)
{
    char why[PARTNER_WHY];
    if (partner_check_changed_by(changed_by, why)) {
        reply_input(&call->reply, "%s", why);
        return NULL;
    }
    const char *who = access_who(call, changed_by, arena);
    if (!who)
        reply_err(&call->reply, ERR_MEMORY, "partners");
    return who;
}

/* The three answers have the same one field. */
static const ProtobufCMessage *changed(struct call *call, enum err err, Epcis__V1__TradingPartner *partner,
                                       const char *partner_id, const char *why, struct arena *arena)
{
    Epcis__V1__UpdatePartnerResponse *response = err ? NULL : arena_alloc(arena, sizeof *response);
    if (!err && !response)
        err = ERR_LIMIT;
    if (err) {
        fail(call, err, partner_id, why);
        return NULL;
    }
    epcis__v1__update_partner_response__init(response);
    response->partner = partner;
    return &response->base;
}

static const ProtobufCMessage *create_partner(struct call *call, const ProtobufCMessage *message,
                                              struct arena *arena)
{
    const Epcis__V1__CreatePartnerRequest *request = (const Epcis__V1__CreatePartnerRequest *)message;
    const char *who = read_who(call, request->changed_by, arena);
    char why[PARTNER_WHY];
    if (!who || !has_partner(call, request->partner))
        return NULL;
    enum err err = partner_create(call->services->journal, request->partner, who, arena, why);
    const ProtobufCMessage *response =
        changed(call, err, request->partner, request->partner->name, why, arena);
    reply_within(&call->reply, "partner");
    return response;
}

static const ProtobufCMessage *update_partner(struct call *call, const ProtobufCMessage *message,
                                              struct arena *arena)
{
    const Epcis__V1__UpdatePartnerRequest *request = (const Epcis__V1__UpdatePartnerRequest *)message;
    const char *who = read_who(call, request->changed_by, arena);
    char why[PARTNER_WHY];
    if (!who || !has_partner(call, request->partner))
        return NULL;
    enum err err = partner_update(call->services->journal, request->partner, who, why);
    const ProtobufCMessage *response =
        changed(call, err, request->partner, request->partner->partner_id, why, arena);
    reply_within(&call->reply, "partner");
    return response;
}

static const ProtobufCMessage *deactivate_partner(struct call *call, const ProtobufCMessage *message,
                                                  struct arena *arena)
{
    const Epcis__V1__DeactivatePartnerRequest *request = (const Epcis__V1__DeactivatePartnerRequest *)message;
    const char *who = read_who(call, request->changed_by, arena);
    Epcis__V1__TradingPartner *partner = NULL;
    char why[PARTNER_WHY];
    if (!who)
        return NULL;
    enum err err = partner_deactivate(call->services->journal, request->partner_id, request->version, who,
                                      arena, &partner, why);
    return changed(call, err, partner, request->partner_id, why, arena);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static enum err find_partner(struct call *call, const Epcis__V1__GetPartnerRequest *request,
                             struct arena *arena, Epcis__V1__TradingPartner **out)
{
    uint8_t id[UUID_BYTES];
    struct journal *journal = call->services->journal;
    if (!request->partner_id[0] == !request->gln[0]) {
        fail(call, ERR_INPUT, "", "either `partner_id` or `gln` is expected");
        return ERR_INPUT;
    }
    if (request->partner_id[0] && uuid_parse(request->partner_id, id)) {
        reply_input(&call->reply, "`partner_id` is \"%.60s\": a UUID as CreatePartner gave it is expected",
                    request->partner_id);
        return ERR_INPUT;
    }
    if (request->gln[0] && !gs1_check_digit_ok(request->gln, strlen(request->gln))) {
        reply_input(&call->reply, "`gln` is \"%.40s\": a GLN of 13 digits with its check digit is expected",
                    request->gln);
        return ERR_INPUT;
    }
    enum err err = request->gln[0] ? journal_partner_by_gln(journal, request->gln, arena, out)
                                   : journal_partner_get(journal, id, arena, out);
    if (err)
        fail(call, err, request->gln[0] ? request->gln : request->partner_id, "");
    return err;
}

static const ProtobufCMessage *get_partner(struct call *call, const ProtobufCMessage *message,
                                           struct arena *arena)
{
    const Epcis__V1__GetPartnerRequest *request = (const Epcis__V1__GetPartnerRequest *)message;
    Epcis__V1__GetPartnerResponse *response = arena_alloc(arena, sizeof *response);
    Epcis__V1__TradingPartner *partner = NULL;
    uint8_t id[UUID_BYTES];
    if (!response) {
        fail(call, ERR_MEMORY, request->partner_id, "");
        return NULL;
    }
    if (find_partner(call, request, arena, &partner))
        return NULL;
    epcis__v1__get_partner_response__init(response);
    response->partner = partner;
    enum err err = uuid_parse(partner->partner_id, id) ? ERR_CORRUPT : ERR_OK;
    if (!err)
        err = journal_partner_changes(call->services->journal, id, partner->version, CHANGES_MAX, arena,
                                      response);
    if (!err)
        return &response->base;
    fail(call, err, partner->partner_id, "");
    return NULL;
}

static const ProtobufCMessage *list_partners(struct call *call, const ProtobufCMessage *message,
                                             struct arena *arena)
{
    const Epcis__V1__ListPartnersRequest *request = (const Epcis__V1__ListPartnersRequest *)message;
    Epcis__V1__ListPartnersResponse *response = arena_alloc(arena, sizeof *response);
    struct page page;
    uint8_t after[UUID_BYTES];
    bool more = false;
    if (page_read(request->page_size, request->page_token, &page, &call->reply))
        return NULL;
    if (page.cursor[0] && uuid_parse(page.cursor, after)) {
        page_refused(ERR_INPUT, &call->reply);
        return NULL;
    }
    if (!response) {
        fail(call, ERR_MEMORY, "list", "");
        return NULL;
    }
    epcis__v1__list_partners_response__init(response);
    enum err err = journal_partner_list(call->services->journal, page.cursor[0] ? after : NULL, page.limit,
                                        arena, response, &more);
    if (err) {
        reply_err(&call->reply, err, "partners");
        return NULL;
    }
    if (more) /* the token is the last one's id */
        response->next_page_token = response->partners[response->n_partners - 1]->partner_id;
    return &response->base;
}

/* What changes a record waits for the disk, as documents do. */
const struct method svc_partner_methods[] = {
    {.path = "/epcis.v1.PartnerService/CreatePartner",
     .need = NEED_OPERATE,
     .room = ROOM_DOCUMENTS,
     .work = query_work,
     .request = &epcis__v1__create_partner_request__descriptor,
     .answer = create_partner},
    {.path = "/epcis.v1.PartnerService/GetPartner",
     .need = NEED_OPERATE,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_partner_request__descriptor,
     .answer = get_partner},
    {.path = "/epcis.v1.PartnerService/ListPartners",
     .need = NEED_OPERATE,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__list_partners_request__descriptor,
     .answer = list_partners},
    {.path = "/epcis.v1.PartnerService/UpdatePartner",
     .need = NEED_OPERATE,
     .room = ROOM_DOCUMENTS,
     .work = query_work,
     .request = &epcis__v1__update_partner_request__descriptor,
     .answer = update_partner},
    {.path = "/epcis.v1.PartnerService/DeactivatePartner",
     .need = NEED_OPERATE,
     .room = ROOM_DOCUMENTS,
     .work = query_work,
     .request = &epcis__v1__deactivate_partner_request__descriptor,
     .answer = deactivate_partner},
};
const size_t svc_partner_count = sizeof svc_partner_methods / sizeof svc_partner_methods[0];
