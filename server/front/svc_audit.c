#include "server/front/svc_audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/front/page.h"
#include "server/front/query.h"
#include "server/journal_audit.h"
#include "server/signer.h"

/* Tokens are the number that comes next. */
static enum err read_page(struct call *call, uint32_t page_size, const char *page_token,
                          struct journal_audit_page *out)
{
    struct page page;
    char *end;
    if (page_read(page_size, page_token, &page, &call->reply))
        return ERR_INPUT;
    out->limit = page.limit;
    errno = 0;
    out->from = strtoull(page.cursor, &end, 10);
    if (page.cursor[0] && (*end || errno || !out->from || page.cursor[0] == '-')) {
        reply_input(&call->reply,
                    "`page_token` is none: send next_page_token of the answer before, or nothing");
        return ERR_INPUT;
    }
    return ERR_OK;
}

static enum err write_page(const struct journal_audit_page *page, struct arena *arena, char **next_page_token)
{
    struct page next = {.cursor = ""};
    if (page->from)
        snprintf(next.cursor, sizeof next.cursor, "%" PRIu64, page->from);
    return page_write(&next, arena, next_page_token);
}

static const ProtobufCMessage *list_keys(struct call *call, const ProtobufCMessage *message,
                                         struct arena *arena)
{
    const Epcis__V1__ListKeysRequest *request = (const Epcis__V1__ListKeysRequest *)message;
    Epcis__V1__ListKeysResponse *response = arena_alloc(arena, sizeof *response);
    struct journal_audit_page page = {0};
    if (read_page(call, request->page_size, request->page_token, &page))
        return NULL;
    enum err err = response ? ERR_OK : ERR_MEMORY;
    if (!err) {
        epcis__v1__list_keys_response__init(response);
        err = journal_audit_keys(call->services->journal, &page, arena, response);
    }
    if (!err)
        err = write_page(&page, arena, &response->next_page_token);
    if (err)
        reply_err(&call->reply, err, "keys");
    return err ? NULL : &response->base;
}

static const ProtobufCMessage *list_checkpoints(struct call *call, const ProtobufCMessage *message,
                                                struct arena *arena)
{
    const Epcis__V1__ListCheckpointsRequest *request = (const Epcis__V1__ListCheckpointsRequest *)message;
    Epcis__V1__ListCheckpointsResponse *response = arena_alloc(arena, sizeof *response);
    struct journal_audit_page page = {.newest_first = request->newest_first};
    if (read_page(call, request->page_size, request->page_token, &page))
        return NULL;
    enum err err = response ? ERR_OK : ERR_MEMORY;
    if (!err) {
        epcis__v1__list_checkpoints_response__init(response);
        err = journal_audit_checkpoints(call->services->journal, &page, arena, response);
    }
    if (!err)
        err = write_page(&page, arena, &response->next_page_token);
    if (err)
        reply_err(&call->reply, err, "checkpoints");
    return err ? NULL : &response->base;
}

static const ProtobufCMessage *rotate_key(struct call *call, const ProtobufCMessage *message,
                                          struct arena *arena)
{
    const Epcis__V1__RotateKeyRequest *request = (const Epcis__V1__RotateKeyRequest *)message;
    Epcis__V1__RotateKeyResponse *response = arena_alloc(arena, sizeof *response);
    enum { REQUESTED_BY_MAX = 200 };
    size_t length = strlen(request->requested_by);
    if (length > REQUESTED_BY_MAX) {
        reply_input(&call->reply, "`requested_by` has %zu bytes: at most %d are taken", length,
                    REQUESTED_BY_MAX);
        return NULL;
    }
    enum err err = response ? signer_rotate(call->services->signer, request->requested_by) : ERR_MEMORY;
    if (!err) {
        epcis__v1__rotate_key_response__init(response);
        err = journal_audit_last_key(call->services->journal, arena, &response->key);
    }
    if (err)
        reply_err(&call->reply, err, "the new key");
    return err ? NULL : &response->base;
}

/* Whoever holds a receipt may ask for the keys that verify it. */
const struct method svc_audit_methods[] = {
    {.path = "/epcis.v1.AuditService/ListKeys",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__list_keys_request__descriptor,
     .answer = list_keys},
    {.path = "/epcis.v1.AuditService/RotateKey",
     .need = NEED_ADMIN,
     .room = ROOM_DOCUMENTS,
     .work = query_work,
     .request = &epcis__v1__rotate_key_request__descriptor,
     .answer = rotate_key},
    {.path = "/epcis.v1.AuditService/ListCheckpoints",
     .need = NEED_AUDIT,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__list_checkpoints_request__descriptor,
     .answer = list_checkpoints},
};
const size_t svc_audit_count = sizeof svc_audit_methods / sizeof svc_audit_methods[0];
