#include "server/partner.h"

#include <string.h>

#include "common/epcis/parser.h"
#include "common/gs1/epc.h"

static enum err gln_or_nothing(const char *text, char out[JOURNAL_PARTNER])
{
    return gln_of(text, strlen(text), out);
}

static enum err look_at_document(void *context, const Epcis__V1__Document *document)
{
    char *out = context;
    const Epcis__V1__StandardBusinessDocumentHeader *header = document->standard_business_document_header;
    for (size_t i = 0; header && i < header->n_senders; i++)
        if (gln_or_nothing(header->senders[i]->identifier, out) == ERR_OK)
            return ERR_STOPPED;
    return gln_or_nothing(document->sender, out) == ERR_OK ? ERR_STOPPED : ERR_OK;
}

static enum err look_at_event(void *context, const struct parser_event *event)
{
    for (size_t i = 0; event->event && i < event->event->n_source_list; i++) {
        const Epcis__V1__Source *source = event->event->source_list[i];
        if (strcmp(source->type, "owning_party") == 0 && gln_or_nothing(source->source, context) == ERR_OK)
            return ERR_STOPPED;
    }
    return ERR_OK;
}

void partner_find(const void *data, size_t bytes, char out[JOURNAL_PARTNER])
{
    enum { STEP_BYTES = 4096 }; /* the header is near the front: read no more than it takes */
    out[0] = '\0';
    struct parser_sink sink = {.context = out, .document = look_at_document, .event = look_at_event};
    struct parser *parser = NULL;
    if (parser_open(&PARSER_LIMITS_DEFAULT, &sink, &parser))
        return;
    const char *next = data;
    while (bytes > 0) {
        size_t step = bytes < STEP_BYTES ? bytes : STEP_BYTES;
        if (parser_feed(parser, next, step)) /* found, or malformed: the converter will say so */
            break;
        next += step;
        bytes -= step;
    }
    parser_close(&parser);
}

uint32_t partner_partition(const char *partner)
{
    if (!*partner)
        return 0;
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = partner; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    return 1 + hash % (PARTNER_PARTITIONS - 1);
}
