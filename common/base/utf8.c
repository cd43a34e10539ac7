#include "common/base/utf8.h"

#include <stdint.h>
#include <string.h>

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

bool utf8_is_ascii(const void *bytes, size_t length)
{
    const unsigned char *at = bytes, *end = at + length;
    uint64_t all[4] = {0}, words[4];
    for (; (size_t)(end - at) >= sizeof words; at += sizeof words) {
        memcpy(words, at, sizeof words);
        for (size_t i = 0; i < 4; i++)
            all[i] |= words[i];
    }
    unsigned char rest = 0;
    for (; at < end; at++)
        rest |= *at;
    return !((all[0] | all[1] | all[2] | all[3]) & UINT64_C(0x8080808080808080)) && rest < 0x80;
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
