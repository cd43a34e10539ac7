#include "common/epcis/grammar.h"

#include "epcis/v1/event.pb-c.h"

enum { FIELDS_MAX = 24 };

#define EVERY_EVENT                                                                                          \
    NAME_EVENT_TIME, NAME_RECORD_TIME, NAME_EVENT_TIME_ZONE_OFFSET, NAME_EVENT_ID, NAME_ERROR_DECLARATION,   \
        NAME_CERTIFICATION_INFO
#define WHY_AND_WHERE NAME_BIZ_STEP, NAME_DISPOSITION, NAME_READ_POINT, NAME_BIZ_LOCATION
#define PARTIES       NAME_SOURCE_LIST, NAME_DESTINATION_LIST
#define SENSORS       NAME_SENSOR_ELEMENT_LIST, NAME_PERSISTENT_DISPOSITION

/* As the XSD of 2.0 has them. That of 1.2 has the same order, <extension> elements passed over, but for ILMD.
 */
static const uint8_t orders[][FIELDS_MAX] = {
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT] = {EVERY_EVENT, NAME_EPC_LIST, NAME_ACTION, WHY_AND_WHERE,
                                                  NAME_BIZ_TRANSACTION_LIST, NAME_QUANTITY_LIST, PARTIES,
                                                  SENSORS, NAME_ILMD},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION] = {EVERY_EVENT, NAME_PARENT_ID, NAME_CHILD_EPCS,
                                                       NAME_ACTION, WHY_AND_WHERE, NAME_BIZ_TRANSACTION_LIST,
                                                       NAME_CHILD_QUANTITY_LIST, PARTIES, SENSORS},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSACTION] = {EVERY_EVENT, NAME_BIZ_TRANSACTION_LIST, NAME_PARENT_ID,
                                                       NAME_EPC_LIST, NAME_ACTION, WHY_AND_WHERE,
                                                       NAME_QUANTITY_LIST, PARTIES, SENSORS},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION] = {EVERY_EVENT, NAME_INPUT_EPC_LIST,
                                                          NAME_INPUT_QUANTITY_LIST, NAME_OUTPUT_EPC_LIST,
                                                          NAME_OUTPUT_QUANTITY_LIST, NAME_TRANSFORMATION_ID,
                                                          WHY_AND_WHERE, NAME_BIZ_TRANSACTION_LIST, PARTIES,
                                                          SENSORS, NAME_ILMD},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_ASSOCIATION] = {EVERY_EVENT, NAME_PARENT_ID, NAME_CHILD_EPCS,
                                                       NAME_CHILD_QUANTITY_LIST, NAME_ACTION, WHY_AND_WHERE,
                                                       NAME_BIZ_TRANSACTION_LIST, PARTIES, SENSORS},
    [EPCIS__V1__EVENT_TYPE__EVENT_TYPE_QUANTITY] = {EVERY_EVENT, NAME_EPC_CLASS, NAME_QUANTITY, WHY_AND_WHERE,
                                                    NAME_BIZ_TRANSACTION_LIST},
};

unsigned grammar_order(unsigned type, enum grammar_name name, bool version_1)
{
    /* Places are even, so that one is free before each. */
    unsigned before_sensors = name == NAME_ILMD && version_1 ? 1 : 0;
    bool unknown_to_version = version_1 && type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_ASSOCIATION;
    if (type >= sizeof orders / sizeof orders[0] || unknown_to_version)
        return 0;
    if (before_sensors)
        name = NAME_SENSOR_ELEMENT_LIST;
    for (unsigned i = 0; i < FIELDS_MAX && orders[type][i] != NAME_UNKNOWN; i++)
        if (orders[type][i] == name)
            return 2 * (i + 1) - before_sensors;
    return 0;
}
