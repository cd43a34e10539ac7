/* The reading half: one read transaction a call, messages copied into the caller's arena. */
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/epcis/event_hash.h"
#include "common/store/store_read.h"

enum { PAGE_MAX = 1000 };

enum err store_read_begin(struct store *store, MDB_txn **txn)
{
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, txn);
    if (rc)
        log_error("store_read", "detail=\"%s\"", mdb_strerror(rc));
    return trees_error(rc);
}

uint32_t store_read_limit(uint32_t limit)
{
    return limit == 0 || limit > PAGE_MAX ? PAGE_MAX : limit;
}

static char *hex_in(struct arena *arena, const uint8_t *data, size_t bytes)
{
    char *text = arena_alloc(arena, 2 * bytes + 1);
    if (text)
        digest_hex(data, bytes, text);
    return text;
}

bool store_read_text(struct arena *arena, const char *text, size_t length, char **out)
{
    *out = arena_copy(arena, length ? text : "", length); /* an absent text may be NULL */
    return *out != NULL;
}

enum err store_read_event(struct store *store, MDB_txn *txn, uint64_t sequence, struct event_head *out)
{
    MDB_val key = {sizeof sequence, &sequence}, value;
    int rc = mdb_get(txn, store->trees[TREE_EVENT], &key, &value);
    return rc ? trees_error(rc) : trees_event_decode(value.mv_data, value.mv_size, out);
}

/* What an event's head tells as text. */
struct head_text {
    char *event_hash;
    char *batch_id;
};

static enum err batch_id_find(struct store *store, MDB_txn *txn, const struct event_head *head,
                              uint8_t out[DIGEST_BYTES])
{
    /* Field 1 of the record; what stands behind it is not wanted here. */
    enum { TAG = 1 << 3 | 2 };
    uint8_t bytes[BATCH_KEY_BYTES];
    trees_batch_key(head->partition, head->batch_sequence, bytes);
    MDB_val key = {sizeof bytes, bytes}, value;
    int rc = mdb_get(txn, store->trees[TREE_BATCH], &key, &value);
    const uint8_t *record = value.mv_data;
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_CORRUPT : trees_error(rc);
    if (value.mv_size < 2 + DIGEST_BYTES || record[0] != TAG || record[1] != DIGEST_BYTES)
        return ERR_CORRUPT;
    memcpy(out, record + 2, DIGEST_BYTES);
    return ERR_OK;
}

static enum err head_text(struct store *store, MDB_txn *txn, const struct event_head *head,
                          struct arena *arena, struct head_text *out)
{
    uint8_t batch_id[DIGEST_BYTES];
    enum err err = batch_id_find(store, txn, head, batch_id);
    if (err)
        return err;
    out->event_hash = arena_alloc(arena, EVENT_HASH_TEXT);
    out->batch_id = hex_in(arena, batch_id, sizeof batch_id);
    if (!out->event_hash || !out->batch_id)
        return ERR_LIMIT;
    event_hash_text(head->event_hash, out->event_hash);
    return ERR_OK;
}

/* ---- items ---- */

enum err store_read_state(struct store *store, MDB_txn *txn, const uint8_t *item, size_t length,
                          struct store_item *out)
{
    uint8_t bytes[STORE_ROW_KEY_MAX];
    MDB_val key = {trees_state_key(item, length, bytes), bytes}, value;
    int rc = mdb_get(txn, store->trees[TREE_ITEM], &key, &value);
    *out = (struct store_item){.key = item, .key_length = (uint16_t)length};
    return rc ? trees_error(rc) : trees_state_decode(value.mv_data, value.mv_size, out);
}

enum err store_read_link(struct store *store, MDB_txn *txn, const struct store_item *item,
                         enum store_relation relation, struct store_item *out)
{
    const struct store_link *link = &item->links[relation];
    if (link->parent.length == 0)
        return ERR_NOT_FOUND;
    enum err err = store_read_state(store, txn, link->parent.data, link->parent.length, out);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    return out->emptied_sequence[relation] < link->sequence ? ERR_OK : ERR_NOT_FOUND;
}

char *store_read_key(struct arena *arena, const uint8_t *key, size_t length)
{
    size_t bytes = epc_key_text(key, length, NULL, 0) + 1;
    char *text = arena_alloc(arena, bytes);
    if (text)
        epc_key_text(key, length, text, bytes);
    return text;
}

static bool parse_sgtin(const char *text, struct epc *out)
{
    epc_parse(text, strlen(text), out);
    return out->kind == EPC_SGTIN && !out->fault;
}

bool store_read_gtin(struct arena *arena, const char *epc, char **out)
{
    struct epc parts;
    return !parse_sgtin(epc, &parts) || store_read_text(arena, parts.digits, strlen(parts.digits), out);
}

bool store_read_date(struct arena *arena, uint32_t date, char **out)
{
    char text[32];
    if (date == 0)
        return true;
    int length = snprintf(text, sizeof text, "%04u-%02u-%02u", date / 10000, date / 100 % 100, date % 100);
    return store_read_text(arena, text, (size_t)length, out);
}

static bool copy_time(struct arena *arena, const Epcis__V1__Time *from, Epcis__V1__Time **out)
{
    *out = NULL;
    if (!from)
        return true;
    Epcis__V1__Time *time = arena_alloc(arena, sizeof *time);
    if (!time)
        return false;
    epcis__v1__time__init(time);
    time->seconds = from->seconds;
    time->nanos = from->nanos;
    time->fraction_digits = from->fraction_digits;
    *out = time;
    return store_read_text(arena, from->invalid_text, strlen(from->invalid_text), &time->invalid_text);
}

enum err store_read_declared(struct store *store, MDB_txn *txn, uint64_t sequence, uint64_t *declaration)
{
    uint8_t bytes[8];
    trees_put_number(bytes, sequence, sizeof bytes);
    MDB_val key = {sizeof bytes, bytes}, value;
    int rc = mdb_get(txn, store->trees[TREE_DECLARED], &key, &value);
    *declaration = 0;
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
    if (value.mv_size != 8)
        return ERR_CORRUPT;
    *declaration = trees_get_number(value.mv_data, 8);
    return ERR_OK;
}

/* The texts of an entry, out of the event, which goes. */
static bool fill_entry(const Epcis__V1__Event *event, const struct event_head *head, struct arena *arena,
                       Epcis__V1__HistoryEntry *entry)
{
    const char *id = event->event_id[0] ? event->event_id : entry->event_hash;
    entry->capture_id = arena_alloc(arena, UUID_TEXT + 1);
    if (!entry->capture_id)
        return false;
    uuid_text(head->capture_id, entry->capture_id);
    return copy_time(arena, event->event_time, &entry->event_time) &&
           store_read_text(arena, event->biz_step, strlen(event->biz_step), &entry->biz_step) &&
           store_read_text(arena, id, strlen(id), &entry->event_id);
}

enum err store_read_sees(struct store *store, MDB_txn *txn, const struct store_sight *sight,
                         uint64_t sequence, uint32_t *unseen)
{
    struct event_head head;
    if (!sight)
        return ERR_OK;
    enum err err = store_read_event(store, txn, sequence, &head);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    err = sight->sees(sight->context, head.capture_id);
    *unseen = err == ERR_NOT_FOUND ? *unseen + 1 : 0;
    return err;
}

enum err store_read_entry(struct store *store, MDB_txn *txn, uint64_t sequence, struct arena *scratch,
                          struct arena *arena, Epcis__V1__HistoryEntry **out)
{
    struct event_head head;
    struct head_text text;
    enum err err = store_read_event(store, txn, sequence, &head);
    if (!err)
        err = head_text(store, txn, &head, arena, &text);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    arena_reset(scratch);
    Epcis__V1__Event *event = epcis__v1__event__unpack(&scratch->allocator, head.packed_bytes, head.packed);
    if (!event)
        return ERR_CORRUPT;
    Epcis__V1__HistoryEntry *entry = arena_alloc(arena, sizeof *entry);
    if (!entry)
        return ERR_LIMIT;
    epcis__v1__history_entry__init(entry);
    entry->type = event->type;
    entry->action = event->action;
    entry->event_hash = text.event_hash;
    entry->batch_id = text.batch_id;
    entry->sequence = sequence;
    entry->event_index = head.event_index;
    entry->error_declaration = event->error_declaration != NULL;
    *out = entry;
    if (!fill_entry(event, &head, arena, entry))
        return ERR_LIMIT;
    return store_read_declared(store, txn, sequence, &entry->declared_wrong_by);
}

/* ---- events ---- */

static enum err fill_warnings(struct store *store, MDB_txn *txn, uint64_t sequence, struct arena *arena,
                              Epcis__V1__CommittedEvent *out)
{
    MDB_val key = {sizeof sequence, &sequence}, value;
    int rc = mdb_get(txn, store->trees[TREE_WARNING], &key, &value);
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
    Epcis__Store__V1__WarningRecord *record =
        epcis__store__v1__warning_record__unpack(&arena->allocator, value.mv_size, value.mv_data);
    if (!record)
        return ERR_LIMIT;
    out->warnings = record->warnings;
    out->n_warnings = record->n_warnings;
    return ERR_OK;
}

static enum err fill_rule_pack(struct store *store, MDB_txn *txn, const struct event_head *head,
                               struct arena *arena, Epcis__V1__CommittedEvent *out)
{
    uint8_t bytes[BATCH_KEY_BYTES];
    trees_batch_key(head->partition, head->batch_sequence, bytes);
    MDB_val key = {sizeof bytes, bytes}, value;
    int rc = mdb_get(txn, store->trees[TREE_BATCH], &key, &value);
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_CORRUPT : trees_error(rc);
    Epcis__Store__V1__BatchResultRecord *record =
        epcis__store__v1__batch_result_record__unpack(&arena->allocator, value.mv_size, value.mv_data);
    if (!record)
        return ERR_LIMIT;
    if (record->acknowledgment)
        out->rule_pack = record->acknowledgment->rule_pack;
    return ERR_OK;
}

static enum err fill_event(struct store *store, MDB_txn *txn, uint64_t sequence, struct arena *arena,
                           Epcis__V1__CommittedEvent *out)
{
    struct event_head head;
    struct head_text text;
    enum err err = store_read_event(store, txn, sequence, &head);
    if (err)
        return err;
    epcis__v1__committed_event__init(out);
    err = head_text(store, txn, &head, arena, &text);
    if (err)
        return err;
    char *capture_id = arena_alloc(arena, UUID_TEXT + 1);
    out->event = epcis__v1__event__unpack(&arena->allocator, head.packed_bytes, head.packed);
    if (!capture_id || !out->event)
        return ERR_LIMIT;
    if (!out->event->event_id[0])
        out->event->event_id = text.event_hash;
    uuid_text(head.capture_id, capture_id);
    out->sequence = sequence;
    out->event_hash = text.event_hash;
    out->batch_id = text.batch_id;
    out->capture_id = capture_id;
    out->event_index = head.event_index;
    err = fill_rule_pack(store, txn, &head, arena, out);
    return err ? err : fill_warnings(store, txn, sequence, arena, out);
}

enum err store_event_get(struct store *store, uint64_t sequence, struct arena *arena,
                         Epcis__V1__CommittedEvent **out)
{
    MDB_txn *txn = NULL;
    *out = arena_alloc(arena, sizeof **out);
    enum err err = *out ? store_read_begin(store, &txn) : ERR_LIMIT;
    if (!err)
        err = fill_event(store, txn, sequence, arena, *out);
    mdb_txn_abort(txn);
    return err;
}
