/* What the commands print: JSON for programs, whose shape scripts rely on, and text for people. */
#ifndef EPCISD_CTL_OUTPUT_H
#define EPCISD_CTL_OUTPUT_H

#include <stdbool.h>

#include "common/base/buffer.h"
#include "common/base/err.h"
#include "epcis/v1/capture_service.pb-c.h"
#include "epcis/v1/dead_letter_service.pb-c.h"
#include "epcis/v1/trace_service.pb-c.h"

/* One JSON object without a line end, appended. Absent values are null. */
void output_capture_json(struct buffer *out, const Epcis__V1__Capture *capture);
void output_dead_letter_json(struct buffer *out, const Epcis__V1__DeadLetter *letter);
void output_item_json(struct buffer *out, const char *epc, const Epcis__V1__ItemState *state);
void output_history_entry_json(struct buffer *out, const Epcis__V1__HistoryEntry *entry);

/* For people. `name` is what they call the document. */
void output_capture_text(struct buffer *out, const char *name, const Epcis__V1__Capture *capture);
void output_dead_letter_text(struct buffer *out, const Epcis__V1__DeadLetter *letter);
void output_item_text(struct buffer *out, const Epcis__V1__ItemState *state);
void output_history_heading_text(struct buffer *out);
void output_history_entry_text(struct buffer *out, const Epcis__V1__HistoryEntry *entry);

/* What is in a container: a line each, and an object each. */
void output_contained_json(struct buffer *out, const Epcis__V1__ContainedItem *item);
void output_contained_heading_text(struct buffer *out);
void output_contained_text(struct buffer *out, const Epcis__V1__ContainedItem *item);
void output_containers(struct buffer *out, bool json, const Epcis__V1__GetContainersResponse *response);

/* "received", "running", "done", "failed" */
const char *output_state_name(Epcis__V1__CaptureState state);

/* "open", "resubmitted", "discarded" */
const char *output_letter_state_name(Epcis__V1__DeadLetterState state);

/* Appends text that came from outside; control characters, which a terminal might obey, become "?". */
void output_foreign_text(struct buffer *out, const char *text);

/* As output_foreign_text; of more than `most` bytes the first, and "...". For the last column of a table. */
void output_short_text(struct buffer *out, const char *text, size_t most);

/* Prints a line to standard error, in which text from outside may stand, as above. */
void output_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes what was collected to standard output and empties the buffer. ERR_MEMORY: it was incomplete;
 * ERR_SYSTEM: standard output takes no more. Both are told on standard error. */
enum err output_flush(struct buffer *out);

#endif
