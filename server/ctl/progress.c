#include "server/ctl/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "server/ctl/output.h"

enum { PROGRESS_MS = 100, TEXT_BYTES = 128 };

void progress_init(struct progress *progress, const char *name)
{
    *progress = (struct progress){.terminal = isatty(STDERR_FILENO) == 1, .name = name};
}

/* ---- the line --------------------------------------------------------------------------------------- */

static bool is_due(struct progress *progress)
{
    int64_t now_ms = clock_steady_ms();
    if (!progress->terminal || now_ms < progress->next_ms)
        return false;
    progress->next_ms = now_ms + PROGRESS_MS;
    return true;
}

/* How many bytes fit on one line: one that wraps could not be taken away again. */
static size_t line_room(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79;
}

static void show(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Of a name that is too long the end is shown. */
static void show(struct progress *progress, const char *format, ...)
{
    char text[TEXT_BYTES];
    struct buffer line = {0};
    size_t room = line_room();
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    output_foreign_text(&line, progress->name);
    buffer_printf(&line, ": %s", text);
    const char *at = line.data ? (const char *)line.data : "", *dots = "";
    size_t length = line.length, name_length = length - strlen(text),
           over = length > room ? length - room : 0;
    if (over && over + strlen("...") < name_length) {
        dots = "...";
        at += over + strlen(dots);
        while (((unsigned char)*at & 0xc0) == 0x80) /* not in the middle of a character */
            at++;
    }
    fprintf(stderr, "\r\033[K%s%.*s", dots, (int)(room - strlen(dots)), at);
    fflush(stderr);
    buffer_free(&line);
    progress->shown = true;
}

void progress_clear(struct progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
    progress->shown = false;
}

/* The line that a document uses, which give_line gives back; NULL: another thread has it now. */
static struct progress *take_line(struct progress *progress)
{
    if (!progress->all)
        return progress;
    return pthread_mutex_trylock(progress->all->mutex) ? NULL : &progress->all->line;
}

static void give_line(const struct progress *progress)
{
    if (progress->all)
        pthread_mutex_unlock(progress->all->mutex);
}

/* ---- how far it is sent ----------------------------------------------------------------------------- */

static const char *unit_of(double bytes, double *unit)
{
    *unit = bytes >= 1e9 ? 1e9 : bytes >= 1e6 ? 1e6 : 1e3;
    return bytes >= 1e9 ? "GB" : bytes >= 1e6 ? "MB" : "kB";
}

/* "[####....] 12.3 of 45.6 MB, 3.2 MB/s, 0:10 left"; `detail` stands behind the bar. */
static void sent_text(char text[TEXT_BYTES], const char *detail, uint64_t bytes, uint64_t total_bytes,
                      double bytes_s)
{
    enum { BAR = 20 };
    static const char full[] = "####################", empty[] = "....................";
    double unit, rate_unit;
    const char *name = unit_of((double)(total_bytes ? total_bytes : bytes), &unit);
    const char *rate_name = unit_of(bytes_s, &rate_unit);
    int bar = bytes < total_bytes ? (int)(BAR * bytes / total_bytes) : BAR;
    int length = total_bytes ? snprintf(text, TEXT_BYTES, "[%.*s%.*s] %s%.1f of %.1f %s, %.1f %s/s", bar,
                                        full, BAR - bar, empty, detail, (double)bytes / unit,
                                        (double)total_bytes / unit, name, bytes_s / rate_unit, rate_name)
                             : snprintf(text, TEXT_BYTES, "sent %s%.1f %s, %.1f %s/s", detail,
                                        (double)bytes / unit, name, bytes_s / rate_unit, rate_name);
    if (bytes >= total_bytes || bytes_s < 1)
        return;
    uint64_t left_s = (uint64_t)((double)(total_bytes - bytes) / bytes_s) + 1;
    bool hours = left_s >= 3600;
    snprintf(text + length, (size_t)(TEXT_BYTES - length),
             hours ? ", %" PRIu64 ":%02" PRIu64 " h left" : ", %" PRIu64 ":%02" PRIu64 " left",
             hours ? left_s / 3600 : left_s / 60, hours ? left_s % 3600 / 60 : left_s % 60);
}

static double rate(const struct progress *line, uint64_t bytes)
{
    int64_t ms = clock_steady_ms() - line->begun_ms;
    return ms > 0 ? (double)bytes * 1000 / (double)ms : 0;
}

static void show_all(struct progress_all *all)
{
    char text[TEXT_BYTES], detail[64];
    if (!is_due(&all->line))
        return;
    snprintf(detail, sizeof detail, "%" PRIu64 " of %" PRIu64 ", ", (uint64_t)atomic_load(&all->done),
             all->count);
    sent_text(text, detail, atomic_load(&all->bytes), all->total_bytes,
              rate(&all->line, atomic_load(&all->new_bytes)));
    show(&all->line, "%s", text);
}

static void begin(struct progress *line)
{
    if (!line->begun_ms)
        line->begun_ms = clock_steady_ms();
}

/* An upload that begins anew takes back what it had counted. */
static void count_bytes(struct progress *progress, uint64_t from_bytes, uint64_t sent_bytes)
{
    struct progress_all *all = progress->all;
    uint64_t before = progress->counted_bytes > from_bytes ? progress->counted_bytes : from_bytes;
    atomic_fetch_add(&all->bytes, sent_bytes - progress->counted_bytes); /* both wrap as they should */
    atomic_fetch_add(&all->new_bytes, sent_bytes > before ? sent_bytes - before : 0);
    progress->counted_bytes = sent_bytes;
}

void progress_sent(struct progress *progress, uint64_t from_bytes, uint64_t sent_bytes, uint64_t total_bytes)
{
    char text[TEXT_BYTES];
    if (progress->all)
        count_bytes(progress, from_bytes, sent_bytes);
    struct progress *line = take_line(progress);
    if (!line)
        return;
    begin(line);
    if (progress->all) {
        show_all(progress->all);
    } else if (is_due(line)) {
        sent_text(text, "", sent_bytes, total_bytes, rate(line, sent_bytes - from_bytes));
        show(line, "%s", text);
    }
    give_line(progress);
}

void progress_done(struct progress *progress, uint64_t bytes)
{
    count_bytes(progress, bytes, bytes);
    atomic_fetch_add(&progress->all->done, 1);
    begin(&progress->all->line);
    show_all(progress->all);
}

/* ---- what else happens ------------------------------------------------------------------------------ */

/* Shown at once: what comes next is a while without news. */
static void show_pause(struct progress *progress, const char *text)
{
    struct progress *line = take_line(progress);
    if (!line)
        return;
    line->next_ms = 0;
    if (is_due(line))
        show(line, "%s", text);
    give_line(progress);
}

void progress_busy(struct progress *progress, uint32_t retry_ms)
{
    char text[64];
    snprintf(text, sizeof text, "the server is busy; trying again in %.1f s", retry_ms / 1000.0);
    show_pause(progress, text);
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
    show_pause(progress, "the server does not answer; waiting for it to come back");
}

void progress_complain(struct progress *progress, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (progress->all)
        pthread_mutex_lock(progress->all->mutex);
    progress_clear(progress->all ? &progress->all->line : progress);
    output_complain("%s", text);
    give_line(progress);
}
