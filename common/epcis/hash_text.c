#include "common/epcis/hash_text.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/epcis/assembler.h"
#include "common/epcis/event_text.h"

enum {
    EXPONENT_MAX = 400,   /* xs:double ends at 308; more digits than this are kept as written */
    NODE_DEPTH_MAX = 512, /* above what any parser gives; keeps recursion finite */
};

void hash_text_free(struct hash_text *hash)
{
    buffer_free(&hash->text);
    buffer_free(&hash->scratch);
    buffer_free(&hash->spans);
}

void hash_key(struct hash_text *hash, const char *key)
{
    buffer_append_text(&hash->text, key);
}

/* ---- values ---- */

static void put_key(struct hash_text *hash, const char *key)
{
    size_t length = strlen(key);
    uint8_t *end = buffer_reserve(&hash->text, length + 1);
    if (!end)
        return;
    memcpy(end, key, length);
    end[length] = '=';
    hash->text.length += length + 1;
}

static size_t count_digits(const char *text, size_t length)
{
    size_t count = 0;
    while (count < length && text[count] >= '0' && text[count] <= '9')
        count++;
    return count;
}

/* [+-]?digits(.digits)? in its parts; of xs:double also .5, 5. and exponents. */
struct decimal {
    bool negative;
    const char *whole, *fraction;
    size_t whole_length, fraction_length;
    long exponent;
};

static bool take_exponent(const char *text, size_t length, long *out)
{
    bool negative = length > 0 && *text == '-';
    if (length > 0 && (*text == '-' || *text == '+')) {
        text++;
        length--;
    }
    size_t digits = count_digits(text, length);
    if (digits == 0 || digits != length || digits > 4)
        return false;
    long value = 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (text[i] - '0');
    *out = negative ? -value : value;
    return value <= EXPONENT_MAX;
}

static bool split_decimal(const char *text, size_t length, bool is_double, struct decimal *out)
{
    *out = (struct decimal){.negative = *text == '-'};
    if (*text == '-' || *text == '+') {
        text++;
        length--;
    }
    out->whole = text;
    out->whole_length = count_digits(text, length);
    if (out->whole_length == 0 && !is_double)
        return false;
    text += out->whole_length;
    length -= out->whole_length;
    if (length > 0 && *text == '.') {
        out->fraction = text + 1;
        out->fraction_length = count_digits(text + 1, length - 1);
        if (out->fraction_length == 0 && !is_double)
            return false;
        text += 1 + out->fraction_length;
        length -= 1 + out->fraction_length;
    }
    if (out->whole_length + out->fraction_length == 0)
        return false;
    if (length == 0)
        return true;
    return is_double && (*text == 'e' || *text == 'E') && take_exponent(text + 1, length - 1, &out->exponent);
}

static void append_zeros(struct buffer *buffer, size_t count)
{
    for (; count > 0; count--)
        buffer_append(buffer, "0", 1);
}

/* Puts the digits in a row and the point where the exponent moves it. */
static void append_scaled(struct hash_text *hash, const struct decimal *decimal)
{
    struct buffer *row = &hash->scratch;
    buffer_clear(row);
    size_t before = (decimal->exponent < 0 ? (size_t)-decimal->exponent : 0) + (decimal->whole_length == 0);
    append_zeros(row, before);
    buffer_append(row, decimal->whole, decimal->whole_length);
    buffer_append(row, decimal->fraction ? decimal->fraction : "", decimal->fraction_length);
    if (decimal->exponent > 0 && (size_t)decimal->exponent > decimal->fraction_length)
        append_zeros(row, (size_t)decimal->exponent - decimal->fraction_length);
    if (row->failed) {
        hash->text.failed = true;
        return;
    }
    size_t point = (size_t)((long)(before + decimal->whole_length) + decimal->exponent);
    const char *digits = (const char *)row->data;
    size_t start = 0, end = row->length;
    while (start + 1 < point && digits[start] == '0')
        start++;
    while (end > point && digits[end - 1] == '0')
        end--;
    if (decimal->negative && !(end == point && point - start == 1 && digits[start] == '0'))
        buffer_append(&hash->text, "-", 1);
    buffer_append(&hash->text, digits + start, point - start);
    if (end > point) {
        buffer_append(&hash->text, ".", 1);
        buffer_append(&hash->text, digits + point, end - point);
    }
}

static bool append_number(struct hash_text *hash, const char *text, size_t length, bool is_double)
{
    struct decimal decimal;
    if ((*text > '9' || *text < '0') && *text != '+' && *text != '-' && *text != '.')
        return false;
    if (!split_decimal(text, length, is_double, &decimal))
        return false;
    append_scaled(hash, &decimal);
    return true;
}

static bool append_canonical(struct hash_text *hash, const char *text, size_t length)
{
    if (*text != 'u' && *text != 'h')
        return false;
    /* An escape makes three characters of one; the link's own words fit in 64. */
    size_t room = 3 * length + 64;
    uint8_t *end = buffer_reserve(&hash->text, room);
    size_t written = end ? epc_canonical_next(&hash->stem, text, length, (char *)end, room) : 0;
    hash->text.length += written;
    return written > 0;
}

static void append_value(struct hash_text *hash, const char *text, size_t length, bool is_double)
{
    size_t skip = 0;
    const char *uri = cbv_expand(text, length, &skip);
    if (uri) {
        buffer_append_text(&hash->text, uri);
        buffer_append(&hash->text, text + skip, length - skip);
    } else if (!append_number(hash, text, length, is_double) && !append_canonical(hash, text, length)) {
        buffer_append(&hash->text, text, length);
    }
}

static void put_value(struct hash_text *hash, const char *key, const char *value, bool is_double)
{
    size_t length = strlen(value);
    value = assembler_trim(value, &length);
    if (length == 0)
        return;
    put_key(hash, key);
    append_value(hash, value, length, is_double);
}

void hash_value(struct hash_text *hash, const char *key, const char *value)
{
    if (value[0])
        put_value(hash, key, value, false);
}

void hash_number(struct hash_text *hash, const char *key, const char *value)
{
    if (value[0])
        put_value(hash, key, value, true);
}

void hash_word(struct hash_text *hash, const char *key, enum cbv_family family, const char *word)
{
    if (!word[0])
        return;
    if (strchr(word, ':')) {
        put_value(hash, key, word, false);
        return;
    }
    put_key(hash, key);
    hash_key(hash, cbv_uri(family));
    hash_key(hash, word);
}

void hash_time(struct hash_text *hash, const char *key, const Epcis__V1__Time *time)
{
    char text[EVENT_TIME_TEXT];
    if (!time)
        return;
    if (time->invalid_text[0]) {
        hash_value(hash, key, time->invalid_text);
        return;
    }
    Epcis__V1__Time rounded = EPCIS__V1__TIME__INIT;
    uint32_t milliseconds = (time->nanos + 500000) / 1000000;
    rounded.seconds = time->seconds + milliseconds / 1000;
    rounded.nanos = milliseconds % 1000 * 1000000;
    rounded.fraction_digits = 3;
    event_time_text(&rounded, text);
    put_key(hash, key);
    hash_key(hash, text);
}

/* ---- siblings ---- */

size_t hash_list_begin(struct hash_text *hash)
{
    return hash->spans.length;
}

void hash_list_item(struct hash_text *hash, size_t start)
{
    struct hash_span span = {start, hash->text.length - start, 0};
    if (span.length > 0)
        buffer_append(&hash->spans, &span, sizeof span);
}

/* How many bytes all spans begin with. */
static size_t common_start(const struct hash_span *spans, size_t count, const uint8_t *base)
{
    const uint8_t *first = base + spans[0].start;
    size_t common = spans[0].length;
    for (size_t i = 1; i < count; i++) {
        const uint8_t *text = base + spans[i].start;
        if (spans[i].length < common)
            common = spans[i].length;
        if (memcmp(first, text, common) == 0)
            continue;
        for (common = 0; first[common] == text[common];)
            common++;
    }
    return common;
}

static uint64_t head_of(const uint8_t *text, size_t length)
{
    uint64_t head = 0;
    memcpy(&head, text, length < sizeof head ? length : sizeof head);
    return be64toh(head);
}

/* In the order of their bytes. */
static bool is_before(const struct hash_span *a, const struct hash_span *b, const uint8_t *base)
{
    if (a->head != b->head)
        return a->head < b->head;
    size_t common = a->length < b->length ? a->length : b->length;
    int order = memcmp(base + a->start, base + b->start, common);
    return order != 0 ? order < 0 : a->length < b->length;
}

/* One step of merge_sort: runs of `width` spans become runs of twice that. */
static void merge_runs(const struct hash_span *from, struct hash_span *to, size_t count, size_t width,
                       const uint8_t *base)
{
    for (size_t start = 0; start < count; start += 2 * width) {
        size_t left = start, middle = start + width < count ? start + width : count;
        size_t right = middle, end = middle + width < count ? middle + width : count;
        size_t i = start;
        while (left < middle && right < end) { /* which of the two cannot be foretold: no branch on it */
            size_t take_right = is_before(&from[right], &from[left], base);
            to[i++] = from[left + (right - left) * take_right];
            right += take_right;
            left += 1 - take_right;
        }
        memcpy(to + i, from + left, (middle - left) * sizeof *from);
        memcpy(to + i + (middle - left), from + right, (end - right) * sizeof *from);
    }
}

/* Returns the sorted spans: in their own place or in `other`, which has room for as many. Faster here than
 * qsort, which calls for each comparison. */
static const struct hash_span *merge_sort(struct hash_span *spans, struct hash_span *other, size_t count,
                                          const uint8_t *base)
{
    for (size_t width = 1; width < count; width *= 2) {
        merge_runs(spans, other, count, width, base);
        struct hash_span *sorted = other;
        other = spans;
        spans = sorted;
    }
    return spans;
}

void hash_list_end(struct hash_text *hash, size_t mark)
{
    size_t bytes = hash->spans.length - mark, count = bytes / sizeof(struct hash_span);
    if (count < 2 || hash->text.failed || !buffer_reserve(&hash->spans, bytes)) {
        hash->spans.length = mark;
        return;
    }
    hash->spans.length = mark;
    struct hash_span *spans = (struct hash_span *)(void *)(hash->spans.data + mark);
    size_t common = common_start(spans, count, hash->text.data), ordered = 1;
    for (size_t i = 0; i < count; i++)
        spans[i].head = head_of(hash->text.data + spans[i].start + common, spans[i].length - common);
    while (ordered < count && !is_before(&spans[ordered], &spans[ordered - 1], hash->text.data))
        ordered++;
    if (ordered == count)
        return;
    size_t start = spans[0].start, length = hash->text.length - start;
    const struct hash_span *sorted = merge_sort(spans, spans + count, count, hash->text.data);
    buffer_clear(&hash->scratch);
    for (size_t i = 0; i < count; i++)
        buffer_append(&hash->scratch, hash->text.data + sorted[i].start, sorted[i].length);
    if (hash->scratch.failed)
        hash->text.failed = true;
    else
        memcpy(hash->text.data + start, hash->scratch.data, length);
}

/* ---- extension trees ---- */

static const char mda[] = "urn:epcglobal:cbv:mda";

static void append_name(struct hash_text *hash, const Epcis__V1__Node *node)
{
    const char *uri = node->namespace_uri;
    if (uri[0] == 'u' && strncmp(uri, mda, sizeof mda - 1) == 0 && strcmp(uri + sizeof mda - 1, ":") == 0) {
        hash->mda_with_colon = true;
        uri = hash->join_mda ? mda : uri;
    }
    if (uri[0]) {
        buffer_append(&hash->text, "{", 1);
        hash_key(hash, uri);
        buffer_append(&hash->text, "}", 1);
    }
    hash_key(hash, node->local_name);
}

/* CBV 8.9 leaves out what only readers and validators care for. */
static bool is_ignored(const Epcis__V1__Node *node)
{
    return (node->kind == EPCIS__V1__NODE_KIND__NODE_KIND_ATTRIBUTE &&
            strcmp(node->namespace_uri, "http://www.w3.org/2001/XMLSchema-instance") == 0) ||
           (strcmp(node->local_name, "comment") == 0 &&
            strcmp(node->namespace_uri, "http://www.w3.org/2000/01/rdf-schema#") == 0);
}

static void append_node_value(struct hash_text *hash, const char *text)
{
    size_t length = strlen(text);
    text = assembler_trim(text, &length);
    if (length == 0)
        return;
    buffer_append(&hash->text, "=", 1);
    append_value(hash, text, length, false);
}

/* The index behind the tree that begins at `index`. */
static size_t skip_tree(Epcis__V1__Node *const *nodes, size_t count, size_t index)
{
    uint32_t depth = nodes[index]->depth;
    do
        index++;
    while (index < count && nodes[index]->depth > depth);
    return index;
}

/* Writes the siblings from `index` up to `end`. */
static void append_siblings(struct hash_text *hash, Epcis__V1__Node *const *nodes, size_t index, size_t end,
                            int level)
{
    size_t mark = hash_list_begin(hash);
    while (index < end && level < NODE_DEPTH_MAX) {
        const Epcis__V1__Node *node = nodes[index];
        size_t next = skip_tree(nodes, end, index), start = hash->text.length;
        if (node->kind != EPCIS__V1__NODE_KIND__NODE_KIND_TEXT && !is_ignored(node)) {
            append_name(hash, node);
            append_node_value(hash, node->text);
            /* Mixed content: the text before the first child counts as the value. */
            if (index + 1 < next && nodes[index + 1]->kind == EPCIS__V1__NODE_KIND__NODE_KIND_TEXT)
                append_node_value(hash, nodes[index + 1]->text);
            append_siblings(hash, nodes, index + 1, next, level + 1);
            hash_list_item(hash, start);
        }
        index = next;
    }
    hash_list_end(hash, mark);
}

void hash_nodes(struct hash_text *hash, Epcis__V1__Node *const *nodes, size_t count)
{
    append_siblings(hash, nodes, 0, count, 0);
}
