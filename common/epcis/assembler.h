/* Builds documents and events out of named elements, attributes and texts, whichever syntax they came
 * in, by the grammar's rules. One per parser, on the parser's thread. Internal to common/epcis.
 *
 * What is wrong inside one event refuses that event: what is left of it is skipped, and it is handed on
 * as an error. What is wrong elsewhere finishes the document: `err` is set, and all calls then do
 * nothing. */
#ifndef EPCISD_EPCIS_ASSEMBLER_H
#define EPCISD_EPCIS_ASSEMBLER_H

#include "common/base/buffer.h"
#include "common/epcis/grammar.h"
#include "common/epcis/parser.h"

/* The name of an element, attribute or member. Strings live as long as the parser. */
struct assembler_name {
    enum grammar_name id; /* NAME_UNKNOWN: not one of the grammar's */
    bool home;            /* no namespace, or one of EPCIS or SBDH: the grammar decides */
    const char *uri;      /* "": no namespace */
    const char *local;
    const char *prefix; /* "": none */
};

enum frame_kind {
    FRAME_PART, /* of the grammar, with elements inside */
    FRAME_LEAF, /* of the grammar, with text inside */
    FRAME_NODE, /* of an extension tree */
};

#define ASSEMBLER_CAP(constant, ...) CAP_##constant,
enum assembler_cap { PARSER_LIMITS(ASSEMBLER_CAP) CAP_COUNT };

enum frame_end { END_NOTHING, END_EVENT, END_VOCABULARY_ELEMENT };

/* An open element. */
struct frame {
    void *message;                   /* what its content belongs to */
    const struct grammar_rule *rule; /* of a leaf: where its text goes */
    Epcis__V1__Node *node;           /* of a node */
    const char *local;
    const char *prefix;
    const char *last;    /* name of the element inside that stands furthest back */
    unsigned order;      /* its grammar_order */
    uint32_t children;   /* elements inside so far */
    uint32_t node_depth; /* of nodes that it gets */
    uint16_t extensions; /* offset of the node list in the message; 0: none */
    uint8_t kind;
    uint8_t context;
    uint8_t end; /* what its end completes */
    bool wrapper;
};

/* Texts of a parser_error. */
struct assembler_fault {
    struct parser_error error;
    char message[512];
    char field[128];
    char value[257];
    char path[512];
};

struct assembler {
    struct parser_limits limits;
    struct parser_sink sink;
    /* Tells where the parser stands: at the start of what it reads now, or behind what it has read. */
    void (*locate)(void *context, bool start, uint64_t *line, uint64_t *byte_offset);
    /* Writes the JSON pointer to it. NULL: paths are XPath, and it is XML that is read. */
    void (*point)(void *context, char *text, size_t size);
    /* The namespace that a prefix of `length` bytes, or none, stands for where the parser stands; NULL: it is
     * not declared. NULL itself where texts are no qualified names (JSON). */
    const char *(*namespace_of)(void *context, const char *prefix, size_t length);
    void *locate_context;
    enum err err;

    struct frame *frames; /* limits.depth of them */
    uint32_t depth;
    uint32_t skip;      /* elements open inside the top frame that are passed over */
    struct buffer text; /* of the top frame */
    bool lasting_text;  /* the text to be set lives as long as the event */

    struct arena document_arena;
    struct arena event_arena; /* of one event or vocabulary element */
    struct arena *arena;      /* the one of the two that is filled now */
    Epcis__V1__Document *document;
    bool document_given;
    Epcis__V1__Document given; /* as it was then */
    bool body_seen;
    struct buffer vocabulary_type;

    struct parser_event current;
    Epcis__V1__Event *event; /* NULL outside events */
    uint32_t event_frame;    /* its index */
    bool refused;
    uint64_t seen;  /* contexts that the event had, a bit each */
    uint32_t epcs;  /* identifiers and list entries in the event */
    uint32_t nodes; /* in the event, vocabulary element or header */
    uint64_t events;

    struct assembler_fault event_fault;
    struct assembler_fault document_fault;
};

enum err assembler_init(struct assembler *assembler, const struct parser_limits *limits,
                        const struct parser_sink *sink); /* ERR_MEMORY */
void assembler_free(struct assembler *assembler);

/* An element begins, its attributes follow, then its content, then its end. */
void assembler_start(struct assembler *assembler, const struct assembler_name *name);
void assembler_attribute(struct assembler *assembler, const struct assembler_name *name, const char *value,
                         size_t length);
void assembler_text(struct assembler *assembler, const char *text, size_t length);

/* All of an element that has text alone: where the text fills a field and lives, with a NUL behind it, as
 * long as the event, which then shares it. False where it is not so simple: nothing was done. */
bool assembler_leaf(struct assembler *assembler, const struct assembler_name *name, const char *text,
                    size_t length);

/* The same for the elements of a list that has nothing yet. No text is empty or has white space around it;
 * the longest has `longest` bytes. */
bool assembler_leaves(struct assembler *assembler, const struct assembler_name *name, char *const *texts,
                      size_t count, size_t longest);

/* Says of the node that just began what JSON tells of its value; elsewhere nothing. */
void assembler_node_value(struct assembler *assembler, Epcis__V1__ValueType type, bool in_array);

/* Says where a field that the grammar knows in events is none of the present event's type; elsewhere nothing.
 */
void assembler_check_field(struct assembler *assembler, const struct assembler_name *name);

/* True where names without a namespace are extensions, too. */
bool assembler_takes_any_name(const struct assembler *assembler, uint8_t context);

void assembler_end(struct assembler *assembler);

/* The element that is open now; NULL: none. */
static inline const struct frame *assembler_top(const struct assembler *assembler)
{
    return assembler->depth > 0 ? &assembler->frames[assembler->depth - 1] : NULL;
}

/* True where the grammar knows the name inside the element that is open now. */
static inline bool assembler_knows(const struct assembler *assembler, enum grammar_name name)
{
    const struct frame *frame = assembler_top(assembler);
    return frame && frame->kind == FRAME_PART && grammar[frame->context][name].shape != SHAPE_UNKNOWN;
}

/* A prefix that holds for the whole document; before its first event. */
void assembler_declare(struct assembler *assembler, const char *prefix, const char *uri);

/* The document is complete: hands it on where nothing did before. */
void assembler_finish(struct assembler *assembler);

/* Within common/epcis/assembler*.c */

/* Ends the document with an error at the present place; the first one counts. `err` is ERR_INPUT,
 * ERR_LIMIT or, without text, another. */
void assembler_fail(struct assembler *assembler, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Refuses the present event; outside events as assembler_fail. `name` is the element or attribute that
 * is not entered yet, or NULL; `value` may be NULL. */
void assembler_refuse(struct assembler *assembler, enum err err, const struct assembler_name *name,
                      const char *value, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Says what is wrong with the present event, which is read on all the same. */
void assembler_note(struct assembler *assembler, const struct assembler_name *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same where a cap is passed: the error has the cap's code, and to the message its value and option are
 * added. */
void assembler_fail_over(struct assembler *assembler, enum assembler_cap cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void assembler_refuse_over(struct assembler *assembler, enum assembler_cap cap,
                           const struct assembler_name *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Refuses what the arena had no memory for: the budget is spent, or the system's memory. */
void assembler_refuse_memory(struct assembler *assembler, const struct arena *arena);

/* Memory of the present event or header, zeroed where `zero`; NULL after refusing. */
void *assembler_alloc(struct assembler *assembler, size_t bytes);
char *assembler_copy(struct assembler *assembler, const char *text, size_t length);

/* Appends to the list whose count stands at `offset` of `message`; false after refusing. */
bool assembler_append(struct assembler *assembler, void *message, size_t offset, void *item);

/* Sets a field of a scalar shape from text, which is trimmed here. */
void assembler_set(struct assembler *assembler, void *message, const struct grammar_rule *rule,
                   const struct assembler_name *name, const char *text, size_t length);

/* A new message in the field; NULL after refusing. */
void *assembler_add_message(struct assembler *assembler, void *message, const struct grammar_rule *rule,
                            const struct assembler_name *name);

/* A new node in the top frame's node list; NULL after refusing. */
Epcis__V1__Node *assembler_add_node(struct assembler *assembler, const struct frame *frame,
                                    Epcis__V1__NodeKind kind, const struct assembler_name *name);

/* Says where, in 1.2, what came with that version or after it stands outside of the <extension> elements.
 * Counts those from frame `from` on. */
void assembler_check_extensions(struct assembler *assembler, const struct assembler_name *name,
                                uint32_t from);

/* Says what is wrong with the place of an XML element in an event; `known` to the grammar there. */
void assembler_check_place(struct assembler *assembler, const struct assembler_name *name,
                           struct frame *parent, bool known);

/* Says that certificationInfo stands there twice: JSON has a list, and 1.2 takes anything in the extension
 * where it stands, but the XSD of 2.0 has one alone. */
void assembler_check_certification(struct assembler *assembler, const struct assembler_name *name);

/* Refuses an element that the grammar does not know in `parent`. */
void assembler_refuse_unknown(struct assembler *assembler, const struct assembler_name *name,
                              const struct frame *parent);

/* The part of the text without white space (XML's) around it. */
static inline const char *assembler_trim(const char *text, size_t *length)
{
    size_t count = *length;
    while (count > 0 && (unsigned char)text[count - 1] <= ' ')
        count--;
    while (count > 0 && (unsigned char)*text <= ' ') {
        text++;
        count--;
    }
    *length = count;
    return text;
}

#endif
