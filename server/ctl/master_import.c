#include "server/ctl/master_import.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/epcis/parser.h"
#include "server/ctl/ctl.h"
#include "server/ctl/output.h"

/* What one request takes; an element that is larger goes alone, and the server decides. */
enum { ELEMENTS_MAX = 1000, ELEMENT_BYTES = 512 << 10, PIECE_BYTES = 64 << 10 };

struct import {
    const char *file;
    master_import_fn *use;
    void *context;
    int code; /* of `use` */
    struct arena arena;
    struct buffer packed;
    Epcis__V1__VocabularyElement *elements[ELEMENTS_MAX];
    size_t count;
    size_t bytes;
};

static enum err hand_on(struct import *import)
{
    if (import->count > 0)
        import->code = import->use(import->context, import->file, import->elements, import->count);
    import->count = import->bytes = 0;
    arena_reset(&import->arena);
    return import->code == CTL_OK ? ERR_OK : ERR_STOPPED;
}

/* The parser's element ends with the call, so it is copied. */
static enum err take_element(void *context, const Epcis__V1__VocabularyElement *element)
{
    struct import *import = context;
    buffer_clear(&import->packed);
    buffer_append_message(&import->packed, &element->base);
    if (import->packed.failed)
        return ERR_MEMORY;
    bool full = import->count == ELEMENTS_MAX || import->bytes + import->packed.length > ELEMENT_BYTES;
    enum err err = full ? hand_on(import) : ERR_OK;
    if (err)
        return err;
    Epcis__V1__VocabularyElement *copy = epcis__v1__vocabulary_element__unpack(
        &import->arena.allocator, import->packed.length, import->packed.data);
    if (!copy)
        return ERR_MEMORY;
    import->elements[import->count++] = copy;
    import->bytes += import->packed.length;
    return ERR_OK;
}

static enum err feed_all(struct parser *parser, FILE *file)
{
    static char piece[PIECE_BYTES];
    size_t bytes;
    enum err err = ERR_OK;
    while (!err && (bytes = fread(piece, 1, sizeof piece, file)) > 0)
        err = parser_feed(parser, piece, bytes);
    if (!err && ferror(file))
        return ERR_DISK;
    return err ? err : parser_finish(parser);
}

static void tell_error(const char *name, const struct parser *parser, enum err err)
{
    if (err == ERR_INPUT || err == ERR_LIMIT) {
        const struct parser_error *error = parser_error(parser);
        output_complain("%s:%llu: %s: %s", name, (unsigned long long)error->line, error->code,
                        error->message);
    } else if (err != ERR_STOPPED) {
        fprintf(stderr, "epcisctl: %s: %s\n", name, err == ERR_DISK ? strerror(errno) : err_name(err));
    }
}

static int import_open(struct import *import, FILE *file)
{
    struct parser_sink sink = {.context = import, .vocabulary_element = take_element};
    struct parser *parser = NULL;
    enum err err = parser_open(&PARSER_LIMITS_DEFAULT, &sink, &parser);
    if (!err)
        err = feed_all(parser, file);
    if (!err)
        err = hand_on(import);
    if (err)
        tell_error(import->file, parser, err);
    else if (parser_events(parser) > 0)
        fprintf(stderr, "%s: its %llu events are not sent: 'epcisctl capture' sends the whole document\n",
                import->file, (unsigned long long)parser_events(parser));
    parser_close(&parser);
    return err == ERR_STOPPED ? import->code : err ? CTL_ERROR : CTL_OK;
}

int master_import_file(const char *file, master_import_fn *use, void *context)
{
    static struct import import;
    bool standard = strcmp(file, "-") == 0;
    import = (struct import){
        .file = standard ? "standard input" : file, .use = use, .context = context, .code = CTL_OK};
    FILE *stream = standard ? stdin : fopen(file, "rb");
    if (!stream) {
        fprintf(stderr, "epcisctl: %s: %s\n", file, strerror(errno));
        return CTL_ERROR;
    }
    arena_init(&import.arena, (size_t)1 << 30);
    int code = import_open(&import, stream);
    arena_free(&import.arena);
    buffer_free(&import.packed);
    if (!standard)
        fclose(stream);
    return code;
}
