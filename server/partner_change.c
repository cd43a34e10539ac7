#include "server/partner_change.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/journal_partner.h"
#include "server/journal_wait.h"

static enum err put(struct journal *journal, Epcis__V1__TradingPartner *partner, const char *changed_by,
                    char why[PARTNER_WHY])
{
    struct journal_partner_put put = {.partner = partner, .changed_by = changed_by};
    struct journal_op op = {.kind = JOURNAL_PARTNER_PUT, .partner = &put};
    op.bytes = protobuf_c_message_get_packed_size(&partner->base);
    enum err err = journal_wait(journal, &op);
    if (err == ERR_EXISTS)
        snprintf(why, PARTNER_WHY, "GLN %s is that of partner %s (\"%.120s\")", put.gln, put.other_id,
                 put.other_name);
    if (err == ERR_VERSION)
        snprintf(why, PARTNER_WHY,
                 "`version` is %" PRIu64 ", the record's is %" PRIu64
                 ": somebody changed it meanwhile; read it again",
                 partner->version, put.version);
    return err;
}

enum err partner_create(struct journal *journal, Epcis__V1__TradingPartner *partner, const char *changed_by,
                        struct arena *arena, char why[PARTNER_WHY])
{
    uint8_t id[UUID_BYTES];
    why[0] = '\0';
    if (partner->partner_id[0] || partner->version) {
        snprintf(why, PARTNER_WHY, "`partner_id` and `version` are the server's to give: send neither");
        return ERR_INPUT;
    }
    enum err err = partner_check(partner, why);
    if (!err)
        err = uuid_make(id);
    if (err)
        return err;
    partner->partner_id = arena_alloc(arena, UUID_TEXT + 1);
    if (!partner->partner_id)
        return ERR_LIMIT;
    uuid_text(id, partner->partner_id);
    partner->active = true;
    return put(journal, partner, changed_by, why);
}

static enum err check_id(const char *partner_id, uint8_t out[UUID_BYTES], char why[PARTNER_WHY])
{
    enum err err = uuid_parse(partner_id, out);
    if (err)
        snprintf(why, PARTNER_WHY, "`partner_id` is \"%.60s\": a UUID as CreatePartner gave it is expected",
                 partner_id);
    return err;
}

enum err partner_update(struct journal *journal, Epcis__V1__TradingPartner *partner, const char *changed_by,
                        char why[PARTNER_WHY])
{
    uint8_t id[UUID_BYTES];
    why[0] = '\0';
    enum err err = check_id(partner->partner_id, id, why);
    if (err)
        return err;
    uuid_text(id, partner->partner_id); /* in lower case */
    if (partner->version == 0) {
        snprintf(why, PARTNER_WHY, "`version` is 0: send that of the record that was read");
        return ERR_INPUT;
    }
    err = partner_check(partner, why);
    return err ? err : put(journal, partner, changed_by, why);
}

enum err partner_deactivate(struct journal *journal, const char *partner_id, uint64_t version,
                            const char *changed_by, struct arena *arena, Epcis__V1__TradingPartner **out,
                            char why[PARTNER_WHY])
{
    uint8_t id[UUID_BYTES];
    why[0] = '\0';
    enum err err = check_id(partner_id, id, why);
    while (!err) {
        why[0] = '\0'; /* of the try before */
        err = journal_partner_get(journal, id, arena, out);
        if (err)
            break;
        if (version)
            (*out)->version = version;
        (*out)->active = false;
        err = put(journal, *out, changed_by, why);
        if (err != ERR_VERSION || version)
            break;
        err = ERR_OK; /* another change came between reading and writing, and the caller does not mind */
    }
    return err;
}
