#include "common/epcis/writer_header.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADER_NODES = 9,  /* of the header's own element and its texts */
    PARTNER_NODES = 3, /* Sender, Identifier and Authority */
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

static void put_partners(struct writer_header *tree, const char *local, Epcis__V1__Partner *const *partners,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(tree, 1, local, "")->in_array = true;
        put(tree, 2, "Identifier", partners[i]->identifier);
        if (*partners[i]->authority) {
            Epcis__V1__Node *authority = put(tree, 3, "Authority", partners[i]->authority);
            authority->kind = EPCIS__V1__NODE_KIND__NODE_KIND_ATTRIBUTE;
            authority->namespace_uri = (char *)"";
        }
        for (size_t j = 0; j < partners[i]->n_contacts; j++) {
            const Epcis__V1__ContactInformation *contact = partners[i]->contacts[j];
            put(tree, 2, "ContactInformation", "")->in_array = true;
            put_text(tree, 3, "Contact", contact->contact);
            put_text(tree, 3, "EmailAddress", contact->email_address);
            put_text(tree, 3, "FaxNumber", contact->fax_number);
            put_text(tree, 3, "TelephoneNumber", contact->telephone_number);
            put_text(tree, 3, "ContactTypeIdentifier", contact->contact_type_identifier);
        }
    }
}

static void put_identification(struct writer_header *tree,
                               const Epcis__V1__StandardBusinessDocumentHeader *header)
{
    put(tree, 1, "DocumentIdentification", "");
    put_text(tree, 2, "Standard", header->standard);
    put_text(tree, 2, "TypeVersion", header->type_version);
    put_text(tree, 2, "InstanceIdentifier", header->instance_identifier);
    put_text(tree, 2, "Type", header->type);
    put_text(tree, 2, "MultipleType", header->multiple_type);
    put_text(tree, 2, "CreationDateAndTime", header->creation_date_and_time);
}

/* Where an extension stands behind DocumentIdentification. */
enum rank { RANK_MANIFEST, RANK_BUSINESS_SCOPE, RANK_FOREIGN, RANK_COUNT };

static enum rank rank_of(const Epcis__V1__Node *node)
{
    if (strcmp(node->namespace_uri, grammar_sbdh_uri) != 0)
        return RANK_FOREIGN;
    return strcmp(node->local_name, "Manifest") == 0        ? RANK_MANIFEST
           : strcmp(node->local_name, "BusinessScope") == 0 ? RANK_BUSINESS_SCOPE
                                                            : RANK_FOREIGN;
}

static bool is_sayable(const struct writer *writer, const Epcis__V1__Node *node)
{
    return writer_is_json(writer) || node->kind == EPCIS__V1__NODE_KIND__NODE_KIND_TEXT ||
           writer_is_xml_name(node->local_name);
}

/* A whole subtree, a level deeper. */
static void put_subtree(struct writer_header *tree, const struct writer *writer,
                        Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 0, next; i < count; i = next) {
        next = i + 1;
        if (is_sayable(writer, nodes[i])) {
            Epcis__V1__Node *copy = put(tree, 0, "", "");
            *copy = *nodes[i];
            copy->depth++;
        } else {
            next = writer_subtree_end(nodes, count, i);
        }
    }
}

static void put_extensions(struct writer_header *tree, const struct writer *writer, enum rank rank,
                           Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 0, end; i < count; i = end) {
        end = writer_subtree_end(nodes, count, i);
        if (rank_of(nodes[i]) == rank)
            put_subtree(tree, writer, nodes + i, end - i);
    }
}

struct writer_header writer_header_open(struct writer *writer,
                                        const Epcis__V1__StandardBusinessDocumentHeader *header)
{
    size_t most = HEADER_NODES + partner_nodes(header->senders, header->n_senders) +
                  partner_nodes(header->receivers, header->n_receivers) + header->n_extensions;
    struct writer_header tree = {calloc(most, sizeof *tree.storage), calloc(most, sizeof *tree.nodes), 0};
    if (!tree.storage || !tree.nodes) {
        writer->out.failed = true;
        return tree;
    }
    put(&tree, 0, grammar_spellings[NAME_SBDH], "");
    put_text(&tree, 1, "HeaderVersion", header->header_version);
    put_partners(&tree, "Sender", header->senders, header->n_senders);
    put_partners(&tree, "Receiver", header->receivers, header->n_receivers);
    put_identification(&tree, header);
    for (enum rank rank = 0; rank < RANK_COUNT; rank++)
        put_extensions(&tree, writer, rank, header->extensions, header->n_extensions);
    return tree;
}

void writer_header_close(struct writer_header *tree)
{
    free(tree->storage);
    free(tree->nodes);
    *tree = (struct writer_header){0};
}
