/* What EPCIS 1.2 and 2.0 allow inside each element, as one table from (context, name) to rule. XML
 * elements, XML attributes and JSON members are all looked up here. Constant data; safe on any thread.
 * Internal to common/epcis. */
#ifndef EPCISD_EPCIS_GRAMMAR_H
#define EPCISD_EPCIS_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

/* Every name that the schemas use: (constant, spelling). */
#define GRAMMAR_NAMES(X)                                                                                     \
    X(EXTENSION, "extension")                                                                                \
    X(BASE_EXTENSION, "baseExtension")                                                                       \
    X(EPCIS_DOCUMENT, "EPCISDocument")                                                                       \
    X(EPCIS_QUERY_DOCUMENT, "EPCISQueryDocument")                                                            \
    X(EPCIS_MASTER_DATA_DOCUMENT, "EPCISMasterDataDocument")                                                 \
    X(SCHEMA_VERSION, "schemaVersion")                                                                       \
    X(CREATION_DATE, "creationDate")                                                                         \
    X(EPCIS_HEADER, "EPCISHeader")                                                                           \
    X(SBDH, "StandardBusinessDocumentHeader")                                                                \
    X(HEADER_VERSION, "HeaderVersion")                                                                       \
    X(SENDER, "Sender")                                                                                      \
    X(RECEIVER, "Receiver")                                                                                  \
    X(IDENTIFIER, "Identifier")                                                                              \
    X(AUTHORITY, "Authority")                                                                                \
    X(CONTACT_INFORMATION, "ContactInformation")                                                             \
    X(CONTACT, "Contact")                                                                                    \
    X(EMAIL_ADDRESS, "EmailAddress")                                                                         \
    X(FAX_NUMBER, "FaxNumber")                                                                               \
    X(TELEPHONE_NUMBER, "TelephoneNumber")                                                                   \
    X(CONTACT_TYPE_IDENTIFIER, "ContactTypeIdentifier")                                                      \
    X(DOCUMENT_IDENTIFICATION, "DocumentIdentification")                                                     \
    X(STANDARD, "Standard")                                                                                  \
    X(TYPE_VERSION, "TypeVersion")                                                                           \
    X(INSTANCE_IDENTIFIER, "InstanceIdentifier")                                                             \
    X(SBDH_TYPE, "Type")                                                                                     \
    X(MULTIPLE_TYPE, "MultipleType")                                                                         \
    X(CREATION_DATE_AND_TIME, "CreationDateAndTime")                                                         \
    X(MANIFEST, "Manifest")                                                                                  \
    X(BUSINESS_SCOPE, "BusinessScope")                                                                       \
    X(EPCIS_MASTER_DATA, "EPCISMasterData")                                                                  \
    X(VOCABULARY_LIST, "VocabularyList")                                                                     \
    X(VOCABULARY, "Vocabulary")                                                                              \
    X(VOCABULARY_ELEMENT_LIST, "VocabularyElementList")                                                      \
    X(VOCABULARY_ELEMENT, "VocabularyElement")                                                               \
    X(ATTRIBUTE, "attribute")                                                                                \
    X(CHILDREN, "children")                                                                                  \
    X(EPCIS_BODY, "EPCISBody")                                                                               \
    X(QUERY_RESULTS, "QueryResults")                                                                         \
    X(QUERY_NAME, "queryName")                                                                               \
    X(SUBSCRIPTION_ID, "subscriptionID")                                                                     \
    X(RESULTS_BODY, "resultsBody")                                                                           \
    X(EVENT_LIST, "EventList")                                                                               \
    X(OBJECT_EVENT, "ObjectEvent")                                                                           \
    X(AGGREGATION_EVENT, "AggregationEvent")                                                                 \
    X(TRANSACTION_EVENT, "TransactionEvent")                                                                 \
    X(TRANSFORMATION_EVENT, "TransformationEvent")                                                           \
    X(ASSOCIATION_EVENT, "AssociationEvent")                                                                 \
    X(QUANTITY_EVENT, "QuantityEvent")                                                                       \
    X(EVENT_TIME, "eventTime")                                                                               \
    X(RECORD_TIME, "recordTime")                                                                             \
    X(EVENT_TIME_ZONE_OFFSET, "eventTimeZoneOffset")                                                         \
    X(EVENT_ID, "eventID")                                                                                   \
    X(ERROR_DECLARATION, "errorDeclaration")                                                                 \
    X(DECLARATION_TIME, "declarationTime")                                                                   \
    X(REASON, "reason")                                                                                      \
    X(CORRECTIVE_EVENT_IDS, "correctiveEventIDs")                                                            \
    X(CORRECTIVE_EVENT_ID, "correctiveEventID")                                                              \
    X(CERTIFICATION_INFO, "certificationInfo")                                                               \
    X(EPC_LIST, "epcList")                                                                                   \
    X(EPC, "epc")                                                                                            \
    X(PARENT_ID, "parentID")                                                                                 \
    X(CHILD_EPCS, "childEPCs")                                                                               \
    X(INPUT_EPC_LIST, "inputEPCList")                                                                        \
    X(OUTPUT_EPC_LIST, "outputEPCList")                                                                      \
    X(QUANTITY_LIST, "quantityList")                                                                         \
    X(CHILD_QUANTITY_LIST, "childQuantityList")                                                              \
    X(INPUT_QUANTITY_LIST, "inputQuantityList")                                                              \
    X(OUTPUT_QUANTITY_LIST, "outputQuantityList")                                                            \
    X(QUANTITY_ELEMENT, "quantityElement")                                                                   \
    X(EPC_CLASS, "epcClass")                                                                                 \
    X(QUANTITY, "quantity")                                                                                  \
    X(UOM, "uom")                                                                                            \
    X(TRANSFORMATION_ID, "transformationID")                                                                 \
    X(ACTION, "action")                                                                                      \
    X(BIZ_STEP, "bizStep")                                                                                   \
    X(DISPOSITION, "disposition")                                                                            \
    X(PERSISTENT_DISPOSITION, "persistentDisposition")                                                       \
    X(SET, "set")                                                                                            \
    X(UNSET, "unset")                                                                                        \
    X(READ_POINT, "readPoint")                                                                               \
    X(BIZ_LOCATION, "bizLocation")                                                                           \
    X(ID, "id")                                                                                              \
    X(TYPE, "type")                                                                                          \
    X(BIZ_TRANSACTION_LIST, "bizTransactionList")                                                            \
    X(BIZ_TRANSACTION, "bizTransaction")                                                                     \
    X(SOURCE_LIST, "sourceList")                                                                             \
    X(SOURCE, "source")                                                                                      \
    X(DESTINATION_LIST, "destinationList")                                                                   \
    X(DESTINATION, "destination")                                                                            \
    X(ILMD, "ilmd")                                                                                          \
    X(SENSOR_ELEMENT_LIST, "sensorElementList")                                                              \
    X(SENSOR_ELEMENT, "sensorElement")                                                                       \
    X(SENSOR_METADATA, "sensorMetadata")                                                                     \
    X(SENSOR_REPORT, "sensorReport")                                                                         \
    X(TIME, "time")                                                                                          \
    X(START_TIME, "startTime")                                                                               \
    X(END_TIME, "endTime")                                                                                   \
    X(DEVICE_ID, "deviceID")                                                                                 \
    X(DEVICE_METADATA, "deviceMetadata")                                                                     \
    X(RAW_DATA, "rawData")                                                                                   \
    X(DATA_PROCESSING_METHOD, "dataProcessingMethod")                                                        \
    X(BIZ_RULES, "bizRules")                                                                                 \
    X(EXCEPTION, "exception")                                                                                \
    X(MICROORGANISM, "microorganism")                                                                        \
    X(CHEMICAL_SUBSTANCE, "chemicalSubstance")                                                               \
    X(VALUE, "value")                                                                                        \
    X(COMPONENT, "component")                                                                                \
    X(STRING_VALUE, "stringValue")                                                                           \
    X(BOOLEAN_VALUE, "booleanValue")                                                                         \
    X(HEX_BINARY_VALUE, "hexBinaryValue")                                                                    \
    X(URI_VALUE, "uriValue")                                                                                 \
    X(MIN_VALUE, "minValue")                                                                                 \
    X(MAX_VALUE, "maxValue")                                                                                 \
    X(MEAN_VALUE, "meanValue")                                                                               \
    X(S_DEV, "sDev")                                                                                         \
    X(PERC_RANK, "percRank")                                                                                 \
    X(PERC_VALUE, "percValue")                                                                               \
    X(COORDINATE_REFERENCE_SYSTEM, "coordinateReferenceSystem")                                              \
    X(DOCUMENT_SENDER, "sender")                                                                             \
    X(DOCUMENT_RECEIVER, "receiver")                                                                         \
    X(DOCUMENT_INSTANCE_IDENTIFIER, "instanceIdentifier")

#define GRAMMAR_CONSTANT(constant, spelling) NAME_##constant,
enum grammar_name { NAME_UNKNOWN, GRAMMAR_NAMES(GRAMMAR_CONSTANT) NAME_COUNT };
#undef GRAMMAR_CONSTANT

extern const char *const grammar_spellings[NAME_COUNT];

extern const char grammar_sbdh_uri[]; /* the namespace of the Standard Business Document Header */

/* What surrounds a name. At most 64: a bit each tells which single containers an event has had. */
enum grammar_context {
    IN_NOTHING,
    IN_DOCUMENT,
    IN_HEADER,
    IN_SBDH,
    IN_PARTNER,
    IN_PARTNER_IDENTIFIER,
    IN_CONTACT,
    IN_MASTER_DATA,
    IN_VOCABULARY_LIST,
    IN_VOCABULARY,
    IN_VOCABULARY_ELEMENTS,
    IN_VOCABULARY_ELEMENT,
    IN_ATTRIBUTE,
    IN_CHILDREN,
    IN_BODY,
    IN_QUERY_RESULTS,
    IN_RESULTS_BODY,
    IN_EVENT_LIST,
    IN_EVENT,
    IN_ERROR_DECLARATION,
    IN_CORRECTIVE_EVENT_IDS,
    IN_EPC_LIST,
    IN_CHILD_EPCS,
    IN_INPUT_EPC_LIST,
    IN_OUTPUT_EPC_LIST,
    IN_QUANTITY_LIST,
    IN_CHILD_QUANTITY_LIST,
    IN_INPUT_QUANTITY_LIST,
    IN_OUTPUT_QUANTITY_LIST,
    IN_QUANTITY_ELEMENT,
    IN_LOCATION,
    IN_BIZ_TRANSACTION_LIST,
    IN_BIZ_TRANSACTION,
    IN_SOURCE_LIST,
    IN_SOURCE,
    IN_DESTINATION_LIST,
    IN_DESTINATION,
    IN_PERSISTENT_DISPOSITION,
    IN_SENSOR_ELEMENT_LIST,
    IN_SENSOR_ELEMENT,
    IN_SENSOR_METADATA,
    IN_SENSOR_REPORT,
    IN_ILMD,
    CONTEXT_COUNT
};

enum grammar_shape {
    SHAPE_UNKNOWN,
    SHAPE_ENTER,    /* a container whose content belongs to the message around it */
    SHAPE_ONCE,     /* the same, once in an event */
    SHAPE_TEXT,     /* char *; with a context, where it has attributes */
    SHAPE_WORD,     /* char *: a CBV word; detail is its family */
    SHAPE_TIME,     /* Time * */
    SHAPE_ACTION,   /* Event.action */
    SHAPE_TEXTS,    /* a list of char * */
    SHAPE_WORDS,    /* a list of CBV words */
    SHAPE_MESSAGE,  /* a message; detail is its grammar_message */
    SHAPE_MESSAGES, /* a list of messages */
    SHAPE_QUANTITY, /* a field of the one QuantityElement that a QuantityEvent is about */
    SHAPE_NODES,    /* kept whole as an extension tree */
    SHAPE_ROOT,     /* the document; detail is its kind */
    SHAPE_EVENT,    /* detail is its type */
    SHAPE_VOCABULARY,
    SHAPE_VOCABULARY_ELEMENT,
};

struct grammar_rule {
    uint8_t shape;
    uint8_t context; /* of its content */
    uint8_t detail;
    uint16_t offset; /* of the field; of a list: of its count, behind which the pointer stands */
};

extern const struct grammar_rule grammar[CONTEXT_COUNT][NAME_COUNT];

/* Whether a field of events is one of that type of event. */
bool grammar_belongs(unsigned type, enum grammar_name name);

/* In how many <extension> elements (or <baseExtension>) the schema of 1.2 has an event of that type, or a
 * field of it. */
unsigned grammar_extensions(unsigned type, enum grammar_name name);

/* The place of a name in an XML event of that type, or in a part of it, larger ones behind smaller ones: the
 * schemas demand an order. 0: none is known. */
unsigned grammar_order(enum grammar_context context, unsigned type, enum grammar_name name, bool version_1);

/* What a context takes besides the names in its row. An offset of 0 is none: there the message's base
 * stands. */
struct grammar_content {
    uint16_t extensions; /* the node list that gets elements of foreign namespaces */
    uint16_t text;       /* the field that gets text */
    bool attributes;     /* the row holds for attributes too */
    bool closed;         /* the schema has no extensions here: they are kept, and told */
    bool childless;      /* XML has attributes alone here */
    bool bare;           /* the schema has no attributes here, not even foreign ones */
    bool any_name;       /* elements without a namespace are extensions too (ILMD) */
    bool list;           /* of like elements: paths number them */
    bool filled;         /* in XML, with at least one */
};

extern const struct grammar_content grammar_contents[CONTEXT_COUNT];

enum grammar_message {
    MESSAGE_LOCATION,
    MESSAGE_QUANTITY_ELEMENT,
    MESSAGE_BIZ_TRANSACTION,
    MESSAGE_SOURCE,
    MESSAGE_DESTINATION,
    MESSAGE_ERROR_DECLARATION,
    MESSAGE_PERSISTENT_DISPOSITION,
    MESSAGE_SENSOR_ELEMENT,
    MESSAGE_SENSOR_METADATA,
    MESSAGE_SENSOR_REPORT,
    MESSAGE_SBDH,
    MESSAGE_PARTNER,
    MESSAGE_CONTACT,
    MESSAGE_ATTRIBUTE,
    MESSAGE_COUNT
};

extern const ProtobufCMessageDescriptor *const grammar_messages[MESSAGE_COUNT];

#endif
