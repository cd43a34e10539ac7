#include "common/base/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 };

static const char *program_name = "epcisd";
static enum log_format line_format = LOG_AS_TEXT;

void log_init(const char *program, enum log_format format)
{
    program_name = program;
    line_format = format;
}

/* A bounded line; what does not fit is cut. */
struct line {
    char text[LINE_BYTES];
    size_t length;
};

static void line_char(struct line *line, char c)
{
    if (line->length < sizeof line->text - 4) /* room for a closing quote, brace and line end */
        line->text[line->length++] = c;
}

static void line_text(struct line *line, const char *text)
{
    while (*text)
        line_char(line, *text++);
}

static void line_json_char(struct line *line, char c)
{
    if (c == '"' || c == '\\') {
        line_char(line, '\\');
        line_char(line, c);
    } else {
        line_char(line, (char)((unsigned char)c < 0x20 ? ' ' : c));
    }
}

/* Turns `key=value key="two words"` into JSON members; every value becomes a string. */
static void line_json_members(struct line *line, const char *pairs)
{
    while (*pairs) {
        while (*pairs == ' ')
            pairs++;
        if (!*pairs)
            return;
        line_text(line, ",\"");
        while (*pairs && *pairs != '=' && *pairs != ' ')
            line_json_char(line, *pairs++);
        line_text(line, "\":\"");
        if (*pairs == '=')
            pairs++;
        bool quoted = *pairs == '"';
        pairs += quoted;
        while (*pairs && (quoted ? *pairs != '"' : *pairs != ' '))
            line_json_char(line, *pairs++);
        if (quoted && *pairs == '"')
            pairs++;
        line_char(line, '"');
    }
}

static void log_line(const char *level, const char *event, const char *format, va_list arguments)
{
    char pairs[LINE_BYTES];
    vsnprintf(pairs, sizeof pairs, format, arguments);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    char time_text[32];
    strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%S", &utc);

    struct line line = {.length = 0};
    char head[160];
    snprintf(head, sizeof head,
             line_format == LOG_AS_JSON
                 ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"program\":\"%s\",\"event\":\"%s\""
                 : "%s.%03ldZ %s %s event=%s",
             time_text, now.tv_nsec / 1000000, level, program_name, event);
    line_text(&line, head);
    if (line_format == LOG_AS_JSON) {
        line_json_members(&line, pairs);
        line.text[line.length++] = '}';
    } else if (pairs[0]) {
        line_char(&line, ' ');
        for (const char *c = pairs; *c; c++)
            line_char(&line, iscntrl((unsigned char)*c) ? ' ' : *c);
    }
    line.text[line.length++] = '\n';
    /* Nobody is left to tell when standard error is gone. */
    ssize_t written = write(STDERR_FILENO, line.text, line.length);
    (void)written;
}

#define LOG_FUNCTION(level)                                                                                  \
    void log_##level(const char *event, const char *format, ...)                                             \
    {                                                                                                        \
        va_list arguments;                                                                                   \
        va_start(arguments, format);                                                                         \
        log_line(#level, event, format, arguments);                                                          \
        va_end(arguments);                                                                                   \
    }

LOG_FUNCTION(error)
LOG_FUNCTION(warning)
LOG_FUNCTION(info)
