#include "common/store/trees.h"

#include <errno.h>
#include <string.h>

#include "common/base/log.h"

enum err trees_error(int mdb_error)
{
    switch (mdb_error) {
    case MDB_SUCCESS:
        return ERR_OK;
    case MDB_NOTFOUND:
        return ERR_NOT_FOUND;
    case MDB_KEYEXIST:
        return ERR_EXISTS;
    case MDB_VERSION_MISMATCH:
        return ERR_VERSION;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
        return ERR_CORRUPT;
    case MDB_TXN_FULL:
        return ERR_LIMIT;
    case ENOMEM:
        return ERR_MEMORY;
    case MDB_MAP_FULL:
        log_error("store_full",
                  "detail=\"the store has grown to --map-bytes: start server and workers with more\"");
        return ERR_DISK;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO:
    case EROFS:
    case EACCES:
    case ENOENT:
    case ENOTDIR:
        return ERR_DISK;
    default:
        return ERR_SYSTEM;
    }
}

uint8_t *trees_put_number(uint8_t *out, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
    return out + bytes;
}

uint64_t trees_get_number(const uint8_t *from, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

void trees_batch_key(uint32_t partition, uint64_t sequence, uint8_t out[BATCH_KEY_BYTES])
{
    trees_put_number(trees_put_number(out, partition, 4), sequence, 8);
}

MDB_val trees_lot_key(uint64_t gtin, struct store_text lot, uint8_t out[LOT_KEY_MAX])
{
    trees_put_number(out, gtin, 6);
    size_t length = lot.length < LOT_KEY_MAX - 6 ? lot.length : LOT_KEY_MAX - 6;
    memcpy(out + 6, lot.data, length);
    return (MDB_val){6 + length, out};
}

size_t trees_state_key(const uint8_t *key, size_t length, uint8_t out[STORE_ROW_KEY_MAX])
{
    memcpy(out, key, length);
    out[length] = 0;
    out[length + 1] = ITEM_STATE;
    return length + 2;
}

/* FNV-1a, 64 bits: part of the layout on disk, so it never changes. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3U;
    return hash;
}

size_t store_row_suffix(const struct store_event_key *key, uint8_t out[STORE_SUFFIX_MAX])
{
    uint64_t step = hash_text(key->biz_step);
    out[0] = 0;
    out[1] = ITEM_ROW;
    uint8_t *end = trees_put_time(out + SUFFIX_TIME, key->time_us);
    end = trees_put_number(end, hash_text(key->partner), 8);
    *end++ = (uint8_t)((key->content_hash ? 0x80U : 0) | (unsigned)key->type << 4 |
                       (unsigned)key->action << 1 | key->error_declaration);
    end = trees_put_number(end, step ^ step >> 32, 4);
    if (key->content_hash) {
        memcpy(end, key->content_hash, 8);
        end += 8;
    }
    return (size_t)(end - out);
}

/* Where the byte stands that holds event type, action and whether it is an errorDeclaration. */
enum { SUFFIX_KIND = SUFFIX_TIME + 8 + 8 };

void store_row_counterpart(uint8_t *key, size_t item_length)
{
    key[item_length + SUFFIX_KIND] ^= 1U;
}

uint8_t *trees_put_time(uint8_t *out, int64_t time_us)
{
    return trees_put_number(out, (uint64_t)time_us ^ (UINT64_C(1) << 63), 8);
}

int64_t trees_get_time(const uint8_t *from)
{
    return (int64_t)(trees_get_number(from, 8) ^ (UINT64_C(1) << 63));
}

int64_t trees_row_time(const uint8_t *suffix)
{
    return trees_get_time(suffix + SUFFIX_TIME);
}

void trees_row_decode(const uint8_t *suffix, uint64_t sequence, struct store_history *out)
{
    unsigned kind = suffix[SUFFIX_KIND];
    out->type = (Epcis__V1__EventType)(kind >> 4 & 7);
    out->action = (Epcis__V1__Action)(kind >> 1 & 7);
    out->error_declaration = kind & 1;
    out->sequence = sequence;
}

bool trees_is_row(const MDB_val *key, const uint8_t *item, size_t item_length)
{
    const uint8_t *bytes = key->mv_data;
    return key->mv_size >= item_length + SUFFIX_BYTES && memcmp(bytes, item, item_length) == 0 &&
           bytes[item_length] == 0 && bytes[item_length + 1] == ITEM_ROW;
}

const char *store_status_name(enum store_status status)
{
    static const char *const names[] = {
        [STORE_STATUS_NONE] = "unknown",        [STORE_STATUS_COMMISSIONED] = "commissioned",
        [STORE_STATUS_PACKED] = "packed",       [STORE_STATUS_UNPACKED] = "unpacked",
        [STORE_STATUS_SHIPPED] = "shipped",     [STORE_STATUS_RECEIVED] = "received",
        [STORE_STATUS_DISPENSED] = "dispensed", [STORE_STATUS_RETURNED] = "returned",
        [STORE_STATUS_CONSUMED] = "consumed",   [STORE_STATUS_DECOMMISSIONED] = "decommissioned",
        [STORE_STATUS_DESTROYED] = "destroyed",
    };
    return (size_t)status < sizeof names / sizeof names[0] ? names[status] : "unknown";
}

/* ---- state: flags, status, what follows (2), last sequence (6), latest time (8), then what is named ---- */

enum {
    HAS_EXPIRY = 1 << 0,
    HAS_LOT = 1 << 1,
    HAS_COMMISSIONED = 1 << 2,
    HAS_PLACE = 1 << 3,
    HAS_DISPOSITION = 1 << 4,
    HAS_PARENT = 1 << 5,  /* and the next bit, for the other relation */
    HAS_EMPTIED = 1 << 7, /* the same */
    HAS_MOVED = 1 << 9,   /* unless it is the latest time */
    HAS_ROWS = 1 << 10,   /* at the end */
};
enum { STATE_FIXED = 1 + 1 + 2 + 6 + 8 };

static unsigned state_parts(const struct store_item *item)
{
    unsigned parts = (item->expiry ? HAS_EXPIRY : 0U) | (item->lot.length ? HAS_LOT : 0U) |
                     (item->commissioned_sequence ? HAS_COMMISSIONED : 0U) | (item->place ? HAS_PLACE : 0U) |
                     (item->disposition.length ? HAS_DISPOSITION : 0U) |
                     (item->moved_us != item->latest_us ? HAS_MOVED : 0U) |
                     (item->rows.length ? HAS_ROWS : 0U);
    for (int i = 0; i < STORE_RELATIONS; i++)
        parts |= (item->links[i].parent.length ? (unsigned)HAS_PARENT << i : 0U) |
                 (item->emptied_sequence[i] ? (unsigned)HAS_EMPTIED << i : 0U);
    return parts;
}

size_t trees_state_size(const struct store_item *item)
{
    size_t size = STATE_FIXED + (item->expiry ? 4 : 0) + (item->lot.length ? 1 + item->lot.length : 0) +
                  (item->commissioned_sequence ? 6 : 0) + (item->place ? 6 : 0) +
                  (item->disposition.length ? 2 + item->disposition.length : 0) +
                  (item->moved_us != item->latest_us ? 8 : 0) +
                  (item->rows.length ? 1 + item->rows.length : 0);
    for (int i = 0; i < STORE_RELATIONS; i++)
        size += (item->links[i].parent.length ? 6 + 2 + item->links[i].parent.length : 0) +
                (item->emptied_sequence[i] ? 6 : 0);
    return size;
}

static uint8_t *put_text(uint8_t *out, struct store_text text, int length_bytes)
{
    out = trees_put_number(out, text.length, length_bytes);
    memcpy(out, text.data, text.length);
    return out + text.length;
}

void trees_state_encode(const struct store_item *item, uint8_t *out)
{
    unsigned parts = state_parts(item);
    *out++ = item->flags;
    *out++ = item->status;
    out = trees_put_number(out, parts, 2);
    out = trees_put_number(out, item->last_sequence, 6);
    out = trees_put_number(out, (uint64_t)item->latest_us, 8);
    if (parts & HAS_EXPIRY)
        out = trees_put_number(out, item->expiry, 4);
    if (parts & HAS_LOT)
        out = put_text(out, item->lot, 1);
    if (parts & HAS_COMMISSIONED)
        out = trees_put_number(out, item->commissioned_sequence, 6);
    if (parts & HAS_PLACE)
        out = trees_put_number(out, item->place, 6);
    if (parts & HAS_DISPOSITION)
        out = put_text(out, item->disposition, 2);
    for (int i = 0; i < STORE_RELATIONS; i++) {
        if (parts & (unsigned)HAS_PARENT << i) {
            out = trees_put_number(out, item->links[i].sequence, 6);
            out = put_text(out, item->links[i].parent, 2);
        }
        if (parts & (unsigned)HAS_EMPTIED << i)
            out = trees_put_number(out, item->emptied_sequence[i], 6);
    }
    if (parts & HAS_MOVED)
        out = trees_put_number(out, (uint64_t)item->moved_us, 8);
    if (parts & HAS_ROWS)
        put_text(out, item->rows, 1);
}

/* Bytes still to be read; a read past the end gives zeros and sets `broken`. */
struct reader {
    const uint8_t *at;
    size_t left;
    bool broken;
};

static const uint8_t *take(struct reader *reader, size_t bytes)
{
    static const uint8_t zeros[DIGEST_BYTES];
    if (bytes > reader->left) {
        reader->broken = true;
        return zeros; /* enough: what is longer is only pointed at, and dropped where broken */
    }
    const uint8_t *from = reader->at;
    reader->at += bytes;
    reader->left -= bytes;
    return from;
}

static uint64_t take_number(struct reader *reader, int bytes)
{
    return trees_get_number(take(reader, (size_t)bytes), bytes);
}

static struct store_text take_text(struct reader *reader, int length_bytes)
{
    uint32_t length = (uint32_t)take_number(reader, length_bytes);
    const uint8_t *data = take(reader, length);
    return (struct store_text){data, length};
}

enum err trees_state_decode(const uint8_t *bytes, size_t length, struct store_item *item)
{
    struct reader reader = {bytes, length, false};
    struct store_item state = {.key = item->key, .key_length = item->key_length, .known = true};
    state.flags = *take(&reader, 1);
    state.status = *take(&reader, 1);
    unsigned parts = (unsigned)take_number(&reader, 2);
    state.last_sequence = take_number(&reader, 6);
    state.latest_us = (int64_t)take_number(&reader, 8);
    if (parts & HAS_EXPIRY)
        state.expiry = (uint32_t)take_number(&reader, 4);
    if (parts & HAS_LOT)
        state.lot = take_text(&reader, 1);
    if (parts & HAS_COMMISSIONED)
        state.commissioned_sequence = take_number(&reader, 6);
    if (parts & HAS_PLACE)
        state.place = take_number(&reader, 6);
    if (parts & HAS_DISPOSITION)
        state.disposition = take_text(&reader, 2);
    for (int i = 0; i < STORE_RELATIONS; i++) {
        if (parts & (unsigned)HAS_PARENT << i) {
            state.links[i].sequence = take_number(&reader, 6);
            state.links[i].parent = take_text(&reader, 2);
        }
        if (parts & (unsigned)HAS_EMPTIED << i)
            state.emptied_sequence[i] = take_number(&reader, 6);
    }
    state.moved_us = parts & HAS_MOVED ? (int64_t)take_number(&reader, 8) : state.latest_us;
    if (parts & HAS_ROWS)
        state.rows = take_text(&reader, 1);
    *item = state;
    return reader.broken ? ERR_CORRUPT : ERR_OK;
}

/* ---- event: flags, event hash, content hash where it differs, batch, capture, index, partner, packed */

enum { EVENT_HAS_CONTENT = 1 };

static bool content_differs(const struct store_event *event)
{
    return event->content_hash != event->event_hash &&
           memcmp(event->content_hash, event->event_hash, DIGEST_BYTES) != 0;
}

size_t trees_event_size(const struct store_event *event)
{
    return 1 + DIGEST_BYTES + (content_differs(event) ? DIGEST_BYTES : 0) + BATCH_KEY_BYTES + UUID_BYTES + 8 +
           1 + strlen(event->partner) + event->packed_bytes;
}

void trees_event_encode(const struct store_event *event, uint8_t *out)
{
    bool differs = content_differs(event);
    *out++ = differs ? EVENT_HAS_CONTENT : 0;
    memcpy(out, event->event_hash, DIGEST_BYTES);
    out += DIGEST_BYTES;
    if (differs) {
        memcpy(out, event->content_hash, DIGEST_BYTES);
        out += DIGEST_BYTES;
    }
    trees_batch_key(event->partition, event->batch_sequence, out);
    out += BATCH_KEY_BYTES;
    memcpy(out, event->capture_id, UUID_BYTES);
    out = trees_put_number(out + UUID_BYTES, event->event_index, 8);
    struct store_text partner = {(const uint8_t *)event->partner, (uint32_t)strlen(event->partner)};
    out = put_text(out, partner, 1);
    memcpy(out, event->packed, event->packed_bytes);
}

enum err trees_event_decode(const uint8_t *bytes, size_t length, struct event_head *out)
{
    struct reader reader = {bytes, length, false};
    unsigned flags = *take(&reader, 1);
    out->event_hash = take(&reader, DIGEST_BYTES);
    out->content_hash = flags & EVENT_HAS_CONTENT ? take(&reader, DIGEST_BYTES) : out->event_hash;
    out->partition = (uint32_t)take_number(&reader, 4);
    out->batch_sequence = take_number(&reader, 8);
    out->capture_id = take(&reader, UUID_BYTES);
    out->event_index = take_number(&reader, 8);
    take_text(&reader, 1);
    out->packed = reader.at;
    out->packed_bytes = reader.left;
    return reader.broken ? ERR_CORRUPT : ERR_OK;
}
