/* What the reading halves share. Internal to the store. */
#ifndef EPCISD_STORE_STORE_READ_H
#define EPCISD_STORE_STORE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/store/store.h"
#include "common/store/trees.h"

/* A read transaction, ended by mdb_txn_abort. Failures are logged. */
enum err store_read_begin(struct store *store, MDB_txn **txn);

/* The entries of a page for which `limit` was asked; 0: as many as are ever given. */
uint32_t store_read_limit(uint32_t limit);

/* `*out` is the text's copy; false where the arena is spent. */
bool store_read_text(struct arena *arena, const char *text, size_t length, char **out);

#endif
