#include "worker/sort.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

enum { WORD_BYTES = 8, FEW = 24 };

static uint64_t word_at(const struct sort_entry *entry, size_t depth)
{
    uint64_t word = 0;
    if (depth + WORD_BYTES <= entry->length) {
        memcpy(&word, entry->key + depth, WORD_BYTES);
        return be64toh(word);
    }
    for (size_t i = 0; i < WORD_BYTES; i++)
        word = word << 8 | (depth + i < entry->length ? entry->key[depth + i] : 0);
    return word;
}

static void insertion_sort(struct sort_entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct sort_entry entry = entries[i];
        size_t at = i;
        for (; at > 0 && entries[at - 1].word > entry.word; at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

/* By each byte of the word in which the entries differ, the last first. */
static void radix_sort(struct sort_entry *entries, struct sort_entry *spare, size_t count, uint64_t differing)
{
    struct sort_entry *from = entries, *to = spare;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if (!(differing >> shift & 0xff))
            continue;
        size_t starts[256] = {0};
        for (size_t i = 0; i < count; i++)
            starts[from[i].word >> shift & 0xff]++;
        size_t start = 0;
        for (int byte = 0; byte < 256; byte++) {
            size_t next = start + starts[byte];
            starts[byte] = start;
            start = next;
        }
        for (size_t i = 0; i < count; i++)
            to[starts[from[i].word >> shift & 0xff]++] = from[i];
        struct sort_entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != entries)
        memcpy(entries, from, count * sizeof *entries);
}

static void sort_words(struct sort_entry *entries, struct sort_entry *spare, size_t count, size_t depth,
                       bool *longer)
{
    bool sorted = true;
    uint64_t differing = 0;
    *longer = false;
    for (size_t i = 0; i < count; i++) {
        entries[i].word = word_at(&entries[i], depth);
        *longer = *longer || entries[i].length > depth + WORD_BYTES;
        if (i > 0) {
            sorted = sorted && entries[i - 1].word <= entries[i].word;
            differing |= entries[0].word ^ entries[i].word;
        }
    }
    if (sorted)
        return;
    if (count <= FEW)
        insertion_sort(entries, count);
    else
        radix_sort(entries, spare, count, differing);
}

static void sort_from(struct sort_entry *entries, struct sort_entry *spare, size_t count, size_t depth)
{
    bool longer;
    sort_words(entries, spare, count, depth, &longer);
    if (!longer)
        return;
    for (size_t start = 0, end; start < count; start = end) {
        for (end = start + 1; end < count && entries[end].word == entries[start].word; end++)
            ;
        if (end - start > 1) /* as deep as the longest key has words: 37 */
            sort_from(entries + start, spare + start, end - start, depth + WORD_BYTES);
    }
}

void sort_entries(struct sort_entry *entries, struct sort_entry *spare, size_t count)
{
    if (count > 1)
        sort_from(entries, spare, count, 0);
}
