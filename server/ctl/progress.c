#include "server/ctl/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "server/ctl/output.h"

enum { PROGRESS_MS = 100 };

void progress_init(struct progress *progress, const char *name)
{
    *progress = (struct progress){.terminal = isatty(STDERR_FILENO) == 1, .name = name};
}

static bool is_due(struct progress *progress)
{
    int64_t now_ms = clock_steady_ms();
    if (!progress->terminal || now_ms < progress->next_ms)
        return false;
    progress->next_ms = now_ms + PROGRESS_MS;
    return true;
}

static void show(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void show(struct progress *progress, const char *format, ...)
{
    char text[128];
    struct buffer name = {0};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    output_foreign_text(&name, progress->name);
    fprintf(stderr, "\r\033[K%.*s: %s", (int)name.length, name.data ? (char *)name.data : "", text);
    fflush(stderr);
    buffer_free(&name);
    progress->shown = true;
}

static void append_time_left(char *text, size_t size, uint64_t left_bytes, double bytes_s)
{
    if (bytes_s < 1)
        return;
    uint64_t left_s = (uint64_t)((double)left_bytes / bytes_s) + 1;
    size_t length = strlen(text);
    if (left_s < 3600)
        snprintf(text + length, size - length, ", %" PRIu64 ":%02" PRIu64 " left", left_s / 60, left_s % 60);
    else
        snprintf(text + length, size - length, ", %" PRIu64 " h %02" PRIu64 " left", left_s / 3600,
                 left_s % 3600 / 60);
}

void progress_sent(struct progress *progress, uint64_t from_bytes, uint64_t sent_bytes, uint64_t total_bytes)
{
    enum { BAR = 20 };
    static const char full[] = "####################", empty[] = "....................";
    char text[96];
    if (!progress->begun_ms)
        progress->begun_ms = clock_steady_ms();
    if (!is_due(progress))
        return;
    double sent = (double)sent_bytes / 1e6, seconds = (double)(clock_steady_ms() - progress->begun_ms) / 1e3;
    double bytes_s = seconds > 0 ? (double)(sent_bytes - from_bytes) / seconds : 0;
    if (!total_bytes) {
        show(progress, "sent %.1f MB, %.1f MB/s", sent, bytes_s / 1e6);
        return;
    }
    int bar = sent_bytes < total_bytes ? (int)(BAR * sent_bytes / total_bytes) : BAR;
    snprintf(text, sizeof text, "[%.*s%.*s] %.1f of %.1f MB, %.1f MB/s", bar, full, BAR - bar, empty, sent,
             (double)total_bytes / 1e6, bytes_s / 1e6);
    append_time_left(text, sizeof text, total_bytes > sent_bytes ? total_bytes - sent_bytes : 0, bytes_s);
    show(progress, "%s", text);
}

void progress_files(struct progress *progress, uint64_t done, uint64_t count, uint64_t done_bytes)
{
    if (is_due(progress))
        show(progress, "%" PRIu64 " of %" PRIu64 " documents sent, %.1f MB", done, count,
             (double)done_bytes / 1e6);
}

void progress_busy(struct progress *progress, uint32_t retry_ms)
{
    if (is_due(progress))
        show(progress, "the server is busy; trying again in %.1f s", retry_ms / 1000.0);
}

void progress_state(struct progress *progress, const Epcis__V1__Capture *capture)
{
    if (is_due(progress))
        show(progress, "%s: %" PRIu64 " of %" PRIu64 " events committed, %" PRIu64 " refused",
             output_state_name(capture->state), capture->committed + capture->duplicates, capture->events,
             capture->dead_letters);
}

void progress_away(struct progress *progress)
{
    progress->begun_ms = 0; /* it is counted anew when it goes on */
    if (is_due(progress))
        show(progress, "the server does not answer; waiting for it to come back");
}

void progress_clear(struct progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
    progress->shown = false;
    progress->next_ms = progress->begun_ms = 0;
}
