#include "server/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/store/map_copy.h"
#include "common/store/store.h"
#include "server/backup_copy.h"
#include "server/journal.h"
#include "server/journal_check.h"
#include "server/journal_prune.h"

/* What a data folder holds, in the order in which it is copied. */
static const struct part {
    const char *name;
    bool environment; /* of LMDB; else a few small files, where the folder is there */
} parts[] = {{"store", true}, {"journal", true}, {"keys", false}, {"workers", false}};
enum { STORE, JOURNAL, KEYS, WORKERS, PARTS };

const char backup_restoring[] = "restoring";

static const char data_file[] = "data.mdb", manifest_file[] = "MANIFEST", title[] = "epcisd-backup 1\n";
static const char lock_file[] = "lock";
static const char name_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
enum { LINE_BYTES = 512, NAME_BYTES = 256 };

static bool exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

/* ---- the manifest ----------------------------------------------------------------------------------- */

static void add_line(struct buffer *manifest, const struct part *part, const char *name,
                     const struct backup_file *file)
{
    char digest[DIGEST_HEX + 1];
    digest_hex(file->sha256, DIGEST_BYTES, digest);
    buffer_printf(manifest, "file %s/%s %" PRIu64 " %s\n", part->name, name, file->bytes, digest);
}

static enum err write_manifest(const char *dir, const struct buffer *manifest)
{
    char path[BACKUP_PATH];
    backup_join(path, dir, manifest_file);
    FILE *file = manifest->failed ? NULL : fopen(path, "wxe");
    if (!file)
        return manifest->failed ? ERR_MEMORY : backup_error("create", path);
    bool written = fwrite(manifest->data, 1, manifest->length, file) == manifest->length &&
                   fflush(file) == 0 && fsync(fileno(file)) == 0;
    enum err err = written ? ERR_OK : backup_error("write", path);
    fclose(file);
    return err ? err : backup_sync(dir);
}

/* One line of a file. Names are ours: a letter first, so that none leads out of the folder. */
static bool read_line(const char *line, char name[NAME_BYTES], struct backup_file *file,
                      char digest[DIGEST_HEX + 1])
{
    int end = 0;
    if (sscanf(line, "file %255[A-Za-z0-9._/-] %" SCNu64 " %64[0-9a-f]%n", name, &file->bytes, digest,
               &end) != 3 ||
        line[end] != '\n' || strstr(name, "..") || strlen(digest) != DIGEST_HEX)
        return false;
    for (size_t i = 0; i < PARTS; i++) {
        size_t length = strlen(parts[i].name);
        if (strncmp(name, parts[i].name, length) == 0 && name[length] == '/' &&
            !strchr(name + length + 1, '/'))
            return true;
    }
    return false;
}

/* ---- making one ------------------------------------------------------------------------------------- */

static enum err copy_environment(const struct part *part, const char *from, const char *to,
                                 struct buffer *manifest)
{
    char path[BACKUP_PATH];
    struct backup_file file;
    int64_t start_ms = clock_steady_ms();
    backup_join(path, to, data_file);
    enum err err = map_copy(from, path);
    if (!err)
        err = backup_copy_file(path, NULL, &file);
    if (err)
        return err;
    add_line(manifest, part, data_file, &file);
    log_info("backup_copied", "part=%s bytes=%" PRIu64 " ms=%" PRId64, part->name, file.bytes,
             clock_steady_ms() - start_ms);
    return ERR_OK;
}

/* Reads the files of a folder, into the folder `to` unless it is NULL. ERR_NOT_FOUND: one has gone meanwhile.
 */
/* People keep files of their own beside the keys of workers. */
static bool is_ours(int folder, const char *name)
{
    struct stat status;
    return strspn(name, name_characters) == strlen(name) &&
           (fstatat(folder, name, &status, 0) || S_ISREG(status.st_mode));
}

static enum err copy_files(const struct part *part, const char *from, const char *to, struct buffer *manifest)
{
    DIR *folder = opendir(from);
    if (!folder)
        return backup_error("open", from);
    enum err err = ERR_OK;
    const struct dirent *entry;
    while (!err && (entry = readdir(folder))) {
        char source[BACKUP_PATH], target[BACKUP_PATH];
        struct backup_file file;
        if (entry->d_name[0] == '.')
            continue;
        if (!is_ours(dirfd(folder), entry->d_name)) {
            log_warning("backup_skipped", "folder=\"%s\" detail=\"something in it is none of ours\"", from);
            continue;
        }
        backup_join(source, from, entry->d_name);
        if (to)
            backup_join(target, to, entry->d_name);
        err = backup_copy_file(source, to ? target : NULL, &file);
        if (!err)
            add_line(manifest, part, entry->d_name, &file);
    }
    closedir(folder);
    return err;
}

static enum err copy_part(const struct part *part, const char *data_dir, const char *dir,
                          struct buffer *manifest)
{
    char from[BACKUP_PATH], to[BACKUP_PATH];
    backup_join(from, data_dir, part->name);
    backup_join(to, dir, part->name);
    if (!part->environment && !exists(from))
        return ERR_OK;
    if (mkdir(to, 0700))
        return backup_error("make", to);
    enum err err =
        part->environment ? copy_environment(part, from, to, manifest) : copy_files(part, from, to, manifest);
    fault_end(FAULT_BACKUP_COPIED);
    return err ? err : backup_sync(to);
}

static void remove_part(const struct part *part, const char *dir)
{
    char path[BACKUP_PATH];
    backup_join(path, dir, part->name);
    if (exists(path))
        backup_remove(path);
}

/* The journal, and the keys as they were before it and after. ERR_ORDER: the signing key was rotated
 * meanwhile, and the journal may name one that is in neither. */
static enum err copy_signed(const char *data_dir, const char *dir, struct buffer *manifest)
{
    char keys_dir[BACKUP_PATH];
    struct buffer before = {0}, after = {0};
    backup_join(keys_dir, data_dir, parts[KEYS].name);
    enum err err_before = exists(keys_dir) ? copy_files(&parts[KEYS], keys_dir, NULL, &before) : ERR_OK;
    enum err err = copy_part(&parts[JOURNAL], data_dir, dir, manifest);
    enum err err_after = err ? err : copy_part(&parts[KEYS], data_dir, dir, &after);
    if (!err && (err_before == ERR_NOT_FOUND || err_after == ERR_NOT_FOUND)) /* a file had just gone */
        err = ERR_ORDER;
    else if (!err)
        err = err_before ? err_before : err_after;
    if (!err && (before.length != after.length ||
                 (after.length > 0 && memcmp(before.data, after.data, after.length) != 0)))
        err = ERR_ORDER;
    buffer_append(manifest, after.data, after.length);
    buffer_free(&before);
    buffer_free(&after);
    return err;
}

/* The keys of workers, of which one may be taken away meanwhile. */
static enum err copy_workers(const char *data_dir, const char *dir, struct buffer *manifest)
{
    enum { TRIES = 5 };
    size_t length = manifest->length;
    enum err err = copy_part(&parts[WORKERS], data_dir, dir, manifest);
    for (int i = 1; err == ERR_NOT_FOUND && i < TRIES; i++) {
        remove_part(&parts[WORKERS], dir);
        manifest->length = length;
        err = copy_part(&parts[WORKERS], data_dir, dir, manifest);
    }
    return err;
}

static enum err fill(const char *data_dir, const char *dir)
{
    enum { TRIES = 5 };
    struct buffer manifest = {0};
    buffer_printf(&manifest, "%smade %" PRId64 "\n", title, clock_wall_ms());
    enum err err = copy_part(&parts[STORE], data_dir, dir, &manifest);
    size_t length = manifest.length;
    if (!err)
        err = copy_signed(data_dir, dir, &manifest);
    for (int i = 1; err == ERR_ORDER && i < TRIES; i++) {
        log_info("backup_again", "path=\"%s\" detail=\"the signing key was rotated meanwhile\"", dir);
        remove_part(&parts[JOURNAL], dir);
        remove_part(&parts[KEYS], dir);
        manifest.length = length;
        err = copy_signed(data_dir, dir, &manifest);
    }
    if (err == ERR_ORDER)
        log_error("backup_failed", "path=\"%s\" detail=\"the signing key is rotated again and again\"", dir);
    if (!err)
        err = copy_workers(data_dir, dir, &manifest);
    if (!err)
        err = write_manifest(dir, &manifest);
    buffer_free(&manifest);
    return err;
}

/* The folder `partial`, with nothing but a lock in it, which is ours until *lock is closed. What a backup
 * left there that was cut off is removed. ERR_EXISTS: another one is being made there. */
static enum err claim(const char *partial, int *lock)
{
    char path[BACKUP_PATH];
    struct stat ours, there;
    backup_join(path, partial, lock_file);
    if (mkdir(partial, 0700) && errno != EEXIST)
        return backup_error("make", partial);
    *lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (*lock < 0)
        return backup_error("create", path);
    bool taken = flock(*lock, LOCK_EX | LOCK_NB);
    if (taken && errno != EWOULDBLOCK)
        return backup_error("lock", path);
    /* Or the other one was done just now, and took its folder away with the lock that is open here. */
    if (taken || fstat(*lock, &ours) || stat(path, &there) || ours.st_ino != there.st_ino) {
        log_error("backup_failed",
                  "path=\"%s\" detail=\"another backup is being made there: let it end, or name another "
                  "folder\"",
                  partial);
        return ERR_EXISTS;
    }
    for (size_t i = 0; i < PARTS; i++)
        remove_part(&parts[i], partial);
    backup_join(path, partial, manifest_file);
    return unlink(path) && errno != ENOENT ? backup_error("remove", path) : ERR_OK;
}

/* By way of `partial`, while no document's bytes go that the store may lack in its copy. */
static enum err copy_all(const char *data_dir, const char *journal_dir, const char *partial,
                         const char *folder)
{
    char lock[BACKUP_PATH];
    int held = -1;
    backup_join(lock, folder, lock_file);
    enum err err = journal_prune_hold(journal_dir, &held);
    if (!err)
        err = fill(data_dir, partial);
    if (!err && rename(partial, folder))
        err = backup_error("rename", folder);
    if (!err && unlink(lock))
        err = backup_error("remove", lock);
    if (held >= 0)
        close(held);
    return err ? err : backup_sync(folder);
}

enum err backup_make(const char *data_dir, const char *dir)
{
    char folder[BACKUP_PATH], partial[BACKUP_PATH], parent[BACKUP_PATH], journal[BACKUP_PATH];
    int lock = -1;
    backup_join(journal, data_dir, "journal");
    if (!exists(journal)) {
        log_error("backup_failed", "path=\"%s\" detail=\"no server's data is here\"", data_dir);
        return ERR_NOT_FOUND;
    }
    snprintf(folder, sizeof folder, "%.*s", PATH_MAX, dir);
    for (size_t end = strlen(folder); end > 1 && folder[end - 1] == '/'; end--)
        folder[end - 1] = '\0';
    if (!backup_is_free(folder)) {
        log_error("backup_failed", "path=\"%s\" detail=\"there is something already: name a new folder\"",
                  folder);
        return ERR_EXISTS;
    }
    snprintf(partial, sizeof partial, "%.*s.partial", PATH_MAX, folder);
    file_folder(folder, parent, sizeof parent);
    enum err err = claim(partial, &lock);
    if (!err) {
        err = copy_all(data_dir, journal, partial, folder);
        if (err && exists(partial))
            backup_remove(partial);
    }
    if (lock >= 0)
        close(lock);
    return err ? err : backup_sync(parent);
}

/* ---- putting one back ------------------------------------------------------------------------------- */

static enum err manifest_wrong(const char *path, const char *what)
{
    log_error("restore_failed", "path=\"%s\" detail=\"%s\"", path, what);
    return ERR_CORRUPT;
}

static enum err restore_file(const char *dir, const char *data_dir, const char *line)
{
    char name[NAME_BYTES], wanted[DIGEST_HEX + 1], digest[DIGEST_HEX + 1];
    char from[BACKUP_PATH], to[BACKUP_PATH], folder[BACKUP_PATH];
    struct backup_file listed, file;
    if (!read_line(line, name, &listed, wanted))
        return manifest_wrong(dir, "its MANIFEST has a line that is not understood");
    backup_join(from, dir, name);
    backup_join(to, data_dir, name);
    file_folder(to, folder, sizeof folder);
    if (mkdir(folder, 0700) && errno != EEXIST)
        return backup_error("make", folder);
    enum err err = backup_copy_file(from, to, &file);
    fault_end(FAULT_RESTORE_COPIED);
    digest_hex(file.sha256, DIGEST_BYTES, digest);
    if (!err && (file.bytes != listed.bytes || strcmp(digest, wanted) != 0))
        err = manifest_wrong(from, "it is not the file that was backed up: its digest is another");
    return err ? err : backup_sync(folder);
}

static enum err restore_files(const char *dir, const char *data_dir)
{
    char path[BACKUP_PATH], line[LINE_BYTES];
    backup_join(path, dir, manifest_file);
    FILE *manifest = fopen(path, "re");
    if (!manifest)
        return backup_error("open", path);
    enum err err = ERR_OK;
    int64_t made_ms;
    size_t files = 0;
    if (!fgets(line, sizeof line, manifest) || strcmp(line, title) != 0)
        err = manifest_wrong(path, "it is no backup of this version");
    else if (!fgets(line, sizeof line, manifest) || sscanf(line, "made %" SCNd64 "\n", &made_ms) != 1)
        err = manifest_wrong(path, "it does not say when it was made");
    for (; !err && fgets(line, sizeof line, manifest); files++)
        err = restore_file(dir, data_dir, line);
    if (!err && files < 2)
        err = manifest_wrong(path, "it lists no store or no journal");
    fclose(manifest);
    return err ? err : backup_sync(data_dir);
}

enum err backup_verify(const char *data_dir)
{
    char journal_dir[BACKUP_PATH], store_url[BACKUP_PATH];
    struct journal *journal = NULL;
    struct store *store = NULL;
    struct journal_report report;
    backup_join(journal_dir, data_dir, "journal");
    if (!exists(journal_dir)) {
        log_error("verify_failed", "path=\"%s\" detail=\"no server's data is here\"", data_dir);
        return ERR_NOT_FOUND;
    }
    snprintf(store_url, sizeof store_url, "lmdb:%.*s/store", PATH_MAX, data_dir);
    enum err err = journal_open(journal_dir, 0, &journal);
    if (!err)
        err = store_open(store_url, 0, &store);
    if (!err)
        err = journal_check(journal, store, &report);
    journal_close(&journal);
    store_close(&store);
    if (err)
        log_error("verify_failed", "path=\"%s\" err=%s", data_dir, err_name(err));
    else
        log_info("verified",
                 "documents=%" PRIu64 " unfinished=%" PRIu64 " pruned=%" PRIu64 " partitions=%" PRIu64
                 " batches=%" PRIu64 " events=%" PRIu64 " store_records=%" PRIu64
                 " to_be_sent_again=%" PRIu64,
                 report.documents, report.unfinished, report.pruned, report.partitions, report.batches,
                 report.events, report.store_records, report.missing_batches);
    return err;
}

/* From where it was put together and verified. The journal comes last: without it no server starts. */
static enum err move_parts(const char *staging, const char *data_dir)
{
    static const int order[PARTS] = {KEYS, WORKERS, STORE, JOURNAL};
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < PARTS; i++) {
        char from[BACKUP_PATH], to[BACKUP_PATH];
        backup_join(from, staging, parts[order[i]].name);
        backup_join(to, data_dir, parts[order[i]].name);
        if (exists(from) && rename(from, to))
            err = backup_error("rename", from);
        if (!err)
            err = backup_sync(data_dir);
    }
    if (!err && rmdir(staging))
        err = backup_error("remove", staging);
    return err ? err : backup_sync(data_dir);
}

enum err backup_restore(const char *dir, const char *data_dir)
{
    char staging[BACKUP_PATH];
    backup_join(staging, data_dir, backup_restoring);
    if (exists(staging)) { /* of a restore that was cut off: what is there is incomplete */
        backup_remove(staging);
        for (size_t i = 0; i < PARTS; i++)
            remove_part(&parts[i], data_dir);
    }
    if (!backup_is_free(data_dir)) {
        log_error("restore_failed", "path=\"%s\" detail=\"there is something already: name a new folder\"",
                  data_dir);
        return ERR_EXISTS;
    }
    if (mkdir(data_dir, 0700) && errno != EEXIST)
        return backup_error("make", data_dir);
    if (mkdir(staging, 0700))
        return backup_error("make", staging);
    enum err err = restore_files(dir, staging);
    if (!err)
        err = backup_verify(staging);
    if (!err)
        err = move_parts(staging, data_dir);
    for (size_t i = 0; err && i < PARTS; i++)
        remove_part(&parts[i], data_dir);
    if (err && exists(staging))
        backup_remove(staging);
    return err;
}

/* ---- making it smaller ------------------------------------------------------------------------------ */

static enum err compact(const char *data_dir, const char *part)
{
    char dir[BACKUP_PATH], from[BACKUP_PATH], to[BACKUP_PATH];
    struct stat before, after;
    backup_join(dir, data_dir, part);
    backup_join(from, dir, data_file);
    backup_join(to, dir, "data.mdb.compact");
    if (exists(to) && unlink(to))
        return backup_error("remove", to);
    if (stat(from, &before))
        return backup_error("open", from);
    enum err err = map_copy(dir, to);
    if (!err && (stat(to, &after) || rename(to, from)))
        err = backup_error("rename", to);
    if (!err)
        err = backup_sync(dir);
    if (!err)
        log_info("compacted", "part=%s bytes_before=%jd bytes=%jd", part, (intmax_t)before.st_size,
                 (intmax_t)after.st_size);
    return err;
}

enum err backup_compact(const char *data_dir)
{
    char journal_dir[BACKUP_PATH], store_dir[BACKUP_PATH];
    int journal_lock = -1, store_lock_file = -1;
    backup_join(journal_dir, data_dir, "journal");
    backup_join(store_dir, data_dir, "store");
    if (!exists(journal_dir)) {
        log_error("compact_failed", "path=\"%s\" detail=\"no server's data is here\"", data_dir);
        return ERR_NOT_FOUND;
    }
    enum err err = journal_lock_dir(journal_dir, &journal_lock);
    if (!err)
        err = store_lock_alone(store_dir, &store_lock_file);
    for (size_t i = 0; !err && i < PARTS; i++)
        if (parts[i].environment)
            err = compact(data_dir, parts[i].name);
    if (store_lock_file >= 0)
        close(store_lock_file);
    if (journal_lock >= 0)
        close(journal_lock);
    return err;
}
