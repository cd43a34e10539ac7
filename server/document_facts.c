#include "server/document_facts.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/epcis/dscsa.h"
#include "common/gs1/epc.h"

enum { TEXT_MAX = 256, FACTS_BYTES = 16 * 1024 };

struct document_facts {
    size_t references;
    struct arena arena;
    Epcis__Wire__V1__DocumentFacts message;
};

/* A long text is cut before a UTF-8 character, not within. NULL without memory. */
static char *copy_text(struct document_facts *facts, const char *text)
{
    size_t length = strnlen(text, TEXT_MAX);
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80) /* never so at the text's end */
        length--;
    return arena_copy(&facts->arena, text, length);
}

/* Of several senders the first that has a GLN counts: it is the one that tells the document's partner. */
static const char *choose(Epcis__V1__Partner *const *partners, size_t count, const char *otherwise)
{
    char gln[14];
    for (size_t i = 0; i < count; i++)
        if (gln_of(partners[i]->identifier, strlen(partners[i]->identifier), gln) == ERR_OK)
            return partners[i]->identifier;
    return count ? partners[0]->identifier : otherwise;
}

static char *gln_text(struct document_facts *facts, const char *identifier)
{
    char gln[14];
    return copy_text(facts, gln_of(identifier, strlen(identifier), gln) == ERR_OK ? gln : "");
}

static void take_header(struct document_facts *facts, const Epcis__V1__Document *document)
{
    Epcis__Wire__V1__DocumentFacts *out = &facts->message;
    static const Epcis__V1__StandardBusinessDocumentHeader none =
        EPCIS__V1__STANDARD_BUSINESS_DOCUMENT_HEADER__INIT;
    const Epcis__V1__StandardBusinessDocumentHeader *header = document->standard_business_document_header;
    out->has_header = header != NULL;
    header = header ? header : &none;
    const char *sender = choose(header->senders, header->n_senders, document->sender);
    const char *receiver = choose(header->receivers, header->n_receivers, document->receiver);
    out->sender = copy_text(facts, sender);
    out->sender_gln = gln_text(facts, sender);
    out->receiver = copy_text(facts, receiver);
    out->receiver_gln = gln_text(facts, receiver);
    out->instance_identifier =
        copy_text(facts, out->has_header ? header->instance_identifier : document->instance_identifier);
    out->type = copy_text(facts, header->type);
    out->creation_date_and_time =
        copy_text(facts, out->has_header ? header->creation_date_and_time : document->creation_date);
}

static bool take_guideline(struct document_facts *facts, const Epcis__V1__Document *document)
{
    Epcis__V1__Node *const *nodes = document->extensions;
    size_t count = document->n_extensions;
    const Epcis__V1__Node *version = dscsa_find(nodes, count, "guidelineVersion");
    const char *affirm = dscsa_statement_text(nodes, count, "affirmTransactionStatement");
    facts->message.has_drop_shipment = dscsa_find(nodes, count, "dropShipment") != NULL;
    facts->message.guideline_version = copy_text(facts, version ? version->text : "");
    if (!affirm)
        return true;
    Epcis__Wire__V1__TransactionStatement *statement = arena_alloc(&facts->arena, sizeof *statement);
    if (!statement)
        return false;
    epcis__wire__v1__transaction_statement__init(statement);
    statement->affirm = copy_text(facts, affirm);
    statement->legal_notice = copy_text(facts, dscsa_statement_text(nodes, count, "legalNotice"));
    facts->message.transaction_statement = statement;
    return statement->affirm && statement->legal_notice;
}

static enum err facts_build(const Epcis__V1__Document *document, size_t budget_bytes,
                            struct document_facts **out)
{
    struct document_facts *facts = calloc(1, sizeof *facts);
    if (!facts)
        return ERR_MEMORY;
    facts->references = 1;
    arena_init(&facts->arena, budget_bytes);
    Epcis__Wire__V1__DocumentFacts *message = &facts->message;
    epcis__wire__v1__document_facts__init(message);
    message->format = document->format;
    message->kind = document->kind;
    message->schema_version = copy_text(facts, document->schema_version);
    take_header(facts, document);
    bool complete = take_guideline(facts, document);
    if (!complete || !message->schema_version || !message->sender || !message->sender_gln ||
        !message->receiver || !message->receiver_gln || !message->instance_identifier || !message->type ||
        !message->creation_date_and_time || !message->guideline_version) {
        document_facts_release(&facts);
        return ERR_MEMORY;
    }
    *out = facts;
    return ERR_OK;
}

/* Built twice, for they are kept as long as the batch is filled, of each of its documents: the second time in
 * as little memory as they took the first time. */
enum err document_facts_new(const Epcis__V1__Document *document, struct document_facts **out)
{
    struct document_facts *measured;
    enum err err = facts_build(document, FACTS_BYTES, &measured);
    if (err)
        return err;
    size_t bytes = measured->arena.used_bytes;
    document_facts_release(&measured);
    return facts_build(document, bytes, out);
}

size_t document_facts_bytes(const struct document_facts *facts)
{
    return facts ? sizeof *facts + facts->arena.used_bytes : 0;
}

struct document_facts *document_facts_share(struct document_facts *facts)
{
    if (facts)
        facts->references++;
    return facts;
}

void document_facts_release(struct document_facts **facts)
{
    struct document_facts *self = *facts;
    *facts = NULL;
    if (!self || --self->references > 0)
        return;
    arena_free(&self->arena);
    free(self);
}

Epcis__Wire__V1__DocumentFacts *document_facts_message(struct document_facts *facts)
{
    return facts ? &facts->message : NULL;
}
