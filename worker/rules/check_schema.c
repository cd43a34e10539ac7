/* What the standard's schemas, for XML and JSON alike, demand to be there. */
#include <stdio.h>
#include <string.h>

#include "worker/rules/check.h"

static void missing(const struct check *check, const char *list, size_t index, const char *field)
{
    char place[64];
    snprintf(place, sizeof place, "%s[%zu].%s", list, index, field);
    check_add(check, RULE_SCHEMA_INVALID, place, "", "is missing: each entry has one");
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
        if (*elements[i]->uom && !*elements[i]->quantity)
            missing(check, list, i, "quantity");
    }
}

static void check_lists(const struct check *check)
{
    const Epcis__V1__Event *event = check->event;
    check_quantities(check, "quantityList", event->quantity_list, event->n_quantity_list);
    check_quantities(check, "childQuantityList", event->child_quantity_list, event->n_child_quantity_list);
    check_quantities(check, "inputQuantityList", event->input_quantity_list, event->n_input_quantity_list);
    check_quantities(check, "outputQuantityList", event->output_quantity_list, event->n_output_quantity_list);
    for (size_t i = 0; i < event->n_source_list; i++)
        if (!*event->source_list[i]->type)
            missing(check, "sourceList", i, "type");
    for (size_t i = 0; i < event->n_destination_list; i++)
        if (!*event->destination_list[i]->type)
            missing(check, "destinationList", i, "type");
    for (size_t i = 0; i < event->n_sensor_element_list; i++)
        if (event->sensor_element_list[i]->n_sensor_reports == 0)
            missing(check, "sensorElementList", i, "sensorReport");
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
}
