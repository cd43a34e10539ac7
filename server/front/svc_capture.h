/* epcis.v1.CaptureService over ingest.h and capture_query.h. */
#ifndef EPCISD_FRONT_SVC_CAPTURE_H
#define EPCISD_FRONT_SVC_CAPTURE_H

#include <stddef.h>

#include "common/base/buffer.h"
#include "server/front/call.h"
#include "server/ingest.h"

extern const struct method svc_capture_methods[];
extern const size_t svc_capture_count;

/* The `admit` of methods that take a document in: not while the server has no room or disk for one. */
bool svc_capture_admit(struct call *call);

/* Parts of such methods. `why` is looked at where `err` is of those that have one. */
void svc_capture_failed(struct call *call, enum err err, const struct refusal *why);
void svc_capture_not_begun(struct call *call, enum err err, const char *partner);

/* Begins a document under the partner that the caller names, or its own; where not, the reply says why. */
enum err svc_capture_begin(struct call *call, const char *named, struct ingest_document **out);

/* Appends all that is left; where not, the reply says why. */
enum err svc_capture_append(struct call *call, struct ingest_document *document, struct cursor *bytes);

/* An ingest_done_fn that answers with the receipt in field 1. `context` is the call. */
void svc_capture_durable(void *context, enum err err, const struct receipt *receipt,
                         const struct refusal *why);

/* What is left of the `work` of such a method once its document is made. Answers with the receipt in field 1,
 * as Capture does. */
enum call_next svc_capture_document(struct call *call, const char *partner, const struct buffer *document);

#endif
