#include "common/epcis/json_kind.h"

enum grammar_name json_kind_entry(enum grammar_name list)
{
    switch (list) {
    case NAME_EPC_LIST:
    case NAME_CHILD_EPCS:
    case NAME_INPUT_EPC_LIST:
    case NAME_OUTPUT_EPC_LIST:
        return NAME_EPC;
    case NAME_QUANTITY_LIST:
    case NAME_CHILD_QUANTITY_LIST:
    case NAME_INPUT_QUANTITY_LIST:
    case NAME_OUTPUT_QUANTITY_LIST:
        return NAME_QUANTITY_ELEMENT;
    case NAME_BIZ_TRANSACTION_LIST:
        return NAME_BIZ_TRANSACTION;
    case NAME_SOURCE_LIST:
        return NAME_SOURCE;
    case NAME_DESTINATION_LIST:
        return NAME_DESTINATION;
    case NAME_SENSOR_ELEMENT_LIST:
        return NAME_SENSOR_ELEMENT;
    case NAME_CORRECTIVE_EVENT_IDS:
        return NAME_CORRECTIVE_EVENT_ID;
    case NAME_CHILDREN:
        return NAME_ID;
    default:
        return NAME_UNKNOWN;
    }
}

/* What the JSON schema has under a name that the grammar knows. */
static enum json_kind schema_kind(enum grammar_name name)
{
    switch (name) {
    case NAME_QUANTITY:
    case NAME_VALUE:
    case NAME_MIN_VALUE:
    case NAME_MAX_VALUE:
    case NAME_MEAN_VALUE:
    case NAME_S_DEV:
    case NAME_PERC_RANK:
    case NAME_PERC_VALUE:
        return JSON_NUMBER;
    case NAME_BOOLEAN_VALUE:
        return JSON_BOOLEAN;
    case NAME_SENSOR_REPORT:
    case NAME_SET:
    case NAME_UNSET:
        return JSON_ARRAY;
    case NAME_READ_POINT:
    case NAME_BIZ_LOCATION:
    case NAME_ERROR_DECLARATION:
    case NAME_PERSISTENT_DISPOSITION:
    case NAME_SENSOR_METADATA:
    case NAME_ILMD:
        return JSON_OBJECT;
    default:
        return json_kind_entry(name) == NAME_UNKNOWN ? JSON_STRING : JSON_ARRAY;
    }
}

static enum json_kind schema_kind_of_entry(enum grammar_name list)
{
    enum grammar_name entry = json_kind_entry(list);
    bool text = entry == NAME_EPC || entry == NAME_CORRECTIVE_EVENT_ID || entry == NAME_ID ||
                list == NAME_SET || list == NAME_UNSET || list == NAME_CERTIFICATION_INFO;
    return text ? JSON_STRING : JSON_OBJECT;
}

/* Says what is wrong with a value: the event is read all the same where that value, or each in it, can be
 * read as the right kind. */
static bool report_kind(struct assembler *assembler, const struct assembler_name *name, const char *where,
                        enum json_kind kind, enum json_kind right)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",    [JSON_STRING] = "a text",
        [JSON_NUMBER] = "a number",  [JSON_BOOLEAN] = "a boolean", [JSON_NULL] = "null"};
    bool list = right == JSON_ARRAY && json_kind_entry(name->id) != NAME_UNKNOWN, readable;
    if (kind == JSON_NULL)
        readable = true;
    else if (kind == JSON_OBJECT)
        readable = right == JSON_ARRAY && !list && schema_kind_of_entry(name->id) == JSON_OBJECT;
    else
        readable = right != JSON_OBJECT && (kind == JSON_ARRAY || !list);
    if (readable)
        assembler_note(assembler, name, "%s%s is %s: %s would be right", where, name->local, kinds[kind],
                       kinds[right]);
    else
        assembler_refuse(assembler, ERR_INPUT, name, NULL, "%s%s is %s: %s would be right", where,
                         name->local, kinds[kind], kinds[right]);
    return readable;
}

/* What the JSON schema demands and the XSD does not; what both demand is the rules' to judge. */
static void check_required(struct assembler *assembler, const struct assembler_name *name,
                           const struct json_value *object)
{
    const char *required = name->id == NAME_SENSOR_REPORT       ? "type"
                           : name->id == NAME_ERROR_DECLARATION ? "declarationTime"
                                                                : NULL;
    if (required && !json_value_member(object, required))
        assembler_note(assembler, name, "%s has no %s: one would be right", name->local, required);
}

bool json_kind_check(struct assembler *assembler, struct json_names *names, const struct assembler_name *name,
                     const struct json_value *member)
{
    enum json_kind right = schema_kind(name->id);
    if (name->id == NAME_CERTIFICATION_INFO && member->kind == JSON_ARRAY)
        right = JSON_ARRAY;
    if (member->kind != right)
        return report_kind(assembler, name, "", member->kind, right);
    if (right == JSON_OBJECT)
        check_required(assembler, name, member);
    if (right != JSON_ARRAY)
        return true;
    enum json_kind right_entry = schema_kind_of_entry(name->id);
    for (const struct json_value *entry = member->first; entry; entry = entry->next) {
        names->given = entry;
        if (entry->kind != right_entry &&
            !report_kind(assembler, name, "an entry of ", entry->kind, right_entry))
            return false;
        if (entry->kind == JSON_OBJECT)
            check_required(assembler, name, entry);
    }
    return true;
}
