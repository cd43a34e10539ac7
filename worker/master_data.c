#include "worker/master_data.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buffer.h"
#include "common/gs1/epc.h"
#include "common/gs1/master_id.h"

const char *const master_data_names[MASTER_ATTRIBUTES] = {
    [MASTER_NDC] = "additionalTradeItemIdentification (NDC)",
    [MASTER_PRODUCT_NAME] = "regulatedProductName",
    [MASTER_STRENGTH] = "strengthDescription",
    [MASTER_DOSAGE_FORM] = "dosageFormType",
    [MASTER_NET_CONTENT] = "netContentDescription",
    [MASTER_MANUFACTURER] = "manufacturerOfTradeItemPartyName",
    [MASTER_NAME] = "name",
    [MASTER_STREET] = "streetAddressOne",
    [MASTER_CITY] = "city",
    [MASTER_STATE] = "state",
    [MASTER_POSTAL_CODE] = "postalCode",
    [MASTER_COUNTRY] = "countryCode",
};

/* The vocabulary that describes products, and those that describe places and parties (CBV 2.0 section 9). */
static const char product_type[] = "urn:epcglobal:epcis:vtype:EPCClass";
static const char *const place_types[] = {
    "urn:epcglobal:epcis:vtype:Location",         "urn:epcglobal:epcis:vtype:Party",
    "urn:epcglobal:epcis:vtype:BusinessLocation", "urn:epcglobal:epcis:vtype:ReadPoint",
    "urn:epcglobal:epcis:vtype:SourceDest",
};
enum { PLACE_TYPES = sizeof place_types / sizeof place_types[0] };

/* ---- elements --------------------------------------------------------------------------------------- */

static int compare_attributes(const void *a, const void *b)
{
    const Epcis__V1__VocabularyAttribute *left = *(Epcis__V1__VocabularyAttribute *const *)a;
    const Epcis__V1__VocabularyAttribute *right = *(Epcis__V1__VocabularyAttribute *const *)b;
    int order = strcmp(left->id, right->id);
    return order ? order : strcmp(left->value, right->value);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void drop_prefixes(Epcis__V1__Node **nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        nodes[i]->prefix = (char *)"";
}

/* The digest of one spelling of the element: attributes by their names and in order, prefixes without
 * meaning left out. Changes the element. */
static enum err digest_content(Epcis__V1__VocabularyElement *element, uint8_t out[DIGEST_BYTES])
{
    struct buffer packed = {0};
    char id[256];
    if (master_id(element->id, strlen(element->id), id, sizeof id) < sizeof id)
        element->id = id;
    for (size_t i = 0; i < element->n_attributes; i++) {
        Epcis__V1__VocabularyAttribute *attribute = element->attributes[i];
        attribute->id = (char *)(uintptr_t)master_attribute(attribute->id);
        drop_prefixes(attribute->children, attribute->n_children);
    }
    drop_prefixes(element->extensions, element->n_extensions);
    if (element->n_attributes > 0)
        qsort(element->attributes, element->n_attributes, sizeof *element->attributes, compare_attributes);
    if (element->n_children > 0)
        qsort(element->children, element->n_children, sizeof *element->children, compare_texts);
    buffer_append_message(&packed, &element->base);
    if (!packed.failed)
        digest_of(packed.data, packed.length, out);
    enum err err = packed.failed ? ERR_MEMORY : ERR_OK;
    buffer_free(&packed);
    return err;
}

enum err master_data_read(const struct batch_item *item, struct arena *arena, struct arena *scratch,
                          struct master_element **out)
{
    enum { RECORD_BYTES = 1024 };
    *out = NULL;
    arena_reset(scratch);
    /* Reading it back out of the store takes its packed bytes as well. */
    if (!arena_alloc(scratch, item->content_bytes + RECORD_BYTES))
        return ERR_OK;
    Epcis__V1__VocabularyElement *element = epcis__v1__vocabulary_element__unpack(
        &scratch->allocator, item->content_bytes, item->vocabulary_element);
    if (!element)
        return ERR_OK;
    struct master_element *read = arena_alloc(arena, sizeof *read);
    if (!read)
        return ERR_LIMIT;
    store_master_key(element->type, element->id, &read->key);
    *out = read;
    return digest_content(element, read->content_sha256);
}

enum err master_data_put(struct master_data *data, struct store_txn *txn,
                         const Epcis__Wire__V1__BatchSegment *segment, const struct batch_item *item,
                         const struct master_element *element)
{
    const struct store_master_version version = {.content_sha256 = element->content_sha256,
                                                 .capture_id = segment->capture_id.data,
                                                 .partner = segment->partner,
                                                 .received_ms = segment->received_ms,
                                                 .packed = item->vocabulary_element,
                                                 .packed_bytes = item->content_bytes};
    bool changed = false;
    enum err err = store_master_put(txn, &element->key, &version, &changed);
    data->generation += changed;
    return err;
}

/* ---- the table -------------------------------------------------------------------------------------- */

/* Eight bytes at a step: some of this runs for every event. */
static size_t hash_text(enum master_kind kind, const char *text, size_t length)
{
    uint64_t hash = length << 2 | (uint64_t)kind, word;
    for (; length > 0; text += sizeof word, length -= sizeof word) {
        word = 0;
        if (length < sizeof word) {
            memcpy(&word, text, length);
            length = sizeof word;
        } else {
            memcpy(&word, text, sizeof word);
        }
        hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
        hash ^= hash >> 32;
    }
    return (size_t)hash;
}

/* The slot of an identifier, or the free one where it belongs. */
static uint32_t *slot_of(const struct master_data *data, enum master_kind kind, const char *text,
                         size_t length)
{
    size_t mask = data->size - 1;
    for (size_t at = hash_text(kind, text, length) & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &data->slots[at];
        if (*slot == 0)
            return slot;
        const struct master_entry *entry = &data->entries[*slot - 1];
        if (entry->kind == kind && entry->length == length && memcmp(entry->text, text, length) == 0)
            return slot;
    }
}

static enum err make_room(struct master_data *data)
{
    if (data->count == data->capacity) {
        size_t capacity = data->capacity ? 2 * data->capacity : 128;
        struct master_entry *entries = realloc(data->entries, capacity * sizeof *entries);
        if (!entries)
            return ERR_MEMORY;
        data->entries = entries;
        data->capacity = capacity;
    }
    if (2 * (data->count + 1) <= data->size)
        return ERR_OK;
    size_t size = data->size ? 2 * data->size : 256;
    uint32_t *slots = calloc(size, sizeof *slots);
    if (!slots)
        return ERR_MEMORY;
    free(data->slots);
    data->slots = slots;
    data->size = size;
    for (size_t i = 0; i < data->count; i++) {
        const struct master_entry *entry = &data->entries[i];
        *slot_of(data, entry->kind, entry->text, entry->length) = (uint32_t)i + 1;
    }
    return ERR_OK;
}

/* The GTIN or GLN of a spelling; left empty where it has none. */
static void read_id(struct master_entry *entry)
{
    struct epc epc = {.kind = EPC_OTHER};
    switch (entry->kind) {
    case MASTER_GTIN:
        memcpy(entry->id, entry->text, entry->length < sizeof entry->id ? entry->length : 0);
        break;
    case MASTER_CLASS:
        epc_parse(entry->text, entry->length, &epc);
        if (epc.kind == EPC_GTIN || epc.kind == EPC_LGTIN || epc.kind == EPC_SGTIN)
            memcpy(entry->id, epc.digits, strnlen(epc.digits, sizeof entry->id - 1));
        break;
    case MASTER_PLACE:
        gln_of(entry->text, entry->length, entry->id); /* leaves it empty where there is none */
        break;
    }
}

enum err master_data_find(struct master_data *data, struct arena *arena, enum master_kind kind,
                          const char *text, size_t length, uint32_t *out)
{
    enum err err = make_room(data);
    if (err)
        return err;
    uint32_t *slot = slot_of(data, kind, text, length);
    if (*slot == 0) {
        struct master_entry *entry = &data->entries[data->count];
        *entry =
            (struct master_entry){.text = arena_copy(arena, text, length), .length = length, .kind = kind};
        if (!entry->text)
            return ERR_LIMIT;
        read_id(entry);
        *slot = (uint32_t)++data->count;
    }
    *out = *slot - 1;
    return ERR_OK;
}

/* ---- what is said ----------------------------------------------------------------------------------- */

static uint32_t bit(unsigned number)
{
    return UINT32_C(1) << number;
}

/* The type of the code that stands at `index` among the additional identifications: types stand in the same
 * order. */
static const char *type_of_code(const Epcis__V1__VocabularyElement *element, size_t index)
{
    for (size_t i = 0; i < element->n_attributes; i++)
        if (strcmp(master_attribute(element->attributes[i]->id),
                   "additionalTradeItemIdentificationTypeCode") == 0 &&
            index-- == 0)
            return element->attributes[i]->value;
    return "";
}

static void read_ndcs(struct master_entry *entry, const Epcis__V1__VocabularyElement *element)
{
    size_t codes = 0;
    bool differs = false, same = false;
    for (size_t i = 0; i < element->n_attributes; i++) {
        const char *value = element->attributes[i]->value;
        if (strcmp(master_attribute(element->attributes[i]->id), "additionalTradeItemIdentification") != 0)
            continue;
        const char *type = type_of_code(element, codes++);
        if (!strstr(type, "NDC"))
            continue;
        entry->bits |= bit(MASTER_NDC);
        enum master_ndc answer = master_ndc_compare(entry->id, value, type);
        same |= answer == MASTER_NDC_SAME;
        if (answer != MASTER_NDC_DIFFERENT)
            continue;
        differs = true;
        size_t length = strnlen(value, sizeof entry->ndc - 1);
        memcpy(entry->ndc, value, length);
        entry->ndc[length] = '\0';
    }
    if (differs && !same)
        entry->bits |= bit(MASTER_NDC_DIFFERS);
}

static void read_attributes(struct master_entry *entry, const Epcis__V1__VocabularyElement *element)
{
    entry->bits |= bit(MASTER_KNOWN);
    for (size_t i = 0; i < element->n_attributes; i++) {
        const Epcis__V1__VocabularyAttribute *attribute = element->attributes[i];
        const char *name = master_attribute(attribute->id);
        if (!attribute->value[0] && attribute->n_children == 0)
            continue;
        for (unsigned n = MASTER_PRODUCT_NAME; n < MASTER_ATTRIBUTES; n++)
            if (strcmp(name, master_data_names[n]) == 0)
                entry->bits |= bit(n);
        if (strcmp(name, master_data_names[MASTER_COUNTRY]) == 0 && strcmp(attribute->value, "US") != 0)
            entry->bits |= bit(MASTER_STATELESS);
    }
    if (entry->kind != MASTER_PLACE)
        read_ndcs(entry, element);
}

/* Adds what one vocabulary says of the identifier; nothing is fine. */
static enum err load_type(struct store_txn *txn, struct arena *scratch, const char *type, const char *id,
                          struct master_entry *entry)
{
    struct store_master_key key;
    Epcis__V1__VocabularyElement *element;
    store_master_key(type, id, &key);
    arena_reset(scratch);
    enum err err = store_master_get(txn, &key, scratch, &element);
    if (!err)
        read_attributes(entry, element);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err load_place(struct store_txn *txn, struct arena *scratch, const char *id,
                           struct master_entry *entry)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < PLACE_TYPES && !err; i++)
        err = load_type(txn, scratch, place_types[i], id, entry);
    return err;
}

enum err master_data_load(struct master_data *data, struct store_txn *txn, struct arena *scratch,
                          struct master_entry *entry)
{
    char id[64] = "https://id.gs1.org/01/";
    enum err err = ERR_OK;
    if (entry->generation == data->generation + 1 || !entry->id[0])
        return ERR_OK;
    entry->bits = 0;
    if (entry->kind == MASTER_PLACE) {
        err = load_place(txn, scratch, entry->text, entry);
        /* A place inside another (a GLN with an extension) is known where the whole is. */
        if (!err && !(entry->bits & bit(MASTER_KNOWN)))
            err = load_place(txn, scratch, entry->id, entry);
    } else {
        memcpy(id + strlen(id), entry->id, strlen(entry->id) + 1);
        err = load_type(txn, scratch, product_type, id, entry);
    }
    if (!err)
        entry->generation = data->generation + 1;
    return err;
}

void master_data_forget(struct master_data *data)
{
    data->generation++;
}

void master_data_clear(struct master_data *data)
{
    if (data->count > 0)
        memset(data->slots, 0, data->size * sizeof *data->slots);
    data->count = 0;
    data->generation = 0;
}

void master_data_free(struct master_data *data)
{
    free(data->entries);
    free(data->slots);
    *data = (struct master_data){0};
}
