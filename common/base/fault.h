/* Places where a test makes a real process fail. They exist in builds with EPCISD_FAULTS alone; in any other
 * a point compiles to nothing, and a process in whose environment EPCISD_FAULT stands refuses to start.
 *
 *     EPCISD_FAULT=POINT[:FIRST[-LAST]][=stop][,...]
 *
 * arms points: each fails at its FIRST passage (1 where nothing is said) to its LAST. A point that ends the
 * process does so as kill -9 would, or with `=stop` halts it as SIGSTOP does. EPCISD_FAULT_ONCE=DIR lets each
 * passage fail once in all processes together: who fails leaves the file DIR/POINT.PASSAGE, and where it is
 * there already nothing happens. So a process that is started again in the same environment gets past. */
#ifndef EPCISD_BASE_FAULT_H
#define EPCISD_BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

/* Constant, name, and what it stands for. Those of FAULT_CALLS make the call there fail, or what they
 * say happen; the others end the process. */
#define FAULT_CALLS(POINT)                                                                                   \
    POINT(JOURNAL_BEGIN, "journal.begin", "the journal is lost as by EIO where its head was written")        \
    POINT(JOURNAL_COMMIT, "journal.commit", "the journal's commit fails as by EIO from fsync")               \
    POINT(DISPATCHER_PUSH, "dispatcher.push", "a run cannot be sent")                                        \
    POINT(STORE_BEGIN, "store.begin", "no transaction of the store can be begun")                            \
    POINT(STORE_COMMIT, "store.commit", "the store's commit fails as by EIO from fsync")                     \
    POINT(WORKER_PUBLISH, "worker.publish", "an acknowledgment is lost")                                     \
    POINT(CLOCK_BACK, "clock.back", "from here on the process's wall clock is an hour back")

#define FAULT_ENDS(POINT)                                                                                    \
    POINT(INGEST_PIECE, "ingest.piece", "a piece of a document is not yet handed to the journal")            \
    POINT(INGEST_SEALED, "ingest.sealed", "a document is durable, its receipt not made")                     \
    POINT(FRONT_BEFORE_ANSWER, "front.before_answer", "a call's answer is made and not sent")                \
    POINT(FRONT_AFTER_ANSWER, "front.after_answer", "a call's answer is sent")                               \
    POINT(JOURNAL_TAKEN, "journal.taken", "operations are taken, no transaction has begun")                  \
    POINT(JOURNAL_PIECE, "journal.piece", "a piece is being put")                                            \
    POINT(JOURNAL_SEAL, "journal.seal", "a whole document is being put")                                     \
    POINT(JOURNAL_BATCH, "journal.batch", "a closed batch is being put")                                     \
    POINT(JOURNAL_ACKNOWLEDGED, "journal.acknowledged", "a result is being put")                             \
    POINT(JOURNAL_CONVERTED, "journal.converted", "a document's end is being put")                           \
    POINT(JOURNAL_BEFORE_COMMIT, "journal.before_commit", "a transaction is whole, not committed")           \
    POINT(JOURNAL_AFTER_COMMIT, "journal.after_commit", "it is durable, nobody is told")                     \
    POINT(KEY_WRITTEN, "key.written", "a new signing key is in its file, the journal does not know it")      \
    POINT(KEY_RECORDED, "key.recorded", "the journal knows it, the file has not taken the old one's place")  \
    POINT(CONVERTER_RECOVERED, "converter.recovered", "what was unfinished is found, nothing done")          \
    POINT(CONVERTER_START, "converter.start", "a document begins to be read")                                \
    POINT(CONVERTER_END, "converter.end", "a document is read to its end, which is not recorded")            \
    POINT(CONVERTER_RECORDED, "converter.recorded", "a document's end is durable")                           \
    POINT(BATCH_CLOSED, "batch.closed", "a batch has its place in the chain, and is not recorded")           \
    POINT(BATCH_RECORDED, "batch.recorded", "a batch is durable, and not sent")                              \
    POINT(DISPATCHER_BEFORE_PUSH, "dispatcher.before_push", "a run is about to be sent")                     \
    POINT(DISPATCHER_AFTER_PUSH, "dispatcher.after_push", "a run is sent, its lease not noted")              \
    POINT(DISPATCHER_ACKNOWLEDGED, "dispatcher.acknowledged", "a result came, and is not recorded")          \
    POINT(DISPATCHER_RECORDED, "dispatcher.recorded", "a result is durable")                                 \
    POINT(SUPERVISOR_GONE, "supervisor.gone", "a worker has ended, nothing is done about it")                \
    POINT(SUPERVISOR_STARTED, "supervisor.started", "a worker has been started")                             \
    POINT(BACKUP_COPIED, "backup.copied", "store, journal or keys are copied, not all of them")              \
    POINT(RESTORE_COPIED, "restore.copied", "a file of a backup is put back, not all of them")               \
    POINT(SERVER_STOPPING, "server.stopping", "the server was told to stop")                                 \
    POINT(WORKER_PULLED, "worker.pulled", "a run is received")                                               \
    POINT(WORKER_TAKEN, "worker.taken", "runs are taken for one transaction")                                \
    POINT(WORKER_PREPARED, "worker.prepared", "they are verified, no transaction has begun")                 \
    POINT(WORKER_DECIDED, "worker.decided", "a batch is decided and written, others may follow")             \
    POINT(WORKER_BEFORE_COMMIT, "worker.before_commit", "the transaction is whole, not committed")           \
    POINT(WORKER_AFTER_COMMIT, "worker.after_commit", "it is durable, nobody is told")                       \
    POINT(WORKER_BEFORE_PUBLISH, "worker.before_publish", "an acknowledgment is about to be published")      \
    POINT(WORKER_AFTER_PUBLISH, "worker.after_publish", "an acknowledgment is published")                    \
    POINT(WORKER_STOPPING, "worker.stopping", "the worker was told to stop")

enum fault_point {
#define FAULT_CONSTANT(constant, name, meaning) FAULT_##constant,
    FAULT_CALLS(FAULT_CONSTANT) FAULT_ENDS(FAULT_CONSTANT)
#undef FAULT_CONSTANT
        FAULT_POINT_COUNT
};

/* Reads the environment; without it, disarms all. In main, before threads (a test: any
 * time). ERR_INPUT: what stands there is
 * wrong, or this build has no points; standard error has been told why, and all points there are. */
enum err fault_init(void);

#ifdef EPCISD_FAULTS

/* True at a passage that shall fail. Any thread. */
bool fault_hit(enum fault_point point);

/* Ends or halts the process at a passage that shall fail. Any thread. */
void fault_end(enum fault_point point);

/* Ends the process at every text that contains what EPCISD_FAULT_POISON says, and never comes back from one
 * that contains what EPCISD_FAULT_LOOP says: events that no worker survives. Any thread. */
void fault_poison(const char *text);

#else

static inline bool fault_hit(enum fault_point point)
{
    (void)point;
    return false;
}

static inline void fault_end(enum fault_point point)
{
    (void)point;
}

static inline void fault_poison(const char *text)
{
    (void)text;
}

#endif

#endif
