/* The rules that need master data: UNKNOWN_GTIN, UNKNOWN_GLN, NDC_MISMATCH, TI_INCOMPLETE. Internal to
 * worker/; one thread.
 *
 * As a reason such a finding stands on every event. As a warning it is reported once for an identifier and
 * document in a transaction: a delivery of a million events without master data shall not make a million
 * warnings of the same. */
#ifndef EPCISD_WORKER_MASTER_RULES_H
#define EPCISD_WORKER_MASTER_RULES_H

#include "worker/work.h"

/* Notes the identifiers that the event names, in the context of its rules; outside the transaction.
 * ERR_MEMORY, ERR_LIMIT. */
enum err master_rules_note(struct work *work, const struct rules_subject *subject, struct work_event *event);

/* Checks one event against the store's master data as it stands before it; adds what it finds, and the
 * verdict WORK_DEAD where something is a reason. What the store answers; ERR_LIMIT. */
enum err master_rules_check(struct work *work, struct store_txn *txn, struct work_event *event);

#endif
