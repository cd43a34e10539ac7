#include "common/epcis/grammar.h"

#include "common/epcis/cbv.h"
#include "epcis/v1/document.pb-c.h"
#include "epcis/v1/event.pb-c.h"

#define GRAMMAR_SPELLING(constant, spelling) [NAME_##constant] = spelling,
const char *const grammar_spellings[NAME_COUNT] = {[NAME_UNKNOWN] = "", GRAMMAR_NAMES(GRAMMAR_SPELLING)};

const char grammar_sbdh_uri[] = "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader";

#define FIELD(message, field) offsetof(Epcis__V1__##message, field)
#define TEXT(message, field)                                                                                 \
    {                                                                                                        \
        SHAPE_TEXT, 0, 0, FIELD(message, field)                                                              \
    }
#define TEXTS(message, field)                                                                                \
    {                                                                                                        \
        SHAPE_TEXTS, 0, 0, FIELD(message, n_##field)                                                         \
    }
#define WORD(message, field, family)                                                                         \
    {                                                                                                        \
        SHAPE_WORD, 0, family, FIELD(message, field)                                                         \
    }
#define WORDS(message, field, family)                                                                        \
    {                                                                                                        \
        SHAPE_WORDS, 0, family, FIELD(message, n_##field)                                                    \
    }
#define TIME(message, field)                                                                                 \
    {                                                                                                        \
        SHAPE_TIME, 0, 0, FIELD(message, field)                                                              \
    }
#define MESSAGE(message, field, kind, context)                                                               \
    {                                                                                                        \
        SHAPE_MESSAGE, context, kind, FIELD(message, field)                                                  \
    }
#define MESSAGES(message, field, kind, context)                                                              \
    {                                                                                                        \
        SHAPE_MESSAGES, context, kind, FIELD(message, n_##field)                                             \
    }
#define ENTER(context)                                                                                       \
    {                                                                                                        \
        SHAPE_ENTER, context, 0, 0                                                                           \
    }
#define ONCE(context)                                                                                        \
    {                                                                                                        \
        SHAPE_ONCE, context, 0, 0                                                                            \
    }
#define EVENT(type)                                                                                          \
    {                                                                                                        \
        SHAPE_EVENT, IN_EVENT, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_##type, 0                                   \
    }
#define ROOT(kind)                                                                                           \
    {                                                                                                        \
        SHAPE_ROOT, IN_DOCUMENT, EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_##kind, 0                           \
    }
#define NODES(message, field)                                                                                \
    {                                                                                                        \
        SHAPE_NODES, 0, 0, FIELD(message, n_##field)                                                         \
    }
#define EVENTS                                                                                               \
    [NAME_OBJECT_EVENT] = EVENT(OBJECT), [NAME_AGGREGATION_EVENT] = EVENT(AGGREGATION),                      \
    [NAME_TRANSACTION_EVENT] = EVENT(TRANSACTION), [NAME_TRANSFORMATION_EVENT] = EVENT(TRANSFORMATION),      \
    [NAME_ASSOCIATION_EVENT] = EVENT(ASSOCIATION), [NAME_QUANTITY_EVENT] = EVENT(QUANTITY)
#define QUANTITIES(field)                                                                                    \
    {                                                                                                        \
        [NAME_QUANTITY_ELEMENT] = MESSAGES(Event, field, MESSAGE_QUANTITY_ELEMENT, IN_QUANTITY_ELEMENT)      \
    }
/* What sensorMetadata and sensorReport share. */
#define SENSOR_FIELDS(message)                                                                               \
    [NAME_TIME] = TIME(message, time), [NAME_DEVICE_ID] = TEXT(message, device_id),                          \
    [NAME_DEVICE_METADATA] = TEXT(message, device_metadata), [NAME_RAW_DATA] = TEXT(message, raw_data),      \
    [NAME_DATA_PROCESSING_METHOD] = TEXT(message, data_processing_method)

const struct grammar_rule grammar[CONTEXT_COUNT][NAME_COUNT] = {
    [IN_NOTHING] = {[NAME_EPCIS_DOCUMENT] = ROOT(DOCUMENT),
                    [NAME_EPCIS_QUERY_DOCUMENT] = ROOT(QUERY_DOCUMENT),
                    [NAME_EPCIS_MASTER_DATA_DOCUMENT] = ROOT(DOCUMENT),
                    EVENTS},
    [IN_DOCUMENT] = {[NAME_SCHEMA_VERSION] = TEXT(Document, schema_version),
                     [NAME_CREATION_DATE] = TEXT(Document, creation_date),
                     [NAME_DOCUMENT_SENDER] = TEXT(Document, sender),
                     [NAME_DOCUMENT_RECEIVER] = TEXT(Document, receiver),
                     [NAME_DOCUMENT_INSTANCE_IDENTIFIER] = TEXT(Document, instance_identifier),
                     [NAME_EPCIS_HEADER] = ENTER(IN_HEADER),
                     /* seen in query documents that lack EPCISBody and QueryResults */
                     [NAME_QUERY_NAME] = TEXT(Document, query_name),
                     [NAME_SUBSCRIPTION_ID] = TEXT(Document, subscription_id),
                     [NAME_RESULTS_BODY] = ENTER(IN_RESULTS_BODY),
                     [NAME_EPCIS_BODY] = ENTER(IN_BODY)},
    [IN_HEADER] = {[NAME_SBDH] = MESSAGE(Document, standard_business_document_header, MESSAGE_SBDH, IN_SBDH),
                   [NAME_EPCIS_MASTER_DATA] = ENTER(IN_MASTER_DATA)},
    [IN_SBDH] = {[NAME_HEADER_VERSION] = TEXT(StandardBusinessDocumentHeader, header_version),
                 [NAME_SENDER] =
                     MESSAGES(StandardBusinessDocumentHeader, senders, MESSAGE_PARTNER, IN_PARTNER),
                 [NAME_RECEIVER] =
                     MESSAGES(StandardBusinessDocumentHeader, receivers, MESSAGE_PARTNER, IN_PARTNER),
                 [NAME_DOCUMENT_IDENTIFICATION] = ENTER(IN_SBDH),
                 [NAME_STANDARD] = TEXT(StandardBusinessDocumentHeader, standard),
                 [NAME_TYPE_VERSION] = TEXT(StandardBusinessDocumentHeader, type_version),
                 [NAME_INSTANCE_IDENTIFIER] = TEXT(StandardBusinessDocumentHeader, instance_identifier),
                 [NAME_SBDH_TYPE] = TEXT(StandardBusinessDocumentHeader, type),
                 [NAME_MULTIPLE_TYPE] = TEXT(StandardBusinessDocumentHeader, multiple_type),
                 [NAME_CREATION_DATE_AND_TIME] = TEXT(StandardBusinessDocumentHeader, creation_date_and_time),
                 [NAME_MANIFEST] = NODES(StandardBusinessDocumentHeader, extensions),
                 [NAME_BUSINESS_SCOPE] = NODES(StandardBusinessDocumentHeader, extensions)},
    [IN_PARTNER] = {[NAME_IDENTIFIER] = {SHAPE_TEXT, IN_PARTNER_IDENTIFIER, 0, FIELD(Partner, identifier)},
                    [NAME_CONTACT_INFORMATION] = MESSAGES(Partner, contacts, MESSAGE_CONTACT, IN_CONTACT)},
    [IN_PARTNER_IDENTIFIER] = {[NAME_AUTHORITY] = TEXT(Partner, authority)},
    [IN_CONTACT] = {[NAME_CONTACT] = TEXT(ContactInformation, contact),
                    [NAME_EMAIL_ADDRESS] = TEXT(ContactInformation, email_address),
                    [NAME_FAX_NUMBER] = TEXT(ContactInformation, fax_number),
                    [NAME_TELEPHONE_NUMBER] = TEXT(ContactInformation, telephone_number),
                    [NAME_CONTACT_TYPE_IDENTIFIER] = TEXT(ContactInformation, contact_type_identifier)},
    [IN_MASTER_DATA] = {[NAME_VOCABULARY_LIST] = ENTER(IN_VOCABULARY_LIST)},
    [IN_VOCABULARY_LIST] = {[NAME_VOCABULARY] = {SHAPE_VOCABULARY, IN_VOCABULARY, 0, 0}},
    [IN_VOCABULARY] = {[NAME_VOCABULARY_ELEMENT_LIST] = ENTER(IN_VOCABULARY_ELEMENTS)},
    [IN_VOCABULARY_ELEMENTS] = {[NAME_VOCABULARY_ELEMENT] = {SHAPE_VOCABULARY_ELEMENT, IN_VOCABULARY_ELEMENT,
                                                             0, 0}},
    [IN_VOCABULARY_ELEMENT] = {[NAME_ID] = TEXT(VocabularyElement, id),
                               [NAME_ATTRIBUTE] =
                                   MESSAGES(VocabularyElement, attributes, MESSAGE_ATTRIBUTE, IN_ATTRIBUTE),
                               [NAME_CHILDREN] = ENTER(IN_CHILDREN)},
    [IN_ATTRIBUTE] = {[NAME_ID] = TEXT(VocabularyAttribute, id)},
    [IN_CHILDREN] = {[NAME_ID] = TEXTS(VocabularyElement, children)},
    [IN_BODY] = {[NAME_EVENT_LIST] = ENTER(IN_EVENT_LIST),
                 [NAME_VOCABULARY_LIST] = ENTER(IN_VOCABULARY_LIST),
                 [NAME_QUERY_RESULTS] = ENTER(IN_QUERY_RESULTS)},
    [IN_QUERY_RESULTS] = {[NAME_QUERY_NAME] = TEXT(Document, query_name),
                          [NAME_SUBSCRIPTION_ID] = TEXT(Document, subscription_id),
                          [NAME_RESULTS_BODY] = ENTER(IN_RESULTS_BODY)},
    [IN_RESULTS_BODY] =
        {[NAME_EVENT_LIST] = ENTER(IN_EVENT_LIST), [NAME_VOCABULARY_LIST] = ENTER(IN_VOCABULARY_LIST)},
    [IN_EVENT_LIST] = {EVENTS},
    [IN_EVENT] = {[NAME_EVENT_TIME] = TIME(Event, event_time),
                  [NAME_RECORD_TIME] = TIME(Event, record_time),
                  [NAME_EVENT_TIME_ZONE_OFFSET] = TEXT(Event, event_time_zone_offset),
                  [NAME_EVENT_ID] = TEXT(Event, event_id),
                  [NAME_ERROR_DECLARATION] =
                      MESSAGE(Event, error_declaration, MESSAGE_ERROR_DECLARATION, IN_ERROR_DECLARATION),
                  [NAME_CERTIFICATION_INFO] = TEXTS(Event, certification_info),
                  [NAME_EPC_LIST] = ONCE(IN_EPC_LIST),
                  [NAME_PARENT_ID] = TEXT(Event, parent_id),
                  [NAME_CHILD_EPCS] = ONCE(IN_CHILD_EPCS),
                  [NAME_INPUT_EPC_LIST] = ONCE(IN_INPUT_EPC_LIST),
                  [NAME_OUTPUT_EPC_LIST] = ONCE(IN_OUTPUT_EPC_LIST),
                  [NAME_QUANTITY_LIST] = ONCE(IN_QUANTITY_LIST),
                  [NAME_CHILD_QUANTITY_LIST] = ONCE(IN_CHILD_QUANTITY_LIST),
                  [NAME_INPUT_QUANTITY_LIST] = ONCE(IN_INPUT_QUANTITY_LIST),
                  [NAME_OUTPUT_QUANTITY_LIST] = ONCE(IN_OUTPUT_QUANTITY_LIST),
                  [NAME_EPC_CLASS] = {SHAPE_QUANTITY, 0, 0, FIELD(QuantityElement, epc_class)},
                  [NAME_QUANTITY] = {SHAPE_QUANTITY, 0, 0, FIELD(QuantityElement, quantity)},
                  [NAME_TRANSFORMATION_ID] = TEXT(Event, transformation_id),
                  [NAME_ACTION] = {SHAPE_ACTION, 0, 0, FIELD(Event, action)},
                  [NAME_BIZ_STEP] = WORD(Event, biz_step, CBV_BIZ_STEP),
                  [NAME_DISPOSITION] = WORD(Event, disposition, CBV_DISPOSITION),
                  [NAME_PERSISTENT_DISPOSITION] =
                      MESSAGE(Event, persistent_disposition, MESSAGE_PERSISTENT_DISPOSITION,
                              IN_PERSISTENT_DISPOSITION),
                  [NAME_READ_POINT] = MESSAGE(Event, read_point, MESSAGE_LOCATION, IN_LOCATION),
                  [NAME_BIZ_LOCATION] = MESSAGE(Event, biz_location, MESSAGE_LOCATION, IN_LOCATION),
                  [NAME_BIZ_TRANSACTION_LIST] = ONCE(IN_BIZ_TRANSACTION_LIST),
                  [NAME_SOURCE_LIST] = ONCE(IN_SOURCE_LIST),
                  [NAME_DESTINATION_LIST] = ONCE(IN_DESTINATION_LIST),
                  [NAME_SENSOR_ELEMENT_LIST] = ONCE(IN_SENSOR_ELEMENT_LIST),
                  [NAME_ILMD] = ONCE(IN_ILMD)},
    [IN_ERROR_DECLARATION] = {[NAME_DECLARATION_TIME] = TIME(ErrorDeclaration, declaration_time),
                              [NAME_REASON] = WORD(ErrorDeclaration, reason, CBV_ERROR_REASON),
                              [NAME_CORRECTIVE_EVENT_IDS] = ONCE(IN_CORRECTIVE_EVENT_IDS)},
    [IN_CORRECTIVE_EVENT_IDS] = {[NAME_CORRECTIVE_EVENT_ID] = TEXTS(ErrorDeclaration, corrective_event_ids)},
    [IN_EPC_LIST] = {[NAME_EPC] = TEXTS(Event, epc_list)},
    [IN_CHILD_EPCS] = {[NAME_EPC] = TEXTS(Event, child_epcs)},
    [IN_INPUT_EPC_LIST] = {[NAME_EPC] = TEXTS(Event, input_epc_list)},
    [IN_OUTPUT_EPC_LIST] = {[NAME_EPC] = TEXTS(Event, output_epc_list)},
    [IN_QUANTITY_LIST] = QUANTITIES(quantity_list),
    [IN_CHILD_QUANTITY_LIST] = QUANTITIES(child_quantity_list),
    [IN_INPUT_QUANTITY_LIST] = QUANTITIES(input_quantity_list),
    [IN_OUTPUT_QUANTITY_LIST] = QUANTITIES(output_quantity_list),
    [IN_QUANTITY_ELEMENT] = {[NAME_EPC_CLASS] = TEXT(QuantityElement, epc_class),
                             [NAME_QUANTITY] = TEXT(QuantityElement, quantity),
                             [NAME_UOM] = TEXT(QuantityElement, uom)},
    [IN_LOCATION] = {[NAME_ID] = TEXT(Location, id)},
    [IN_BIZ_TRANSACTION_LIST] = {[NAME_BIZ_TRANSACTION] =
                                     MESSAGES(Event, biz_transaction_list, MESSAGE_BIZ_TRANSACTION,
                                              IN_BIZ_TRANSACTION)},
    [IN_BIZ_TRANSACTION] = {[NAME_TYPE] = WORD(BizTransaction, type, CBV_BIZ_TYPE),
                            [NAME_BIZ_TRANSACTION] = TEXT(BizTransaction, biz_transaction)},
    [IN_SOURCE_LIST] = {[NAME_SOURCE] = MESSAGES(Event, source_list, MESSAGE_SOURCE, IN_SOURCE)},
    [IN_SOURCE] = {[NAME_TYPE] = WORD(Source, type, CBV_PARTY_TYPE), [NAME_SOURCE] = TEXT(Source, source)},
    [IN_DESTINATION_LIST] = {[NAME_DESTINATION] =
                                 MESSAGES(Event, destination_list, MESSAGE_DESTINATION, IN_DESTINATION)},
    [IN_DESTINATION] = {[NAME_TYPE] = WORD(Destination, type, CBV_PARTY_TYPE),
                        [NAME_DESTINATION] = TEXT(Destination, destination)},
    [IN_PERSISTENT_DISPOSITION] = {[NAME_SET] = WORDS(PersistentDisposition, set, CBV_DISPOSITION),
                                   [NAME_UNSET] = WORDS(PersistentDisposition, unset, CBV_DISPOSITION)},
    [IN_SENSOR_ELEMENT_LIST] = {[NAME_SENSOR_ELEMENT] = MESSAGES(Event, sensor_element_list,
                                                                 MESSAGE_SENSOR_ELEMENT, IN_SENSOR_ELEMENT)},
    [IN_SENSOR_ELEMENT] = {[NAME_SENSOR_METADATA] = MESSAGE(SensorElement, sensor_metadata,
                                                            MESSAGE_SENSOR_METADATA, IN_SENSOR_METADATA),
                           [NAME_SENSOR_REPORT] = MESSAGES(SensorElement, sensor_reports,
                                                           MESSAGE_SENSOR_REPORT, IN_SENSOR_REPORT)},
    [IN_SENSOR_METADATA] =
        {SENSOR_FIELDS(SensorMetadata), [NAME_START_TIME] = TIME(SensorMetadata, start_time),
         [NAME_END_TIME] = TIME(SensorMetadata, end_time),
         [NAME_BIZ_RULES] = TEXT(SensorMetadata, biz_rules)},
    [IN_SENSOR_REPORT] =
        {SENSOR_FIELDS(SensorReport), [NAME_TYPE] = WORD(SensorReport, type, CBV_GS1_TERM),
         [NAME_EXCEPTION] = WORD(SensorReport, exception, CBV_GS1_TERM),
         [NAME_MICROORGANISM] = TEXT(SensorReport, microorganism),
         [NAME_CHEMICAL_SUBSTANCE] = TEXT(SensorReport, chemical_substance),
         [NAME_VALUE] = TEXT(SensorReport, value),
         [NAME_COMPONENT] = WORD(SensorReport, component, CBV_COMPONENT),
         [NAME_STRING_VALUE] = TEXT(SensorReport, string_value),
         [NAME_BOOLEAN_VALUE] = TEXT(SensorReport, boolean_value),
         [NAME_HEX_BINARY_VALUE] = TEXT(SensorReport, hex_binary_value),
         [NAME_URI_VALUE] = TEXT(SensorReport, uri_value), [NAME_MIN_VALUE] = TEXT(SensorReport, min_value),
         [NAME_MAX_VALUE] = TEXT(SensorReport, max_value), [NAME_MEAN_VALUE] = TEXT(SensorReport, mean_value),
         [NAME_S_DEV] = TEXT(SensorReport, s_dev), [NAME_PERC_RANK] = TEXT(SensorReport, perc_rank),
         [NAME_PERC_VALUE] = TEXT(SensorReport, perc_value), [NAME_UOM] = TEXT(SensorReport, uom),
         [NAME_COORDINATE_REFERENCE_SYSTEM] = TEXT(SensorReport, coordinate_reference_system)},
};

const struct grammar_content grammar_contents[CONTEXT_COUNT] = {
    [IN_DOCUMENT] = {.extensions = FIELD(Document, n_extensions), .attributes = true},
    [IN_HEADER] = {.extensions = FIELD(Document, n_extensions)},
    [IN_SBDH] = {.extensions = FIELD(StandardBusinessDocumentHeader, n_extensions)},
    [IN_PARTNER_IDENTIFIER] = {.attributes = true},
    [IN_BODY] = {.extensions = FIELD(Document, n_extensions)},
    [IN_QUERY_RESULTS] = {.extensions = FIELD(Document, n_extensions)},
    [IN_RESULTS_BODY] = {.extensions = FIELD(Document, n_extensions)},
    [IN_VOCABULARY_LIST] = {.list = true},
    [IN_VOCABULARY_ELEMENTS] = {.list = true},
    [IN_VOCABULARY_ELEMENT] = {.extensions = FIELD(VocabularyElement, n_extensions), .attributes = true},
    [IN_ATTRIBUTE] = {.extensions = FIELD(VocabularyAttribute, n_children),
                      .text = FIELD(VocabularyAttribute, value),
                      .attributes = true,
                      .any_name = true},
    [IN_CHILDREN] = {.list = true},
    [IN_EVENT_LIST] = {.list = true},
    [IN_EVENT] = {.extensions = FIELD(Event, n_extensions)},
    [IN_ERROR_DECLARATION] = {.extensions = FIELD(ErrorDeclaration, n_extensions)},
    [IN_CORRECTIVE_EVENT_IDS] = {.list = true},
    [IN_EPC_LIST] = {.list = true},
    [IN_CHILD_EPCS] = {.list = true},
    [IN_INPUT_EPC_LIST] = {.list = true},
    [IN_OUTPUT_EPC_LIST] = {.list = true},
    [IN_QUANTITY_LIST] = {.list = true},
    [IN_CHILD_QUANTITY_LIST] = {.list = true},
    [IN_INPUT_QUANTITY_LIST] = {.list = true},
    [IN_OUTPUT_QUANTITY_LIST] = {.list = true},
    [IN_QUANTITY_ELEMENT] = {.extensions = FIELD(QuantityElement, n_extensions),
                             .closed = true,
                             .bare = true},
    [IN_LOCATION] = {.extensions = FIELD(Location, n_extensions), .bare = true},
    [IN_BIZ_TRANSACTION_LIST] = {.list = true, .filled = true},
    [IN_BIZ_TRANSACTION] = {.text = FIELD(BizTransaction, biz_transaction), .attributes = true},
    [IN_SOURCE_LIST] = {.list = true, .filled = true},
    [IN_SOURCE] = {.text = FIELD(Source, source), .attributes = true},
    [IN_DESTINATION_LIST] = {.list = true, .filled = true},
    [IN_DESTINATION] = {.text = FIELD(Destination, destination), .attributes = true},
    [IN_SENSOR_ELEMENT_LIST] = {.list = true, .filled = true},
    [IN_SENSOR_ELEMENT] = {.extensions = FIELD(SensorElement, n_extensions), .bare = true},
    [IN_SENSOR_METADATA] = {.extensions = FIELD(SensorMetadata, n_extensions),
                            .attributes = true,
                            .childless = true},
    /* The JSON schema has bizRules here, the XSD takes any attribute. */
    [IN_SENSOR_REPORT] = {.extensions = FIELD(SensorReport, n_extensions),
                          .attributes = true,
                          .childless = true,
                          .any_name = true},
    [IN_ILMD] = {.extensions = FIELD(Event, n_ilmd), .any_name = true},
};

const ProtobufCMessageDescriptor *const grammar_messages[MESSAGE_COUNT] = {
    [MESSAGE_LOCATION] = &epcis__v1__location__descriptor,
    [MESSAGE_QUANTITY_ELEMENT] = &epcis__v1__quantity_element__descriptor,
    [MESSAGE_BIZ_TRANSACTION] = &epcis__v1__biz_transaction__descriptor,
    [MESSAGE_SOURCE] = &epcis__v1__source__descriptor,
    [MESSAGE_DESTINATION] = &epcis__v1__destination__descriptor,
    [MESSAGE_ERROR_DECLARATION] = &epcis__v1__error_declaration__descriptor,
    [MESSAGE_PERSISTENT_DISPOSITION] = &epcis__v1__persistent_disposition__descriptor,
    [MESSAGE_SENSOR_ELEMENT] = &epcis__v1__sensor_element__descriptor,
    [MESSAGE_SENSOR_METADATA] = &epcis__v1__sensor_metadata__descriptor,
    [MESSAGE_SENSOR_REPORT] = &epcis__v1__sensor_report__descriptor,
    [MESSAGE_SBDH] = &epcis__v1__standard_business_document_header__descriptor,
    [MESSAGE_PARTNER] = &epcis__v1__partner__descriptor,
    [MESSAGE_CONTACT] = &epcis__v1__contact_information__descriptor,
    [MESSAGE_ATTRIBUTE] = &epcis__v1__vocabulary_attribute__descriptor,
};
