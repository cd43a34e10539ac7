/* Whether receipts are genuine. */
#ifndef EPCISD_CTL_AUDIT_RECEIPT_H
#define EPCISD_CTL_AUDIT_RECEIPT_H

#include <stdbool.h>

#include "server/ctl/audit_keys.h"

/* Verifies all receipts of the file (-: standard input) and prints a line or an object for each. CTL_OK: all
 * are as the keys signed them; CTL_REFUSED: one is not; CTL_ERROR: there is none, or the file is no JSON. */
int audit_receipt_verify(const struct audit_keys *keys, const char *path, bool json);

#endif
