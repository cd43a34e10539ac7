#include "common/base/signature.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "common/base/digest.h"

struct signature_key {
    EVP_PKEY *pair;
    uint8_t public_key[SIGNATURE_PUBLIC_BYTES];
    char id[SIGNATURE_KEY_ID + 1];
};

/* ---- private keys ----------------------------------------------------------------------------------- */

/* Takes the pair over. */
static enum err key_of_pair(EVP_PKEY *pair, struct signature_key **out)
{
    struct signature_key *key = pair ? calloc(1, sizeof *key) : NULL;
    size_t length = sizeof key->public_key;
    if (!key) {
        EVP_PKEY_free(pair);
        return ERR_MEMORY;
    }
    key->pair = pair;
    if (EVP_PKEY_get_raw_public_key(pair, key->public_key, &length) != 1) {
        signature_key_free(&key);
        return ERR_MEMORY;
    }
    signature_id_of(key->public_key, key->id);
    *out = key;
    return ERR_OK;
}

enum err signature_key_from_seed(const uint8_t seed[SIGNATURE_SEED_BYTES], struct signature_key **out)
{
    return key_of_pair(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SIGNATURE_SEED_BYTES), out);
}

enum err signature_key_make(struct signature_key **out)
{
    uint8_t seed[SIGNATURE_SEED_BYTES];
    if (getrandom(seed, sizeof seed, 0) != sizeof seed)
        return ERR_SYSTEM;
    enum err err = signature_key_from_seed(seed, out);
    explicit_bzero(seed, sizeof seed);
    return err;
}

/* With a password of its own OpenSSL never asks for one at the terminal where the key is encrypted. */
static char no_password[] = "";

enum err signature_key_read(const char *pem, size_t length, struct signature_key **out)
{
    BIO *text = length < INT_MAX ? BIO_new_mem_buf(pem, (int)length) : NULL;
    if (!text)
        return ERR_MEMORY;
    EVP_PKEY *pair = PEM_read_bio_PrivateKey(text, NULL, NULL, no_password);
    BIO_free(text);
    if (!pair || EVP_PKEY_get_base_id(pair) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(pair);
        return ERR_INPUT;
    }
    return key_of_pair(pair, out);
}

enum err signature_key_write(const struct signature_key *key, char out[SIGNATURE_PEM_MAX])
{
    BIO *text = BIO_new(BIO_s_secmem());
    int length = 0;
    if (text && PEM_write_bio_PrivateKey(text, key->pair, NULL, NULL, 0, NULL, NULL) == 1)
        length = BIO_read(text, out, SIGNATURE_PEM_MAX - 1);
    BIO_free(text);
    out[length > 0 ? length : 0] = '\0';
    return length > 0 ? ERR_OK : ERR_MEMORY;
}

void signature_key_free(struct signature_key **key)
{
    if (!*key)
        return;
    EVP_PKEY_free((*key)->pair); /* which erases it */
    free(*key);
    *key = NULL;
}

const uint8_t *signature_key_public(const struct signature_key *key)
{
    return key->public_key;
}

const char *signature_key_id(const struct signature_key *key)
{
    return key->id;
}

/* ---- public keys ------------------------------------------------------------------------------------ */

enum err signature_public_read(const char *text, size_t length, uint8_t out[SIGNATURE_PUBLIC_BYTES])
{
    size_t public_bytes = SIGNATURE_PUBLIC_BYTES;
    for (; length > 0 && isspace((unsigned char)*text); length--)
        text++;
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    if (!digest_unhex(text, length, out, SIGNATURE_PUBLIC_BYTES))
        return ERR_OK;
    BIO *pem = length < INT_MAX ? BIO_new_mem_buf(text, (int)length) : NULL;
    EVP_PKEY *key = pem ? PEM_read_bio_PUBKEY(pem, NULL, NULL, no_password) : NULL;
    bool ok = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 &&
              EVP_PKEY_get_raw_public_key(key, out, &public_bytes) == 1;
    EVP_PKEY_free(key);
    BIO_free(pem);
    return ok ? ERR_OK : ERR_INPUT;
}

void signature_id_of(const uint8_t public_key[SIGNATURE_PUBLIC_BYTES], char out[SIGNATURE_KEY_ID + 1])
{
    uint8_t digest[DIGEST_BYTES];
    digest_of(public_key, SIGNATURE_PUBLIC_BYTES, digest);
    digest_hex(digest, SIGNATURE_KEY_ID / 2, out);
}

/* ---- signatures ------------------------------------------------------------------------------------- */

/* Ed25519 takes its message in one run. Receipts fit into the room on the stack. */
struct message {
    uint8_t room[512];
    uint8_t *data;
    size_t bytes;
};

static enum err message_init(struct message *message, const char *domain, const void *data, size_t bytes)
{
    size_t line = strlen(domain);
    size_t prefix = line > 0 ? line + 1 : 0;
    message->bytes = prefix + bytes;
    message->data = message->bytes <= sizeof message->room ? message->room : malloc(message->bytes);
    if (!message->data)
        return ERR_MEMORY;
    memcpy(message->data, domain, line);
    if (prefix > 0)
        message->data[line] = '\n';
    if (bytes > 0)
        memcpy(message->data + prefix, data, bytes);
    return ERR_OK;
}

static void message_free(struct message *message)
{
    if (message->data != message->room)
        free(message->data);
}

enum err signature_make(const struct signature_key *key, const char *domain, const void *data, size_t bytes,
                        uint8_t out[SIGNATURE_BYTES])
{
    struct message message;
    size_t length = SIGNATURE_BYTES;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    enum err err = context ? message_init(&message, domain, data, bytes) : ERR_MEMORY;
    if (!err) {
        if (EVP_DigestSignInit(context, NULL, NULL, NULL, key->pair) != 1 ||
            EVP_DigestSign(context, out, &length, message.data, message.bytes) != 1)
            err = ERR_MEMORY;
        message_free(&message);
    }
    EVP_MD_CTX_free(context);
    return err;
}

bool signature_ok(const uint8_t public_key[SIGNATURE_PUBLIC_BYTES], const char *domain, const void *data,
                  size_t bytes, const uint8_t *signature, size_t signature_bytes)
{
    struct message message;
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, SIGNATURE_PUBLIC_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = key && context && !message_init(&message, domain, data, bytes);
    if (ok) {
        ok = EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
             EVP_DigestVerify(context, signature, signature_bytes, message.data, message.bytes) == 1;
        message_free(&message);
    }
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return ok;
}
