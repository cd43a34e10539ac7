/* The identities in the journal: tree `identity`. Written by its writer (JOURNAL_IDENTITY: op->data becomes
 * the record of op->name, whatever it was). */
#ifndef EPCISD_SERVER_JOURNAL_IDENTITY_H
#define EPCISD_SERVER_JOURNAL_IDENTITY_H

#include "server/journal.h"

/* Hands each record, in the order of names, to `use`, who owns it (protobuf-c's default allocator). Returns
 * what `use` answers where that is not ERR_OK; ERR_DISK, ERR_CORRUPT. Any thread. */
enum err journal_identities(struct journal *journal,
                            enum err (*use)(void *context, Epcis__Store__V1__IdentityRecord *record),
                            void *context);

#endif
