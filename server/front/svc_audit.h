/* The part of epcis.v1.AuditService that is about keys and checkpoints, over journal_audit.h and signer.h. */
#ifndef EPCISD_FRONT_SVC_AUDIT_H
#define EPCISD_FRONT_SVC_AUDIT_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_audit_methods[];
extern const size_t svc_audit_count;

#endif
