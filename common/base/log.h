/* One line a happening on standard error: `event=… capture=… err=…`, or the same as JSON. Safe on any
 * thread; a line is written whole. Never a payload, never a secret.
 *
 *     log_warning("worker_lost", "worker=%s err=%s ms=%lld", id, err_name(err), ms);
 *
 * A value with spaces stands in quotes: "detail=\"%s\"". */
#ifndef EPCISD_BASE_LOG_H
#define EPCISD_BASE_LOG_H

#include "common/base/err.h"

enum log_format { LOG_AS_TEXT, LOG_AS_JSON };

/* Before any other thread starts. `program` is kept, not copied. */
void log_init(const char *program, enum log_format format);

/* Error: a person must act. Warning: it healed itself. Info: lifecycle. */
void log_error(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warning(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_info(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
