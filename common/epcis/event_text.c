#include "common/epcis/event_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *event_type_name(Epcis__V1__EventType type)
{
    switch (type) {
    case EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT:
        return "ObjectEvent";
    case EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION:
        return "AggregationEvent";
    case EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSACTION:
        return "TransactionEvent";
    case EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION:
        return "TransformationEvent";
    case EPCIS__V1__EVENT_TYPE__EVENT_TYPE_ASSOCIATION:
        return "AssociationEvent";
    case EPCIS__V1__EVENT_TYPE__EVENT_TYPE_QUANTITY:
        return "QuantityEvent";
    default:
        return "";
    }
}

const char *event_action_name(Epcis__V1__Action action)
{
    switch (action) {
    case EPCIS__V1__ACTION__ACTION_ADD:
        return "ADD";
    case EPCIS__V1__ACTION__ACTION_OBSERVE:
        return "OBSERVE";
    case EPCIS__V1__ACTION__ACTION_DELETE:
        return "DELETE";
    default:
        return "";
    }
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar. The year starts in March here,
 * so that the leap day is its last; an era is 400 years. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_from_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Reads `count` digits and moves on; -1 where they are not there. */
static int take_digits(const char **text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        char c = (*text)[i];
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    *text += count;
    return value;
}

static bool take_char(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

static bool take_date(const char **text, int64_t *days)
{
    int year = take_digits(text, 4);
    int month = year > 0 && take_char(text, '-') ? take_digits(text, 2) : -1;
    int day = month > 0 && month <= 12 && take_char(text, '-') ? take_digits(text, 2) : -1;
    if (day < 1 || day > days_of_month(year, month))
        return false;
    *days = days_from_date(year, month, day);
    return true;
}

static bool take_clock(const char **text, int64_t *seconds)
{
    int hour = take_digits(text, 2);
    int minute = hour >= 0 && take_char(text, ':') ? take_digits(text, 2) : -1;
    int second = minute >= 0 && take_char(text, ':') ? take_digits(text, 2) : -1;
    if (second < 0 || minute > 59 || second > 59 || hour > 24 || (hour == 24 && (minute > 0 || second > 0)))
        return false;
    *seconds = (int64_t)hour * 3600 + minute * 60 + second;
    return true;
}

/* Nine digits are kept. Without any digit behind the point it is no fraction. */
static bool take_fraction(const char **text, uint32_t *nanos, uint32_t *digits)
{
    *nanos = 0;
    *digits = 0;
    if (!take_char(text, '.'))
        return true;
    const char *start = *text;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        if (*digits == 9)
            continue;
        *nanos = *nanos * 10 + (uint32_t)(**text - '0');
        (*digits)++;
    }
    for (uint32_t i = *digits; i < 9; i++)
        *nanos *= 10;
    return *text > start;
}

static bool take_zone(const char **text, int64_t *offset_seconds)
{
    *offset_seconds = 0;
    if (**text == '\0' || take_char(text, 'Z'))
        return true;
    int sign = take_char(text, '-') ? -1 : take_char(text, '+') ? 1 : 0;
    int hour = sign != 0 ? take_digits(text, 2) : -1;
    int minute = hour >= 0 && take_char(text, ':') ? take_digits(text, 2) : -1;
    if (minute < 0 || minute > 59 || hour * 60 + minute > 14 * 60)
        return false;
    *offset_seconds = (int64_t)sign * (hour * 3600 + minute * 60);
    return true;
}

enum err event_time_parse(const char *text, Epcis__V1__Time *out)
{
    const char *at = text;
    int64_t days = 0, clock_seconds = 0, offset_seconds = 0;
    uint32_t nanos = 0, digits = 0;
    *out = (Epcis__V1__Time)EPCIS__V1__TIME__INIT;
    bool ok = take_date(&at, &days) && take_char(&at, 'T') && take_clock(&at, &clock_seconds) &&
              take_fraction(&at, &nanos, &digits);
    bool without_offset = *at == '\0';
    ok = ok && take_zone(&at, &offset_seconds) && *at == '\0';
    if (!ok || (clock_seconds == 86400 && nanos > 0)) {
        out->invalid_text = (char *)text;
        return ERR_INPUT;
    }
    out->seconds = days * 86400 + clock_seconds - offset_seconds;
    out->nanos = nanos;
    out->fraction_digits = digits;
    out->without_offset = without_offset;
    return ERR_OK;
}

static int64_t floor_div(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

/* Writes `count` digits and a character behind them; returns the place behind that. By hand, as this is
 * done several times an event and printf would take longer than all the rest. */
static char *put_digits(char *out, int value, int count, char behind)
{
    for (int i = count; i > 0; i--) {
        out[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    out[count] = behind;
    return out + count + 1;
}

void event_time_text(const Epcis__V1__Time *time, char out[EVENT_TIME_TEXT])
{
    out[0] = '\0';
    if (!time)
        return;
    if (time->invalid_text[0]) {
        snprintf(out, EVENT_TIME_TEXT, "%s", time->invalid_text);
        return;
    }
    int year, month, day;
    int64_t days = floor_div(time->seconds, 86400);
    int second = (int)(time->seconds - days * 86400);
    date_from_days(days, &year, &month, &day);
    if (year < 0 || year > 9999) /* nothing that event_time_parse gives */
        return;
    out = put_digits(out, year, 4, '-');
    out = put_digits(out, month, 2, '-');
    out = put_digits(out, day, 2, 'T');
    out = put_digits(out, second / 3600, 2, ':');
    out = put_digits(out, second / 60 % 60, 2, ':');
    out = put_digits(out, second % 60, 2, '.');
    if (time->fraction_digits > 0 && time->fraction_digits <= 9) {
        put_digits(out, (int)(time->nanos % 1000000000), 9, '\0');
        out += time->fraction_digits + 1;
    }
    out[-1] = 'Z';
    out[0] = '\0';
}

int64_t event_time_us(const Epcis__V1__Time *time)
{
    enum { US = 1000000 };
    int64_t us;
    if (!time)
        return 0;
    if (__builtin_mul_overflow(time->seconds, US, &us) || __builtin_add_overflow(us, time->nanos / 1000, &us))
        return time->seconds < 0 ? -TIME_US_MAX : TIME_US_MAX;
    return us < -TIME_US_MAX ? -TIME_US_MAX : us > TIME_US_MAX ? TIME_US_MAX : us;
}
