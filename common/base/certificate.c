#include "common/base/certificate.h"

#include <limits.h>
#include <time.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

/* OpenSSL would ask the terminal. The type is OpenSSL's: NOLINTNEXTLINE(readability-non-const-parameter) */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out, (void)size, (void)writing, (void)context;
    return -1;
}

static BIO *open_pem(const struct buffer *pem)
{
    return pem->length <= INT_MAX ? BIO_new_mem_buf(pem->data, (int)pem->length) : NULL;
}

static X509 *read_certificate(const struct buffer *pem)
{
    BIO *bio = open_pem(pem);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return certificate;
}

static EVP_PKEY *read_key(const struct buffer *pem)
{
    BIO *bio = open_pem(pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static int64_t end_of(const X509 *certificate)
{
    struct tm end;
    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) ? (int64_t)timegm(&end) : 0;
}

enum err certificate_check_pair(const struct buffer *chain, const struct buffer *key, int64_t *not_after_s,
                                const char **why)
{
    X509 *certificate = read_certificate(chain);
    EVP_PKEY *private_key = read_key(key);
    *why = NULL;
    if (!certificate)
        *why = "the certificate file holds no PEM certificate";
    else if (!private_key)
        *why = "the key file holds no PEM private key without passphrase";
    else if (X509_check_private_key(certificate, private_key) != 1)
        *why = "the key is not that of the certificate, which has to stand first in its file";
    else
        *not_after_s = end_of(certificate);
    X509_free(certificate);
    EVP_PKEY_free(private_key);
    return *why ? ERR_INPUT : ERR_OK;
}

enum err certificate_check_roots(const struct buffer *roots, const char **why)
{
    X509 *certificate = read_certificate(roots);
    *why = certificate ? NULL : "the file of certificate authorities holds no PEM certificate";
    X509_free(certificate);
    return *why ? ERR_INPUT : ERR_OK;
}
