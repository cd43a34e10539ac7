/* Writes the event of a dead letter: for a person to read, and as the document in which it comes in again.
 * The annotations of an export are left out. Any thread. */
#ifndef EPCISD_SERVER_DEAD_LETTER_DOCUMENT_H
#define EPCISD_SERVER_DEAD_LETTER_DOCUMENT_H

#include <stddef.h>

#include "common/base/buffer.h"
#include "common/base/err.h"
#include "epcis/v1/event.pb-c.h"

enum { DEAD_LETTER_WHY = 256 };

/* Appends the event as EPCIS 2.0 JSON-LD, without a document around it. ERR_INPUT: it cannot be said so, and
 * nothing was appended; ERR_MEMORY. */
enum err dead_letter_json(const Epcis__V1__Event *event, struct buffer *out);

/* Appends an EPCIS 2.0 JSON-LD document of this one event. Its instanceIdentifier is its own, so that no two
 * have the same bytes; sender, receiver and master data are those in `head`, the first bytes of the document
 * that the event came in. ERR_INPUT: the event cannot be written, `why` says why; ERR_MEMORY, ERR_SYSTEM. */
enum err dead_letter_document(const Epcis__V1__Event *event, const void *head, size_t head_bytes,
                              struct buffer *out, char why[DEAD_LETTER_WHY]);

/* The same of what a person corrected: a document in any syntax, or a bare event, that holds exactly one
 * event. Master data is kept. */
enum err dead_letter_document_corrected(const void *data, size_t bytes, struct buffer *out,
                                        char why[DEAD_LETTER_WHY]);

#endif
