/* Reads the master data out of EPCIS documents, in memory that does not grow with them. Main thread only. */
#ifndef EPCISD_CTL_MASTER_IMPORT_H
#define EPCISD_CTL_MASTER_IMPORT_H

#include <stddef.h>

#include "epcis/v1/document.pb-c.h"

/* Takes the next elements of a file, valid during the call; what it answers other than CTL_OK ends the file.
 */
typedef int master_import_fn(void *context, const char *file, Epcis__V1__VocabularyElement **elements,
                             size_t count);

/* Hands on all vocabulary elements of a document ('-': standard input), a request's worth at a time.
 * CTL_ERROR where it cannot be read (told on standard error), or what `use` answered. */
int master_import_file(const char *file, master_import_fn *use, void *context);

#endif
