#include "common/epcis/hash_text.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/epcis/assembler.h"
#include "common/epcis/event_text.h"

enum {
    EXPONENT_MAX = 400,   /* xs:double ends at 308; more digits than this are kept as written */
    NODE_DEPTH_MAX = 512, /* above what any parser gives; keeps recursion finite */
    FEW = 4,              /* siblings that are sorted by insertion */
};

void hash_text_free(struct hash_text *hash)
{
    buffer_free(&hash->text);
    buffer_free(&hash->scratch);
    buffer_free(&hash->spans);
    buffer_free(&hash->order);
}

/* ---- values ---- */

static void put_key(struct hash_text *hash, const char *key, size_t length)
{
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

/* Writes key, "=" and the identifier's canonical form; false where `text` has none. */
static inline bool put_canonical(struct hash_text *hash, const char *key, size_t key_length, const char *text,
                                 size_t length)
{
    if (*text != 'u' && *text != 'h')
        return false;
    /* An escape makes three characters of one; the link's own words fit in 64. */
    size_t room = 3 * length + 64;
    char *end = (char *)buffer_reserve(&hash->text, key_length + 1 + room);
    if (!end)
        return true;
    size_t written = epc_canonical_next(&hash->stems, text, length, end + key_length + 1, room);
    if (written == 0)
        return false;
    memcpy(end, key, key_length);
    end[key_length] = '=';
    hash->text.length += key_length + 1 + written;
    return true;
}

/* key=value; the key may be empty. */
static void append_value(struct hash_text *hash, const char *key, size_t key_length, const char *text,
                         size_t length, bool is_double)
{
    size_t skip = 0;
    if (put_canonical(hash, key, key_length, text, length))
        return;
    put_key(hash, key, key_length);
    const char *uri = cbv_expand(text, length, &skip);
    if (uri) {
        hash_key(hash, uri);
        buffer_append(&hash->text, text + skip, length - skip);
    } else if (!append_number(hash, text, length, is_double)) {
        buffer_append(&hash->text, text, length);
    }
}

void hash_put_value(struct hash_text *hash, const char *key, size_t key_length, const char *value,
                    bool is_double)
{
    size_t length = strlen(value);
    value = assembler_trim(value, &length);
    if (length == 0)
        return;
    append_value(hash, key, key_length, value, length, is_double);
}

void hash_word(struct hash_text *hash, const char *key, enum cbv_family family, const char *word)
{
    size_t length = strlen(word);
    if (length == 0)
        return;
    if (memchr(word, ':', length)) {
        hash_put_value(hash, key, strlen(key), word, false);
        return;
    }
    put_key(hash, key, strlen(key));
    hash_key(hash, cbv_uri(family));
    buffer_append(&hash->text, word, length);
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
    put_key(hash, key, strlen(key));
    hash_key(hash, text);
}

/* ---- siblings ---- */

size_t hash_list_begin(struct hash_text *hash)
{
    return hash->spans.length;
}

void hash_list_item(struct hash_text *hash, size_t start)
{
    struct hash_span span = {start, hash->text.length - start};
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

/* What is sorted: the text of `spans` at `base`. */
struct siblings {
    const struct hash_span *spans;
    const uint8_t *base;
    size_t count;
};

/* A sibling while its list is sorted: the twelve bytes behind what all begin with, as two numbers. */
struct entry {
    uint64_t head;
    uint32_t more;
    uint32_t index; /* of its span; an event's memory is capped far below that many */
};

static struct entry make_entry(const struct siblings *siblings, size_t index, size_t common)
{
    uint8_t bytes[12] = {0};
    const struct hash_span *span = &siblings->spans[index];
    size_t length = span->length - common;
    struct entry entry = {.index = (uint32_t)index};
    if (length >= sizeof bytes)
        memcpy(bytes, siblings->base + span->start + common, sizeof bytes);
    else
        memcpy(bytes, siblings->base + span->start + common, length);
    memcpy(&entry.head, bytes, sizeof entry.head);
    memcpy(&entry.more, bytes + sizeof entry.head, sizeof entry.more);
    entry.head = be64toh(entry.head);
    entry.more = be32toh(entry.more);
    return entry;
}

/* Without branches, as which of two comes first cannot be foretold. Equal ones stay in their order. */
static inline bool is_before(const struct entry *a, const struct entry *b)
{
    return (a->head < b->head) | ((a->head == b->head) & (a->more < b->more));
}

static inline const struct entry *choose(const struct entry *a, const struct entry *b, bool second)
{
    return (const struct entry *)((uintptr_t)a ^ (((uintptr_t)a ^ (uintptr_t)b) & (0 - (uintptr_t)second)));
}

/* Merges two runs of `width` entries from both ends at once, which the processor does side by side. */
static void merge_alike(const struct entry *left, struct entry *to, size_t width)
{
    const struct entry *right = left + width, *left_last = right - 1, *right_last = left_last + width;
    struct entry *to_last = to + 2 * width - 1;
    for (size_t i = 0; i < width; i++) {
        bool right_first = is_before(right, left), left_behind = is_before(right_last, left_last);
        *to++ = *choose(left, right, right_first);
        right += right_first;
        left += !right_first;
        *to_last-- = *choose(right_last, left_last, left_behind);
        left_last -= left_behind;
        right_last -= !left_behind;
    }
}

/* Merges the run up to `middle` with the one from there up to `end`. */
static void merge_others(const struct entry *left, const struct entry *middle, const struct entry *end,
                         struct entry *to)
{
    const struct entry *right = middle;
    while (left < middle && right < end) {
        bool right_first = is_before(right, left);
        *to++ = *choose(left, right, right_first);
        right += right_first;
        left += !right_first;
    }
    while (left < middle)
        *to++ = *left++;
    while (right < end)
        *to++ = *right++;
}

/* Returns the sorted entries: in their own place or in `other`, which has room for as many. Faster here than
 * qsort, which calls for each comparison. */
static struct entry *merge_sort(struct entry *entries, struct entry *other, size_t count)
{
    for (size_t width = 1; width < count; width *= 2) {
        size_t start = 0;
        for (; count - start >= 2 * width; start += 2 * width)
            merge_alike(entries + start, other + start, width);
        size_t rest = count - start;
        merge_others(entries + start, entries + start + (width < rest ? width : rest), entries + count,
                     other + start);
        struct entry *sorted = other;
        other = entries;
        entries = sorted;
    }
    return entries;
}

static int compare_spans(const struct siblings *siblings, size_t one, size_t other)
{
    const struct hash_span *a = &siblings->spans[one], *b = &siblings->spans[other];
    int order = memcmp(siblings->base + a->start, siblings->base + b->start,
                       a->length < b->length ? a->length : b->length);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_in_full(const void *one, const void *other, void *siblings)
{
    return compare_spans(siblings, ((const struct entry *)one)->index, ((const struct entry *)other)->index);
}

/* Entries that twelve bytes do not tell apart. */
static void sort_ties(struct siblings *siblings, struct entry *entries)
{
    for (size_t start = 0, end; start < siblings->count; start = end) {
        for (end = start + 1; end < siblings->count && !is_before(&entries[start], &entries[end]);)
            end++;
        if (end - start > 1)
            qsort_r(entries + start, end - start, sizeof *entries, compare_in_full, siblings);
    }
}

/* True where they are in order already. */
static bool sort_few(const struct siblings *siblings, struct entry *entries)
{
    bool ordered = true;
    for (size_t i = 0; i < siblings->count; i++) {
        size_t at = i;
        for (; at > 0 && compare_spans(siblings, entries[at - 1].index, i) > 0; at--)
            entries[at] = entries[at - 1];
        entries[at].index = (uint32_t)i;
        ordered = ordered && at == i;
    }
    return ordered;
}

/* True where they are in order already; else *entries become the sorted ones, there or behind as many. */
static bool sort_many(struct siblings *siblings, struct entry **entries)
{
    size_t count = siblings->count, common = common_start(siblings->spans, count, siblings->base);
    bool ordered = true;
    for (size_t i = 0; i < count; i++) {
        (*entries)[i] = make_entry(siblings, i, common);
        ordered = ordered && (i == 0 || is_before(&(*entries)[i - 1], &(*entries)[i]));
    }
    if (ordered)
        return true;
    *entries = merge_sort(*entries, *entries + count, count);
    sort_ties(siblings, *entries);
    return false;
}

/* Puts the siblings' text in the order of the entries. */
static void rearrange(struct hash_text *hash, const struct siblings *siblings, const struct entry *entries)
{
    size_t start = siblings->spans[0].start, length = hash->text.length - start;
    buffer_clear(&hash->scratch);
    uint8_t *to = buffer_reserve(&hash->scratch, length);
    if (!to) {
        hash->text.failed = true;
        return;
    }
    for (size_t i = 0; i < siblings->count; i++) {
        const struct hash_span *span = &siblings->spans[entries[i].index];
        memcpy(to, siblings->base + span->start, span->length);
        to += span->length;
    }
    memcpy(hash->text.data + start, hash->scratch.data, length);
}

static void sort_siblings(struct hash_text *hash, struct siblings *siblings)
{
    size_t count = siblings->count;
    buffer_clear(&hash->order);
    struct entry *entries = (struct entry *)(void *)buffer_reserve(&hash->order, 2 * count * sizeof *entries);
    if (!entries) {
        hash->text.failed = true;
        return;
    }
    bool ordered = count <= FEW ? sort_few(siblings, entries) : sort_many(siblings, &entries);
    if (!ordered)
        rearrange(hash, siblings, entries);
}

void hash_list_end(struct hash_text *hash, size_t mark)
{
    size_t count = (hash->spans.length - mark) / sizeof(struct hash_span);
    hash->spans.length = mark;
    if (count < 2 || hash->text.failed)
        return;
    struct siblings siblings = {(const struct hash_span *)(const void *)(hash->spans.data + mark),
                                hash->text.data, count};
    sort_siblings(hash, &siblings);
}

void hash_epcs(struct hash_text *hash, char *const *epcs, size_t count)
{
    size_t mark = hash_list_begin(hash);
    for (size_t i = 0; i < count; i++) {
        size_t start = hash->text.length;
        if (!put_canonical(hash, "epc", 3, epcs[i], strlen(epcs[i])))
            hash_value(hash, "epc", epcs[i]);
        hash_list_item(hash, start);
    }
    hash_list_end(hash, mark);
}

/* ---- extension trees ---- */

static const char mda[] = "urn:epcglobal:cbv:mda";

static void append_name(struct hash_text *hash, const Epcis__V1__Node *node)
{
    const char *uri = node->namespace_uri;
    size_t uri_length = strlen(uri), local_length = strlen(node->local_name);
    if (uri_length == sizeof mda && uri[sizeof mda - 1] == ':' && memcmp(uri, mda, sizeof mda - 1) == 0) {
        hash->mda_with_colon = true;
        uri_length -= hash->join_mda;
    }
    char *end = (char *)buffer_reserve(&hash->text, uri_length + local_length + 2);
    if (!end)
        return;
    if (uri_length > 0) {
        *end++ = '{';
        memcpy(end, uri, uri_length);
        end += uri_length;
        *end++ = '}';
    }
    memcpy(end, node->local_name, local_length);
    hash->text.length += local_length + (uri_length > 0 ? uri_length + 2 : 0);
}

/* CBV 8.9 leaves out what only readers and validators care for. */
static bool is_ignored(const Epcis__V1__Node *node)
{
    if (node->namespace_uri[0] != 'h') /* for speed */
        return false;
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
    append_value(hash, "", 0, text, length, false);
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
