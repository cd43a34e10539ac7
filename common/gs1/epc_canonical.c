#include "common/gs1/epc.h"

#include <string.h>

#include "common/gs1/digital_link.h"
#include "common/gs1/epc_urn.h"
#include "common/gs1/set82.h"

/* Characters of a GIAI or CPI, the longest that AIs of this kind have. */
enum { REFERENCE_MAX = 30 };

/* Text into a bounded place; counts on past its end. */
struct writer {
    char *out;
    size_t size;
    size_t length;
};

static void put(struct writer *writer, const char *text, size_t length)
{
    if (writer->length + length <= writer->size)
        memcpy(writer->out + writer->length, text, length);
    else if (writer->length < writer->size)
        memcpy(writer->out + writer->length, text, writer->size - writer->length);
    writer->length += length;
}

static void put_text(struct writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

/* Percent escapes stay as written (CBV 8.9 leaves their case alone). */
static void put_tail(struct writer *writer, const char *text, size_t length)
{
    static const char digits[] = "0123456789ABCDEF";
    for (;;) {
        size_t span = set82_span_in_link(text, length);
        put(writer, text, span);
        if (span == length)
            return;
        char escape[3] = {'%', digits[(unsigned char)text[span] >> 4], digits[text[span] & 15]};
        put(writer, escape, sizeof escape);
        text += span + 1;
        length -= span + 1;
    }
}

static bool is_star(const char *text, size_t length)
{
    return length == 1 && *text == '*';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ITIP: two digits of piece, two of total, then the serial or a star. */
static bool put_pieces(struct writer *writer, const struct epc_urn *urn)
{
    const char *tail = urn->tail;
    if (urn->tail_length < 7 || tail[2] != '.' || tail[5] != '.' || !is_digit(tail[0]) ||
        !is_digit(tail[1]) || !is_digit(tail[3]) || !is_digit(tail[4]))
        return false;
    put(writer, tail, 2);
    put(writer, tail + 3, 2);
    if (urn->scheme->tail == TAIL_PIECES_STAR)
        return is_star(tail + 6, urn->tail_length - 6);
    put_text(writer, urn->scheme->link_tail);
    put_tail(writer, tail + 6, urn->tail_length - 6);
    return set82_ok(tail + 6, urn->tail_length - 6, true, SET82_MAX);
}

static bool put_urn_tail(struct writer *writer, const struct epc_urn *urn)
{
    switch (urn->scheme->tail) {
    case TAIL_NONE:
        return true;
    case TAIL_STAR:
        return urn->tail && is_star(urn->tail, urn->tail_length);
    case TAIL_PIECES:
    case TAIL_PIECES_STAR:
        return put_pieces(writer, urn);
    case TAIL_EXTENSION:
        if (urn->tail_length == 1 && *urn->tail == '0')
            return true;
        break;
    case TAIL_REQUIRED:
        break;
    }
    size_t most = urn->scheme->kind == EPC_OTHER ? REFERENCE_MAX : SET82_MAX;
    if (!urn->tail || !set82_ok(urn->tail, urn->tail_length, true, most))
        return false;
    put_text(writer, urn->scheme->link_tail);
    put_tail(writer, urn->tail, urn->tail_length);
    return true;
}

static bool reference_ok(const struct epc_urn *urn)
{
    bool component = strcmp(urn->scheme->link, "/8010/") == 0;
    return urn->item && (component ? set82_component_ok(urn->item, urn->item_length, REFERENCE_MAX)
                                   : set82_ok(urn->item, urn->item_length, true, REFERENCE_MAX));
}

/* All but the tail. */
static bool put_urn_stem(struct writer *writer, const struct epc_urn *urn)
{
    char digits[19];
    put_text(writer, "https://id.gs1.org");
    put_text(writer, urn->scheme->link);
    if (urn->scheme->digits > 0) {
        if (!epc_urn_digits(urn, digits))
            return false;
        put_text(writer, digits);
    } else {
        if (!epc_urn_company_ok(urn) || !reference_ok(urn))
            return false;
        put(writer, urn->company, urn->company_length);
        put_tail(writer, urn->item, urn->item_length);
    }
    return true;
}

/* True where AI (21) is among the qualifiers. */
static bool has_serial(const struct digital_link *link)
{
    const char *rest = link->rest;
    size_t length = link->rest_length;
    struct link_part name, value;
    while (digital_link_next(&rest, &length, &name) && digital_link_next(&rest, &length, &value)) {
        const char *ai = digital_link_qualifier(&name);
        if (ai && strcmp(ai, "21") == 0)
            return true;
    }
    return false;
}

/* CBV 8.9's constrained form: no consumer product variant, no lot beside a serial. *last: the value that was
 * written last, its text NULL where it was not that of a qualifier. */
static void put_qualifiers(struct writer *writer, const struct digital_link *link, struct link_part *last)
{
    const char *rest = link->rest;
    size_t length = link->rest_length;
    bool serial = has_serial(link);
    struct link_part name, value;
    *last = (struct link_part){0};
    while (digital_link_next(&rest, &length, &name)) {
        const char *ai = digital_link_qualifier(&name);
        bool dropped = ai && (strcmp(ai, "22") == 0 || (serial && strcmp(ai, "10") == 0));
        bool paired = digital_link_next(&rest, &length, &value);
        *last = paired && !dropped ? value : (struct link_part){0};
        if (dropped)
            continue;
        put(writer, "/", 1);
        put(writer, ai ? ai : name.text, ai ? strlen(ai) : name.length);
        if (paired) {
            put(writer, "/", 1);
            put(writer, value.text, value.length);
        }
    }
}

static void put_link(struct writer *writer, const struct digital_link *link, struct link_part *last)
{
    put_text(writer, "https://id.gs1.org/");
    put_text(writer, link->ai);
    put(writer, "/", 1);
    if (strcmp(link->ai, "01") == 0 && link->value.length < 14)
        put(writer, "000000", 14 - link->value.length);
    put(writer, link->value.text, link->value.length);
    put_qualifiers(writer, link, last);
}

/* The place of the stem that ends behind the last dot of a URN or slash of a link; NULL where there can be
 * none. */
static struct epc_stem *find_place(struct epc_stems *stems, const char *text, size_t length,
                                   size_t *stem_length)
{
    const char *last = length > 0 ? memrchr(text, text[0] == 'h' ? '/' : '.', length) : NULL;
    uint64_t end;
    if (!last || (size_t)(last - text) < sizeof end)
        return NULL;
    memcpy(&end, last - sizeof end, sizeof end); /* which tells stems apart well enough */
    *stem_length = (size_t)(last - text) + 1;
    return &stems->slots[end * 0x9e3779b97f4a7c15 >> (64 - EPC_STEM_BITS)];
}

/* Keeps the stem whose canonical form is written to its place: of `canonical` bytes, and where "0" stands for
 * no extension `bare` bytes without it. */
static void keep_stem(struct epc_stem *stem, const char *text, size_t stem_length, size_t canonical,
                      size_t bare)
{
    stem->canonical_length = (uint8_t)canonical;
    stem->bare_length = (uint8_t)bare;
    stem->text_length = (uint8_t)stem_length;
    memcpy(stem->text, text, stem_length);
}

/* What stands before the serial; schemes whose last part may mean something else have no such stem. */
static void keep_urn_stem(struct epc_stems *stems, const char *text, size_t length, const struct epc_urn *urn)
{
    bool extension = urn->scheme->tail == TAIL_EXTENSION;
    size_t stem_length;
    struct epc_stem *stem = find_place(stems, text, length, &stem_length);
    if (!stem || (urn->scheme->tail != TAIL_REQUIRED && !extension) || text + stem_length != urn->tail ||
        stem_length > sizeof stem->text || !set82_plain(urn->tail, urn->tail_length))
        return;
    struct writer writer = {stem->canonical, sizeof stem->canonical, 0};
    stem->text_length = 0;
    if (!put_urn_stem(&writer, urn))
        return;
    size_t bare = extension ? writer.length : 0;
    put_text(&writer, urn->scheme->link_tail);
    if (writer.length <= writer.size)
        keep_stem(stem, text, stem_length, writer.length, bare);
}

/* What stands before the value of the last qualifier, and that value was written behind the `canonical` form
 * of it. A value that stands for itself changes nothing before it. */
static void keep_link_stem(struct epc_stems *stems, const char *text, size_t length,
                           const struct link_part *last, const struct writer *written)
{
    size_t stem_length;
    struct epc_stem *stem = find_place(stems, text, length, &stem_length);
    if (!stem || !last->text || text + stem_length != last->text || written->length > written->size ||
        last->length + stem_length != length || stem_length > sizeof stem->text ||
        !set82_plain(last->text, last->length))
        return;
    size_t canonical = written->length - last->length;
    if (canonical > sizeof stem->canonical)
        return;
    memcpy(stem->canonical, written->out, canonical);
    keep_stem(stem, text, stem_length, canonical, 0);
}

/* Copies of constant size: what is written too much is overwritten, and a call would take longer. */
static void put_stem_and_tail(struct writer *writer, const struct epc_stem *stem, const char *tail,
                              size_t tail_length)
{
    enum { WORD = 8 };
    if (writer->size < sizeof stem->canonical + SET82_MAX || tail_length < WORD || tail_length > 2 * WORD) {
        put(writer, stem->canonical, stem->canonical_length);
        put(writer, tail, tail_length);
        return;
    }
    char *end = writer->out + stem->canonical_length;
    memcpy(writer->out, stem->canonical, sizeof stem->canonical);
    memcpy(end, tail, WORD);
    memcpy(end + tail_length - WORD, tail + tail_length - WORD, WORD);
    writer->length = stem->canonical_length + tail_length;
}

/* The first that is written. */
static bool put_by_stem(struct writer *writer, struct epc_stems *stems, const char *text, size_t length)
{
    size_t skip;
    const struct epc_stem *stem = find_place(stems, text, length, &skip);
    if (!stem || stem->text_length != skip || memcmp(text, stem->text, skip) != 0 ||
        !set82_plain(text + skip, length - skip))
        return false;
    if (stem->bare_length && length - skip == 1 && text[skip] == '0')
        put(writer, stem->canonical, stem->bare_length);
    else
        put_stem_and_tail(writer, stem, text + skip, length - skip);
    return true;
}

static bool put_new(struct writer *writer, struct epc_stems *stems, const char *text, size_t length)
{
    struct epc_urn urn;
    struct digital_link link;
    struct link_part last;
    if (length == 0)
        return false;
    if (epc_urn_split(text, length, &urn)) {
        if (!put_urn_stem(writer, &urn) || !put_urn_tail(writer, &urn))
            return false;
        if (stems)
            keep_urn_stem(stems, text, length, &urn);
        return true;
    }
    if (text[0] != 'h' || memchr(text, '#', length) || !digital_link_split(text, length, &link) ||
        !link.well_formed)
        return false;
    put_link(writer, &link, &last);
    if (stems)
        keep_link_stem(stems, text, length, &last, writer);
    return true;
}

static size_t finish(char *out, size_t size, size_t length)
{
    if (size > 0)
        out[length < size ? length : size - 1] = '\0';
    return length;
}

size_t epc_canonical(const char *text, size_t length, char *out, size_t size)
{
    struct writer writer = {out, size, 0};
    bool canonical = put_new(&writer, NULL, text, length);
    return finish(out, size, canonical ? writer.length : 0);
}

size_t epc_canonical_next(struct epc_stems *stems, const char *text, size_t length, char *out, size_t size)
{
    struct writer writer = {out, size, 0};
    bool canonical = put_by_stem(&writer, stems, text, length) || put_new(&writer, stems, text, length);
    return finish(out, size, canonical ? writer.length : 0);
}
