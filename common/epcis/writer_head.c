/* What of the document itself a syntax has no words for, and which texts and names XML has. */
#include "common/epcis/writer_parts.h"

#include <stdlib.h>
#include <string.h>

#include "common/epcis/grammar.h"

void writer_leave_out(struct writer *writer, const char *reason)
{
    struct buffer *out = &writer->left_out;
    if (out->length > 0 && strstr((char *)out->data, reason))
        return;
    if (out->length > 0)
        out->length--; /* its NUL */
    buffer_printf(out, "%s%s", out->length > 0 ? "; " : "", reason);
    buffer_append(out, "", 1);
    writer->out.failed |= out->failed;
}

const char *writer_left_out(const struct writer *writer)
{
    return writer->left_out.length > 0 ? (const char *)writer->left_out.data : NULL;
}

/* ---- what XML can hold ---- */

bool writer_is_xml_text(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if ((*at < ' ' && *at != '\t' && *at != '\n' && *at != '\r') ||
            (*at == 0xef && at[1] == 0xbf && at[2] >= 0xbe))
            return false;
    return true;
}

/* The character at *text, which is valid UTF-8; *text goes on behind it. */
static uint32_t next_character(const unsigned char **text)
{
    uint32_t first = *(*text)++;
    int more = first < 0xc0 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t character = more == 0 ? first : first & (0x3fU >> more);
    for (; more > 0 && (**text & 0xc0) == 0x80; more--)
        character = character << 6 | (*(*text)++ & 0x3f);
    return character;
}

/* XML 1.0 section 2.3, NameStartChar and NameChar without the colon. */
static bool is_name_character(uint32_t character, bool first)
{
    static const struct {
        uint32_t from, to;
        bool later; /* not as the first one */
    } ranges[] = {
        {'A', 'Z', false},       {'_', '_', false},       {'a', 'z', false},         {0xc0, 0xd6, false},
        {0xd8, 0xf6, false},     {0xf8, 0x2ff, false},    {0x370, 0x37d, false},     {0x37f, 0x1fff, false},
        {0x200c, 0x200d, false}, {0x2070, 0x218f, false}, {0x2c00, 0x2fef, false},   {0x3001, 0xd7ff, false},
        {0xf900, 0xfdcf, false}, {0xfdf0, 0xfffd, false}, {0x10000, 0xeffff, false}, {'-', '.', true},
        {'0', '9', true},        {0xb7, 0xb7, true},      {0x300, 0x36f, true},      {0x203f, 0x2040, true},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (character >= ranges[i].from && character <= ranges[i].to)
            return !first || !ranges[i].later;
    return false;
}

bool writer_is_xml_name(const char *name)
{
    const unsigned char *at = (const unsigned char *)name;
    for (bool first = true; *at; first = false)
        if (!is_name_character(next_character(&at), first))
            return false;
    return name[0] != '\0';
}

/* ---- the document ---- */

bool writer_nodes_fit_xml(Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool named = nodes[i]->kind != EPCIS__V1__NODE_KIND__NODE_KIND_TEXT;
        if ((named && !writer_is_xml_name(nodes[i]->local_name)) || !writer_is_xml_text(nodes[i]->text) ||
            !writer_is_xml_text(nodes[i]->namespace_uri))
            return false;
    }
    return true;
}

static bool are_declared(const struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (*nodes[i]->namespace_uri && !writer_is_xsi(nodes[i]) &&
            !writer_prefix(writer, nodes[i]->namespace_uri))
            return false;
    return true;
}

static const char *unsayable(const struct writer *writer, Epcis__V1__Node *const *nodes, size_t count,
                             bool late)
{
    if (!writer_is_json(writer))
        return writer_nodes_fit_xml(nodes, count)
                   ? NULL
                   : "an extension with a name or a control character that XML has not";
    if (!*nodes[0]->namespace_uri && !strchr(nodes[0]->local_name, ':'))
        return "an extension without a namespace: JSON has none there";
    if (writer_has_mixed_content(nodes, count))
        return "an extension with text between its elements: JSON has no such thing";
    if (late && !are_declared(writer, nodes, count))
        return "an extension behind the events whose namespace is declared nowhere before them";
    return NULL;
}

size_t writer_sayable_extensions(struct writer *writer, const Epcis__V1__Document *document, bool late,
                                 Epcis__V1__Node ***out)
{
    Epcis__V1__Node *const *nodes = document->extensions;
    size_t count = document->n_extensions, kept = 0;
    *out = malloc((count ? count : 1) * sizeof **out);
    if (!*out) {
        writer->out.failed = true;
        return 0;
    }
    for (size_t i = 0, end; i < count; i = end) {
        end = writer_subtree_end(nodes, count, i);
        const char *reason = unsayable(writer, nodes + i, end - i, late);
        if (reason)
            writer_leave_out(writer, reason);
        else
            for (size_t j = i; j < end; j++)
                (*out)[kept++] = nodes[j];
    }
    return kept;
}

/* Texts that stand in no extension. */
static const size_t texts[] = {
    offsetof(Epcis__V1__Document, creation_date),   offsetof(Epcis__V1__Document, sender),
    offsetof(Epcis__V1__Document, receiver),        offsetof(Epcis__V1__Document, instance_identifier),
    offsetof(Epcis__V1__Document, subscription_id), offsetof(Epcis__V1__Document, query_name),
};

void writer_clear_texts(struct writer *writer, Epcis__V1__Document *document)
{
    for (size_t i = 0; !writer_is_json(writer) && i < sizeof texts / sizeof texts[0]; i++) {
        char **text = (char **)((char *)document + texts[i]);
        if (writer_is_xml_text(*text))
            continue;
        writer_leave_out(writer, "a control character in a text: XML has none");
        *text = (char *)protobuf_c_empty_string;
    }
}

bool writer_has_texts(const Epcis__V1__Document *document)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (**(char *const *)((const char *)document + texts[i]))
            return true;
    return false;
}
