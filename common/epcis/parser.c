#include "common/epcis/parser.h"

#include <stdlib.h>
#include <string.h>

#include "common/epcis/inflate.h"
#include "common/epcis/syntax.h"

/* White space and byte order mark that may stand before the byte that tells the syntax. */
enum { LEAD_MAX = 4096 };

struct parser {
    struct assembler assembler;
    bool begun;                  /* the first byte has told whether the document is compressed */
    struct inflate *inflate;     /* NULL: it is not */
    const struct syntax *syntax; /* NULL: not yet told */
    void *state;
    char lead[LEAD_MAX]; /* what came before the syntax was told */
    size_t lead_length;
};

static void locate_nothing(void *context, bool start, uint64_t *line, uint64_t *byte_offset)
{
    (void)context;
    (void)start;
    *line = 1;
    *byte_offset = 0;
}

enum err parser_open(const struct parser_limits *limits, const struct parser_sink *sink, struct parser **out)
{
    struct parser *parser = calloc(1, sizeof *parser);
    *out = NULL;
    if (!parser)
        return ERR_MEMORY;
    enum err err = assembler_init(&parser->assembler, limits, sink);
    if (err != ERR_OK) {
        free(parser);
        return err;
    }
    parser->assembler.locate = locate_nothing;
    *out = parser;
    return ERR_OK;
}

static bool is_lead(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\xef' || c == '\xbb' || c == '\xbf';
}

static void choose(struct parser *parser, const struct syntax *syntax)
{
    parser->state = syntax->open(&parser->assembler);
    if (!parser->state) {
        parser->assembler.err = ERR_MEMORY;
        return;
    }
    parser->syntax = syntax;
    if (syntax == &json_syntax) /* JSON has no byte order mark; blanks keep offsets right */
        memset(parser->lead, ' ', strspn(parser->lead, "\xef\xbb\xbf"));
    syntax->feed(parser->state, parser->lead, parser->lead_length);
}

/* Holds back what tells nothing; chooses the syntax at the first byte that does. Returns how many bytes
 * were taken. */
static size_t take_lead(struct parser *parser, const char *data, size_t bytes)
{
    size_t taken = 0;
    while (taken < bytes && parser->lead_length < LEAD_MAX && is_lead(data[taken]))
        parser->lead[parser->lead_length++] = data[taken++];
    if (taken < bytes)
        choose(parser, data[taken] == '{' || data[taken] == '[' ? &json_syntax : &xml_syntax);
    return taken;
}

static enum err feed_text(void *context, const void *data, size_t bytes)
{
    struct parser *parser = context;
    struct assembler *assembler = &parser->assembler;
    const char *text = data;
    if (!parser->syntax) {
        size_t taken = take_lead(parser, text, bytes);
        text += taken;
        bytes -= taken;
    }
    if (bytes > 0 && assembler->err == ERR_OK)
        parser->syntax->feed(parser->state, text, bytes);
    return assembler->err;
}

static void feed_compressed(struct parser *parser, const void *data, size_t bytes)
{
    struct assembler *assembler = &parser->assembler;
    enum err err = inflate_feed(parser->inflate, data, bytes, feed_text, parser);
    if (err == ERR_OK || assembler->err != ERR_OK)
        return;
    if (err == ERR_LIMIT)
        assembler_fail_over(assembler, CAP_INFLATED, "the document inflates to too much");
    else if (err == ERR_INPUT)
        assembler_fail(assembler, err,
                       "the compressed document is damaged: whole gzip or Zstandard would be right");
    else
        assembler->err = err;
}

enum err parser_feed(struct parser *parser, const void *data, size_t bytes)
{
    struct assembler *assembler = &parser->assembler;
    if (assembler->err != ERR_OK || bytes == 0)
        return assembler->err;
    if (!parser->begun) {
        enum inflate_format format = inflate_format_of(*(const uint8_t *)data);
        parser->begun = true;
        if (format != INFLATE_NONE)
            assembler->err = inflate_open(format, assembler->limits.inflated_bytes, &parser->inflate);
        if (assembler->err != ERR_OK)
            return assembler->err;
    }
    if (parser->inflate)
        feed_compressed(parser, data, bytes);
    else
        feed_text(parser, data, bytes);
    return assembler->err;
}

enum err parser_finish(struct parser *parser)
{
    struct assembler *assembler = &parser->assembler;
    if (assembler->err == ERR_OK && parser->inflate && !inflate_ended(parser->inflate))
        assembler_fail(assembler, ERR_INPUT, "the compressed document is cut off: its whole would be right");
    if (assembler->err == ERR_OK && !parser->syntax)
        assembler_fail(assembler, ERR_INPUT, "the document is empty: an EPCISDocument would be right");
    if (assembler->err == ERR_OK)
        parser->syntax->finish(parser->state);
    assembler_finish(assembler);
    return assembler->err;
}

const struct parser_error *parser_error(const struct parser *parser)
{
    return &parser->assembler.document_fault.error;
}

uint64_t parser_events(const struct parser *parser)
{
    return parser->assembler.events;
}

void parser_close(struct parser **parser)
{
    if (!*parser)
        return;
    if ((*parser)->syntax)
        (*parser)->syntax->close((*parser)->state);
    inflate_close(&(*parser)->inflate);
    assembler_free(&(*parser)->assembler);
    free(*parser);
    *parser = NULL;
}
