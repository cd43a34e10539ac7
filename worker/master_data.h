/* Master data in one transaction: elements of vocabularies on their way into the store, and what the store
 * says of the identifiers that events name, looked up once each. Internal to worker/; one thread. */
#ifndef EPCISD_WORKER_MASTER_DATA_H
#define EPCISD_WORKER_MASTER_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/store/store_master.h"
#include "epcis/wire/v1/wire.pb-c.h"
#include "worker/batch.h"

/* ---- elements --------------------------------------------------------------------------------------- */

/* A vocabulary element that can be read. */
struct master_element {
    struct store_master_key key;
    uint8_t content_sha256[DIGEST_BYTES];
};

/* Reads the item's vocabulary element with the help of `scratch`, which is reset. *out NULL: it cannot be
 * read. ERR_LIMIT (the arena's budget), ERR_MEMORY. */
enum err master_data_read(const struct batch_item *item, struct arena *arena, struct arena *scratch,
                          struct master_element **out);

/* ---- identifiers ------------------------------------------------------------------------------------ */

enum master_kind { MASTER_GTIN, MASTER_CLASS, MASTER_PLACE };

/* What is said of an identifier, a bit each. */
enum master_attribute_bit {
    MASTER_NDC,
    MASTER_PRODUCT_NAME,
    MASTER_STRENGTH,
    MASTER_DOSAGE_FORM,
    MASTER_NET_CONTENT,
    MASTER_MANUFACTURER,
    MASTER_NAME,
    MASTER_STREET,
    MASTER_CITY,
    MASTER_STATE,
    MASTER_POSTAL_CODE,
    MASTER_COUNTRY,
    MASTER_ATTRIBUTES,
    /* And what follows from them. */
    MASTER_KNOWN = MASTER_ATTRIBUTES, /* something is said */
    MASTER_NDC_DIFFERS,               /* and the GTIN holds another one */
    MASTER_STATELESS,                 /* its country is known, and not the United States */
};

/* As attributes are called: "strengthDescription". */
extern const char *const master_data_names[MASTER_ATTRIBUTES];

enum { MASTER_RULES = 3, MASTER_NDC_TEXT = 24 };

/* One identifier, as it is spelled in events. */
struct master_entry {
    const char *text;
    size_t length;
    enum master_kind kind;
    char id[15];         /* GTIN-14 or GLN-13; empty: it is none, and nothing is known of it */
    uint32_t generation; /* of the store's content at which `bits` were read; 0: never */
    uint32_t bits;
    char ndc[MASTER_NDC_TEXT];             /* as stated; cut where it is too long */
    uint32_t event;                        /* the caller's: the last event that named it */
    const uint8_t *reported[MASTER_RULES]; /* the caller's: the document that it was last reported in */
};

/* An identifier where an event names it. */
struct master_name {
    uint32_t entry;
    uint32_t index; /* in the list */
    const char *field;
    bool single; /* the field is no list */
    bool owner;  /* the place is an owning party */
};

/* Those of one event. */
struct master_names {
    struct master_name *list;
    uint32_t count;
};

/* All zero is an empty table. */
struct master_data {
    struct master_entry *entries;
    size_t count, capacity;
    uint32_t *slots; /* index + 1; 0: free */
    size_t size;     /* a power of two, or 0 */
    uint32_t generation;
};

/* The number of an identifier's entry, new where it was not named before; its text goes to `arena`.
 * ERR_MEMORY, ERR_LIMIT. */
enum err master_data_find(struct master_data *data, struct arena *arena, enum master_kind kind,
                          const char *text, size_t length, uint32_t *out);

/* Reads what the store says of the entry's identifier, where that is not known yet. Resets `scratch`. What
 * the store answers. */
enum err master_data_load(struct master_data *data, struct store_txn *txn, struct arena *scratch,
                          struct master_entry *entry);

/* Writes an element, and forgets what was read before. What the store answers. */
enum err master_data_put(struct master_data *data, struct store_txn *txn,
                         const Epcis__Wire__V1__BatchSegment *segment, const struct batch_item *item,
                         const struct master_element *element);

/* What was read of the store counts no longer; identifiers keep their numbers. */
void master_data_forget(struct master_data *data);

void master_data_clear(struct master_data *data);
void master_data_free(struct master_data *data);

#endif
