/* The pieces of the text that an event hash covers: keys, normalised values, sorted siblings. Internal to
 * common/epcis; for one thread at a time. */
#ifndef EPCISD_EPCIS_HASH_TEXT_H
#define EPCISD_EPCIS_HASH_TEXT_H

#include "common/base/buffer.h"
#include "common/epcis/cbv.h"
#include "common/gs1/epc.h"
#include "epcis/v1/event.pb-c.h"

/* A finished sibling in the text. */
struct hash_span {
    size_t start;
    size_t length;
};

struct hash_text {
    struct buffer text;
    struct buffer scratch;
    struct buffer spans; /* of hash_span: a stack, as lists stand in lists */
    struct buffer order; /* of the siblings that are sorted now */
    struct epc_stems stems;
    bool join_mda;       /* the two spellings of CBV's master-data namespace count as one */
    bool mda_with_colon; /* the longer one was seen */
};

void hash_text_free(struct hash_text *hash);

static inline void hash_key(struct hash_text *hash, const char *key)
{
    buffer_append(&hash->text, key, strlen(key));
}

/* key=value with the value normalised (CBV 8.9.2), as an xs:double where `is_double`; nothing where it is
 * empty. */
void hash_put_value(struct hash_text *hash, const char *key, size_t key_length, const char *value,
                    bool is_double);

/* Inline, as keys are constants whose length the compiler knows. */
static inline void hash_value(struct hash_text *hash, const char *key, const char *value)
{
    if (value[0])
        hash_put_value(hash, key, strlen(key), value, false);
}

/* As hash_value; an exponent is resolved too. */
static inline void hash_number(struct hash_text *hash, const char *key, const char *value)
{
    if (value[0])
        hash_put_value(hash, key, strlen(key), value, true);
}

/* As hash_value; a bare word becomes a URI of its family. */
void hash_word(struct hash_text *hash, const char *key, enum cbv_family family, const char *word);

/* As hash_value for each, with the key "epc", sorted. */
void hash_epcs(struct hash_text *hash, char *const *epcs, size_t count);

/* In UTC with three decimals; NULL is absent. */
void hash_time(struct hash_text *hash, const char *key, const Epcis__V1__Time *time);

/* Extension trees, siblings sorted. */
void hash_nodes(struct hash_text *hash, Epcis__V1__Node *const *nodes, size_t count);

/* Siblings: begin gives a mark, item closes the one that began at `start`, end sorts them. */
size_t hash_list_begin(struct hash_text *hash);
void hash_list_item(struct hash_text *hash, size_t start);
void hash_list_end(struct hash_text *hash, size_t mark);

#endif
