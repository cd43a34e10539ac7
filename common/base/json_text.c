#include "common/base/json_text.h"

#include <string.h>

#include "common/base/utf8.h"

static int needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7f || c >= 0x80;
}

static void append_escape(struct buffer *buffer, unsigned char c)
{
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = strchr(named, c);
    if (found)
        buffer_printf(buffer, "\\%c", letters[found - named]);
    else
        buffer_printf(buffer, "\\u%04x", c);
}

void json_append_string(struct buffer *buffer, const char *text)
{
    if (!text) {
        buffer_append_text(buffer, "null");
        return;
    }
    const unsigned char *at = (const unsigned char *)text;
    buffer_append(buffer, "\"", 1);
    while (*at) {
        size_t plain = 0;
        while (at[plain] && !needs_escape(at[plain]))
            plain++;
        buffer_append(buffer, at, plain);
        at += plain;
        if (!*at)
            break;
        size_t length = utf8_length(at);
        if (length > 1)
            buffer_append(buffer, at, length);
        else if (length == 1)
            append_escape(buffer, *at);
        else
            buffer_append_text(buffer, "\\ufffd");
        at += length ? length : 1;
    }
    buffer_append(buffer, "\"", 1);
}
