/* The reading half: one read transaction a call, messages copied into the caller's arena. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/epcis/event_hash.h"
#include "common/store/store.h"
#include "common/store/trees.h"

enum { PAGE_MAX = 1000, SCRATCH_BYTES = 512 << 20 };

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

static char *hex_in(struct arena *arena, const uint8_t *data, size_t bytes)
{
    char *text = arena_alloc(arena, 2 * bytes + 1);
    if (text)
        digest_hex(data, bytes, text);
    return text;
}

/* `*out` is the text's copy; false where the arena is spent. */
static bool copy_text(struct arena *arena, const char *text, size_t length, char **out)
{
    *out = arena_copy(arena, length ? text : "", length); /* an absent text may be NULL */
    return *out != NULL;
}

static enum err event_find(struct store *store, MDB_txn *txn, uint64_t sequence, struct event_head *out)
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

static enum err state_find(struct store *store, MDB_txn *txn, const uint8_t *item, size_t length,
                           struct store_item *out)
{
    uint8_t bytes[STORE_ROW_KEY_MAX];
    MDB_val key = {trees_state_key(item, length, bytes), bytes}, value;
    int rc = mdb_get(txn, store->trees[TREE_ITEM], &key, &value);
    *out = (struct store_item){.key = item, .key_length = (uint16_t)length};
    return rc ? trees_error(rc) : trees_state_decode(value.mv_data, value.mv_size, out);
}

/* The link to a parent is void once the parent's content was taken out as a whole. */
static enum err parent_holds(struct store *store, MDB_txn *txn, const struct store_item *item, bool *out)
{
    struct store_item parent;
    enum err err = state_find(store, txn, item->parent.data, item->parent.length, &parent);
    *out = !err && parent.emptied_sequence < item->packed_sequence;
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

static char *key_text_in(struct arena *arena, const uint8_t *key, size_t length)
{
    size_t bytes = epc_key_text(key, length, NULL, 0) + 1;
    char *text = arena_alloc(arena, bytes);
    if (text)
        epc_key_text(key, length, text, bytes);
    return text;
}

static bool fill_identity(const struct store_item *item, struct arena *arena, Epcis__V1__ItemState *state)
{
    struct epc epc;
    state->epc = key_text_in(arena, item->key, item->key_length);
    if (!state->epc)
        return false;
    epc_parse(state->epc, strlen(state->epc), &epc);
    if (epc.kind != EPC_SGTIN || epc.fault)
        return true;
    enum { SERIAL = 1 + 6 }; /* where the decoded serial stands in the key */
    return copy_text(arena, epc.digits, strlen(epc.digits), &state->gtin) &&
           copy_text(arena, (const char *)item->key + SERIAL, item->key_length - SERIAL, &state->serial);
}

static enum err fill_state(struct store *store, MDB_txn *txn, const struct store_item *item,
                           struct arena *arena, Epcis__V1__ItemState *state)
{
    epcis__v1__item_state__init(state);
    if (!fill_identity(item, arena, state))
        return ERR_LIMIT;
    struct store_text status = item->disposition;
    if (!status.length)
        status = (struct store_text){(const uint8_t *)"unknown", 7};
    if (!copy_text(arena, (const char *)status.data, status.length, &state->status) ||
        !copy_text(arena, (const char *)item->lot.data, item->lot.length, &state->lot))
        return ERR_LIMIT;
    if (item->expiry) {
        char text[32];
        int length = snprintf(text, sizeof text, "%04u-%02u-%02u", item->expiry / 10000,
                              item->expiry / 100 % 100, item->expiry % 100);
        if (!copy_text(arena, text, (size_t)length, &state->expiry))
            return ERR_LIMIT;
    }
    bool holds = false;
    enum err err = item->parent.length ? parent_holds(store, txn, item, &holds) : ERR_OK;
    if (!err && holds) {
        state->parent = key_text_in(arena, item->parent.data, item->parent.length);
        err = state->parent ? ERR_OK : ERR_LIMIT;
    }
    return err;
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
    return copy_text(arena, from->invalid_text, strlen(from->invalid_text), &time->invalid_text);
}

/* `scratch` holds the whole event for a moment: an entry needs little of it. */
static enum err fill_entry(struct store *store, MDB_txn *txn, uint64_t sequence, struct arena *scratch,
                           struct arena *arena, Epcis__V1__HistoryEntry **out)
{
    struct event_head head;
    struct head_text text;
    enum err err = event_find(store, txn, sequence, &head);
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
    *out = entry;
    bool copied = copy_time(arena, event->event_time, &entry->event_time) &&
                  copy_text(arena, event->biz_step, strlen(event->biz_step), &entry->biz_step) &&
                  copy_text(arena, event->event_id, strlen(event->event_id), &entry->event_id);
    return copied ? ERR_OK : ERR_LIMIT;
}

/* A history token is the row's suffix in hexadecimal digits. Appends it to the key. */
static enum err token_decode(const char *token, uint8_t *out, size_t *length)
{
    size_t digits = strlen(token), bytes = digits / 2;
    if (digits % 2 || bytes > STORE_SUFFIX_MAX || strspn(token, "0123456789abcdef") != digits)
        return ERR_INPUT;
    for (size_t i = 0; i < bytes; i++) {
        unsigned value;
        sscanf(token + 2 * i, "%2x", &value);
        out[i] = (uint8_t)value;
    }
    *length = bytes;
    return ERR_OK;
}

struct history_page {
    struct store *store;
    MDB_txn *txn;
    MDB_cursor *cursor;
    const uint8_t *item;
    size_t item_length;
    uint32_t limit;
    struct arena *arena;
    struct arena scratch;
    char *token; /* in: where to start; out: where the next page starts */
};

/* True where the key is a row of the page's item. */
static bool is_row(const struct history_page *page, const MDB_val *key)
{
    const uint8_t *bytes = key->mv_data;
    return key->mv_size >= page->item_length + SUFFIX_BYTES &&
           memcmp(bytes, page->item, page->item_length) == 0 && bytes[page->item_length] == 0 &&
           bytes[page->item_length + 1] == ITEM_ROW;
}

static enum err history_read(struct history_page *page, Epcis__V1__GetItemHistoryResponse *out)
{
    uint8_t bytes[STORE_ROW_KEY_MAX];
    size_t suffix = 2;
    memcpy(bytes, page->item, page->item_length);
    bytes[page->item_length] = 0;
    bytes[page->item_length + 1] = ITEM_ROW;
    enum err err = *page->token ? token_decode(page->token, bytes + page->item_length, &suffix) : ERR_OK;
    *page->token = '\0';
    if (err)
        return err;
    out->history = arena_alloc(page->arena, page->limit * sizeof(Epcis__V1__HistoryEntry *));
    if (!out->history)
        return ERR_LIMIT;
    MDB_val key = {page->item_length + suffix, bytes}, value;
    int rc = mdb_cursor_get(page->cursor, &key, &value, MDB_SET_RANGE);
    while (!rc && is_row(page, &key)) {
        if (out->n_history == page->limit) {
            digest_hex((const uint8_t *)key.mv_data + page->item_length, key.mv_size - page->item_length,
                       page->token);
            return ERR_OK;
        }
        if (value.mv_size != 8)
            return ERR_CORRUPT;
        err = fill_entry(page->store, page->txn, trees_get_number(value.mv_data, 8), &page->scratch,
                         page->arena, &out->history[out->n_history]);
        if (err)
            return err;
        out->n_history++;
        rc = mdb_cursor_get(page->cursor, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
}

enum err store_item_history(struct store *store, const char *epc, uint32_t limit, char cursor[STORE_CURSOR],
                            struct arena *arena, Epcis__V1__GetItemHistoryResponse **out)
{
    uint8_t key[EPC_KEY_MAX];
    struct store_item item;
    MDB_txn *txn = NULL;
    struct history_page page = {.store = store,
                                .item = key,
                                .item_length = epc_key(epc, strlen(epc), key),
                                .limit = page_limit(limit),
                                .arena = arena,
                                .token = cursor};
    arena_init(&page.scratch, SCRATCH_BYTES);
    Epcis__V1__GetItemHistoryResponse *response = arena_alloc(arena, sizeof *response);
    Epcis__V1__ItemState *state = arena_alloc(arena, sizeof *state);
    enum err err = response && state ? read_begin(store, &txn) : ERR_LIMIT;
    if (err)
        goto out;
    err = state_find(store, txn, key, page.item_length, &item);
    if (err)
        goto out;
    epcis__v1__get_item_history_response__init(response);
    response->state = state;
    err = fill_state(store, txn, &item, arena, state);
    if (err)
        goto out;
    page.txn = txn;
    err = trees_error(mdb_cursor_open(txn, store->trees[TREE_ITEM], &page.cursor));
    if (err)
        goto out;
    err = history_read(&page, response);
    if (!err && !copy_text(arena, cursor, strlen(cursor), &response->next_page_token))
        err = ERR_LIMIT;
    *out = response;
out:
    if (page.cursor)
        mdb_cursor_close(page.cursor);
    mdb_txn_abort(txn);
    arena_free(&page.scratch);
    return err;
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
    enum err err = event_find(store, txn, sequence, &head);
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
    enum err err = *out ? read_begin(store, &txn) : ERR_LIMIT;
    if (!err)
        err = fill_event(store, txn, sequence, arena, *out);
    mdb_txn_abort(txn);
    return err;
}

/* ---- dead letters ---- */

static bool number_text(struct arena *arena, uint64_t number, char **out)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRIu64, number);
    return copy_text(arena, text, (size_t)length, out);
}

static enum err number_parse(const char *text, uint64_t *out)
{
    size_t length = strlen(text);
    if (length == 0 || length > 19 || strspn(text, "0123456789") != length)
        return ERR_INPUT;
    *out = strtoull(text, NULL, 10);
    return ERR_OK;
}

static enum err dead_letter_record(struct store *store, MDB_txn *txn, uint64_t number, MDB_val *out)
{
    MDB_val key = {sizeof number, &number};
    return trees_error(mdb_get(txn, store->trees[TREE_DEAD_LETTER], &key, out));
}

static enum err dead_letter_find(struct store *store, MDB_txn *txn, uint64_t number, struct arena *arena,
                                 Epcis__Store__V1__DeadLetterRecord **out)
{
    MDB_val value;
    enum err err = dead_letter_record(store, txn, number, &value);
    if (err)
        return err;
    *out = epcis__store__v1__dead_letter_record__unpack(&arena->allocator, value.mv_size, value.mv_data);
    if (!*out)
        return ERR_LIMIT;
    if (!(*out)->dead_letter)
        return ERR_CORRUPT;
    return number_text(arena, number, &(*out)->dead_letter->dead_letter_id) ? ERR_OK : ERR_LIMIT;
}

/* The record's first field, without the event, which may be large. */
static enum err dead_letter_read(struct store *store, MDB_txn *txn, uint64_t number, struct arena *arena,
                                 Epcis__V1__DeadLetter **out)
{
    enum { TAG = 1 << 3 | 2 };
    MDB_val value;
    enum err err = dead_letter_record(store, txn, number, &value);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    const uint8_t *at = value.mv_data, *end = at + value.mv_size;
    size_t length = 0;
    if (at == end || *at++ != TAG)
        return ERR_CORRUPT;
    for (unsigned shift = 0; at < end && shift < 63; shift += 7) {
        length |= (size_t)(*at & 0x7f) << shift;
        if (*at++ < 0x80)
            break;
    }
    if (length > (size_t)(end - at))
        return ERR_CORRUPT;
    *out = epcis__v1__dead_letter__unpack(&arena->allocator, length, at);
    if (!*out || !number_text(arena, number, &(*out)->dead_letter_id))
        return ERR_LIMIT;
    (*out)->raw_document_part = (ProtobufCBinaryData){0, NULL};
    return ERR_OK;
}

struct letters_page {
    struct store *store;
    MDB_txn *txn;
    MDB_cursor *cursor;
    const uint8_t *capture_id; /* NULL: all */
    uint64_t first;
    uint32_t limit;
    struct arena *arena;
};

/* The number of the first dead letter from `number` on; *out 0: none. */
static enum err letters_seek(struct letters_page *page, uint64_t number, uint64_t *out)
{
    uint8_t bytes[UUID_BYTES + 8];
    MDB_val key = {sizeof number, &number}, value;
    if (page->capture_id) {
        memcpy(bytes, page->capture_id, UUID_BYTES);
        trees_put_number(bytes + UUID_BYTES, number, 8);
        key = (MDB_val){sizeof bytes, bytes};
    }
    *out = 0;
    int rc = mdb_cursor_get(page->cursor, &key, &value, MDB_SET_RANGE);
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
    if (!page->capture_id)
        memcpy(out, key.mv_data, sizeof *out);
    else if (memcmp(key.mv_data, page->capture_id, UUID_BYTES) == 0)
        *out = trees_get_number((const uint8_t *)key.mv_data + UUID_BYTES, 8);
    return ERR_OK;
}

static enum err letters_read(struct letters_page *page, char cursor[STORE_CURSOR],
                             Epcis__V1__ListDeadLettersResponse *out)
{
    enum tree tree = page->capture_id ? TREE_DEAD_LETTER_CAPTURE : TREE_DEAD_LETTER;
    enum err err = trees_error(mdb_cursor_open(page->txn, page->store->trees[tree], &page->cursor));
    out->dead_letters = arena_alloc(page->arena, page->limit * sizeof(Epcis__V1__DeadLetter *));
    if (!err && !out->dead_letters)
        err = ERR_LIMIT;
    uint64_t number = 0;
    if (!err)
        err = letters_seek(page, page->first, &number);
    cursor[0] = '\0';
    while (!err && number) {
        Epcis__V1__DeadLetter **letter = &out->dead_letters[out->n_dead_letters];
        bool full = out->n_dead_letters == page->limit;
        if (!full)
            err = dead_letter_read(page->store, page->txn, number, page->arena, letter);
        if (full || (err == ERR_LIMIT && out->n_dead_letters > 0)) { /* a page may end early */
            snprintf(cursor, STORE_CURSOR, "%" PRIu64, number);
            return ERR_OK;
        }
        if (err)
            return err;
        out->n_dead_letters++;
        err = letters_seek(page, number + 1, &number);
    }
    return err;
}

enum err store_dead_letters(struct store *store, const uint8_t *capture_id, uint32_t limit,
                            char cursor[STORE_CURSOR], struct arena *arena,
                            Epcis__V1__ListDeadLettersResponse **out)
{
    MDB_txn *txn = NULL;
    struct letters_page page = {
        .store = store, .capture_id = capture_id, .limit = page_limit(limit), .arena = arena, .first = 1};
    enum err err = *cursor ? number_parse(cursor, &page.first) : ERR_OK;
    if (err)
        return err;
    Epcis__V1__ListDeadLettersResponse *response = arena_alloc(arena, sizeof *response);
    char *token = arena_alloc(arena, STORE_CURSOR); /* before the page takes all there is */
    err = response && token ? read_begin(store, &txn) : ERR_LIMIT;
    if (err)
        return err;
    epcis__v1__list_dead_letters_response__init(response);
    page.txn = txn;
    err = letters_read(&page, cursor, response);
    response->next_page_token = memcpy(token, cursor, STORE_CURSOR);
    *out = response;
    if (page.cursor)
        mdb_cursor_close(page.cursor);
    mdb_txn_abort(txn);
    return err;
}

static enum err fill_letter(struct store *store, MDB_txn *txn, uint64_t number, struct arena *arena,
                            Epcis__V1__GetDeadLetterResponse *out)
{
    Epcis__Store__V1__DeadLetterRecord *record;
    enum err err = dead_letter_find(store, txn, number, arena, &record);
    if (err)
        return err;
    epcis__v1__get_dead_letter_response__init(out);
    out->dead_letter = record->dead_letter;
    if (record->event.len) /* an event that cannot be unpacked is a reason to be here: then it is absent */
        out->dead_letter->event =
            epcis__v1__event__unpack(&arena->allocator, record->event.len, record->event.data);
    return ERR_OK;
}

enum err store_dead_letter_get(struct store *store, const char *dead_letter_id, struct arena *arena,
                               Epcis__V1__GetDeadLetterResponse **out)
{
    uint64_t number;
    MDB_txn *txn = NULL;
    if (number_parse(dead_letter_id, &number))
        return ERR_NOT_FOUND;
    *out = arena_alloc(arena, sizeof **out);
    enum err err = *out ? read_begin(store, &txn) : ERR_LIMIT;
    if (!err)
        err = fill_letter(store, txn, number, arena, *out);
    mdb_txn_abort(txn);
    return err;
}
