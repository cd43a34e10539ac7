/* Walks through the journal's documents. Any thread. */
#ifndef EPCISD_SERVER_JOURNAL_LIST_H
#define EPCISD_SERVER_JOURNAL_LIST_H

#include <stdint.h>

#include "common/base/err.h"

struct journal;

/* The last document before `*number` (0: of all), which it moves there. ERR_NOT_FOUND: none; ERR_DISK. */
enum err journal_list_previous(const struct journal *journal, uint64_t *number);

#endif
