#include "server/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "server/journal_trees.h"
#include "server/journal_upload.h"

enum {
    WAITING_BYTES_MAX = 64 << 20, /* journal_submit waits beyond this */
    LAZY_BYTES = 8 << 20,         /* pieces wait for so many bytes, or for an operation of another kind */
    LAZY_MS = 50,                 /* or this long */
    RETRY_MS = 1000,
    SCRATCH_BYTES = 16 << 20,
    EXPIRE_MS_LEAST = 100, /* uploads are looked at for their age so often, */
    EXPIRE_MS_MOST = 60000,
    EXPIRE_PARTS = 8, /* or so often in the time that they are kept */
    EXPIRE_MOST = 16, /* go away at a time */
};

struct op_list {
    struct journal_op *first, **last;
};

struct journal {
    struct journal_trees trees;
    int lock_file;
    pthread_t writer;
    bool writer_started;
    struct arena scratch; /* the writer's */
    bool is_lost;         /* the same */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t submitted;
    pthread_cond_t taken;
    struct op_list waiting;
    size_t waiting_bytes;
    bool eager; /* something other than a piece waits */
    bool stopping;

    void (*_Atomic lost)(void); /* NULL: nobody is told */
    atomic_bool unhealthy;
    atomic_ullong unfinished_bytes;
    atomic_ullong next_upload;
    atomic_ullong partner_changes;
    atomic_ullong keep_uploads_ms;
    atomic_llong expire_next_ms; /* steady clock */
};

/* ---- the writer ------------------------------------------------------------------------------------- */

/* An operation of the pipeline's own has no one to refuse it to: it has to be recorded. */
static bool must_be_recorded(const struct journal_op *op)
{
    return op->kind == JOURNAL_CANCEL || op->kind == JOURNAL_BATCH || op->kind == JOURNAL_CONDEMNED ||
           op->kind == JOURNAL_ACKNOWLEDGED || op->kind == JOURNAL_CONVERTED;
}

static void list_init(struct op_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void list_append(struct op_list *list, struct journal_op *op)
{
    op->next = NULL;
    *list->last = op;
    list->last = &op->next;
}

/* Where a write of its head failed, LMDB takes no more in this process: it does not know what the disk holds.
 */
static enum err begin(struct journal *journal, MDB_txn **txn)
{
    int code = fault_hit(FAULT_JOURNAL_BEGIN) ? MDB_PANIC : mdb_txn_begin(journal->trees.env, NULL, 0, txn);
    if (code != MDB_PANIC)
        return code ? journal_trees_error("begin", code) : ERR_OK;
    if (!journal->is_lost) {
        log_error(
            "journal_lost",
            "detail=\"the disk failed while the journal's head was written: the server ends, and what it "
            "gave receipts for is kept; see to the disk, then start the server again\"");
        journal->is_lost = true;
        void (*lost)(void) = atomic_load(&journal->lost);
        if (lost)
            lost();
    }
    return ERR_DISK;
}

/* Applies the operations in one transaction. */
static enum err write_list(struct journal *journal, const struct op_list *list)
{
    fault_end(FAULT_JOURNAL_TAKEN);
    MDB_txn *txn;
    struct journal_trees before = journal->trees;
    enum err err = begin(journal, &txn);
    if (err)
        return err;
    for (struct journal_op *op = list->first; op && !err; op = op->next)
        err = journal_trees_apply(&journal->trees, txn, op, &journal->scratch);
    if (!err && fault_hit(FAULT_JOURNAL_COMMIT))
        err = journal_trees_error("commit", EIO);
    if (err) {
        mdb_txn_abort(txn);
    } else {
        fault_end(FAULT_JOURNAL_BEFORE_COMMIT);
        int code = mdb_txn_commit(txn);
        fault_end(FAULT_JOURNAL_AFTER_COMMIT);
        if (code)
            err = journal_trees_error("commit", code);
    }
    if (err) {
        journal->trees = before;
        return err;
    }
    atomic_store(&journal->unfinished_bytes, journal->trees.unfinished_bytes);
    atomic_store(&journal->partner_changes, journal->trees.partner_changes);
    return ERR_OK;
}

static void finish_op(struct journal_op *op, enum err err)
{
    op->next = NULL;
    op->done(op, err);
}

static void finish_list(struct op_list *list, enum err err)
{
    for (struct journal_op *op = list->first, *next; op; op = next) {
        next = op->next;
        finish_op(op, err ? err : op->refused);
    }
    list_init(list);
}

/* Splits off what may be refused and refuses it; keeps the rest in order. */
static void refuse_documents(struct op_list *list, enum err err)
{
    struct op_list kept;
    list_init(&kept);
    for (struct journal_op *op = list->first, *next; op; op = next) {
        next = op->next;
        if (must_be_recorded(op))
            list_append(&kept, op);
        else
            finish_op(op, err);
    }
    *list = kept;
    if (!kept.first)
        list->last = &list->first;
}

static bool is_stopping(struct journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    bool stopping = journal->stopping;
    pthread_mutex_unlock(&journal->mutex);
    return stopping;
}

static void set_health(struct journal *journal, enum err err)
{
    bool was_unhealthy = atomic_exchange(&journal->unhealthy, err != ERR_OK);
    if (err && !was_unhealthy)
        log_error("journal_refuses", "err=%s detail=\"no document is taken until a write succeeds\"",
                  err_name(err));
    else if (!err && was_unhealthy)
        log_info("journal_recovered", "detail=\"documents are taken again\"");
}

/* Moves all that waits to the end of `list`. The mutex is held. */
static void append_waiting(struct journal *journal, struct op_list *list)
{
    if (journal->waiting.first) {
        *list->last = journal->waiting.first;
        list->last = journal->waiting.last;
    }
    list_init(&journal->waiting);
    journal->waiting_bytes = 0;
    journal->eager = false;
    pthread_cond_broadcast(&journal->taken);
}

static void pause_before_retry(struct journal *journal, struct op_list *list)
{
    struct timespec until = clock_steady_after(RETRY_MS);
    int code = 0;
    pthread_mutex_lock(&journal->mutex);
    while (!journal->stopping && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&journal->submitted, &journal->mutex, &until);
    append_waiting(journal, list);
    pthread_mutex_unlock(&journal->mutex);
}

/* Documents that came while the disk failed join the next try: none waits for the disk to recover. */
static void write_until_recorded(struct journal *journal, struct op_list *list)
{
    while (list->first) {
        enum err err = write_list(journal, list);
        set_health(journal, err);
        if (!err) {
            finish_list(list, ERR_OK);
            return;
        }
        refuse_documents(list, err);
        if (list->first && is_stopping(journal)) {
            finish_list(list, ERR_STOPPED);
            return;
        }
        if (list->first)
            pause_before_retry(journal, list);
    }
}

/* An unhealthy journal tries an empty change now and then, so that it finds out when the disk is well. */
static void probe(struct journal *journal)
{
    MDB_txn *txn;
    enum err err = begin(journal, &txn);
    if (!err) {
        static const char name[] = "probe";
        int64_t now_ms = clock_wall_ms();
        MDB_val key = {sizeof name - 1, (void *)(uintptr_t)name}, value = {sizeof now_ms, &now_ms};
        int code = mdb_put(txn, journal->trees.dbi[TREE_META], &key, &value, 0);
        if (code)
            mdb_txn_abort(txn);
        else
            code = mdb_txn_commit(txn);
        err = code ? ERR_DISK : ERR_OK;
    }
    set_health(journal, err);
}

static int64_t expire_period_ms(const struct journal *journal)
{
    uint64_t period_ms = atomic_load(&journal->keep_uploads_ms) / EXPIRE_PARTS;
    return period_ms < EXPIRE_MS_LEAST  ? EXPIRE_MS_LEAST
           : period_ms > EXPIRE_MS_MOST ? EXPIRE_MS_MOST
                                        : (int64_t)period_ms;
}

static void expired(struct journal_op *op, enum err err)
{
    (void)op, (void)err; /* after a failure it is tried at the next time */
}

/* Uploads that nobody continued go away, some at a time. */
static void expire_uploads(struct journal *journal)
{
    int64_t now_ms = clock_steady_ms();
    if (now_ms < atomic_load(&journal->expire_next_ms))
        return;
    atomic_store(&journal->expire_next_ms, now_ms + expire_period_ms(journal));
    struct journal_op op = {.kind = JOURNAL_EXPIRE,
                            .done = expired,
                            .before_ms = clock_wall_ms() - (int64_t)atomic_load(&journal->keep_uploads_ms)};
    for (int i = 0; i < EXPIRE_MOST; i++) {
        struct op_list list;
        arena_reset(&journal->scratch);
        if (atomic_load(&journal->unhealthy) ||
            journal_upload_find_old(&journal->trees, op.before_ms, &journal->scratch, &op.upload))
            return;
        list_init(&list);
        list_append(&list, &op);
        write_until_recorded(journal, &list);
    }
}

/* Waits for work: for anything at all, then, where only pieces came, a little for company. Comes back without
 * work where uploads are to be looked at, and an unhealthy journal to probe the disk. */
static void wait_for_work(struct journal *journal)
{
    const int64_t probe_ms = clock_steady_ms() + RETRY_MS;
    while (!journal->waiting.first && !journal->stopping) {
        int64_t until_ms = atomic_load(&journal->expire_next_ms);
        if (atomic_load(&journal->unhealthy) && probe_ms < until_ms)
            until_ms = probe_ms;
        int64_t left_ms = until_ms - clock_steady_ms();
        if (left_ms <= 0)
            return;
        struct timespec until = clock_steady_after(left_ms);
        pthread_cond_timedwait(&journal->submitted, &journal->mutex, &until);
    }
    struct timespec write_at = clock_steady_after(LAZY_MS);
    int code = 0;
    while (!journal->eager && !journal->stopping && journal->waiting_bytes < LAZY_BYTES && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&journal->submitted, &journal->mutex, &write_at);
}

/* Moves all that waits into `list`; false once the journal stops and nothing is left. */
static bool take_waiting(struct journal *journal, struct op_list *list)
{
    list_init(list);
    pthread_mutex_lock(&journal->mutex);
    wait_for_work(journal);
    append_waiting(journal, list);
    bool go_on = list->first || !journal->stopping;
    pthread_mutex_unlock(&journal->mutex);
    return go_on;
}

static void *writer_main(void *context)
{
    struct journal *journal = context;
    struct op_list list;
    while (take_waiting(journal, &list)) {
        if (list.first)
            write_until_recorded(journal, &list);
        else if (atomic_load(&journal->unhealthy))
            probe(journal);
        expire_uploads(journal);
    }
    return NULL;
}

void journal_submit(struct journal *journal, struct journal_op *op)
{
    pthread_mutex_lock(&journal->mutex);
    while (journal->waiting_bytes > WAITING_BYTES_MAX && !journal->stopping)
        pthread_cond_wait(&journal->taken, &journal->mutex);
    list_append(&journal->waiting, op);
    journal->waiting_bytes += op->bytes;
    journal->eager |= op->kind != JOURNAL_PIECE;
    pthread_cond_signal(&journal->submitted);
    pthread_mutex_unlock(&journal->mutex);
}

void journal_when_lost(struct journal *journal, void (*lost)(void))
{
    atomic_store(&journal->lost, lost);
}

uint64_t journal_next_upload(struct journal *journal)
{
    return atomic_fetch_add(&journal->next_upload, 1);
}

void journal_keep_uploads(struct journal *journal, uint64_t keep_ms)
{
    atomic_store(&journal->keep_uploads_ms, keep_ms);
    pthread_mutex_lock(&journal->mutex);
    atomic_store(&journal->expire_next_ms, 0);
    pthread_cond_signal(&journal->submitted);
    pthread_mutex_unlock(&journal->mutex);
}

enum err journal_health(const struct journal *journal)
{
    return atomic_load(&journal->unhealthy) ? ERR_DISK : ERR_OK;
}

uint64_t journal_unfinished_bytes(const struct journal *journal)
{
    return atomic_load(&journal->unfinished_bytes);
}

uint64_t journal_partner_changes_made(const struct journal *journal)
{
    return atomic_load(&journal->partner_changes);
}

const struct journal_trees *journal_trees_of(const struct journal *journal)
{
    return &journal->trees;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

enum err journal_lock_dir(const char *dir, int *out)
{
    char path[4096];
    bool made = mkdir(dir, 0700) == 0;
    if (!made && errno != EEXIST) {
        log_error("journal_dir", "dir=\"%s\" detail=\"%s\"", dir, strerror(errno));
        return ERR_DISK;
    }
    if (made && file_sync_folder("journal_dir", dir))
        return ERR_DISK;
    if (snprintf(path, sizeof path, "%s/server.lock", dir) >= (int)sizeof path)
        return ERR_INPUT;
    int file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0) {
        log_error("journal_dir", "dir=\"%s\" detail=\"%s\"", dir, strerror(errno));
        return ERR_DISK;
    }
    if (flock(file, LOCK_EX | LOCK_NB)) {
        log_error("journal_in_use", "dir=\"%s\" detail=\"another server has it open\"", dir);
        close(file);
        return ERR_EXISTS;
    }
    *out = file;
    return ERR_OK;
}

static enum err start_writer(struct journal *journal)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&journal->submitted, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&journal->taken, NULL);
    pthread_mutex_init(&journal->mutex, NULL);
    if (pthread_create(&journal->writer, NULL, writer_main, journal))
        return ERR_SYSTEM;
    journal->writer_started = true;
    return ERR_OK;
}

/* Where its files are new, their names are on disk, too, before anything relies on it. */
static enum err sync_names(const char *dir)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/data.mdb", dir) >= (int)sizeof path)
        return ERR_INPUT;
    return file_sync_folder("journal_dir", path);
}

enum err journal_open(const char *dir, uint64_t map_bytes, struct journal **out)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (!journal)
        return ERR_MEMORY;
    journal->lock_file = -1;
    journal->expire_next_ms = INT64_MAX; /* until it is said how long they are kept */
    list_init(&journal->waiting);
    arena_init(&journal->scratch, SCRATCH_BYTES);
    enum err err = journal_lock_dir(dir, &journal->lock_file);
    if (!err)
        err = journal_trees_open(&journal->trees, dir, map_bytes);
    if (!err)
        err = sync_names(dir);
    if (!err) {
        journal->unfinished_bytes = journal->trees.unfinished_bytes;
        journal->next_upload = journal->trees.next_upload;
        err = start_writer(journal);
    }
    if (err) {
        journal_close(&journal);
        return err;
    }
    *out = journal;
    return ERR_OK;
}

void journal_close(struct journal **journal)
{
    struct journal *self = *journal;
    if (!self)
        return;
    if (self->writer_started) {
        pthread_mutex_lock(&self->mutex);
        self->stopping = true;
        pthread_cond_broadcast(&self->submitted);
        pthread_cond_broadcast(&self->taken);
        pthread_mutex_unlock(&self->mutex);
        pthread_join(self->writer, NULL);
        pthread_cond_destroy(&self->submitted);
        pthread_cond_destroy(&self->taken);
        pthread_mutex_destroy(&self->mutex);
    }
    journal_trees_close(&self->trees);
    arena_free(&self->scratch);
    if (self->lock_file >= 0)
        close(self->lock_file);
    free(self);
    *journal = NULL;
}
