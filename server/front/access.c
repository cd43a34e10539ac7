#include "server/front/access.h"

#include <stdio.h>
#include <string.h>

#include "server/front/call.h"
#include "server/journal_partner.h"

enum { RECORD_BYTES = 1 << 20 }; /* memory for one partner's record */

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
        reply_fail(&call->reply, GRPC_STATUS_PERMISSION_DENIED,
                   "`partner` is \"%s\", for whom %s may not send: send one of its own GLNs, or nothing",
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
