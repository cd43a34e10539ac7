/* Hands the members of a JSON object to the assembler as the elements that XML would have. Internal to
 * common/epcis. */
#ifndef EPCISD_EPCIS_JSON_EVENT_H
#define EPCISD_EPCIS_JSON_EVENT_H

#include "common/epcis/assembler.h"
#include "common/epcis/json_context.h"

enum { JSON_FOREIGN_MAX = 32, JSON_FOREIGN_BYTES = 64 };

/* A key with a prefix, kept as documents repeat it in every event. */
struct json_foreign {
    char key[JSON_FOREIGN_BYTES];
    char prefix[JSON_FOREIGN_BYTES];
    size_t length;              /* of the key; 0: free */
    struct assembler_name name; /* what the document's own context makes of it; local NULL: not yet asked */
};

/* What a parser needs for it, on its thread. */
struct json_names {
    uint8_t slots[512];                            /* of grammar names, by hash; 0: free */
    uint8_t lengths[NAME_COUNT];                   /* of their spellings */
    struct json_foreign foreign[JSON_FOREIGN_MAX]; /* by hash; the first is never used */
    const struct json_value *given;                /* handed on now: what errors are about; NULL: none */
};

void json_names_fill(struct json_names *names);
enum grammar_name json_names_find(const struct json_names *names, const char *key, size_t length);

/* The index of a key with a prefix; 0: it has none, or is not kept, as it is long or another has its place.
 */
uint8_t json_names_foreign(struct json_names *names, const char *key, size_t length);

/* The grammar's name of an event's "type", with or without the prefix "epcis:"; NAME_UNKNOWN: no event. */
enum grammar_name json_event_name(const struct json_names *names, const struct json_value *event);

/* A whole event, from start to end. */
void json_event_give(struct assembler *assembler, struct json_names *names,
                     const struct json_context *context, struct arena *arena, const struct json_value *event);

/* A whole element of a vocabulary. */
void json_event_give_vocabulary_element(struct assembler *assembler, struct json_names *names,
                                        const struct json_context *context, struct arena *arena,
                                        const struct json_value *element);

/* One member of what is open now. */
void json_event_give_member(struct assembler *assembler, struct json_names *names,
                            const struct json_context *context, struct arena *arena,
                            const struct json_value *member);

#endif
