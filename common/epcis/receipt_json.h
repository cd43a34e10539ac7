/* Receipts as `epcisctl capture --json` prints them. No state; any thread. */
#ifndef EPCISD_EPCIS_RECEIPT_JSON_H
#define EPCISD_EPCIS_RECEIPT_JSON_H

#include <stddef.h>

#include "common/base/err.h"
#include "epcis/v1/capture_service.pb-c.h"

/* Reads one JSON object after another, and calls `found` for each; what else it has than a receipt's members
 * is passed over. The receipt is borrowed for the call. ERR_INPUT: this is no JSON, or a member is not what a
 * receipt has there; ERR_MEMORY. */
enum err receipt_json_read(const char *text, size_t length,
                           void (*found)(void *context, const Epcis__V1__Receipt *receipt), void *context);

#endif
