#include "common/epcis/receipt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char domain[] = "epcisd receipt 1";

enum { TEXT_BYTES = 256 }; /* of a receipt with the longest numbers: 201 */

void receipt_digest(const uint8_t sha256[DIGEST_BYTES], char out[RECEIPT_DIGEST])
{
    static const char prefix[] = "sha256:";
    memcpy(out, prefix, sizeof prefix);
    digest_hex(sha256, DIGEST_BYTES, out + sizeof prefix - 1);
}

/* The lines behind the domain's. ERR_INPUT: too long. */
static enum err lines_of(const Epcis__V1__Receipt *receipt, char out[TEXT_BYTES], size_t *length)
{
    int bytes = snprintf(out, TEXT_BYTES, "%s\n%s\n%" PRIu64 "\n%" PRId64 "\n%" PRIu64 "\n%s\n",
                         receipt->capture_id, receipt->document_digest, receipt->document_bytes,
                         receipt->received_ms, receipt->journal_position, receipt->partner);
    if (bytes < 0 || bytes >= TEXT_BYTES)
        return ERR_INPUT;
    *length = (size_t)bytes;
    return ERR_OK;
}

enum err receipt_sign(const Epcis__V1__Receipt *receipt, const struct signature_key *key,
                      uint8_t out[SIGNATURE_BYTES])
{
    char lines[TEXT_BYTES];
    size_t length;
    enum err err = lines_of(receipt, lines, &length);
    return err ? err : signature_make(key, domain, lines, length, out);
}

bool receipt_ok(const Epcis__V1__Receipt *receipt, const uint8_t public_key[SIGNATURE_PUBLIC_BYTES])
{
    char lines[TEXT_BYTES];
    size_t length;
    return !lines_of(receipt, lines, &length) &&
           signature_ok(public_key, domain, lines, length, receipt->signature.data, receipt->signature.len);
}
