/* The signature of a receipt, as the page of epcis.v1.Receipt lays it out. No state; any thread. */
#ifndef EPCISD_EPCIS_RECEIPT_H
#define EPCISD_EPCIS_RECEIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/digest.h"
#include "common/base/err.h"
#include "common/base/signature.h"
#include "epcis/v1/capture_service.pb-c.h"

enum { RECEIPT_DIGEST = sizeof "sha256:" + DIGEST_HEX };

/* A document's digest as receipts write it. */
void receipt_digest(const uint8_t sha256[DIGEST_BYTES], char out[RECEIPT_DIGEST]);

/* Signs the receipt's other fields. ERR_INPUT: they are longer than those of any receipt; ERR_MEMORY. */
enum err receipt_sign(const Epcis__V1__Receipt *receipt, const struct signature_key *key,
                      uint8_t out[SIGNATURE_BYTES]);

/* Whether the receipt is as that key signed it. */
bool receipt_ok(const Epcis__V1__Receipt *receipt, const uint8_t public_key[SIGNATURE_PUBLIC_BYTES]);

#endif
