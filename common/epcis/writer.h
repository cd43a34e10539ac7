/* Writes canonical events as a document of another syntax, piece by piece: EPCIS 2.0 JSON-LD, 2.0 XML or
 * 1.2 XML. Reading the result back gives the same events and event hashes. One writer writes one document on
 * one thread, in memory that does not grow with the document. */
#ifndef EPCISD_EPCIS_WRITER_H
#define EPCISD_EPCIS_WRITER_H

#include <stddef.h>

#include "common/base/err.h"
#include "epcis/v1/document.pb-c.h"
#include "epcis/v1/event.pb-c.h"

enum writer_format { WRITER_JSON_2, WRITER_XML_2, WRITER_XML_1 };

/* Takes the next bytes of the document; what it answers other than ERR_OK stops the writer. */
typedef enum err writer_sink_fn(void *context, const void *data, size_t bytes);

struct writer;

/* ERR_MEMORY. */
enum err writer_open(enum writer_format format, writer_sink_fn *sink, void *context, struct writer **out);

/* Once, before all else. */
enum err writer_document(struct writer *writer, const Epcis__V1__Document *document);

/* Before the first event; elements of one vocabulary come together. ERR_INPUT: the format cannot say it,
 * *reason says why, and the document goes on without. */
enum err writer_vocabulary_element(struct writer *writer, const Epcis__V1__VocabularyElement *element,
                                   const char **reason);

/* ERR_INPUT: the format cannot say this event; nothing of it was written, *reason names the field, and the
 * next event may follow. */
enum err writer_event(struct writer *writer, const Epcis__V1__Event *event, const char **reason);

/* What stood behind the master data or the events of the document that is read: before the first event and
 * before the end. */
enum err writer_late(struct writer *writer, const Epcis__V1__Document *fields);

/* The end of the document. */
enum err writer_finish(struct writer *writer);

/* What of the document itself, not of an event or vocabulary element, the format could not say so far: it was
 * left out. NULL: nothing. The writer's. */
const char *writer_left_out(const struct writer *writer);

/* Frees it and nulls *writer; NULL inside is fine. */
void writer_close(struct writer **writer);

#endif
