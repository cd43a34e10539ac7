/* What the JSON and XML writers share. Internal to the writer. */
#ifndef EPCISD_EPCIS_WRITER_PARTS_H
#define EPCISD_EPCIS_WRITER_PARTS_H

#include <stdbool.h>

#include "common/base/buffer.h"
#include "common/epcis/writer.h"

/* The fields of an event after those that all event types have. */
enum writer_field {
    FIELD_END,
    FIELD_PARENT_ID,
    FIELD_EPC_LIST,
    FIELD_CHILD_EPCS,
    FIELD_INPUT_EPC_LIST,
    FIELD_OUTPUT_EPC_LIST,
    FIELD_QUANTITY_LIST,
    FIELD_CHILD_QUANTITY_LIST,
    FIELD_INPUT_QUANTITY_LIST,
    FIELD_OUTPUT_QUANTITY_LIST,
    FIELD_QUANTITY_EVENT, /* epcClass and quantity, bare */
    FIELD_TRANSFORMATION_ID,
    FIELD_ACTION,
    FIELD_BIZ_STEP,
    FIELD_DISPOSITION,
    FIELD_READ_POINT,
    FIELD_BIZ_LOCATION,
    FIELD_BIZ_TRANSACTION_LIST,
    FIELD_SOURCE_LIST,
    FIELD_DESTINATION_LIST,
    FIELD_SENSOR_ELEMENT_LIST,
    FIELD_PERSISTENT_DISPOSITION,
    FIELD_ILMD,
    FIELD_EXTENSION_1, /* 1.2 XML: what follows stands in <extension> */
    FIELD_EXTENSION_2, /* 1.2 XML: what follows stands in its <extension> */
};

struct writer_namespace {
    char *prefix;
    char *uri;
    unsigned depth; /* of the node that declared it; 0 for the document's */
};

struct writer {
    enum writer_format format;
    writer_sink_fn *sink;
    void *context;
    struct buffer out;        /* not yet given to the sink */
    struct buffer query_name; /* what stands before the results of a query */
    struct buffer tail;       /* XML: what stands behind the body; JSON: behind the events */
    struct buffer tail_local; /* XML: the same, without a namespace: all in one <extension> */
    struct buffer left_out;   /* why something of the document itself was, with a NUL; empty: nothing was */
    bool header_open;         /* EPCISHeader is written and not closed */
    enum { WRITER_AT_START, WRITER_IN_VOCABULARIES, WRITER_IN_EVENTS, WRITER_AT_END } place;
    bool bare_event;   /* the document is one event */
    bool query;        /* EPCISQueryDocument */
    bool master_query; /* one whose results are master data */
    bool first;        /* nothing stands in the list being written */
    char *vocabulary;  /* type of the vocabulary being written; NULL: none */
    struct writer_namespace *namespaces;
    size_t namespace_count, namespace_capacity;
    size_t document_namespaces; /* the first so many hold for all events */
    unsigned generated;         /* prefixes made up so far */
};

extern const char writer_xml_uri[]; /* of xml:lang and the like: in XML its prefix is xml, never declared */

bool writer_is_json(const struct writer *writer);

/* A JSON member, or a prefix of one, may have any name; in XML it may not. */
bool writer_is_xml_name(const char *name);

/* XML has no control characters, not even escaped, nor U+FFFE and U+FFFF. */
bool writer_is_xml_text(const char *text);

/* Whether XML has all their names and texts. */
bool writer_nodes_fit_xml(Epcis__V1__Node *const *nodes, size_t count);

/* Says why something of the document itself, and not of an event, is left out. */
void writer_leave_out(struct writer *writer, const char *reason);

/* The document's extensions that the format can say, in a new array that is the caller's to free; the others
 * are left out. `late`: they stand behind the events. */
size_t writer_sayable_extensions(struct writer *writer, const Epcis__V1__Document *document, bool late,
                                 Epcis__V1__Node ***out);

/* Empties those of the document's own texts that the format cannot say. */
void writer_clear_texts(struct writer *writer, Epcis__V1__Document *document);

/* Whether any of them is there. */
bool writer_has_texts(const Epcis__V1__Document *document);

/* The prefix declared for `uri`, or NULL. */
const char *writer_prefix(const struct writer *writer, const char *uri);

/* Declares `uri` under `hint`, or under a prefix made up where the hint is empty or taken, and returns it;
 * NULL without memory. */
const char *writer_declare(struct writer *writer, const char *hint, const char *uri, unsigned depth);

/* Forgets what was declared at `depth` or deeper inside the event. */
void writer_forget(struct writer *writer, unsigned depth);

/* One past the last node of the tree whose root is `at`. */
size_t writer_subtree_end(Epcis__V1__Node *const *nodes, size_t count, size_t at);

bool writer_is_xsi(const Epcis__V1__Node *node);

/* Whether attributes can say the list: each of its elements must be plain text, and the only one of its name.
 */
bool writer_fits_attributes(Epcis__V1__Node *const *nodes, size_t count);

/* Calls `visit` with each extension tree list of the event. */
typedef void writer_visit_fn(void *context, Epcis__V1__Node *const *nodes, size_t count);
void writer_each_tree(const Epcis__V1__Event *event, writer_visit_fn *visit, void *context);

/* Text that its element begins with is a "#text" member; between elements JSON has no place for it. */
bool writer_has_mixed_content(Epcis__V1__Node *const *nodes, size_t count);

/* What of the event the writer's format cannot say, and why; NULL: it can say all of it. */
const char *writer_unsayable(const struct writer *writer, const Epcis__V1__Event *event);

/* The document without what writer_clear_texts took, and of it the extensions that can be said. */
void writer_json_document(struct writer *writer, const Epcis__V1__Document *document);
/* Extensions and texts of a document that came behind its events. */
void writer_json_late(struct writer *writer, const Epcis__V1__Document *fields);
void writer_json_vocabulary_element(struct writer *writer, const Epcis__V1__VocabularyElement *element);
void writer_json_vocabularies_end(struct writer *writer);
void writer_json_event(struct writer *writer, const Epcis__V1__Event *event);
void writer_json_end(struct writer *writer);

void writer_xml_document(struct writer *writer, const Epcis__V1__Document *document);
void writer_xml_late(struct writer *writer, const Epcis__V1__Document *fields);
/* Begins a vocabulary where another one is open. */
void writer_xml_vocabulary(struct writer *writer, const char *type);
void writer_xml_vocabulary_element(struct writer *writer, const Epcis__V1__VocabularyElement *element);
void writer_xml_vocabularies_end(struct writer *writer);
void writer_xml_event(struct writer *writer, const Epcis__V1__Event *event);
void writer_xml_end(struct writer *writer);

#endif
