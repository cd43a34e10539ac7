/* Whom the server lets in: a folder with a file NAME.key for each worker, as curve_key.h has them. It is read
 * again when it changes. A file that cannot be used, or that others than its owner may change, is logged and
 * lets nobody in. One user at a time. */
#ifndef EPCISD_WIRE_ALLOW_LIST_H
#define EPCISD_WIRE_ALLOW_LIST_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/wire/curve_key.h"

enum { ALLOW_LIST_MAX = 256, ALLOW_LIST_NAME = 64 };

struct allow_list;

/* Makes the folder where it is missing. ERR_DISK, ERR_SYSTEM (others than its owner may change it): logged;
 * ERR_MEMORY. */
enum err allow_list_open(const char *dir, struct allow_list **out);
void allow_list_close(struct allow_list **list);

/* Reads the folder again where it changed. True: a key that was let in since the last allow_list_forget is no
 * longer there. Where the folder cannot be read, the list stays as it was. */
bool allow_list_look(struct allow_list *list);

/* The name of the worker with that key, valid until the next look, and remembers that it was let in; NULL: it
 * is not on the list. */
const char *allow_list_admit(struct allow_list *list, const char *public_key);

/* Nobody is in any more. */
void allow_list_forget(struct allow_list *list);

#endif
