/* What the GS1 US guideline for DSCSA adds to EPCIS: elements in its own namespace, in an event or in the
 * document's header. No state; safe on any thread. */
#ifndef EPCISD_EPCIS_DSCSA_H
#define EPCISD_EPCIS_DSCSA_H

#include <stddef.h>

#include "epcis/v1/event.pb-c.h"

/* The guideline's element of that name, whatever wrapper it stands in; NULL: none. */
const Epcis__V1__Node *dscsa_find(Epcis__V1__Node *const *nodes, size_t count, const char *local_name);

/* Text of that child of dscsaTransactionStatement, the first one in `nodes`. NULL: there is no statement;
 * empty: it has no such child. */
const char *dscsa_statement_text(Epcis__V1__Node *const *nodes, size_t count, const char *local_name);

#endif
