/* Text as JSON (RFC 8259). No state; safe on any thread. */
#ifndef EPCISD_BASE_JSON_TEXT_H
#define EPCISD_BASE_JSON_TEXT_H

#include "common/base/buffer.h"

/* Appends `text` as a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD, so that the
 * result is always valid JSON. NULL becomes null. */
void json_append_string(struct buffer *buffer, const char *text);

#endif
