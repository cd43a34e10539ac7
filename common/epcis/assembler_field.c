#include "common/epcis/assembler.h"

#include <string.h>

#include "common/epcis/cbv.h"
#include "common/epcis/event_text.h"

void *assembler_alloc(struct assembler *assembler, size_t bytes)
{
    void *memory = arena_alloc(assembler->arena, bytes);
    if (memory)
        return memory;
    assembler_refuse_memory(assembler, assembler->arena);
    return NULL;
}

static char *copy_text(struct assembler *assembler, const char *text, size_t length)
{
    char *copy = assembler_alloc(assembler, length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *assembler_copy(struct assembler *assembler, const char *text, size_t length)
{
    bool shared = assembler->lasting_text && text[length] == '\0';
    return shared ? (char *)text : copy_text(assembler, text, length);
}

/* Lists hold 4, 8, 16, … entries, so that the count alone tells when one is full. */
static bool list_is_full(size_t count)
{
    return count == 0 || (count >= 4 && (count & (count - 1)) == 0);
}

/* What a list of so many entries holds. */
static size_t list_room(size_t count)
{
    size_t room = 4;
    while (room < count)
        room *= 2;
    return room;
}

static bool grow_list(struct assembler *assembler, size_t count, void ***items)
{
    void **grown = assembler_alloc(assembler, (count ? count * 2 : 4) * sizeof *grown);
    if (!grown)
        return false;
    if (count > 0)
        memcpy(grown, *items, count * sizeof *grown);
    *items = grown;
    return true;
}

bool assembler_append(struct assembler *assembler, void *message, size_t offset, void *item)
{
    size_t *count = (size_t *)((char *)message + offset);
    void ***items = (void ***)((char *)message + offset + sizeof *count);
    if (list_is_full(*count) && !grow_list(assembler, *count, items))
        return false;
    (*items)[(*count)++] = item;
    return true;
}

static bool count_entry(struct assembler *assembler, const struct assembler_name *name)
{
    if (!assembler->event || ++assembler->epcs <= assembler->limits.epcs)
        return true;
    assembler_refuse_over(assembler, CAP_EPCS, name, "the event has too many identifiers and list entries");
    return false;
}

static void refuse_second(struct assembler *assembler, const struct assembler_name *name, const char *value)
{
    assembler_refuse(assembler, ERR_INPUT, name, value, "%s stands here a second time: once would be right",
                     name ? name->local : "text");
}

static void set_text(struct assembler *assembler, void *message, const struct grammar_rule *rule,
                     const struct assembler_name *name, const char *text, size_t length)
{
    char **field = (char **)((char *)message + rule->offset);
    char *copy = assembler_copy(assembler, text, length);
    if (!copy)
        return;
    bool second = *field != protobuf_c_empty_string;
    if (second && !(name && name->id == NAME_EVENT_ID)) {
        refuse_second(assembler, name, copy);
        return;
    }
    if (second) /* it says nothing of what happened: the event can be read, though nobody knows its name */
        assembler_note(assembler, name, "%s stands here a second time: once would be right", name->local);
    *field = copy;
}

static void set_time(struct assembler *assembler, void *message, const struct grammar_rule *rule,
                     const struct assembler_name *name, const char *text, size_t length)
{
    Epcis__V1__Time **field = (Epcis__V1__Time **)((char *)message + rule->offset);
    char short_text[64];
    /* An empty time is an absent one: without text it could not be told from a good one. */
    if (length == 0)
        return;
    bool fits = length < sizeof short_text;
    char *copy = fits ? short_text : assembler_copy(assembler, text, length);
    Epcis__V1__Time *time = assembler_alloc(assembler, sizeof *time);
    if (!copy || !time)
        return;
    if (fits) {
        memcpy(short_text, text, length);
        short_text[length] = '\0';
    }
    if (event_time_parse(copy, time) != ERR_OK)
        time->invalid_text = fits ? assembler_copy(assembler, text, length) : copy;
    if (*field)
        refuse_second(assembler, name, copy);
    else
        *field = time;
}

static void set_action(struct assembler *assembler, Epcis__V1__Event *event,
                       const struct assembler_name *name, const char *text, size_t length)
{
    char *copy = assembler_copy(assembler, text, length);
    if (!copy)
        return;
    if (event->action != EPCIS__V1__ACTION__ACTION_UNSPECIFIED ||
        event->action_text != protobuf_c_empty_string) {
        refuse_second(assembler, name, copy);
        return;
    }
    for (int action = EPCIS__V1__ACTION__ACTION_ADD; action <= EPCIS__V1__ACTION__ACTION_DELETE; action++)
        if (strcmp(copy, event_action_name((Epcis__V1__Action)action)) == 0)
            event->action = (Epcis__V1__Action)action;
    if (event->action == EPCIS__V1__ACTION__ACTION_UNSPECIFIED)
        event->action_text = copy;
}

static void set_quantity(struct assembler *assembler, Epcis__V1__Event *event,
                         const struct grammar_rule *rule, const struct assembler_name *name, const char *text,
                         size_t length)
{
    if (event->n_quantity_list == 0) {
        Epcis__V1__QuantityElement *element = assembler_alloc(assembler, sizeof *element);
        if (!element)
            return;
        *element = (Epcis__V1__QuantityElement)EPCIS__V1__QUANTITY_ELEMENT__INIT;
        if (!assembler_append(assembler, event, offsetof(Epcis__V1__Event, n_quantity_list), element))
            return;
    }
    set_text(assembler, event->quantity_list[0], rule, name, text, length);
}

static void append_text(struct assembler *assembler, void *message, const struct grammar_rule *rule,
                        const struct assembler_name *name, const char *text, size_t length)
{
    if (!count_entry(assembler, name))
        return;
    char *copy = assembler_copy(assembler, text, length);
    if (copy)
        assembler_append(assembler, message, rule->offset, copy);
}

void assembler_set(struct assembler *assembler, void *message, const struct grammar_rule *rule,
                   const struct assembler_name *name, const char *text, size_t length)
{
    text = assembler_trim(text, &length);
    switch (rule->shape) {
    case SHAPE_WORD:
        text = cbv_word(rule->detail, text, &length);
        set_text(assembler, message, rule, name, text, length);
        break;
    case SHAPE_TEXT:
        set_text(assembler, message, rule, name, text, length);
        break;
    case SHAPE_TIME:
        set_time(assembler, message, rule, name, text, length);
        break;
    case SHAPE_ACTION:
        set_action(assembler, message, name, text, length);
        break;
    case SHAPE_QUANTITY:
        set_quantity(assembler, message, rule, name, text, length);
        break;
    case SHAPE_WORDS:
        text = cbv_word(rule->detail, text, &length);
        append_text(assembler, message, rule, name, text, length);
        break;
    case SHAPE_TEXTS:
        append_text(assembler, message, rule, name, text, length);
        break;
    default:
        break;
    }
}

static bool is_text(const struct grammar_rule *rule)
{
    return rule->shape >= SHAPE_TEXT && rule->shape <= SHAPE_WORDS;
}

/* The rule for an element of that name, where it may be set without a frame of its own; NULL: it may not. */
static const struct grammar_rule *leaf_rule(const struct assembler *assembler,
                                            const struct assembler_name *name)
{
    const struct frame *parent = assembler_top(assembler);
    if (!assembler->event || assembler->err != ERR_OK || assembler->skip > 0 || assembler->refused ||
        !parent || parent->kind != FRAME_PART || !name->home || assembler->text.length > 0 ||
        assembler->depth >= assembler->limits.depth)
        return NULL;
    return &grammar[parent->context][name->id];
}

bool assembler_leaf(struct assembler *assembler, const struct assembler_name *name, const char *text,
                    size_t length)
{
    const struct grammar_rule *rule = leaf_rule(assembler, name);
    if (!rule || !is_text(rule) || length > assembler->limits.text_bytes)
        return false;
    struct frame *parent = &assembler->frames[assembler->depth - 1];
    parent->children++;
    assembler->lasting_text = true;
    assembler_set(assembler, parent->message, rule, name, text, length);
    assembler->lasting_text = false;
    return true;
}

bool assembler_leaves(struct assembler *assembler, const struct assembler_name *name, char *const *texts,
                      size_t count, size_t longest)
{
    const struct grammar_rule *rule = leaf_rule(assembler, name);
    if (!rule || rule->shape != SHAPE_TEXTS || count > assembler->limits.epcs - assembler->epcs ||
        longest > assembler->limits.text_bytes)
        return false;
    struct frame *parent = &assembler->frames[assembler->depth - 1];
    size_t *listed = (size_t *)((char *)parent->message + rule->offset), room = list_room(count);
    if (*listed > 0)
        return false;
    void **items = assembler_alloc(assembler, room * sizeof *items);
    if (!items)
        return true;
    memcpy(items, texts, count * sizeof *items);
    *(void ***)(listed + 1) = items;
    *listed = count;
    assembler->epcs += (uint32_t)count;
    parent->children += (uint32_t)count;
    return true;
}

void *assembler_add_message(struct assembler *assembler, void *message, const struct grammar_rule *rule,
                            const struct assembler_name *name)
{
    const ProtobufCMessageDescriptor *descriptor = grammar_messages[rule->detail];
    void **field = (void **)((char *)message + rule->offset);
    bool list = rule->shape == SHAPE_MESSAGES;
    if (list ? !count_entry(assembler, name) : *field != NULL) {
        if (!list)
            refuse_second(assembler, name, NULL);
        return NULL;
    }
    void *added = assembler_alloc(assembler, descriptor->sizeof_message);
    if (!added)
        return NULL;
    descriptor->message_init(added);
    if (!list)
        *field = added;
    else if (!assembler_append(assembler, message, rule->offset, added))
        return NULL;
    return added;
}

Epcis__V1__Node *assembler_add_node(struct assembler *assembler, const struct frame *frame,
                                    Epcis__V1__NodeKind kind, const struct assembler_name *name)
{
    if (++assembler->nodes > assembler->limits.extension_nodes) {
        assembler_refuse_over(assembler, CAP_EXTENSIONS, name,
                              "%s has too many extension elements and attributes",
                              assembler->event ? "the event" : "the document");
        return NULL;
    }
    Epcis__V1__Node *node = assembler_alloc(assembler, sizeof *node);
    if (!node)
        return NULL;
    *node = (Epcis__V1__Node)EPCIS__V1__NODE__INIT;
    node->depth = frame->node_depth;
    node->kind = kind;
    if (name) {
        node->namespace_uri = (char *)name->uri;
        node->local_name = (char *)name->local;
        node->prefix = (char *)name->prefix;
    }
    return assembler_append(assembler, frame->message, frame->extensions, node) ? node : NULL;
}
