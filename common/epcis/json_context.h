/* Prefixes of JSON-LD contexts (JSON-LD 1.1 section 4.1), innermost first. Contexts that are named by URL
 * are not fetched: EPCIS' own prefixes hold everywhere. Internal to common/epcis. */
#ifndef EPCISD_EPCIS_JSON_CONTEXT_H
#define EPCISD_EPCIS_JSON_CONTEXT_H

#include "common/base/err.h"
#include "common/epcis/json_value.h"

/* Terms that may hold at one place. Each key with a prefix is looked up among them one by one, so this
 * bounds the work; published documents have a dozen. */
enum { JSON_TERMS_MAX = 256 };

struct json_term {
    const char *prefix;
    const char *uri;
};

/* What one object's "@context" and "@xmlns:p" members declare. */
struct json_context {
    const struct json_context *parent;
    struct json_term *terms; /* a later one counts before an earlier one */
    size_t count;
    size_t total; /* with those of all parents */
};

/* Reads the object's declarations into the arena. ERR_LIMIT: over JSON_TERMS_MAX, or the arena is spent;
 * the context is then usable and empty. */
enum err json_context_open(struct json_context *context, const struct json_context *parent,
                           struct arena *arena, const struct json_value *object);

/* The namespace that the object's own "@xmlns:p" gives a prefix of `length` bytes: unlike "@context", such
 * a member (from XML turned into JSON) holds for the key that the object stands under as well. NULL: none. */
const char *json_context_own(const struct json_value *object, const char *prefix, size_t length);

/* The namespace of a prefix of `length` bytes; NULL: unknown. */
const char *json_context_find(const struct json_context *context, const char *prefix, size_t length);

#endif
