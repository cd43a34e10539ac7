/* Asks where a capture stands. Main thread only. */
#ifndef EPCISD_CTL_STATUS_H
#define EPCISD_CTL_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "epcis/v1/capture_service.pb-c.h"
#include "server/ctl/client.h"

/* One GetCapture. *response is NULL unless status->code is CLIENT_OK; the caller frees it with
 * epcis__v1__get_capture_response__free_unpacked(…, NULL). */
void status_get(struct client *client, const char *capture_id, int64_t deadline_ms,
                Epcis__V1__GetCaptureResponse **response, struct client_status *status);

/* Done or failed: nothing will change any more. */
bool status_is_final(const Epcis__V1__Capture *capture);

/* CTL_REFUSED where something was refused, CTL_OK otherwise. */
int status_exit_code(const Epcis__V1__Capture *capture);

#endif
