/* One dead letter as text, JSON, and as part of an export. Main thread only. */
#ifndef EPCISD_CTL_LETTER_H
#define EPCISD_CTL_LETTER_H

#include <stdbool.h>

#include "common/base/buffer.h"
#include "epcis/v1/dead_letter_service.pb-c.h"

/* All that is known of it: one JSON object without a line end, or some lines for people. */
void letter_append_json(struct buffer *out, const Epcis__V1__DeadLetter *letter);
void letter_append_text(struct buffer *out, const Epcis__V1__DeadLetter *letter);

/* Its event with the reasons beside it, as a member of an eventList; false, with nothing appended, where it
 * has no event that could be written. */
bool letter_append_event(struct buffer *out, const Epcis__V1__DeadLetter *letter);

/* What there is of an event that cannot stand in an eventList: the reasons, and the raw excerpt. */
void letter_append_unreadable(struct buffer *out, const Epcis__V1__DeadLetter *letter);

#endif
