/* What `epcisctl tokens` prints: JSON for programs, whose shape scripts rely on, and text for people. */
#ifndef EPCISD_CTL_TOKEN_OUTPUT_H
#define EPCISD_CTL_TOKEN_OUTPUT_H

#include "common/base/buffer.h"
#include "epcis/v1/identity_service.pb-c.h"

/* Of the first `length` bytes of a name: "submit"; 0: there is none. */
Epcis__V1__Role token_output_role(const char *name, size_t length);

/* One JSON object and a line end; "token" is null where `token` is "". */
void token_output_json(struct buffer *out, const Epcis__V1__Identity *identity, const char *token);

/* Rows of a table. */
void token_output_heading(struct buffer *out);
void token_output_row(struct buffer *out, const Epcis__V1__Identity *identity);

#endif
