#include "worker/lots.h"

#include <stdlib.h>
#include <string.h>

static size_t hash_lot(uint64_t gtin, struct store_text text)
{
    uint64_t hash = gtin * 0x9e3779b97f4a7c15U;
    for (uint32_t i = 0; i < text.length; i++)
        hash = (hash ^ text.data[i]) * 0x100000001b3U;
    return (size_t)(hash ^ hash >> 32);
}

/* Its slot, or the free one where it belongs. */
static struct lot *slot_of(const struct lots *lots, uint64_t gtin, struct store_text text)
{
    size_t mask = lots->size - 1;
    for (size_t at = hash_lot(gtin, text) & mask;; at = (at + 1) & mask) {
        struct lot *lot = &lots->slots[at];
        if (!lot->text.data || (lot->gtin == gtin && lot->text.length == text.length &&
                                memcmp(lot->text.data, text.data, text.length) == 0))
            return lot;
    }
}

static enum err make_room(struct lots *lots)
{
    if (2 * (lots->count + 1) <= lots->size)
        return ERR_OK;
    struct lots larger = {.size = lots->size ? 2 * lots->size : 256, .count = lots->count};
    larger.slots = calloc(larger.size, sizeof *larger.slots);
    if (!larger.slots)
        return ERR_MEMORY;
    for (size_t i = 0; i < lots->size; i++)
        if (lots->slots[i].text.data)
            *slot_of(&larger, lots->slots[i].gtin, lots->slots[i].text) = lots->slots[i];
    free(lots->slots);
    *lots = larger;
    return ERR_OK;
}

enum err lots_find(struct lots *lots, struct store_txn *txn, uint64_t gtin, struct store_text text,
                   struct lot **out)
{
    enum err err = make_room(lots);
    if (err)
        return err;
    struct lot *lot = *out = slot_of(lots, gtin, text);
    if (lot->text.data)
        return ERR_OK;
    struct store_lot value = {0};
    err = store_lot_get(txn, gtin, text, &value);
    if (err && err != ERR_NOT_FOUND)
        return err;
    *lot = (struct lot){.gtin = gtin, .text = text, .value = value};
    lots->count++;
    return ERR_OK;
}

enum err lots_write(const struct lots *lots, struct store_txn *txn)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < lots->size && !err; i++)
        if (lots->slots[i].text.data && lots->slots[i].fresh)
            err = store_lot_put(txn, lots->slots[i].gtin, lots->slots[i].text, &lots->slots[i].value);
    return err;
}

void lots_clear(struct lots *lots)
{
    if (lots->count > 0)
        memset(lots->slots, 0, lots->size * sizeof *lots->slots);
    lots->count = 0;
}

void lots_free(struct lots *lots)
{
    free(lots->slots);
    *lots = (struct lots){0};
}
