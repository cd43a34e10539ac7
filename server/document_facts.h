/* What the validation rules need to know of a document besides its events: made once, from what stands before
 * them, and shared by the batches that are open while the document is read. Converter's thread only. */
#ifndef EPCISD_SERVER_DOCUMENT_FACTS_H
#define EPCISD_SERVER_DOCUMENT_FACTS_H

#include <stddef.h>

#include "common/base/err.h"
#include "epcis/v1/document.pb-c.h"
#include "epcis/wire/v1/wire.pb-c.h"

struct document_facts;

/* Copies what it needs, each text cut at 256 bytes; one reference is the caller's. ERR_MEMORY. */
enum err document_facts_new(const Epcis__V1__Document *document, struct document_facts **out);

/* One more reference; NULL is fine. */
struct document_facts *document_facts_share(struct document_facts *facts);

/* Gives a reference back and nulls *facts; the last frees it. NULL inside is fine. */
void document_facts_release(struct document_facts **facts);

/* Memory they take; 0 for NULL. */
size_t document_facts_bytes(const struct document_facts *facts);

/* To be packed; lives as long as the facts. NULL for NULL. */
Epcis__Wire__V1__DocumentFacts *document_facts_message(struct document_facts *facts);

#endif
