#include "common/gs1/set82.h"

#include <stdint.h>
#include <string.h>

enum {
    MEMBER = 1,     /* in set 82 */
    PLAIN = 2,      /* may stand as it is in a Digital Link */
    PLAIN_URN = 4,  /* may stand as it is in a URN (TDS 6.3.1: GS3A3Char without escapes) */
    BARE = 8,       /* stands as it is in the canonical Digital Link */
    COMPONENT = 16, /* not in set 82, but in a CPI */
};
#define EVERYWHERE       (MEMBER | PLAIN | PLAIN_URN | BARE)
#define DIGIT_ROW(first) [first] = EVERYWHERE, [first + 1] = EVERYWHERE, [first + 2] = EVERYWHERE
#define LETTERS(first)                                                                                       \
    DIGIT_ROW(first), DIGIT_ROW(first + 3), DIGIT_ROW(first + 6), DIGIT_ROW(first + 9),                      \
        DIGIT_ROW(first + 12), DIGIT_ROW(first + 15), DIGIT_ROW(first + 18), DIGIT_ROW(first + 21),          \
        [first + 24] = EVERYWHERE, [first + 25] = EVERYWHERE

static const unsigned char classes[256] = {
    LETTERS('A'),
    LETTERS('a'),
    DIGIT_ROW('0'),
    DIGIT_ROW('3'),
    DIGIT_ROW('6'),
    ['9'] = EVERYWHERE,
    ['-'] = EVERYWHERE,
    ['.'] = EVERYWHERE,
    ['_'] = EVERYWHERE,
    ['\''] = EVERYWHERE,
    [';'] = EVERYWHERE,
    ['='] = EVERYWHERE,
    ['!'] = MEMBER | PLAIN | PLAIN_URN,
    ['('] = MEMBER | PLAIN | PLAIN_URN,
    [')'] = MEMBER | PLAIN | PLAIN_URN,
    ['*'] = MEMBER | PLAIN | PLAIN_URN,
    ['+'] = MEMBER | PLAIN | PLAIN_URN,
    [','] = MEMBER | PLAIN | PLAIN_URN,
    [':'] = MEMBER | PLAIN | PLAIN_URN,
    ['&'] = MEMBER | PLAIN,
    ['"'] = MEMBER,
    ['%'] = MEMBER,
    ['/'] = MEMBER,
    ['<'] = MEMBER,
    ['>'] = MEMBER,
    ['?'] = MEMBER,
    ['#'] = COMPONENT,
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* Takes one character off the text: its value, or -1. Those of `allowed` stand as they are, `members` escaped
 * or as they are. */
static int take_character(const char **text, size_t *length, unsigned allowed, unsigned members)
{
    const char *at = *text;
    size_t used = 1;
    int character = (unsigned char)*at;
    if (!(classes[character] & allowed)) {
        int high = *at == '%' && *length > 2 ? hex_value(at[1]) : -1;
        int low = high < 0 ? -1 : hex_value(at[2]);
        if (low < 0 || !(classes[high << 4 | low] & members))
            return -1;
        character = high << 4 | low;
        used = 3;
    }
    *text += used;
    *length -= used;
    return character;
}

size_t set82_decode(const char *text, size_t length, bool urn, char out[SET82_MAX])
{
    size_t count = 0;
    while (length > 0) {
        int character =
            count < SET82_MAX ? take_character(&text, &length, urn ? PLAIN_URN : PLAIN, MEMBER) : -1;
        if (character < 0)
            return 0;
        out[count++] = (char)character;
    }
    return count;
}

static bool all_ok(const char *text, size_t length, unsigned allowed, unsigned members, size_t most)
{
    size_t count = 0;
    while (count < length && count < most && classes[(unsigned char)text[count]] & allowed)
        count++;
    text += count;
    length -= count;
    for (; length > 0; count++) /* from the first escape on */
        if (count == most || take_character(&text, &length, allowed, members) < 0)
            return false;
    return count > 0;
}

bool set82_ok(const char *text, size_t length, bool urn, size_t most)
{
    return all_ok(text, length, urn ? PLAIN_URN : PLAIN, MEMBER, most);
}

bool set82_component_ok(const char *text, size_t length, size_t most)
{
    return all_ok(text, length, PLAIN_URN, MEMBER | COMPONENT, most);
}

size_t set82_encode(const char *characters, size_t count, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)characters[i];
        if (classes[c] & BARE) {
            out[length++] = (char)c;
            continue;
        }
        out[length++] = '%';
        out[length++] = digits[c >> 4];
        out[length++] = digits[c & 15];
    }
    return length;
}

/* True for eight digits, told all at once: the high half of each byte is 3, and stays so when 6 is added. */
static bool eight_digits(const char *text)
{
    const uint64_t high = 0xf0f0f0f0f0f0f0f0, threes = 0x3030303030303030, sixes = 0x0606060606060606;
    uint64_t bytes;
    memcpy(&bytes, text, sizeof bytes);
    return (bytes & high) == threes && ((bytes + sixes) & high) == threes;
}

bool set82_plain(const char *text, size_t length)
{
    unsigned all = BARE;
    if (length == 0 || length > SET82_MAX)
        return false;
    if (length >= 8 && length <= 16 && eight_digits(text) && eight_digits(text + length - 8))
        return true;
    for (size_t i = 0; i < length; i++)
        all &= classes[(unsigned char)text[i]];
    return all != 0;
}

size_t set82_span_in_link(const char *text, size_t length)
{
    size_t span = 0;
    while (span < length && (classes[(unsigned char)text[span]] & (PLAIN_URN | BARE)) != PLAIN_URN)
        span++;
    return span;
}
