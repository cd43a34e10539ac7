#include "common/base/json_text.h"

#include <string.h>

/* Length of the UTF-8 sequence at `text`, 0 where there is none (RFC 3629: no overlong form, no
 * surrogate, nothing above U+10FFFF). A NUL ends every sequence early, so nothing behind it is read. */
static size_t utf8_length(const unsigned char *text)
{
    unsigned char first = text[0], least = 0x80, most = 0xbf;
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first == 0xe0)
        least = 0xa0;
    else if (first == 0xed)
        most = 0x9f;
    else if (first == 0xf0)
        least = 0x90;
    else if (first == 0xf4)
        most = 0x8f;
    else if (first > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if (text[i] < least || text[i] > most)
            return 0;
        least = 0x80;
        most = 0xbf;
    }
    return length;
}

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
