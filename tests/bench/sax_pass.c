/* Reads an XML document with libxml2's push parser and empty SAX2 handlers: the least that parsing can cost.
 * usage: sax_pass FILE      prints "bytes=N elements=N cpu_us=N" */
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { PIECE_BYTES = 64 * 1024 };

static unsigned long elements;

static void on_start(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespace_count, const xmlChar **namespaces, int attribute_count,
                     int defaulted_count, const xmlChar **attributes)
{
    (void)context, (void)name, (void)prefix, (void)uri, (void)namespace_count, (void)namespaces;
    (void)attribute_count, (void)defaulted_count, (void)attributes;
    elements++;
}

static void on_end(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    (void)context, (void)name, (void)prefix, (void)uri;
}

static void on_text(void *context, const xmlChar *text, int length)
{
    (void)context, (void)text, (void)length;
}

static long cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

static int pass(FILE *file)
{
    static char piece[PIECE_BYTES];
    xmlSAXHandler handler;
    memset(&handler, 0, sizeof handler);
    handler.initialized = XML_SAX2_MAGIC;
    handler.startElementNs = on_start;
    handler.endElementNs = on_end;
    handler.characters = on_text;

    long before_us = cpu_us();
    unsigned long bytes = 0;
    size_t got;
    xmlParserCtxtPtr parser = xmlCreatePushParserCtxt(&handler, NULL, NULL, 0, NULL);
    if (!parser)
        return EXIT_FAILURE;
    while ((got = fread(piece, 1, sizeof piece, file)) > 0) {
        xmlParseChunk(parser, piece, (int)got, 0);
        bytes += got;
    }
    xmlParseChunk(parser, NULL, 0, 1);
    int well_formed = parser->wellFormed;
    xmlFreeParserCtxt(parser);
    printf("bytes=%lu elements=%lu cpu_us=%ld\n", bytes, elements, cpu_us() - before_us);
    return well_formed && !ferror(file) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: sax_pass FILE\n");
        return 2;
    }
    FILE *file = fopen(argv[1], "rb");
    if (!file) {
        perror(argv[1]);
        return EXIT_FAILURE;
    }
    int code = pass(file);
    fclose(file);
    return code;
}
