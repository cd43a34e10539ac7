/* Members and extensions of the JSON writer. */
#include "common/epcis/writer_json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json_text.h"
#include "common/epcis/event_text.h"

void writer_json_key(struct buffer *out, const char *name)
{
    buffer_append(out, ",", 1);
    json_append_string(out, name);
    buffer_append(out, ":", 1);
}

void writer_json_text_member(struct buffer *out, const char *name, const char *value)
{
    if (!*value)
        return;
    writer_json_key(out, name);
    json_append_string(out, value);
}

static bool all_digits(const char **text)
{
    const char *start = *text;
    while (isdigit((unsigned char)**text))
        (*text)++;
    return *text > start;
}

/* RFC 8259 section 6. */
static bool is_json_number(const char *text)
{
    text += *text == '-';
    if (*text == '0' && isdigit((unsigned char)text[1]))
        return false;
    if (!all_digits(&text))
        return false;
    if (*text == '.' && (text++, !all_digits(&text)))
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '+' || *text == '-';
        if (!all_digits(&text))
            return false;
    }
    return *text == '\0';
}

/* A number as XML allows it (+5, 007, .5, 5.) becomes the JSON number of the same value. */
static void append_number(struct buffer *out, const char *text)
{
    if (is_json_number(text)) {
        buffer_append_text(out, text);
        return;
    }
    const char *digits = text;
    bool negative = *digits == '-';
    digits += negative || *digits == '+';
    while (*digits == '0' && isdigit((unsigned char)digits[1]))
        digits++;
    struct buffer number = {0};
    buffer_printf(&number, "%s%s%s", negative ? "-" : "", *digits == '.' ? "0" : "", digits);
    if (number.length > 0 && number.data[number.length - 1] == '.')
        number.length--;
    buffer_append(&number, "", 1);
    if (!number.failed && is_json_number((char *)number.data))
        buffer_append_text(out, (char *)number.data);
    else
        json_append_string(out, text);
    buffer_free(&number);
}

void writer_json_number_member(struct buffer *out, const char *name, const char *value)
{
    if (!*value)
        return;
    writer_json_key(out, name);
    append_number(out, value);
}

void writer_json_time_member(struct buffer *out, const char *name, const Epcis__V1__Time *time)
{
    if (!time)
        return;
    char text[EVENT_TIME_TEXT];
    event_time_text(time, text);
    writer_json_text_member(out, name, *time->invalid_text ? time->invalid_text : text);
}

void writer_json_list_member(struct buffer *out, const char *name, char *const *values, size_t count)
{
    if (count == 0)
        return;
    writer_json_key(out, name);
    for (size_t i = 0; i < count; i++) {
        buffer_append(out, i ? "," : "[", 1);
        json_append_string(out, values[i]);
    }
    buffer_append(out, "]", 1);
}

/* A word that no URI can hold stays as it is. */
static bool fits_uri(const char *word)
{
    for (; *word; word++)
        if (!isalnum((unsigned char)*word) && !strchr("-._~", *word))
            return false;
    return true;
}

static void append_word(struct buffer *out, enum cbv_family family, const char *word)
{
    struct buffer uri = {0};
    if (!cbv_lists(family, word) && fits_uri(word)) /* the schema takes no URI of the GS1 Web Vocabulary */
        buffer_append_text(&uri, family == CBV_GS1_TERM ? "gs1:" : cbv_uri(family));
    buffer_append_text(&uri, word);
    buffer_append(&uri, "", 1);
    out->failed |= uri.failed;
    json_append_string(out, uri.failed ? "" : (char *)uri.data);
    buffer_free(&uri);
}

void writer_json_word_member(struct buffer *out, const char *name, enum cbv_family family, const char *word)
{
    if (!*word)
        return;
    writer_json_key(out, name);
    append_word(out, family, word);
}

void writer_json_word_list_member(struct buffer *out, const char *name, enum cbv_family family,
                                  char *const *words, size_t count)
{
    if (count == 0)
        return;
    writer_json_key(out, name);
    for (size_t i = 0; i < count; i++) {
        buffer_append(out, i ? "," : "[", 1);
        append_word(out, family, words[i]);
    }
    buffer_append(out, "]", 1);
}

/* ---- extensions ------------------------------------------------------------------------------------- */

void writer_json_declare_nodes(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (*nodes[i]->namespace_uri && !writer_is_xsi(nodes[i]) &&
            !writer_prefix(writer, nodes[i]->namespace_uri))
            writer_declare(writer, nodes[i]->prefix, nodes[i]->namespace_uri, 1);
}

static bool same_name(const Epcis__V1__Node *a, const Epcis__V1__Node *b)
{
    return a->kind == b->kind && strcmp(a->local_name, b->local_name) == 0 &&
           strcmp(a->namespace_uri, b->namespace_uri) == 0;
}

static void append_name(struct writer *writer, const Epcis__V1__Node *node)
{
    struct buffer name = {0};
    if (*node->namespace_uri)
        buffer_printf(&name, "%s:", writer_prefix(writer, node->namespace_uri));
    buffer_append_text(&name,
                       node->kind == EPCIS__V1__NODE_KIND__NODE_KIND_TEXT ? "#text" : node->local_name);
    buffer_append(&name, "", 1);
    json_append_string(&writer->out, name.failed ? "" : (char *)name.data);
    writer->out.failed |= name.failed;
    buffer_free(&name);
}

/* Whether a node has anything below it that is written: xsi attributes are not. */
static bool has_content(Epcis__V1__Node *const *nodes, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (!writer_is_xsi(nodes[i]))
            return true;
    return false;
}

static void append_value(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    const Epcis__V1__Node *node = nodes[0];
    struct buffer *out = &writer->out;
    if (has_content(nodes, count)) {
        buffer_append(out, "{", 1);
        if (*node->text) { /* its text beside attributes */
            buffer_append_text(out, "\"#text\":");
            json_append_string(out, node->text);
            buffer_append(out, ",", 1);
        }
        writer_json_members(writer, nodes + 1, count - 1);
        buffer_append(out, "}", 1);
    } else if (node->value_type == EPCIS__V1__VALUE_TYPE__VALUE_TYPE_NUMBER ||
               node->value_type == EPCIS__V1__VALUE_TYPE__VALUE_TYPE_BOOLEAN) {
        buffer_append_text(out, node->text);
    } else if (node->value_type == EPCIS__V1__VALUE_TYPE__VALUE_TYPE_NULL) {
        buffer_append_text(out, "null");
    } else {
        json_append_string(out, node->text);
    }
}

/* The value of all siblings named as nodes[at], which is the first of them: an array where there are several.
 */
static void append_group(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count, size_t at,
                         bool *done)
{
    struct buffer *out = &writer->out;
    size_t start = out->length, members = 0;
    buffer_append(out, "[", 1);
    for (size_t i = at; i < count; i = writer_subtree_end(nodes, count, i)) {
        if (!same_name(nodes[i], nodes[at]))
            continue;
        done[i] = true;
        if (members++)
            buffer_append(out, ",", 1);
        append_value(writer, nodes + i, writer_subtree_end(nodes, count, i) - i);
    }
    if (members > 1 || nodes[at]->in_array) {
        buffer_append(out, "]", 1);
    } else if (!out->failed) {
        memmove(out->data + start, out->data + start + 1, out->length - start - 1);
        out->length--;
    }
}

void writer_json_members(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    bool *done = calloc(count ? count : 1, sizeof *done);
    if (!done) {
        writer->out.failed = true;
        return;
    }
    bool first = true;
    for (size_t i = 0; i < count; i = writer_subtree_end(nodes, count, i)) {
        if (done[i] || writer_is_xsi(nodes[i]))
            continue;
        if (!first)
            buffer_append(&writer->out, ",", 1);
        first = false;
        append_name(writer, nodes[i]);
        buffer_append(&writer->out, ":", 1);
        append_group(writer, nodes, count, i, done);
    }
    free(done);
}

void writer_json_extension_members(struct writer *writer, Epcis__V1__Node *const *nodes, size_t count)
{
    size_t start = writer->out.length;
    buffer_append(&writer->out, ",", 1);
    writer_json_members(writer, nodes, count);
    if (writer->out.length == start + 1) /* nothing came of them */
        writer->out.length = start;
}
