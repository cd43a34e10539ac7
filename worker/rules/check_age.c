/* When: an event against its document's receipt, and sensor data against the event. */
#include <inttypes.h>
#include <stdio.h>

#include "common/epcis/event_text.h"
#include "worker/rules/check.h"

static const int64_t ahead_max_us = INT64_C(5) * 60 * 1000000;
static const int64_t stale_us = INT64_C(365) * 24 * 3600 * 1000000;

static bool is_real(const Epcis__V1__Time *time)
{
    return time && !*time->invalid_text;
}

void check_age(const struct check *check)
{
    const Epcis__V1__Time *time = check->event->event_time;
    if (check->context->received_ms <= 0 || !is_real(time))
        return;
    int64_t age_us = check->context->received_ms * 1000 - event_time_us(time);
    char text[EVENT_TIME_TEXT];
    if (age_us < -ahead_max_us) {
        event_time_text(time, text);
        check_add(check, RULE_FUTURE_EVENT, "eventTime", text,
                  "is %" PRId64 " seconds after the document came: right is at most %" PRId64,
                  -age_us / 1000000, ahead_max_us / 1000000);
    } else if (age_us >= stale_us) {
        event_time_text(time, text);
        check_add(check, RULE_STALE_EVENT, "eventTime", text,
                  "is %" PRId64 " days before the document came: right is under %" PRId64,
                  age_us / (INT64_C(24) * 3600 * 1000000), stale_us / (INT64_C(24) * 3600 * 1000000));
    }
}

/* ---- sensors ---- */

static void check_sensor_time(const struct check *check, const Epcis__V1__Time *time, size_t element,
                              const char *member)
{
    if (!time || *time->invalid_text)
        return;
    char field[96], text[EVENT_TIME_TEXT];
    snprintf(field, sizeof field, "sensorElementList[%zu].%s", element, member);
    bool after =
        is_real(check->event->event_time) && event_time_us(time) > event_time_us(check->event->event_time);
    if (!time->without_offset && !after)
        return;
    event_time_text(time, text);
    if (time->without_offset)
        check_add(check, RULE_SENSOR_TIME, field, text,
                  "was given without an offset and read as UTC: right is Z, +hh:mm or -hh:mm behind it");
    if (after)
        check_add(check, RULE_SENSOR_TIME, field, text, "is after eventTime: right is at or before it");
}

static void check_sensor(const struct check *check, const Epcis__V1__SensorElement *sensor, size_t element)
{
    const Epcis__V1__SensorMetadata *metadata = sensor->sensor_metadata;
    if (metadata) {
        check_sensor_time(check, metadata->time, element, "sensorMetadata.time");
        check_sensor_time(check, metadata->start_time, element, "sensorMetadata.startTime");
        check_sensor_time(check, metadata->end_time, element, "sensorMetadata.endTime");
    }
    for (size_t i = 0; i < sensor->n_sensor_reports; i++) {
        char member[48];
        snprintf(member, sizeof member, "sensorReport[%zu].time", i);
        check_sensor_time(check, sensor->sensor_reports[i]->time, element, member);
    }
}

void check_sensors(const struct check *check)
{
    for (size_t i = 0; i < check->event->n_sensor_element_list; i++)
        check_sensor(check, check->event->sensor_element_list[i], i);
}
