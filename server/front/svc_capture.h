/* epcis.v1.CaptureService over ingest.h and capture_query.h. */
#ifndef EPCISD_FRONT_SVC_CAPTURE_H
#define EPCISD_FRONT_SVC_CAPTURE_H

#include <stddef.h>

#include "common/base/buffer.h"
#include "server/front/call.h"

extern const struct method svc_capture_methods[];
extern const size_t svc_capture_count;

/* For other methods that take in a document: `admit`, and what is left of `work` once it is made. Answers
 * with the receipt in field 1, as Capture does. */
bool svc_capture_admit(struct call *call);
enum call_next svc_capture_document(struct call *call, const char *partner, const struct buffer *document);

#endif
