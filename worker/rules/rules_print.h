/* The table of rules on paper. */
#ifndef EPCISD_RULES_RULES_PRINT_H
#define EPCISD_RULES_RULES_PRINT_H

#include <stdbool.h>

#include "common/base/buffer.h"

/* Appends all rules for people, or as one JSON object for programs. A failure shows in the buffer. */
void rules_print(struct buffer *out, bool json);

#endif
