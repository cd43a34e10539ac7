#include "common/epcis/writer_header.h"

#include <stdlib.h>
#include <string.h>

#include "common/epcis/event_text.h"

enum {
    HEADER_NODES = 9 + 2 * 2, /* of the header's own element and its texts; of partners that it lacks */
    PARTNER_NODES = 3,        /* Sender, Identifier and Authority */
    CONTACT_NODES = 6,
};

static size_t partner_nodes(Epcis__V1__Partner *const *partners, size_t count)
{
    size_t nodes = PARTNER_NODES * count;
    for (size_t i = 0; i < count; i++)
        nodes += CONTACT_NODES * partners[i]->n_contacts;
    return nodes;
}

static Epcis__V1__Node *put(struct writer_header *tree, uint32_t depth, const char *local, const char *text)
{
    Epcis__V1__Node *node = &tree->storage[tree->count];
    *node = (Epcis__V1__Node)EPCIS__V1__NODE__INIT;
    node->depth = depth;
    node->kind = EPCIS__V1__NODE_KIND__NODE_KIND_ELEMENT;
    node->namespace_uri = (char *)grammar_sbdh_uri;
    node->local_name = (char *)local;
    node->text = (char *)text;
    tree->nodes[tree->count++] = node;
    return node;
}

static void put_text(struct writer_header *tree, uint32_t depth, const char *local, const char *text)
{
    if (*text)
        put(tree, depth, local, text);
}

/* One that the schema demands, and what stands for it where it is missing. */
static void put_demanded(struct writer_header *tree, const struct writer *writer, uint32_t depth,
                         const char *local, const char *text, const char *usual)
{
    if (*text || !writer_is_json(writer))
        put(tree, depth, local, *text ? text : usual);
}

static void put_contact(struct writer_header *tree, const struct writer *writer,
                        const Epcis__V1__ContactInformation *contact)
{
    put(tree, 2, "ContactInformation", "")->in_array = true;
    put_demanded(tree, writer, 3, "Contact", contact->contact, "");
    put_text(tree, 3, "EmailAddress", contact->email_address);
    put_text(tree, 3, "FaxNumber", contact->fax_number);
    put_text(tree, 3, "TelephoneNumber", contact->telephone_number);
    put_text(tree, 3, "ContactTypeIdentifier", contact->contact_type_identifier);
}

/* `usual` is the one partner where there are none. */
static void put_partners(struct writer_header *tree, const struct writer *writer, const char *local,
                         Epcis__V1__Partner *const *partners, size_t count, const char *usual)
{
    if (count == 0 && *usual && !writer_is_json(writer)) {
        put(tree, 1, local, "");
        put(tree, 2, "Identifier", usual);
    }
    for (size_t i = 0; i < count; i++) {
        put(tree, 1, local, "")->in_array = true;
        put(tree, 2, "Identifier", partners[i]->identifier);
        if (*partners[i]->authority) {
            Epcis__V1__Node *authority = put(tree, 3, "Authority", partners[i]->authority);
            authority->kind = EPCIS__V1__NODE_KIND__NODE_KIND_ATTRIBUTE;
            authority->namespace_uri = (char *)"";
        }
        for (size_t j = 0; j < partners[i]->n_contacts; j++)
            put_contact(tree, writer, partners[i]->contacts[j]);
    }
}

static bool is_time(const char *text)
{
    Epcis__V1__Time time = EPCIS__V1__TIME__INIT;
    return event_time_parse(text, &time) == ERR_OK;
}

static bool is_boolean(const char *text)
{
    static const char *const booleans[] = {"true", "false", "1", "0"};
    for (size_t i = 0; i < sizeof booleans / sizeof booleans[0]; i++)
        if (strcmp(text, booleans[i]) == 0)
            return true;
    return false;
}

static void put_identification(struct writer_header *tree, struct writer *writer,
                               const Epcis__V1__StandardBusinessDocumentHeader *header,
                               const Epcis__V1__Document *document)
{
    const char *created = header->creation_date_and_time, *multiple = header->multiple_type;
    if (!writer_is_json(writer) && *created && !is_time(created)) {
        writer_leave_out(writer, "a CreationDateAndTime that is no time");
        created = "";
    }
    if (!writer_is_json(writer) && *multiple && !is_boolean(multiple)) {
        writer_leave_out(writer, "a MultipleType that is neither true nor false");
        multiple = "";
    }
    put(tree, 1, "DocumentIdentification", "");
    put_demanded(tree, writer, 2, "Standard", header->standard, "EPCglobal");
    put_demanded(tree, writer, 2, "TypeVersion", header->type_version, "1.0");
    put_demanded(tree, writer, 2, "InstanceIdentifier", header->instance_identifier,
                 document->instance_identifier);
    put_demanded(tree, writer, 2, "Type", header->type, "Events");
    put_text(tree, 2, "MultipleType", multiple);
    put_demanded(tree, writer, 2, "CreationDateAndTime", created, document->creation_date);
}

/* ---- Manifest and BusinessScope ---- */

/* The order of the elements inside, which JSON has not. */
static const struct {
    const char *around, *local;
    bool demanded;
} parts[] = {
    {"Manifest", "NumberOfItems", true},
    {"Manifest", "ManifestItem", true},
    {"ManifestItem", "MimeTypeQualifierCode", true},
    {"ManifestItem", "UniformResourceIdentifier", true},
    {"ManifestItem", "Description", false},
    {"ManifestItem", "LanguageCode", false},
    {"Scope", "Type", true},
    {"Scope", "InstanceIdentifier", true},
    {"Scope", "Identifier", false},
    {"CorrelationInformation", "RequestingDocumentCreationDateTime", false},
    {"CorrelationInformation", "RequestingDocumentInstanceIdentifier", false},
    {"CorrelationInformation", "ExpectedResponseDateTime", false},
    {"BusinessService", "BusinessServiceName", false},
    {"BusinessService", "ServiceTransaction", false},
};
enum { PARTS = sizeof parts / sizeof parts[0] };

static bool is_part(const Epcis__V1__Node *node, const char *local)
{
    return strcmp(node->local_name, local) == 0 && strcmp(node->namespace_uri, grammar_sbdh_uri) == 0;
}

/* The row of an element inside another one; PARTS where it has none and comes last. */
static size_t place_of(const Epcis__V1__Node *around, const Epcis__V1__Node *node)
{
    size_t i = 0;
    if (node->kind == EPCIS__V1__NODE_KIND__NODE_KIND_ATTRIBUTE)
        return i;
    while (i < PARTS && !(is_part(around, parts[i].around) && is_part(node, parts[i].local)))
        i++;
    return i;
}

static bool has_part(Epcis__V1__Node *const *nodes, size_t count, const char *local)
{
    for (size_t i = 1; i < count; i = writer_subtree_end(nodes, count, i))
        if (is_part(nodes[i], local))
            return true;
    return false;
}

static bool is_complete(Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < PARTS; j++)
            if (parts[j].demanded && is_part(nodes[i], parts[j].around) &&
                !has_part(nodes + i, writer_subtree_end(nodes, count, i) - i, parts[j].local))
                return false;
    return true;
}

/* A whole subtree, a level deeper. */
static void put_subtree(struct writer_header *tree, const struct writer *writer,
                        Epcis__V1__Node *const *nodes, size_t count)
{
    Epcis__V1__Node *copy = put(tree, 0, "", "");
    *copy = *nodes[0];
    copy->depth++;
    for (size_t place = 0; place <= PARTS; place++)
        for (size_t i = 1, end; i < count; i = end) {
            end = writer_subtree_end(nodes, count, i);
            if (writer_is_json(writer) ? place == 0 : place_of(nodes[0], nodes[i]) == place)
                put_subtree(tree, writer, nodes + i, end - i);
        }
}

/* Where an extension stands behind DocumentIdentification. */
enum rank { RANK_MANIFEST, RANK_BUSINESS_SCOPE, RANK_FOREIGN, RANK_COUNT };

static enum rank rank_of(const Epcis__V1__Node *node)
{
    return is_part(node, "Manifest")        ? RANK_MANIFEST
           : is_part(node, "BusinessScope") ? RANK_BUSINESS_SCOPE
                                            : RANK_FOREIGN;
}

static void put_extensions(struct writer_header *tree, struct writer *writer, enum rank rank,
                           Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 0, end; i < count; i = end) {
        end = writer_subtree_end(nodes, count, i);
        if (rank_of(nodes[i]) != rank)
            continue;
        if (writer_is_json(writer) ||
            (is_complete(nodes + i, end - i) && writer_nodes_fit_xml(nodes + i, end - i)))
            put_subtree(tree, writer, nodes + i, end - i);
        else
            writer_leave_out(writer, "a Manifest, BusinessScope or other part of the "
                                     "StandardBusinessDocumentHeader that its schema does not have");
    }
}

/* Why XML cannot have the header; NULL: it can. */
static const char *lacking(const struct writer_header *tree)
{
    static const char *const demanded[] = {"Sender", "Receiver", "CreationDateAndTime"};
    static const char *const reasons[] = {"a StandardBusinessDocumentHeader without Sender",
                                          "a StandardBusinessDocumentHeader without Receiver",
                                          "a StandardBusinessDocumentHeader without CreationDateAndTime"};
    for (size_t i = 0; i < sizeof demanded / sizeof demanded[0]; i++) {
        bool found = false;
        for (size_t j = 0; j < tree->count; j++)
            found |= tree->nodes[j]->depth <= 2 && is_part(tree->nodes[j], demanded[i]) &&
                     (i < 2 || is_time(tree->nodes[j]->text));
        if (!found)
            return reasons[i];
    }
    return writer_nodes_fit_xml(tree->nodes, tree->count)
               ? NULL
               : "a StandardBusinessDocumentHeader with a control character: XML has none";
}

struct writer_header writer_header_open(struct writer *writer, const Epcis__V1__Document *document)
{
    static const Epcis__V1__StandardBusinessDocumentHeader none =
        EPCIS__V1__STANDARD_BUSINESS_DOCUMENT_HEADER__INIT;
    const Epcis__V1__StandardBusinessDocumentHeader *header =
        document->standard_business_document_header ? document->standard_business_document_header : &none;
    size_t most = HEADER_NODES + partner_nodes(header->senders, header->n_senders) +
                  partner_nodes(header->receivers, header->n_receivers) + header->n_extensions;
    struct writer_header tree = {calloc(most, sizeof *tree.storage), calloc(most, sizeof *tree.nodes), 0};
    if (!tree.storage || !tree.nodes) {
        writer->out.failed = true;
        return tree;
    }
    put(&tree, 0, grammar_spellings[NAME_SBDH], "");
    put_demanded(&tree, writer, 1, "HeaderVersion", header->header_version, "1.0");
    put_partners(&tree, writer, "Sender", header->senders, header->n_senders, document->sender);
    put_partners(&tree, writer, "Receiver", header->receivers, header->n_receivers, document->receiver);
    put_identification(&tree, writer, header, document);
    for (enum rank rank = 0; rank < RANK_COUNT; rank++)
        put_extensions(&tree, writer, rank, header->extensions, header->n_extensions);
    const char *reason = writer_is_json(writer) ? NULL : lacking(&tree);
    if (reason) {
        writer_leave_out(writer, reason);
        tree.count = 0;
    }
    return tree;
}

void writer_header_close(struct writer_header *tree)
{
    free(tree->storage);
    free(tree->nodes);
    *tree = (struct writer_header){0};
}
