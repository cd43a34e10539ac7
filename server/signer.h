/* The private key of this server, in DIR/signing.pem (PKCS#8, readable by its owner alone). Main opens and
 * closes it; signing and rotating are safe on any thread that may wait.
 *
 * A key is made in DIR/next.pem, then recorded in the journal, which from there on signs with it, then
 * renamed over signing.pem, whose bytes are overwritten before. So after a crash at any point the file that
 * has the journal's last key is there. */
#ifndef EPCISD_SERVER_SIGNER_H
#define EPCISD_SERVER_SIGNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/signature.h"

struct journal;
struct signer;

/* What is signed, see epcis.v1.AuditService. Receipts have theirs in common/epcis/receipt.h. */
#define SIGNER_KEY        "epcisd key 1"
#define SIGNER_CHECKPOINT "epcisd checkpoint 1"

struct signer_signature {
    char key_id[SIGNATURE_KEY_ID + 1];
    uint8_t bytes[SIGNATURE_BYTES];
};

/* Reads the key that the journal names, or makes one where it names none, and has the journal sign with it.
 * Where the journal names one and its file is gone, another is made with `replace_lost` alone. Failures are
 * logged with what to do: ERR_NOT_FOUND, ERR_INPUT (damaged, or of another key), ERR_EXISTS (`replace_lost`,
 * and nothing is lost), ERR_DISK, ERR_MEMORY, ERR_SYSTEM (also: others may read the
 * file). */
enum err signer_open(const char *dir, struct journal *journal, bool replace_lost, struct signer **out);

/* Call it after journal_close, which borrows the key. NULL inside is fine. */
void signer_close(struct signer **signer);

/* Signs the line `domain` and these bytes with the key of this moment. ERR_MEMORY. */
enum err signer_sign(struct signer *signer, const char *domain, const void *data, size_t bytes,
                     struct signer_signature *out);

/* Makes a new key, and erases the old one once it is recorded. `requested_by`: for the record. Waits for the
 * disk. ERR_DISK, ERR_STOPPED, ERR_MEMORY, ERR_SYSTEM: the old one goes on. */
enum err signer_rotate(struct signer *signer, const char *requested_by);

#endif
