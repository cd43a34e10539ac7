#include "common/epcis/assembler.h"

#include <stdlib.h>
#include <string.h>

#include "common/epcis/event_text.h"

enum err assembler_init(struct assembler *assembler, const struct parser_limits *limits,
                        const struct parser_sink *sink)
{
    *assembler = (struct assembler){.limits = *limits, .sink = *sink};
    arena_init(&assembler->document_arena, limits->event_bytes);
    arena_init(&assembler->event_arena, limits->event_bytes);
    assembler->arena = &assembler->document_arena;
    assembler->frames = calloc(limits->depth ? limits->depth : 1, sizeof *assembler->frames);
    assembler->document = arena_alloc(&assembler->document_arena, sizeof *assembler->document);
    if (!assembler->frames || !assembler->document) {
        assembler_free(assembler);
        return ERR_MEMORY;
    }
    *assembler->document = (Epcis__V1__Document)EPCIS__V1__DOCUMENT__INIT;
    return ERR_OK;
}

void assembler_free(struct assembler *assembler)
{
    arena_free(&assembler->document_arena);
    arena_free(&assembler->event_arena);
    buffer_free(&assembler->text);
    buffer_free(&assembler->vocabulary_type);
    free(assembler->frames);
    assembler->frames = NULL;
}

static struct frame *top(struct assembler *assembler)
{
    return assembler->depth > 0 ? &assembler->frames[assembler->depth - 1] : NULL;
}

static struct frame *push(struct assembler *assembler, enum frame_kind kind,
                          const struct assembler_name *name)
{
    struct frame *frame = &assembler->frames[assembler->depth++];
    *frame = (struct frame){.kind = (uint8_t)kind, .local = name->local, .prefix = name->prefix};
    return frame;
}

static void push_part(struct assembler *assembler, const struct assembler_name *name, uint8_t context,
                      void *message)
{
    struct frame *frame = push(assembler, FRAME_PART, name);
    frame->context = context;
    frame->message = message;
    frame->extensions = grammar_contents[context].extensions;
}

static void push_node(struct assembler *assembler, const struct assembler_name *name,
                      const struct frame *parent, uint16_t extensions)
{
    struct frame target = *parent;
    target.extensions = extensions;
    Epcis__V1__Node *node =
        assembler_add_node(assembler, &target, EPCIS__V1__NODE_KIND__NODE_KIND_ELEMENT, name);
    if (!node) {
        assembler->skip++;
        return;
    }
    struct frame *frame = push(assembler, FRAME_NODE, name);
    frame->message = target.message;
    frame->extensions = extensions;
    frame->node = node;
    frame->node_depth = target.node_depth + 1;
}

/* "extension" and "baseExtension" only say that what is inside came with a later version of EPCIS. */
static void push_wrapper(struct assembler *assembler, const struct assembler_name *name,
                         const struct frame *parent)
{
    struct frame copy = *parent;
    struct frame *frame = push(assembler, copy.kind, name);
    *frame = copy;
    frame->local = name->local;
    frame->prefix = name->prefix;
    frame->children = 0;
    frame->end = END_NOTHING;
    frame->wrapper = true;
}

static void add_text_node(struct assembler *assembler, const struct frame *frame, const char *text,
                          size_t length)
{
    Epcis__V1__Node *node = assembler_add_node(assembler, frame, EPCIS__V1__NODE_KIND__NODE_KIND_TEXT, NULL);
    char *copy = node ? assembler_copy(assembler, text, length) : NULL;
    if (copy)
        node->text = copy;
}

/* Whether an element of another namespace stands in a part that takes text as well, as master data's
 * attributes do. XML's own attributes come first. */
static bool has_element_nodes(const struct frame *frame)
{
    if (!frame->extensions)
        return false;
    const char *list = (const char *)frame->message + frame->extensions;
    size_t count = *(const size_t *)list;
    Epcis__V1__Node *const *nodes = *(Epcis__V1__Node *const *const *)(list + sizeof count);
    return count > 0 && (nodes[count - 1]->kind != EPCIS__V1__NODE_KIND__NODE_KIND_ATTRIBUTE ||
                         nodes[count - 1]->depth > 0);
}

/* Puts the text collected in the top frame where it belongs: before a child element, or at its end. */
static void settle_text(struct assembler *assembler, struct frame *frame, bool at_end)
{
    size_t length = assembler->text.length;
    const char *text = length > 0 ? assembler_trim((const char *)assembler->text.data, &length) : "";
    assembler->text.length = 0;
    if (frame->kind == FRAME_LEAF) {
        const struct assembler_name name = {.local = frame->local, .prefix = frame->prefix};
        /* The path in an error is the parent's, then the name. */
        assembler->depth--;
        assembler_set(assembler, frame->message, frame->rule, &name, text, length);
        if (assembler->refused)
            assembler->skip++;
        else
            assembler->depth++;
    } else if (length == 0) {
        return;
    } else if (frame->kind == FRAME_NODE) {
        char *copy = NULL;
        if (!at_end || frame->children > 0 || frame->wrapper)
            add_text_node(assembler, frame, text, length);
        else if ((copy = assembler_copy(assembler, text, length)))
            frame->node->text = copy;
    } else if (has_element_nodes(frame)) {
        add_text_node(assembler, frame, text, length);
    } else if (grammar_contents[frame->context].text) {
        const struct grammar_rule rule = {SHAPE_TEXT, 0, 0, grammar_contents[frame->context].text};
        assembler_set(assembler, frame->message, &rule, NULL, text, length);
    }
}

static void give_document(struct assembler *assembler)
{
    if (assembler->document_given || assembler->err != ERR_OK)
        return;
    assembler->document_given = true;
    assembler->given = *assembler->document;
    if (assembler->sink.document)
        assembler->err = assembler->sink.document(assembler->sink.context, assembler->document);
}

/* The document, or what of it has come since it was handed on. */
static void give_all(struct assembler *assembler)
{
    static const size_t texts[] = {
        offsetof(Epcis__V1__Document, schema_version),
        offsetof(Epcis__V1__Document, creation_date),
        offsetof(Epcis__V1__Document, sender),
        offsetof(Epcis__V1__Document, receiver),
        offsetof(Epcis__V1__Document, query_name),
        offsetof(Epcis__V1__Document, subscription_id),
        offsetof(Epcis__V1__Document, instance_identifier),
    };
    const Epcis__V1__Document *given = &assembler->given, *document = assembler->document;
    Epcis__V1__Document late = EPCIS__V1__DOCUMENT__INIT;
    give_document(assembler);
    if (assembler->err != ERR_OK)
        return;
    late.n_extensions = document->n_extensions - given->n_extensions;
    if (late.n_extensions > 0) /* else there may be no list at all */
        late.extensions = document->extensions + given->n_extensions;
    if (!given->standard_business_document_header)
        late.standard_business_document_header = document->standard_business_document_header;
    bool any = late.n_extensions > 0 || late.standard_business_document_header;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *text = *(char *const *)((const char *)document + texts[i]);
        if (text == *(char *const *)((const char *)given + texts[i]))
            continue;
        *(char **)((char *)&late + texts[i]) = text;
        any = true;
    }
    if (any && assembler->sink.late)
        assembler->err = assembler->sink.late(assembler->sink.context, &late);
    assembler->given = *document;
}

/* What event and vocabulary element share: fresh memory and counts. */
static void begin_unit(struct assembler *assembler)
{
    assembler->arena = &assembler->event_arena;
    assembler->nodes = 0;
    assembler->epcs = 0;
    assembler->seen = 0;
}

static void end_unit(struct assembler *assembler)
{
    arena_reset(&assembler->event_arena);
    assembler->arena = &assembler->document_arena;
    assembler->nodes = 0;
}

/* An event whose very kind is unknown has type 0. */
static void begin_event(struct assembler *assembler, const struct assembler_name *name, uint8_t type)
{
    if (assembler->events >= assembler->limits.events) {
        assembler_fail_over(assembler, CAP_EVENTS, "the document has too many events");
        return;
    }
    if (assembler->depth == 0)
        assembler->document->kind = EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_EVENT;
    begin_unit(assembler);
    assembler->current = (struct parser_event){.index = assembler->events};
    assembler->locate(assembler->locate_context, true, &assembler->current.line,
                      &assembler->current.byte_offset);
    assembler->refused = false;
    assembler->event_frame = assembler->depth;
    Epcis__V1__Event *event = arena_alloc(assembler->arena, sizeof *event);
    if (!event) {
        assembler_fail(assembler, ERR_MEMORY, "out of memory");
        return;
    }
    *event = (Epcis__V1__Event)EPCIS__V1__EVENT__INIT;
    event->type = (Epcis__V1__EventType)type;
    assembler->event = event;
    if (assembler->depth > 0) /* not the document itself */
        assembler_check_extensions(assembler, name, 0);
    push_part(assembler, name, IN_EVENT, event);
    top(assembler)->end = END_EVENT;
}

static void begin_unknown_event(struct assembler *assembler, const struct assembler_name *name)
{
    begin_event(assembler, name, 0);
    assembler_refuse(
        assembler, ERR_INPUT, NULL, NULL,
        "%s is no event of EPCIS: ObjectEvent, AggregationEvent, TransactionEvent, TransformationEvent, "
        "AssociationEvent or QuantityEvent would be right",
        name->local);
}

static void end_event(struct assembler *assembler)
{
    uint64_t line, end_offset;
    assembler->locate(assembler->locate_context, false, &line, &end_offset);
    assembler->current.bytes = end_offset - assembler->current.byte_offset;
    assembler->current.event = assembler->refused ? NULL : assembler->event;
    give_document(assembler);
    if (assembler->err != ERR_OK)
        return;
    assembler->events++;
    if (assembler->sink.event)
        assembler->err = assembler->sink.event(assembler->sink.context, &assembler->current);
    assembler->event = NULL;
    assembler->refused = false;
    end_unit(assembler);
}

static void begin_vocabulary_element(struct assembler *assembler, const struct assembler_name *name)
{
    begin_unit(assembler);
    Epcis__V1__VocabularyElement *element = assembler_alloc(assembler, sizeof *element);
    if (!element)
        return;
    *element = (Epcis__V1__VocabularyElement)EPCIS__V1__VOCABULARY_ELEMENT__INIT;
    if (assembler->vocabulary_type.length > 0)
        element->type = (char *)assembler->vocabulary_type.data;
    push_part(assembler, name, IN_VOCABULARY_ELEMENT, element);
    top(assembler)->end = END_VOCABULARY_ELEMENT;
}

static void end_vocabulary_element(struct assembler *assembler, const void *element)
{
    give_document(assembler);
    if (assembler->err == ERR_OK && assembler->sink.vocabulary_element)
        assembler->err = assembler->sink.vocabulary_element(assembler->sink.context, element);
    end_unit(assembler);
}

static void begin_root(struct assembler *assembler, const struct assembler_name *name,
                       const struct grammar_rule *rule)
{
    assembler->document->kind = (Epcis__V1__DocumentKind)rule->detail;
    push_part(assembler, name, rule->context, assembler->document);
}

/* An element that the grammar knows here. */
static void start_known(struct assembler *assembler, const struct assembler_name *name, struct frame *parent,
                        const struct grammar_rule *rule)
{
    void *message = parent ? parent->message : NULL;
    if (assembler->event && parent && !assembler->point)
        assembler_check_place(assembler, name, parent, true);
    if (name->id == NAME_CERTIFICATION_INFO)
        assembler_check_certification(assembler, name);
    switch (rule->shape) {
    case SHAPE_ONCE:
        if (assembler->seen >> rule->context & 1) {
            assembler_refuse(assembler, ERR_INPUT, name, NULL,
                             "%s stands here a second time: once would be right", name->local);
            assembler->skip++;
            return;
        }
        assembler->seen |= (uint64_t)1 << rule->context;
        push_part(assembler, name, rule->context, message);
        return;
    case SHAPE_VOCABULARY:
        buffer_clear(&assembler->vocabulary_type);
        push_part(assembler, name, rule->context, message);
        return;
    case SHAPE_ENTER:
        if (rule->context == IN_BODY && assembler->body_seen)
            assembler_fail(assembler, ERR_INPUT, "%s stands here a second time: once would be right",
                           name->local);
        assembler->body_seen |= rule->context == IN_BODY;
        if (rule->context == IN_EVENT_LIST) /* even where it is empty: what is late must not hang on that */
            give_all(assembler);
        push_part(assembler, name, rule->context, message);
        return;
    case SHAPE_MESSAGE:
    case SHAPE_MESSAGES:
        message = assembler_add_message(assembler, message, rule, name);
        if (message)
            push_part(assembler, name, rule->context, message);
        else
            assembler->skip++;
        return;
    case SHAPE_NODES:
        push_node(assembler, name, parent, rule->offset);
        return;
    case SHAPE_ROOT:
        begin_root(assembler, name, rule);
        return;
    case SHAPE_EVENT:
        begin_event(assembler, name, rule->detail);
        return;
    case SHAPE_VOCABULARY_ELEMENT:
        begin_vocabulary_element(assembler, name);
        return;
    default:
        break;
    }
    struct frame *frame = push(assembler, FRAME_LEAF, name);
    frame->message = message;
    frame->rule = rule;
}

/* The JSON schema has any member in readPoint and bizLocation, the XSDs want a namespace there. */
bool assembler_takes_any_name(const struct assembler *assembler, uint8_t context)
{
    return grammar_contents[context].any_name || (assembler->point && context == IN_LOCATION);
}

/* In <extension> both schemas take any element without a namespace; in events, where what came with a later
 * version stands there, it is that of 1.2 alone, in the inner one of two. */
static bool in_extension_point(const struct assembler *assembler, const struct frame *parent)
{
    unsigned wrappers = 0, type = assembler->event ? (unsigned)assembler->event->type : 0;
    if (parent->wrapper &&
        (parent->context != IN_EVENT || type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_QUANTITY ||
         type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION))
        return true;
    for (uint32_t i = 0; assembler->event && i < assembler->depth; i++)
        wrappers += assembler->frames[i].wrapper;
    return wrappers >= 2;
}

/* An element that the grammar does not know here. */
static void start_unknown(struct assembler *assembler, const struct assembler_name *name,
                          struct frame *parent)
{
    const struct grammar_content *content = &grammar_contents[parent->context];
    bool any_name =
        assembler_takes_any_name(assembler, parent->context) || in_extension_point(assembler, parent);
    bool foreign = !name->home || (any_name && !name->uri[0]);
    /* A query document may hold a query, or an answer without events: elements of the query namespace. */
    bool query = assembler->document->kind == EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_QUERY_DOCUMENT;
    bool in_body = parent->context == IN_BODY && (!query || !name->uri[0]);
    if (parent->kind == FRAME_LEAF) {
        assembler_refuse(assembler, ERR_INPUT, name, NULL,
                         "element %s stands in %s: text alone would be right", name->local, parent->local);
        assembler->skip++;
    } else if (foreign && parent->extensions) {
        if (assembler->event && (name->uri[0] || content->childless) && !parent->wrapper && !assembler->point)
            assembler_check_place(assembler, name, parent, false);
        if (content->closed)
            assembler_note(assembler, name, "%s stands in %s, which has no extensions: none would be right",
                           name->local, parent->local);
        push_node(assembler, name, parent, parent->extensions);
    } else if (parent->context == IN_EVENT_LIST) {
        begin_unknown_event(assembler, name);
    } else if (assembler->event) {
        assembler_refuse_unknown(assembler, name, parent);
        assembler->skip++;
    } else if (!foreign && (parent->context == IN_DOCUMENT || in_body)) {
        assembler_fail(assembler, ERR_INPUT, "%s %s is not known in %s: %s would be right",
                       assembler->point ? "member" : "element", name->local, parent->local,
                       !in_body           ? "EPCISHeader or EPCISBody"
                       : query            ? "QueryResults"
                       : assembler->point ? "eventList"
                                          : "EventList");
    } else {
        assembler->skip++;
    }
}

static void start_root(struct assembler *assembler, const struct assembler_name *name)
{
    const struct grammar_rule *rule = &grammar[IN_NOTHING][name->id];
    if (name->home && rule->shape != SHAPE_UNKNOWN)
        start_known(assembler, name, NULL, rule);
    else
        assembler_fail(
            assembler, ERR_INPUT,
            "the root element is %s: EPCISDocument or EPCISQueryDocument in the namespace "
            "urn:epcglobal:epcis:xsd:1 or :2 (or urn:epcglobal:epcis-query:xsd:1 or :2) would be right",
            name->local);
}

void assembler_declare(struct assembler *assembler, const char *prefix, const char *uri)
{
    Epcis__V1__Document *document = assembler->document;
    struct arena *arena = &assembler->document_arena;
    size_t count = document->n_namespaces;
    if (assembler->err != ERR_OK || assembler->document_given)
        return;
    if ((count & (count - 1)) == 0) { /* room doubles at each power of two */
        Epcis__V1__Namespace **grown =
            arena_alloc(arena, (count ? 2 * count : 1) * sizeof(Epcis__V1__Namespace *));
        if (grown && count > 0)
            memcpy(grown, document->namespaces, count * sizeof *grown);
        document->namespaces = grown;
    }
    Epcis__V1__Namespace *declared = document->namespaces ? arena_alloc(arena, sizeof *declared) : NULL;
    if (declared) {
        epcis__v1__namespace__init(declared);
        declared->prefix = arena_copy(arena, prefix, strlen(prefix));
        declared->uri = arena_copy(arena, uri, strlen(uri));
    }
    if (!declared || !declared->prefix || !declared->uri) {
        document->n_namespaces = 0;
        assembler_refuse_memory(assembler, arena);
        return;
    }
    document->namespaces[document->n_namespaces++] = declared;
}

void assembler_start(struct assembler *assembler, const struct assembler_name *name)
{
    if (assembler->err != ERR_OK)
        return;
    if (assembler->depth + assembler->skip >= assembler->limits.depth) {
        assembler_fail_over(assembler, CAP_DEPTH, "elements are nested too deep");
        return;
    }
    if (assembler->skip > 0 || assembler->refused) {
        assembler->skip++;
        return;
    }
    struct frame *parent = top(assembler);
    if (!parent) {
        start_root(assembler, name);
        return;
    }
    if (assembler->text.length > 0 && parent->kind != FRAME_LEAF)
        settle_text(assembler, parent, false);
    if (assembler->err != ERR_OK || assembler->refused) {
        assembler->skip += assembler->refused;
        return;
    }
    parent->children++;
    if ((name->id == NAME_EXTENSION || name->id == NAME_BASE_EXTENSION) && name->home &&
        parent->kind != FRAME_LEAF) {
        push_wrapper(assembler, name, parent);
        return;
    }
    if (parent->kind == FRAME_NODE) {
        push_node(assembler, name, parent, parent->extensions);
        return;
    }
    const struct grammar_rule *rule = &grammar[parent->context][name->id];
    if (parent->kind == FRAME_PART && name->home && rule->shape != SHAPE_UNKNOWN)
        start_known(assembler, name, parent, rule);
    else
        start_unknown(assembler, name, parent);
}

static bool is_blank(const char *text, size_t length)
{
    assembler_trim(text, &length);
    return length == 0;
}

void assembler_text(struct assembler *assembler, const char *text, size_t length)
{
    struct frame *frame = top(assembler);
    if (assembler->err != ERR_OK || assembler->skip > 0 || assembler->refused || !frame)
        return;
    if (frame->kind == FRAME_PART && !grammar_contents[frame->context].text) {
        if (assembler->event && !is_blank(text, length))
            assembler_refuse(assembler, ERR_INPUT, NULL, NULL,
                             "text stands in %s: elements alone would be right", frame->local);
        return;
    }
    if (length > assembler->limits.text_bytes - assembler->text.length) {
        assembler_refuse_over(assembler, CAP_TEXT, NULL, "the text of %s is too long", frame->local);
        return;
    }
    buffer_append(&assembler->text, text, length);
    if (assembler->text.failed)
        assembler_fail(assembler, ERR_MEMORY, "out of memory");
}

void assembler_node_value(struct assembler *assembler, Epcis__V1__ValueType type, bool in_array)
{
    struct frame *frame = top(assembler);
    if (assembler->err != ERR_OK || assembler->skip > 0 || assembler->refused || !frame ||
        frame->kind != FRAME_NODE)
        return;
    frame->node->value_type = type;
    frame->node->in_array = in_array;
}

void assembler_end(struct assembler *assembler)
{
    if (assembler->err != ERR_OK)
        return;
    if (assembler->skip > 0) {
        assembler->skip--;
        return;
    }
    struct frame *frame = top(assembler);
    if (!assembler->refused && (assembler->text.length > 0 || frame->kind == FRAME_LEAF))
        settle_text(assembler, frame, true);
    assembler->text.length = 0;
    if (assembler->err != ERR_OK)
        return;
    if (assembler->skip > 0) { /* its own text refused the event */
        assembler->skip--;
        return;
    }
    if (assembler->event && !assembler->point && frame->kind == FRAME_PART && !frame->wrapper &&
        grammar_contents[frame->context].filled && frame->children == 0)
        assembler_note(assembler, NULL, "%s is empty: at least one entry would be right", frame->local);
    enum frame_end end = frame->end;
    const void *message = frame->message;
    if (end == END_EVENT)
        end_event(assembler);
    else if (end == END_VOCABULARY_ELEMENT)
        end_vocabulary_element(assembler, message);
    assembler->depth--;
    if (frame->wrapper) { /* what was inside stands in the element around it */
        frame[-1].order = frame->order;
        frame[-1].last = frame->last;
    }
}

void assembler_finish(struct assembler *assembler)
{
    if (assembler->err == ERR_OK)
        give_all(assembler);
}
