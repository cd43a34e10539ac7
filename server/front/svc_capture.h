/* epcis.v1.CaptureService over ingest.h and capture_query.h. */
#ifndef EPCISD_FRONT_SVC_CAPTURE_H
#define EPCISD_FRONT_SVC_CAPTURE_H

#include <stddef.h>

#include "common/base/buffer.h"
#include "server/front/call.h"

extern const struct method svc_capture_methods[];
extern const size_t svc_capture_count;

/* The `admit` of methods that take a document in: not while the server has no room or disk for one. */
bool svc_capture_admit(struct call *call);

/* What is left of the `work` of such a method once its document is made. Answers with the receipt in field 1,
 * as Capture does. */
enum call_next svc_capture_document(struct call *call, const char *partner, const struct buffer *document);

#endif
