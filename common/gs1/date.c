#include "common/gs1/epc.h"

/* Years of two digits: General Specifications 7.12 moves the century with the present year. Replay
 * must give the same verdict in any year, so the window stands where it was in 2026: 1977 to 2076. */
enum { FIRST_YEAR_OF_1900 = 77 };

static bool all_digits(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

static uint32_t number(const char *text, size_t count)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value * 10 + (uint32_t)(text[i] - '0');
    return value;
}

static uint32_t days_of_month(uint32_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1U : 0U);
}

static enum err compose(uint32_t year, uint32_t month, uint32_t day, uint32_t *out)
{
    if (year == 0 || month < 1 || month > 12 || day < 1 || day > days_of_month(year, month))
        return ERR_INPUT;
    *out = year * 10000 + month * 100 + day;
    return ERR_OK;
}

static enum err parse_ai_17(const char *text, uint32_t *out)
{
    uint32_t year = number(text, 2), month = number(text + 2, 2), day = number(text + 4, 2);
    year += year >= FIRST_YEAR_OF_1900 ? 1900 : 2000;
    if (day == 0 && month >= 1 && month <= 12)
        day = days_of_month(year, month);
    return compose(year, month, day, out);
}

/* xs:dateTime's time zone: empty, Z, +hh:mm or -hh:mm. */
static bool is_zone(const char *text, size_t length)
{
    if (length == 0 || (length == 1 && text[0] == 'Z'))
        return true;
    return length == 6 && (text[0] == '+' || text[0] == '-') && text[3] == ':' && all_digits(text + 1, 2) &&
           all_digits(text + 4, 2) && number(text + 4, 2) < 60 &&
           number(text + 1, 2) * 60 + number(text + 4, 2) <= 840;
}

/* hh:mm:ss, a fraction, a zone. */
static bool is_clock_time(const char *text, size_t length)
{
    if (length < 8 || text[2] != ':' || text[5] != ':' || !all_digits(text, 2) || !all_digits(text + 3, 2) ||
        !all_digits(text + 6, 2))
        return false;
    if (number(text, 2) > 23 || number(text + 3, 2) > 59 || number(text + 6, 2) > 59)
        return false;
    size_t at = 8;
    if (at < length && text[at] == '.') {
        at++;
        while (at < length && text[at] >= '0' && text[at] <= '9')
            at++;
        if (at == 9)
            return false;
    }
    return is_zone(text + at, length - at);
}

enum err gs1_date_parse(const char *text, size_t length, uint32_t *out)
{
    if (length == 6 && all_digits(text, 6))
        return parse_ai_17(text, out);
    if (length < 10 || text[4] != '-' || text[7] != '-' || !all_digits(text, 4) || !all_digits(text + 5, 2) ||
        !all_digits(text + 8, 2))
        return ERR_INPUT;
    bool tail_ok = length > 10 && text[10] == 'T' ? is_clock_time(text + 11, length - 11)
                                                  : is_zone(text + 10, length - 10);
    if (!tail_ok)
        return ERR_INPUT;
    return compose(number(text, 4), number(text + 5, 2), number(text + 8, 2), out);
}
