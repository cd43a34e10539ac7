#include "server/journal_partner.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/journal_trees.h"

enum { GLN_BYTES = JOURNAL_PARTNER - 1, CHANGE_KEY_BYTES = UUID_BYTES + 8, FIELDS_MAX = 11 };

/* ---- records ---------------------------------------------------------------------------------------- */

static MDB_val val_of(const void *data, size_t bytes)
{
    return (MDB_val){.mv_size = bytes, .mv_data = (void *)(uintptr_t)data};
}

static void change_key(const uint8_t id[UUID_BYTES], uint64_t version, uint8_t out[CHANGE_KEY_BYTES])
{
    memcpy(out, id, UUID_BYTES);
    journal_key_u64(version, out + UUID_BYTES);
}

static enum err unpack(const ProtobufCMessageDescriptor *type, MDB_val value, struct arena *arena, void *out)
{
    size_t used = arena->used_bytes;
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, &arena->allocator, value.mv_size, value.mv_data);
    if (message) {
        memcpy(out, &message, sizeof message);
        return ERR_OK;
    }
    if (arena->budget_bytes - used < 8 * value.mv_size + 4096)
        return ERR_LIMIT;
    log_error("journal_record_unreadable", "type=%s bytes=%zu", type->name, value.mv_size);
    return ERR_CORRUPT;
}

static enum err put_message(struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree, MDB_val key,
                            const ProtobufCMessage *message)
{
    MDB_val value = {.mv_size = protobuf_c_message_get_packed_size(message)};
    int code = mdb_put(txn, trees->dbi[tree], &key, &value, MDB_RESERVE);
    if (code)
        return journal_trees_error("partner", code);
    protobuf_c_message_pack(message, value.mv_data);
    return ERR_OK;
}

static enum err get_partner(const struct journal_trees *trees, MDB_txn *txn, const uint8_t id[UUID_BYTES],
                            struct arena *arena, Epcis__V1__TradingPartner **out)
{
    MDB_val key = val_of(id, UUID_BYTES), value;
    int code = mdb_get(txn, trees->dbi[TREE_PARTNER], &key, &value);
    return code ? journal_trees_error("partner", code)
                : unpack(&epcis__v1__trading_partner__descriptor, value, arena, out);
}

static enum err get_owner(const struct journal_trees *trees, MDB_txn *txn, const char *gln,
                          uint8_t out[UUID_BYTES])
{
    MDB_val key = val_of(gln, strlen(gln)), value;
    int code = mdb_get(txn, trees->dbi[TREE_PARTNER_GLN], &key, &value);
    if (code)
        return journal_trees_error("partner", code);
    if (value.mv_size != UUID_BYTES)
        return ERR_CORRUPT;
    memcpy(out, value.mv_data, UUID_BYTES);
    return ERR_OK;
}

/* ---- what a change changes -------------------------------------------------------------------------- */

static bool same_list(size_t count, char *const *list, size_t other_count, char *const *other)
{
    bool same = count == other_count;
    for (size_t i = 0; same && i < count; i++)
        same = strcmp(list[i], other[i]) == 0;
    return same;
}

static bool same_overrides(const Epcis__V1__TradingPartner *a, const Epcis__V1__TradingPartner *b)
{
    bool same = a->n_overrides == b->n_overrides;
    for (size_t i = 0; same && i < a->n_overrides; i++)
        same = strcmp(a->overrides[i]->key, b->overrides[i]->key) == 0 &&
               a->overrides[i]->value == b->overrides[i]->value;
    return same;
}

static bool same_contact(const Epcis__V1__PartnerContact *a, const Epcis__V1__PartnerContact *b)
{
    static const Epcis__V1__PartnerContact none = EPCIS__V1__PARTNER_CONTACT__INIT;
    a = a ? a : &none;
    b = b ? b : &none;
    return strcmp(a->name, b->name) == 0 && strcmp(a->email, b->email) == 0 &&
           strcmp(a->phone, b->phone) == 0;
}

static size_t changed_fields(const Epcis__V1__TradingPartner *old, const Epcis__V1__TradingPartner *new,
                             const char *out[FIELDS_MAX])
{
    size_t count = 0;
    if (strcmp(old->name, new->name) != 0)
        out[count++] = "name";
    if (!same_list(old->n_glns, old->glns, new->n_glns, new->glns))
        out[count++] = "glns";
    if (!same_list(old->n_company_prefixes, old->company_prefixes, new->n_company_prefixes,
                   new->company_prefixes))
        out[count++] = "company_prefixes";
    if (old->profile != new->profile)
        out[count++] = "profile";
    if (!same_overrides(old, new))
        out[count++] = "overrides";
    if (!same_contact(old->contact, new->contact))
        out[count++] = "contact";
    if (old->max_document_bytes != new->max_document_bytes)
        out[count++] = "max_document_bytes";
    if (old->max_requests_per_second != new->max_requests_per_second)
        out[count++] = "max_requests_per_second";
    if (old->max_unfinished_bytes != new->max_unfinished_bytes)
        out[count++] = "max_unfinished_bytes";
    if (old->max_events_per_second != new->max_events_per_second)
        out[count++] = "max_events_per_second";
    if (old->active != new->active)
        out[count++] = "active";
    return count;
}

static Epcis__V1__PartnerAction action_of(const Epcis__V1__TradingPartner *old,
                                          const Epcis__V1__TradingPartner *new)
{
    if (!old)
        return EPCIS__V1__PARTNER_ACTION__PARTNER_ACTION_CREATED;
    if (old->active == new->active)
        return EPCIS__V1__PARTNER_ACTION__PARTNER_ACTION_UPDATED;
    return new->active ? EPCIS__V1__PARTNER_ACTION__PARTNER_ACTION_REACTIVATED
                       : EPCIS__V1__PARTNER_ACTION__PARTNER_ACTION_DEACTIVATED;
}

/* ---- writing ---------------------------------------------------------------------------------------- */

/* ERR_EXISTS, and whose it is, where one of the GLNs is another partner's. */
static enum err check_owners(const struct journal_trees *trees, MDB_txn *txn, const uint8_t id[UUID_BYTES],
                             struct journal_partner_put *put, struct arena *scratch)
{
    uint8_t owner[UUID_BYTES];
    for (size_t i = 0; i < put->partner->n_glns; i++) {
        enum err err = get_owner(trees, txn, put->partner->glns[i], owner);
        if (err == ERR_NOT_FOUND || (!err && memcmp(owner, id, UUID_BYTES) == 0))
            continue;
        Epcis__V1__TradingPartner *other = NULL;
        if (!err)
            err = get_partner(trees, txn, owner, scratch, &other);
        if (err)
            return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
        snprintf(put->gln, sizeof put->gln, "%s", put->partner->glns[i]);
        snprintf(put->other_name, sizeof put->other_name, "%s", other->name);
        uuid_text(owner, put->other_id);
        return ERR_EXISTS;
    }
    return ERR_OK;
}

/* What the record is now, NULL where it is to be made; or why it may not be written. */
static enum err check_put(const struct journal_trees *trees, MDB_txn *txn, const uint8_t id[UUID_BYTES],
                          struct journal_partner_put *put, struct arena *scratch,
                          Epcis__V1__TradingPartner **old)
{
    enum err err = ERR_OK;
    *old = NULL;
    if (put->partner->version > 0)
        err = get_partner(trees, txn, id, scratch, old);
    if (err)
        return err;
    if (*old && (*old)->version != put->partner->version) {
        put->version = (*old)->version;
        return ERR_VERSION;
    }
    return check_owners(trees, txn, id, put, scratch);
}

static enum err write_glns(struct journal_trees *trees, MDB_txn *txn, const uint8_t id[UUID_BYTES],
                           const Epcis__V1__TradingPartner *old, const Epcis__V1__TradingPartner *new)
{
    int code = 0;
    for (size_t i = 0; old && !code && i < old->n_glns; i++) {
        MDB_val key = val_of(old->glns[i], strlen(old->glns[i]));
        code = mdb_del(txn, trees->dbi[TREE_PARTNER_GLN], &key, NULL);
        if (code == MDB_NOTFOUND)
            code = 0;
    }
    for (size_t i = 0; !code && i < new->n_glns; i++) {
        MDB_val key = val_of(new->glns[i], strlen(new->glns[i])), value = val_of(id, UUID_BYTES);
        code = mdb_put(txn, trees->dbi[TREE_PARTNER_GLN], &key, &value, 0);
    }
    return code ? journal_trees_error("partner", code) : ERR_OK;
}

static enum err write_put(struct journal_trees *trees, MDB_txn *txn, const uint8_t id[UUID_BYTES],
                          const struct journal_partner_put *put, const Epcis__V1__TradingPartner *old,
                          Epcis__V1__PartnerChange *change)
{
    Epcis__V1__TradingPartner *partner = put->partner;
    uint8_t key[CHANGE_KEY_BYTES];
    change->changed_ms = partner->updated_ms = clock_wall_ms();
    change->changed_by = (char *)(uintptr_t)put->changed_by;
    change->action = action_of(old, partner);
    change->version_before = partner->version++;
    change->version_after = partner->version;
    if (!old)
        partner->created_ms = partner->updated_ms;
    change_key(id, partner->version, key);
    enum err err = write_glns(trees, txn, id, old, partner);
    if (!err)
        err = put_message(trees, txn, TREE_PARTNER, val_of(id, UUID_BYTES), &partner->base);
    if (!err)
        err = put_message(trees, txn, TREE_PARTNER_CHANGE, val_of(key, sizeof key), &change->base);
    trees->partner_changes++;
    return err;
}

enum err journal_partner_apply(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                               struct arena *scratch)
{
    struct journal_partner_put *put = op->partner;
    Epcis__V1__TradingPartner *old;
    Epcis__V1__PartnerChange change = EPCIS__V1__PARTNER_CHANGE__INIT;
    const char *fields[FIELDS_MAX];
    uint8_t id[UUID_BYTES];
    op->refused = uuid_parse(put->partner->partner_id, id);
    if (!op->refused)
        op->refused = check_put(trees, txn, id, put, scratch, &old);
    if (op->refused)
        return ERR_OK;
    if (old) {
        put->partner->created_ms = old->created_ms;
        put->partner->updated_ms = old->updated_ms;
        change.n_fields = changed_fields(old, put->partner, fields);
        change.fields = (char **)(uintptr_t)fields;
        if (change.n_fields == 0)
            return ERR_OK;
    }
    return write_put(trees, txn, id, put, old, &change);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static enum err begin_read(const struct journal_trees *trees, MDB_txn **out)
{
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, out);
    return code ? journal_trees_error("read", code) : ERR_OK;
}

enum err journal_partner_get(struct journal *journal, const uint8_t id[UUID_BYTES], struct arena *arena,
                             Epcis__V1__TradingPartner **out)
{
    return journal_trees_read(journal_trees_of(journal), TREE_PARTNER, id, UUID_BYTES,
                              &epcis__v1__trading_partner__descriptor, arena, out);
}

enum err journal_partner_by_gln(struct journal *journal, const char *gln, struct arena *arena,
                                Epcis__V1__TradingPartner **out)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    uint8_t id[UUID_BYTES];
    MDB_txn *txn;
    if (strlen(gln) != GLN_BYTES)
        return ERR_NOT_FOUND;
    enum err err = begin_read(trees, &txn);
    if (err)
        return err;
    err = get_owner(trees, txn, gln, id);
    if (!err) {
        err = get_partner(trees, txn, id, arena, out);
        if (err == ERR_NOT_FOUND)
            err = ERR_CORRUPT;
    }
    mdb_txn_abort(txn);
    return err;
}

enum err journal_partner_list(struct journal *journal, const uint8_t *after, uint32_t limit,
                              struct arena *arena, Epcis__V1__ListPartnersResponse *out, bool *more)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    MDB_txn *txn;
    MDB_cursor *cursor = NULL;
    MDB_val key = val_of(after, UUID_BYTES), value;
    *more = false;
    out->partners = arena_alloc(arena, limit * sizeof(Epcis__V1__TradingPartner *));
    enum err err = out->partners ? begin_read(trees, &txn) : ERR_LIMIT;
    if (err)
        return err;
    int code = mdb_cursor_open(txn, trees->dbi[TREE_PARTNER], &cursor);
    if (!code)
        code = mdb_cursor_get(cursor, &key, &value, after ? MDB_SET_RANGE : MDB_FIRST);
    if (!code && after && key.mv_size == UUID_BYTES && memcmp(key.mv_data, after, UUID_BYTES) == 0)
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    for (; !code && out->n_partners < limit; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        err = unpack(&epcis__v1__trading_partner__descriptor, value, arena, &out->partners[out->n_partners]);
        if (err)
            break;
        out->n_partners++;
    }
    if (err == ERR_LIMIT && out->n_partners > 0) /* a page may end early */
        err = ERR_OK;
    *more = !code;
    if (!err && code && code != MDB_NOTFOUND)
        err = journal_trees_error("read", code);
    if (cursor)
        mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return err;
}

enum err journal_partner_changes(struct journal *journal, const uint8_t id[UUID_BYTES], uint64_t version,
                                 uint32_t limit, struct arena *arena, Epcis__V1__GetPartnerResponse *out)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    uint64_t oldest = version > limit ? version - limit + 1 : 1;
    MDB_txn *txn;
    out->changes = arena_alloc(arena, limit * sizeof(Epcis__V1__PartnerChange *));
    enum err err = out->changes ? begin_read(trees, &txn) : ERR_LIMIT;
    if (err)
        return err;
    for (; !err && version >= oldest; version--) {
        uint8_t key_bytes[CHANGE_KEY_BYTES];
        change_key(id, version, key_bytes);
        MDB_val key = val_of(key_bytes, sizeof key_bytes), value;
        int code = mdb_get(txn, trees->dbi[TREE_PARTNER_CHANGE], &key, &value);
        err = code ? journal_trees_error("read", code)
                   : unpack(&epcis__v1__partner_change__descriptor, value, arena,
                            &out->changes[out->n_changes++]);
    }
    mdb_txn_abort(txn);
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}
