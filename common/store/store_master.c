#include "common/store/store_master.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/gs1/master_id.h"
#include "common/store/store_token.h"
#include "common/store/trees.h"

/* A part of a key that is longer is cut here, with its digest behind it. */
enum { PART_MAX = 128, PART_BYTES = PART_MAX + 1 + DIGEST_HEX };
enum { PAGE_MAX = 1000, VERSION_BYTES = 5 };

_Static_assert(STORE_MASTER_KEY_MAX >= 2 * PART_BYTES + 1, "two parts and a NUL fit");
_Static_assert(STORE_MASTER_KEY_MAX + VERSION_BYTES <= 511, "LMDB's longest key");
_Static_assert(2 * STORE_MASTER_KEY_MAX < STORE_CURSOR, "a key in hexadecimal digits is a cursor");

/* ---- keys ------------------------------------------------------------------------------------------- */

static void put_part(struct store_master_key *key, const char *text, size_t length)
{
    size_t raw = length <= PART_MAX ? length : PART_MAX;
    memcpy(key->bytes + key->length, text, raw);
    key->length += raw;
    if (length <= PART_MAX)
        return;
    uint8_t digest[DIGEST_BYTES];
    char hex[DIGEST_HEX + 1];
    digest_of(text, length, digest);
    digest_hex(digest, DIGEST_BYTES, hex);
    key->bytes[key->length++] = '#';
    memcpy(key->bytes + key->length, hex, DIGEST_HEX);
    key->length += DIGEST_HEX;
}

void store_master_key(const char *type, const char *id, struct store_master_key *out)
{
    char reduced[256];
    size_t length = strlen(id), reduced_length = master_id(id, length, reduced, sizeof reduced);
    out->length = 0;
    put_part(out, type, strlen(type));
    out->bytes[out->length++] = '\0';
    /* What does not fit was not changed: GS1's identifiers are shorter. */
    if (reduced_length < sizeof reduced)
        put_part(out, reduced, reduced_length);
    else
        put_part(out, id, length);
}

/* A NUL and the number behind the key of the current version: no other key begins so. */
static MDB_val version_key(const struct store_master_key *key, uint32_t version,
                           uint8_t out[STORE_MASTER_KEY_MAX + VERSION_BYTES])
{
    memcpy(out, key->bytes, key->length);
    out[key->length] = '\0';
    trees_put_number(out + key->length + 1, version, 4);
    return (MDB_val){key->length + VERSION_BYTES, out};
}

/* ---- records ---------------------------------------------------------------------------------------- */

/* `allocator` NULL: on the heap. */
static enum err record_get(MDB_txn *mdb, MDB_dbi tree, MDB_val key, ProtobufCAllocator *allocator,
                           Epcis__Store__V1__MasterDataRecord **out)
{
    MDB_val value;
    int rc = mdb_get(mdb, tree, &key, &value);
    if (rc)
        return trees_error(rc);
    *out = epcis__store__v1__master_data_record__unpack(allocator, value.mv_size, value.mv_data);
    if (!*out)
        return ERR_LIMIT;
    return (*out)->version && (*out)->capture_id.len == UUID_BYTES ? ERR_OK : ERR_CORRUPT;
}

static MDB_val val_of(const struct store_master_key *key)
{
    return (MDB_val){key->length, (void *)(uintptr_t)key->bytes};
}

static enum err record_put(MDB_txn *mdb, MDB_dbi tree, MDB_val key,
                           const Epcis__Store__V1__MasterDataRecord *record)
{
    MDB_val value = {epcis__store__v1__master_data_record__get_packed_size(record), NULL};
    int rc = mdb_put(mdb, tree, &key, &value, MDB_RESERVE);
    if (!rc)
        epcis__store__v1__master_data_record__pack(record, value.mv_data);
    return trees_error(rc);
}

/* ---- writing ---------------------------------------------------------------------------------------- */

static ProtobufCBinaryData bytes_of(const uint8_t *data, size_t bytes)
{
    return (ProtobufCBinaryData){bytes, (uint8_t *)(uintptr_t)data};
}

static enum err put_current(MDB_txn *mdb, struct store *store, const struct store_master_key *key,
                            const struct store_master_version *version, uint32_t number)
{
    Epcis__Store__V1__MasterDataRecord record = EPCIS__STORE__V1__MASTER_DATA_RECORD__INIT;
    record.version = number;
    record.capture_id = bytes_of(version->capture_id, UUID_BYTES);
    record.partner = (char *)(uintptr_t)version->partner;
    record.received_ms = version->received_ms;
    record.content_sha256 = bytes_of(version->content_sha256, DIGEST_BYTES);
    record.element = bytes_of(version->packed, version->packed_bytes);
    return record_put(mdb, store->trees[TREE_MASTER], val_of(key), &record);
}

enum err store_master_put(struct store_txn *txn, const struct store_master_key *key,
                          const struct store_master_version *version, bool *changed)
{
    struct store *store;
    MDB_txn *mdb = trees_txn(txn, &store);
    Epcis__Store__V1__MasterDataRecord *current = NULL;
    uint8_t old_key[STORE_MASTER_KEY_MAX + VERSION_BYTES];
    enum err err = record_get(mdb, store->trees[TREE_MASTER], val_of(key), NULL, &current);
    *changed = false;
    if (err == ERR_NOT_FOUND) {
        *changed = true;
        return put_current(mdb, store, key, version, 1);
    }
    if (!err && current->content_sha256.len == DIGEST_BYTES &&
        memcmp(current->content_sha256.data, version->content_sha256, DIGEST_BYTES) == 0)
        goto out;
    if (!err)
        err = record_put(mdb, store->trees[TREE_MASTER_VERSION], version_key(key, current->version, old_key),
                         current);
    if (!err)
        err = put_current(mdb, store, key, version, current->version + 1);
    *changed = !err;
out:
    if (current)
        epcis__store__v1__master_data_record__free_unpacked(current, NULL);
    return err;
}

enum err store_master_get(struct store_txn *txn, const struct store_master_key *key, struct arena *arena,
                          Epcis__V1__VocabularyElement **out)
{
    struct store *store;
    MDB_txn *mdb = trees_txn(txn, &store);
    Epcis__Store__V1__MasterDataRecord *record;
    enum err err = record_get(mdb, store->trees[TREE_MASTER], val_of(key), &arena->allocator, &record);
    if (err)
        return err;
    *out =
        epcis__v1__vocabulary_element__unpack(&arena->allocator, record->element.len, record->element.data);
    return *out ? ERR_OK : ERR_LIMIT;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static enum err read_begin(struct store *store, MDB_txn **txn)
{
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, txn);
    if (rc)
        log_error("store_read", "detail=\"%s\"", mdb_strerror(rc));
    return trees_error(rc);
}

static uint32_t page_limit(uint32_t limit)
{
    return limit == 0 || limit > PAGE_MAX ? PAGE_MAX : limit;
}

static enum err fill_master(const Epcis__Store__V1__MasterDataRecord *record, struct arena *arena,
                            Epcis__V1__MasterData **out)
{
    Epcis__V1__MasterData *data = arena_alloc(arena, sizeof *data);
    char *capture_id = arena_alloc(arena, UUID_TEXT + 1);
    Epcis__V1__VocabularyElement *element =
        epcis__v1__vocabulary_element__unpack(&arena->allocator, record->element.len, record->element.data);
    if (!data || !capture_id || !element)
        return ERR_LIMIT;
    uuid_text(record->capture_id.data, capture_id);
    epcis__v1__master_data__init(data);
    data->element = element;
    data->version = record->version;
    data->capture_id = capture_id;
    data->partner = record->partner;
    data->received_ms = record->received_ms;
    *out = data;
    return ERR_OK;
}

/* One record as an answer; `record` stays in the arena, whose texts it lends. */
static enum err read_master(MDB_txn *txn, MDB_dbi tree, MDB_val key, struct arena *arena,
                            Epcis__V1__MasterData **out)
{
    Epcis__Store__V1__MasterDataRecord *record;
    enum err err = record_get(txn, tree, key, &arena->allocator, &record);
    return err ? err : fill_master(record, arena, out);
}

struct master_page {
    struct store *store;
    MDB_txn *txn;
    MDB_cursor *cursor; /* of a list */
    const char *prefix; /* of a list */
    const struct store_sight *sight;
    uint32_t unseen; /* in a row that are not told */
    uint32_t limit;
    struct arena *arena;
    struct arena scratch;
    char *token; /* in: where to start; out: where the next page starts */
};

/* ERR_NOT_FOUND: it is not told, which is counted. */
static enum err check_told(struct master_page *page, enum tree tree, MDB_val key)
{
    Epcis__Store__V1__MasterDataRecord *record;
    if (!page->sight)
        return ERR_OK;
    arena_reset(&page->scratch);
    enum err err = record_get(page->txn, page->store->trees[tree], key, &page->scratch.allocator, &record);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    err = page->sight->sees(page->sight->context, record->capture_id.data);
    page->unseen = err == ERR_NOT_FOUND ? page->unseen + 1 : 0;
    return err;
}

/* The newest version that the token lets through, whether there is one or not. */
static enum err read_version(const char *token, uint32_t *out)
{
    size_t length = strlen(token);
    *out = UINT32_MAX;
    if (length == 0)
        return ERR_OK;
    if (length > 9 || strspn(token, "0123456789") != length)
        return ERR_INPUT;
    *out = (uint32_t)strtoul(token, NULL, 10);
    return ERR_OK;
}

/* The older versions from `version` on. */
static enum err read_older(struct master_page *page, const struct store_master_key *key, uint32_t version,
                           Epcis__V1__GetMasterDataResponse *out)
{
    uint8_t bytes[STORE_MASTER_KEY_MAX + VERSION_BYTES];
    out->older = arena_alloc(page->arena, page->limit * sizeof(Epcis__V1__MasterData *));
    if (!out->older)
        return ERR_LIMIT;
    for (; version > 0; version--) {
        MDB_val older = version_key(key, version, bytes);
        enum err err = check_told(page, TREE_MASTER_VERSION, older);
        if (err == ERR_NOT_FOUND && !store_token_ends(page->sight, page->unseen))
            continue;
        bool full = out->n_older == page->limit || err == ERR_NOT_FOUND;
        if (!full && !err)
            err = read_master(page->txn, page->store->trees[TREE_MASTER_VERSION], older, page->arena,
                              &out->older[out->n_older]);
        if (full || (err == ERR_LIMIT && out->n_older > 0)) { /* a page may end early */
            snprintf(page->token, STORE_CURSOR, "%u", version);
            return ERR_OK;
        }
        if (err)
            return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
        out->n_older++;
    }
    return ERR_OK;
}

static enum err read_history(struct master_page *page, const struct store_master_key *key,
                             Epcis__V1__GetMasterDataResponse *out)
{
    uint32_t version;
    Epcis__V1__MasterData *current;
    enum err err = read_version(page->token, &version); /* first: it tells nothing of what there is */
    page->token[0] = '\0';
    if (!err)
        err = read_master(page->txn, page->store->trees[TREE_MASTER], val_of(key), page->arena, &current);
    if (err)
        return err;
    err = check_told(page, TREE_MASTER, val_of(key));
    out->current = err ? NULL : current;
    if (!err || err == ERR_NOT_FOUND)
        err = read_older(page, key, version < current->version ? version : current->version - 1, out);
    bool nothing = !out->current && out->n_older == 0 && !page->token[0];
    return !err && nothing ? ERR_NOT_FOUND : err;
}

enum err store_master_history(struct store *store, const char *type, const char *id,
                              const struct store_sight *sight, uint32_t limit, char cursor[STORE_CURSOR],
                              struct arena *arena, Epcis__V1__GetMasterDataResponse **out)
{
    struct store_master_key key;
    struct master_page page = {
        .store = store, .sight = sight, .limit = page_limit(limit), .arena = arena, .token = cursor};
    store_master_key(type, id, &key);
    Epcis__V1__GetMasterDataResponse *response = arena_alloc(arena, sizeof *response);
    char *token = arena_alloc(arena, STORE_CURSOR); /* before the page takes all there is */
    enum err err = response && token ? read_begin(store, &page.txn) : ERR_LIMIT;
    if (err)
        return err;
    epcis__v1__get_master_data_response__init(response);
    arena_init(&page.scratch, arena->budget_bytes);
    err = read_history(&page, &key, response);
    response->next_page_token = memcpy(token, cursor, STORE_CURSOR);
    *out = response;
    mdb_txn_abort(page.txn);
    arena_free(&page.scratch);
    return err;
}

/* *full: the page ends here, and the next one starts at `place`. */
static enum err list_one(struct master_page *page, MDB_val key, struct store_token *place,
                         Epcis__V1__ListMasterDataResponse *out, bool *full)
{
    Epcis__V1__MasterData **data = &out->master_data[out->n_master_data];
    enum err err = check_told(page, TREE_MASTER, key);
    if (err == ERR_NOT_FOUND) {
        place->behind++;
        *full = store_token_ends(page->sight, page->unseen);
        return ERR_OK;
    }
    if (err)
        return err;
    store_token_set(place, key.mv_data, key.mv_size);
    *full = out->n_master_data == page->limit;
    if (*full)
        return ERR_OK;
    err = read_master(page->txn, page->store->trees[TREE_MASTER], key, page->arena, data);
    *full = err == ERR_LIMIT && out->n_master_data > 0; /* a page may end early */
    if (err)
        return *full ? ERR_OK : err;
    place->behind++;
    /* A long name's end is in its digest only. */
    out->n_master_data += strncmp((*data)->element->type, page->prefix, strlen(page->prefix)) == 0;
    return ERR_OK;
}

static enum err list_read(struct master_page *page, Epcis__V1__ListMasterDataResponse *out)
{
    struct store_token place;
    size_t prefix = strnlen(page->prefix, PART_MAX);
    bool full = false;
    enum err err = store_token_read(page->token, &place);
    if (err)
        return err;
    if (place.length == 0) { /* from the first that may begin with the prefix */
        memcpy(place.key, page->prefix, prefix);
        place.length = prefix;
    }
    MDB_val key = {place.length, place.key}, value;
    page->token[0] = '\0';
    out->master_data = arena_alloc(page->arena, page->limit * sizeof(Epcis__V1__MasterData *));
    if (!out->master_data)
        return ERR_LIMIT;
    int rc = mdb_cursor_get(page->cursor, &key, &value, place.length ? MDB_SET_RANGE : MDB_FIRST);
    for (uint32_t i = 0; !rc && i < place.behind; i++)
        rc = mdb_cursor_get(page->cursor, &key, &value, MDB_NEXT);
    for (; !rc; rc = mdb_cursor_get(page->cursor, &key, &value, MDB_NEXT)) {
        if (key.mv_size < prefix || memcmp(key.mv_data, page->prefix, prefix) != 0)
            break;
        err = list_one(page, key, &place, out, &full);
        if (!err && full)
            store_token_write(&place, page->token);
        if (err || full)
            return err;
    }
    return rc && rc != MDB_NOTFOUND ? trees_error(rc) : ERR_OK;
}

enum err store_master_list(struct store *store, const char *type_prefix, const struct store_sight *sight,
                           uint32_t limit, char cursor[STORE_CURSOR], struct arena *arena,
                           Epcis__V1__ListMasterDataResponse **out)
{
    struct master_page page = {.store = store,
                               .prefix = type_prefix,
                               .sight = sight,
                               .limit = page_limit(limit),
                               .arena = arena,
                               .token = cursor};
    Epcis__V1__ListMasterDataResponse *response = arena_alloc(arena, sizeof *response);
    char *token = arena_alloc(arena, STORE_CURSOR); /* before the page takes all there is */
    enum err err = response && token ? read_begin(store, &page.txn) : ERR_LIMIT;
    if (err)
        return err;
    epcis__v1__list_master_data_response__init(response);
    arena_init(&page.scratch, arena->budget_bytes);
    err = trees_error(mdb_cursor_open(page.txn, store->trees[TREE_MASTER], &page.cursor));
    if (!err)
        err = list_read(&page, response);
    response->next_page_token = memcpy(token, cursor, STORE_CURSOR);
    *out = response;
    if (page.cursor)
        mdb_cursor_close(page.cursor);
    mdb_txn_abort(page.txn);
    arena_free(&page.scratch);
    return err;
}
