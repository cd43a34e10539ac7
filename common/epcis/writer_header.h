/* The Standard Business Document Header as an extension tree: elements of its own namespace, in the order of
 * its schema (UN/CEFACT SBDH 1.3). So both writers write it as they write any extension. Internal to the
 * writer. */
#ifndef EPCISD_EPCIS_WRITER_HEADER_H
#define EPCISD_EPCIS_WRITER_HEADER_H

#include "common/epcis/grammar.h"
#include "common/epcis/writer_parts.h"

struct writer_header {
    Epcis__V1__Node *storage;
    Epcis__V1__Node **nodes; /* the header's own element is the only one of depth 0 */
    size_t count;
};

/* The tree borrows the header's texts. Without memory it is empty and the writer has failed. What has no name
 * of XML is left out where that is written. */
struct writer_header writer_header_open(struct writer *writer,
                                        const Epcis__V1__StandardBusinessDocumentHeader *header);
void writer_header_close(struct writer_header *tree);

#endif
