/* What the standard's schemas, for XML and JSON alike, demand to be there, and to be a number or a time. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "worker/rules/check.h"

static void missing(const struct check *check, const char *list, size_t index, const char *field)
{
    char place[64];
    snprintf(place, sizeof place, "%s[%zu].%s", list, index, field);
    check_add(check, RULE_SCHEMA_INVALID, place, "", "is missing: each entry has one");
}

static size_t digits(const char **text)
{
    const char *start = *text;
    while (isdigit((unsigned char)**text))
        (*text)++;
    return (size_t)(*text - start);
}

/* xs:double, of which JSON's numbers are a part. */
static bool is_number(const char *text)
{
    if (strcmp(text, "INF") == 0 || strcmp(text, "-INF") == 0 || strcmp(text, "NaN") == 0)
        return true;
    text += *text == '-' || *text == '+';
    size_t count = digits(&text);
    if (*text == '.') {
        text++;
        count += digits(&text);
    }
    if (count > 0 && (*text == 'e' || *text == 'E')) {
        text++;
        text += *text == '-' || *text == '+';
        count = digits(&text);
    }
    return count > 0 && *text == '\0';
}

static void check_number(const struct check *check, const char *list, size_t index, const char *field,
                         const char *value)
{
    char place[64];
    if (!*value || is_number(value))
        return;
    snprintf(place, sizeof place, "%s[%zu].%s", list, index, field);
    check_add(check, RULE_SCHEMA_INVALID, place, value, "is no number: right is one such as 10 or 26.5");
}

static void check_moment(const struct check *check, const char *field, const Epcis__V1__Time *time)
{
    if (time && *time->invalid_text)
        check_add(check, RULE_SCHEMA_INVALID, field, time->invalid_text,
                  "is no time: right is a real date and time, such as 2025-01-06T08:03:45.125Z");
}

static void check_location(const struct check *check, const char *field, const Epcis__V1__Location *location)
{
    if (location && !*location->id)
        check_add(check, RULE_SCHEMA_INVALID, field, "", "is missing: right is the identifier of a place");
}

static void check_quantities(const struct check *check, const char *list,
                             Epcis__V1__QuantityElement *const *elements, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!*elements[i]->epc_class)
            missing(check, list, i, "epcClass");
        check_number(check, list, i, "quantity", elements[i]->quantity);
    }
}

static bool is_hex(const char *text)
{
    return *text && text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

static bool is_boolean(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || strcmp(text, "1") == 0 ||
           strcmp(text, "0") == 0;
}

static void check_values(const struct check *check, size_t element, size_t index,
                         const Epcis__V1__SensorReport *report)
{
    char place[96];
    if (*report->hex_binary_value && !is_hex(report->hex_binary_value)) {
        snprintf(place, sizeof place, "sensorElementList[%zu].sensorReport[%zu].hexBinaryValue", element,
                 index);
        check_add(check, RULE_SCHEMA_INVALID, place, report->hex_binary_value,
                  "is no hexBinary: right are the digits 0 to 9 and A to F");
    }
    if (*report->boolean_value && !is_boolean(report->boolean_value)) {
        snprintf(place, sizeof place, "sensorElementList[%zu].sensorReport[%zu].booleanValue", element,
                 index);
        check_add(check, RULE_SCHEMA_INVALID, place, report->boolean_value,
                  "is no boolean: right is true or false");
    }
}

static void check_sensor_times(const struct check *check, size_t element,
                               const Epcis__V1__SensorElement *sensor)
{
    char place[96];
    const Epcis__V1__SensorMetadata *metadata = sensor->sensor_metadata;
    if (metadata) {
        snprintf(place, sizeof place, "sensorElementList[%zu].sensorMetadata.time", element);
        check_moment(check, place, metadata->time);
        snprintf(place, sizeof place, "sensorElementList[%zu].sensorMetadata.startTime", element);
        check_moment(check, place, metadata->start_time);
        snprintf(place, sizeof place, "sensorElementList[%zu].sensorMetadata.endTime", element);
        check_moment(check, place, metadata->end_time);
    }
    for (size_t i = 0; i < sensor->n_sensor_reports; i++) {
        snprintf(place, sizeof place, "sensorElementList[%zu].sensorReport[%zu].time", element, i);
        check_moment(check, place, sensor->sensor_reports[i]->time);
    }
}

static void check_sensor_fields(const struct check *check)
{
    static const char list[] = "sensorElementList";
    for (size_t i = 0; i < check->event->n_sensor_element_list; i++) {
        const Epcis__V1__SensorElement *element = check->event->sensor_element_list[i];
        check_sensor_times(check, i, element);
        if (element->n_sensor_reports == 0)
            missing(check, list, i, "sensorReport");
        for (size_t j = 0; j < element->n_sensor_reports; j++) {
            const Epcis__V1__SensorReport *report = element->sensor_reports[j];
            check_values(check, i, j, report);
            check_number(check, list, i, "sensorReport.value", report->value);
            check_number(check, list, i, "sensorReport.minValue", report->min_value);
            check_number(check, list, i, "sensorReport.maxValue", report->max_value);
            check_number(check, list, i, "sensorReport.meanValue", report->mean_value);
            check_number(check, list, i, "sensorReport.sDev", report->s_dev);
            check_number(check, list, i, "sensorReport.percRank", report->perc_rank);
            check_number(check, list, i, "sensorReport.percValue", report->perc_value);
        }
    }
}

static void check_lists(const struct check *check)
{
    const Epcis__V1__Event *event = check->event;
    check_quantities(check, "quantityList", event->quantity_list, event->n_quantity_list);
    check_quantities(check, "childQuantityList", event->child_quantity_list, event->n_child_quantity_list);
    check_quantities(check, "inputQuantityList", event->input_quantity_list, event->n_input_quantity_list);
    check_quantities(check, "outputQuantityList", event->output_quantity_list, event->n_output_quantity_list);
    for (size_t i = 0; i < event->n_biz_transaction_list; i++)
        if (!*event->biz_transaction_list[i]->biz_transaction)
            missing(check, "bizTransactionList", i, "bizTransaction");
    for (size_t i = 0; i < event->n_source_list; i++) {
        if (!*event->source_list[i]->type)
            missing(check, "sourceList", i, "type");
        if (!*event->source_list[i]->source)
            missing(check, "sourceList", i, "source");
    }
    for (size_t i = 0; i < event->n_destination_list; i++) {
        if (!*event->destination_list[i]->type)
            missing(check, "destinationList", i, "type");
        if (!*event->destination_list[i]->destination)
            missing(check, "destinationList", i, "destination");
    }
}

void check_schema(const struct check *check)
{
    const Epcis__V1__Event *event = check->event;
    if (event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_UNSPECIFIED)
        check_add(check, RULE_SCHEMA_INVALID, "type", "", "is missing: one of EPCIS's event types is right");
    if (event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSACTION && event->n_biz_transaction_list == 0)
        check_add(check, RULE_SCHEMA_INVALID, "bizTransactionList", "",
                  "is missing: a TransactionEvent names at least one business transaction");
    check_location(check, "readPoint.id", event->read_point);
    check_location(check, "bizLocation.id", event->biz_location);
    check_lists(check);
    check_sensor_fields(check);
    check_moment(check, "recordTime", event->record_time);
    if (event->error_declaration)
        check_moment(check, "errorDeclaration.declarationTime", event->error_declaration->declaration_time);
}
