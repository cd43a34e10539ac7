#include "common/epcis/grammar.h"

#include "epcis/v1/event.pb-c.h"

enum { FIELDS_MAX = 24, PARTS_MAX = 4 };

#define EVERY_EVENT                                                                                          \
    NAME_EVENT_TIME, NAME_RECORD_TIME, NAME_EVENT_TIME_ZONE_OFFSET, NAME_EVENT_ID, NAME_ERROR_DECLARATION,   \
        NAME_CERTIFICATION_INFO
#define WHY_AND_WHERE NAME_BIZ_STEP, NAME_DISPOSITION, NAME_READ_POINT, NAME_BIZ_LOCATION
#define PARTIES       NAME_SOURCE_LIST, NAME_DESTINATION_LIST
#define SENSORS       NAME_SENSOR_ELEMENT_LIST, NAME_PERSISTENT_DISPOSITION

/* As the XSD of 2.0 has them. That of 1.2 has the same order, <extension> elements passed over, but for ILMD.
 */
static const uint8_t event_orders[][FIELDS_MAX] = {
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

static const uint8_t part_orders[CONTEXT_COUNT][PARTS_MAX] = {
    [IN_QUANTITY_ELEMENT] = {NAME_EPC_CLASS, NAME_QUANTITY, NAME_UOM},
    [IN_LOCATION] = {NAME_ID},
    [IN_PERSISTENT_DISPOSITION] = {NAME_UNSET, NAME_SET},
    [IN_SENSOR_ELEMENT] = {NAME_SENSOR_METADATA, NAME_SENSOR_REPORT},
};

static unsigned place_in(const uint8_t *names, unsigned count, enum grammar_name name)
{
    for (unsigned i = 0; i < count && names[i] != NAME_UNKNOWN; i++)
        if (names[i] == name)
            return i + 1;
    return 0;
}

/* The schema of 1.2 knows nothing of these, and takes them in any order. */
static bool is_later(enum grammar_context context, unsigned type)
{
    return context == IN_SENSOR_ELEMENT || context == IN_PERSISTENT_DISPOSITION ||
           type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_ASSOCIATION;
}

#define OF(type) (1U << EPCIS__V1__EVENT_TYPE__EVENT_TYPE_##type)

/* The types of event that have a field, a bit each; 0: all. The same as above, for a look-up in one step. */
static const uint8_t types_of[NAME_COUNT] = {
    [NAME_EPC_LIST] = OF(OBJECT) | OF(TRANSACTION),
    [NAME_QUANTITY_LIST] = OF(OBJECT) | OF(TRANSACTION),
    [NAME_PARENT_ID] = OF(AGGREGATION) | OF(TRANSACTION) | OF(ASSOCIATION),
    [NAME_CHILD_EPCS] = OF(AGGREGATION) | OF(ASSOCIATION),
    [NAME_CHILD_QUANTITY_LIST] = OF(AGGREGATION) | OF(ASSOCIATION),
    [NAME_INPUT_EPC_LIST] = OF(TRANSFORMATION),
    [NAME_INPUT_QUANTITY_LIST] = OF(TRANSFORMATION),
    [NAME_OUTPUT_EPC_LIST] = OF(TRANSFORMATION),
    [NAME_OUTPUT_QUANTITY_LIST] = OF(TRANSFORMATION),
    [NAME_TRANSFORMATION_ID] = OF(TRANSFORMATION),
    [NAME_ACTION] = OF(OBJECT) | OF(AGGREGATION) | OF(TRANSACTION) | OF(ASSOCIATION),
    [NAME_ILMD] = OF(OBJECT) | OF(TRANSFORMATION),
    [NAME_EPC_CLASS] = OF(QUANTITY),
    [NAME_QUANTITY] = OF(QUANTITY),
};

bool grammar_belongs(unsigned type, enum grammar_name name)
{
    return types_of[name] == 0 || (types_of[name] >> type & 1);
}

unsigned grammar_extensions(unsigned type, enum grammar_name name)
{
    bool transformation = type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION;
    if (type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_ASSOCIATION)
        return name >= NAME_OBJECT_EVENT && name <= NAME_QUANTITY_EVENT ? 2 : 0;
    switch (name) {
    case NAME_TRANSFORMATION_EVENT:
    case NAME_EVENT_ID:
    case NAME_ERROR_DECLARATION:
        return 1;
    case NAME_CERTIFICATION_INFO:
        return 2;
    case NAME_QUANTITY_LIST:
    case NAME_CHILD_QUANTITY_LIST:
    case NAME_SOURCE_LIST:
    case NAME_DESTINATION_LIST:
    case NAME_ILMD:
        return transformation ? 0 : 1;
    case NAME_SENSOR_ELEMENT_LIST:
    case NAME_PERSISTENT_DISPOSITION:
        return transformation ? 1 : 2;
    default:
        return 0;
    }
}

unsigned grammar_order(enum grammar_context context, unsigned type, enum grammar_name name, bool version_1)
{
    if ((version_1 && is_later(context, type)) || type >= sizeof event_orders / sizeof event_orders[0])
        return 0;
    if (context != IN_EVENT)
        return place_in(part_orders[context], PARTS_MAX, name);
    /* Places are even here, so that one is free before each. */
    bool before_sensors = version_1 && name == NAME_ILMD;
    if (before_sensors || (version_1 && name == NAME_PERSISTENT_DISPOSITION))
        name = NAME_SENSOR_ELEMENT_LIST;
    unsigned place = place_in(event_orders[type], FIELDS_MAX, name);
    return place > 0 ? 2 * place - before_sensors : 0;
}
