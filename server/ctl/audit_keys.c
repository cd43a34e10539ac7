#include "server/ctl/audit_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/signature.h"
#include "server/ctl/output.h"
#include "server/ctl/pages.h"

static const char domain[] = "epcisd key 1";

static bool signed_by(ProtobufCBinaryData key, ProtobufCBinaryData statement, ProtobufCBinaryData signature)
{
    return key.len == SIGNATURE_PUBLIC_BYTES &&
           signature_ok(key.data, domain, statement.data, statement.len, signature.data, signature.len);
}

static bool same(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* What is wrong with the key; NULL: nothing. `before` is NULL for the first. A key whose predecessor was lost
 * is told, and taken. */
static const char *fault_of(const Epcis__V1__SigningKey *key, const Epcis__V1__SigningKey *before)
{
    char id[SIGNATURE_KEY_ID + 1];
    const char *fault = NULL;
    Epcis__V1__KeyStatement *statement =
        epcis__v1__key_statement__unpack(NULL, key->statement.len, key->statement.data);
    if (!statement || !same(statement->public_key, key->public_key) ||
        !signed_by(key->public_key, key->statement, key->signature))
        fault = "its statement is not its own";
    else if (signature_id_of(key->public_key.data, id), strcmp(id, key->key_id) != 0)
        fault = "its id is another key's";
    else if (before && (!same(statement->predecessor, before->public_key) ||
                        (key->predecessor_signature.len > 0 &&
                         !signed_by(before->public_key, key->statement, key->predecessor_signature))))
        fault = "the key before did not bring it in";
    else if (before && key->predecessor_signature.len == 0)
        output_complain(
            "epcisctl: key %s took the place of a key that was lost: ask the operator whether it is "
            "the server's",
            key->key_id);
    epcis__v1__key_statement__free_unpacked(statement, NULL);
    return fault;
}

/* Takes the page's keys over. */
static int take_page(struct audit_keys *keys, Epcis__V1__ListKeysResponse *page)
{
    if (page->n_keys == 0)
        return CTL_OK;
    void *room = realloc(keys->keys, (keys->count + page->n_keys) * sizeof *keys->keys);
    if (!room) {
        fprintf(stderr, "epcisctl: out of memory\n");
        return CTL_ERROR;
    }
    keys->keys = room;
    for (size_t i = 0; i < page->n_keys; i++) {
        Epcis__V1__SigningKey *key = keys->keys[keys->count] = page->keys[i];
        page->keys[i] = NULL;
        const char *fault = fault_of(key, keys->count ? keys->keys[keys->count - 1] : NULL);
        keys->count++;
        if (fault) {
            output_complain("epcisctl: the server's key %s is not to be trusted: %s", key->key_id, fault);
            return CTL_ERROR;
        }
    }
    return CTL_OK;
}

int audit_keys_load(struct audit_keys *keys, const struct ctl_common *common, struct client *client,
                    int64_t deadline_ms)
{
    Epcis__V1__ListKeysRequest request = EPCIS__V1__LIST_KEYS_REQUEST__INIT;
    Epcis__V1__ListKeysResponse *page;
    struct pages pages = {.common = common,
                          .client = client,
                          .deadline_ms = deadline_ms,
                          .what = "keys",
                          .method = "/epcis.v1.AuditService/ListKeys",
                          .request = &request.base,
                          .token = &request.page_token,
                          .type = &epcis__v1__list_keys_response__descriptor};
    *keys = (struct audit_keys){0};
    while (pages_next(&pages, &page))
        pages.code = take_page(keys, page);
    return pages.code;
}

static Epcis__V1__SigningKey *key_of(const uint8_t public_key[SIGNATURE_PUBLIC_BYTES])
{
    Epcis__V1__SigningKey *key = malloc(sizeof *key);
    char *id = malloc(SIGNATURE_KEY_ID + 1);
    uint8_t *bytes = malloc(SIGNATURE_PUBLIC_BYTES);
    if (!key || !id || !bytes) {
        free(key);
        free(id);
        free(bytes);
        return NULL;
    }
    epcis__v1__signing_key__init(key);
    signature_id_of(public_key, id);
    memcpy(bytes, public_key, SIGNATURE_PUBLIC_BYTES);
    key->key_id = id;
    key->public_key = (ProtobufCBinaryData){SIGNATURE_PUBLIC_BYTES, bytes};
    return key;
}

int audit_keys_read(struct audit_keys *keys, const char *path)
{
    char text[SIGNATURE_PEM_MAX];
    uint8_t public_key[SIGNATURE_PUBLIC_BYTES];
    *keys = (struct audit_keys){0};
    FILE *file = fopen(path, "re");
    if (!file) {
        output_complain("epcisctl: %s: %s", path, strerror(errno));
        return CTL_ERROR;
    }
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    if (signature_public_read(text, length, public_key)) {
        output_complain("epcisctl: %s: an Ed25519 public key in PEM, or 64 hexadecimal digits, is expected",
                        path);
        return CTL_ERROR;
    }
    keys->keys = malloc(sizeof *keys->keys);
    Epcis__V1__SigningKey *key = keys->keys ? key_of(public_key) : NULL;
    if (!key) {
        fprintf(stderr, "epcisctl: out of memory\n");
        return CTL_ERROR;
    }
    keys->keys[keys->count++] = key;
    return CTL_OK;
}

void audit_keys_free(struct audit_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        epcis__v1__signing_key__free_unpacked(keys->keys[i], NULL);
    free(keys->keys);
}
