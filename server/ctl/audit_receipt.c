#include "server/ctl/audit_receipt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buffer.h"
#include "common/base/json_text.h"
#include "common/epcis/receipt.h"
#include "common/epcis/receipt_json.h"
#include "server/ctl/output.h"

struct verification {
    const struct audit_keys *keys;
    bool json;
    size_t count, bad;
    struct buffer out;
};

/* The document from which on key number `index` signs; without a statement: each. */
static uint64_t first_document(const struct audit_keys *keys, size_t index)
{
    const Epcis__V1__SigningKey *key = keys->keys[index];
    Epcis__V1__KeyStatement *statement =
        epcis__v1__key_statement__unpack(NULL, key->statement.len, key->statement.data);
    uint64_t first = statement ? statement->first_document : 0;
    epcis__v1__key_statement__free_unpacked(statement, NULL);
    return first;
}

/* What is wrong with it; NULL: nothing. */
static const char *fault_of(const struct audit_keys *keys, const Epcis__V1__Receipt *receipt)
{
    if (!receipt->key_id[0] || receipt->signature.len == 0)
        return "it is not signed";
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i]->key_id, receipt->key_id) != 0)
            continue;
        if (!receipt_ok(receipt, keys->keys[i]->public_key.data))
            return "it is not what the key signed: something in it was changed";
        if (receipt->journal_position < first_document(keys, i) ||
            (i + 1 < keys->count && receipt->journal_position >= first_document(keys, i + 1)))
            return "another key signs at this place: whoever signed it stole this one";
        return NULL;
    }
    return "its key is not known here";
}

static void on_receipt(void *context, const Epcis__V1__Receipt *receipt)
{
    struct verification *verification = context;
    struct buffer *out = &verification->out;
    const char *fault = fault_of(verification->keys, receipt);
    verification->count++;
    verification->bad += fault != NULL;
    if (verification->json) {
        buffer_append_text(out, "{\"capture_id\": ");
        json_append_string(out, receipt->capture_id);
        buffer_append_text(out, ", \"key_id\": ");
        json_append_string(out, receipt->key_id);
        buffer_printf(out, ", \"genuine\": %s, \"fault\": ", fault ? "false" : "true");
        json_append_string(out, fault);
        buffer_append_text(out, "}\n");
    } else {
        output_foreign_text(out, receipt->capture_id);
        buffer_append_text(out, fault ? ": NOT genuine: " : ": genuine: signed by key ");
        output_foreign_text(out, fault ? fault : receipt->key_id);
        if (!fault)
            buffer_printf(out, " as document %" PRIu64, receipt->journal_position);
        buffer_append_text(out, "\n");
    }
}

static enum err read_all(const char *path, struct buffer *out)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    size_t bytes = 0;
    if (!file) {
        output_complain("epcisctl: %s: %s", path, strerror(errno));
        return ERR_INPUT;
    }
    do {
        uint8_t *room = buffer_reserve(out, BUFSIZ);
        bytes = room ? fread(room, 1, BUFSIZ, file) : 0;
        out->length += bytes;
    } while (bytes > 0);
    bool failed = ferror(file) || out->failed;
    if (!standard)
        fclose(file);
    if (failed)
        output_complain("epcisctl: %s: it could not be read", path);
    return failed ? ERR_SYSTEM : ERR_OK;
}

int audit_receipt_verify(const struct audit_keys *keys, const char *path, bool json)
{
    struct buffer text = {0};
    struct verification verification = {.keys = keys, .json = json};
    int code = CTL_ERROR;
    enum err err = read_all(path, &text);
    if (!err) {
        err = receipt_json_read((const char *)text.data, text.length, on_receipt, &verification);
        if (err || verification.count == 0)
            output_complain("epcisctl: %s: receipts as 'epcisctl capture --json' prints them are expected",
                            path);
        else
            code = verification.bad ? CTL_REFUSED : CTL_OK;
        if (output_flush(&verification.out))
            code = CTL_ERROR;
    }
    buffer_free(&verification.out);
    buffer_free(&text);
    return code;
}
