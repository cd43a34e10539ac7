#include "server/dead_letter_document.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/epcis/annotation.h"
#include "common/epcis/event_text.h"
#include "common/epcis/parser.h"
#include "common/epcis/writer.h"

/* A person's correction is one event: far less than a partner's document may take. */
enum { CORRECTED_EVENT_BYTES = 32 << 20, CORRECTED_INFLATED_BYTES = 16 << 20 };

struct rewriting {
    struct writer *writer;
    uint64_t events;
    bool begun; /* the head is written */
    char *why;  /* DEAD_LETTER_WHY bytes */
};

static enum err append(void *context, const void *data, size_t bytes)
{
    struct buffer *out = context;
    buffer_append(out, data, bytes);
    return out->failed ? ERR_MEMORY : ERR_OK;
}

/* The extensions without annotations: a tree is its root and all deeper nodes that follow it. */
static size_t without_annotations(Epcis__V1__Node *const *nodes, size_t count, Epcis__V1__Node **out)
{
    size_t kept = 0;
    bool annotation = false;
    for (size_t i = 0; i < count; i++) {
        if (nodes[i]->depth == 0)
            annotation = strcmp(nodes[i]->namespace_uri, ANNOTATION_URI) == 0;
        if (!annotation)
            out[kept++] = nodes[i];
    }
    return kept;
}

static enum err write_plain(struct writer *writer, const Epcis__V1__Event *event, const char **reason)
{
    Epcis__V1__Event plain = *event;
    plain.extensions = malloc((event->n_extensions + 1) * sizeof(Epcis__V1__Node *));
    if (!plain.extensions)
        return ERR_MEMORY;
    plain.n_extensions = without_annotations(event->extensions, event->n_extensions, plain.extensions);
    enum err err = writer_event(writer, &plain, reason);
    free(plain.extensions);
    return err;
}

enum err dead_letter_json(const Epcis__V1__Event *event, struct buffer *out)
{
    Epcis__V1__Document bare = EPCIS__V1__DOCUMENT__INIT;
    struct writer *writer = NULL;
    const char *reason;
    size_t length = out->length;
    bare.kind = EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_EVENT;
    enum err err = writer_open(WRITER_JSON_2, append, out, &writer);
    if (!err)
        err = writer_document(writer, &bare);
    if (!err)
        err = write_plain(writer, event, &reason);
    if (!err)
        err = writer_finish(writer);
    writer_close(&writer);
    if (err)
        out->length = length;
    return err;
}

/* ---- documents -------------------------------------------------------------------------------------- */

static char *first_of(char *given, Epcis__V1__Partner *const *partners, size_t count)
{
    return given[0] || count == 0 ? given : partners[0]->identifier;
}

/* Who sent what to whom stays as the document said it: rules look at it. */
static void copy_head(const Epcis__V1__Document *from, Epcis__V1__Document *document)
{
    static const Epcis__V1__StandardBusinessDocumentHeader none =
        EPCIS__V1__STANDARD_BUSINESS_DOCUMENT_HEADER__INIT;
    const Epcis__V1__StandardBusinessDocumentHeader *header = from->standard_business_document_header;
    if (!header)
        header = &none;
    document->sender = first_of(from->sender, header->senders, header->n_senders);
    document->receiver = first_of(from->receiver, header->receivers, header->n_receivers);
    document->namespaces = from->namespaces;
    document->n_namespaces = from->n_namespaces;
}

/* `from` is the document that the event comes out of, or NULL. */
static enum err write_head(struct rewriting *rewriting, const Epcis__V1__Document *from)
{
    Epcis__V1__Document document = EPCIS__V1__DOCUMENT__INIT;
    char identifier[sizeof "urn:uuid:" + UUID_TEXT] = "urn:uuid:", now[EVENT_TIME_TEXT];
    uint8_t uuid[UUID_BYTES];
    Epcis__V1__Time time = EPCIS__V1__TIME__INIT;
    int64_t now_ms = clock_wall_ms();
    enum err err = uuid_make(uuid);
    if (err)
        return err;
    uuid_text(uuid, identifier + strlen(identifier));
    time.seconds = now_ms / 1000;
    time.nanos = (uint32_t)(now_ms % 1000) * 1000000;
    time.fraction_digits = 3;
    event_time_text(&time, now);
    document.kind = EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_DOCUMENT;
    document.creation_date = now;
    document.instance_identifier = identifier;
    if (from)
        copy_head(from, &document);
    rewriting->begun = true;
    return writer_document(rewriting->writer, &document);
}

static enum err write_event(struct rewriting *rewriting, const Epcis__V1__Event *event)
{
    const char *reason = "";
    enum err err = write_plain(rewriting->writer, event, &reason);
    if (err == ERR_INPUT)
        snprintf(rewriting->why, DEAD_LETTER_WHY, "the event cannot be written as JSON-LD: %s", reason);
    return err;
}

static enum err take_document(void *context, const Epcis__V1__Document *document)
{
    return write_head(context, document);
}

/* What JSON-LD cannot say of master data is left out, as the event does not depend on it. */
static enum err take_vocabulary_element(void *context, const Epcis__V1__VocabularyElement *element)
{
    struct rewriting *rewriting = context;
    const char *reason;
    enum err err = writer_vocabulary_element(rewriting->writer, element, &reason);
    return err == ERR_INPUT ? ERR_OK : err;
}

/* The head of the original is all that is wanted of it. */
static enum err stop_at_event(void *context, const struct parser_event *event)
{
    (void)context, (void)event;
    return ERR_STOPPED;
}

/* What can be read of the original's first bytes goes in front of the event: what breaks off there is no
 * error, as the event itself was read from it. */
static enum err write_original_head(struct rewriting *rewriting, const void *head, size_t bytes)
{
    struct parser_sink sink = {.context = rewriting,
                               .document = take_document,
                               .vocabulary_element = take_vocabulary_element,
                               .event = stop_at_event};
    struct parser *parser = NULL;
    enum err err = parser_open(&PARSER_LIMITS_DEFAULT, &sink, &parser);
    if (!err)
        err = parser_feed(parser, head, bytes);
    parser_close(&parser);
    if (err == ERR_INPUT || err == ERR_LIMIT || err == ERR_STOPPED)
        err = ERR_OK;
    return err || rewriting->begun ? err : write_head(rewriting, NULL);
}

enum err dead_letter_document(const Epcis__V1__Event *event, const void *head, size_t head_bytes,
                              struct buffer *out, char why[DEAD_LETTER_WHY])
{
    struct rewriting rewriting = {0};
    rewriting.why = why;
    enum err err = writer_open(WRITER_JSON_2, append, out, &rewriting.writer);
    if (!err)
        err = write_original_head(&rewriting, head, head_bytes);
    if (!err)
        err = write_event(&rewriting, event);
    if (!err)
        err = writer_finish(rewriting.writer);
    writer_close(&rewriting.writer);
    return err;
}

/* ---- corrections ------------------------------------------------------------------------------------ */

static enum err take_event(void *context, const struct parser_event *event)
{
    struct rewriting *rewriting = context;
    if (event->error) {
        snprintf(rewriting->why, DEAD_LETTER_WHY, "the event at line %" PRIu64 " is no event: %s: %.160s",
                 event->error->line, event->error->code, event->error->message);
        return ERR_INPUT;
    }
    if (rewriting->events++ > 0) {
        snprintf(rewriting->why, DEAD_LETTER_WHY,
                 "it holds a second event at line %" PRIu64 ": exactly one is expected", event->line);
        return ERR_INPUT;
    }
    return write_event(rewriting, event->event);
}

/* ERR_INPUT with its reason in `why`, whether the sink or the parser found it. */
static enum err read_corrected(struct parser *parser, const void *data, size_t bytes,
                               const struct rewriting *rewriting)
{
    enum err err = parser_feed(parser, data, bytes);
    if (!err)
        err = parser_finish(parser);
    if (!err && rewriting->events == 0) {
        snprintf(rewriting->why, DEAD_LETTER_WHY, "it holds no event: exactly one is expected");
        return ERR_INPUT;
    }
    if ((err != ERR_INPUT && err != ERR_LIMIT) || rewriting->why[0])
        return err;
    const struct parser_error *error = parser_error(parser);
    snprintf(rewriting->why, DEAD_LETTER_WHY, "line %" PRIu64 ": %s: %.180s", error->line, error->code,
             error->message);
    return ERR_INPUT;
}

enum err dead_letter_document_corrected(const void *data, size_t bytes, struct buffer *out,
                                        char why[DEAD_LETTER_WHY])
{
    struct rewriting rewriting = {.why = why};
    struct parser_sink sink = {.context = &rewriting,
                               .document = take_document,
                               .vocabulary_element = take_vocabulary_element,
                               .event = take_event};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    struct parser *parser = NULL;
    limits.event_bytes = CORRECTED_EVENT_BYTES;
    limits.inflated_bytes = CORRECTED_INFLATED_BYTES;
    why[0] = '\0';
    enum err err = writer_open(WRITER_JSON_2, append, out, &rewriting.writer);
    if (!err)
        err = parser_open(&limits, &sink, &parser);
    if (!err)
        err = read_corrected(parser, data, bytes, &rewriting);
    if (!err)
        err = writer_finish(rewriting.writer);
    parser_close(&parser);
    writer_close(&rewriting.writer);
    return err;
}
