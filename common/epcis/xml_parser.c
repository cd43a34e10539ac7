/* EPCIS 1.2 and 2.0 XML, through libxml2's push interface with SAX2 handlers of our own: no tree, no DTD,
 * no entity but the five. The only user of libxml2. */
#include "common/epcis/syntax.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

enum {
    PIECE_BYTES = 16 * 1024,     /* fed to libxml2 at once */
    PENDING_SLACK = 64 * 1024,   /* markup beyond the text of one attribute */
    NAME_BYTES_MAX = 256 * 1024, /* of all different names and namespaces in a document */
    NAME_SLOTS = 512,            /* power of two, several times NAME_COUNT */
};

static const char *const home_uris[] = {
    grammar_sbdh_uri,
    "urn:epcglobal:epcis:xsd:1",
    "urn:epcglobal:epcis:xsd:2",
    "urn:epcglobal:epcis-query:xsd:1",
    "urn:epcglobal:epcis-query:xsd:2",
    "urn:epcglobal:epcis-masterdata:xsd:1",
    "urn:epcglobal:epcis-masterdata:xsd:2",
};
enum { HOME_COUNT = sizeof home_uris / sizeof home_uris[0] };

/* libxml2 keeps one copy of each name in its dictionary, so a name is known by its address. */
struct name_slot {
    const xmlChar *text;
    uint8_t id;
};

struct xml_parser {
    struct assembler *assembler;
    xmlParserCtxtPtr context;
    struct name_slot names[NAME_SLOTS];
    const xmlChar *homes[HOME_COUNT];
    bool finishing;
};

/* ---- libxml2's memory ---- */

/* libxml2 does not always say that it got no memory: names that it could not keep are a syntax error to it.
 * So what it is given is watched, during each call of it. */
static _Thread_local bool memory_refused;

static void *watch(void *memory)
{
    memory_refused |= !memory;
    return memory;
}

static void *watched_malloc(size_t bytes)
{
    return watch(malloc(bytes));
}

static void *watched_realloc(void *memory, size_t bytes)
{
    return watch(realloc(memory, bytes));
}

static char *watched_strdup(const char *text)
{
    return watch(strdup(text));
}

static void init_libxml2(void)
{
    xmlMemSetup(free, watched_malloc, watched_realloc, watched_strdup);
    xmlInitParser();
}

static bool check_memory(struct xml_parser *parser)
{
    if (memory_refused)
        assembler_fail(parser->assembler, ERR_MEMORY, "out of memory");
    return !memory_refused;
}

/* ---- names ---- */

static size_t slot_of(const xmlChar *text)
{
    uintptr_t address = (uintptr_t)text;
    return (address ^ address >> 9) & (NAME_SLOTS - 1);
}

static enum grammar_name find_name(const struct xml_parser *parser, const xmlChar *text)
{
    for (size_t i = slot_of(text); parser->names[i].text; i = (i + 1) & (NAME_SLOTS - 1))
        if (parser->names[i].text == text)
            return parser->names[i].id;
    return NAME_UNKNOWN;
}

static bool fill_names(struct xml_parser *parser)
{
    xmlDictPtr dictionary = parser->context->dict;
    for (int id = NAME_UNKNOWN + 1; id < NAME_COUNT; id++) {
        const xmlChar *text = xmlDictLookup(dictionary, (const xmlChar *)grammar_spellings[id], -1);
        if (!text)
            return false;
        size_t i = slot_of(text);
        while (parser->names[i].text)
            i = (i + 1) & (NAME_SLOTS - 1);
        parser->names[i] = (struct name_slot){text, (uint8_t)id};
    }
    for (size_t i = 0; i < HOME_COUNT; i++) {
        parser->homes[i] = xmlDictLookup(dictionary, (const xmlChar *)home_uris[i], -1);
        if (!parser->homes[i])
            return false;
    }
    return true;
}

static bool is_home(const struct xml_parser *parser, const xmlChar *uri)
{
    if (!uri)
        return true;
    for (size_t i = 0; i < HOME_COUNT; i++)
        if (parser->homes[i] == uri)
            return true;
    return false;
}

static struct assembler_name make_name(const struct xml_parser *parser, const xmlChar *local,
                                       const xmlChar *prefix, const xmlChar *uri)
{
    return (struct assembler_name){
        .id = find_name(parser, local),
        .home = is_home(parser, uri),
        .uri = uri ? (const char *)uri : "",
        .local = (const char *)local,
        .prefix = prefix ? (const char *)prefix : "",
    };
}

/* Called from inside libxml2, which then goes on to the end of the piece in silence. (xmlStopParser would
 * free its input under its feet: it crashes where an error arises while encodings are switched.) */
static void stop_on_error(struct xml_parser *parser)
{
    if (parser->assembler->err != ERR_OK)
        parser->context->disableSAX = 1;
}

/* At the start of a tag libxml2 stands at the tag's end: back to its "<", which cannot stand inside. */
static void locate(void *context, bool start, uint64_t *line, uint64_t *byte_offset)
{
    const struct xml_parser *parser = context;
    const xmlParserInput *input = parser->context->input;
    *line = 1;
    *byte_offset = 0;
    if (!input)
        return;
    const xmlChar *at = input->cur;
    *line = (uint64_t)input->line;
    while (start && at > input->base && *at != '<') {
        at--;
        if (*at == '\n')
            (*line)--;
    }
    *byte_offset = input->consumed + (uint64_t)(at - input->base);
}

/* What is declared on the present element and those around it, innermost last. */
static const char *namespace_of(void *context, const char *prefix, size_t length)
{
    const struct xml_parser *parser = context;
    for (int i = parser->context->nsNr - 2; i >= 0; i -= 2) {
        const char *declared = (const char *)parser->context->nsTab[i];
        if (length == 0 ? !declared
                        : declared && strncmp(declared, prefix, length) == 0 && declared[length] == '\0')
            return (const char *)parser->context->nsTab[i + 1];
    }
    return NULL;
}

static void check_root(struct xml_parser *parser, const struct assembler_name *name)
{
    Epcis__V1__Document *document = parser->assembler->document;
    const char *version = document->schema_version;
    size_t length = strlen(name->uri);
    bool one = version[0] ? version[0] == '1' : length > 0 && name->uri[length - 1] == '1';
    document->format = one ? EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_XML_1
                           : EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_XML_2;
    if (!name->uri[0] && !parser->assembler->event)
        assembler_fail(
            parser->assembler, ERR_INPUT,
            "%s has no namespace: urn:epcglobal:epcis:xsd:1 or urn:epcglobal:epcis:xsd:2 would be right",
            name->local);
    else if (version[0] && ((version[0] != '1' && version[0] != '2') || (version[1] && version[1] != '.')))
        assembler_fail(parser->assembler, ERR_INPUT, "schemaVersion is \"%.32s\": 1.0 to 2.0 would be right",
                       version);
}

/* Those of foreign elements; what EPCIS itself declares goes without saying. */
static void declare_namespaces(struct xml_parser *parser, int count, const xmlChar **namespaces)
{
    for (int i = 0; i < count; i++) {
        const xmlChar *prefix = namespaces[2 * i], *uri = namespaces[2 * i + 1];
        if (prefix && uri && !make_name(parser, prefix, prefix, uri).home)
            assembler_declare(parser->assembler, (const char *)prefix, (const char *)uri);
    }
}

static void on_start_element(void *context, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri,
                             int namespace_count, const xmlChar **namespaces, int attribute_count,
                             int defaulted, const xmlChar **attributes)
{
    struct xml_parser *parser = context;
    struct assembler *assembler = parser->assembler;
    (void)defaulted;
    struct assembler_name name = make_name(parser, local, prefix, uri);
    bool root = assembler->depth == 0 && assembler->skip == 0;
    if ((uint32_t)namespace_count + (uint32_t)attribute_count > assembler->limits.attributes)
        assembler_fail_over(assembler, CAP_ATTRIBUTES, "%s has too many attributes", name.local);
    assembler_start(assembler, &name);
    for (int i = 0; i < attribute_count; i++) {
        const xmlChar **attribute = attributes + (ptrdiff_t)5 * i;
        struct assembler_name attribute_name = make_name(parser, attribute[0], attribute[1], attribute[2]);
        assembler_attribute(assembler, &attribute_name, (const char *)attribute[3],
                            (size_t)(attribute[4] - attribute[3]));
    }
    if (root && assembler->err == ERR_OK) {
        check_root(parser, &name);
        declare_namespaces(parser, namespace_count, namespaces);
    }
    stop_on_error(parser);
}

static void on_end_element(void *context, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
    struct xml_parser *parser = context;
    (void)local;
    (void)prefix;
    (void)uri;
    if (check_memory(parser)) /* before anything of it is handed on */
        assembler_end(parser->assembler);
    stop_on_error(parser);
}

static void on_text(void *context, const xmlChar *text, int length)
{
    struct xml_parser *parser = context;
    assembler_text(parser->assembler, (const char *)text, (size_t)length);
    stop_on_error(parser);
}

static void refuse_doctype(struct xml_parser *parser)
{
    assembler_fail(
        parser->assembler, ERR_INPUT,
        "a document type declaration that declares or names anything is not allowed: none would be right");
    stop_on_error(parser);
}

/* The bare <!DOCTYPE name> that some programs write says nothing. */
static void on_doctype(void *context, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    (void)name;
    if (external || system)
        refuse_doctype(context);
}

static void on_entity(void *context, const xmlChar *name, int type, const xmlChar *public_id,
                      const xmlChar *system_id,
                      xmlChar *content) /* NOLINT(readability-non-const-parameter): libxml2's type */
{
    (void)name;
    (void)type;
    (void)public_id;
    (void)system_id;
    (void)content;
    refuse_doctype(context);
}

static void on_element_declaration(void *context, const xmlChar *name, int type, xmlElementContentPtr content)
{
    (void)name;
    (void)type;
    (void)content;
    refuse_doctype(context);
}

static void on_attribute_declaration(void *context, const xmlChar *element, const xmlChar *name, int type,
                                     int kind, const xmlChar *value, xmlEnumerationPtr values)
{
    (void)element;
    (void)name;
    (void)type;
    (void)kind;
    (void)value;
    xmlFreeEnumeration(values); /* the handler's to free */
    refuse_doctype(context);
}

static void on_notation(void *context, const xmlChar *name, const xmlChar *public_id,
                        const xmlChar *system_id)
{
    (void)name;
    (void)public_id;
    (void)system_id;
    refuse_doctype(context);
}

static void on_unparsed_entity(void *context, const xmlChar *name, const xmlChar *public_id,
                               const xmlChar *system_id, const xmlChar *notation)
{
    (void)notation;
    on_notation(context, name, public_id, system_id);
}

static void on_start_document(void *context)
{
    static const char *const known[] = {"UTF-8",    "UTF8",        "UTF-16",      "UTF-16LE",
                                        "UTF-16BE", "US-ASCII",    "ASCII",       "ISO-8859-1",
                                        "latin1",   "ISO-8859-15", "windows-1252"};
    struct xml_parser *parser = context;
    const char *declared = (const char *)parser->context->encoding;
    bool found = !declared;
    for (size_t i = 0; !found && i < sizeof known / sizeof known[0]; i++)
        found = strcasecmp(declared, known[i]) == 0;
    if (!found)
        assembler_fail(
            parser->assembler, ERR_INPUT,
            "encoding \"%.32s\" is not read: UTF-8 (or UTF-16, ISO-8859-1, US-ASCII) would be right",
            declared);
    stop_on_error(parser);
}

/* What is right, where the parser's own words do not tell a partner what to do; NULL: they do. */
static const char *advice(int code, const char *message)
{
    static const char not_utf8[] = "Input is not proper UTF-8";
    if (message && strncmp(message, not_utf8, sizeof not_utf8 - 1) == 0)
        code = XML_ERR_INVALID_ENCODING; /* libxml2 gives it the code of a character that XML has not */
    switch (code) {
    case XML_ERR_DOCUMENT_EMPTY:
        return "the document is neither XML nor JSON: an EPCISDocument in XML, or in JSON as UTF-8, would be "
               "right";
    case XML_ERR_ENTITYREF_SEMICOL_MISSING:
    case XML_ERR_NAME_REQUIRED:
        return "a bare & stands in a text, or < in front of something that is no name: &amp; or &lt; would "
               "be "
               "right";
    case XML_ERR_UNDECLARED_ENTITY:
        return "an entity stands here that is none of XML's five (&amp; &lt; &gt; &quot; &apos;): the "
               "character "
               "itself, or its number as in &#160;, would be right";
    case XML_ERR_INVALID_ENCODING:
        return "a text is not in the encoding that the document declares, or that it has without a "
               "declaration "
               "(UTF-8): the declaration of the one that it is in would be right";
    default:
        return NULL;
    }
}

static void report(struct xml_parser *parser, int code, const char *message)
{
    struct assembler *assembler = parser->assembler;
    const xmlParserInput *input = parser->context->input;
    if (!check_memory(parser))
        return;
    bool at_end = parser->finishing && (!input || input->cur >= input->end);
    /* Of a text that ends too early libxml2 says that it goes on too long. */
    if (parser->finishing &&
        assembler->document->kind == EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_UNSPECIFIED &&
        code != XML_ERR_DOCUMENT_EMPTY)
        message = "it ends before its root element is complete";
    int length = message ? (int)strcspn(message, "\n") : 0;
    if (xmlDictGetUsage(parser->context->dict) > NAME_BYTES_MAX)
        assembler_fail(assembler, ERR_LIMIT,
                       "different names and namespaces take more than %d bytes: fewer would be right",
                       (int)NAME_BYTES_MAX);
    else if (at_end && assembler->depth > 0)
        assembler_fail(assembler, ERR_INPUT, "the document is cut off inside %s: its end tag would be right",
                       assembler->frames[assembler->depth - 1].local);
    else if (advice(code, message))
        assembler_fail(assembler, ERR_INPUT, "%s", advice(code, message));
    else
        assembler_fail(assembler, ERR_INPUT,
                       "the document is not well-formed XML: %.*s: mending that would be right", length,
                       message ? message : "");
}

/* Also what libxml2 says while it converts encodings, outside of any parser: that would go to standard
 * error. */
static void on_error(void *context, xmlErrorPtr error)
{
    struct xml_parser *parser = context;
    if (error->level < XML_ERR_ERROR || parser->assembler->err != ERR_OK || !parser->context)
        return;
    if (error->code == XML_ERR_NO_MEMORY && xmlDictGetUsage(parser->context->dict) <= NAME_BYTES_MAX)
        assembler_fail(parser->assembler, ERR_MEMORY, "out of memory");
    else
        report(parser, error->code, error->message);
    stop_on_error(parser);
}

/* Around each call of libxml2: whose the thread's errors were before. */
struct hook {
    xmlStructuredErrorFunc function;
    void *context;
};

static struct hook hook_errors(struct xml_parser *parser)
{
    struct hook before = {xmlStructuredError, xmlStructuredErrorContext};
    xmlSetStructuredErrorFunc(parser, on_error);
    memory_refused = false;
    return before;
}

static void unhook_errors(const struct hook *before)
{
    xmlSetStructuredErrorFunc(before->context, before->function);
}

static const xmlSAXHandler handlers = {
    .initialized = XML_SAX2_MAGIC,
    .internalSubset = on_doctype,
    .entityDecl = on_entity,
    .elementDecl = on_element_declaration,
    .attributeDecl = on_attribute_declaration,
    .notationDecl = on_notation,
    .unparsedEntityDecl = on_unparsed_entity,
    .startDocument = on_start_document,
    .startElementNs = on_start_element,
    .endElementNs = on_end_element,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_text,
    .serror = on_error,
};

static void xml_close(void *state)
{
    struct xml_parser *parser = state;
    if (!parser)
        return;
    /* libxml2 makes a document for entities that it reads behind a refused document type. */
    if (parser->context)
        xmlFreeDoc(parser->context->myDoc);
    xmlFreeParserCtxt(parser->context);
    xmlResetLastError(); /* which has texts of its own */
    free(parser);
}

static void *xml_open(struct assembler *assembler)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_libxml2);
    struct xml_parser *parser = calloc(1, sizeof *parser);
    if (!parser)
        return NULL;
    parser->assembler = assembler;
    xmlSAXHandler copy = handlers; /* libxml2 copies it once more */
    struct hook before = hook_errors(parser);
    parser->context = xmlCreatePushParserCtxt(&copy, parser, NULL, 0, NULL);
    bool filled = parser->context && fill_names(parser);
    unhook_errors(&before);
    if (!filled) {
        xml_close(parser);
        return NULL;
    }
    /* NOENT: without it an "&amp;" in an attribute or namespace comes as "&#38;". There is no entity but the
     * five. */
    xmlCtxtUseOptions(parser->context, XML_PARSE_NONET | XML_PARSE_NOENT);
    xmlDictSetLimit(parser->context->dict, NAME_BYTES_MAX);
    assembler->locate = locate;
    assembler->namespace_of = namespace_of;
    assembler->locate_context = parser;
    return parser;
}

/* Attributes in a tag that is not complete yet; `length` bytes of it are there. */
static uint32_t count_attributes(const xmlChar *tag, size_t length)
{
    uint32_t count = 0;
    xmlChar quote = 0;
    for (size_t i = 0; i < length; i++) {
        if (quote && tag[i] == quote)
            quote = 0;
        else if (!quote && (tag[i] == '"' || tag[i] == '\'')) {
            quote = tag[i];
            count++;
        }
    }
    return count;
}

/* libxml2 keeps a tag or comment until it is complete. An endless one must not fill memory, nor a tag of
 * very many attributes take quadratic time. */
static void check_pending(struct xml_parser *parser)
{
    struct assembler *assembler = parser->assembler;
    const xmlParserInput *input = parser->context->input;
    size_t pending = input && input->end > input->cur ? (size_t)(input->end - input->cur) : 0;
    if (pending > (size_t)assembler->limits.text_bytes + PENDING_SLACK)
        assembler_fail_over(assembler, CAP_TEXT, "a tag, comment or processing instruction is too long");
    else if (pending > PIECE_BYTES && input->cur[0] == '<' && input->cur[1] != '!' && input->cur[1] != '?' &&
             count_attributes(input->cur, pending) > assembler->limits.attributes)
        assembler_fail_over(assembler, CAP_ATTRIBUTES, "a tag has too many attributes");
}

static void xml_feed(void *state, const char *data, size_t bytes)
{
    struct xml_parser *parser = state;
    struct assembler *assembler = parser->assembler;
    struct hook before = hook_errors(parser);
    while (bytes > 0 && assembler->err == ERR_OK) {
        size_t piece = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
        int code = xmlParseChunk(parser->context, data, (int)piece, 0);
        if (assembler->err == ERR_OK && code != XML_ERR_OK && !parser->context->wellFormed)
            report(parser, XML_ERR_OK, NULL);
        if (check_memory(parser) && assembler->err == ERR_OK)
            check_pending(parser);
        data += piece;
        bytes -= piece;
    }
    unhook_errors(&before);
}

static void xml_finish(void *state)
{
    struct xml_parser *parser = state;
    struct assembler *assembler = parser->assembler;
    struct hook before = hook_errors(parser);
    parser->finishing = true;
    xmlParseChunk(parser->context, NULL, 0, 1);
    if (assembler->err == ERR_OK &&
        (!parser->context->wellFormed || assembler->depth > 0 || assembler->skip > 0))
        report(parser, XML_ERR_OK, "its end is missing");
    unhook_errors(&before);
}

const struct syntax xml_syntax = {
    .open = xml_open,
    .feed = xml_feed,
    .finish = xml_finish,
    .close = xml_close,
};
