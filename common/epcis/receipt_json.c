#include "common/epcis/receipt_json.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "common/base/digest.h"
#include "common/base/signature.h"

enum { TEXT_BYTES = 128 };

/* The members of a receipt that are read. */
enum member { OTHER, CAPTURE_ID, DOCUMENT_DIGEST, PARTNER, KEY_ID, SIGNATURE, BYTES, RECEIVED_MS, POSITION };

static const struct {
    const char *name;
    enum member member;
} members[] = {
    {"capture_id", CAPTURE_ID},   {"document_digest", DOCUMENT_DIGEST},
    {"partner", PARTNER},         {"key_id", KEY_ID},
    {"signature", SIGNATURE},     {"document_bytes", BYTES},
    {"received_ms", RECEIVED_MS}, {"journal_position", POSITION},
};

struct reading {
    void (*found)(void *context, const Epcis__V1__Receipt *receipt);
    void *context;
    unsigned depth;
    enum member member; /* whose value comes next, at depth 1 */
    Epcis__V1__Receipt receipt;
    char texts[SIGNATURE][TEXT_BYTES]; /* of CAPTURE_ID to KEY_ID */
    uint8_t signature[SIGNATURE_BYTES];
};

static int on_start(void *context)
{
    struct reading *reading = context;
    if (reading->depth++ > 0)
        return reading->depth == 2 ? reading->member == OTHER : true;
    epcis__v1__receipt__init(&reading->receipt);
    return true;
}

/* Outside of an object it is no receipt. */
static int on_array(void *context)
{
    return ((struct reading *)context)->depth > 0 && on_start(context);
}

static int on_end(void *context)
{
    struct reading *reading = context;
    if (--reading->depth == 0)
        reading->found(reading->context, &reading->receipt);
    return true;
}

static int on_key(void *context, const unsigned char *name, size_t length)
{
    struct reading *reading = context;
    if (reading->depth != 1)
        return true;
    reading->member = OTHER;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (strlen(members[i].name) == length && memcmp(members[i].name, name, length) == 0)
            reading->member = members[i].member;
    return true;
}

static int on_text(void *context, const unsigned char *text, size_t length)
{
    struct reading *reading = context;
    Epcis__V1__Receipt *receipt = &reading->receipt;
    char **const fields[] = {[CAPTURE_ID] = &receipt->capture_id,
                             [DOCUMENT_DIGEST] = &receipt->document_digest,
                             [PARTNER] = &receipt->partner,
                             [KEY_ID] = &receipt->key_id};
    enum member member = reading->depth == 1 ? reading->member : OTHER;
    if (member == OTHER)
        return reading->depth > 0;
    if (member == SIGNATURE) {
        receipt->signature = (ProtobufCBinaryData){SIGNATURE_BYTES, reading->signature};
        return digest_unhex((const char *)text, length, reading->signature, SIGNATURE_BYTES) == ERR_OK;
    }
    if (member > SIGNATURE || length >= TEXT_BYTES || memchr(text, '\0', length))
        return false;
    memcpy(reading->texts[member], text, length);
    reading->texts[member][length] = '\0';
    *fields[member] = reading->texts[member];
    return true;
}

static int on_integer(void *context, long long value)
{
    struct reading *reading = context;
    enum member member = reading->depth == 1 ? reading->member : OTHER;
    if (member == BYTES)
        reading->receipt.document_bytes = (uint64_t)value;
    else if (member == RECEIVED_MS)
        reading->receipt.received_ms = value;
    else if (member == POSITION)
        reading->receipt.journal_position = (uint64_t)value;
    return reading->depth > 0 && (member == OTHER || member > SIGNATURE);
}

/* null leaves a member empty. */
static int on_null(void *context)
{
    return ((struct reading *)context)->depth > 0;
}

static int on_other(struct reading *reading)
{
    return reading->depth > 1 || (reading->depth == 1 && reading->member == OTHER);
}

static int on_boolean(void *context, int value)
{
    (void)value;
    return on_other(context);
}

static int on_double(void *context, double value)
{
    (void)value;
    return on_other(context);
}

enum err receipt_json_read(const char *text, size_t length,
                           void (*found)(void *context, const Epcis__V1__Receipt *receipt), void *context)
{
    static const yajl_callbacks callbacks = {.yajl_null = on_null,
                                             .yajl_boolean = on_boolean,
                                             .yajl_integer = on_integer,
                                             .yajl_double = on_double,
                                             .yajl_string = on_text,
                                             .yajl_start_map = on_start,
                                             .yajl_map_key = on_key,
                                             .yajl_end_map = on_end,
                                             .yajl_start_array = on_array,
                                             .yajl_end_array = on_end};
    struct reading reading = {.found = found, .context = context};
    yajl_handle parser = yajl_alloc(&callbacks, NULL, &reading);
    if (!parser)
        return ERR_MEMORY;
    yajl_config(parser, yajl_allow_multiple_values, 1);
    yajl_status status = yajl_parse(parser, (const unsigned char *)text, length);
    if (status == yajl_status_ok)
        status = yajl_complete_parse(parser);
    yajl_free(parser);
    return status == yajl_status_ok ? ERR_OK : ERR_INPUT;
}
