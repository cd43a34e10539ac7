/* Documents read, hashed, packed and written in another syntax while the n-th allocation fails, for each n
 * until none does. Allocations are those of the whole process: ours, libxml2's, yajl's, zlib's and zstd's.
 * The answer is ERR_MEMORY, or what an undisturbed run gives; nothing stays allocated. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buffer.h"
#include "common/epcis/event_hash.h"
#include "common/epcis/parser.h"
#include "common/epcis/writer.h"
#include "compressing.h"

/* ---- the allocator ---- */

/* A sanitizer's allocator where there is one, or the C library's. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void __libc_free(void *memory);
void *__interceptor_malloc(size_t bytes) __attribute__((weak));
void *__interceptor_calloc(size_t count, size_t bytes) __attribute__((weak));
void *__interceptor_realloc(void *memory, size_t bytes) __attribute__((weak));
void __interceptor_free(void *memory) __attribute__((weak));

static bool counting; /* while a document is read: what tests and check itself allocate does not matter */
static unsigned long allocations, failing;
static long alive;

static bool fails(void)
{
    return counting && ++allocations == failing;
}

static void *counted(void *memory)
{
    alive += counting && memory;
    return memory;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's are reserved names */
void *malloc(size_t bytes)
{
    if (fails())
        return NULL;
    return counted(__interceptor_malloc ? __interceptor_malloc(bytes) : __libc_malloc(bytes));
}

void *calloc(size_t count, size_t bytes)
{
    if (fails())
        return NULL;
    return counted(__interceptor_calloc ? __interceptor_calloc(count, bytes) : __libc_calloc(count, bytes));
}

void *realloc(void *memory, size_t bytes)
{
    if (fails())
        return NULL;
    void *grown =
        __interceptor_realloc ? __interceptor_realloc(memory, bytes) : __libc_realloc(memory, bytes);
    return memory ? grown : counted(grown);
}

void free(void *memory)
{
    alive -= counting && memory;
    if (__interceptor_free)
        __interceptor_free(memory);
    else
        __libc_free(memory);
}

/* A sanitizer's would not come by malloc above. */
char *strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* ---- one run ---- */

struct run {
    struct event_hash *hash;
    struct writer *writer;
    struct buffer packed, written;
};

static enum err take_bytes(void *context, const void *data, size_t bytes)
{
    struct run *run = context;
    buffer_append(&run->written, data, bytes);
    return run->written.failed ? ERR_MEMORY : ERR_OK;
}

static enum err take_document(void *context, const Epcis__V1__Document *document)
{
    struct run *run = context;
    buffer_append_message(&run->packed, &document->base);
    return run->packed.failed ? ERR_MEMORY : writer_document(run->writer, document);
}

static enum err take_late(void *context, const Epcis__V1__Document *fields)
{
    struct run *run = context;
    buffer_append_message(&run->packed, &fields->base);
    return run->packed.failed ? ERR_MEMORY : writer_late(run->writer, fields);
}

static enum err take_element(void *context, const Epcis__V1__VocabularyElement *element)
{
    struct run *run = context;
    const char *reason;
    buffer_append_message(&run->packed, &element->base);
    enum err err = run->packed.failed ? ERR_MEMORY : writer_vocabulary_element(run->writer, element, &reason);
    return err == ERR_INPUT ? ERR_OK : err;
}

static enum err take_event(void *context, const struct parser_event *event)
{
    struct run *run = context;
    uint8_t hash[DIGEST_BYTES], content[DIGEST_BYTES];
    const char *reason;
    if (!event->event) {
        buffer_append_text(&run->packed, event->error->message);
        return run->packed.failed ? ERR_MEMORY : ERR_OK;
    }
    enum err err = event_hash_compute(run->hash, event->event, hash, content);
    if (err)
        return err;
    buffer_append(&run->packed, hash, sizeof hash);
    buffer_append(&run->packed, content, sizeof content);
    buffer_append_message(&run->packed, &event->event->base);
    err = run->packed.failed ? ERR_MEMORY : writer_event(run->writer, event->event, &reason);
    return err == ERR_INPUT ? ERR_OK : err;
}

static enum err read_document(struct run *run, const struct buffer *document, enum writer_format format)
{
    enum { PIECE_BYTES = 700 };
    const struct parser_sink sink = {run, take_document, take_element, take_event, take_late};
    struct parser *parser = NULL;
    enum err err = parser_open(&PARSER_LIMITS_DEFAULT, &sink, &parser);
    run->hash = err ? NULL : event_hash_new();
    if (!err)
        err = run->hash ? writer_open(format, take_bytes, run, &run->writer) : ERR_MEMORY;
    for (size_t at = 0; !err && at < document->length; at += PIECE_BYTES)
        err = parser_feed(parser, document->data + at,
                          document->length - at < PIECE_BYTES ? document->length - at : PIECE_BYTES);
    if (!err)
        err = parser_finish(parser);
    if (!err)
        err = writer_finish(run->writer);
    parser_close(&parser);
    writer_close(&run->writer);
    event_hash_free(run->hash);
    return err;
}

static void run_free(struct run *run)
{
    buffer_free(&run->packed);
    buffer_free(&run->written);
}

/* ---- the sweep ---- */

static bool same(const struct buffer *one, const struct buffer *other)
{
    return one->length == other->length && memcmp(one->data, other->data, one->length) == 0;
}

static void sweep(const char *name, const struct buffer *document, enum writer_format format)
{
    struct run whole = {0};
    ck_assert_msg(read_document(&whole, document, format) == ERR_OK, "%s", name);
    bool failed = true;
    unsigned long n = 0;
    while (failed) {
        n++;
        struct run run = {0};
        allocations = 0;
        failing = n;
        alive = 0;
        counting = true;
        enum err err = read_document(&run, document, format);
        failed = allocations >= n;
        bool equal = !err && same(&run.packed, &whole.packed) && same(&run.written, &whole.written);
        run_free(&run);
        counting = false;
        ck_assert_msg(alive == 0, "%s, allocation %lu: %ld stay", name, n, alive);
        ck_assert_msg(err == ERR_MEMORY || equal, "%s, allocation %lu: %s", name, n, err_name(err));
        ck_assert_msg(failed || equal, "%s: %s though none failed", name, err_name(err));
    }
    ck_assert_uint_gt(n, 25); /* ours, and the library's */
    run_free(&whole);
}

static struct buffer read_file(const char *path)
{
    struct buffer content = {0};
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    uint8_t *room = buffer_reserve(&content, 1 << 20);
    ck_assert_ptr_nonnull(room);
    content.length = fread(room, 1, 1 << 20, file);
    fclose(file);
    return content;
}

/* Together these have every kind of event, member and extension, header and master data. */
static const char *const documents[] = {"kinds-xml20.xml", "extensions-xml20.xml", "dscsa-xml12.xml",
                                        "query-xml12.xml", "kinds-json20.json",    "dscsa-json20.json",
                                        "bare-json20.json"};

START_TEST(every_allocation_fails_once)
{
    char path[256];
    snprintf(path, sizeof path, "%s/epcis/%s", FIXTURES, documents[_i]);
    struct buffer document = read_file(path);
    struct buffer gzip = compressed_gzip(document.data, document.length);
    struct buffer zstd = compressed_zstd(document.data, document.length);
    enum writer_format format = strstr(path, ".json") ? WRITER_XML_2 : WRITER_JSON_2;
    sweep(documents[_i], &document, format);
    sweep("gzip", &gzip, format);
    sweep("zstd", &zstd, format);
    buffer_free(&document);
    buffer_free(&gzip);
    buffer_free(&zstd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("epcis_memory");
    TCase *tests = tcase_create("memory");
    tcase_set_timeout(tests, 240);
    tcase_add_loop_test(tests, every_allocation_fails_once, 0, sizeof documents / sizeof documents[0]);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
