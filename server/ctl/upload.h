/* Sends one document through CaptureStream, in constant memory. Main thread only. */
#ifndef EPCISD_CTL_UPLOAD_H
#define EPCISD_CTL_UPLOAD_H

#include <stdint.h>

#include "common/base/err.h"
#include "epcis/v1/capture_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/ctl/progress.h"

/* Sends `file` ("-": standard input) in pieces as `start` says, and again while the server is too busy and
 * `deadline_ms` allows. A long file goes on where it was when the connection was lost, or this program ended.
 *response is NULL unless status->code is CLIENT_OK; the caller frees it with
 * epcis__v1__capture_stream_response__free_unpacked(…, NULL). ERR_SYSTEM: the file cannot be read, which
 * was told on standard error; ERR_MEMORY. */
enum err upload_file(struct client *client, const char *file, const Epcis__V1__CaptureStart *start,
                     int64_t deadline_ms, struct progress *progress,
                     Epcis__V1__CaptureStreamResponse **response, struct client_status *status);

#endif
