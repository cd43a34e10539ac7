/* Words and times of the canonical event as text. No state; safe on any thread. */
#ifndef EPCISD_EPCIS_EVENT_TEXT_H
#define EPCISD_EPCIS_EVENT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "epcis/v1/event.pb-c.h"

/* "ObjectEvent"; "" for unspecified. */
const char *event_type_name(Epcis__V1__EventType type);

/* "ADD"; "" for unspecified. */
const char *event_action_name(Epcis__V1__Action action);

enum { EVENT_TIME_TEXT = 48 };

/* RFC 3339 in UTC with as many fraction digits as were given: "2025-01-06T08:03:45.125Z"; the text
 * received where it is no time; "" where there is none. NULL is absent. */
void event_time_text(const Epcis__V1__Time *time, char out[EVENT_TIME_TEXT]);

/* xs:dateTime. Without an offset it is read as UTC. Fills the numbers, or `invalid_text` (borrowing
 * `text`, which must be NUL-terminated) and returns ERR_INPUT. */
enum err event_time_parse(const char *text, Epcis__V1__Time *out);

/* Microseconds since 1970-01-01T00:00:00Z, rounded down; 0 for absent or invalid. What no document can say
 * (tens of thousands of years away) is the nearest that can be added to: a peer may send any number. */
#define TIME_US_MAX (INT64_MAX / 4)
int64_t event_time_us(const Epcis__V1__Time *time);

#endif
