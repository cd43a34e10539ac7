#include "server/refusal.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const codes[REFUSAL_REASONS] = {
    [REFUSAL_NONE] = "NONE",
    [REFUSAL_JOURNAL_FAILED] = "JOURNAL_FAILED",
    [REFUSAL_DISK_SPACE] = "DISK_SPACE",
    [REFUSAL_JOURNAL_SPACE] = "JOURNAL_SPACE",
    [REFUSAL_STORE_SPACE] = "STORE_SPACE",
    [REFUSAL_BACKLOG_BYTES] = "BACKLOG_BYTES",
    [REFUSAL_BACKLOG_DOCUMENTS] = "BACKLOG_DOCUMENTS",
    [REFUSAL_BACKLOG_AGE] = "BACKLOG_AGE",
    [REFUSAL_DOCUMENT_BYTES] = "DOCUMENT_BYTES",
    [REFUSAL_UPLOADS] = "UPLOADS",
    [REFUSAL_PARTNER_REQUESTS] = "PARTNER_REQUESTS",
    [REFUSAL_PARTNER_BYTES] = "PARTNER_BYTES",
    [REFUSAL_PARTNER_SHARE] = "PARTNER_SHARE",
};

const char *refusal_code(enum refusal_reason reason)
{
    return codes[reason];
}

void refusal_set(struct refusal *refusal, enum refusal_reason reason, uint32_t retry_after_ms,
                 const char *format, ...)
{
    va_list arguments;
    *refusal = (struct refusal){.reason = reason, .retry_after_ms = retry_after_ms};
    va_start(arguments, format);
    vsnprintf(refusal->text, sizeof refusal->text, format, arguments);
    va_end(arguments);
}
