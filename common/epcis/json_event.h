/* Hands the members of a JSON object to the assembler as the elements that XML would have. Internal to
 * common/epcis. */
#ifndef EPCISD_EPCIS_JSON_EVENT_H
#define EPCISD_EPCIS_JSON_EVENT_H

#include "common/epcis/assembler.h"
#include "common/epcis/json_context.h"

/* What a parser needs for it, on its thread. */
struct json_names {
    uint8_t slots[512]; /* of grammar names, by hash; 0: free */
};

void json_names_fill(struct json_names *names);
enum grammar_name json_names_find(const struct json_names *names, const char *key, size_t length);

/* The grammar's name of an event's "type", with or without the prefix "epcis:"; NAME_UNKNOWN: no event. */
enum grammar_name json_event_name(const struct json_names *names, const struct json_value *event);

/* A whole event, from start to end. */
void json_event_give(struct assembler *assembler, const struct json_names *names,
                     const struct json_context *context, struct arena *arena, const struct json_value *event);

/* A whole element of a vocabulary. */
void json_event_give_vocabulary_element(struct assembler *assembler, const struct json_names *names,
                                        const struct json_context *context, struct arena *arena,
                                        const struct json_value *element);

/* One member of what is open now. */
void json_event_give_member(struct assembler *assembler, const struct json_names *names,
                            const struct json_context *context, struct arena *arena,
                            const struct json_value *member);

#endif
