/* Reading dead letters: as store_read.c, one read transaction a call. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store/store_read.h"
#include "common/store/store_token.h"

static bool number_text(struct arena *arena, uint64_t number, char **out)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRIu64, number);
    return store_read_text(arena, text, (size_t)length, out);
}

enum err store_dead_letter_number(const char *dead_letter_id, uint64_t *out)
{
    size_t length = strlen(dead_letter_id);
    if (length == 0 || length > 19 || strspn(dead_letter_id, "0123456789") != length)
        return ERR_INPUT;
    *out = strtoull(dead_letter_id, NULL, 10);
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

/* The record's first field, a packed epcis.v1.DeadLetter: not the event, which may be large. */
static enum err dead_letter_bytes(struct store *store, MDB_txn *txn, uint64_t number, MDB_val *out)
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
    *out = (MDB_val){length, (void *)(uintptr_t)at};
    return ERR_OK;
}

static enum err dead_letter_read(struct store *store, MDB_txn *txn, uint64_t number, struct arena *arena,
                                 Epcis__V1__DeadLetter **out)
{
    MDB_val bytes;
    enum err err = dead_letter_bytes(store, txn, number, &bytes);
    if (err)
        return err;
    *out = epcis__v1__dead_letter__unpack(&arena->allocator, bytes.mv_size, bytes.mv_data);
    if (!*out || !number_text(arena, number, &(*out)->dead_letter_id))
        return ERR_LIMIT;
    (*out)->raw_document_part = (ProtobufCBinaryData){0, NULL};
    return ERR_OK;
}

/* ---- pages ---- */

/* What one page looks at, at most: it answers in a fraction of a second whatever the filter passes over. */
enum { LOOK_RECORDS = 10000, LOOK_BYTES = 32 << 20 };

struct letters_page {
    struct store *store;
    MDB_txn *txn;
    MDB_cursor *cursor;
    const struct store_letter_filter *filter;
    uint64_t first;
    uint32_t limit;
    uint32_t records; /* looked at */
    uint32_t unseen;  /* in a row that are not told */
    size_t bytes;
    struct arena *arena;
    struct arena scratch;
};

/* The number of the first dead letter from `number` on; *out 0: none. */
static enum err letters_seek(struct letters_page *page, uint64_t number, uint64_t *out)
{
    uint8_t bytes[UUID_BYTES + 8];
    MDB_val key = {sizeof number, &number}, value;
    const uint8_t *capture_id = page->filter->capture_id;
    if (capture_id) {
        memcpy(bytes, capture_id, UUID_BYTES);
        trees_put_number(bytes + UUID_BYTES, number, 8);
        key = (MDB_val){sizeof bytes, bytes};
    }
    *out = 0;
    int rc = mdb_cursor_get(page->cursor, &key, &value, MDB_SET_RANGE);
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
    if (!capture_id)
        memcpy(out, key.mv_data, sizeof *out);
    else if (memcmp(key.mv_data, capture_id, UUID_BYTES) == 0)
        *out = trees_get_number((const uint8_t *)key.mv_data + UUID_BYTES, 8);
    return ERR_OK;
}

/* By the capture's id, with which each begins. ERR_NOT_FOUND: it is not told. */
static enum err check_told(struct letters_page *page, uint64_t number)
{
    enum { TAG = 2 << 3 | 2, TEXT = 2 };
    const struct store_sight *sight = page->filter->sight;
    MDB_val bytes;
    char text[UUID_TEXT + 1] = "";
    uint8_t capture_id[UUID_BYTES];
    if (!sight)
        return ERR_OK;
    enum err err = dead_letter_bytes(page->store, page->txn, number, &bytes);
    if (err)
        return err;
    const uint8_t *at = bytes.mv_data;
    if (bytes.mv_size < TEXT + UUID_TEXT || at[0] != TAG || at[1] != UUID_TEXT)
        return ERR_CORRUPT;
    memcpy(text, at + TEXT, UUID_TEXT);
    return uuid_parse(text, capture_id) ? ERR_CORRUPT : sight->sees(sight->context, capture_id);
}

/* As letters_seek, to one that is told, or to the last of too many that are not. */
static enum err seek_told(struct letters_page *page, uint64_t number, uint64_t *out)
{
    enum err err;
    page->unseen = 0;
    while (!(err = letters_seek(page, number, out)) && *out) {
        err = check_told(page, *out);
        if (err != ERR_NOT_FOUND)
            return err;
        if (store_token_ends(page->filter->sight, ++page->unseen))
            return ERR_OK;
        number = *out + 1;
    }
    return err;
}

static bool has_code(const Epcis__V1__DeadLetter *letter, const char *code)
{
    for (size_t i = 0; i < letter->n_reasons; i++)
        if (strcmp(letter->reasons[i]->code, code) == 0)
            return true;
    return false;
}

static bool has_gtin(const Epcis__V1__DeadLetter *letter, const char *gtin)
{
    for (size_t i = 0; i < letter->n_gtins; i++)
        if (strcmp(letter->gtins[i], gtin) == 0)
            return true;
    return false;
}

static bool letter_fits(const Epcis__V1__DeadLetter *letter, const struct store_letter_filter *filter)
{
    return (!letter->validate_only || filter->validated) &&
           (!filter->partner || strcmp(letter->partner, filter->partner) == 0) &&
           (!filter->code || has_code(letter, filter->code)) &&
           (!filter->gtin || has_gtin(letter, filter->gtin)) && letter->refused_ms >= filter->from_ms &&
           (!filter->until_ms || letter->refused_ms < filter->until_ms);
}

/* Looks at one dead letter without keeping it. */
static enum err letter_wanted(struct letters_page *page, uint64_t number, bool *out)
{
    const struct store_letter_filter *filter = page->filter;
    Epcis__V1__DeadLetter *letter;
    arena_reset(&page->scratch);
    enum err err = dead_letter_read(page->store, page->txn, number, &page->scratch, &letter);
    *out = !err && letter_fits(letter, filter);
    page->records++;
    page->bytes += page->scratch.used_bytes;
    return *out && filter->wanted ? filter->wanted(filter->context, number, out) : err;
}

static bool page_is_full(const struct letters_page *page, const Epcis__V1__ListDeadLettersResponse *out)
{
    return out->n_dead_letters == page->limit || page->records >= LOOK_RECORDS || page->bytes >= LOOK_BYTES ||
           store_token_ends(page->filter->sight, page->unseen);
}

static enum err letters_read(struct letters_page *page, char cursor[STORE_CURSOR],
                             Epcis__V1__ListDeadLettersResponse *out)
{
    enum tree tree = page->filter->capture_id ? TREE_DEAD_LETTER_CAPTURE : TREE_DEAD_LETTER;
    enum err err = trees_error(mdb_cursor_open(page->txn, page->store->trees[tree], &page->cursor));
    out->dead_letters = arena_alloc(page->arena, page->limit * sizeof(Epcis__V1__DeadLetter *));
    if (!err && !out->dead_letters)
        err = ERR_LIMIT;
    uint64_t number = 0;
    if (!err)
        err = seek_told(page, page->first, &number);
    cursor[0] = '\0';
    while (!err && number) {
        bool full = page_is_full(page, out), wanted = false;
        if (!full)
            err = letter_wanted(page, number, &wanted);
        if (!err && wanted) {
            err = dead_letter_read(page->store, page->txn, number, page->arena,
                                   &out->dead_letters[out->n_dead_letters]);
            full = err == ERR_LIMIT && out->n_dead_letters > 0; /* a page may end early */
        }
        if (full) {
            snprintf(cursor, STORE_CURSOR, "%" PRIu64, number);
            return ERR_OK;
        }
        if (err)
            return err;
        out->n_dead_letters += wanted;
        err = seek_told(page, number + 1, &number);
    }
    return err;
}

enum err store_dead_letters(struct store *store, const struct store_letter_filter *filter, uint32_t limit,
                            char cursor[STORE_CURSOR], struct arena *arena,
                            Epcis__V1__ListDeadLettersResponse **out)
{
    static const struct store_letter_filter all;
    MDB_txn *txn = NULL;
    struct letters_page page = {.store = store,
                                .filter = filter ? filter : &all,
                                .limit = store_read_limit(limit),
                                .arena = arena,
                                .first = 1};
    enum err err = *cursor ? store_dead_letter_number(cursor, &page.first) : ERR_OK;
    if (err)
        return err;
    Epcis__V1__ListDeadLettersResponse *response = arena_alloc(arena, sizeof *response);
    char *token = arena_alloc(arena, STORE_CURSOR); /* before the page takes all there is */
    err = response && token ? store_read_begin(store, &txn) : ERR_LIMIT;
    if (err)
        return err;
    epcis__v1__list_dead_letters_response__init(response);
    arena_init(&page.scratch, arena->budget_bytes);
    page.txn = txn;
    err = letters_read(&page, cursor, response);
    response->next_page_token = memcpy(token, cursor, STORE_CURSOR);
    *out = response;
    if (page.cursor)
        mdb_cursor_close(page.cursor);
    mdb_txn_abort(txn);
    arena_free(&page.scratch);
    return err;
}

/* ---- one ---- */

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
    if (store_dead_letter_number(dead_letter_id, &number))
        return ERR_NOT_FOUND;
    *out = arena_alloc(arena, sizeof **out);
    enum err err = *out ? store_read_begin(store, &txn) : ERR_LIMIT;
    if (!err)
        err = fill_letter(store, txn, number, arena, *out);
    mdb_txn_abort(txn);
    return err;
}
