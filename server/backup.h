/* Copies of a server's data: made while it runs, proved when they are put back. Each function is a whole run
 * of epcis-server in another mode than serving; failures are logged with what to do.
 *
 * A backup is a folder with `journal/data.mdb` and `store/data.mdb` (compact LMDB environments), `keys` where
 * the data folder has it, and `MANIFEST`: a line "epcisd-backup 1", a line "made " and the time, and for each
 * file a line "file PATH BYTES SHA-256".
 *
 * The store is copied first, and each environment as it was at one moment. So a copy's journal may know of
 * batches that its store does not have, never the reverse: they are sent again when a server starts on it,
 * made of the documents' bytes, none of which go while a copy is made. */
#ifndef EPCISD_SERVER_BACKUP_H
#define EPCISD_SERVER_BACKUP_H

#include "common/base/err.h"

/* Copies the data in `data_dir`, whether or not a server runs there, to `dir`, which must not exist or be
 * empty and appears only when all is on disk. ERR_NOT_FOUND: no data there; ERR_EXISTS: `dir` is in use, or
 * another backup is being made there; ERR_ORDER: the signing key was rotated in each of several tries;
 * ERR_DISK, ERR_CORRUPT, ERR_MEMORY. */
enum err backup_make(const char *data_dir, const char *dir);

/* Puts a backup into `data_dir`, which must hold no data, and verifies it (journal_check.h). ERR_CORRUPT:
 * what was written is not what was backed up, or does not add up; ERR_EXISTS; ERR_NOT_FOUND: `dir` holds no
 * backup; ERR_DISK, ERR_MEMORY. What was put there is removed again after an error. Until all is verified the
 * folder `backup_restoring` is in `data_dir`, in which no server starts then; the next restore begins anew.
 */
extern const char backup_restoring[];
enum err backup_restore(const char *dir, const char *data_dir);

/* Reads everything and proves that it is whole (journal_check.h). No server may run there. ERR_CORRUPT: it is
 * not; ERR_EXISTS: a server runs; ERR_NOT_FOUND, ERR_DISK, ERR_MEMORY. */
enum err backup_verify(const char *data_dir);

/* Rewrites journal and store without the pages that are free. No server may run there, and no worker.
 * ERR_EXISTS: one does; else as backup_make. */
enum err backup_compact(const char *data_dir);

#endif
