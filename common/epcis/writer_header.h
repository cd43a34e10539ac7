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

/* The tree borrows the document's texts. Without memory it is empty and the writer has failed.
 *
 * XML has a schema for it. So for XML the document's own sender, receiver, instanceIdentifier and
 * creationDate stand in for what the header lacks, and the texts that are the same for all documents of
 * events (EPCIS 1.2 section 9.7) are filled in. What is still missing, or no text or name of XML, is left out
 * with the element that needs it: the tree is empty where that is all of it. */
struct writer_header writer_header_open(struct writer *writer, const Epcis__V1__Document *document);
void writer_header_close(struct writer_header *tree);

#endif
