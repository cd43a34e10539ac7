#include "tests/unit/epcis_reading.h"

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const char *const fixtures[][2] = {
    {"extensions-xml20", "xml"}, {"dscsa-xml12", "xml"},   {"kinds-xml20", "xml"},  {"query-xml12", "xml"},
    {"dscsa-json20", "json"},    {"kinds-json20", "json"}, {"bare-json20", "json"},
};

static void read_fixture(struct reading *reading, const char *name, const char *format)
{
    char path[512];
    size_t bytes;
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    snprintf(path, sizeof path, "%s/epcis/%s.%s", FIXTURES, name, format);
    char *data = reading_file(path, &bytes);
    reading_run(reading, &limits, data, bytes, bytes);
    ck_assert_int_eq(reading->err, ERR_OK);
    free(data);
}

START_TEST(canonical_text_of_fixtures)
{
    char path[512];
    size_t bytes;
    struct reading reading = {0};
    read_fixture(&reading, fixtures[_i][0], fixtures[_i][1]);
    snprintf(path, sizeof path, "%s/epcis/%s.prehash", FIXTURES, fixtures[_i][0]);
    char *expected = reading_file(path, &bytes);
    ck_assert_str_eq((char *)reading.prehash.data, expected);
    reading_free(&reading);
    free(expected);
}
END_TEST

/* Published vectors and worked examples, as SHA-256 of the line in the fixture's canonical text. */
static const struct {
    const char *fixture;
    int line;
    const char *hash;
} known[] = {
    {"extensions-xml20", 0, "6ae96341e0acc6d7a261364751f60e68278a81cdf51da0abb6b4e617014e39d7"},
    {"extensions-xml20", 1, "e9273954ba78387caf181fe74038871990dbc97568d068123d0a8774b843e383"},
    {"dscsa-xml12", 0, "7c16fd20a3153e0bf8094382a9462be68f8b0ddae455dd1c8672a44bad4c38e4"},
    {"dscsa-xml12", 1, "9ad9217fb568318e218491f2dff4bb92be64d73fc100a40d2fe080f989e07713"},
    {"dscsa-xml12", 2, "08c975f3f649b09678b1343a89708629a42222dad37efdfbd0cba7e827e5d52f"},
};

START_TEST(known_hashes)
{
    struct reading reading = {0};
    uint8_t digest[DIGEST_BYTES];
    char hex[DIGEST_HEX + 1];
    read_fixture(&reading, known[_i].fixture, "xml");
    const char *line = (char *)reading.prehash.data;
    for (int i = 0; i < known[_i].line; i++)
        line = strchr(line, '\n') + 1;
    digest_of(line, strcspn(line, "\n"), digest);
    digest_hex(digest, sizeof digest, hex);
    ck_assert_str_eq(hex, known[_i].hash);
    reading_free(&reading);
}
END_TEST

static void check_bytes(const uint8_t *one, const uint8_t *other, bool same)
{
    ck_assert((memcmp(one, other, DIGEST_BYTES) == 0) == same);
}

static Epcis__V1__Node lot_node(const char *uri)
{
    Epcis__V1__Node node = EPCIS__V1__NODE__INIT;
    node.kind = EPCIS__V1__NODE_KIND__NODE_KIND_ELEMENT;
    node.namespace_uri = (char *)uri;
    node.local_name = (char *)"lotNumber";
    node.text = (char *)"A1";
    return node;
}

START_TEST(content_joins_the_master_data_namespaces)
{
    struct event_hash *hash = event_hash_new();
    uint8_t out[3][DIGEST_BYTES], content[3][DIGEST_BYTES];
    const char *uris[] = {"urn:epcglobal:cbv:mda", "urn:epcglobal:cbv:mda:", "urn:epcglobal:cbv:mda:x"};
    for (int i = 0; i < 3; i++) {
        Epcis__V1__Event event = EPCIS__V1__EVENT__INIT;
        Epcis__V1__Node node = lot_node(uris[i]), *nodes[] = {&node};
        event.n_ilmd = 1;
        event.ilmd = nodes;
        ck_assert_int_eq(event_hash_compute(hash, &event, out[i], content[i]), ERR_OK);
    }
    check_bytes(out[0], out[1], false);
    check_bytes(content[0], content[1], true);
    check_bytes(content[0], out[0], true);
    check_bytes(content[2], out[2], true);
    check_bytes(content[2], content[0], false);
    char text[EVENT_HASH_TEXT], hex[DIGEST_HEX + 1], expected[EVENT_HASH_TEXT + 1];
    event_hash_text(out[0], text);
    digest_hex(out[0], DIGEST_BYTES, hex);
    snprintf(expected, sizeof expected, "ni:///sha-256;%s?ver=CBV2.0", hex);
    ck_assert_str_eq(text, expected);
    event_hash_free(hash);
    event_hash_free(NULL);
}
END_TEST

static const struct {
    const char *given;
    const char *hashed;
} values[] = {
    {"0", "0"},
    {"-0", "0"},
    {"-0.00", "0"},
    {"+5", "5"},
    {"00123", "123"},
    {"10.0", "10"},
    {"010.10", "10.1"},
    {"0.5", "0.5"},
    {"-00.50", "-0.5"},
    {"100", "100"},
    {"12345678901234567890.10", "12345678901234567890.1"},
    {"1E5", "1E5"}, /* exponents only in numeric fields */
    {".5", ".5"},
    {"5.", "5."},
    {"1_000", "1_000"},
    {"+", "+"},
    {"-", "-"},
    {"1 2", "1 2"},
    {"  a b  ", "a b"},
    {"urn:epcglobal:cbv:disp:active", "https://ref.gs1.org/cbv/Disp-active"},
    {"urn:epcglobal:cbv:er:other", "https://ref.gs1.org/cbv/ER-other"},
    {"gs1:Temperature", "https://gs1.org/voc/Temperature"},
    {"cbv:BTT-po", "https://ref.gs1.org/cbv/BTT-po"},
    {"epcis:x", "https://ref.gs1.org/epcis/x"},
    {"example:x", "example:x"},
    {"urn:epc:id:sgtin:0614141.812345.6789", "https://id.gs1.org/01/80614141123458/21/6789"},
    {"urn:epc:id:sgtin:0614141.81234.6789", "urn:epc:id:sgtin:0614141.81234.6789"},
    {"https://example.com/414/0614141123452?x=1", "https://id.gs1.org/414/0614141123452"},
    {"http://example.com/", "http://example.com/"},
    {"shipping", "shipping"},
};

START_TEST(values_are_normalised)
{
    struct event_hash *hash = event_hash_new();
    Epcis__V1__Event event = EPCIS__V1__EVENT__INIT;
    char expected[200];
    event.transformation_id = (char *)values[_i].given;
    snprintf(expected, sizeof expected, "transformationID=%s", values[_i].hashed);
    ck_assert_str_eq(event_hash_prehash(hash, &event), expected);
    event_hash_free(hash);
}
END_TEST

static const struct {
    const char *given;
    const char *hashed;
} numbers[] = {
    {"1E5", "100000"},      {"1.50e+2", "150"}, {"2.5E-3", "0.0025"}, {"-1e0", "-1"},  {"0e9", "0"},
    {"-0E-5", "0"},         {"12.5e1", "125"},  {"100e-2", "1"},      {"1e308", NULL}, {"1e401", "1e401"},
    {"1e99999", "1e99999"}, {"1e", "1e"},       {"1e5x", "1e5x"},     {"INF", "INF"},
};

START_TEST(exponents_of_quantities)
{
    struct event_hash *hash = event_hash_new();
    Epcis__V1__Event event = EPCIS__V1__EVENT__INIT;
    Epcis__V1__QuantityElement element = EPCIS__V1__QUANTITY_ELEMENT__INIT, *elements[] = {&element};
    char expected[200];
    element.quantity = (char *)numbers[_i].given;
    event.n_quantity_list = 1;
    event.quantity_list = elements;
    const char *text = event_hash_prehash(hash, &event);
    snprintf(expected, sizeof expected, "quantityListquantityElementquantity=%s",
             numbers[_i].hashed ? numbers[_i].hashed : "");
    if (numbers[_i].hashed)
        ck_assert_str_eq(text, expected);
    else
        ck_assert_uint_eq(strlen(text), strlen(expected) + 309);
    event_hash_free(hash);
}
END_TEST

START_TEST(long_lists_are_sorted)
{
    enum { COUNT = 2000 };
    struct event_hash *hash = event_hash_new();
    Epcis__V1__Event event = EPCIS__V1__EVENT__INIT;
    char *epcs[COUNT], texts[COUNT][32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof texts[i], "urn:x:%04d", (i * 7919) % COUNT);
        epcs[i] = texts[i];
    }
    event.n_epc_list = COUNT;
    event.epc_list = epcs;
    const char *at = event_hash_prehash(hash, &event);
    for (int i = 0; i < COUNT; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "epc=urn:x:%04d", i);
        at = strstr(at, expected);
        ck_assert_ptr_nonnull(at);
    }
    event_hash_free(hash);
}
END_TEST

static int compare_texts(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* Few and many, alike in more than the first bytes after what all have in common, twice the same, of any
 * length. */
START_TEST(siblings_are_sorted_by_all_their_bytes)
{
    enum { MOST = 130 };
    struct event_hash *hash = event_hash_new();
    for (size_t count = 1; count <= MOST; count++) {
        Epcis__V1__Event event = EPCIS__V1__EVENT__INIT;
        char *epcs[MOST], texts[MOST][48], expected[MOST * 64];
        for (size_t i = 0; i < count; i++) {
            size_t mixed = i * 7919 % count / 2;
            snprintf(texts[i], sizeof texts[i], "urn:x:%c0000000000000%zu%s", "ba"[mixed % 2], mixed % 16,
                     mixed % 3 ? "" : "0\xc3\xbc");
            epcs[i] = texts[i];
        }
        event.n_epc_list = count;
        event.epc_list = epcs;
        const char *text = event_hash_prehash(hash, &event);
        qsort(epcs, count, sizeof *epcs, compare_texts);
        size_t length = (size_t)sprintf(expected, "epcList");
        for (size_t i = 0; i < count; i++)
            length += (size_t)sprintf(expected + length, "epc=%s", epcs[i]);
        ck_assert_ptr_nonnull(strstr(text, expected));
    }
    event_hash_free(hash);
}
END_TEST

/* ---- the corpus: published documents with hashes computed by independent code ---- */

enum { COLUMNS = 64 };

/* Cuts a line of tab-separated values in place. */
static int split_line(char *line, char *fields[COLUMNS])
{
    int count = 0;
    while (line && count < COLUMNS)
        fields[count++] = strsep(&line, "\t");
    return count;
}

static int find_column(char *const *header, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(header[i], name) == 0)
            return i;
    ck_abort_msg("the table has no column %s", name);
}

struct table {
    char *text;
    char *header[COLUMNS];
    int columns;
    char *next;
};

static void table_open(struct table *table, const char *folder, const char *name)
{
    char path[512];
    size_t bytes;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    table->text = reading_file(path, &bytes);
    table->next = table->text;
    table->columns = split_line(strsep(&table->next, "\n"), table->header);
}

static bool table_row(struct table *table, char *fields[COLUMNS])
{
    char *line = strsep(&table->next, "\n");
    if (!line || !*line)
        return false;
    for (int i = 0; i < COLUMNS; i++)
        fields[i] = (char *)"";
    split_line(line, fields);
    return true;
}

/* Writes the hash of each event in the document, in order, "-" for one that was refused. */
struct hashing {
    struct event_hash *hash;
    char (*hashes)[EVENT_HASH_TEXT];
    size_t count, room;
};

static enum err keep_hash(void *context, const struct parser_event *event)
{
    struct hashing *hashing = context;
    uint8_t out[DIGEST_BYTES], content[DIGEST_BYTES];
    if (hashing->count == hashing->room) {
        hashing->room = hashing->room ? hashing->room * 2 : 16;
        hashing->hashes = realloc(hashing->hashes, hashing->room * sizeof *hashing->hashes);
    }
    char *text = hashing->hashes[hashing->count++];
    snprintf(text, EVENT_HASH_TEXT, "-");
    if (!event->event)
        return ERR_OK;
    ck_assert_int_eq(event_hash_compute(hashing->hash, event->event, out, content), ERR_OK);
    event_hash_text(out, text);
    return ERR_OK;
}

static enum err hash_document(struct hashing *hashing, const char *path)
{
    size_t bytes;
    char *data = reading_file(path, &bytes);
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    struct parser_sink sink = {.context = hashing, .event = keep_hash};
    struct parser *parser;
    ck_assert_int_eq(parser_open(&limits, &sink, &parser), ERR_OK);
    enum err err = parser_feed(parser, data, bytes);
    if (err == ERR_OK)
        err = parser_finish(parser);
    parser_close(&parser);
    free(data);
    return err;
}

struct score {
    unsigned equal, different, refused, unread;
};

/* Compares one document with its rows of the table, which come together. */
static void score_document(struct score *score, const char *path, struct table *table, int file_column,
                           int index_column, int hash_column, const char *file)
{
    struct hashing hashing = {.hash = event_hash_new()};
    char *row[COLUMNS];
    hash_document(&hashing, path);
    while (table_row(table, row)) {
        if (strcmp(row[file_column], file) != 0)
            continue;
        size_t index = strtoul(row[index_column], NULL, 10);
        size_t length = strcspn(row[hash_column], "?");
        if (index >= hashing.count)
            score->unread++;
        else if (hashing.hashes[index][0] == '-')
            score->refused++;
        else if (strncmp(hashing.hashes[index], row[hash_column], length) == 0)
            score->equal++;
        else {
            score->different++;
            fprintf(stderr, "%s event %zu: %s, not %s\n", file, index, hashing.hashes[index],
                    row[hash_column]);
        }
    }
    event_hash_free(hashing.hash);
    free(hashing.hashes);
}

/* `manifest` names documents and whether they are valid; documents of another format are passed over. */
static void score_corpus(struct score *score, const char *folder, const char *format)
{
    struct table manifest;
    char *row[COLUMNS], path[1024];
    table_open(&manifest, folder, "manifest.tsv");
    int path_column = find_column(manifest.header, manifest.columns, "path");
    int format_column = find_column(manifest.header, manifest.columns, "format");
    int valid_column = find_column(manifest.header, manifest.columns, "valid");
    while (table_row(&manifest, row)) {
        if (strcmp(row[format_column], format) != 0 || strcmp(row[valid_column], "yes") != 0)
            continue;
        struct table table;
        table_open(&table, folder, "eventhash.tsv");
        snprintf(path, sizeof path, "%s/docs/%s", folder, row[path_column]);
        score_document(score, path, &table, find_column(table.header, table.columns, "file"),
                       find_column(table.header, table.columns, "event_index"),
                       find_column(table.header, table.columns, "hash_canonical"), row[path_column]);
        free(table.text);
    }
    free(manifest.text);
}

static void score_samples(struct score *score, const char *folder, const char *file)
{
    struct table table;
    char path[1024];
    table_open(&table, folder, "gen-samples/clean.eventhash.tsv");
    snprintf(path, sizeof path, "%s/gen-samples/%s", folder, file);
    score_document(score, path, &table, find_column(table.header, table.columns, "file"),
                   find_column(table.header, table.columns, "event_index"),
                   find_column(table.header, table.columns, "hash_canonical"), file);
    free(table.text);
}

/* What is not compared, and why. XML: two documents have an element that EPCIS does not know
 * (sensorMetaData), three a document type declaration. JSON: one gives eventID twice, one declares a
 * prefix only in a context on the network. */
static const struct {
    const char *format;
    unsigned least_equal, different, refused, unread;
} corpora[] = {{"xml", 150, 0, 2, 3}, {"json", 130, 1, 1, 0}};

START_TEST(corpus_of_published_documents)
{
    struct score score = {0};
    const char *folder = getenv("EPCISD_CORPUS");
    if (!folder) {
        fprintf(stderr, "no corpus: skipped\n");
        return;
    }
    score_corpus(&score, folder, corpora[_i].format);
    fprintf(stderr, "%s corpus: %u equal, %u different, %u refused, %u unread\n", corpora[_i].format,
            score.equal, score.different, score.refused, score.unread);
    ck_assert_uint_ge(score.equal, corpora[_i].least_equal);
    ck_assert_uint_le(score.different, corpora[_i].different);
    ck_assert_uint_le(score.refused, corpora[_i].refused);
    ck_assert_uint_le(score.unread, corpora[_i].unread);
}
END_TEST

START_TEST(corpus_of_samples)
{
    static const char *const files[] = {"clean-xml12.xml", "clean-xml20.xml", "clean-json20.json"};
    struct score score = {0};
    const char *folder = getenv("EPCISD_CORPUS");
    if (!folder)
        return;
    score_samples(&score, folder, files[_i]);
    ck_assert_uint_gt(score.equal, 0);
    ck_assert_uint_eq(score.different + score.refused + score.unread, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_hash");
    TCase *tests = tcase_create("event_hash");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, canonical_text_of_fixtures, 0, ROWS(fixtures));
    tcase_add_loop_test(tests, known_hashes, 0, ROWS(known));
    tcase_add_test(tests, content_joins_the_master_data_namespaces);
    tcase_add_loop_test(tests, values_are_normalised, 0, ROWS(values));
    tcase_add_loop_test(tests, exponents_of_quantities, 0, ROWS(numbers));
    tcase_add_test(tests, long_lists_are_sorted);
    tcase_add_test(tests, siblings_are_sorted_by_all_their_bytes);
    tcase_add_loop_test(tests, corpus_of_published_documents, 0, ROWS(corpora));
    tcase_add_loop_test(tests, corpus_of_samples, 0, 3);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
