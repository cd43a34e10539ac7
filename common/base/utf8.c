#include "common/base/utf8.h"

size_t utf8_length(const unsigned char *text)
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

void utf8_mend(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at;) {
        size_t length = utf8_length(at);
        if (!length)
            *at = '?';
        at += length ? length : 1;
    }
}
