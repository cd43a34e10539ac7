#include "worker/batch.h"

#include <string.h>

#include "common/base/merkle.h"
#include "common/wire/wire.h"

/* One field of a protobuf message in wire format. */
struct field {
    uint32_t number;
    bool bytes;          /* length-delimited; else a number */
    uint64_t value;      /* the number */
    const uint8_t *data; /* the bytes */
    size_t length;
};

struct fields {
    const uint8_t *at;
    const uint8_t *end;
};

static bool read_varint(struct fields *fields, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && fields->at < fields->end; shift += 7) {
        uint8_t byte = *fields->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

/* The next field; ERR_NOT_FOUND at the end, ERR_INPUT where there is none. Batch and BatchItem have varints
 * and bytes only. */
static enum err next_field(struct fields *fields, struct field *out)
{
    enum { VARINT = 0, LENGTH_DELIMITED = 2 };
    uint64_t tag;
    if (fields->at == fields->end)
        return ERR_NOT_FOUND;
    if (!read_varint(fields, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
        return ERR_INPUT;
    *out = (struct field){.number = (uint32_t)(tag >> 3), .bytes = (tag & 7) == LENGTH_DELIMITED};
    if ((!out->bytes && (tag & 7) != VARINT) || !read_varint(fields, &out->value))
        return ERR_INPUT;
    if (!out->bytes)
        return ERR_OK;
    if (out->value > (uint64_t)(fields->end - fields->at))
        return ERR_INPUT;
    out->data = fields->at;
    out->length = (size_t)out->value;
    fields->at += out->length;
    return ERR_OK;
}

/* Fields of Batch and BatchItem, as wire.proto numbers them. */
enum {
    BATCH_PARTITION = 1,
    BATCH_SEQUENCE,
    BATCH_ID,
    BATCH_PARENT_ID,
    BATCH_SEGMENTS,
    BATCH_ITEMS,
    BATCH_TRIAL_FIRST,
    BATCH_TRIAL_COUNT,
    BATCH_CONDEMNED, /* packed, or one by one */
};
enum {
    ITEM_LINE = 1,
    ITEM_BYTE_OFFSET,
    ITEM_EVENT,
    ITEM_REFUSAL,
    ITEM_EVENT_HASH,
    ITEM_CONTENT_HASH,
    ITEM_VOCABULARY_ELEMENT,
};

static bool is_bytes_field(const struct field *field)
{
    return field->number >= BATCH_ID && field->number <= BATCH_ITEMS;
}

enum err batch_peek(const uint8_t *frame, size_t bytes, struct batch *out)
{
    struct fields fields = {frame, frame + bytes};
    struct field field;
    enum err err;
    *out = (struct batch){0};
    while (!(err = next_field(&fields, &field))) {
        if (field.number <= BATCH_TRIAL_COUNT && field.bytes != is_bytes_field(&field))
            return ERR_INPUT;
        switch (field.number) {
        case BATCH_PARTITION:
            if (field.value > UINT32_MAX)
                return ERR_INPUT;
            out->partition = (uint32_t)field.value;
            break;
        case BATCH_SEQUENCE:
            out->sequence = field.value;
            break;
        case BATCH_TRIAL_FIRST:
        case BATCH_TRIAL_COUNT:
            if (field.value > UINT32_MAX)
                return ERR_INPUT;
            *(field.number == BATCH_TRIAL_FIRST ? &out->trial_first : &out->trial_count) =
                (uint32_t)field.value;
            break;
        case BATCH_ID:
        case BATCH_PARENT_ID:
            if (field.length != DIGEST_BYTES)
                return ERR_INPUT;
            *(field.number == BATCH_ID ? &out->batch_id : &out->parent_batch_id) = field.data;
            break;
        case BATCH_SEGMENTS:
            out->segment_count++;
            break;
        case BATCH_ITEMS:
            out->item_count++;
            break;
        default: /* of a newer peer */
            break;
        }
    }
    return err == ERR_NOT_FOUND && out->batch_id && out->parent_batch_id && out->sequence ? ERR_OK
                                                                                          : ERR_INPUT;
}

static bool take_hash(const struct field *field, const uint8_t **out)
{
    if (field->length == 0)
        return true;
    *out = field->data;
    return field->length == DIGEST_BYTES;
}

static enum err read_item(const uint8_t *data, size_t length, struct batch_item *out)
{
    struct fields fields = {data, data + length};
    struct field field;
    enum err err;
    bool ok = true;
    *out = (struct batch_item){0};
    while (ok && !(err = next_field(&fields, &field))) {
        ok = field.number > ITEM_VOCABULARY_ELEMENT || field.bytes == (field.number >= ITEM_EVENT);
        if (!ok)
            break;
        switch (field.number) {
        case ITEM_LINE:
            out->line = field.value;
            break;
        case ITEM_BYTE_OFFSET:
            out->byte_offset = field.value;
            break;
        case ITEM_EVENT:
        case ITEM_REFUSAL:
        case ITEM_VOCABULARY_ELEMENT: /* a oneof: the last counts */
            out->event = field.number == ITEM_EVENT ? field.data : NULL;
            out->refusal = field.number == ITEM_REFUSAL ? field.data : NULL;
            out->vocabulary_element = field.number == ITEM_VOCABULARY_ELEMENT ? field.data : NULL;
            out->content_bytes = field.length;
            break;
        case ITEM_EVENT_HASH:
            ok = take_hash(&field, &out->event_hash);
            break;
        case ITEM_CONTENT_HASH:
            ok = take_hash(&field, &out->content_hash);
            break;
        default:
            break;
        }
    }
    if (!out->content_hash)
        out->content_hash = out->event_hash;
    ok = ok && err == ERR_NOT_FOUND &&
         (out->refusal || out->vocabulary_element || (out->event && out->event_hash));
    return ok ? ERR_OK : ERR_INPUT;
}

/* Segments cover the items exactly. */
static enum err read_segment(const struct field *field, struct arena *arena,
                             Epcis__Wire__V1__BatchSegment **out)
{
    *out = epcis__wire__v1__batch_segment__unpack(&arena->allocator, field->length, field->data);
    if (!*out && (arena->over_budget || arena->exhausted))
        return ERR_LIMIT;
    return *out && (*out)->capture_id.len == UUID_BYTES && strlen((*out)->partner) < 256 ? ERR_OK : ERR_INPUT;
}

static enum err read_parts(const uint8_t *frame, size_t bytes, struct arena *arena, struct batch *batch,
                           uint8_t (*leaves)[DIGEST_BYTES], const char **detail)
{
    struct fields fields = {frame, frame + bytes};
    struct field field;
    enum err err = ERR_OK;
    size_t items = 0, segments = 0;
    uint64_t covered = 0;
    *detail = "an item or a segment cannot be read";
    while (!err && !next_field(&fields, &field)) {
        if (field.number == BATCH_ITEMS) {
            digest_of(field.data, field.length, leaves[items]);
            err = read_item(field.data, field.length, &batch->items[items++]);
        } else if (field.number == BATCH_SEGMENTS) {
            err = read_segment(&field, arena, &batch->segments[segments]);
            covered += err ? 0 : batch->segments[segments++]->count;
        }
    }
    if (!err && covered != batch->item_count) {
        *detail = "the segments' counts do not add up to the items";
        err = ERR_INPUT;
    }
    return err;
}

static enum err condemn(struct batch *batch, uint64_t position)
{
    if (position >= batch->item_count)
        return ERR_INPUT;
    batch->items[position].condemned = true;
    return ERR_OK;
}

/* Once the items are there. */
static enum err read_condemned(const uint8_t *frame, size_t bytes, struct batch *batch)
{
    struct fields fields = {frame, frame + bytes};
    struct field field;
    enum err err = ERR_OK;
    while (!err && !next_field(&fields, &field)) {
        if (field.number != BATCH_CONDEMNED)
            continue;
        if (!field.bytes) {
            err = condemn(batch, field.value);
            continue;
        }
        struct fields packed = {field.data, field.data + field.length};
        while (!err && packed.at < packed.end) {
            uint64_t position;
            err = read_varint(&packed, &position) ? condemn(batch, position) : ERR_INPUT;
        }
    }
    return err;
}

enum err batch_read(const uint8_t *frame, size_t bytes, struct arena *arena, struct batch *out,
                    const char **detail)
{
    enum err err = batch_peek(frame, bytes, out);
    *detail = "the batch cannot be read";
    if (err)
        return err;
    uint8_t(*leaves)[DIGEST_BYTES] = arena_alloc(arena, out->item_count * sizeof *leaves);
    out->items = arena_alloc(arena, out->item_count * sizeof *out->items);
    out->segments = arena_alloc(arena, out->segment_count * sizeof(Epcis__Wire__V1__BatchSegment *));
    if (!leaves || !out->items || !out->segments)
        return ERR_LIMIT;
    err = read_parts(frame, bytes, arena, out, leaves, detail);
    if (err)
        return err;
    *detail = "it condemns or tries items that it does not have";
    err = read_condemned(frame, bytes, out);
    if (err || (uint64_t)out->trial_first + out->trial_count > out->item_count)
        return ERR_INPUT;
    uint8_t root[DIGEST_BYTES], batch_id[DIGEST_BYTES];
    merkle_root((const uint8_t(*)[DIGEST_BYTES])leaves, out->item_count, root);
    wire_batch_id(out->parent_batch_id, out->partition, out->sequence, root, batch_id);
    if (memcmp(batch_id, out->batch_id, DIGEST_BYTES) != 0) {
        *detail = "batch_id is not that of the items";
        return ERR_INPUT;
    }
    return ERR_OK;
}
